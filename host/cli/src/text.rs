//! Short text files.

use crate::failure::Failure;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest one, bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// All of the file.
///
/// # Errors
/// When it cannot be read, is no text, or longer than [`MAX_BYTES`].
pub fn read(path: &Path) -> Result<String, Failure> {
    let failed = |source| Failure::Read { path: path.to_owned(), source };
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(io::Error::other(format!("it is longer than {MAX_BYTES} bytes"))));
    }
    Ok(text)
}
