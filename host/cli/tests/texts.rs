//! What the tool says: help of each command, and errors.

mod common;

use common::{mtcae, transcript};
use std::path::Path;

fn said(arguments: &[&str]) -> String {
    transcript(&mtcae(arguments).output().unwrap())
}

/// Copies a program that is to be run. Done by another process: what this one has open for writing is, for a moment, open in
/// whatever another test starts too, and such a file does not run.
fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").args([from, to]).status().unwrap().success());
}

#[test]
fn help_of_the_tool() {
    insta::assert_snapshot!(said(&["--help"]));
}

#[test]
fn help_of_monitor() {
    insta::assert_snapshot!(said(&["monitor", "--help"]));
}

#[test]
fn help_of_replay() {
    insta::assert_snapshot!(said(&["replay", "--help"]));
}

#[test]
fn help_of_hil() {
    insta::assert_snapshot!(said(&["hil", "--help"]));
}

#[test]
fn help_of_hil_run() {
    insta::assert_snapshot!(said(&["hil", "run", "--help"]));
}

#[test]
fn scenarios_are_listed_for_machines_too() {
    let listed = said(&["hil", "list", "--suite", "privacy", "--json"]);
    let objects: Vec<serde_json::Value> = listed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let names = said(&["hil", "list", "--suite", "privacy"]).matches("    proves  ").count();
    assert!(names > 0 && objects.len() == names, "{listed}");
    assert!(objects.iter().all(|scenario| scenario["suite"] == "privacy" && scenario["minutes"].is_u64()), "{listed}");
}

#[test]
fn wrong_words_about_the_suite() {
    let wrong: [&[&str]; 5] = [
        &["hil", "run", "--target", "orin"],
        &["hil", "run", "--target", "uml", "--daemon", "/bin/true", "--kernel", "/nowhere"],
        &["hil", "run", "--target", "qemu-arm64", "--kernel", "/nowhere"],
        &["hil", "list", "--suite", "cameras"],
        &["hil", "run", "--target", "local", "--scenario", "cold"],
    ];
    insta::assert_snapshot!(wrong.map(said).join("\n"));
}

#[test]
fn help_of_cost() {
    insta::assert_snapshot!(said(&["cost", "--help"]));
}

#[test]
fn help_of_verify() {
    insta::assert_snapshot!(said(&["verify", "--help"]));
}

#[test]
fn help_of_bench() {
    insta::assert_snapshot!(said(&["bench", "--help"]));
}

#[test]
fn help_of_completions() {
    insta::assert_snapshot!(said(&["completions", "--help"]));
}

#[test]
fn a_port_that_is_not_there() {
    let text = said(&["monitor", "--port", "/dev/ttyNONE", "--json"]);
    // Which ports there are is the machine's affair.
    let ports = text.find("serial ports here: ").expect("the list of ports");
    insta::assert_snapshot!(&text[..ports]);
}

#[test]
fn a_port_that_is_no_port() {
    let text = said(&["monitor", "/dev/null"]);
    let ports = text.find("serial ports here: ").expect("the list of ports");
    insta::assert_snapshot!(&text[..ports]);
}

#[test]
fn wrong_arguments_give_exit_code_two() {
    insta::assert_snapshot!(said(&["monitor", "--port", "x", "--seconds", "0"]));
}

#[test]
fn wrong_values_name_what_is_accepted() {
    let bundle = |more: &[&'static str]| {
        let whole = ["bundle", "--model", "m", "--counter", "1", "--sign", "k", "--out", "o"];
        said(&[&whole[..], more].concat())
    };
    let all = [
        said(&["monitor", "x", "--baud", "abc"]),
        said(&["monitor", "x", "--seconds", "1.5"]),
        said(&["hil", "run", "--target", "local", "--seed", "abc"]),
        said(&["bench", "m", "--threads", "x"]),
        said(&["bench", "m", "--rounds", "-1"]),
        said(&["bench", "m", "--size", "112"]),
        said(&["bench"]),
        said(&["replay", "x", "--speed", "-1"]),
        bundle(&["--name", "edge", "--family", "pc", "--version", "1.0"]),
        bundle(&["--name", "Edge", "--family", "pc", "--version", "1.0.0"]),
        bundle(&["--name", "edge", "--family", "P C", "--version", "1.0.0"]),
        said(&["keys", "trust-board", "/dev/ttyUSB0", "KEY"]),
        said(&["monitor"]),
    ];
    assert!(all.iter().all(|text| text.starts_with("exit code: 2\n")), "{all:?}");
    insta::assert_snapshot!(all.concat());
}

#[test]
fn the_trainer_is_not_built() {
    // Alone in a folder and with an empty PATH, whatever has been built beside the test's binary.
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("mtcae");
    copy(env!("CARGO_BIN_EXE_mtcae").as_ref(), &alone);
    let output = std::process::Command::new(&alone)
        .args(["train", "--help"])
        .env("NO_COLOR", "1")
        .env("PATH", folder.path())
        .output()
        .unwrap();
    let text = transcript(&output).replace(&*folder.path().canonicalize().unwrap().to_string_lossy(), "FOLDER");
    insta::assert_snapshot!(text);
}

