//! The slots' medium: a directory, with every sync handed through to the disk.

use mtcae_update::{DIRECTORIES, Store, StoreError, is_program};
use rustix::fs::{Advice, FlockOperation, Mode, OFlags, fadvise, flock, fstatvfs, openat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
/// Files in a folder; more are no slot of ours.
const MAX_LISTED: usize = 1024;

/// A directory as a [`Store`]. While one is open no other can be, not in another program either; readers can.
#[derive(Debug)]
pub struct DirStore {
    root: PathBuf,
    /// Held for as long as the store is open; `None` in a reader.
    lock: Option<File>,
    /// The file written last stays open until it is synced, so that no error of writing it goes unnoticed.
    written: Option<(String, File)>,
}

impl DirStore {
    /// Opens `root`, made with its folders if they are not there. What root makes in it, now and later, is its owner's.
    ///
    /// # Errors
    /// `Busy` when another program has it open, `Denied` when it is another user's; else as any operation.
    pub fn open(root: &Path) -> Result<DirStore, StoreError> {
        let shown = root.display().to_string();
        let top = top(root).map_err(|e| failed(&shown, root, &e))?;
        let lock = lock_in(&top).map_err(|e| failed(&format!("{shown}/{LOCK}"), &root.join(LOCK), &e))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(StoreError::Busy { path: format!("{shown}/{LOCK}") }),
            Err(e) => return Err(failed(&shown, root, &e.into())),
        }
        let mut store = DirStore { root: root.to_owned(), lock: Some(lock), written: None };
        let mut made = false;
        for folder in DIRECTORIES {
            let path = root.join(folder);
            if !path.is_dir() {
                make_folder(&top, &path, folder).map_err(|e| failed(folder, &path, &e))?;
                made = true;
            }
        }
        if made {
            store.sync_dir("")?;
        }
        Ok(store)
    }

    /// Opens `root` to look at it, whoever else has it open; every change is refused as on a read-only medium.
    ///
    /// # Errors
    /// `Io` when it is not there.
    pub fn reader(root: &Path) -> Result<DirStore, StoreError> {
        if root.is_dir() {
            return Ok(DirStore { root: root.to_owned(), lock: None, written: None });
        }
        let error = io::Error::new(ErrorKind::NotFound, "no slots there; `mtcae provision` makes them");
        Err(failed(&root.display().to_string(), root, &error))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `path` is. Its name is one of ours, or one that a checked plan has.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn may_change(&self, path: &str) -> Result<(), StoreError> {
        if self.lock.is_some() {
            return Ok(());
        }
        // Whoever may not take the lock reads instead: then that is the reason, and no fault of the medium.
        match OpenOptions::new().write(true).open(self.at(LOCK)) {
            Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(self.failed(LOCK, &e)),
            _ => Err(StoreError::ReadOnly { path: path.to_owned() }),
        }
    }

    fn failed(&self, path: &str, error: &io::Error) -> StoreError {
        failed(path, &self.at(path), error)
    }

    /// A new file, in its folder even when that is exchanged meanwhile.
    fn make(&self, path: &str) -> io::Result<File> {
        let at = self.at(path);
        let (Some(folder), Some(name)) = (at.parent(), at.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let folder = File::open(folder)?;
        let mode = if is_program(path) { 0o755 } else { 0o644 };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = File::from(openat(&folder, name, flags, Mode::from(mode))?);
        settle(&file, &folder, mode)?;
        Ok(file)
    }

    /// The file to write to, opened unless it is still open.
    fn writable(&mut self, path: &str) -> Result<&mut File, StoreError> {
        self.may_change(path)?;
        let file = match self.written.take() {
            Some((name, file)) if name == path => file,
            _ => OpenOptions::new().append(true).open(self.at(path)).map_err(|e| self.failed(path, &e))?,
        };
        let (_, file) = self.written.insert((path.to_owned(), file));
        Ok(file)
    }

    /// Forgets the open file when it is not the one of that name any more.
    fn close(&mut self, path: &str) {
        self.written.take_if(|(name, _)| name == path);
    }
}

/// The root folder, made if it is not there.
fn top(root: &Path) -> io::Result<File> {
    let new = !root.is_dir();
    DirBuilder::new().recursive(true).mode(0o755).create(root)?;
    let top = File::open(root)?;
    if new {
        settle(&top, &top, 0o755)?;
    }
    Ok(top)
}

/// The lock, given back when root made it before. Root follows no link to a file that it would give away.
fn lock_in(top: &File) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = File::from(openat(top, LOCK, flags, Mode::from(0o600))?);
    let about = lock.metadata()?;
    if about.is_file() && about.nlink() == 1 {
        settle(&lock, top, 0o600)?;
    }
    Ok(lock)
}

fn make_folder(top: &File, path: &Path, name: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    settle(&File::from(openat(top, name, flags, Mode::empty())?), top, 0o755)
}

/// Makes what is new as open as `mode`, whatever the umask; made by root it becomes that of the owner of its folder, whom
/// root's files would lock out.
fn settle(new: &File, folder: &File, mode: u32) -> io::Result<()> {
    let (about, owner) = (new.metadata()?, folder.metadata()?);
    if geteuid().is_root() && (about.uid(), about.gid()) != (owner.uid(), owner.gid()) {
        fchown(new, Some(owner.uid()), Some(owner.gid()))?;
    }
    if about.mode() & mode != mode {
        new.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// `error` of the file `at`, which messages call `path`.
fn failed(path: &str, at: &Path, error: &io::Error) -> StoreError {
    if let Some((owner, user)) = stranger(at, error) {
        return StoreError::Denied { path: path.to_owned(), owner, user };
    }
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::NoSpace { path },
        ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path },
        _ => StoreError::Io { path, what: error.to_string() },
    }
}

/// Whose the file is that was denied, or else its folder, and to whom; `None` when ownership is not the reason.
fn stranger(at: &Path, error: &io::Error) -> Option<(String, String)> {
    let user = geteuid();
    if error.kind() != ErrorKind::PermissionDenied || user.is_root() {
        return None;
    }
    let owners = at.ancestors().take(2).filter_map(|path| Some(path.symlink_metadata().ok()?.uid()));
    let owner = owners.into_iter().find(|owner| *owner != user.as_raw())?;
    Some((called(owner), called(user.as_raw())))
}

fn called(user: u32) -> String {
    if user == 0 { "root".to_owned() } else { format!("user {user}") }
}

impl Store for DirStore {
    fn create(&mut self, path: &str) -> Result<(), StoreError> {
        self.may_change(path)?;
        self.close(path);
        // A new file in place of the old one: whoever runs the old one keeps it.
        match std::fs::remove_file(self.at(path)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(self.failed(path, &e)),
            _ => {}
        }
        let file = self.make(path).map_err(|e| self.failed(path, &e))?;
        self.written = Some((path.to_owned(), file));
        Ok(())
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.writable(path)?.write_all(bytes).map_err(|e| self.failed(path, &e))
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), StoreError> {
        self.writable(path)?.set_len(len).map_err(|e| self.failed(path, &e))
    }

    fn read(&mut self, path: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let file = File::open(self.at(path)).map_err(|e| self.failed(path, &e))?;
        // What is synced and dropped from the cache is read from the disk; a file system may not know how.
        let _ = fadvise(&file, offset, std::num::NonZeroU64::new(buffer.len() as u64), Advice::DontNeed);
        let mut got = 0;
        while got < buffer.len() {
            match file.read_at(&mut buffer[got..], offset + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(path, &e)),
            }
        }
        Ok(got)
    }

    fn len(&mut self, path: &str) -> Result<Option<u64>, StoreError> {
        match std::fs::metadata(self.at(path)) {
            Ok(about) => Ok(about.is_file().then_some(about.len())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(path, &e)),
        }
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.at(folder)).map_err(|e| self.failed(folder, &e))? {
            let name = entry.map_err(|e| self.failed(folder, &e))?.file_name();
            let name = name.into_string().map_err(|name| StoreError::Corrupt {
                path: folder.to_owned(),
                what: format!("it holds {name:?}, which no update wrote; remove it"),
            })?;
            names.push(name);
            if names.len() > MAX_LISTED {
                let what = format!("it holds more than {MAX_LISTED} files; remove those that no update wrote");
                return Err(StoreError::Corrupt { path: folder.to_owned(), what });
            }
        }
        Ok(names)
    }

    fn sync_file(&mut self, path: &str) -> Result<(), StoreError> {
        let result = self.writable(path)?.sync_all().map_err(|e| self.failed(path, &e));
        self.close(path);
        result
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StoreError> {
        self.may_change(to)?;
        self.close(from);
        self.close(to);
        std::fs::rename(self.at(from), self.at(to)).map_err(|e| self.failed(to, &e))
    }

    fn remove(&mut self, path: &str) -> Result<(), StoreError> {
        self.may_change(path)?;
        self.close(path);
        match std::fs::remove_file(self.at(path)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(self.failed(path, &e)),
            _ => Ok(()),
        }
    }

    fn sync_dir(&mut self, folder: &str) -> Result<(), StoreError> {
        self.may_change(folder)?;
        File::open(self.at(folder)).and_then(|dir| dir.sync_all()).map_err(|e| self.failed(folder, &e))
    }

    fn free_space(&mut self) -> Result<u64, StoreError> {
        let shown = self.root.display().to_string();
        let root = File::open(&self.root).map_err(|e| self.failed(&shown, &e))?;
        let about = fstatvfs(&root).map_err(|e| self.failed(&shown, &e.into()))?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }
}
