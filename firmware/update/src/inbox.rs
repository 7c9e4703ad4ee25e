//! Where a bundle arrives, byte by byte over a line, before it is verified and unpacked into slots.
//!
//! A packed bundle cannot be unpacked from its middle after a restart, so it is kept as it came. The file is
//! `inbox/bundle`; it lies on the same medium, and the same journal brings it through power cuts.

use crate::journal::{self, Layout, Progress, WINDOW, Writer};
use crate::seal::digest_of;
use crate::{Digest, MAX_PAYLOAD, Store, StoreError, UpdateError};

/// Longest bundle.
pub const MAX_BUNDLE: u64 = MAX_PAYLOAD;

const FOLDER: &str = "inbox";
const FILE: &str = "inbox/bundle";
const JOURNAL: &str = "inbox.journal";

/// A bundle that is arriving.
pub struct Inbox {
    digest: Digest,
    /// `None` after an error of the store, until it is begun again.
    writer: Option<Writer>,
}

impl Inbox {
    /// Path of the bundle's file in the store.
    pub const FILE: &'static str = FILE;

    /// Begins to receive a bundle of `len` bytes with that SHA-256, or goes on with it; another one is dropped.
    ///
    /// # Errors
    /// `BadPlan` for a length of 0 or above [`MAX_BUNDLE`], `NoRoom`; of the store.
    pub fn begin<S: Store>(store: &mut S, len: u64, digest: Digest) -> Result<Inbox, UpdateError> {
        if !(1..=MAX_BUNDLE).contains(&len) {
            return Err(UpdateError::BadPlan { what: format!("it has {len} bytes; accepted are 1 to {MAX_BUNDLE}") });
        }
        let layout = Layout { journal: JOURNAL, id: digest, files: vec![(FILE.into(), len)], folders: vec![FOLDER] };
        let writer = match Writer::resume(store, layout, WINDOW)? {
            Ok(writer) => writer,
            Err(layout) => {
                let free = store.free_space()?.saturating_add(store.len(FILE)?.unwrap_or(0));
                if len > free {
                    return Err(UpdateError::NoRoom { needed: len, free });
                }
                journal::forget(store, &layout)?;
                Writer::fresh(store, layout, WINDOW)?
            }
        };
        Ok(Inbox { digest, writer: Some(writer) })
    }

    /// How far it is.
    ///
    /// # Errors
    /// `NotBegun` after an error of the store.
    pub fn progress(&self) -> Result<Progress, UpdateError> {
        self.writer.as_ref().map(Writer::progress).ok_or(UpdateError::NotBegun)
    }

    /// Writes the bytes from `offset` on; those that are there already are skipped.
    ///
    /// # Errors
    /// As [`crate::Updater::write`].
    pub fn write<S: Store>(&mut self, store: &mut S, offset: u64, bytes: &[u8]) -> Result<Progress, UpdateError> {
        let writer = self.writer.as_mut().ok_or(UpdateError::NotBegun)?;
        let result = writer.write(store, offset, bytes);
        if matches!(result, Err(UpdateError::Store(_))) {
            self.writer = None;
        }
        result
    }

    /// Makes everything that has come durable, before the window would do it.
    ///
    /// # Errors
    /// `NotBegun`; of the store, after which it has to be begun again.
    pub fn sync<S: Store>(&mut self, store: &mut S) -> Result<(), UpdateError> {
        let writer = self.writer.as_mut().ok_or(UpdateError::NotBegun)?;
        let result = writer.sync(store);
        if result.is_err() {
            self.writer = None;
        }
        Ok(result?)
    }

    /// Makes the bundle durable and reads it back.
    ///
    /// # Errors
    /// `NotBegun`, `Unfinished`; `Differs`, after which it has been dropped; of the store.
    pub fn finish<S: Store>(&mut self, store: &mut S) -> Result<(), UpdateError> {
        let writer = self.writer.as_mut().ok_or(UpdateError::NotBegun)?;
        let Progress { received, total, .. } = writer.progress();
        if received < total {
            return Err(UpdateError::Unfinished { received, total });
        }
        if let Err(error) = writer.sync(store) {
            self.writer = None;
            return Err(error.into());
        }
        if digest_of(store, FILE, total)? != self.digest {
            self.writer = None;
            Inbox::clear(store)?;
            return Err(UpdateError::Differs { part: FILE.to_owned() });
        }
        Ok(())
    }

    /// Removes whatever arrived.
    ///
    /// # Errors
    /// Of the store.
    pub fn clear<S: Store>(store: &mut S) -> Result<(), StoreError> {
        // The journal goes first, for good: it must never speak of bytes that are gone.
        store.remove(JOURNAL)?;
        store.sync_dir("")?;
        store.remove(FILE)?;
        store.sync_dir(FOLDER)
    }
}
