//! The same files in ONNX Runtime and in tract. Needs `ORT_DYLIB_PATH`, the path of libonnxruntime.so.

use crate::cases;
use mtcae_contract::Precision;
use mtcae_deploy::{Agreement, Outputs, TractModel, agreement, onnx_bytes, seeded_clip, tolerance};
use mtcae_network::{Checkpoint, NetworkConfig};
use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;
use std::sync::OnceLock;

fn in_onnxruntime(environment: &Environment, onnx: &[u8], shape: &[usize], clip: &[u8]) -> Outputs {
    let mut session = Session::builder(environment).unwrap().with_intra_threads(1).unwrap();
    let mut session = session.commit_from_memory(onnx).unwrap();
    let input = TensorRef::from_array_view((shape.to_vec(), clip)).unwrap();
    let outputs = session.run(ort::inputs!["clip" => input]).unwrap();
    let read = |name: &str| outputs.get(name).map(|v| v.try_extract_tensor::<f32>().unwrap().1.to_vec());
    Outputs { boxes: read("boxes"), landmarks: read("landmarks"), logits: read("logits").unwrap() }
}

/// The one of this process; ONNX Runtime allows no second one.
fn environment() -> Option<&'static Environment> {
    static ONLY: OnceLock<Environment> = OnceLock::new();
    let Ok(library) = std::env::var("ORT_DYLIB_PATH") else {
        println!("skipped: ONNX Runtime is not compared because ORT_DYLIB_PATH is not set");
        return None;
    };
    Some(ONLY.get_or_init(|| ort::init_from(&library).unwrap().build().unwrap()))
}

/// What a self-test accepts is no accident: the answers of the shipped model in the other engine are far nearer.
#[test]
fn the_shipped_model_answers_the_same_in_onnxruntime() {
    let Some(environment) = environment() else { return };
    let onnx = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge/edge.fp32.onnx")).unwrap();
    let engine = TractModel::load(&onnx).unwrap();
    let [_, frames, size, ..] = *engine.shape() else { panic!("{:?}", engine.shape()) };
    let mut worst = Agreement::default();
    for seed in 1..=8 {
        let clip = seeded_clip(frames, size, seed);
        let other = in_onnxruntime(environment, &onnx, engine.shape(), &clip);
        worst = worst.max(agreement(&other, &engine.run(&clip).unwrap()));
    }
    let (output, apart) = worst.worst();
    println!("8 clips; the shipped model differs by {apart:.1e} at most, in {output}");
    assert!(apart <= tolerance(Precision::Fp32) / 100.0, "{worst:?}");
}

#[test]
fn onnxruntime_and_tract_agree() {
    let Some(environment) = environment() else { return };
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
        let other = in_onnxruntime(environment, &onnx, engine.shape(), &clip);
        let (output, apart) = agreement(&engine.run(&clip).unwrap(), &other).worst();
        assert!(apart <= 1e-4, "{name}: tract and ONNX Runtime differ by {apart:e} in {output}");
        worst = worst.max(apart);
    }
    println!("{} networks; tract and ONNX Runtime differ by {worst:.1e} at most", networks.len());
}
