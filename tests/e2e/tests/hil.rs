//! The suite for boards on a bench, as a lab runs it: the real tool on the targets `local`, `uml` and `qemu-arm64`, and what a
//! build server reads.

use mtcae_contract::{Artifact, ClipSpec, Expression, Framing, LabelSet, Manifest, Precision, Sampling};
use roxmltree::Document;
use sha2::Digest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// What `mtcae hil run` says of a quick run on `target` with the model in `model` and these arguments.
fn quick(dir: &Path, target: &str, model: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("mtcae"));
    command.args(["hil", "run", "--target", target, "--quick", "--seed", "7", "--json"]);
    if target != "qemu-arm64" {
        command.arg("--daemon").arg(program("mtcae-firmware"));
    }
    command
        .args(arguments)
        .arg("--model")
        .arg(model)
        .arg("--out")
        .arg(dir.join("out"))
        .env("HOME", dir)
        .output()
        .unwrap()
}

/// Nothing failed, and what was not tried has a reason; how many scenarios were tried. Prints what was measured.
fn tried(target: &str, output: &Output) -> usize {
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");
    let run: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((run["failed"].as_u64(), run["seed"].as_u64(), &run["target"]), (Some(0), Some(7), &target.into()));
    let outcomes = run["outcomes"].as_array().unwrap();
    for outcome in outcomes {
        let (name, reason) = (&outcome["scenario"], outcome["reason"].as_str().unwrap_or(""));
        assert_eq!(outcome["verdict"] == "skipped", !reason.is_empty(), "{outcome}");
        println!("{target} {name}: {} {reason} in {} s", outcome["verdict"], outcome["took_s"]);
    }
    outcomes.iter().filter(|outcome| outcome["verdict"] == "passed").count()
}

#[test]
fn a_quick_run_on_this_machine_passes_and_says_what_it_did_not_try() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, out) = (dir.path().join("model"), dir.path().join("out"));
    model(&folder);
    let output = quick(dir.path(), "local", &folder, &[]);
    assert!(tried("local", &output) >= 12);
    let told = String::from_utf8_lossy(&output.stderr);

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
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("camera-gone-and-back") && !page.contains("<script"));
}

/// The folder that a script made for a virtual board, by a file in it: that which is named, or the newest one.
fn made(variable: &str, below: &str, file: &str) -> Option<PathBuf> {
    let newest = || {
        let test = std::env::current_exe().unwrap();
        let all = std::fs::read_dir(test.ancestors().nth(3)?.join(below)).ok()?.flatten().map(|entry| entry.path());
        all.filter(|path| path.join(file).is_file()).max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok())
    };
    std::env::var_os(variable).map(PathBuf::from).or_else(newest)
}

#[test]
fn a_quick_run_on_the_virtual_board_passes() {
    let Some(kernel) = made("MTCAE_UML", "uml", "linux") else {
        return println!(
            "skipped: the suite on the virtual board because its kernel is missing: tests/hil/uml/build-kernel"
        );
    };
    let test = std::env::current_exe().unwrap();
    if !test.ancestors().nth(2).unwrap().join("examples/vivid").is_file() {
        return println!(
            "skipped: the suite on the virtual board because mtcae-drivers was built without its feature v4l2"
        );
    }
    let (dir, kernel) = (tempfile::tempdir().unwrap(), kernel.display().to_string());
    // The model that ships sees; one that is small is sent again and again.
    let edge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/zoo/edge");
    let seeing =
        ["start", "clips", "camera", "privacy", "trigger", "line", "load"].map(|suite| ["--suite", suite]).concat();
    let seen = quick(dir.path(), "uml", &edge, &[&["--kernel", &kernel][..], &seeing].concat());
    assert!(tried("uml", &seen) >= 10);
    let tiny = dir.path().join("tiny");
    model(&tiny);
    let kept = ["update", "watchdog"].map(|suite| ["--suite", suite]).concat();
    let kept = quick(dir.path(), "uml", &tiny, &[&["--kernel", &kernel][..], &kept].concat());
    assert!(tried("uml", &kept) >= 4);
}

/// Two stills with the model that ships; an update whose power is cut, and a board that hangs, with a small model.
#[test]
fn a_quick_run_on_the_emulated_board_passes() {
    let Some(folder) = made("MTCAE_ARM64", "arm64", "bin/mtcae-firmware") else {
        return println!(
            "skipped: the suite on the emulated board because what it is started with is missing: tests/hil/arm64/build"
        );
    };
    let (dir, folder) = (tempfile::tempdir().unwrap(), folder.display().to_string());
    let edge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/zoo/edge");
    let seen = quick(dir.path(), "qemu-arm64", &edge, &["--kernel", &folder, "--scenario", "stills"]);
    assert_eq!(tried("qemu-arm64", &seen), 1);
    let tiny = dir.path().join("tiny");
    model(&tiny);
    let names = ["--scenario", "power-cuts", "--scenario", "board-hangs"];
    let kept = quick(dir.path(), "qemu-arm64", &tiny, &[&["--kernel", &folder][..], &names].concat());
    assert_eq!(tried("qemu-arm64", &kept), 2);
}
