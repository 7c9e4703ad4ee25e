//! A small signed bundle with a model and a daemon for this machine's processor.

use mtcae_bundle::{
    Builder, Compression, Content, Description, Licence, ModelDescription, Provenance, Recipient, SigningKey, Version,
};
use mtcae_contract::{ClipSpec, Framing, LabelSet, Manifest, Precision, Sampling};
use std::io::Cursor;

pub fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

/// What begins like a program of this machine.
pub fn program(len: usize) -> Vec<u8> {
    let machine = if cfg!(target_arch = "aarch64") { 183u16 } else { 62 };
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    bytes.extend(machine.to_le_bytes());
    bytes.extend((bytes.len()..len).map(|at| (at * 7 + at / 251) as u8));
    bytes
}

pub fn bundle(recipients: &[Recipient]) -> Vec<u8> {
    let manifest = Manifest {
        format: 1,
        name: "edge".into(),
        version: "0.1.0".into(),
        preset: "edge".into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 2, size: 16, seconds: 0.5 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: Vec::new(),
    };
    let description = Description {
        name: "first".into(),
        version: Version::new(1, 0, 0),
        security_counter: 3,
        boards: vec!["pc".into()],
        model: Some(ModelDescription::from(&manifest)),
        metrics: Vec::new(),
        provenance: Provenance { built_unix_s: 1, builder: "test".into(), revision: String::new(), data: Vec::new() },
        licences: vec![Licence { covers: "weights".into(), terms: "MIT".into() }],
    };
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let model = Content::Model { precision: Precision::Fp32, engines: vec!["tract".into()] };
    let firmware = Content::Firmware { target, version: Version::new(0, 1, 0) };
    let mut builder = Builder::new(description, recipients, Cursor::new(Vec::new()));
    for (name, content, bytes) in [
        ("manifest.toml", Content::ModelManifest, manifest.to_toml().unwrap().into_bytes()),
        ("edge.fp32.onnx", model, vec![7; 90_000]),
        ("reference.clip", Content::ReferenceClip, vec![9; 2 * 16 * 16 * 3]),
        ("reference.json", Content::ReferenceAnswer, b"{}".to_vec()),
        ("mtcae-firmware", firmware, program(50_000)),
    ] {
        builder.add(name, content, Compression::Zstd, &mut bytes.as_slice()).unwrap();
    }
    let mut bundle = Vec::new();
    builder.finish(&[&signing_key()], &mut bundle).unwrap();
    bundle
}
