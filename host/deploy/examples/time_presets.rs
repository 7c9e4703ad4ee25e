//! Times an exported preset in tract, one thread, random weights: `time_presets [preset ...] [--rounds N]`.
//!
//! Presets take turns within a round, and what is printed is the median of the thread's own CPU time, so that a busy
//! machine disturbs little. A preset's `single-task` row is its encoder with the expression head alone; the difference
//! is decoders and heads.

use mtcae_contract::{ClipSpec, Framing, LabelSet, MANIFEST_FORMAT, Manifest, Sampling};
use mtcae_deploy::{TractModel, agreement, onnx_bytes, reference, seeded_clip};
use mtcae_network::{Checkpoint, Network, NetworkConfig, Strategy, count};
use std::error::Error;

struct Entry {
    name: String,
    model: TractModel,
    clip: Vec<u8>,
    line: String,
    times: Vec<f64>,
}

/// The kernel counts CPU time in ticks of some milliseconds; one sample lasts at least this long.
const ENOUGH_MS: f64 = 200.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut rounds = 15;
    if let Some(at) = args.iter().position(|a| a == "--rounds") {
        rounds = args.get(at + 1).ok_or("--rounds needs a number")?.parse()?;
        args.drain(at..=at + 1);
    }
    if args.is_empty() {
        args = ["small", "edge", "tiny"].map(String::from).to_vec();
    }
    let mut entries = Vec::new();
    for preset in &args {
        for strategy in [Strategy::CascadedVit, Strategy::SingleTask] {
            entries.push(prepare(preset, strategy)?);
        }
    }
    for _ in 0..rounds {
        for e in &mut entries {
            let (start, mut runs) = (cpu_ms()?, 0);
            while runs == 0 || cpu_ms()? - start < ENOUGH_MS {
                e.model.run(&e.clip)?;
                runs += 1;
            }
            e.times.push((cpu_ms()? - start) / f64::from(runs));
        }
    }
    println!(
        "| preset, strategy | parameters | encoder GMAC | decoder GMAC | peak activations MB | tract vs reference | CPU ms/clip |"
    );
    println!("|---|---|---|---|---|---|---|");
    for e in &mut entries {
        e.times.sort_by(f64::total_cmp);
        println!("| {} | {} | {:.1} |", e.name, e.line, e.times[e.times.len() / 2]);
    }
    Ok(())
}

/// This thread's time on a CPU so far.
fn cpu_ms() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().ok_or("schedstat is empty")?.parse()?;
    Ok(nanoseconds / 1e6)
}

fn prepare(preset: &str, strategy: Strategy) -> Result<Entry, Box<dyn Error>> {
    let config = NetworkConfig { strategy, ..NetworkConfig::preset(preset)? };
    let (frames, size) = (config.frames, config.size);
    let cost = count(&Network::new(config.clone())?);
    let checkpoint = Checkpoint::random(config, 1)?;
    let manifest = manifest(preset, frames, size);
    let model = TractModel::load(&onnx_bytes(&checkpoint, &manifest)?)?;
    let clip = seeded_clip(frames, size, 1);
    let want = reference(&checkpoint, &clip, manifest.mean, manifest.std)?;
    let line = format!(
        "{} | {:.2} | {:.2} | {:.1} | {:.0e}",
        cost.parameters(),
        cost.encoder_macs as f64 / 1e9,
        cost.decoder_macs as f64 / 1e9,
        cost.peak_activation_bytes as f64 / 1e6,
        agreement(&model.run(&clip)?, &want).worst().1,
    );
    Ok(Entry { name: format!("{preset}, {strategy}"), model, clip, line, times: Vec::new() })
}

fn manifest(preset: &str, frames: usize, size: usize) -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        name: preset.into(),
        version: "0.0.0".into(),
        preset: preset.into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames, size, seconds: 1.0 },
        framing: Framing::Whole,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        artifacts: Vec::new(),
    }
}
