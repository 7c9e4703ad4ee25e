//! Seeded mutations of bundles, some of them signed again so that they get past the signature: no panic, nothing committed
//! that was not signed for.
//!
//! For a fuzzer that brings its own bytes, `common/fuzz.rs` has the one attempt.

mod common;
#[path = "common/fuzz.rs"]
mod fuzz;

use common::*;
use fuzz::attempt;
use mtcae_bundle::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SEED: u64 = 0x4d54_4341_4542;

#[derive(Default)]
struct Tally {
    /// Damaged on the way, changed manifest signed again, changed parts summed and signed again.
    kinds: [u64; 3],
    accepted: u64,
    refused: BTreeMap<String, u64>,
}

/// One to four mutations: bits, bytes, runs moved, doubled, removed, and pieces of syntax.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    const WORDS: [&[u8]; 12] = [
        b"0",
        b"-1",
        b"null",
        b"[]",
        b"{}",
        b"\"\"",
        b"18446744073709551616",
        b",",
        b"\\u0000",
        b"1e999",
        b"\xff",
        b"../",
    ];
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len());
        let run = (1 + rng.below(32)).min(bytes.len() - at);
        match rng.below(7) {
            0 | 1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.next() as u8,
            3 => drop(bytes.drain(at..at + run)),
            4 => {
                let copied = bytes[at..at + run].to_vec();
                bytes.splice(at..at, copied);
            }
            5 => {
                let word = WORDS[rng.below(WORDS.len())];
                bytes.splice(at..at + run.min(4), word.iter().copied());
            }
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(rng.next() as u8);
        }
    }
}

/// Changed stored bytes under right sums: what the decoders must bear.
fn with_changed_parts(rng: &mut Rng, good: &Pieces) -> Pieces {
    let mut stored = good.stored.clone();
    let changed = good.changed(|manifest| {
        let at = rng.below(manifest.parts.len());
        let from: u64 = manifest.parts[..at].iter().map(|part| part.stored).sum();
        let part = &mut manifest.parts[at];
        let range = from as usize..(from + part.stored) as usize;
        let mut bytes = stored[range.clone()].to_vec();
        mutate(rng, &mut bytes);
        part.stored = bytes.len() as u64;
        part.stored_sha256 = vec![Digest::of(&bytes)];
        stored.splice(range, bytes);
    });
    Pieces { stored, ..changed }
}

fn run(tally: &mut Tally, rng: &mut Rng, pool: &[(Vec<u8>, Pieces)], keys: &[DeviceKey], rounds: u64) {
    for _ in 0..rounds {
        let (bundle, good) = &pool[rng.below(pool.len())];
        let kind = rng.below(3);
        let bytes = match kind {
            0 => {
                let mut bytes = bundle.clone();
                mutate(rng, &mut bytes);
                bytes
            }
            1 => {
                let mut pieces = good.clone();
                mutate(rng, &mut pieces.manifest);
                pieces.sign()
            }
            _ => with_changed_parts(rng, good).sign(),
        };
        tally.kinds[kind] += 1;
        match attempt(&bytes, keys) {
            Ok(_) if kind == 0 => assert!(bytes == *bundle, "damaged on the way, and yet taken"),
            Ok(_) => tally.accepted += 1,
            Err(error) => *tally.refused.entry(common::kind(&error)).or_default() += 1,
        }
    }
}

fn fuzz(seed: u64, rounds: u64, limit: Duration) -> Tally {
    let keys = [DeviceKey::from_secret_text(DEVICE_KEY).unwrap()];
    let recipients = [keys[0].recipient()];
    let forms = [
        build(1, Compression::None, &[]),
        build(1, Compression::Zstd, &[]),
        build(1, Compression::None, &recipients),
        build(1, Compression::Zstd, &recipients),
    ];
    let pool: Vec<_> = forms.into_iter().map(|bundle| (bundle.clone(), pieces(&bundle))).collect();
    let (mut tally, mut rng) = (Tally::default(), Rng(seed));
    let started = Instant::now();
    let mut done = 0;
    while done < rounds && started.elapsed() < limit {
        run(&mut tally, &mut rng, &pool, &keys, 1000.min(rounds - done));
        done += 1000.min(rounds - done);
    }
    let rate = done as f64 / started.elapsed().as_secs_f64();
    println!("{done} mutations, seed {seed:#x}, {rate:.0} a second: 0 panics, 0 wrongly committed");
    println!("  damaged on the way, manifest signed again, parts signed again: {:?}", tally.kinds);
    println!("  signed again and still right: {}; refused: {:?}", tally.accepted, tally.refused);
    tally
}

#[test]
fn mutations_never_panic_and_never_commit_what_was_not_signed() {
    let tally = fuzz(SEED, 20_000, Duration::MAX);
    assert!(tally.kinds.iter().all(|kind| *kind >= 6_000), "{:?}", tally.kinds);
    for kind in
        ["NotABundle", "Signature", "UnknownKey", "Truncated", "Damaged", "Syntax", "Value", "Contents", "NoKey"]
    {
        assert!(tally.refused.contains_key(kind), "the mutations no longer reach {kind}: {:?}", tally.refused);
    }
    assert!(tally.refused["Contents"] >= 2_000, "the decoders are no longer reached: {:?}", tally.refused);
    assert!(tally.accepted > 0, "{:?}", tally.refused);
}

#[test]
#[ignore = "runs for a minute with a new seed: cargo test -p mtcae-bundle --test mutations -- --ignored --nocapture"]
fn mutations_for_a_minute() {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = since.as_nanos() as u64;
    let tally = fuzz(seed, u64::MAX, Duration::from_secs(60));
    assert!(tally.kinds.iter().sum::<u64>() >= 20_000, "{:?}", tally.kinds);
}
