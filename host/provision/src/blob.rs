//! What a file has to hold: bytes in memory, a secret, or a file of this machine.

use crate::ProvisionError;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest file that goes to a board, bytes; as long as a bundle's longest part.
const MAX_LEN: u64 = mtcae_bundle::MAX_PART;

/// A file's content, with its length and its SHA-256. Shows no bytes.
pub struct Blob {
    len: u64,
    sha256: String,
    source: Source,
}

enum Source {
    Bytes(Vec<u8>),
    Secret(Zeroizing<String>),
    File(PathBuf),
}

impl Blob {
    /// These bytes.
    pub fn bytes(bytes: Vec<u8>) -> Blob {
        Blob { len: bytes.len() as u64, sha256: hex(&Sha256::digest(&bytes)), source: Source::Bytes(bytes) }
    }

    /// A secret's one line; wiped when dropped.
    pub fn secret(line: &str) -> Blob {
        let mut text = Zeroizing::new(String::with_capacity(line.len() + 1));
        text.push_str(line);
        text.push('\n');
        let sha256 = hex(&Sha256::digest(text.as_bytes()));
        Blob { len: text.len() as u64, sha256, source: Source::Secret(text) }
    }

    /// The file of this machine at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is empty, or longer than a part of a bundle.
    pub fn file(path: &Path) -> Result<Blob, ProvisionError> {
        let unreadable = |error| ProvisionError::Read { path: path.to_owned(), error };
        let mut file = File::open(path).map_err(unreadable)?.take(MAX_LEN + 1);
        let (sha256, len) = sum(&mut file).map_err(unreadable)?;
        if !(1..=MAX_LEN).contains(&len) {
            let reason = format!("it has {len} bytes or more; accepted: 1 to {MAX_LEN}");
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        Ok(Blob { len, sha256, source: Source::File(path.to_owned()) })
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// SHA-256 in 64 hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The bytes.
    ///
    /// # Errors
    /// When the file is gone meanwhile.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match &self.source {
            Source::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Source::Secret(text) => Box::new(Cursor::new(text.as_bytes())),
            Source::File(path) => Box::new(File::open(path)?.take(self.len)),
        })
    }
}

/// SHA-256 and length of what `source` gives.
pub(crate) fn sum(source: &mut impl Read) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let len = io::copy(source, &mut hash)?;
    Ok((hex(&hash.finalize()), len))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
