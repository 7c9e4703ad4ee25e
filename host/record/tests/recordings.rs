//! Recordings written and read: whole, cut anywhere, damaged anywhere, and bounded.

mod common;

use common::{BEGAN, heard, hello, read, recording, report};
use mtcae_json::json_from_up;
use mtcae_record::{Full, ReadError, Recorder, WriteError};
use mtcae_wire::Up;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

#[test]
fn what_was_heard_is_read_in_its_order_and_at_its_times() {
    let heard = heard(400);
    let bytes = recording(400);
    let (entries, cut, error) = read(&bytes);
    assert!(cut.is_none() && error.is_none());
    let expected: Vec<&Value> = heard.iter().map(|(_, _, line)| line).collect();
    assert_eq!(entries[0].line["type"], "recording");
    assert_eq!((&entries[0].line["port"], entries[0].unix_ns), (&json!("/dev/ttyUSB0"), BEGAN));
    assert_eq!(entries[1..].iter().map(|entry| &entry.line).collect::<Vec<_>>(), expected);
    assert_eq!(entries[41].at, Duration::from_secs(2));
    // The last one came late: an entry is never before the one in front of it.
    assert!(entries.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let lines: usize = heard.iter().map(|(_, _, line)| line.to_string().len()).sum();
    println!("{} entries: {lines} bytes of JSON lines, {} bytes recorded", entries.len(), bytes.len());
}

#[test]
fn a_recording_cut_anywhere_plays_to_its_last_whole_chunk() {
    let bytes = recording(1_500);
    let whole = read(&bytes).0;
    let (mut cuts, mut least) = (0, usize::MAX);
    for length in (0..bytes.len()).step_by(997) {
        let (entries, cut, error) = read(&bytes[..length]);
        assert_eq!(entries[..], whole[..entries.len()], "cut at {length}");
        match error {
            // Only what ends before the first entry is no recording.
            Some(ReadError::NotMcap) => assert!(length < 8),
            Some(ReadError::Damaged { .. }) => assert!(length < 1_000, "{length}"),
            Some(other) => panic!("{other}"),
            None => cuts += u32::from(cut.is_some()),
        }
        // At most five seconds are lost: all of the chunk that was being written.
        if length > bytes.len() / 2 {
            least = least.min(entries.len());
        }
    }
    println!("{cuts} cuts of {} bytes; past its middle at least {least} of {} entries", bytes.len(), whole.len());
    assert!(cuts > 20 && least > whole.len() / 3);
}

/// A small reproducible generator: no randomness in tests.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn no_damage_makes_the_reader_panic_or_believe_what_was_never_recorded() {
    let bytes = recording(60);
    let whole = read(&bytes).0;
    let mut dice = Dice(0x4d43_4150);
    let mut ends = [0; 4];
    for _ in 0..10_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(damaged.len());
            match dice.below(4) {
                0 => damaged[at] ^= 1 << dice.below(8),
                1 => damaged.drain(at..(at + 1 + dice.below(16)).min(damaged.len())).for_each(drop),
                2 => damaged.splice(at..at, (0..dice.below(16)).map(|n| n as u8)).for_each(drop),
                _ => {
                    let end = (at + 8).min(damaged.len());
                    damaged[at..end].fill([0, 255][dice.below(2)]);
                }
            }
        }
        let (entries, cut, error) = read(&damaged);
        // Reordered or repeated entries would be new ones, too.
        assert_eq!(entries[..], whole[..entries.len()]);
        let end = match (&error, cut) {
            (Some(ReadError::Damaged { .. }), _) => 0,
            (Some(_), _) => 1,
            (None, Some(_)) => 2,
            (None, None) => 3,
        };
        ends[end] += 1;
    }
    println!(
        "10,000 damaged: {} said to be, {} refused as no recording, {} cut, {} in parts that are not read",
        ends[0], ends[1], ends[2], ends[3]
    );
    assert!(ends.iter().all(|&n| n > 0), "{ends:?}");
}

