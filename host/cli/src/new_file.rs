//! Output files that appear whole or not at all; in place of another only where that is asked for.

use crate::failure::Failure;
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Mode of a file that anybody may read, as far as the user's mask lets them.
pub const PUBLIC: u32 = 0o666;
/// Mode of a file with somebody's data.
pub const PRIVATE: u32 = 0o600;

/// A file under another name beside its place; dropping it removes it.
pub struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// When something is there, or its folder takes no file.
    pub fn create(path: &Path, mode: u32) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::Exists { path: path.to_owned() });
        }
        let file = partial(path, mode).map_err(|reason| refused(path, &reason))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// What to write to.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives it its name, once all of it is on the disk.
    ///
    /// # Errors
    /// When the disk fails, or something has appeared at its place meanwhile.
    pub fn commit(self) -> Result<(), Failure> {
        let Self { file, path } = self;
        let failed = |reason| Failure::Write { path: path.clone(), reason };
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&path).map_err(|kept| match kept.error.kind() {
            ErrorKind::AlreadyExists => Failure::Exists { path: path.clone() },
            _ => failed(kept.error),
        })?;
        File::open(folder(&path)).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

/// Puts `text` at `path`, all of it or nothing: what is there stays when the disk is full.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |reason| Failure::Write { path: path.to_owned(), reason };
    // A device or a pipe has no other name to be written under, and a link stays one.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if place.exists() && !place.is_file() {
        return std::fs::write(&place, text).map_err(failed);
    }
    let mut file = partial(&place, PUBLIC).map_err(|reason| refused(path, &reason))?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(&place).map(drop).map_err(|kept| failed(kept.error))
}

/// Whether [`replace`] may be expected to succeed; leaves nothing behind.
///
/// # Errors
/// When a folder is there, or the folder takes no file.
pub fn can_replace(path: &Path) -> Result<(), Failure> {
    match path.metadata() {
        Ok(there) if there.is_dir() => {
            Err(Failure::Write { path: path.to_owned(), reason: ErrorKind::IsADirectory.into() })
        }
        Ok(there) if !there.is_file() => Ok(()),
        _ => stage_beside(path).map(drop),
    }
}

/// A file without a name beside `path`, so on a disk with room for what goes there.
///
/// # Errors
/// When the folder takes no file.
pub fn stage_beside(path: &Path) -> Result<File, Failure> {
    tempfile::tempfile_in(folder(path)).map_err(|reason| refused(path, &reason))
}

fn partial(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mtcae-").suffix(".partial").permissions(Permissions::from_mode(mode)).tempfile_in(folder(path))
}

/// Without the temporary file's own name, which says nothing to anybody.
fn refused(path: &Path, reason: &io::Error) -> Failure {
    let reason = match reason.kind() {
        kind @ ErrorKind::NotFound => io::Error::new(kind, format!("there is no folder {}", folder(path).display())),
        kind => kind.into(),
    };
    Failure::Write { path: path.to_owned(), reason }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut file = NewFile::create(&path, PRIVATE).unwrap();
        file.file().write_all(b"half").unwrap();
        assert!(!path.exists() && names(folder.path()).len() == 1);
        drop(file);
        assert!(names(folder.path()).is_empty());

        let mut file = NewFile::create(&path, PRIVATE).unwrap();
        file.file().write_all(b"whole").unwrap();
        file.commit().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names(folder.path()).len()), (b"whole".to_vec(), 1));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_report_takes_the_place_of_an_earlier_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("junit.xml");
        can_replace(&path).unwrap();
        assert!(names(folder.path()).is_empty());
        replace(&path, "first").unwrap();
        replace(&path, "second").unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names(folder.path()).len()), (b"second".to_vec(), 1));
        let link = folder.path().join("newest.xml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, "third").unwrap();
        assert!(link.is_symlink() && std::fs::read(&path).unwrap() == b"third");
        replace(Path::new("/dev/null"), "gone").unwrap();
        // A disk that is full.
        assert!(matches!(replace(Path::new("/dev/full"), "text"), Err(Failure::Write { .. })));
        for wrong in [folder.path().to_owned(), folder.path().join("no/junit.xml")] {
            assert!(can_replace(&wrong).is_err() && replace(&wrong, "text").is_err(), "{}", wrong.display());
        }
    }

    #[test]
    fn what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let late = NewFile::create(&path, PUBLIC).unwrap();
        std::fs::write(&path, "somebody's").unwrap();
        assert!(matches!(NewFile::create(&path, PUBLIC), Err(Failure::Exists { .. })));
        assert!(matches!(late.commit(), Err(Failure::Exists { .. })));
        assert_eq!((std::fs::read(&path).unwrap(), names(folder.path()).len()), (b"somebody's".to_vec(), 1));
    }
}
