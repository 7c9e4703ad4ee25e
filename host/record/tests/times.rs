//! When it is recorded that something was: by the board's clock where that is known, else when it came.

mod common;

use common::{BEGAN, hello, report, status};
use lz4_flex::frame::FrameDecoder;
use mtcae_record::Recorder;
use mtcae_wire::{Hello, Level, Log, Report, Status, Up};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;

/// The board's start by its first Status, nanoseconds since 1970.
const STARTED: u64 = 1_764_000_000_000_000_000;

/// A message of a recording.
#[derive(Debug)]
struct Told {
    topic: String,
    log_time: u64,
    publish_time: u64,
    data: Value,
}

fn number<const N: usize>(bytes: &[u8]) -> u64 {
    bytes[..N].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Codes and contents of records that follow each other.
fn records(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while bytes.len() >= 9 {
        let end = 9 + number::<8>(&bytes[1..]) as usize;
        all.push((bytes[0], &bytes[9..end]));
        bytes = &bytes[end..];
    }
    all
}

/// Records what came, a second apart, and gives the messages of all topics.
fn told(messages: &[Up]) -> Vec<Told> {
    let mut recorder = Recorder::new(Vec::new(), "p", BEGAN, u64::MAX).unwrap();
    for (second, message) in messages.iter().enumerate() {
        recorder.take(Duration::from_secs(second as u64), Some(message), &json!({ "type": "any" })).unwrap();
    }
    recorder.finish().unwrap();
    let file = recorder.into_file().unwrap();
    let (mut topics, mut all) = (HashMap::new(), Vec::new());
    for (_, chunk) in records(&file[8..file.len() - 8]).iter().filter(|(code, _)| *code == 0x06) {
        let mut unpacked = Vec::new();
        // Two times, a size, a checksum, `lz4`, another size.
        FrameDecoder::new(&chunk[8 + 8 + 8 + 4 + 7 + 8..]).read_to_end(&mut unpacked).unwrap();
        for (code, record) in records(&unpacked) {
            let id = number::<2>(record);
            if code == 0x04 {
                let end = 8 + number::<4>(&record[4..]) as usize;
                topics.insert(id, String::from_utf8(record[8..end].to_vec()).unwrap());
            } else if code == 0x05 {
                all.push(Told {
                    topic: topics[&id].clone(),
                    log_time: number::<8>(&record[6..]),
                    publish_time: number::<8>(&record[14..]),
                    data: serde_json::from_slice(&record[22..]).unwrap(),
                });
            }
        }
    }
    all
}

/// What came at that second, on topics that end so.
fn at<'a>(told: &'a [Told], second: u64, topic: &str) -> &'a Told {
    let came = BEGAN + second * 1_000_000_000;
    let found: Vec<&Told> = told.iter().filter(|t| t.publish_time == came && t.topic.ends_with(topic)).collect();
    assert_eq!(found.len(), 1, "{topic} at {second} s in {told:?}");
    found[0]
}

fn hello_of(boot: u32) -> Up {
    let Up::Hello(first) = hello() else { unreachable!() };
    Up::Hello(Hello { boot, ..first })
}

fn status_of(boot: u32, unix_offset_us: Option<i64>) -> Up {
    let Up::Status(first) = status(500) else { unreachable!() };
    Up::Status(Status { boot, unix_offset_us, ..first })
}

fn report_of(boot: u32, seq: u32) -> Up {
    Up::Report(Report { boot, ..report(seq, 9, Some(1)) })
}

#[test]
fn a_board_that_starts_anew_says_anew_what_time_it_is() {
    let offset_us = (BEGAN / 1_000) as i64 + 4_000_000;
    // Whichever message is the first of the new start.
    for first in [hello_of(8), report_of(8, 2), status_of(8, None)] {
        let heard = [
            hello_of(7),
            status_of(7, Some(STARTED as i64 / 1_000)),
            report_of(7, 1_000),
            hello_of(7),
            report_of(7, 1_001),
            first,
            hello_of(8),
            report_of(8, 3),
            hello_of(8),
            status_of(8, Some(offset_us)),
            report_of(8, 4),
        ];
        let told = told(&heard);
        // A Hello of the same start takes nothing away.
        for (second, seq) in [(2, 1_000), (4, 1_001)] {
            assert_eq!(at(&told, second, "/roi").log_time, STARTED + seq * 66_000_000);
        }
        let new = at(&told, 7, "/roi");
        assert_eq!((new.log_time, &new.data["header"]["stamp"]["sec"]), (new.publish_time, &json!(0)));
        assert_eq!(at(&told, 7, "mtcae/messages").log_time, new.publish_time);
        let known = at(&told, 10, "/roi");
        assert_eq!(known.log_time, offset_us as u64 * 1_000 + 4 * 66_000_000);
        assert_ne!(known.data["header"]["stamp"]["sec"], json!(0));
    }
}

#[test]
fn a_board_that_starts_anew_tracks_nobody_of_before() {
    let told = told(&[hello_of(7), report_of(7, 1), Up::Report(Report { boot: 8, ..report(2, 4, Some(1)) })]);
    assert_eq!(at(&told, 1, "/tracked").data["ids"], json!(["f00000009"]));
    assert_eq!(at(&told, 2, "/tracked").data["ids"], json!(["f00000004"]));
}

#[test]
fn a_line_that_has_no_time_of_the_boards_is_recorded_when_it_came() {
    let line = |at_us| Up::Log(Log { level: Level::Warn, at_us, text: "another client has its turn".into() });
    let told = told(&[hello_of(7), status_of(7, Some(STARTED as i64 / 1_000)), line(Log::HAVE_TO_WAIT), line(1)]);
    let waits = at(&told, 2, "/log");
    assert_eq!((waits.log_time, &waits.data["stamp"]["sec"]), (waits.publish_time, &json!(0)));
    assert_eq!(at(&told, 3, "/log").log_time, STARTED + 1_000);
}
