//! The few operations an update needs of a medium, and what makes each of them durable.

use thiserror::Error;

/// Why an operation of a [`Store`] failed. After any of them what the operation changed may be there, in part, or not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The medium is full: free some space and go on.
    #[error("no space left for {path}; free some and try again")]
    NoSpace {
        /// What was to be written.
        path: String,
    },
    /// The medium cannot be written to.
    #[error("{path} is on a medium that is read-only; remount it writable, and look for errors of the disk")]
    ReadOnly {
        /// What was to be written.
        path: String,
    },
    /// It is another user's: mostly root's, after a tool was run as root.
    #[error(
        "{path} belongs to {owner} and is closed to {user}, who runs this; on the board `systemd-tmpfiles --create` \
         gives it back, or run this as {owner}"
    )]
    Denied {
        /// What was to be read or written.
        path: String,
        /// Whose it is.
        owner: String,
        /// Who may not use it.
        user: String,
    },
    /// The medium failed, or did not answer in time.
    #[error("{path}: {what}; try again, and look for errors of the disk")]
    Io {
        /// What was read or written.
        path: String,
        /// What the system said.
        what: String,
    },
    /// What is there cannot be what was written.
    #[error("{path} is damaged: {what}")]
    Corrupt {
        /// What was read.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// Another program holds the store.
    #[error("{path} is held by another program; wait for it to end and try again")]
    Busy {
        /// The lock.
        path: String,
    },
}

/// A medium with a root folder and the folders of [`crate::DIRECTORIES`], which are always there.
///
/// Paths are `name` or `folder/name`; the root folder is `""`. Nothing is durable before it is synced: bytes and lengths
/// by [`Store::sync_file`], names by [`Store::sync_dir`] of their folder. Unsynced changes may become durable all the
/// same, in part and in any order.
///
/// Where files have owners, any operation may fail with `Denied`.
pub trait Store {
    /// Makes an empty file, in place of the one of that name.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Io`.
    fn create(&mut self, path: &str) -> Result<(), StoreError>;

    /// Adds bytes to the end of a file.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Io`; some of the bytes may be there then.
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Cuts a file to `len` bytes, which is at most what it has.
    ///
    /// # Errors
    /// `ReadOnly`, `Io`.
    fn truncate(&mut self, path: &str, len: u64) -> Result<(), StoreError>;

    /// Reads from `offset` on until `buffer` is full or the file ends; how many bytes that were. Bytes that are synced
    /// come from the medium where the system allows it, not from a cache.
    ///
    /// # Errors
    /// `Io`.
    fn read(&mut self, path: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;

    /// Bytes in a file, `None` when there is no such file.
    ///
    /// # Errors
    /// `Io`.
    fn len(&mut self, path: &str) -> Result<Option<u64>, StoreError>;

    /// Names of the files in a folder.
    ///
    /// # Errors
    /// `Io`.
    fn list(&mut self, folder: &str) -> Result<Vec<String>, StoreError>;

    /// Makes the bytes and the length of a file durable.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Io`; the bytes written since the last success must then be written again.
    fn sync_file(&mut self, path: &str) -> Result<(), StoreError>;

    /// Renames a file within its folder, in place of the one of that name, at once or not at all.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Io`.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StoreError>;

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// `ReadOnly`, `Io`.
    fn remove(&mut self, path: &str) -> Result<(), StoreError>;

    /// Makes the names of a folder durable.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Io`.
    fn sync_dir(&mut self, folder: &str) -> Result<(), StoreError>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// `Io`.
    fn free_space(&mut self) -> Result<u64, StoreError>;
}

/// Reads a whole file of at most `limit` bytes; `None` when there is none, or a longer one.
pub(crate) fn read_small<S: Store>(store: &mut S, path: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(len) = store.len(path)?.filter(|len| *len <= limit) else { return Ok(None) };
    let mut bytes = vec![0; len as usize];
    let got = store.read(path, 0, &mut bytes)?;
    bytes.truncate(got);
    Ok(Some(bytes))
}

/// Puts a small file in place of another so that a power cut leaves the one or the other: a temporary file, synced,
/// renamed, and the folder synced.
pub(crate) fn replace_small<S: Store>(
    store: &mut S,
    folder: &str,
    name: &str,
    temporary: &str,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let from = path(temporary);
    store.create(&from)?;
    store.append(&from, bytes)?;
    store.sync_file(&from)?;
    store.rename(&from, &path(name))?;
    store.sync_dir(folder)
}
