//! Everything that comes, into a file.

use super::Surface;
use super::json::object;
use super::view::{LinkEvent, View};
use crate::failure::Failure;
use crate::say::tell;
use mtcae_record::{Recorder, WriteError};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A recording that goes on; at its end it says on standard error what it holds.
pub struct Recording {
    path: PathBuf,
    /// Taken at the end.
    recorder: Option<Recorder<File>>,
    /// Entries that it begins with, whatever comes.
    empty: u64,
}

impl Recording {
    /// Begins a recording of `port` at `path`, of at most `max_bytes`. `force` takes the place of a file that is there.
    ///
    /// # Errors
    /// When something is there, it cannot be written, or `max_bytes` are too few.
    pub fn create(path: &Path, force: bool, port: &str, max_bytes: u64) -> Result<Self, Failure> {
        let file = create(path, force)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let began = u64::try_from(now.as_nanos()).unwrap_or_default();
        let recorder = Recorder::new(file, port, began, max_bytes).map_err(|error| failure(path, error))?;
        let empty = recorder.written().entries;
        Ok(Self { path: path.to_owned(), recorder: Some(recorder), empty })
    }

    fn with(&mut self, does: impl FnOnce(&mut Recorder<File>) -> Result<(), WriteError>) -> Result<bool, Failure> {
        let Some(recorder) = &mut self.recorder else { return Ok(false) };
        does(recorder).map_err(|error| failure(&self.path, error))?;
        Ok(recorder.full().is_none())
    }
}

impl Drop for Recording {
    /// What ends before its time is whole as far as it came, and a file that nothing came into stands in nobody's way.
    fn drop(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        if recorder.written().entries == self.empty {
            let _ = std::fs::remove_file(&self.path);
        } else {
            let _ = recorder.finish();
        }
    }
}

impl Surface for Recording {
    fn note(&self) -> Option<String> {
        Some(format!("records {}", self.path.display()))
    }

    fn event(&mut self, now: Duration, event: &LinkEvent, view: &View) -> Result<(), Failure> {
        let message = match event {
            LinkEvent::Message(message) => Some(&**message),
            _ => None,
        };
        self.with(|recorder| recorder.take(now, message, &object(event, view))).map(drop)
    }

    fn tick(&mut self, now: Duration, _view: &View) -> Result<bool, Failure> {
        self.with(|recorder| recorder.tick(now))
    }

    fn finish(&mut self, _now: Duration, _view: &View) -> Result<(), Failure> {
        self.with(Recorder::finish)?;
        let Some(recorder) = self.recorder.take() else { return Ok(()) };
        let (written, full) = (recorder.written(), recorder.full());
        let failed = |reason| Failure::Write { path: self.path.clone(), reason };
        recorder.into_file().map_or(Ok(()), |file| file.sync_all()).map_err(failed)?;
        let why = full.map_or(String::new(), |why| format!("; it ends here: {why}"));
        tell!("recorded {} entries in {}, {} bytes{why}", written.entries, self.path.display(), written.bytes);
        Ok(())
    }
}

/// A new file for its owner alone: faces are in it. Unlike other outputs it is there at once, so that what a killed
/// program has recorded is not lost.
fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let failed = |reason| Failure::Write { path: path.to_owned(), reason };
    match path.symlink_metadata() {
        Ok(_) if !force => return Err(Failure::RecordingExists { path: path.to_owned() }),
        Ok(there) if !there.is_file() => {
            return Err(failed(io::Error::other("it is no ordinary file, and `--force` replaces no other")));
        }
        Ok(_) => std::fs::remove_file(path).map_err(failed)?,
        Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)
}

fn failure(path: &Path, error: WriteError) -> Failure {
    match error {
        WriteError::Io(reason) => Failure::Recording {
            reason: format!("cannot go on with the recording {}: {reason}", path.display()),
            help: "is there room on its disk? `mtcae replay` plays what has been written".to_owned(),
        },
        error @ WriteError::TooSmall { .. } => {
            // Nothing is in it.
            let _ = std::fs::remove_file(path);
            Failure::Recording { reason: error.to_string(), help: "give a larger `--max-size`, such as 10M".to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_nothing_came_into_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mcap");
        drop(Recording::create(&path, false, "p", 1 << 20).ok().unwrap());
        assert!(!path.exists());
        let mut begun = Recording::create(&path, false, "p", 1 << 20).ok().unwrap();
        let (connected, view) = (LinkEvent::Connected, View::new("p", Duration::ZERO));
        begun.event(Duration::ZERO, &connected, &view).ok().unwrap();
        drop(begun);
        let mut reader = mtcae_record::Reader::new(File::open(&path).unwrap()).unwrap();
        assert!(reader.next_entry().unwrap().is_some() && reader.cut_at().is_none());
    }

    #[test]
    fn what_is_there_stays_unless_it_is_to_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mcap");
        std::fs::write(&path, "somebody's").unwrap();
        let refused = |path: &Path, force| Recording::create(path, force, "p", 1 << 20).err().expect("refused");
        assert!(matches!(refused(&path, false), Failure::RecordingExists { .. }));
        assert_eq!(std::fs::read(&path).unwrap(), b"somebody's");
        assert!(refused(folder.path(), true).to_string().contains("no ordinary file"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(refused(&link, true).to_string().contains("no ordinary file"));
        let _begun = Recording::create(&path, true, "p", 1 << 20).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(b"\x89MCAP"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_bound_that_is_too_small_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mcap");
        let error = Recording::create(&path, false, "p", 10).err().expect("refused").to_string();
        assert!(error.starts_with("10 bytes are too few for a recording; at least ") && !path.exists(), "{error}");
    }
}
