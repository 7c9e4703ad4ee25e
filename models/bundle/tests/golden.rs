//! The bytes of this format, for ever: `golden/*.hex` are bundles, `plain.json` the manifest of one.
//!
//! `UPDATE_GOLDEN=1 cargo test -p mtcae-bundle --test golden` writes them anew; a changed `plain` means a changed format, and
//! then `FORMAT` goes up. The other two change with the compressor and with every encryption, so they are only read.

mod common;

use common::*;
use mtcae_bundle::*;
use std::path::{Path, PathBuf};

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
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

fn golden(file: &str, now: &str) -> String {
    if updating() {
        std::fs::write(path(file), now).unwrap();
    }
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn a_plain_bundle_is_golden() {
    let bundle = build(1, Compression::None, &[]);
    assert_eq!(hex(&bundle), golden("plain.hex", &hex(&bundle)), "plain.hex is not what this build makes");
    let manifest = BundleManifest::from_bytes(&pieces(&bundle).manifest).unwrap();
    let json = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
    assert_eq!(json, golden("plain.json", &json), "plain.json is not what this build makes");
}

#[test]
fn golden_bundles_open() {
    let device = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
    let two = build_with(description(), 1, Compression::Zstd, &[device.recipient()], &[&key(2), &key(1)]);
    let made = [("zstd.hex", build(1, Compression::Zstd, &[])), ("encrypted.hex", two)];
    for (file, now) in made {
        let mut kept = Kept::default();
        take(&bytes(&golden(file, &hex(&now))), std::slice::from_ref(&device), &mut kept).unwrap();
        assert_eq!(kept.committed, 1, "{file}");
        let expected: Vec<_> = parts(1).into_iter().map(|(name, _, bytes)| (name.to_owned(), bytes)).collect();
        assert_eq!(kept.parts, expected, "{file}");
    }
}

/// The table of README.md.
#[test]
fn limits_are_those_of_the_readme() {
    let readme = include_str!("../README.md");
    let limits: [(&str, u64); 20] = [
        ("MAX_MANIFEST", MAX_MANIFEST.into()),
        ("MAX_SIGNERS", MAX_SIGNERS.into()),
        ("MAX_PARTS", MAX_PARTS as u64),
        ("CHUNK", CHUNK as u64),
        ("MAX_PART", MAX_PART),
        ("MAX_WINDOW_LOG", MAX_WINDOW_LOG.into()),
        ("MAX_SEAL_HEADER", MAX_SEAL_HEADER),
        ("MAX_RECIPIENTS", MAX_RECIPIENTS as u64),
        ("MAX_NAME", MAX_NAME as u64),
        ("MAX_FAMILY", MAX_FAMILY as u64),
        ("MAX_PART_NAME", MAX_PART_NAME as u64),
        ("MAX_VERSION", MAX_VERSION as u64),
        ("MAX_TEXT", MAX_TEXT as u64),
        ("MAX_BOARDS", MAX_BOARDS as u64),
        ("MAX_ENGINES", MAX_ENGINES as u64),
        ("MAX_METRICS", MAX_METRICS as u64),
        ("MAX_LICENCES", MAX_LICENCES as u64),
        ("MAX_TRUSTED_KEYS", MAX_TRUSTED_KEYS as u64),
        ("MAX_PERMIT", MAX_PERMIT as u64),
        ("MAX_PERMIT_S", MAX_PERMIT_S),
    ];
    for (name, limit) in limits {
        let row = format!("| `{name}` | {limit} |");
        assert!(readme.contains(&row), "README.md lacks the row {row}");
    }
    assert!(readme.contains(&format!("| `MAX_KEY_FILE` | {MAX_KEY_FILE} |")));
    let source = include_str!("../src/limits.rs");
    assert_eq!(source.matches("pub const").count(), limits.len() + 1, "a limit is missing in this test");
}
