//! The engine in ONNX Runtime: its answers beside tract's, and one clear line for everything that can be wrong.
#![cfg(all(feature = "ort", feature = "tract"))]

mod common;

use common::{TINY, clip, file, library, manifest, network, shipped};
use insta::assert_snapshot;
use mtcae_contract::*;
use mtcae_core::Engine;
use mtcae_drivers::{ModelFile, OrtDevice, OrtEngine, OrtError, OrtLibrary, TractEngine};
use prost::Message;
use std::path::Path;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

/// Largest difference of two lists over the largest value of the second.
fn apart(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(f32::MIN_POSITIVE, |top, v| top.max(v.abs()));
    got.iter().zip(want).fold(0.0f32, |top, (a, b)| top.max((a - b).abs())) / scale
}

fn on_cpu(file: &ModelFile, library: &Path) -> OrtEngine {
    OrtEngine::load_file(file, OrtLibrary::load(library).unwrap(), OrtDevice::Cpu, 1).unwrap()
}

#[test]
fn both_engines_answer_the_same() {
    let Some(library) = library("ONNX Runtime is not compared with tract") else { return };
    let models = [
        ("tiny", file(manifest(), TINY), 1e-5),
        ("random", network(Precision::Fp32), 1e-4),
        // Where one engine rounds up and the other down, a step of a byte lies between them.
        ("edge", shipped(), 0.05),
        ("random, int8", network(Precision::Int8), 0.05),
    ];
    for (name, file, most) in models {
        let mut ort = on_cpu(&file, &library);
        let mut tract = TractEngine::load_file(&file, 1).unwrap();
        let mut worst = 0.0f32;
        for seed in 1..=3 {
            let clip = clip(file.manifest.clip, seed);
            let (got, want) = (ort.infer(&clip).unwrap(), tract.infer(&clip).unwrap());
            for (got, want) in
                [(&got.boxes, &want.boxes), (&got.landmarks, &want.landmarks), (&got.logits, &want.logits)]
            {
                worst = worst.max(apart(got, want));
            }
        }
        println!("{name}: 3 clips, {worst:.1e} apart at most");
        assert!(worst <= most, "{name}: {worst:e}");
    }
}

#[test]
fn what_runs_where_is_read_back() {
    let Some(library) = library("the placement of a model's operators is not read back") else { return };
    let mut engine = on_cpu(&file(manifest(), TINY), &library);
    let placement = engine.placement().unwrap();
    assert!(placement.on("CPU") >= 5 && placement.on("CPU") == placement.all(), "{placement}");
    assert!(engine.library().version().starts_with("1."), "{}", engine.library().version());
    assert_eq!((engine.name(), engine.manifest().name.as_str()), ("cpu-ort", "tiny-test"));
    let wrong = Clip { frames: 1, ..clip(manifest().clip, 1) };
    assert_snapshot!(engine.infer(&wrong).unwrap_err(), @"inference failed: a clip of 1 frames of 16 pixels; the model takes 2 of 16");
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let own = format!("mtcae-ort-{}-", std::process::id());
    // Of this engine, the first of its process or not; another test may be at work on its own.
    let left = left.filter(|e| e.file_name().to_string_lossy().starts_with(&own)).count();
    assert!(left <= 2, "{left} profiles are left behind");
}

#[test]
fn models_that_cannot_be_used_are_named() {
    let Some(library) = library("ONNX Runtime is not given models that are no good") else { return };
    let library = OrtLibrary::load(&library).unwrap();
    let refused =
        |manifest: Manifest, onnx: &[u8]| match OrtEngine::load_file(&file(manifest, onnx), library, OrtDevice::Cpu, 1)
        {
            Err(error @ OrtError::Model(_)) => error.to_string(),
            other => panic!("{:?}", other.map(|_| ())),
        };
    let changed = |edit: &dyn Fn(&mut ModelProto)| {
        let mut proto = ModelProto::decode(TINY).unwrap();
        edit(&mut proto);
        proto.encode_to_vec()
    };
    assert_snapshot!(refused(manifest(), b"no network at all"), @"model file DIR/tiny.onnx cannot be used: Failed to load model because protobuf parsing failed.; needed: an ONNX network that ONNX Runtime can run; export it again with `mtcae export`");
    let four = ClipSpec { frames: 4, size: 16, seconds: 1.0 };
    assert_snapshot!(refused(Manifest { clip: four, ..manifest() }, TINY), @"model file DIR/tiny.onnx cannot be used: its input is `clip`, uint8 [1, 2, 16, 16, 3]; needed: one input `clip`, uint8 [1, 4, 16, 16, 3]; export it again with `mtcae export`");
    assert_snapshot!(refused(Manifest { labels: LabelSet::seven(), ..manifest() }, TINY), @"model file DIR/tiny.onnx cannot be used: its output `logits` is float32 [1, 3]; needed: an output `logits`, float32 [1, 7]; export it again with `mtcae export`");
    let renamed = changed(&|p| p.graph.as_mut().unwrap().output[1].name = "bbox".into());
    let text = refused(manifest(), &renamed);
    assert!(text.starts_with("model file DIR/tiny.onnx cannot be used: ") && !text.contains('\n'), "{text}");
    let unknown = changed(&|p| p.graph.as_mut().unwrap().node[1].op_type = "Frobnicate".into());
    assert!(refused(manifest(), &unknown).contains("Frobnicate"));
    let entry = StringStringEntryProto { key: "mtcae.contract".into(), value: "0123".into() };
    let other = changed(&|p| p.metadata_props.push(entry.clone()));
    assert!(refused(manifest(), &other).contains("it was exported for another manifest (mtcae.contract is 0123)"));
    let entry = StringStringEntryProto { key: "mtcae.contract".into(), value: manifest().contract_hash() };
    let own = changed(&|p| p.metadata_props.push(entry.clone()));
    assert!(OrtEngine::load_file(&file(manifest(), &own), library, OrtDevice::Cpu, 1).is_ok());
    let error = OrtEngine::load_file(&file(manifest(), TINY), library, OrtDevice::Cpu, 0).err().unwrap();
    assert_snapshot!(error, @"engine threads is 0; accepted: 1 to 64");
}

#[test]
fn a_gpu_that_is_not_there_is_no_silent_cpu() {
    let Some(library) = library("a library without CUDA is not asked for it") else { return };
    let path = library.canonicalize().unwrap().display().to_string();
    let library = OrtLibrary::load(&library).unwrap();
    for device in [OrtDevice::Cuda, OrtDevice::Tensorrt] {
        let error = OrtEngine::load_file(&file(manifest(), TINY), library, device, 1).err().unwrap().to_string();
        let text = error.replace(&path, "LIBRARY").replace(library.version(), "VERSION");
        // Only the wheel for processors is fetched; with another library the GPU may be there.
        assert!(text.starts_with(&format!("{} does not run: ", device.name())), "{text}");
        assert!(text.contains("(ONNX Runtime VERSION, LIBRARY); ") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn a_process_has_one_library() {
    let Some(library) = library("a second ONNX Runtime is not tried") else { return };
    let first = OrtLibrary::load(&library).unwrap();
    assert!(std::ptr::eq(first, OrtLibrary::load(&library).unwrap()));
    let error = OrtLibrary::load(Path::new("/dev/null")).unwrap_err().to_string();
    let text = error.replace(first.path().to_str().unwrap(), "LIBRARY");
    assert_snapshot!(text, @"ONNX Runtime /dev/null cannot be loaded beside LIBRARY; a process has one");
}
