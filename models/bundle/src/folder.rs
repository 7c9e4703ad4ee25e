//! A folder on disk as the place where parts go.

use crate::{BundleManifest, Part, PartSink};
use std::fs::{File, create_dir, read_dir, remove_dir_all, rename};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A new folder with one file per part. It gets its name only when the whole bundle was good; until then it is
/// `NAME.partial`, which a refusal removes.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    partial: PathBuf,
    file: Option<File>,
    done: bool,
}

impl Folder {
    /// A new folder at `path`.
    ///
    /// # Errors
    /// When `path` exists, or its `.partial` (left by a run that was killed) cannot be replaced.
    pub fn create(path: &Path) -> io::Result<Folder> {
        if path.symlink_metadata().is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists already", path.display())));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        match remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => create_dir(&partial)?,
        }
        Ok(Folder { path: path.to_owned(), partial, file: None, done: false })
    }
}

impl PartSink for Folder {
    fn begin(&mut self, part: &Part) -> io::Result<()> {
        // A part's name has no separator and does not start with a dot, so it stays in here.
        self.file = Some(File::create_new(self.partial.join(&part.name))?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().ok_or(io::ErrorKind::NotConnected)?.write_all(bytes)
    }

    fn end(&mut self, _: &Part) -> io::Result<()> {
        self.file.take().ok_or(io::ErrorKind::NotConnected)?.sync_all()
    }

    fn commit(&mut self, _: &BundleManifest) -> io::Result<()> {
        File::open(&self.partial)?.sync_all()?;
        // `rename` replaces an empty folder; one that has appeared meanwhile is somebody else's.
        if read_dir(&self.path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        rename(&self.partial, &self.path)?;
        self.done = true;
        match self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }

    fn abort(&mut self) {
        self.file = None;
        if !self.done {
            let _ = remove_dir_all(&self.partial);
            self.done = true;
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.abort();
    }
}
