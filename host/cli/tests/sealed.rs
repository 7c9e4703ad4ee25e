//! Data at rest: sealed, opened, logged; and nothing left of what did not end well.

mod common;

use common::desk::Desk;
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FACES: &[u8] = b"these would be somebody's faces";

/// A desk with `faces.tar.age` and without `faces.tar`.
fn sealed() -> Desk {
    let desk = Desk::new();
    desk.write("faces.tar", FACES);
    desk.good(&["seal", "faces.tar", "--encrypt-to", "lab.key.pub"]);
    std::fs::remove_file(desk.path("faces.tar")).unwrap();
    desk
}

fn log(desk: &Desk) -> Vec<Value> {
    let Ok(text) = std::fs::read_to_string(desk.path("state/mtcae/openings.jsonl")) else { return Vec::new() };
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn what_was_sealed_is_opened_and_each_opening_is_logged() {
    let desk = sealed();
    desk.write("more", FACES);
    let said = desk.good(&["seal", "more", "--encrypt-to", "lab.key.pub", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["file"], &said["bytes"]), (&"more.age".into(), &FACES.len().into()), "{said}");
    assert!(!desk.read("faces.tar.age").windows(5).any(|bytes| bytes == b"faces"), "readable without a key");
    assert_eq!(desk.good(&["open", "faces.tar.age", "--key", "lab.key"]), "faces.tar\n");
    assert_eq!(desk.read("faces.tar"), FACES);
    assert_eq!(desk.path("faces.tar").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(desk.good(&["open", "faces.tar.age", "--key", "lab.key", "--out", "-"]).as_bytes(), FACES);

    let lines = log(&desk);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let folder = desk.path("").canonicalize().unwrap();
    for (line, to) in lines.iter().zip([folder.join("faces.tar").to_str().unwrap(), "-"]) {
        let mut fields: Vec<&String> = line.as_object().unwrap().keys().collect();
        fields.sort();
        assert_eq!(fields, ["file", "key", "opened_unix_s", "to"]);
        assert_eq!(line["file"], folder.join("faces.tar.age").to_str().unwrap());
        assert_eq!((&line["key"], &line["to"]), (&desk.recipient().id().to_string().into(), &to.into()));
        assert!(line["opened_unix_s"].as_u64() > Some(1_700_000_000), "{line}");
    }
    let mode = |name: &str| desk.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state/mtcae"), mode("state/mtcae/openings.jsonl")), (0o700, 0o600));
}

#[test]
fn a_stream_never_touches_the_disk_in_the_clear() {
    let desk = Desk::new();
    let pipe = |arguments: &[&str], bytes: &[u8]| {
        let mut child = desk.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    // Less than a pipe holds: both ends are written before they are read.
    let faces = FACES.repeat(1000);
    pipe(&["seal", "-", "--encrypt-to", "lab.key.pub", "--out", "faces.age"], &faces);
    assert_eq!(pipe(&["open", "-", "--key", "lab.key", "--out", "-"], &desk.read("faces.age")), faces);
    assert_eq!(log(&desk)[0]["file"], "-");
    let text = desk.said(&["seal", "-", "--encrypt-to", "lab.key.pub"]);
    assert!(text.starts_with("exit code: 2\n") && text.contains("--out"), "{text}");
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let desk = sealed();
    desk.good(&["keys", "new", "--device", "other.key"]);
    let before = desk.names();
    let mut said = desk.said(&["open", "tiny/CARD.md", "--key", "lab.key", "--out", "x"]);
    said += &desk.said(&["open", "tiny/CARD.md", "--key", "lab.key"]);
    said += &desk.said(&["open", "faces.tar.age", "--key", "release.key"]);
    said += &desk.said(&["seal", "tiny", "--encrypt-to", "lab.key.pub"]);
    said += &desk.said(&["seal", "faces.tar.age", "--encrypt-to", "release.key.pub"]);
    insta::assert_snapshot!("sealed_refused", said);
    let text = desk.said(&["open", "faces.tar.age", "--key", "other.key"]);
    assert!(text.starts_with("exit code: 1\nmtcae::seal\n") && text.contains("none of the keys opens it"), "{text}");
    assert!(log(&desk).is_empty(), "nothing was opened, so nothing is logged");

    let whole = desk.read("faces.tar.age");
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 30) {
        let mut touched = whole.clone();
        touched[at] ^= 1;
        for bytes in [&touched[..], &whole[..at]] {
            std::fs::write(desk.path("faces.tar.age"), bytes).unwrap();
            let text = desk.said(&["open", "faces.tar.age", "--key", "lab.key"]);
            assert!(text.starts_with("exit code: 1\nmtcae::seal\n"), "byte {at}: {text}");
            refused += 1;
        }
    }
    println!("{refused} touched files refused");
    assert!(refused >= 60, "fewer were tried: {refused}");
    let after: Vec<String> = desk.names().into_iter().filter(|name| name != "state").collect();
    assert_eq!(after, before);
}

#[test]
fn without_a_log_the_file_stays_shut() {
    let desk = sealed();
    let before = desk.names();
    let mut command = desk.command(&["open", "faces.tar.age", "--key", "lab.key"]);
    // Not the folder's mode: whoever runs the tests as root may write anywhere.
    let output = command.env("XDG_STATE_HOME", desk.path("release.key.pub")).output().unwrap();
    insta::assert_snapshot!("not_logged", common::transcript(&output));
    assert_eq!(desk.names(), before);
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let desk = Desk::new();
    let before = desk.names();
    let arguments = ["seal", "-", "--encrypt-to", "lab.key.pub", "--out", "faces.age"];
    let mut child = desk.command(&arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than the pipe holds, so it is reading by the time this returns.
    stdin.write_all(&vec![0; 1 << 20]).unwrap();
    let began = Instant::now();
    while desk.names() == before {
        assert!(began.elapsed() < Duration::from_secs(60), "it never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    let signalled = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    drop(stdin);
    let text = common::transcript(&child.wait_with_output().unwrap());
    assert!(text.starts_with("exit code: 1\nmtcae::stopped\n"), "{text}");
    assert_eq!(desk.names(), before);
}
