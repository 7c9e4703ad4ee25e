//! The verbs about boards as a program, on simulated boards over pseudo-terminals.

mod common;
#[path = "../../boards/tests/common/mod.rs"]
mod simulated;

use common::{mtcae, nobody_reads, transcript};
use mtcae_bundle::Permit;
use serde_json::Value;
use simulated::Board;
use simulated::brain::{Ending, Script};
use simulated::bundle::{Recipe, key};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

struct Bench {
    board: Board,
    port: String,
    bundle: String,
}

impl Bench {
    fn new(script: Script, recipe: &Recipe) -> Bench {
        let board = Board::start(script);
        let (port, bundle) = (board.target().to_string(), recipe.write(board.folder()).display().to_string());
        Bench { board, port, bundle }
    }

    /// Exit code and all output, with names that stay.
    fn said(&self, arguments: &[&str]) -> String {
        let output = mtcae(arguments).current_dir(self.board.folder()).output().unwrap();
        let text = transcript(&output).replace(&self.port, "PORT");
        text.replace(&self.board.folder().display().to_string(), "FOLDER")
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Measured times are not the same twice.
fn steady(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let number = word.trim_start_matches('(').parse::<f64>().is_ok() && word.contains('.');
        if number {
            word.replace(|c: char| c.is_ascii_digit() || c == '.', "#").replace("##", "#")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_flash_says_what_is_true_and_does_nothing_twice() {
    let bench = Bench::new(Script::default(), &Recipe { firmware: 100_000, ..Recipe::new(5) });
    let dry = bench.said(&["flash", &bench.port, &bench.bundle, "--dry-run"]);
    assert!(dry.contains("exit code: 0\nbench: ") && dry.contains(" would be sent, installed and tried"), "{dry}");
    assert_eq!(bench.board.happened().begins, 0);
    let text = bench.said(&["flash", &bench.port, &bench.bundle]);
    assert!(text.starts_with("exit code: 0\nbench runs edge 0.5.0, confirmed ("), "{text}");
    for line in ["PORT: asking\n", "PORT: sending, ", "PORT: verifying, 100 % of ", "PORT: restarting\n"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let looked = objects(&bench.said(&["flash", &bench.port, &bench.bundle, "--dry-run", "--json"])).pop().unwrap();
    assert_eq!((&looked["course"], &looked["bytes"]), (&"nothing".into(), &0.into()), "{looked}");
    let again = bench.said(&["flash", &bench.port, &bench.bundle]);
    assert!(again.starts_with("exit code: 0\nbench runs edge 0.5.0 already, confirmed; nothing was done\n"), "{again}");
    assert_eq!(bench.board.happened().begins, 1);
}

#[test]
fn a_flash_for_programs() {
    let bench = Bench::new(Script::default(), &Recipe { firmware: 100_000, ..Recipe::new(5) });
    let lines = objects(&bench.said(&["flash", &bench.port, &bench.bundle, "--json"]));
    let stages: Vec<&str> = lines.iter().filter_map(|line| line["stage"].as_str()).collect();
    for stage in ["asking", "sending", "verifying", "restarting"] {
        assert!(stages.contains(&stage), "{stage} is not in {stages:?}");
    }
    let result = lines.last().unwrap();
    for (key, value) in [("type", "result"), ("outcome", "confirmed"), ("bundle", "edge 0.5.0"), ("board", "bench")] {
        assert_eq!(result[key], value, "{result}");
    }
    let failed = Bench::new(Script { counter: 9, ..Script::default() }, &Recipe::new(5));
    let text = failed.said(&["flash", &failed.port, &failed.bundle, "--json"]);
    let result = objects(&text).pop().unwrap();
    assert_eq!((&result["outcome"], &result["code"]), (&"failed".into(), &"mtcae::refused".into()), "{text}");
    assert!(text.starts_with("exit code: 1\n") && result["help"].as_str().unwrap().contains("--permit"), "{text}");
}

#[test]
fn each_failure_has_its_code_and_next_step() {
    let said = |script: Script, more: &[&str]| {
        let bench = Bench::new(script, &Recipe::new(5));
        bench.said(&[&["flash", &bench.port, &bench.bundle], more].concat())
    };
    let pc = Script::default;
    let all = [
        said(Script { family: "jetson-agx", ..pc() }, &[]),
        said(Script { counter: 6, ..pc() }, &[]),
        said(Script { updates: false, ..pc() }, &[]),
        said(Script { ending: Ending::GoBack, ..pc() }, &[]),
        said(Script { ending: Ending::Refuse(mtcae_wire::Refusal::NotTrusted), ..pc() }, &[]),
        said(pc(), &["--resume"]),
        said(pc(), &["--permit", "no.permit"]),
        said(Script { mute: true, ..pc() }, &[]),
    ];
    assert!(all.iter().all(|text| text.starts_with("exit code: 1\n")), "{all:?}");
    // How far it came is shown, and differs.
    let errors = all.iter().map(|text| &text[text.find("mtcae::").expect("a code")..]);
    insta::assert_snapshot!(errors.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_bench_of_boards_is_flashed_at_once_and_none_hides_behind_another() {
    let benches = [
        Bench::new(Script::default(), &Recipe::new(5)),
        Bench::new(Script { counter: 6, ..Script::default() }, &Recipe::new(5)),
        Bench::new(Script { ending: Ending::GoBack, ..Script::default() }, &Recipe::new(5)),
    ];
    let ports: Vec<&str> = benches.iter().map(|bench| bench.port.as_str()).collect();
    let output = mtcae(&[&["flash", "--all", &benches[0].bundle], &ports[..]].concat()).output().unwrap();
    let table: String = String::from_utf8(output.stdout).unwrap();
    let table = ports.iter().zip(["ONE", "TWO", "THREE"]).fold(table, |text, (port, name)| text.replace(port, name));
    insta::assert_snapshot!("bench", steady(&table));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("mtcae::bench") && error.contains("2 of 3 boards failed"), "{error}");
    assert_eq!(output.status.code(), Some(1));

    // The two that can be done are done.
    let good = [ports[0], "--json"];
    let text = transcript(&mtcae(&[&["flash", "--all", &benches[0].bundle], &good[..]].concat()).output().unwrap());
    let summary = objects(&text).pop().unwrap();
    assert_eq!((&summary["type"], &summary["failed"]), (&"summary".into(), &0.into()), "{text}");
}

#[test]
fn a_tool_that_is_killed_goes_on_where_the_board_is() {
    let bench =
        Bench::new(Script { slow: true, ..Script::default() }, &Recipe { firmware: 1_000_000, ..Recipe::new(5) });
    let arguments = ["flash", &bench.port, &bench.bundle, "--json"];
    let mut killed = 0;
    for share in 1..=3u64 {
        let mut child = mtcae(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed at a quarter, a half and three quarters.
        let far = |line: &Value| {
            line["stage"] == "sending" && line["done"].as_u64() >= line["total"].as_u64().map(|total| total * share / 4)
        };
        let reached =
            lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).any(|line| far(&line));
        if reached {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
    }
    let result = objects(&bench.said(&arguments)).pop().unwrap();
    println!("{killed} tools killed; at the end {result}");
    assert_eq!(
        result["outcome"].as_str().map(|outcome| outcome == "confirmed" || outcome == "already-there"),
        Some(true)
    );
    let happened = bench.board.happened();
    assert_eq!(happened.installs, 1);
    let length = Path::new(&bench.bundle).metadata().unwrap().len();
    assert!(happened.chunks + happened.again <= length.div_ceil(1024) + 3 * 128, "{happened:?}");
    assert!(killed >= 2, "too few were killed in time: {killed}");
}

#[test]
fn a_signal_stops_a_flash_and_says_so() {
    let bench = Bench::new(Script { mute: true, ..Script::default() }, &Recipe::new(5));
    let child = mtcae(&["flash", &bench.port, &bench.bundle]).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let text = transcript(&child.wait_with_output().unwrap());
    assert!(text.starts_with("exit code: 1\n") && text.contains("mtcae::stopped"), "{text}");
}

#[test]
fn how_a_board_is_and_what_it_logged() {
    let bench = Bench::new(Script::default(), &Recipe::new(5));
    let text = bench.said(&["status", &bench.port]);
    let boot = text.lines().position(|line| line.starts_with("up ")).expect("a time");
    let lines: Vec<&str> = text.lines().enumerate().filter(|(at, _)| *at != boot).map(|(_, line)| line).collect();
    insta::assert_snapshot!("status", lines.join("\n"));
    let object = objects(&bench.said(&["status", &bench.port, "--json"])).pop().unwrap();
    assert_eq!((&object["hello"]["device"], &object["slots"]["family"]), (&"bench".into(), &"pc".into()), "{object}");
    assert_eq!(object["status"]["camera"], "streaming");
    insta::assert_snapshot!("logs", bench.said(&["logs", &bench.port, "--lines", "2"]));
    let log = objects(&bench.said(&["logs", &bench.port, "--lines", "2", "--json"]));
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log.iter().all(|line| line["type"] == "log" && line["at_us"].is_u64()), "{log:?}");
    let doctor = bench.said(&["doctor", &bench.port, "--json"]);
    let of_board: Vec<Value> = objects(&doctor).into_iter().filter(|finding| finding["at"] == "PORT").collect();
    assert_eq!(of_board.len(), 10, "{doctor}");
    assert!(of_board.iter().all(|finding| finding["severity"] == "good"), "{doctor}");
    insta::assert_snapshot!("camera_modes", bench.said(&["camera", &bench.port]));
    assert_eq!(
        bench.said(&["camera", &bench.port, "stop"]),
        "exit code: 0\ncamera closed; `mtcae camera TARGET start` opens it\n"
    );
    let stopped = objects(&bench.said(&["camera", &bench.port, "stop", "--json"])).pop().unwrap();
    assert_eq!(stopped["type"], "camera", "{stopped}");
    insta::assert_snapshot!("camera_mode_unknown", bench.said(&["camera", &bench.port, "use", "YUYV:7x7"]));
}

#[test]
fn kept_and_gone_back_from() {
    let on_trial = || Bench::new(Script { on_trial: true, ..Script::default() }, &Recipe::new(5));
    let bench = on_trial();
    let mut said = bench.said(&["confirm", &bench.port]) + &bench.said(&["confirm", &bench.port]);
    let bench = on_trial();
    let permit = Permit::sign(&key(), "bench", 1, 0, 86_400).unwrap().to_string();
    std::fs::write(bench.board.folder().join("bench.permit"), permit).unwrap();
    said += &bench.said(&["rollback", &bench.port, "--permit", "bench.permit"]);
    let bench = Bench::new(Script::default(), &Recipe::new(5));
    said += &bench.said(&["rollback", &bench.port]);
    insta::assert_snapshot!("kept_and_gone_back_from", said);
    let bench = on_trial();
    let json = |verb: &str| objects(&bench.said(&[verb, &bench.port, "--json"])).pop().unwrap();
    let kept = json("confirm");
    assert_eq!((&kept["type"], &kept["before"]), (&"confirmed".into(), &false.into()), "{kept}");
    let back = json("rollback");
    assert_eq!((&back["type"], &back["from"]), (&"rolled-back".into(), &kept["version"]), "{back}");
}

/// The file system of a board that takes bundles, and a bundle beside it.
fn card(folder: &Path) -> (PathBuf, String) {
    let root = folder.join("card");
    std::fs::create_dir_all(root.join("etc/mtcae/trusted")).unwrap();
    std::fs::write(root.join("etc/mtcae/board.toml"), "[board]\nname = \"bench\"\nfamily = \"pc\"\n").unwrap();
    std::fs::write(root.join("etc/mtcae/trusted/release.pub"), key().public().to_string()).unwrap();
    (root, Recipe::new(5).write(folder).display().to_string())
}

#[test]
fn a_flash_goes_on_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (root, bundle) = card(folder.path());
    let target = format!("dir:{}", root.display());
    let flash = || mtcae(&["flash", &target, &bundle]).stdout(nobody_reads()).stderr(nobody_reads()).status().unwrap();
    assert_eq!(flash().code(), Some(0));
    let object = objects(&transcript(&mtcae(&["status", &target, "--json"]).output().unwrap())).pop().unwrap();
    assert_eq!(object["model"]["a"]["version"], "edge 0.5.0", "{object}");
    // A failure is one, too, and no panic.
    std::fs::remove_dir_all(root.join("etc/mtcae/trusted")).unwrap();
    std::fs::remove_dir_all(root.join("var")).unwrap();
    assert_eq!(flash().code(), Some(1));
}

#[test]
fn a_mounted_root_is_flashed_like_a_board() {
    let folder = tempfile::tempdir().unwrap();
    let (root, bundle) = card(folder.path());
    let target = format!("dir:{}", root.display());
    let said = |arguments: &[&str]| {
        let text = transcript(&mtcae(arguments).current_dir(folder.path()).output().unwrap());
        let free =
            |line: &str| if line.starts_with("free ") { "free         SOME".to_owned() } else { line.to_owned() };
        text.lines().map(free).collect::<Vec<_>>().join("\n").replace(&*root.to_string_lossy(), "ROOT") + "\n"
    };
    let none = said(&["status", &target]);
    assert!(
        none.starts_with("exit code: 1\n") && none.contains("there are no slots at ROOT/var/lib/mtcae\n"),
        "{none}"
    );
    assert!(none.contains("`mtcae provision` makes them"), "{none}");
    let mut all = said(&["flash", &target, &bundle, "--dry-run"]);
    all += &said(&["flash", &target, &bundle]);
    let on_trial = objects(&said(&["status", &target, "--json"])).pop().unwrap();
    assert_eq!(on_trial["model"]["a"]["state"], "trial", "the word of a board that runs: {on_trial}");
    all += &said(&["status", &target]);
    all += &said(&["confirm", &target]);
    all += &said(&["flash", &target, &bundle]);
    all += &said(&["rollback", &target]);
    all += &said(&["logs", &target]);
    let looked = objects(&said(&["flash", &target, &bundle, "--dry-run", "--json"])).pop().unwrap();
    assert_eq!((&looked["course"], &looked["bytes"]), (&"nothing".into(), &0.into()), "{looked}");
    insta::assert_snapshot!("root", all.replace(&*root.canonicalize().unwrap().to_string_lossy(), "ROOT"));
    let object = objects(&said(&["status", &target, "--json"])).pop().unwrap();
    assert_eq!(
        (&object["state"], &object["model"]["a"]["state"]),
        (&"running".into(), &"confirmed".into()),
        "{object}"
    );
}
