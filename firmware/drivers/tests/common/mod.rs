//! Models for engines, and ONNX Runtime's library.
#![allow(dead_code, reason = "each test file takes what it needs")]

use mtcae_contract::*;
use mtcae_drivers::ModelFile;
use mtcae_network::onnx::{Activation, EmitOptions, emit_int8, emit_tapped};
use mtcae_network::{Checkpoint, NetworkConfig};
use std::path::{Path, PathBuf};

/// A network of two frames of 16x16; see make_model.py.
pub const TINY: &[u8] = include_bytes!("../fixtures/tiny.onnx");

/// A manifest that fits [`TINY`].
pub fn manifest() -> Manifest {
    use Expression::{Happy, Neutral, Sad};
    Manifest {
        format: 1,
        name: "tiny-test".into(),
        version: "0.1.0".into(),
        preset: "tiny".into(),
        labels: LabelSet::new(vec![Neutral, Happy, Sad]).unwrap(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 2, size: 16, seconds: 1.0 },
        framing: Framing::Whole,
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: Vec::new(),
    }
}

/// A model that never was in a folder; errors call it DIR/tiny.onnx.
pub fn file(manifest: Manifest, onnx: &[u8]) -> ModelFile {
    ModelFile { manifest, precision: Precision::Fp32, path: "DIR/tiny.onnx".into(), bytes: onnx.to_vec() }
}

/// The model that ships, which is in int8.
pub fn shipped() -> ModelFile {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge"));
    ModelFile::read(folder, Precision::Int8).unwrap()
}

/// A small network of random weights, of one block; in int8 every linear layer finds its ranges while it runs, and convolutions have one.
pub fn network(precision: Precision) -> ModelFile {
    let mut config = NetworkConfig::preset("tiny").unwrap();
    (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 4, 1, 1);
    let checkpoint = Checkpoint::random(config, 9).unwrap();
    let options = EmitOptions { mean: [0.5; 3], std: [0.5; 3], metadata: Vec::new(), opset: 17 };
    let layers = match precision {
        Precision::Int8 => emit_tapped(&checkpoint, &options).unwrap().1,
        _ => Vec::new(),
    };
    let activation = |convolution| match convolution {
        true => Activation::Static { scale: 0.03, zero_point: 0 },
        false => Activation::Dynamic,
    };
    let layers = layers.into_iter().map(|l| (l.name.clone(), activation(l.is_convolution()))).collect();
    let bytes = emit_int8(&checkpoint, &options, &layers).unwrap();
    let clip = ClipSpec { frames: 4, size: 32, seconds: 1.0 };
    ModelFile { precision, ..file(Manifest { clip, labels: LabelSet::seven(), ..manifest() }, &bytes) }
}

/// The library that `tests/run` fetches; without it a test says that it is skipped.
pub fn library(what: &str) -> Option<PathBuf> {
    let path = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {what} because ORT_DYLIB_PATH is not set");
    }
    path
}

/// A clip of seeded noise under a slope of light.
pub fn clip(spec: ClipSpec, mut seed: u64) -> Clip {
    let len = spec.frames * spec.size * spec.size * 3;
    let bytes = (0..len).map(|i| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (i * 160 / len) as u8 + (seed >> 58) as u8
    });
    Clip { bytes: bytes.collect(), frames: spec.frames, size: spec.size, crop: Rect::default() }
}
