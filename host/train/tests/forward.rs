//! The trainer's forward pass of every strategy is PyTorch's (`tests/fixtures/make_fixtures.py`).

use burn::tensor::{Device, Tensor, TensorData};
use mtcae_network::{Network, NetworkConfig, normalised};
use mtcae_train::{Interpreter, Mode, Parameters};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::BTreeSet;
use std::path::Path;

/// How far an answer may be from PyTorch's, which was computed in double precision.
const NEAR: f32 = 1e-5;

fn floats(view: &TensorView<'_>) -> Vec<f32> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        other => panic!("a fixture in {other:?}"),
    }
}

#[test]
fn the_forward_pass_of_each_strategy_is_pytorchs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/networks.safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (mut worst, mut strategies) = (0.0f32, BTreeSet::new());
    // The logits of the case `videomae` are of another head.
    for (name, config) in header.metadata().clone().unwrap().iter().filter(|(name, _)| *name != "videomae") {
        let config: NetworkConfig = serde_json::from_str(config).unwrap();
        strategies.insert(config.strategy.name());
        let network = Network::new(config.clone()).unwrap();
        let device = Device::flex();
        let tensor = |values: Vec<f32>| {
            let n = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [n]), &device)
        };
        let prefix = format!("{name}/");
        let params: Parameters =
            file.iter().filter_map(|(n, v)| Some((n.strip_prefix(&prefix)?.to_owned(), tensor(floats(&v))))).collect();
        let clip = file.tensor(&format!("{name}@clip")).unwrap();
        let pixels = normalised(clip.data(), config.size, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let clip = tensor(pixels).reshape([config.frames, 3, config.size, config.size]);
        let mut ops = Interpreter::new(&params, clip, 1, config.frames, Mode::Evaluate, 0);
        let answer = network.forward(&mut ops);
        let found = [("boxes", answer.boxes), ("landmarks", answer.landmarks), ("logits", Some(answer.logits))];
        for (part, found) in found {
            let want = file.tensor(&format!("{name}@{part}")).ok();
            assert_eq!(found.is_some(), want.is_some(), "{name}: {part}");
            let (Some(found), Some(want)) = (found, want) else { continue };
            let (found, want) = (found.into_data().try_to_vec::<f32>().unwrap(), floats(&want));
            assert_eq!(found.len(), want.len(), "{name}: {part}");
            let gap = found.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(gap <= NEAR, "{name}: {part} differs by {gap}");
            worst = worst.max(gap);
        }
    }
    println!("all answers within {worst:e}");
    assert_eq!(strategies.len(), 6);
}
