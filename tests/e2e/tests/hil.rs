//! The suite for boards on a bench, as a lab runs it: the real tool on the target `local`, and what a build server reads.

use mtcae_contract::{Artifact, ClipSpec, Expression, Framing, LabelSet, Manifest, Precision, Sampling};
use roxmltree::Document;
use sha2::Digest;
use std::path::{Path, PathBuf};
use std::process::Command;

const TINY: &[u8] = include_bytes!("../../../firmware/drivers/tests/fixtures/tiny.onnx");

/// A program beside this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(path.is_file(), "{} is missing; `cargo test --workspace` builds it", path.display());
    path
}

/// A model that is small enough to be sent again and again.
fn model(folder: &Path) {
    let manifest = Manifest {
        format: 1,
        name: "tiny-test".into(),
        version: "0.1.0".into(),
        preset: "tiny".into(),
        labels: LabelSet::new(vec![Expression::Neutral, Expression::Happy, Expression::Sad]).unwrap(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 2, size: 16, seconds: 0.5 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: vec![Artifact {
            precision: Precision::Fp32,
            file: "tiny.onnx".into(),
            sha256: sha2::Sha256::digest(TINY).iter().map(|b| format!("{b:02x}")).collect(),
        }],
    };
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("manifest.toml"), manifest.to_toml().unwrap()).unwrap();
    std::fs::write(folder.join("tiny.onnx"), TINY).unwrap();
}

#[test]
fn a_quick_run_on_this_machine_passes_and_says_what_it_did_not_try() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, out) = (dir.path().join("model"), dir.path().join("out"));
    model(&folder);
    let output = Command::new(program("mtcae"))
        .args(["hil", "run", "--target", "local", "--quick", "--seed", "7", "--json"])
        .arg("--daemon")
        .arg(program("mtcae-firmware"))
        .arg("--model")
        .arg(&folder)
        .arg("--out")
        .arg(&out)
        .env("HOME", dir.path())
        .output()
        .unwrap();
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");

    let xml = std::fs::read_to_string(out.join("junit.xml")).unwrap();
    let document = Document::parse(&xml).unwrap();
    let root = document.root_element();
    let count = |what: &str| root.attribute(what).unwrap().parse::<usize>().unwrap();
    let (tests, skipped) = (count("tests"), count("skipped"));
    assert_eq!(count("failures"), 0, "{xml}");
    assert!(tests >= 15 && tests - skipped >= 9, "{tests} scenarios, {skipped} skipped:\n{told}");
    let cases: Vec<_> = document.descendants().filter(|n| n.has_tag_name("testcase")).collect();
    assert_eq!(cases.len(), tests);
    for case in cases {
        let reason = case.children().find(|n| n.has_tag_name("skipped")).map(|n| n.attribute("message").unwrap_or(""));
        assert!(reason.is_none_or(|reason| !reason.is_empty()), "{case:?}");
        // What was tried says what it measured.
        assert!(reason.is_some() || case.descendants().any(|n| n.has_tag_name("property")), "{case:?}");
    }
    let run: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((run["failed"].as_u64(), run["seed"].as_u64(), &run["target"]), (Some(0), Some(7), &"local".into()));
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("camera-gone-and-back") && !page.contains("<script"));
}
