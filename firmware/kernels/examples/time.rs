//! Times networks as tract runs them alone and with fused operators: `time NETWORK ... [--rounds N] [--threads N] [--parts]`.
//!
//! A network is an ONNX file, or a preset with random weights: `small`, `small@224` at another size, `small+int8` with all its linear
//! layers in int8.
//!
//! Each form of each file takes its turn in every round; what is printed is the median of the process's processor time, and how
//! far the outputs are apart, of their largest value. `--parts` adds a row with each kind of operator left out.

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
            let (start, mut runs) = (cpu_ms()?, 0);
            while runs == 0 || cpu_ms()? - start < ENOUGH_MS {
                e.plan.run(tvec!(e.input.clone()))?;
                runs += 1;
            }
            e.times.push((cpu_ms()? - start) / f64::from(runs));
        }
    }
    for e in &mut entries {
        e.times.sort_by(f64::total_cmp);
        println!("| {} | {:.1e} | {:.2} | {:.2} |", e.name, e.apart, e.times[e.times.len() / 2], e.times[0]);
    }
    Ok(())
}

/// This process's time on processors so far.
fn cpu_ms() -> Result<f64, Box<dyn Error>> {
    let mut total = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        total += text.split(' ').next().ok_or("schedstat is empty")?.parse::<f64>()?;
    }
    Ok(total / 1e6)
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
    let start = cpu_ms()?;
    let model = optimized(proto, which)?;
    let shape = model.input_fact(0)?.shape.as_concrete().ok_or("the input has no fixed shape")?.to_vec();
    let plan = model.into_runnable()?;
    eprintln!("{name}: ready in {:.0} ms, {} nodes", cpu_ms()? - start, plan.model().nodes().len());
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
    Ok(Entry { name: name.into(), plan, input, apart: apart.fold(0.0, f32::max), times: Vec::new() })
}
