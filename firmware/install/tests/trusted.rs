//! A folder of trusted keys, as it lies on a board.

use mtcae_bundle::{Rotation, SigningKey, Standing};
use mtcae_install::{TrustError, trusted_in};
use std::fs;
use tempfile::TempDir;

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// A key and its rotation from counter 5 on, whose file is the last by name and by time.
fn rotated() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.pub"), key(1).public().to_string()).unwrap();
    let rotation = Rotation::sign(&key(1), key(2).public(), 5).unwrap();
    fs::write(folder.path().join("z.rotation"), rotation.to_string()).unwrap();
    folder
}

#[test]
fn other_files_hide_no_rotation() {
    let folder = rotated();
    for n in 0..300 {
        fs::write(folder.path().join(format!("note-{n}.txt")), "nothing").unwrap();
    }
    let trust = trusted_in(folder.path()).unwrap();
    let worth = [1, 2].map(|n| trust.standing(key(n).public().as_bytes(), 5));
    assert_eq!(worth, [Standing::Retired, Standing::Trusted]);
}

#[test]
fn more_files_than_are_read_are_refused() {
    let folder = rotated();
    let copy = |n: usize| fs::copy(folder.path().join("a.pub"), folder.path().join(format!("b{n}.pub"))).unwrap();
    for n in 2..128 {
        copy(n);
    }
    trusted_in(folder.path()).unwrap();
    copy(128);
    let error = trusted_in(folder.path()).unwrap_err();
    assert!(matches!(error, TrustError::Many { found: 129, .. }), "{error}");
    let said = error.to_string().replace(&folder.path().display().to_string(), "TRUSTED");
    insta::assert_snapshot!(said, @"TRUSTED has 129 files *.pub and *.rotation; accepted are at most 128; remove those of no use");
}
