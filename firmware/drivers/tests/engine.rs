//! The tract engine and the face finder on real files.
#![cfg(feature = "tract")]

use insta::assert_snapshot;
use mtcae_contract::*;
use mtcae_core::{Engine, EngineError, FaceFinder};
use mtcae_detect::DetectorConfig;
use mtcae_drivers::{ModelFile, MtcnnFinder, PictureDecoder, TractEngine};
use mtcae_kernels::Fusion;
use prost::Message;
use sha2::{Digest, Sha256};
use std::path::Path;
use tempfile::TempDir;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

const TINY: &[u8] = include_bytes!("fixtures/tiny.onnx");

fn manifest() -> Manifest {
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

/// A model's folder with `onnx` and a manifest that lists it.
fn folder(mut manifest: Manifest, onnx: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let sha256 = Sha256::digest(onnx).iter().map(|b| format!("{b:02x}")).collect();
    manifest.artifacts = vec![Artifact { precision: Precision::Fp32, file: "tiny.onnx".into(), sha256 }];
    std::fs::write(dir.path().join("manifest.toml"), manifest.to_toml().unwrap()).unwrap();
    std::fs::write(dir.path().join("tiny.onnx"), onnx).unwrap();
    dir
}

fn load(dir: &Path) -> Result<TractEngine, EngineError> {
    TractEngine::load(dir, Precision::Fp32, 1)
}

/// The error's text, the folder called DIR.
fn refusal(dir: &Path) -> String {
    match load(dir).map(|_| ()) {
        Err(EngineError::Refused(text)) => text.replace(&dir.display().to_string(), "DIR"),
        other => panic!("{other:?}"),
    }
}

fn changed(edit: impl Fn(&mut ModelProto)) -> Vec<u8> {
    let mut proto = ModelProto::decode(TINY).unwrap();
    edit(&mut proto);
    proto.encode_to_vec()
}

fn contract_of(value: &str) -> Vec<u8> {
    let entry = StringStringEntryProto { key: "mtcae.contract".into(), value: value.into() };
    changed(|p| p.metadata_props.push(entry.clone()))
}

#[test]
fn outputs_are_matched_by_name() {
    let dir = folder(manifest(), TINY);
    let mut engine = load(dir.path()).unwrap();
    assert_eq!((engine.name(), engine.manifest().name.as_str()), ("tract", "tiny-test"));
    let clip = Clip { bytes: [51, 102, 204].repeat(2 * 16 * 16), frames: 2, size: 16, crop: Rect::default() };
    let raw = engine.infer(&clip).unwrap();
    let near = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(near(&raw.logits, &[0.2, 0.4, 0.8]), "{raw:?}");
    assert!(near(&raw.boxes, &[0.2, 0.4, 0.8, 0.2].repeat(2)), "{raw:?}");
    assert!(near(&raw.landmarks, &[0.5; 20]), "{raw:?}");
    let wrong = Clip { frames: 1, ..clip };
    assert_snapshot!(engine.infer(&wrong).unwrap_err(), @"inference failed: a clip of 1 frames of 16 pixels; the model takes 2 of 16");
}

#[test]
fn a_file_may_name_its_manifest_and_must_then_fit_it() {
    let hash = manifest().contract_hash();
    load(folder(manifest(), &contract_of(&hash)).path()).unwrap();
    let other = folder(Manifest { temperature: 2.0, ..manifest() }, &contract_of(&hash));
    let text = refusal(other.path());
    assert!(text.contains("it was exported for another manifest") && text.contains(&hash), "{text}");
}

#[test]
fn missing_and_damaged_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_snapshot!(refusal(dir.path()), @"model file DIR/manifest.toml is missing; give a folder that holds manifest.toml and its files, as `mtcae export` writes it");
    let dir = folder(manifest(), TINY);
    std::fs::write(dir.path().join("tiny.onnx"), &TINY[1..]).unwrap();
    assert!(refusal(dir.path()).starts_with("model file DIR/tiny.onnx is damaged: its SHA-256 is "));
    std::fs::remove_file(dir.path().join("tiny.onnx")).unwrap();
    assert!(refusal(dir.path()).starts_with("model file DIR/tiny.onnx is missing; "));
    std::fs::File::create(dir.path().join("tiny.onnx")).unwrap().set_len(2 << 30).unwrap();
    assert_snapshot!(refusal(dir.path()), @"model file DIR/tiny.onnx has more than 2147483647 bytes; is it a model?");
    let text = TractEngine::load(dir.path(), Precision::Int8, 1).err().unwrap().to_string();
    assert!(
        text.ends_with("has no file of precision int8; it has: fp32; export that one, or configure another"),
        "{text}"
    );
    assert_snapshot!(TractEngine::load(dir.path(), Precision::Fp32, 0).err().unwrap(), @"engine threads is 0; accepted: 1 to 64");
    std::fs::write(dir.path().join("manifest.toml"), "format = 1\nsize = 3\n").unwrap();
    assert!(refusal(dir.path()).starts_with("model file DIR/manifest.toml: manifest: "));
}

