//! Times networks as tract runs them alone and with fused operators: `time NETWORK ... [--rounds N] [--threads N] [--parts]`.
//!
//! A network is an ONNX file, or a preset with random weights: `small`, `small@224` at another size, `small+int8` with all its linear
//! layers in int8.
//!
//! Each form of each file takes its turn in every round; what is printed is the median of the process's processor time, and how
//! far the outputs are apart, of their largest value; with threads also what the main thread and the busiest of the others took, which
//! is how long it lasts where each has a core of its own. `--parts` adds a row with each kind of operator left out.

use mtcae_kernels::{Fusion, instructions, optimized};
use mtcae_network::onnx::{Activation, EmitOptions, ZERO_POINT, emit_int8, emit_tapped};
use mtcae_network::{Checkpoint, NetworkConfig};
use std::error::Error;
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

struct Entry {
    name: String,
    plan: Arc<TypedRunnableModel>,
    input: TValue,
    apart: f32,
    times: Vec<f64>,
    lasts: Vec<f64>,
}

/// One sample lasts at least this long.
const ENOUGH_MS: f64 = 100.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut number = |name: &str, or: usize| -> Result<usize, Box<dyn Error>> {
        let Some(at) = args.iter().position(|a| a == name) else { return Ok(or) };
        let value = args.get(at + 1).ok_or("a number is missing")?.parse()?;
        args.drain(at..=at + 1);
        Ok(value)
    };
    let (rounds, threads) = (number("--rounds", 15)?, number("--threads", 1)?);
    let parts = args.iter().any(|a| a == "--parts");
    args.retain(|a| a != "--parts");
    if threads > 1 {
        set_default_executor(Executor::multithread(threads));
    }
    let all = Fusion::ALL;
    let mut forms = vec![("tract", Fusion::NONE), ("fused", all)];
    if parts {
        forms.extend([
            ("no linear", Fusion { linear: false, ..all }),
            ("no int8", Fusion { int8: false, ..all }),
            ("no norms", Fusion { norms: false, ..all }),
            ("no attention", Fusion { attention: false, ..all }),
            ("no convolutions", Fusion { convolutions: false, ..all }),
        ]);
    }
    println!("{}, {threads} threads", instructions());
    let mut entries = Vec::new();
    for file in &args {
        let bytes = if file.ends_with(".onnx") { std::fs::read(file)? } else { preset(file)? };
        let mut proto: ModelProto = prost::Message::decode(bytes.as_slice())?;
        let mut want = None;
        for (form, which) in &forms {
            entries.push(prepare(&format!("{file}, {form}"), &mut proto, *which, &mut want)?);
        }
    }
    for _ in 0..rounds {
        for e in &mut entries {
            let (start, mut runs) = (threads_ms()?, 0);
            let since = |now: Vec<f64>| -> Vec<f64> { now.iter().zip(&start).map(|(now, then)| now - then).collect() };
            while runs == 0 || since(threads_ms()?).iter().sum::<f64>() < ENOUGH_MS {
                e.plan.run(tvec!(e.input.clone()))?;
                runs += 1;
            }
            let took = since(threads_ms()?);
            e.times.push(took.iter().sum::<f64>() / f64::from(runs));
            e.lasts.push((took[0] + took[1..].iter().fold(0.0, |top: f64, t| top.max(*t))) / f64::from(runs));
        }
    }
    println!("| network, form | apart | CPU ms | least | lasts ms |\n|---|---|---|---|---|");
    for e in &mut entries {
        e.times.sort_by(f64::total_cmp);
        e.lasts.sort_by(f64::total_cmp);
        let (times, middle) = (&e.times, rounds / 2);
        println!("| {} | {:.1e} | {:.2} | {:.2} | {:.2} |", e.name, e.apart, times[middle], times[0], e.lasts[middle]);
    }
    Ok(())
}

/// Time that each thread of this process was on a processor, the main one first.
fn threads_ms() -> Result<Vec<f64>, Box<dyn Error>> {
    let mut threads: Vec<(u32, f64)> = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?;
        let text = std::fs::read_to_string(task.path().join("schedstat"))?;
        let nanoseconds: f64 = text.split(' ').next().ok_or("schedstat is empty")?.parse()?;
        threads.push((task.file_name().to_string_lossy().parse()?, nanoseconds / 1e6));
    }
    threads.sort_by_key(|(id, _)| *id);
    Ok(threads.into_iter().map(|(_, ms)| ms).collect())
}

/// A preset's file, of random weights.
fn preset(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let (name, int8) = text.strip_suffix("+int8").map_or((text, false), |name| (name, true));
    let (name, size) = name.split_once('@').map_or((name, None), |(name, size)| (name, Some(size)));
    let mut config = NetworkConfig::preset(name)?;
    if let Some(size) = size {
        config.size = size.parse()?;
    }
    let checkpoint = Checkpoint::random(config, 1)?;
    let options = EmitOptions { mean: [0.5; 3], std: [0.25; 3], metadata: vec![], opset: 17 };
    let (f32, layers) = emit_tapped(&checkpoint, &options)?;
    drop(f32);
    let activation = Activation::Static { scale: 0.03, zero_point: ZERO_POINT };
    let layers = layers.into_iter().filter(|_| int8).map(|l| (l.name, activation)).collect();
    Ok(emit_int8(&checkpoint, &options, &layers)?)
}

fn prepare(
    name: &str,
    proto: &mut ModelProto,
    which: Fusion,
    want: &mut Option<Vec<Vec<f32>>>,
) -> Result<Entry, Box<dyn Error>> {
    let start = threads_ms()?[0];
    let model = optimized(proto, which)?;
    let shape = model.input_fact(0)?.shape.as_concrete().ok_or("the input has no fixed shape")?.to_vec();
    let plan = model.into_runnable()?;
    eprintln!("{name}: ready in {:.0} ms, {} nodes", threads_ms()?[0] - start, plan.model().nodes().len());
    let mut state = 7u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let clip: Vec<u8> = (0..shape.iter().product()).map(|_| byte()).collect();
    let input = Tensor::from_shape(&shape, &clip)?.into_tvalue();
    let mut got = Vec::new();
    for output in plan.run(tvec!(input.clone()))? {
        got.push(output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec());
    }
    let want = want.get_or_insert_with(|| got.clone());
    let apart = got.iter().zip(want.iter()).map(|(got, want)| {
        let top = want.iter().fold(0f32, |top, v| top.max(v.abs()));
        got.iter().zip(want).fold(0f32, |worst, (g, w)| worst.max((g - w).abs())) / top
    });
    Ok(Entry { name: name.into(), plan, input, apart: apart.fold(0.0, f32::max), times: Vec::new(), lasts: Vec::new() })
}
