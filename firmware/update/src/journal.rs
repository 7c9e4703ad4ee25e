//! Writing a known number of bytes into files so that a cut loses no more than a window: what is durable is noted in a
//! journal, once for each window, after it has been synced.

use crate::frame::CRC;
use crate::store::replace_small;
use crate::{Digest, Store, StoreError, UpdateError};

/// Bytes from one sync to the next, unless told otherwise.
pub const WINDOW: u64 = 64 * 1024;
/// Smallest window.
pub const MIN_WINDOW: u64 = 256;
/// Largest window.
pub const MAX_WINDOW: u64 = 4 << 20;

const MAGIC: [u8; 4] = *b"MTJ1";
const TEMPORARY: &str = "journal.new";
const HEADER: usize = 40;
const ENTRY: usize = 12;
/// Entries read at a time.
const BATCH: usize = 256;

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes written; the next one goes there.
    pub received: u64,
    /// Bytes that survive a power cut.
    pub durable: u64,
    /// Bytes of the whole.
    pub total: u64,
}

/// The files that are written one after the other, and the journal that tells how far they are durable.
pub(crate) struct Layout {
    /// Name of the journal, in the root folder.
    pub journal: &'static str,
    /// Which update it is; another one's journal does not count.
    pub id: Digest,
    /// Path and length of each file.
    pub files: Vec<(String, u64)>,
    /// Folders of the files.
    pub folders: Vec<&'static str>,
}

pub(crate) struct Writer {
    layout: Layout,
    window: u64,
    progress: Progress,
}

impl Layout {
    fn total(&self) -> u64 {
        self.files.iter().map(|(_, len)| len).sum()
    }

    /// Index of the file that holds byte `at`, and where that file starts.
    fn file_at(&self, at: u64) -> Option<(usize, u64)> {
        let mut start = 0;
        for (index, (_, len)) in self.files.iter().enumerate() {
            if at < start + len {
                return Some((index, start));
            }
            start += len;
        }
        None
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.id.0);
        bytes.extend(CRC.checksum(&bytes).to_le_bytes());
        bytes
    }

    /// An entry's checksum covers the update too, so that an entry of another journal is none of this one.
    fn entry(&self, durable: u64) -> Vec<u8> {
        let mut sum = CRC.digest();
        sum.update(&self.id.0);
        sum.update(&durable.to_le_bytes());
        let mut bytes = durable.to_le_bytes().to_vec();
        bytes.extend(sum.finalize().to_le_bytes());
        bytes
    }

    /// Whole entries of the journal; `None` when it is not this update's.
    fn entries<S: Store>(&self, store: &mut S) -> Result<Option<Vec<u64>>, StoreError> {
        if store.len(self.journal)?.is_none() {
            return Ok(None);
        }
        let mut header = [0; HEADER];
        if store.read(self.journal, 0, &mut header)? < HEADER || header[..] != self.header() {
            return Ok(None);
        }
        let mut entries: Vec<u64> = Vec::new();
        let mut block = vec![0; BATCH * ENTRY];
        loop {
            let got = store.read(self.journal, (HEADER + entries.len() * ENTRY) as u64, &mut block)?;
            for bytes in block[..got].chunks(ENTRY) {
                let Some(durable) = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b)) else {
                    return Ok(Some(entries));
                };
                let rises = entries.last().is_none_or(|last| *last < durable) && durable <= self.total();
                if !rises || bytes != self.entry(durable) {
                    return Ok(Some(entries));
                }
                entries.push(durable);
            }
            if got < block.len() {
                return Ok(Some(entries));
            }
        }
    }
}

/// Removes a journal for good. Only then may what it speaks of be destroyed.
pub(crate) fn forget<S: Store>(store: &mut S, layout: &Layout) -> Result<(), StoreError> {
    if store.len(layout.journal)?.is_some() {
        store.remove(layout.journal)?;
        store.sync_dir("")?;
    }
    Ok(())
}

impl Writer {
    /// Starts from zero in emptied folders; [`forget`] was called before.
    pub fn fresh<S: Store>(store: &mut S, layout: Layout, window: u64) -> Result<Writer, StoreError> {
        for folder in &layout.folders {
            for name in store.list(folder)? {
                store.remove(&format!("{folder}/{name}"))?;
            }
        }
        for (path, _) in &layout.files {
            store.create(path)?;
        }
        for folder in &layout.folders {
            store.sync_dir(folder)?;
        }
        replace_small(store, "", layout.journal, TEMPORARY, &layout.header())?;
        Ok(Writer::at(layout, window, 0))
    }

    /// Goes on where the journal says; `None` when there is nothing to go on with.
    pub fn resume<S: Store>(store: &mut S, layout: Layout, window: u64) -> Result<Result<Writer, Layout>, StoreError> {
        let Some(entries) = layout.entries(store)? else { return Ok(Err(layout)) };
        let durable = entries.last().copied().unwrap_or(0);
        let mut start = 0;
        for (path, len) in &layout.files {
            let expected = durable.saturating_sub(start).min(*len);
            match store.len(path)? {
                Some(len) if len == expected => {}
                Some(len) if len > expected => store.truncate(path, expected)?,
                _ => return Ok(Err(layout)),
            }
            start += len;
        }
        // Put in place of the old one, which may end in a torn entry, or in one whose sync failed.
        let mut journal = layout.header();
        if durable > 0 {
            journal.extend(layout.entry(durable));
        }
        replace_small(store, "", layout.journal, TEMPORARY, &journal)?;
        Ok(Ok(Writer::at(layout, window, durable)))
    }

    fn at(layout: Layout, window: u64, durable: u64) -> Writer {
        let total = layout.total();
        let window = window.clamp(MIN_WINDOW, MAX_WINDOW);
        Writer { layout, window, progress: Progress { received: durable, durable, total } }
    }

    pub fn id(&self) -> Digest {
        self.layout.id
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Writes the bytes from `offset` on, without those that are there already.
    pub fn write<S: Store>(&mut self, store: &mut S, offset: u64, bytes: &[u8]) -> Result<Progress, UpdateError> {
        let Progress { received, total, .. } = self.progress;
        let end = offset.saturating_add(bytes.len() as u64);
        if end > total {
            return Err(UpdateError::TooLong { end, total });
        }
        if offset > received {
            return Err(UpdateError::Gap { offset, expected: received });
        }
        let mut rest = bytes.get((received - offset) as usize..).unwrap_or_default();
        while let Some((index, start)) = self.layout.file_at(self.progress.received).filter(|_| !rest.is_empty()) {
            let (path, len) = &self.layout.files[index];
            let in_file = start + len - self.progress.received;
            let in_window = self.progress.durable + self.window - self.progress.received;
            let take = in_file.min(in_window).min(rest.len() as u64);
            let (now, later) = rest.split_at(take as usize);
            store.append(path, now)?;
            self.progress.received += take;
            rest = later;
            if take == in_window {
                self.sync(store)?;
            }
        }
        Ok(self.progress)
    }

    /// Makes everything written so far durable, and notes it.
    pub fn sync<S: Store>(&mut self, store: &mut S) -> Result<(), StoreError> {
        let Progress { received, durable, .. } = self.progress;
        if received == durable {
            return Ok(());
        }
        let first = self.layout.file_at(durable).map_or(0, |(index, _)| index);
        let last = self.layout.file_at(received - 1).map_or(0, |(index, _)| index);
        for (path, _) in &self.layout.files[first..=last] {
            store.sync_file(path)?;
        }
        store.append(self.layout.journal, &self.layout.entry(received))?;
        store.sync_file(self.layout.journal)?;
        self.progress.durable = received;
        Ok(())
    }
}
