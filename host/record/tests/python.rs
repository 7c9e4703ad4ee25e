//! Recordings in the hands of the MCAP project's own Python library.

mod common;

use common::recording;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed for the check.
const PACKAGES: [&str; 3] = ["mcap==1.6.0", "lz4==4.4.5", "jsonschema==4.26.0"];

/// A folder with the packages; `None`, and why not, when they cannot be had.
fn packages() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcap-python");
    if !folder.join("mcap").exists() || !folder.join("jsonschema").exists() {
        let install = Command::new("python3")
            .args([
                "-m",
                "pip",
                "--disable-pip-version-check",
                "install",
                "--quiet",
                "--timeout",
                "20",
                "--retries",
                "1",
            ])
            .arg("--target")
            .arg(&folder)
            .args(PACKAGES)
            .output();
        match install {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned();
                println!("skipped: recordings in Python because pip cannot install {}: {why}", PACKAGES.join(", "));
                return None;
            }
            Err(error) => {
                println!("skipped: recordings in Python because python3 does not start: {error}");
                return None;
            }
        }
    }
    Some(folder)
}

fn check(packages: &Path, file: &Path, kind: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check.py");
    let output = Command::new("python3").arg(script).arg(file).arg(kind).env("PYTHONPATH", packages).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{kind}: {}", text.trim());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn another_library_reads_them_by_index_without_and_cut() {
    let Some(packages) = packages() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.mcap");
    let bytes = recording(300);
    std::fs::write(&file, &bytes).unwrap();
    let whole = check(&packages, &file, "whole");
    let schemas = &whole["schemas"];
    assert_eq!(schemas["hri_msgs/IdsList"], 300);
    assert_eq!(schemas["hri_msgs/Expression"], schemas["mtcae/Scores"]);
    assert_eq!((&schemas["rcl_interfaces/Log"], &schemas["mtcae/Status"]), (&30.into(), &31.into()));
    assert_eq!(whole["topics"], 4 + 3 * 4, "messages, status, log, tracked, and four for each face");
    assert!(whole["chunks"].as_u64() > Some(3));
    // As a killed recorder leaves it.
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let cut = check(&packages, &file, "cut");
    assert!(cut["messages"].as_u64() > Some(300) && cut["messages"].as_u64() < whole["messages"].as_u64());
}
