//! Where the board keeps a file that is arriving.

use mtcae_wire::Offer;

/// Why a [`Storage`] could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The medium is full: free some space and offer the file again.
    #[error("no space left: {0}")]
    NoSpace(String),
    /// The medium failed: offering the file again goes on with what is durable.
    #[error("the board's storage failed: {0}")]
    Failed(String),
}

/// What a storage must know of a file to tell it from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Bytes of the file.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl From<&Offer> for File {
    fn from(offer: &Offer) -> File {
        File { length: offer.length, sha256: offer.sha256 }
    }
}

/// Keeps one file that grows from its start, across restarts and losses of power.
///
/// After an error of any method the receiver lets go of the file and calls nothing but `begin`.
pub trait Storage {
    /// Begins to keep `file`, or goes on with it when that very file is at hand; any other is dropped. Gives the number
    /// of bytes, from the start, that are durable; the next [`Storage::append`] is there.
    ///
    /// # Errors
    /// `NoSpace` when the rest of the file will not fit, `Failed`.
    fn begin(&mut self, file: &File) -> Result<u64, StorageError>;

    /// Adds bytes at `offset`, which is always the end of what was added before.
    ///
    /// # Errors
    /// `NoSpace`, `Failed`.
    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Has everything added so far made durable, at once or in the background.
    ///
    /// # Errors
    /// `NoSpace`, `Failed`.
    fn sync(&mut self) -> Result<(), StorageError>;

    /// Bytes, from the start, that survive a loss of power by now. Never falls while the file is kept.
    ///
    /// # Errors
    /// What a [`Storage::sync`] in the background came to.
    fn durable(&mut self) -> Result<u64, StorageError>;

    /// Reads durable bytes back, from the medium where that is possible; fills `buffer`.
    ///
    /// # Errors
    /// `Failed`, also when there are fewer bytes.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError>;

    /// Drops the file for good.
    ///
    /// # Errors
    /// `Failed`.
    fn clear(&mut self) -> Result<(), StorageError>;
}
