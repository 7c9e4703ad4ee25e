//! The bytes of this version, for ever: `golden/*.hex` holds one frame each, the `.json` beside it what
//! it says. Clients in other languages are tested against the same files.
//!
//! `UPDATE_GOLDEN=1 cargo test -p mtcae-wire --test golden` writes them anew; a changed file means a changed
//! protocol, and then `VERSION` goes up.

#[path = "common/samples.rs"]
mod samples;

use mtcae_wire::*;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt::Debug;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn agree(file: &str, now: &str) {
    let path = folder().join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(now, golden, "{file} is not what this build makes");
}

/// 32 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn both_ways<M: Message + Serialize + PartialEq + Debug>(samples: Vec<(&str, M)>) {
    for (name, message) in samples {
        agree(&format!("{name}.hex"), &hex(&encode(&message).unwrap()));
        agree(&format!("{name}.json"), &(serde_json::to_string_pretty(&message).unwrap() + "\n"));
        let golden = bytes(&std::fs::read_to_string(folder().join(format!("{name}.hex"))).unwrap());
        let got: Vec<_> = Decoder::new().feed(&golden).collect();
        assert_eq!(got, [Ok(message)], "{name}");
    }
}

#[test]
fn messages_up_are_golden() {
    both_ways(samples::up());
}

#[test]
fn messages_down_are_golden() {
    both_ways(samples::down());
}

#[test]
fn a_piece_of_an_update_is_golden() {
    let chunk = samples::chunk();
    agree("down-update-chunk.hex", &hex(&encode_chunk(&chunk).unwrap()));
    // On one line: a number a line would be three hundred.
    let said = serde_json::json!({ "UpdateChunk": chunk }).to_string() + "\n";
    agree("down-update-chunk.json", &said);
    let golden = bytes(&std::fs::read_to_string(folder().join("down-update-chunk.hex")).unwrap());
    let got: Vec<_> = Decoder::new().feed(&golden).collect();
    assert_eq!(got, [Ok(FromHost::Chunk(chunk))]);
}

#[test]
fn every_kind_has_a_sample() {
    let up: HashSet<_> = samples::up().iter().map(|(_, up)| discriminant(up)).collect();
    let down: HashSet<_> = samples::down().iter().map(|(_, down)| discriminant(down)).collect();
    assert_eq!((up.len(), down.len()), (usize::from(Up::KINDS), usize::from(Down::KINDS)));
}

/// The table of README.md.
#[test]
fn sizes_are_those_of_the_readme() {
    let len = |frame: Result<Frame, EncodeError>| frame.unwrap().len();
    let up = samples::up().into_iter().zip(samples::largest_up());
    let up = up.map(|((name, up), (_, largest))| (name, len(encode(&up)), len(encode(&largest))));
    let down = samples::down().into_iter().zip(samples::largest_down());
    let down = down.map(|((name, down), (_, largest))| (name, len(encode(&down)), len(encode(&largest))));
    let readme = include_str!("../README.md");
    let chunk = |chunk| encode_chunk(&chunk).unwrap().len();
    let chunk = ("down-update-chunk", chunk(samples::chunk()), chunk(samples::largest_chunk()));
    assert_eq!(chunk.2, MAX_LONG_FRAME);
    for (name, typical, largest) in up.chain(down).chain([chunk]) {
        assert!(largest <= MAX_FRAME || name == chunk.0, "{name}: {largest}");
        let row = format!("| `{name}` | {typical} | {largest} |");
        assert!(readme.contains(&row), "README.md lacks the row {row}");
    }
}

#[test]
fn the_python_client_reads_them_too() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python/test_golden.py");
    match Command::new("python3").arg("-B").arg(script).output() {
        Err(error) => println!("skipped: the Python client, because python3 does not start: {error}"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}
