//! Files that are read, and short texts in them.

use crate::failure::Failure;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest one, bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// The file, and its length.
///
/// # Errors
/// When it cannot be read, as a folder.
pub fn open(path: &Path) -> Result<(File, u64), Failure> {
    let failed = |reason| Failure::Read { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.is_dir() {
        return Err(failed(io::Error::other("it is a folder")));
    }
    Ok((file, found.len()))
}

/// All of the file.
///
/// # Errors
/// When it cannot be read, is no text, or longer than [`MAX_BYTES`].
pub fn read(path: &Path) -> Result<String, Failure> {
    let failed = |reason| Failure::Read { path: path.to_owned(), reason };
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(io::Error::other(format!("it is longer than {MAX_BYTES} bytes"))));
    }
    Ok(text)
}
