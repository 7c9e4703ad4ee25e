//! A board's minute, recorded.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

#[path = "../../../../firmware/json/tests/common/mod.rs"]
mod board;

pub use board::*;
use mtcae_json::json_from_up;
use mtcae_record::{Entry, ReadError, Reader, Recorder};
use mtcae_wire::{Level, Log, Up};
use serde_json::{Value, json};
use std::time::Duration;

/// The recording's beginning, nanoseconds since 1970: an hour after the board's.
pub const BEGAN: u64 = 1_764_003_600_000_000_000;

/// What a monitor hears: when, the message, its line.
pub fn heard(reports: u32) -> Vec<(Duration, Option<Up>, Value)> {
    let labels = LABELS.map(str::to_owned);
    let mut all = vec![hello(), status(0)];
    for seq in 0..reports {
        let label = (!seq.is_multiple_of(7)).then_some((seq % 8) as u8);
        let mut report = report(seq, seq % 3, label);
        if seq.is_multiple_of(11) {
            (report.faces, report.face) = (0, None);
        }
        all.push(Up::Report(report));
        if seq.is_multiple_of(10) {
            all.push(Up::Log(Log { level: Level::Info, at_us: u64::from(seq) * 66_000, text: "a line".into() }));
            all.push(status(u64::from(seq) * 66));
        }
    }
    let timed = all.into_iter().enumerate().map(|(n, up)| {
        let line = json_from_up(&up, &labels);
        (Duration::from_millis(n as u64 * 50), Some(up), line)
    });
    let ping = (Duration::from_millis(20), None, json!({ "type": "round_trip", "us": 2_000 }));
    timed.chain([ping]).collect()
}

/// A recording of that, whole.
pub fn recording(reports: u32) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), "/dev/ttyUSB0", BEGAN, u64::MAX).unwrap();
    for (at, message, line) in heard(reports) {
        recorder.take(at, message.as_ref(), &line).unwrap();
    }
    recorder.finish().unwrap();
    recorder.into_file().unwrap()
}

/// Everything that can be read, where it was cut, and the error at its end.
pub fn read(bytes: &[u8]) -> (Vec<Entry>, Option<u64>, Option<ReadError>) {
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), None, Some(error)),
    };
    let mut entries = Vec::new();
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return (entries, reader.cut_at(), None),
            Err(error) => return (entries, reader.cut_at(), Some(error)),
        }
    }
}
