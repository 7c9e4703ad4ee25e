//! Recordings written and read: whole, cut anywhere, damaged anywhere, and bounded.

mod common;

use common::{BEGAN, heard, hello, read, recording, report};
use mtcae_json::json_from_up;
use mtcae_record::{Full, ReadError, Recorder, WriteError};
use mtcae_wire::{Latencies, Percentiles, Point, Quality, Scores, Share, Up};
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
            (Some(ReadError::Damaged { .. } | ReadError::Packed { .. }), _) => 0,
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

/// A recording without entries, and in place of them one chunk that is packed so.
fn chunk_of_others(compression: &str, crc: u32, records: &[u8]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let size = (records.len() as u64).to_le_bytes();
    let content = [&[0; 16][..], &size, &crc.to_le_bytes(), &text(compression), &size, records].concat();
    let head = [&[0x06][..], &(content.len() as u64).to_le_bytes()].concat();
    [&b"\x89MCAP0\r\n"[..], &head, &content].concat()
}

#[test]
fn a_chunk_packed_in_another_way_is_not_called_damaged() {
    let error = read(&chunk_of_others("zstd", 0, b"\x28\xb5\x2f\xfd")).2.unwrap();
    assert!(matches!(&error, ReadError::Packed { at: 8, by } if by == "zstd"), "{error:?}");
    insta::assert_snapshot!(error, @"a chunk at byte 8 is packed by zstd; accepted: lz4 or none");
}

#[test]
fn a_chunk_without_a_checksum_is_read() {
    let channel = [&[0; 4][..], &[14, 0, 0, 0], b"mtcae/messages", &[4, 0, 0, 0], b"json", &[0; 4]].concat();
    let message = [&[0; 22][..], br#"{"type":"ping"}"#].concat();
    let record = |code: u8, content: &[u8]| [&[code][..], &(content.len() as u64).to_le_bytes(), content].concat();
    let records = [record(0x04, &channel), record(0x05, &message)].concat();
    assert_eq!(read(&chunk_of_others("", 0, &records)).0[0].line, json!({ "type": "ping" }));
    let wrong = read(&chunk_of_others("", 1, &records)).2;
    assert!(matches!(&wrong, Some(ReadError::Damaged { at: 8, .. })), "{wrong:?}");
}

#[test]
fn it_ends_before_its_largest_size() {
    let mut most = 0;
    for max in (least()..320_000).step_by(13_919) {
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
        assert!(entries.len() >= 4, "{} entries in {max} bytes", entries.len());
        most = most.max(entries.len());
    }
    assert_eq!(most, heard(600).len() + 1, "the largest bound is large enough");
}

/// The smallest bound that is accepted.
fn least() -> u64 {
    match Recorder::new(Vec::new(), "p", BEGAN, 100).err() {
        Some(WriteError::TooSmall { max: 100, least }) => least,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_smallest_bound_has_room_for_the_largest_hello_report_and_status() {
    let orders = [[0, 1, 2], [0, 2, 1]];
    for (order, max) in orders.iter().flat_map(|order| [(order, least()), (order, least() + 1)]) {
        let mut recorder = Recorder::new(Vec::new(), "p", BEGAN, max).unwrap();
        let all = largest();
        let labels: Vec<String> = match &all[0] {
            Up::Hello(hello) => hello.labels.iter().map(|label| label.as_str().to_owned()).collect(),
            _ => Vec::new(),
        };
        for &at in order {
            recorder.take(Duration::ZERO, Some(&all[at]), &json_from_up(&all[at], &labels)).unwrap();
        }
        recorder.finish().unwrap();
        assert_eq!((recorder.written().entries, recorder.full()), (4, None), "{order:?} in {max} bytes");
        assert!(recorder.written().bytes <= max);
    }
    assert!(least() < 40_000, "{}", least());
}

/// A Hello, a Report and a Status whose JSON is as long as it can be, and hard to pack.
fn largest() -> [Up; 3] {
    let mut dice = Dice(0x1357_9bdf);
    let mut text = |bytes: usize| {
        let each = (0..bytes).map(|_| ['"', '\\', '/', 'a', 'Z', '0'][dice.below(6)]);
        each.collect::<String>()
    };
    let Up::Hello(mut hello) = hello() else { unreachable!() };
    hello.device = text(32).as_str().into();
    hello.firmware = text(24).as_str().into();
    hello.model = text(24).as_str().into();
    hello.model_version = text(20).as_str().into();
    hello.engine = text(24).as_str().into();
    hello.labels.iter_mut().for_each(|label| *label = text(12).as_str().into());
    let mut report = report(u32::MAX, u32::MAX, Some(1));
    (report.captured_us, report.age_us, report.dropped, report.faces) = (u64::MAX, u32::MAX, u32::MAX, u8::MAX);
    let face = report.face.as_mut().unwrap();
    face.quality = Quality::try_from(31).unwrap();
    face.scores = Scores::from_slice(&[Share::from_f32(0.1235).unwrap(); 8]).unwrap();
    face.landmarks = [Point::from_f32([0.1235, -0.9877]).unwrap(); 5];
    let Up::Status(mut status) = common::status(u64::MAX) else { unreachable!() };
    (status.boot, status.unix_offset_us, status.rss_kib) = (hello.boot, Some(i64::MIN), u32::MAX);
    status.engine = text(24).as_str().into();
    let stage = Percentiles { p50_us: u32::MAX, p99_us: u32::MAX };
    status.latency = Latencies { decode: stage, crop: stage, infer: stage, outputs: stage, encode: stage };
    [Up::Hello(hello), Up::Report(report), Up::Status(status)]
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
