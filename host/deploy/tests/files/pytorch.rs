//! The reference evaluator, and the exported graph in tract, against what PyTorch answered on the committed networks.

use crate::cases;
use mtcae_deploy::{TractModel, agreement, onnx_bytes, reference};
use mtcae_network::onnx::{EmitOptions, emit};
use mtcae_network::{Network, Reference, normalised};

const LIMIT: f32 = 1e-5;

#[test]
fn reference_and_tract_answer_what_pytorch_answers() {
    let all = cases::all();
    assert_eq!(all.len(), 25, "six strategies, two stems, two pools, and VideoMAE itself");
    let mut worst = (0.0f32, 0.0f32);
    for case in &all {
        let manifest = cases::manifest(&case.checkpoint.config);
        let plain = reference(&case.checkpoint, &case.clip, manifest.mean, manifest.std).unwrap();
        let (output, plain) = agreement(&plain, &case.want).worst();
        assert!(plain <= LIMIT, "{}: the reference is off by {plain:e} in {output}", case.name);
        let engine = TractModel::load(&onnx_bytes(&case.checkpoint, &manifest).unwrap()).unwrap();
        let (output, exported) = agreement(&engine.run(&case.clip).unwrap(), &case.want).worst();
        assert!(exported <= LIMIT, "{}: the exported graph in tract is off by {exported:e} in {output}", case.name);
        worst = (worst.0.max(plain), worst.1.max(exported));
    }
    println!("{} networks; worst: reference {:.1e}, tract {:.1e}", all.len(), worst.0, worst.1);
}

#[test]
fn features_are_those_of_pytorch() {
    for case in cases::all() {
        let manifest = cases::manifest(&case.checkpoint.config);
        let config = case.checkpoint.config.clone();
        let clip = normalised(&case.clip, config.size, manifest.mean, manifest.std);
        let features = Network::new(config).unwrap().encode(&mut Reference::new(&case.checkpoint, clip));
        let top = case.features.iter().fold(0.0f32, |t, v| t.max(v.abs()));
        let apart = features.values.iter().zip(&case.features).fold(0.0f32, |t, (a, b)| t.max((a - b).abs())) / top;
        assert_eq!(features.values.len(), case.features.len());
        assert!(apart <= LIMIT, "{}: features are off by {apart:e}", case.name);
    }
}

#[test]
fn both_opsets_compute_the_same() {
    let case = cases::all().into_iter().find(|c| c.name == "cascaded-vit.conv.tubelet").unwrap();
    let m = cases::manifest(&case.checkpoint.config);
    for opset in mtcae_network::onnx::OPSETS {
        let options = EmitOptions { mean: m.mean, std: m.std, metadata: vec![], opset };
        let engine = TractModel::load(&emit(&case.checkpoint, &options).unwrap()).unwrap();
        let apart = agreement(&engine.run(&case.clip).unwrap(), &case.want).worst();
        assert!(apart.1 <= LIMIT, "opset {opset}: {apart:?}");
    }
    let options = EmitOptions { mean: m.mean, std: m.std, metadata: vec![], opset: 23 };
    insta::assert_snapshot!(emit(&case.checkpoint, &options).unwrap_err(), @"ONNX opset 23; accepted: 17 or 20");
    let options = EmitOptions { opset: 17, std: [0.0; 3], ..options };
    insta::assert_snapshot!(emit(&case.checkpoint, &options).unwrap_err(), @"colour std [0.0, 0.0, 0.0]; accepted: three numbers, 0.001 to 1");
}