#[test]
fn noise_is_no_recording() {
    assert!(matches!(read(b"").2, Some(ReadError::NotMcap)));
    assert!(matches!(read(b"\x89PNG\r\n\x1a\n, a picture").2, Some(ReadError::NotMcap)));
    // Whole, and of somebody else: the topic has another name.
    let mut bytes = recording(0);
    let (head, end) = (bytes.len() - 8, bytes.len());
    assert_eq!(bytes[head..end], bytes[..8]);
    bytes.truncate(8);
    bytes.extend([0x0f, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let error = read(&bytes).2.unwrap();
    assert!(matches!(error, ReadError::Foreign { .. }));
    insta::assert_snapshot!(error, @"it is an MCAP file, but nothing that `mtcae monitor --record` has written: it has no topic mtcae/messages");
}

#[test]
fn it_ends_before_its_largest_size() {
    let mut most = 0;
    for max in (12_000..320_000).step_by(13_919) {
        let mut recorder = Recorder::new(Vec::new(), "p", BEGAN, max).unwrap();
        for (at, message, line) in heard(600) {
            recorder.take(at, message.as_ref(), &line).unwrap();
        }
        let full = recorder.full();
        recorder.finish().unwrap();
        let (written, bytes) = (recorder.written(), recorder.into_file().unwrap());
        assert_eq!(bytes.len() as u64, written.bytes);
        assert!(written.bytes <= max, "{} > {max}", written.bytes);
        let (entries, cut, error) = read(&bytes);
        assert!(cut.is_none() && error.is_none());
        assert_eq!(entries.len() as u64, written.entries);
        assert!(full.is_none_or(|why| why == Full::Size) && (full.is_some() || max > 100_000), "{max}");
        most = most.max(entries.len());
    }
    assert_eq!(most, heard(600).len() + 1, "the largest bound is large enough");
    let small = Recorder::new(Vec::new(), "p", BEGAN, 100).err();
    assert!(matches!(small, Some(WriteError::TooSmall { max: 100, least: 101..3_000 })), "{small:?}");
}

#[test]
fn faces_without_end_fill_the_index_and_not_the_memory() {
    let mut recorder = Recorder::new(io::sink(), "p", BEGAN, u64::MAX).unwrap();
    let labels = common::LABELS.map(str::to_owned);
    recorder.take(Duration::ZERO, Some(&hello()), &json_from_up(&hello(), &labels)).unwrap();
    let mut faces = 0;
    while recorder.full().is_none() {
        let up = Up::Report(report(faces, faces, Some(1)));
        let at = Duration::from_millis(u64::from(faces) * 100);
        recorder.take(at, Some(&up), &json!({ "type": "report" })).unwrap();
        faces += 1;
    }
    println!("{faces} faces fill the index");
    assert_eq!(recorder.full(), Some(Full::Index));
    assert!((10_000..=16_384).contains(&faces), "{faces}");
}

/// A disk that has room for so many bytes.
struct Disk {
    room: usize,
    kept: std::rc::Rc<std::cell::RefCell<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let takes = bytes.len().min(self.room);
        if takes == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= takes;
        self.kept.borrow_mut().extend(&bytes[..takes]);
        Ok(takes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_and_what_it_took_can_be_read() {
    let kept = std::rc::Rc::default();
    let disk = Disk { room: 60_000, kept: std::rc::Rc::clone(&kept) };
    let mut recorder = Recorder::new(disk, "p", BEGAN, u64::MAX).unwrap();
    let failed = heard(3_000).iter().find_map(|(at, message, line)| recorder.take(*at, message.as_ref(), line).err());
    assert!(matches!(&failed, Some(WriteError::Io(error)) if error.kind() == io::ErrorKind::StorageFull), "{failed:?}");
    drop(recorder);
    let (entries, cut, error) = read(&kept.borrow());
    assert!(entries.len() > 100 && cut.is_some() && error.is_none(), "{} {cut:?} {error:?}", entries.len());
}