#[test]
fn networks_of_another_form_are_refused() {
    assert_snapshot!(refusal(folder(manifest(), b"no network at all").path()), @"model file DIR/tiny.onnx cannot be used: it is not ONNX (failed to decode Protobuf message: invalid wire type value: 6); needed: an ONNX network that tract can run; export it again with `mtcae export`");
    let clip = ClipSpec { frames: 4, size: 16, seconds: 1.0 };
    assert_snapshot!(refusal(folder(Manifest { clip, ..manifest() }, TINY).path()), @"model file DIR/tiny.onnx cannot be used: its input is `clip`, uint8 [1, 2, 16, 16, 3]; needed: one input `clip`, uint8 [1, 4, 16, 16, 3]; export it again with `mtcae export`");
    assert_snapshot!(refusal(folder(Manifest { labels: LabelSet::seven(), ..manifest() }, TINY).path()), @"model file DIR/tiny.onnx cannot be used: its output `logits` is [1, 3]; needed: an output `logits` [1, 7]; export it again with `mtcae export`");
    let renamed = changed(|p| p.graph.as_mut().unwrap().output[1].name = "bbox".into());
    assert_snapshot!(refusal(folder(manifest(), &renamed).path()), @"model file DIR/tiny.onnx cannot be used: its outputs are logits, bbox, landmarks; needed: an output `boxes` [1, 2, 4]; export it again with `mtcae export`");
    let unknown = changed(|p| p.graph.as_mut().unwrap().node[1].op_type = "Frobnicate".into());
    assert!(refusal(folder(manifest(), &unknown).path()).contains("DIR/tiny.onnx cannot be used: "));
}

#[test]
fn a_hundred_damaged_networks_are_survived() {
    let mut seed = 7u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    let mut refused = 0;
    for _ in 0..100 {
        let mut bytes = TINY.to_vec();
        for _ in 0..1 + next() % 4 {
            let at = next() % bytes.len();
            bytes[at] = next() as u8;
        }
        refused += usize::from(load(folder(manifest(), &bytes).path()).is_err());
    }
    assert!(refused >= 20, "only {refused} of 100 damaged networks were refused");
}

#[test]
fn the_models_that_ship_answer_fused_as_in_tract_alone() {
    let zoo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo"));
    // A byte that is rounded the other way moves an int8 answer by a step.
    for (name, precision, limit) in [("edge", Precision::Int8, 0.02), ("tiny", Precision::Int8, 0.02)] {
        let file = ModelFile::read(&zoo.join(name), precision).unwrap();
        let spec = file.manifest.clip;
        let bytes = (0..spec.frames * spec.size * spec.size * 3).map(|i| (i * i / 7 % 251) as u8).collect();
        let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Default::default() };
        let answer = |which| TractEngine::prepare_with(&file, which).unwrap().infer(&clip).unwrap();
        let (alone, fused) = (answer(Fusion::NONE), answer(Fusion::ALL));
        for (a, b) in
            [(&alone.boxes, &fused.boxes), (&alone.landmarks, &fused.landmarks), (&alone.logits, &fused.logits)]
        {
            let top = a.iter().fold(0f32, |top, v| top.max(v.abs()));
            let apart = a.iter().zip(b).fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / top;
            assert!(apart <= limit && a.len() == b.len(), "{name}: {apart} apart");
        }
    }
}

#[test]
fn the_astronaut_is_found_and_followed() {
    let png = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/astronaut.png")).unwrap();
    let image = PictureDecoder::new(640).png(&png).unwrap();
    let mut finder = MtcnnFinder::new(DetectorConfig::fast()).unwrap();
    let found = finder.find(&image).unwrap();
    let reference = Rect { x: 180.0, y: 60.0, w: 88.0, h: 114.0 };
    assert!(found[0].face.iou(&reference) > 0.85, "{found:?}");
    let moved = Rect { x: reference.x + 10.0, ..reference };
    let followed = finder.follow(&image, moved).unwrap().unwrap();
    assert!(followed.face.iou(&reference) > 0.8, "{followed:?}");
    let elsewhere = Rect { x: 300.0, y: 350.0, w: 90.0, h: 110.0 };
    assert_eq!(finder.follow(&image, elsewhere).unwrap(), None);
    let bad = DetectorConfig { scale_factor: 2.0, ..DetectorConfig::fast() };
    assert!(MtcnnFinder::new(bad).is_err());
}
