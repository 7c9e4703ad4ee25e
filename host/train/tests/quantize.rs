//! From a checkpoint and pictures to an int8 model that is scored, verified and run by the daemon, with the programs that a
//! person runs.

use mtcae_contract::{ClipSpec, Framing, LabelSet, MANIFEST_FORMAT, Manifest, Precision, Sampling};
use mtcae_data::FACE_MARGIN;
use mtcae_network::{Checkpoint, NetworkConfig, StoredAs};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PORTRAIT: &[u8] = include_bytes!("../../../tests/data/astronaut.png");
const FACE: &[u8] = include_bytes!("../../../firmware/drivers/tests/fixtures/face.jpg");

/// A program beside the trainer.
fn program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_mtcae-train")).with_file_name(name);
    assert!(program.is_file(), "{} is missing; `cargo test --workspace` builds it", program.display());
    program
}

/// A folder with a checkpoint of random weights, its manifest, and shards of ten persons.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        let mut config = NetworkConfig::preset("tiny").unwrap();
        (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 4, 1, 1);
        let checkpoint = Checkpoint::random(config.clone(), 3).unwrap();
        let manifest = Manifest {
            format: MANIFEST_FORMAT,
            name: "sample".into(),
            version: "0.0.1".into(),
            preset: "sample".into(),
            labels: LabelSet::seven(),
            sampling: Sampling::Uniform,
            temperature: 1.0,
            clip: ClipSpec { frames: config.frames, size: config.size, seconds: 0.5 },
            framing: Framing::Face { margin: FACE_MARGIN },
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            artifacts: Vec::new(),
        };
        desk.file("c.safetensors", &checkpoint.to_bytes(StoredAs::F32).unwrap());
        desk.file("manifest.toml", manifest.to_toml().unwrap().as_bytes());
        for i in 0..10 {
            let (name, picture) = if i % 2 == 0 { ("happy", PORTRAIT) } else { ("sad", FACE) };
            desk.file(&format!("in/{name}/{i}.jpg"), picture);
        }
        let said = desk.said("mtcae", &["data", "prepare", "stills", "--root", "in", "--out", "out", "--name", "mine"]);
        assert!(said.contains("10 samples"), "{said}");
        desk
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn said(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program(name));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE");
        let output = command.output().unwrap();
        let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("exit code: {code}\n{}{}", text(&output.stdout), text(&output.stderr))
    }

    fn quantize(&self, more: &[&str]) -> String {
        self.said("mtcae", &[&["quantize", "c.safetensors", "--manifest", "manifest.toml"], more].concat())
    }
}

#[test]
fn a_checkpoint_becomes_an_int8_model_that_runs() {
    let desk = Desk::new();
    // Random weights name faces at random: what a few of them are named is no measure.
    let data = ["--calibrate", "out/mine", "--max-war-drop", "100"];
    let said = desk.quantize(&[&data[..], &["--out", "model", "--keep", "1"]].concat());
    assert!(said.starts_with("exit code: 0\n") && said.contains("36 layers in int8, 1 in f32\n"), "{said}");
    assert!(said.contains("model/sample.int8.onnx") && said.contains("held-out samples: fp32  WAR "), "{said}");

    let scored = desk.said("mtcae", &["evaluate", "model", "--data", "out/mine", "--precision", "int8"]);
    assert!(scored.starts_with("exit code: 0\n10 samples"), "{scored}");
    // As models are shipped: the int8 file, and a checkpoint that the fp32 file can be made of.
    let folder = desk.0.path().join("model");
    std::fs::copy(desk.0.path().join("c.safetensors"), folder.join("checkpoint.safetensors")).unwrap();
    let listed = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
    let mut manifest = Manifest::from_toml(&listed).unwrap();
    manifest.artifacts.retain(|a| a.precision == Precision::Int8);
    std::fs::write(folder.join("manifest.toml"), manifest.to_toml().unwrap()).unwrap();
    let anew = desk.said("mtcae", &[&["quantize", "model", "--out", "remade", "--keep", "1"], &data[..]].concat());
    assert!(anew.starts_with("exit code: 0\n") && anew.contains("remade/sample.int8.onnx"), "{anew}");
    let file = |name: &str| std::fs::read(desk.0.path().join(name).join("sample.int8.onnx")).unwrap();
    assert_eq!(file("model"), file("remade"));
    std::fs::write(folder.join("manifest.toml"), listed).unwrap();

    let verified = desk.said("mtcae", &["verify", "model"]);
    assert!(verified.starts_with("exit code: 0\n") && verified.contains("int8 in tract"), "{verified}");
    let clip = concat!("file:", env!("CARGO_MANIFEST_DIR"), "/../../tests/data/astronaut.avi");
    let daemon = ["--board", "demo", "--source", clip, "--sink", "stdout", "--model", "model", "--precision", "int8"];
    let checked = desk.said("mtcae-firmware", &[&daemon[..], &["--check"]].concat());
    assert!(checked.starts_with("exit code: 0\n") && checked.contains("tract, int8"), "{checked}");

    let json = desk
        .quantize(&[&data[..], &["--out", "again", "--json", "--asymmetric", "--range", "percentile:99.9"]].concat());
    let object: serde_json::Value = serde_json::from_str(json.trim_start_matches("exit code: 0\n")).unwrap();
    assert_eq!(object["layers"].as_array().unwrap().len(), 37);
    assert!(
        object["bytes"].as_u64() < object["fp32_bytes"].as_u64() && object["accuracy"]["samples"].as_u64() >= Some(1)
    );
}

#[test]
fn a_failed_gate_writes_nothing() {
    let desk = Desk::new();
    for (more, says) in [
        (&["--max-difference", "0.00001"][..], "; `"),
        (&["--max-iou-drop=-1", "--max-war-drop", "100"], "in box IoU; accepted: up to -1; `"),
        (&["--keep-layer", "blocks.7.mlp.fc1"], "there is no layer `blocks.7.mlp.fc1`; accepted: stem.1.conv, "),
        (
            &["--keep", "1000"],
            "all 37 layers that can compute in int8 would stay in f32; keep fewer; nothing was written",
        ),
    ] {
        let said = desk.quantize(&[&["--calibrate", "out/mine", "--out", "model"], more].concat());
        assert!(said.starts_with("exit code: 1\n") && said.contains(says), "{said}");
        assert!(!desk.0.path().join("model").exists(), "{said}");
    }
    let said = desk.quantize(&["--out", "model"]);
    assert!(said.starts_with("exit code: 2\n") && said.contains("--calibrate <DATA>"), "{said}");
    let said = desk.said("mtcae", &["quantize", "c.safetensors", "--dynamic", "--out", "model"]);
    assert!(said.starts_with("exit code: 1\n") && said.contains("say what it is for with `--manifest FILE`"), "{said}");
}
