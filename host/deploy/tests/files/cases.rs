//! The committed networks and PyTorch's answers (tests/fixtures/make_fixtures.py).

use mtcae_contract::{ClipSpec, Framing, LabelSet, MANIFEST_FORMAT, Manifest, Sampling};
use mtcae_deploy::Outputs;
use mtcae_network::{Checkpoint, NetworkConfig, Tensor};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

pub struct Case {
    pub name: String,
    pub checkpoint: Checkpoint,
    pub clip: Vec<u8>,
    pub features: Vec<f32>,
    pub want: Outputs,
}

fn floats(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        other => panic!("a fixture in {other:?}"),
    }
}

pub fn all() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/networks.safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut configs: Vec<_> = header.metadata().clone().unwrap().into_iter().collect();
    configs.sort();
    configs.iter().map(|(name, config)| case(name, config, &file)).collect()
}

fn case(name: &str, config: &str, file: &SafeTensors<'_>) -> Case {
    let config: NetworkConfig = serde_json::from_str(config).unwrap();
    let prefix = format!("{name}/");
    let tensors: BTreeMap<_, _> = file
        .iter()
        .filter_map(|(n, v)| Some((n.strip_prefix(&prefix)?.to_owned(), v)))
        .map(|(n, v)| (n, Tensor { shape: v.shape().to_vec(), values: floats(v.dtype(), v.data()) }))
        .collect();
    let checkpoint = Checkpoint::new(config, tensors).unwrap_or_else(|e| panic!("{name}: {e}"));
    let read = |part: &str| file.tensor(&format!("{name}@{part}")).ok();
    let numbers = |part: &str| read(part).map(|v| floats(v.dtype(), v.data()));
    let (boxes, landmarks, logits) = (numbers("boxes"), numbers("landmarks"), numbers("logits").unwrap());
    Case {
        name: name.to_owned(),
        checkpoint,
        clip: read("clip").unwrap().data().to_vec(),
        features: numbers("features").unwrap(),
        want: Outputs { boxes, landmarks, logits },
    }
}

/// A manifest for a checkpoint with the colours the fixtures were made with.
pub fn manifest(config: &NetworkConfig) -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        name: "sample".into(),
        version: "0.0.0".into(),
        preset: "sample".into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: config.frames, size: config.size, seconds: 1.0 },
        framing: Framing::Whole,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        artifacts: Vec::new(),
    }
}
