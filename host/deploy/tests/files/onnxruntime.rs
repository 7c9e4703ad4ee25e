//! The same files in ONNX Runtime and in tract. Needs `ORT_DYLIB_PATH`, the path of libonnxruntime.so.

use crate::cases;
use mtcae_contract::Precision;
use mtcae_deploy::{
    Agreement, Device, Model, OnnxRuntime, Outputs, TractModel, agreement, half_bytes, onnx_bytes, seeded_clip,
    tolerance,
};
use mtcae_network::{Checkpoint, NetworkConfig};
use std::path::{Path, PathBuf};

/// The library that every test here asks.
pub fn library() -> Option<PathBuf> {
    let library = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    if library.is_none() {
        println!("skipped: ONNX Runtime is not compared because ORT_DYLIB_PATH is not set");
    }
    library
}

/// What a self-test accepts is no accident: the answers of the shipped model in the other engine are far nearer.
#[test]
fn the_shipped_model_answers_the_same_in_onnxruntime() {
    let Some(library) = library() else { return };
    let zoo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge"));
    let onnx = Model::open(zoo).unwrap().fp32;
    let engine = TractModel::load(&onnx).unwrap();
    let [_, frames, size, ..] = *engine.shape() else { panic!("{:?}", engine.shape()) };
    let mut other = OnnxRuntime::load(&library, &onnx, engine.shape(), Device::Cpu).unwrap();
    let mut worst = Agreement::default();
    for seed in 1..=8 {
        let clip = seeded_clip(frames, size, seed);
        worst = worst.max(agreement(&other.run(&clip).unwrap(), &engine.run(&clip).unwrap()));
    }
    let (output, apart) = worst.worst();
    println!("8 clips; the shipped model differs by {apart:.1e} at most, in {output}");
    assert!(apart <= tolerance(Precision::Fp32) / 100.0, "{worst:?}");
}

#[test]
fn onnxruntime_and_tract_agree() {
    let Some(library) = library() else { return };
    let mut networks: Vec<_> = cases::all().into_iter().map(|c| (c.name, c.checkpoint)).collect();
    for preset in ["edge", "tiny"] {
        let config = NetworkConfig::preset(preset).unwrap();
        networks.push((preset.to_owned(), Checkpoint::random(config, 3).unwrap()));
    }
    let mut worst = 0.0f32;
    for (name, checkpoint) in &networks {
        let config = &checkpoint.config;
        let onnx = onnx_bytes(checkpoint, &cases::manifest(config)).unwrap();
        let clip = seeded_clip(config.frames, config.size, 5);
        let engine = TractModel::load(&onnx).unwrap();
        let other = OnnxRuntime::load(&library, &onnx, engine.shape(), Device::Cpu).unwrap().run(&clip).unwrap();
        let (output, apart) = agreement(&engine.run(&clip).unwrap(), &other).worst();
        assert!(apart <= 1e-4, "{name}: tract and ONNX Runtime differ by {apart:e} in {output}");
        worst = worst.max(apart);
    }
    println!("{} networks; tract and ONNX Runtime differ by {worst:.1e} at most", networks.len());
}

/// f16 in the processor's engines, which is how a file for a GPU is checked where there is none.
#[test]
fn f16_answers_what_fp32_answers() {
    let library = library();
    let mut networks: Vec<_> = cases::all().into_iter().map(|c| (c.name, c.checkpoint)).collect();
    for preset in ["edge", "tiny"] {
        let config = NetworkConfig::preset(preset).unwrap();
        networks.push((preset.to_owned(), Checkpoint::random(config, 3).unwrap()));
    }
    let mut worst = [0.0f32; 2];
    for (name, checkpoint) in &networks {
        let (config, manifest) = (&checkpoint.config, cases::manifest(&checkpoint.config));
        let clip = seeded_clip(config.frames, config.size, 5);
        let full = TractModel::load(&onnx_bytes(checkpoint, &manifest).unwrap()).unwrap();
        let want = full.run(&clip).unwrap();
        let onnx = half_bytes(checkpoint, &manifest).unwrap();
        let mut far = |i: usize, answer: Outputs| {
            let (output, apart) = agreement(&answer, &want).worst();
            assert!(apart > 0.0 && apart <= tolerance(Precision::Fp16), "{name}, {i}: {apart:e} in {output}");
            worst[i] = worst[i].max(apart);
        };
        far(0, TractModel::load(&onnx).unwrap().run(&clip).unwrap());
        if let Some(library) = &library {
            far(1, OnnxRuntime::load(library, &onnx, full.shape(), Device::Cpu).unwrap().run(&clip).unwrap());
        }
    }
    println!(
        "{} networks; f16 is off by {:.1e} at most in tract, by {:.1e} in ONNX Runtime",
        networks.len(),
        worst[0],
        worst[1]
    );
}