#[test]
fn the_trainer_gets_all_arguments_and_gives_its_exit_code() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("mtcae");
    copy(env!("CARGO_BIN_EXE_mtcae").as_ref(), &alone);
    let trainer = folder.path().join("mtcae-train");
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    copy(&script, &trainer);
    std::fs::set_permissions(&trainer, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = std::process::Command::new(&alone).args(["evaluate", "--help", "-x", "a b"]).output().unwrap();
    assert_eq!(transcript(&output), "exit code: 7\nevaluate --help -x a b\n");
}

#[test]
fn the_papers_encoder_is_counted() {
    assert!(said(&["cost", "--preset", "large"]).contains("303,858,688"));
    let json = said(&["cost", "--preset", "large", "--json"]);
    let json: serde_json::Value = serde_json::from_str(json.trim_start_matches("exit code: 0\n")).unwrap();
    assert_eq!(json["parameters"]["encoder"], 303_858_688);
}

#[test]
fn cost_names_what_it_accepts() {
    insta::assert_snapshot!(said(&["cost", "--preset", "huge"]));
    insta::assert_snapshot!(said(&["cost", "--preset", "tiny", "--strategy", "shared"]));
}

#[test]
fn completions_are_for_this_tool() {
    let script = said(&["completions", "bash"]);
    assert!(script.contains("monitor") && script.contains("fp32 fp16 int8"));
    assert!(!script.contains("bench-engine"), "what nobody is to call is not offered");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = mtcae(&["completions", "zsh"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(transcript(&output), "exit code: 0\n");
}

#[test]
fn an_export_names_the_file_it_cannot_read() {
    let text = said(&["export", "--checkpoint", "a", "--manifest", "no/manifest.toml", "--out", "o"]);
    assert!(text.starts_with("exit code: 1\nmtcae::file") && text.contains("no/manifest.toml"), "{text}");
    assert_eq!(text.matches("No such file").count(), 1, "a cause is said once: {text}");
}

#[test]
fn help_of_bundles_and_keys() {
    insta::assert_snapshot!("help_of_keys", said(&["keys", "--help"]));
    insta::assert_snapshot!("help_of_keys_new", said(&["keys", "new", "--help"]));
    insta::assert_snapshot!("help_of_keys_show", said(&["keys", "show", "--help"]));
    insta::assert_snapshot!("help_of_keys_rotate", said(&["keys", "rotate", "--help"]));
    insta::assert_snapshot!("help_of_keys_trust_board", said(&["keys", "trust-board", "--help"]));
    insta::assert_snapshot!("help_of_keys_permit", said(&["keys", "permit", "--help"]));
    insta::assert_snapshot!("help_of_bundle", said(&["bundle", "--help"]));
    insta::assert_snapshot!("help_of_inspect", said(&["inspect", "--help"]));
    insta::assert_snapshot!("help_of_seal", said(&["seal", "--help"]));
    insta::assert_snapshot!("help_of_open", said(&["open", "--help"]));
}

#[test]
fn help_of_the_verbs_about_boards() {
    insta::assert_snapshot!("help_of_devices", said(&["devices", "--help"]));
    insta::assert_snapshot!("help_of_status", said(&["status", "--help"]));
    insta::assert_snapshot!("help_of_flash", said(&["flash", "--help"]));
    insta::assert_snapshot!("help_of_confirm", said(&["confirm", "--help"]));
    insta::assert_snapshot!("help_of_rollback", said(&["rollback", "--help"]));
    insta::assert_snapshot!("help_of_logs", said(&["logs", "--help"]));
    insta::assert_snapshot!("help_of_doctor", said(&["doctor", "--help"]));
}

#[test]
fn wrong_words_about_boards_give_exit_code_two() {
    let all = [
        said(&["status", "ttyUSB0"]),
        said(&["confirm", "usb:1"]),
        said(&["rollback", "/dev/ttyUSB0:42"]),
        said(&["devices", "--tcp", "board"]),
        said(&["logs", "/dev/ttyUSB0", "--lines", "0"]),
        said(&["flash", "/dev/ttyUSB0"]),
        said(&["flash", "ttyUSB0", "x.mtcb"]),
        said(&["flash", "--all", "x.mtcb", "/dev/ttyUSB0", "/dev/ttyUSB0"]),
        said(&["flash", "--resume", "dir:/mnt", "x.mtcb"]),
    ];
    assert!(all.iter().all(|text| text.starts_with("exit code: 2\n")), "{all:?}");
    insta::assert_snapshot!("wrong_words_about_boards", all.concat());
}

#[test]
fn help_of_provision() {
    insta::assert_snapshot!(said(&["provision", "--help"]));
}

#[test]
fn completions_know_folders_from_files_and_words() {
    let script = said(&["completions", "zsh"]);
    for hint in ["Folder of the model]:DIR:_files -/'", "Secret signing key; may be repeated]:KEY:_files'"] {
        assert!(script.contains(hint), "{hint} is not in the script");
    }
    assert!(script.contains("Security counter]:N:'"), "no files are offered for a number");
}
