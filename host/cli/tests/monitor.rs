//! `mtcae monitor` as a program, on a pseudo-terminal fed with real wire bytes.

mod common;

use common::{Board, hello, mtcae, report, transcript};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn start(arguments: &[&str]) -> (Child, impl Iterator<Item = Value> + use<>) {
    let mut child = mtcae(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(|line| serde_json::from_str(&line.unwrap()).expect("a JSON object a line")))
}

/// The next object of a type.
fn next(lines: &mut impl Iterator<Item = Value>, kind: &str) -> Value {
    lines.find(|value| value["type"] == kind).unwrap_or_else(|| panic!("the output ended without {kind}"))
}

#[test]
fn reports_come_through_garbage_and_gaps_are_counted() {
    let mut board = Board::new();
    let (mut child, mut lines) = start(&["monitor", "--port", &board.port, "--json", "--seconds", "3"]);
    assert_eq!(board.wait_for_the_monitor()[0], 0, "the first byte ends what the board heard before");
    board.send_bytes(b"kernel: boot messages of another baud rate\xff\xfe\0");
    board.send(&hello());
    board.send(&report(10));
    board.send_bytes(&[1, 2, 3, 0, 0, 0]);
    board.send(&report(12));
    board.send(&report(12));
    assert_eq!(next(&mut lines, "hello")["labels"][1], "happy");
    let face = next(&mut lines, "report")["face"].clone();
    assert_eq!(
        (&face["label"], &face["scores"]["happy"], &face["state"]),
        (&"happy".into(), &0.75.into(), &"stable".into())
    );
    let summary = next(&mut lines, "summary");
    for (field, count) in [("reports", 2), ("lost", 1), ("duplicates", 1), ("bad_frames", 2), ("reconnects", 0)] {
        assert_eq!(summary[field], count, "{field} in {summary}");
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_that_goes_is_opened_again_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("board");
    let mut board = Board::new();
    std::os::unix::fs::symlink(&board.port, &port).unwrap();
    let (mut child, mut lines) = start(&["monitor", "--port", port.to_str().unwrap(), "--json", "--seconds", "6"]);
    board.wait_for_the_monitor();
    board.send(&hello());
    board.send(&report(0));
    next(&mut lines, "report");
    // A second board takes the first one's number only after that is gone.
    let mut second = Board::new();
    drop(board);
    assert_eq!(next(&mut lines, "link")["state"], "lost");
    std::fs::remove_file(&port).unwrap();
    std::os::unix::fs::symlink(&second.port, &port).unwrap();
    assert_eq!(next(&mut lines, "link")["state"], "connected");
    second.send(&report(4));
    assert_eq!(next(&mut lines, "report")["seq"], 4);
    let summary = next(&mut lines, "summary");
    assert_eq!((&summary["reconnects"], &summary["lost"]), (&1.into(), &3.into()), "{summary}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_terminal_it_prints_a_line_for_each_report() {
    let mut board = Board::new();
    let child = mtcae(&["monitor", "--port", &board.port, "--seconds", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    board.wait_for_the_monitor();
    board.send(&hello());
    (0..3).for_each(|seq| board.send(&report(seq)));
    let text = transcript(&child.wait_with_output().unwrap());
    assert_eq!(text.matches("happy    0.75 stable").count(), 3, "{text}");
    assert!(text.contains("3 reports in 2.0 s, age p50 42 ms p99 42 ms; 0 lost"), "{text}");
}

#[test]
fn in_a_terminal_it_draws_and_q_gives_the_terminal_back() {
    let mut board = Board::new();
    let mut terminal = Board::new();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let slave = || File::options().read(true).write(true).open(&terminal.port).unwrap();
    let end = slave();
    rustix::termios::tcsetwinsize(&end, size).unwrap();
    // A terminal in the state of a shell: the monitor must give it back so.
    let mut modes = rustix::termios::tcgetattr(&end).unwrap();
    modes.local_modes |= rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO;
    rustix::termios::tcsetattr(&end, rustix::termios::OptionalActions::Now, &modes).unwrap();
    let mut child = mtcae(&["monitor", "--port", &board.port, "--seconds", "20"])
        .env("TERM", "xterm")
        .stdin(slave())
        .stdout(slave())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    board.wait_for_the_monitor();
    board.send(&hello());
    board.send(&report(0));
    let shown = terminal.read_until("happy");
    assert!(shown.contains("\x1b[?1049h"), "the second screen");
    terminal.send_bytes(b"q");
    let rest = terminal.read_until("0 lost");
    assert!(rest.contains("\x1b[?1049l"), "back to the first screen: {rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let after = rustix::termios::tcgetattr(&end).unwrap();
    assert!(after.local_modes.contains(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO));
}

impl Board {
    /// What the other side writes, until `wanted` is in it or ten seconds are over.
    fn read_until(&mut self, wanted: &str) -> String {
        let (began, mut all) = (Instant::now(), Vec::new());
        while began.elapsed() < Duration::from_secs(10) {
            let mut bytes = [0; 4096];
            let got = self.reader().read(&mut bytes).unwrap();
            all.extend_from_slice(&bytes[..got]);
            if String::from_utf8_lossy(&all).contains(wanted) {
                break;
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}
