//! Times tract alone, tract with fused operators, and ONNX Runtime, side by side, one thread:
//! `time_engines LIBONNXRUNTIME NETWORK ... [--rounds N]`.
//!
//! A network is an ONNX file, or a preset with random weights: `small`, `small@224` at another size, `small+int8` with all its linear
//! layers in int8. Engines take turns within a round; what is printed is the median of the process's processor time for a clip.

use mtcae_deploy::{Device, OnnxRuntime, TractModel, seeded_clip};
use mtcae_kernels::{Fusion, instructions};
use mtcae_network::onnx::{Activation, EmitOptions, ZERO_POINT, emit_int8, emit_tapped};
use mtcae_network::{Checkpoint, NetworkConfig};
use std::error::Error;
use std::path::Path;

type Failed = Box<dyn Error>;
type Run = Box<dyn FnMut() -> Result<(), Failed>>;
/// An engine with a network, and its times so far.
type Timed = (Run, Vec<f64>);

/// One sample lasts at least this long.
const ENOUGH_MS: f64 = 100.0;

fn main() -> Result<(), Failed> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut rounds = 9;
    if let Some(at) = args.iter().position(|a| a == "--rounds") {
        rounds = args.get(at + 1).ok_or("--rounds needs a number")?.parse()?;
        args.drain(at..=at + 1);
    }
    let (library, networks) = args.split_first().ok_or("time_engines LIBONNXRUNTIME NETWORK ...")?;
    let mut rows: Vec<(String, Vec<Timed>)> = Vec::new();
    for network in networks {
        let onnx = if network.ends_with(".onnx") { std::fs::read(network)? } else { preset(network)? };
        let engines = engines(&onnx, Path::new(library))?;
        rows.push((network.clone(), engines.into_iter().map(|run| (run, Vec::new())).collect()));
    }
    for _ in 0..rounds {
        for (run, times) in rows.iter_mut().flat_map(|(_, engines)| engines) {
            let (start, mut runs) = (cpu_ms(), 0);
            while runs == 0 || cpu_ms() - start < ENOUGH_MS {
                run()?;
                runs += 1;
            }
            times.push((cpu_ms() - start) / f64::from(runs));
        }
    }
    println!("{}, median of {rounds}", instructions());
    println!("| network | tract alone | fused | ONNX Runtime |\n|---|---|---|---|");
    for (name, engines) in &mut rows {
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            format!("{:.1}", times[times.len() / 2])
        };
        let cells: Vec<String> = engines.iter_mut().map(|(_, times)| median(times)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn engines(onnx: &[u8], library: &Path) -> Result<Vec<Run>, Failed> {
    let alone = TractModel::load_with(onnx, Fusion::NONE)?;
    let fused = TractModel::load_with(onnx, Fusion::ALL)?;
    let mut runtime = OnnxRuntime::load(library, onnx, alone.shape(), Device::Cpu)?;
    let clip = seeded_clip(alone.shape()[1], alone.shape()[2], 1);
    let (a, b) = (clip.clone(), clip.clone());
    Ok(vec![
        Box::new(move || Ok(_ = alone.run(&a)?)),
        Box::new(move || Ok(_ = fused.run(&b)?)),
        Box::new(move || Ok(_ = runtime.run(&clip)?)),
    ])
}

/// A preset's file, of random weights.
fn preset(text: &str) -> Result<Vec<u8>, Failed> {
    let (name, int8) = text.strip_suffix("+int8").map_or((text, false), |name| (name, true));
    let (name, size) = name.split_once('@').map_or((name, None), |(name, size)| (name, Some(size)));
    let mut config = NetworkConfig::preset(name)?;
    if let Some(size) = size {
        config.size = size.parse()?;
    }
    let checkpoint = Checkpoint::random(config, 1)?;
    let options = EmitOptions { mean: [0.5; 3], std: [0.25; 3], metadata: vec![], opset: 17 };
    let (_, layers) = emit_tapped(&checkpoint, &options)?;
    let activation = Activation::Static { scale: 0.03, zero_point: ZERO_POINT };
    let layers = layers.into_iter().filter(|_| int8).map(|l| (l.name, activation)).collect();
    Ok(emit_int8(&checkpoint, &options, &layers)?)
}

/// This process's time on processors so far.
fn cpu_ms() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}
