//! `mtcae bench`: real processes with real engines, and what it says when there are none.

mod common;

use common::{mtcae, transcript};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::Duration;

const QUICK: [&str; 4] = ["--rounds", "2", "--seconds", "0.05"];

/// A network that answers in milliseconds.
fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["bench", "--preset", "tiny", "--size", "16"], &QUICK[..], more].concat()
}

#[test]
fn tract_alone_is_measured_where_there_is_nothing_else() {
    let output = mtcae(&arguments(&["--engines", "tract", "--threads", "1,2", "--streams", "1,2", "--starts", "2"]))
        .output()
        .unwrap();
    let text = transcript(&output);
    assert!(text.starts_with("exit code: 0\nmodel       engine  file  thr  str  best ms"), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("tiny 16 px  tract   fp32")).collect();
    assert_eq!(rows.len(), 4, "{text}");
    for row in rows {
        let figures: Vec<f64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        // Size, threads, streams, six times and rates, load, first answer (two), memory: no ratio where there is no ONNX Runtime.
        assert_eq!(figures.len(), 13, "{row}");
        assert!(figures[3] <= figures[4] && figures[4] <= figures[5] && figures[5] <= figures[6], "{row}");
        assert!(figures[10] > figures[9] && figures[12] >= 5.0, "{row}");
    }
    assert!(text.contains(", fp32: 2 threads are ") && text.contains(" cores, load "), "{text}");
}

#[test]
fn onnxruntime_is_what_others_are_compared_with() {
    let Some(library) = std::env::var_os("ORT_DYLIB_PATH") else {
        return println!("skipped: ONNX Runtime is not measured because ORT_DYLIB_PATH is not set");
    };
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("plot.svg");
    let more = ["--precision", "fp32,int8", "--json", "--plot", plot.to_str().unwrap()];
    let output = mtcae(&arguments(&more)).env("ORT_DYLIB_PATH", library).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let runs = json["runs"].as_array().unwrap();
    let of = |engine: &str, precision: &str| {
        runs.iter().find(|r| r["engine"] == engine && r["precision"] == precision).unwrap()
    };
    assert_eq!(runs.len(), 4, "{json}");
    let (ort, tract) = (of("cpu-ort", "fp32"), of("tract", "fp32"));
    assert!(ort["note"].as_str().unwrap().contains(" operators on CPU"), "{ort}");
    assert!(ort["figures"]["cpu_against_ort"].is_null(), "{ort}");
    let (own, other) = (tract["figures"]["cpu_ms"].as_f64().unwrap(), ort["figures"]["cpu_ms"].as_f64().unwrap());
    let ratio = tract["figures"]["cpu_against_ort"].as_f64().unwrap();
    assert!((ratio - own / other).abs() < 1e-6, "{tract}");
    assert!(of("tract", "int8")["figures"]["p50_against_ort"].as_f64().unwrap() > 0.0);
    assert!(std::fs::read_to_string(&plot).unwrap().starts_with("<svg "));
}

#[test]
fn a_signal_leaves_no_models_behind() {
    let folder = tempfile::tempdir().unwrap();
    let long = ["bench", "--preset", "tiny", "--size", "16", "--engines", "tract", "--seconds", "600"];
    let child = mtcae(&long).env("TMPDIR", folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let made = || std::fs::read_dir(folder.path()).unwrap().count();
    while made() == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let text = transcript(&child.wait_with_output().unwrap());
    assert!(text.starts_with("exit code: 1\n") && text.contains("mtcae::stopped"), "{text}");
    assert_eq!(made(), 0);
}

#[test]
fn what_cannot_be_measured_is_named() {
    let said = |arguments: &[&str]| transcript(&mtcae(arguments).env_remove("ORT_DYLIB_PATH").output().unwrap());
    let lacking = said(&arguments(&["--engines", "cuda", "--onnxruntime", "/dev/null"]));
    assert!(lacking.starts_with("exit code: 1\n"), "{lacking}");
    assert!(lacking.contains("has no figures: /dev/null is not ONNX Runtime: it is no file; give"), "{lacking}");
    let all = [
        said(&["bench"]),
        said(&["bench", "no/such/folder"]),
        said(&["bench", "no/such/folder", "--size", "112"]),
        said(&["bench", "--preset", "huge"]),
        said(&["bench", "--preset", "tiny:x"]),
        said(&["bench", "--preset", "tiny", "--size", "100"]),
        said(&["bench", "--preset", "tiny", "--engines", "burn"]),
        said(&["bench", "--preset", "tiny", "--threads", "0"]),
        said(&["bench", "--preset", "tiny", "--precision", "int4"]),
    ];
    insta::assert_snapshot!(all.concat());
}
