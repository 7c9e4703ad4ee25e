//! `mtcae monitor --record` and `mtcae replay` as programs: what was shown is shown again.

mod common;

use common::{Board, hello, mtcae, report, transcript};
use mtcae_wire::{Level, Log, Up};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

fn replay(file: &Path, more: &[&str]) -> Output {
    let arguments = [&["replay", file.to_str().unwrap()], more].concat();
    mtcae(&arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Monitors a board that says something, into `file`.
fn record(file: &Path, more: &[&str]) -> Output {
    let mut board = Board::new();
    let arguments = ["monitor", "--port", &board.port, "--json", "--seconds", "2", "--record", file.to_str().unwrap()];
    let child = mtcae(&[&arguments, more].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    board.wait_for_the_monitor();
    board.send(&hello());
    (0..20).for_each(|seq| board.send(&report(seq)));
    board.send_bytes(&[1, 2, 3, 0]);
    board.send(&Up::Log(Log { level: Level::Warn, at_us: 5, text: "too warm".into() }));
    board.send(&report(22));
    child.wait_with_output().unwrap()
}

/// A monitor that does not begin.
fn refused(file: &Path, more: &[&str]) -> Output {
    let board = Board::new();
    let arguments = ["monitor", "--port", &board.port, "--json", "--seconds", "9", "--record", file.to_str().unwrap()];
    mtcae(&[&arguments, more].concat()).output().unwrap()
}

#[test]
fn what_was_shown_is_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.mcap");
    let recorded = record(&file, &[]);
    let text = transcript(&recorded);
    assert!(text.starts_with("exit code: 0\n") && text.contains("entries in"), "{text}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (first, again) = (lines(&recorded), lines(&replay(&file, &["--speed", "max", "--json"])));
    assert_eq!(again[0]["type"], "recording");
    let (summary, messages) = first.split_last().unwrap();
    let (summary_again, messages_again) = again[1..].split_last().unwrap();
    assert!(messages.len() > 20);
    assert_eq!(messages_again, messages);
    for field in ["reports", "lost", "duplicates", "bad_frames", "age_us"] {
        assert_eq!(summary_again[field], summary[field], "{field}");
    }
    assert_eq!((&summary["reports"], &summary["lost"], &summary["bad_frames"]), (&21.into(), &2.into(), &1.into()));
    // Without a terminal, as lines of text.
    let text = transcript(&replay(&file, &["--speed", "1000"]));
    assert_eq!(text.matches("happy    0.75 stable").count(), 21, "{text}");
    assert!(text.contains("warn: too warm") && text.contains("; 2 lost, 0 repeated, 1 bad frames"), "{text}");
}

#[test]
fn a_recording_is_whole_when_the_reader_of_the_output_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.mcap");
    let mut board = Board::new();
    let arguments = ["monitor", "--port", &board.port, "--json", "--seconds", "60", "--record", file.to_str().unwrap()];
    let mut child = mtcae(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
    board.wait_for_the_monitor();
    board.send(&hello());
    (0..5).for_each(|seq| board.send(&report(seq)));
    assert!(shown.any(|line| line.unwrap().contains("\"seq\":4")));
    // As `head` does.
    drop(shown);
    board.send(&report(5));
    let text = transcript(&child.wait_with_output().unwrap());
    assert!(text.starts_with("exit code: 0\nrecorded "), "{text}");
    let again = replay(&file, &["--speed", "max", "--json"]);
    assert!(again.stderr.is_empty(), "{}", transcript(&again));
    let of_reports = |line: &Value| (line["type"] == "report").then(|| line["seq"].as_u64().unwrap());
    assert_eq!(lines(&again).iter().filter_map(of_reports).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_recording_is_played_at_its_pace() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.mcap");
    let mut board = Board::new();
    let arguments = ["monitor", "--port", &board.port, "--json", "--seconds", "4", "--record", file.to_str().unwrap()];
    let mut child = mtcae(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    board.wait_for_the_monitor();
    board.send(&hello());
    std::thread::sleep(Duration::from_secs(2));
    board.send(&report(0));
    child.wait().unwrap();
    let began = Instant::now();
    assert!(replay(&file, &["--json", "--speed", "4"]).status.success());
    let took = began.elapsed();
    // A busy machine may take longer, never less.
    assert!(took >= Duration::from_millis(490), "{took:?}");
}

#[test]
fn a_killed_recorder_leaves_all_but_its_last_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.mcap");
    let mut board = Board::new();
    let arguments = ["monitor", "--port", &board.port, "--json", "--record", file.to_str().unwrap()];
    let mut child = mtcae(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    board.wait_for_the_monitor();
    board.send(&hello());
    (0..10).for_each(|seq| board.send(&report(seq)));
    // Not before its first seconds are on the disk.
    let size = || file.metadata().map_or(0, |file| file.len());
    let (first, until) = (size(), Instant::now() + Duration::from_secs(60));
    while size() <= first.max(1_000) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    board.send(&report(10));
    child.kill().unwrap();
    child.wait().unwrap();
    let output = replay(&file, &["--speed", "max", "--json"]);
    let reports = lines(&output).iter().filter(|line| line["type"] == "report").count();
    assert!(reports >= 10, "{}", transcript(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("was cut short at byte"), "{said}");
}

#[test]
fn it_ends_at_its_largest_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.mcap");
    let mut board = Board::new();
    let arguments = ["monitor", "--port", &board.port, "--json", "--seconds", "60", "--max-size", "40K", "--record"];
    let arguments = [&arguments[..], &[file.to_str().unwrap()]].concat();
    let mut child = mtcae(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    board.wait_for_the_monitor();
    board.send(&hello());
    for seq in 0..100_000 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        board.send(&report(seq));
        std::thread::sleep(Duration::from_micros(300));
    }
    let text = transcript(&child.wait_with_output().unwrap());
    assert!(text.starts_with("exit code: 0\n") && text.contains("it ends here: it has its largest size"), "{text}");
    assert!((10_000..=40 << 10).contains(&file.metadata().unwrap().len()));
    assert!(replay(&file, &["--speed", "max", "--json"]).stderr.is_empty());
}

#[test]
fn each_refusal_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let file = path("desk.mcap");
    assert!(record(&file, &[]).status.success());
    let bytes = std::fs::read(&file).unwrap();
    let mut said = String::new();
    let mut note = |what: &str, output: &Output| {
        let text = transcript(output).replace(folder.path().to_str().unwrap(), "DIR");
        // What was printed before the error is another test's.
        let at = text.find("mtcae::").map_or(0, |at| at);
        said += &format!("--- {what}: exit code {:?}\n{}", output.status.code(), &text[at..]);
    };
    note("a recording is there", &refused(&file, &[]));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert!(record(&file, &["--force"]).status.success());
    note("too small", &refused(&path("small.mcap"), &["--max-size", "1K"]));
    note("nothing there", &replay(&path("none.mcap"), &[]));
    std::fs::write(path("picture.png"), b"\x89PNG\r\n\x1a\n and more").unwrap();
    note("a picture", &replay(&path("picture.png"), &[]));
    let other = [&bytes[..8], &[0x0f, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    std::fs::write(path("other.mcap"), other).unwrap();
    note("of somebody else", &replay(&path("other.mcap"), &[]));
    // In the middle of the second chunk.
    let mut damaged = bytes.clone();
    let at = damaged.windows(3).enumerate().filter(|(_, w)| *w == b"lz4").nth(1).unwrap().0 + 40;
    damaged[at] ^= 0x10;
    std::fs::write(path("damaged.mcap"), damaged).unwrap();
    note("damaged", &replay(&path("damaged.mcap"), &["--json"]));
    insta::with_settings!({ filters => vec![(r"at byte \d+: .*", "at byte N: WHY"), (r"at least \d+", "at least N")] }, {
        insta::assert_snapshot!(said);
    });
}
