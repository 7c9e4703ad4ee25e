//! However long a bundle is, reading it takes the same memory; and how fast it is.
//!
//! A program of its own, as it counts every allocation. The decompressor's own (C) memory is not counted; its window has a
//! limit of 8 MiB.

#![allow(unsafe_code)]

mod common;

use common::*;
use mtcae_bundle::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufReader, Read, Seek};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the promises of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const FORMS: [(&str, Compression, bool); 3] =
    [("plain", Compression::None, false), ("zstd", Compression::Zstd, false), ("encrypted", Compression::None, true)];

/// As incompressible as weights are.
struct Noise(Rng);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.iter_mut().for_each(|byte| *byte = (self.0.next() >> 3) as u8 & 0x7f);
        Ok(buffer.len())
    }
}

/// Peak of memory above the start, bytes, and seconds, of reading a bundle of `len` plain bytes.
fn read(len: u64, compression: Compression, encrypted: bool) -> (usize, f64) {
    let device = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
    let recipients = if encrypted { vec![device.recipient()] } else { Vec::new() };
    let mut description = description();
    description.model = None;
    let mut builder = Builder::new(description, &recipients, tempfile::tempfile().unwrap());
    builder.add("blob", Content::Document, compression, &mut Noise(Rng(7)).take(len)).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    builder.finish(&[&key(1)], &mut file).unwrap();
    file.rewind().unwrap();
    let (trust, target, keys) = (trust(), target(), [device]);
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let started = Instant::now();
    let accepted = Reader::open(BufReader::new(file), &trust).unwrap().accept(&target).unwrap();
    accepted.unpack(&keys, &mut Discard).unwrap();
    (PEAK.load(Relaxed) - before, started.elapsed().as_secs_f64())
}

#[test]
fn memory_does_not_grow_with_the_bundle() {
    for (form, compression, encrypted) in FORMS {
        let (small, _) = read(3 << 20, compression, encrypted);
        let (large, _) = read(24 << 20, compression, encrypted);
        println!("{form}: peak {} KiB for 3 MiB, {} KiB for 24 MiB", small >> 10, large >> 10);
        assert!(large < 2 << 20, "{form}: {large} bytes");
        assert!(large < small + (64 << 10), "{form}: {small} and {large} bytes");
    }
}

#[test]
#[ignore = "times: cargo test -p mtcae-bundle --test memory -- --ignored --nocapture"]
fn reading_256_mib() {
    for (form, compression, encrypted) in FORMS {
        let (_, seconds) = read(256 << 20, compression, encrypted);
        println!("{form}: {:.0} MiB/s of plain bytes", 256.0 / seconds);
    }
}
