//! Key files: short texts, and secret ones that nobody else may read.

use crate::KeyError;
use crate::limits::MAX_KEY_FILE;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Writes a secret's one line to a new file of mode 0600.
///
/// # Errors
/// When the file is there already (a key is never overwritten) or cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<(), KeyError> {
    write_new(path, text, 0o600)
}

/// Writes the one line of a public key, a recipient or a rotation to a new file.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn write_public(path: &Path, text: &str) -> Result<(), KeyError> {
    write_new(path, text, 0o644)
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), KeyError> {
    let write = |mut file: File| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(at(path))?;
    write(file).map_err(|error| {
        // Half a key is worse than none, and it would be in the way of the next try.
        let _ = std::fs::remove_file(path);
        at(path)(error)
    })
}

/// Reads a secret's text; wiped when dropped.
///
/// # Errors
/// When the file cannot be read, is longer than [`MAX_KEY_FILE`], or can be read by others than its owner.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let file = File::open(path).map_err(at(path))?;
    let mode = file.metadata().map_err(at(path))?.permissions().mode() & 0o777;
    let text = read_short(path, file);
    // What others may read and holds no secret is another file than the one that was meant.
    let is_secret = |text: &Zeroizing<String>| text.contains("-secret-") || text.contains("AGE-SECRET-KEY-");
    if mode & 0o077 != 0 && text.as_ref().map_or(true, is_secret) {
        return Err(KeyError::Mode { path: path.to_owned(), mode });
    }
    text
}

/// Reads the text of a public key, a recipient or a rotation.
///
/// # Errors
/// When the file cannot be read or is longer than [`MAX_KEY_FILE`].
pub fn read_public(path: &Path) -> Result<String, KeyError> {
    let file = File::open(path).map_err(at(path))?;
    Ok(read_short(path, file)?.to_string())
}

fn read_short(path: &Path, file: File) -> Result<Zeroizing<String>, KeyError> {
    // At its full length from the start: a text that grows leaves copies of its beginning behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE as usize + 1));
    let len = file.take(MAX_KEY_FILE + 1).read_to_string(&mut text).map_err(at(path))?;
    if len as u64 > MAX_KEY_FILE {
        let reason = format!("longer than {MAX_KEY_FILE} bytes, so not a key file");
        return Err(at(path)(io::Error::new(io::ErrorKind::InvalidData, reason)));
    }
    Ok(text)
}

fn at(path: &Path) -> impl Fn(io::Error) -> KeyError + '_ {
    move |error| KeyError::File { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    #[test]
    fn a_secret_is_for_its_owner_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release.key");
        let key = SigningKey::from_seed(&[3; 32]);
        write_secret(&path, &key.to_secret_text()).unwrap();
        let permissions = std::fs::metadata(&path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
        let read = SigningKey::from_secret_text(&read_secret(&path).unwrap()).unwrap();
        assert_eq!(read.public(), key.public());
        assert!(write_secret(&path, "another").unwrap_err().to_string().contains("exists"));

        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let said = read_secret(&path).unwrap_err().to_string().replace(&*folder.path().to_string_lossy(), "FOLDER");
        insta::assert_snapshot!(said, @"FOLDER/release.key: mode 640 lets others use this secret; accepted: 600 or less; run `chmod 600` on it and consider the key leaked");
    }

    #[test]
    fn a_long_file_is_no_key_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        std::fs::write(&path, vec![b'a'; 5000]).unwrap();
        assert!(read_public(&path).unwrap_err().to_string().contains("longer than 4096 bytes"));
        assert!(read_public(&folder.path().join("none")).is_err());
    }
}
