//! The engines in ONNX Runtime, in the real program; the library is the one that `tests/run` fetches.

use super::firmware::{Bench, TINY, manifest, shipped};
use insta::assert_snapshot;
use mtcae_contract::*;
use mtcae_network::onnx::{Activation, EmitOptions, Int8Layers, emit_int8, emit_tapped};
use mtcae_network::{Checkpoint, NetworkConfig};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

fn library(what: &str) -> Option<String> {
    let path = std::env::var("ORT_DYLIB_PATH").ok();
    if path.is_none() {
        println!("skipped: {what} because ORT_DYLIB_PATH is not set");
    }
    path
}

/// A bench whose board file names an engine and ONNX Runtime's library.
fn bench(engine: &str, library: &str) -> Bench {
    let bench = Bench::on_clip(false, "");
    let text = std::fs::read_to_string(bench.board()).unwrap();
    let keys = format!("engine = {engine:?}\nonnxruntime = {library:?}\n");
    std::fs::write(bench.board(), text.replace("engine = \"tract\"\n", &keys)).unwrap();
    bench
}

/// The one line of a start that fails, the library and its version by name.
fn refusal(engine: &str, library: &str) -> String {
    let (code, text) = bench(engine, library).refusal(&[]);
    assert_eq!(text.lines().count(), 1, "{text}");
    let real = std::fs::canonicalize(library).map_or(String::new(), |path| path.display().to_string());
    let text = if real.is_empty() { text } else { text.replace(&real, "LIBRARY") };
    let version = version_in(&text);
    format!("{code}: {}", text.replace(&version, "ONNX Runtime VERSION"))
}

