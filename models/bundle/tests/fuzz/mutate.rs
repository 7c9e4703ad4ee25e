//! Damage: bits, bytes, runs moved, doubled and removed, pieces of syntax, and whole values of JSON.

use crate::common::Rng;
use mtcae_bundle::*;

const WORDS: [&[u8]; 12] =
    [b"0", b"-1", b"null", b"[]", b"{}", b"\"\"", b"18446744073709551616", b",", b"\\u0000", b"1e999", b"\xff", b"../"];
const NUMBERS: [&[u8]; 13] = [
    b"0",
    b"1",
    b"2",
    b"64",
    b"65535",
    b"2147483648",
    b"2147483649",
    b"4294967295",
    b"18446744073709551615",
    b"-1",
    b"0.5",
    b"1e-7",
    b"3.4028235e38",
];
const TEXTS: [&[u8]; 10] = [
    b"\"\"",
    b"\"edge\"",
    b"\"PC\"",
    b"\"1.0.0\"",
    b"\"1.0.0-a.b+c\"",
    b"\"none\"",
    b"\"zstd\"",
    b"\"fp32\"",
    b"\"reference-clip\"",
    b"\"../x\"",
];
const OTHERS: [&[u8]; 4] = [b"null", b"true", b"[]", b"{}"];

/// Up to three pieces of damage; `bytes` is never left empty.
pub fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..1 + rng.below(3) {
        let at = rng.below(bytes.len());
        let run = (1 + rng.below(32)).min(bytes.len() - at);
        match rng.below(8) {
            0..=2 => bytes[at] ^= 1 << rng.below(8),
            3 => bytes[at] = rng.next() as u8,
            4 => drop(bytes.drain(at..at + run)),
            5 => {
                let copied = bytes[at..at + run].to_vec();
                bytes.splice(at..at, copied);
            }
            6 => {
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

/// The same to JSON; more often only one value is replaced, so that the text stays JSON.
pub fn mutate_json(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if rng.below(4) == 0 {
        return mutate(rng, bytes);
    }
    let colons = bytes.iter().filter(|byte| **byte == b':').count();
    let chosen = rng.below(colons);
    let from = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':').nth(chosen).map_or(0, |(at, _)| at + 1);
    let len = bytes[from..].iter().position(|byte| b",]}".contains(byte)).unwrap_or(0);
    let one_of = |rng: &mut Rng, values: &[&'static [u8]]| values[rng.below(values.len())];
    let value = match bytes.get(from) {
        _ if rng.below(16) == 0 => one_of(rng, &OTHERS),
        Some(b'0'..=b'9') => one_of(rng, &NUMBERS),
        Some(b'"') if rng.below(2) == 0 && len > 2 => {
            let at = from + 1 + rng.below(len - 2);
            return bytes[at] = b"0123456789abcdef-."[rng.below(18)];
        }
        Some(b'"') => one_of(rng, &TEXTS),
        _ => one_of(rng, &OTHERS),
    };
    bytes.splice(from..from + len, value.iter().copied());
}

/// One to three changes that only a builder could make: lists longer and shorter, parts in other places, claims that lie.
pub fn edit(rng: &mut Rng, manifest: &mut BundleManifest) {
    for _ in 0..1 + rng.below(3) {
        let at = rng.below(manifest.parts.len());
        let long = "a".repeat(rng.below(2 * MAX_TEXT));
        match rng.below(12) {
            0 if !manifest.parts.is_empty() => drop(manifest.parts.remove(at)),
            1 if !manifest.parts.is_empty() => {
                let again = manifest.parts[at].clone();
                manifest.parts.resize(manifest.parts.len() + 1 + rng.below(MAX_PARTS), again);
            }
            2 => manifest.parts.reverse(),
            3 => manifest.recipients.clear(),
            4 => manifest.boards.resize(rng.below(2 * MAX_BOARDS), long),
            5 => manifest.provenance.data.resize(rng.below(2 * MAX_LICENCES), long),
            6 => manifest.metrics.iter_mut().for_each(|metric| metric.on.clone_from(&long)),
            7 => manifest.security_counter = rng.below(8) as u32,
            8 => manifest.model = None,
            _ if manifest.parts.is_empty() => {}
            9 => manifest.parts[at].plain_sha256 = Digest::of(long.as_bytes()),
            10 => manifest.parts[at].stored_sha256.resize(rng.below(3), Digest::of(b"")),
            _ => {
                let change = [1, u64::MAX, CHUNK as u64, MAX_PART][rng.below(4)];
                let part = &mut manifest.parts[at];
                let length = if rng.below(2) == 0 { &mut part.plain } else { &mut part.stored };
                *length = length.wrapping_add(change);
            }
        }
    }
}

/// The same to a text.
pub fn mutate_text(rng: &mut Rng, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if rng.below(2) == 0 {
        // One character of the kind that stands there: the text may stay what it was, with another value.
        let at = rng.below(bytes.len());
        bytes[at] = b"0123456789abcdef"[rng.below(16)];
    } else {
        mutate(rng, &mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
