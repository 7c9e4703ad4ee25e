//! `mtcae verify` on the model that ships, and on folders that are no good.

mod common;

use common::{mtcae, transcript};
use std::path::Path;

const ZOO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge");

fn said(arguments: &[&str]) -> String {
    transcript(&mtcae(arguments).env_remove("ORT_DYLIB_PATH").output().unwrap())
}

#[test]
fn the_shipped_model_is_right_in_each_engine() {
    let text = said(&["verify", ZOO]);
    assert!(text.starts_with("exit code: 0\n4 clips"), "{text}");
    assert!(text.contains("int8 in tract          the checkpoint's arithmetic"), "{text}");
    // The trainer's program is there where the whole workspace was built.
    let trainer = Path::new(env!("CARGO_BIN_EXE_mtcae")).with_file_name("mtcae-train").is_file();
    let asked = text.contains("the checkpoint in burn the checkpoint's arithmetic");
    assert!(if trainer { asked } else { text.contains("burn was not asked: build it with") }, "{text}");
    assert!(
        text.contains("cpu-ort was not asked") && text.ends_with("good: no known trap, and all engines agree\n"),
        "{text}"
    );
    let json = said(&["verify", ZOO, "--json"]);
    let json: serde_json::Value = serde_json::from_str(json.trim_start_matches("exit code: 0\n")).unwrap();
    assert_eq!((json["verdict"].as_str(), json["clips"].as_u64()), (Some("good"), Some(4)));
    let apart = |i: usize| json["differences"][i]["relative"]["logits"].as_f64().unwrap();
    assert!(apart(0) > 1e-4 && apart(0) < 0.1, "int8 against the checkpoint: {json}");
    assert!(!trainer || apart(1) > 0.0 && apart(1) < 1e-4, "burn: {json}");
}

#[test]
fn folders_that_are_no_good_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let refused = |arguments: &[&str]| said(arguments).replace(place, "DIR");
    let mut all = refused(&["verify", place]);
    for name in ["manifest.toml", "edge.int8.onnx"] {
        std::fs::copy(Path::new(ZOO).join(name), folder.path().join(name)).unwrap();
    }
    let library = refused(&["verify", place, "--onnxruntime", "/dev/null"]);
    assert!(library.starts_with("exit code: 1\n"), "{library}");
    assert!(library.contains("int8 in cpu-ort        DOES NOT RUN: ONNX Runtime: /dev/null: "), "{library}");
    std::fs::write(folder.path().join("edge.int8.onnx"), b"not what was listed").unwrap();
    let damaged = refused(&["verify", place]);
    assert!(damaged.contains("DIR/edge.int8.onnx: its SHA-256 is"), "{damaged}");
    let manifest = std::fs::read_to_string(folder.path().join("manifest.toml")).unwrap();
    std::fs::write(folder.path().join("manifest.toml"), manifest.replace("format = 1", "format = 2")).unwrap();
    all += &refused(&["verify", place]);
    insta::assert_snapshot!(all);
}
