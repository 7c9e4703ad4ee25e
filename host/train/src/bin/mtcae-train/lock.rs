//! One trainer a folder: two would write over each other's state.

use anyhow::{Context, Result, bail};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Keeps others out of the run in `out` as long as the file is open; the system lets go of it with the process.
pub fn hold(out: &Path) -> Result<File> {
    let path = out.join("run.lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            bail!("another `mtcae train` works in {}; accepted: to wait for its end, or another --out", out.display())
        }
        // A file system that has no locks is no reason not to train.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_until_the_file_is_closed() {
        let out = tempfile::tempdir().unwrap();
        let first = hold(out.path()).unwrap();
        let said = hold(out.path()).unwrap_err().to_string();
        assert!(said.starts_with("another `mtcae train` works in "), "{said}");
        drop(first);
        hold(out.path()).unwrap();
    }
}