/// `ONNX Runtime 1.2.3` as it stands in `text`, or a text that is nowhere.
fn version_in(text: &str) -> String {
    let after = text.split("ONNX Runtime ").skip(1).find(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    after.map_or("\0".to_owned(), |rest| {
        let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        format!("ONNX Runtime {number}")
    })
}

/// A small network of random weights in fp32 and int8, in `folder`.
fn random_model(folder: &Path) {
    let mut config = NetworkConfig::preset("tiny").unwrap();
    (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 4, 1, 1);
    let checkpoint = Checkpoint::random(config, 9).unwrap();
    let options = EmitOptions { mean: [0.5; 3], std: [0.5; 3], metadata: Vec::new(), opset: 17 };
    let layers = emit_tapped(&checkpoint, &options).unwrap().1;
    let int8 = layers.into_iter().filter(|l| !l.is_convolution()).map(|l| (l.name, Activation::Dynamic)).collect();
    let artifacts = [(Precision::Fp32, Int8Layers::new()), (Precision::Int8, int8)].map(|(precision, layers)| {
        let (onnx, file) = (emit_int8(&checkpoint, &options, &layers).unwrap(), format!("{precision:?}.onnx"));
        std::fs::write(folder.join(&file), &onnx).unwrap();
        let sha256 = Sha256::digest(&onnx).iter().map(|b| format!("{b:02x}")).collect();
        Artifact { precision, file, sha256 }
    });
    let clip = ClipSpec { frames: 4, size: 32, seconds: 0.5 };
    let manifest = Manifest { clip, labels: LabelSet::seven(), artifacts: artifacts.to_vec(), ..manifest() };
    std::fs::write(folder.join("manifest.toml"), manifest.to_toml().unwrap()).unwrap();
}

#[test]
fn auto_takes_int8_where_there_is_nothing_else_and_never_for_a_damaged_file() {
    let bench = Bench::on_clip(false, "");
    random_model(bench.dir.path());
    let checked = || {
        let mut firmware = bench.start(&["--check"]);
        let code = firmware.wait().code();
        (code, firmware.errors().join("\n"))
    };
    let (code, text) = checked();
    assert!(code == Some(0) && text.contains("fp32, 1 thread"), "{text}");
    let fp32 = bench.dir.path().join("Fp32.onnx");
    std::fs::write(&fp32, b"a bad day for a disk").unwrap();
    let (code, text) = checked();
    assert!(code == Some(3) && text.contains("Fp32.onnx is damaged: its SHA-256 is"), "{text}");
    std::fs::remove_file(&fp32).unwrap();
    let (code, text) = checked();
    assert!(code == Some(3) && text.contains("Fp32.onnx is missing"), "{text}");
    let path = bench.dir.path().join("manifest.toml");
    let mut manifest = Manifest::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap();
    manifest.artifacts.retain(|artifact| artifact.precision == Precision::Int8);
    std::fs::write(&path, manifest.to_toml().unwrap()).unwrap();
    let (code, text) = checked();
    assert!(code == Some(0) && text.contains("int8, 1 thread"), "{text}");
}

/// Scores and box of each report with a face. The pictures are all the same: which of them the network sees is a matter of time.
fn answers(engine: &str, precision: &str, library: &str) -> Vec<Vec<f64>> {
    let bench = bench(engine, library);
    random_model(bench.dir.path());
    let pictures = bench.dir.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for i in 0..30 {
        std::fs::copy(shipped("firmware/drivers/tests/fixtures/face.jpg"), pictures.join(format!("{i}.jpg"))).unwrap();
    }
    let source = format!("file:{}", pictures.display());
    let mut firmware = bench.start(&["--precision", precision, "--source", &source]);
    assert_eq!(firmware.wait().code(), Some(0), "{:?}", firmware.errors());
    let messages = firmware.rest();
    for message in messages.iter().filter(|m| m["type"] == "hello" || m["type"] == "status") {
        assert_eq!(message["engine"], engine, "{message}");
    }
    let numbers = |face: &Value| -> Vec<f64> {
        let all = face["scores"].as_object().unwrap().values().chain(face["box"].as_object().unwrap().values());
        all.map(|n| n.as_f64().unwrap()).collect()
    };
    messages.iter().filter(|m| m["face"].is_object()).map(|m| numbers(&m["face"])).collect()
}

#[test]
fn reports_are_the_same_in_each_engine() {
    let Some(library) = library("the daemon does not run in ONNX Runtime") else { return };
    for (precision, most) in [("fp32", 0.002), ("int8", 0.03)] {
        let (tract, ort) = (answers("tract", precision, &library), answers("cpu-ort", precision, &library));
        assert!(!tract.is_empty() && !ort.is_empty(), "{} and {} reports have a face", tract.len(), ort.len());
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // The first face is found in the same place; what follows depends on when it was looked at again.
        let worst = apart(&tract[0], &ort[0]);
        println!("{precision}: {} and {} reports, the first ones {worst:.4} apart", tract.len(), ort.len());
        assert!(worst <= most, "{precision}: {worst}");
    }
}

#[test]
fn the_best_engine_that_works_is_said() {
    let Some(library) = library("the daemon does not choose an engine") else { return };
    let board = bench("auto", &library);
    let mut firmware = board.start(&["--check"]);
    assert_eq!(firmware.wait().code(), Some(0), "{:?}", firmware.errors());
    let line = firmware.says("engine  ");
    let tract = line.starts_with("engine  tract") && line.contains("not cuda: ");
    let cuda =
        line.starts_with("engine  cuda, ") && line.contains("(ONNX Runtime 1.") && line.contains(" operators on CUDA");
    assert!(tract || cuda, "{line}");
    // ONNX Runtime on the processor is taken by name.
    let board = bench("cpu-ort", &library);
    let mut firmware = board.start(&["--check"]);
    assert_eq!(firmware.wait().code(), Some(0), "{:?}", firmware.errors());
    let line = firmware.says("engine  ");
    assert!(line.starts_with("engine  cpu-ort, fp32, 1 thread, ") && line.contains("(ONNX Runtime 1."), "{line}");
    assert!(line.contains(" operators on C"), "{line}");
    // It runs one clip at a time, and says so to whoever asks for more.
    let text = std::fs::read_to_string(board.board()).unwrap();
    std::fs::write(board.board(), text.replace("streams = 1\n", "streams = 3\n")).unwrap();
    let mut firmware = board.start(&["--check"]);
    assert_eq!(firmware.wait().code(), Some(0), "{:?}", firmware.errors());
    let line = firmware.says("engine  ");
    assert!(line.starts_with("engine  cpu-ort, fp32") && line.contains("; 1 of 3 streams"), "{line}");
    // A board file that names tract gets tract.
    let board = bench("tract", &library);
    let mut firmware = board.start(&["--check"]);
    assert_eq!(firmware.wait().code(), Some(0), "{:?}", firmware.errors());
    assert!(firmware.says("engine  tract").ends_with("ms in trial"));
}

#[test]
fn a_named_library_that_is_none_is_said() {
    let missing = refusal("cpu-ort", "/nowhere/libonnxruntime.so");
    let device = refusal("cuda", "/dev/null");
    let best = refusal("auto", "/dev/null");
    assert_snapshot!([missing, device, best].join("\n"), @r#"
    3: mtcae-firmware: model.engine is "cpu-ort": ONNX Runtime's library /nowhere/libonnxruntime.so is not there; give the path of a libonnxruntime.so
    3: mtcae-firmware: model.engine is "cuda": LIBRARY is not ONNX Runtime: it is no file; give the path of a libonnxruntime.so
    3: mtcae-firmware: model.engine is "auto": LIBRARY is not ONNX Runtime: it is no file; give the path of a libonnxruntime.so
    "#);
}

#[test]
fn an_engine_that_the_library_lacks_is_never_replaced() {
    let Some(library) = library("an engine that is not there is not asked for") else { return };
    assert_snapshot!(refusal("tensorrt", &library), @r#"3: mtcae-firmware: model.engine is "tensorrt": tensorrt does not run: the library was built without it (ONNX Runtime VERSION, LIBRARY); install an ONNX Runtime for GPUs (on a Jetson NVIDIA's build), or take another engine"#);
    let text = refusal("cuda", &library);
    assert!(text.starts_with("3: mtcae-firmware: model.engine is \"cuda\": cuda does not run: "), "{text}");
}

#[test]
fn a_model_that_is_no_good_is_one_line_in_this_engine_too() {
    let Some(library) = library("ONNX Runtime is not given a model that is no good") else { return };
    let bench = bench("cpu-ort", &library);
    for damaged in [&TINY[..TINY.len() / 2], b"no network at all", &[]] {
        bench.model(manifest(), damaged);
        let (code, text) = bench.refusal(&[]);
        assert!(code == 3 && text.lines().count() == 1, "{code} {text}");
        assert!(text.starts_with("mtcae-firmware: model file DIR/tiny.onnx cannot be used: "), "{text}");
    }
}
