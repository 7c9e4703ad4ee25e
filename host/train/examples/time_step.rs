//! Times one update (forward, backward, AdamW) of random clips, at each of some batch sizes, or compares a card's update with
//! the processor's:
//!
//! ```text
//! cargo run --release -p mtcae-train --example time_step -- --preset edge --batch 8,16
//! cargo run --release -p mtcae-train --features cuda --example time_step -- --device cuda --preset large --batch 2,4,8 --precision bf16
//! cargo run --release -p mtcae-train --features cuda --example time_step -- --device cuda --preset tiny --compare
//! ```
//!
//! One JSON object a line. `tests/torch_step.py` does the same with PyTorch.

use anyhow::{Result, bail};
use clap::Parser;
use mtcae_network::{Checkpoint, Network, NetworkConfig, SplitMix};
use mtcae_train::{AdamW, Batch, Losses, Place, Precision, Resident, State, StepLosses, Update, update_on_processor};
use std::time::Instant;

#[derive(Parser)]
struct Args {
    /// cpu or cuda.
    #[arg(long, default_value_t)]
    device: Place,
    /// f32 or bf16.
    #[arg(long, default_value_t)]
    precision: Precision,
    #[arg(long)]
    preset: String,
    /// Clips an update, with commas between; after one that fails the rest is left out.
    #[arg(long, value_delimiter = ',', default_value = "8")]
    batch: Vec<usize>,
    /// Timed updates of each size, after two that are not.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Threads of the processor.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// No new size after so many seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Compares the device's first update with the processor's instead.
    #[arg(long)]
    compare: bool,
}

const LOSSES: Losses = Losses { boxes: 0.5, landmarks: 0.5, expression: 1.5 };

fn main() -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let args = Args::parse();
    args.device.check(args.precision)?;
    let config = NetworkConfig::preset(&args.preset)?;
    if args.compare {
        return compare(&args, &config);
    }
    let began = Instant::now();
    for &batch in &args.batch {
        if began.elapsed().as_secs() >= args.seconds {
            bail!("no time is left for a batch of {batch}");
        }
        time(&args, &config, batch)?;
    }
    Ok(())
}

/// Noise in the shape of a batch; the numbers do not matter to the time.
fn noise(config: &NetworkConfig, clips: usize, seed: u64) -> Batch {
    let mut random = SplitMix::new(seed);
    let mut draw = |n: usize| (0..n).map(|_| random.unit()).collect::<Vec<f32>>();
    let (frames, size) = (config.frames, config.size);
    Batch {
        clips,
        pixels: draw(clips * frames * 3 * size * size).iter().map(|v| 4.0 * v - 2.0).collect(),
        boxes: draw(clips * frames * 4),
        landmarks: draw(clips * frames * 10),
        known: vec![1.0; clips],
        labels: (0..clips).map(|i| i % config.classes).collect(),
        ..Batch::new(frames, size, false)
    }
}

fn update(number: usize) -> Update<'static> {
    let optimizer = AdamW::new(0.05);
    Update {
        losses: &LOSSES,
        smoothing: 0.0,
        optimizer,
        lr: 1e-4,
        average: 0.999,
        number,
        first_tubelet: 0,
        seed: number as u64,
        layer_decay: 1.0,
        drop_path: 0.0,
    }
}

fn time(args: &Args, config: &NetworkConfig, clips: usize) -> Result<()> {
    let network = Network::new(config.clone())?;
    let mut state = State::from_checkpoint(&Checkpoint::random(config.clone(), 1)?)?;
    let device = args.device.open()?;
    let mut resident = (args.device != Place::Cpu).then(|| Resident::new(&state, &device, args.precision));
    let workers = args.workers.min(clips);
    let parts: Vec<Batch> = match &resident {
        Some(_) => vec![noise(config, clips, 1)],
        None => (0..workers).map(|w| noise(config, clips.div_ceil(workers), w as u64)).collect(),
    };
    let (mut times, mut spent) = (Vec::new(), 0.0);
    let mut losses = StepLosses::default();
    for number in 1..=args.steps + 2 {
        let start = Instant::now();
        losses = match &mut resident {
            Some(resident) => resident.update(&network, &parts[0], &update(number)),
            None => update_on_processor(&network, &mut state, &update(number), workers, |w| {
                (parts[w].clone(), SplitMix::new((number * 64 + w) as u64))
            }),
        };
        // The losses are read before the weights change: wait for those, too.
        device.sync().map_err(|e| anyhow::anyhow!("{e:?}"))?;
        times.push(start.elapsed().as_secs_f64());
        if number == 2 {
            spent = processor_seconds();
        }
        if number == 1 {
            eprintln!("{} {} batch {clips}: first update {:.1} s", args.preset, args.precision, times[0]);
        }
    }
    let spent = (processor_seconds() - spent) / args.steps as f64;
    let mut timed = times.split_off(2);
    timed.sort_by(f64::total_cmp);
    let step = timed[timed.len() / 2];
    let line = serde_json::json!({
        "what": "burn", "device": args.device.to_string(), "preset": args.preset,
        "precision": args.precision.to_string(), "batch": clips, "first_s": times[0], "second_s": times[1],
        "step_ms": step * 1e3, "fastest_ms": timed[0] * 1e3, "clips_per_s": clips as f64 / step, "loss": losses.total,
        "processor_ms": spent * 1e3,
    });
    println!("{line}");
    Ok(())
}

/// What this process has had of the processors so far; NaN where Linux does not say.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: state is the third field, user and system time the 14th and 15th, in hundredths.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i - 3).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(14) + ticks(15)) / 100.0
}

/// The same first update, by the device and by the processor.
fn compare(args: &Args, config: &NetworkConfig) -> Result<()> {
    let network = Network::new(config.clone())?;
    let first = State::from_checkpoint(&Checkpoint::random(config.clone(), 1)?)?;
    let batch = noise(config, args.batch[0], 3);
    let (mut here, mut there) = (first.clone(), first);
    let one = update_on_processor(&network, &mut here, &update(1), 1, |_| (batch.clone(), SplitMix::new(7)));
    let device = args.device.open()?;
    let mut resident = Resident::new(&there, &device, args.precision);
    let two = resident.update_as_processor(&network, &batch, &update(1), SplitMix::new(7));
    resident.read_into(&mut there);
    // After the first update the mean is a tenth of the gradient.
    let mean = |s: &State| s.slots.iter().flat_map(|s| s.mean.clone()).collect::<Vec<f32>>();
    let value = |s: &State| s.slots.iter().flat_map(|s| s.value.clone()).collect::<Vec<f32>>();
    let gap = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let (a, b) = (mean(&here), mean(&there));
    let line = serde_json::json!({
        "what": "compare", "device": args.device.to_string(), "preset": args.preset,
        "precision": args.precision.to_string(), "processor": one.total, "device_loss": two.total,
        "boxes": one.boxes - two.boxes, "landmarks": one.landmarks - two.landmarks,
        "expression": one.expression - two.expression, "gradient_gap": gap(&a, &b),
        "largest_gradient": a.iter().fold(0.0f32, |m, v| m.max(v.abs())), "weight_gap": gap(&value(&here), &value(&there)),
    });
    println!("{line}");
    Ok(())
}
