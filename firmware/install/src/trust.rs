//! The keys that a board trusts, from its folder of them.

use mtcae_bundle::{KeyError, PublicKey, Rotation, Trust, read_public};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Keys and rotations in a folder, at most.
const MOST: usize = 128;

/// Why a board trusts nobody.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The folder cannot be read.
    #[error(
        "the folder of trusted keys {path} cannot be read: {error}; put the key of `mtcae keys show` there as NAME.pub"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// Some would be left out, and a rotation among them would let a retired key count again.
    #[error("{path} has {found} files *.pub and *.rotation; accepted are at most {MOST}; remove those of no use")]
    Many {
        /// The folder.
        path: PathBuf,
        /// How many.
        found: usize,
    },
    /// A file in it is not what its name says, or keys and rotations contradict each other.
    #[error("{path}: {error}")]
    Key {
        /// The file, or the folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: KeyError,
    },
}

/// The keys in `folder`: one in each `*.pub`, and the rotations in `*.rotation`. Other files are left alone. A key may lie there
/// under two names, as a person copies it under one and `mtcae provision` under another.
///
/// # Errors
/// When there is no key, there are more than 128 files, or any of them is no good: a board with a damaged key does not guess.
pub fn trusted_in(folder: &Path) -> Result<Trust, TrustError> {
    let unreadable = |error| TrustError::Folder { path: folder.to_owned(), error };
    let ending = |path: &Path, ending: &str| path.extension().is_some_and(|found| found == ending);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if ending(&path, "pub") || ending(&path, "rotation") {
            files.push(path);
        }
    }
    if files.len() > MOST {
        return Err(TrustError::Many { path: folder.to_owned(), found: files.len() });
    }
    files.sort();
    let mut keys: Vec<PublicKey> = Vec::new();
    let mut rotations: Vec<Rotation> = Vec::new();
    for path in &files {
        let wrong = |error| TrustError::Key { path: path.clone(), error };
        if ending(path, "pub") {
            let key = read_public(path).and_then(|text| text.parse()).map_err(wrong)?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        } else {
            rotations.push(read_public(path).and_then(|text| text.parse()).map_err(wrong)?);
        }
    }
    let all = |error| TrustError::Key { path: folder.to_owned(), error };
    Trust::new(&keys).map_err(all)?.rotated(&rotations).map_err(all)
}
