//! A store in memory that loses power, forgets what was not synced, tears and reorders it, fails and fills up.
//!
//! What programs see and what is durable are two pictures. Between them lies a list of changes that were not synced;
//! a power cut decides which of them survive.

use crate::{DIRECTORIES, Store, StoreError};
use std::collections::BTreeMap;

/// Smallest unit that survives a torn write as a whole, bytes; small, since the simulated files are.
const SECTOR: usize = 64;

/// What a power cut leaves of the changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutMode {
    /// Nothing.
    Lost,
    /// The first few changes of names; of each write nothing, a prefix, some sectors, or all.
    Torn,
    /// Any of them, each whole, the others not.
    Reordered,
}

impl CutMode {
    /// All of them.
    pub const ALL: [CutMode; 3] = [CutMode::Lost, CutMode::Torn, CutMode::Reordered];
}

/// What goes wrong at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The power goes; nothing works before [`SimStore::power_on`].
    Cut(CutMode),
    /// The program is killed; nothing works before [`SimStore::restart`], and nothing is lost.
    Kill,
    /// The operation fails. A failed sync loses what it should have made durable, as Linux does.
    Io,
    /// The operation is given up after a long time; else like `Io`.
    Hang,
    /// From here on nothing can be added, until [`SimStore::repair`].
    Full,
    /// From here on nothing can be changed, until [`SimStore::repair`].
    ReadOnly,
}

#[derive(Debug, Clone)]
enum Change {
    Write { file: usize, offset: usize, bytes: Vec<u8> },
    Cut { file: usize, len: usize },
    Link { path: String, file: usize },
    Unlink { path: String },
    Rename { from: String, to: String, file: usize },
}

#[derive(Debug, Clone, Default)]
struct Picture {
    names: BTreeMap<String, usize>,
    data: BTreeMap<usize, Vec<u8>>,
}

/// The store.
#[derive(Debug, Clone)]
pub struct SimStore {
    seen: Picture,
    durable: Picture,
    /// Not synced, oldest first.
    pending: Vec<Change>,
    files: usize,
    operations: u64,
    trouble: Option<(u64, Trouble)>,
    /// What lasts: `Cut`, `Kill`, `Full`, `ReadOnly`.
    lasting: Option<Trouble>,
    dice: u64,
    capacity: u64,
    renames: Vec<(u64, String)>,
}

impl SimStore {
    /// An empty store of 1 MiB, whose dice start at `seed`.
    pub fn new(seed: u64) -> SimStore {
        SimStore {
            seen: Picture::default(),
            durable: Picture::default(),
            pending: Vec::new(),
            files: 0,
            operations: 0,
            trouble: None,
            lasting: None,
            dice: seed ^ 0x9E37_79B9_7F4A_7C15,
            capacity: 1 << 20,
            renames: Vec::new(),
        }
    }

    /// Starts the dice anew.
    pub fn seed(&mut self, seed: u64) {
        self.dice = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Makes the operation after `after` more ones go wrong.
    pub fn inject(&mut self, after: u64, trouble: Trouble) {
        self.trouble = Some((self.operations + after, trouble));
    }

    /// Whether what was injected has not happened yet.
    pub fn waits(&self) -> bool {
        self.trouble.is_some()
    }

    /// Power comes back: only what is durable is there.
    pub fn power_on(&mut self) {
        self.pending.clear();
        self.seen = self.durable.clone();
        self.restart();
    }

    /// A killed program is started again: everything written is there, durable or not.
    pub fn restart(&mut self) {
        self.lasting = None;
        self.trouble = None;
    }

    /// Whatever lasted is over.
    pub fn repair(&mut self) {
        self.restart();
    }

    /// Takes the power now, after the last operation.
    pub fn cut(&mut self, mode: CutMode) {
        self.resolve(mode);
        self.power_on();
    }

    /// Sets how much fits, bytes.
    pub fn set_capacity(&mut self, bytes: u64) {
        self.capacity = bytes;
    }

    /// A file's bytes as programs see them.
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        let file = self.seen.names.get(path)?;
        Some(self.seen.data.get(file).map_or(&[], Vec::as_slice))
    }

    /// Changes a durable file behind everyone's back, as ageing flash does; whether there is one.
    pub fn spoil(&mut self, path: &str, change: impl Fn(&mut Vec<u8>)) -> bool {
        let Some(file) = self.seen.names.get(path).copied() else { return false };
        for picture in [&mut self.seen, &mut self.durable] {
            change(picture.data.entry(file).or_default());
        }
        true
    }

    /// Removes a file behind everyone's back.
    pub fn lose(&mut self, path: &str) {
        self.seen.names.remove(path);
        self.durable.names.remove(path);
    }

    /// Names that were renamed to, each with the number of its operation.
    pub fn renames(&self) -> &[(u64, String)] {
        &self.renames
    }

    fn below(&mut self, n: usize) -> usize {
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        ((self.dice.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n as u64) as usize
    }

    /// Decides what survives, and makes it durable.
    fn resolve(&mut self, mode: CutMode) {
        let pending = std::mem::take(&mut self.pending);
        let names = self.below(pending.len() + 1);
        for (index, change) in pending.into_iter().enumerate() {
            let survivor = match (mode, change) {
                (CutMode::Lost, _) => None,
                (CutMode::Reordered, change) => (self.below(2) == 0).then_some(change),
                (CutMode::Torn, Change::Write { file, offset, bytes }) => {
                    self.tear(&bytes).into_iter().for_each(|(at, bytes)| {
                        self.durable.apply(&Change::Write { file, offset: offset + at, bytes });
                    });
                    None
                }
                (CutMode::Torn, change) => (index < names).then_some(change),
            };
            if let Some(change) = survivor {
                self.durable.apply(&change);
            }
        }
    }

    /// The pieces of a write that survive.
    fn tear(&mut self, bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
        match self.below(4) {
            0 => vec![],
            1 => vec![(0, bytes.to_vec())],
            2 => vec![(0, bytes[..self.below(bytes.len() + 1)].to_vec())],
            _ => {
                let sectors = bytes.chunks(SECTOR).enumerate();
                let kept = sectors.filter(|_| self.below(2) == 0).map(|(i, b)| (i * SECTOR, b.to_vec()));
                kept.collect()
            }
        }
    }

    /// Counts an operation, and lets happen what was injected at it. `Ok(true)`: the power goes once it is done.
    fn enter(&mut self, path: &str, adds: bool, changes: bool) -> Result<Option<CutMode>, StoreError> {
        let now = self.operations;
        self.operations += 1;
        if self.trouble.is_some_and(|(at, _)| at == now)
            && let Some((_, trouble)) = self.trouble.take()
        {
            match trouble {
                Trouble::Io => return Err(failed(path, "input/output error")),
                Trouble::Hang => return Err(failed(path, "no answer")),
                lasting => self.lasting = Some(lasting),
            }
            if let Trouble::Cut(mode) = trouble {
                return Ok(Some(mode));
            }
        }
        match self.lasting {
            Some(Trouble::Cut(_)) => Err(failed(path, "the power is gone")),
            Some(Trouble::Kill) => Err(failed(path, "the program was killed")),
            Some(Trouble::Full) if adds => Err(StoreError::NoSpace { path: path.to_owned() }),
            Some(Trouble::ReadOnly) if changes => Err(StoreError::ReadOnly { path: path.to_owned() }),
            _ => Ok(None),
        }
    }

    /// Does a change, unless something goes wrong; then some of a write is done all the same.
    fn change(&mut self, path: &str, adds: bool, change: Change) -> Result<(), StoreError> {
        let entered = self.enter(path, adds, true);
        if let (Err(error), Change::Write { file, offset, bytes }) = (&entered, &change)
            && !matches!(error, StoreError::ReadOnly { .. })
            && !matches!(self.lasting, Some(Trouble::Cut(_)))
        {
            let some = bytes[..self.below(bytes.len() + 1)].to_vec();
            self.record(Change::Write { file: *file, offset: *offset, bytes: some });
        }
        let cut = entered?;
        if let Change::Rename { to, .. } = &change {
            self.renames.push((self.operations - 1, to.clone()));
        }
        self.record(change);
        self.leave(path, cut)
    }

    fn record(&mut self, change: Change) {
        self.seen.apply(&change);
        self.pending.push(change);
    }

    fn leave(&mut self, path: &str, cut: Option<CutMode>) -> Result<(), StoreError> {
        let Some(mode) = cut else { return Ok(()) };
        self.resolve(mode);
        Err(failed(path, "the power is gone"))
    }

    /// Makes the pending changes that `wanted` picks durable, in their order.
    fn sync(&mut self, path: &str, wanted: impl Fn(&Change) -> bool) -> Result<(), StoreError> {
        let entered = self.enter(path, true, true);
        if let Err(StoreError::Io { .. } | StoreError::NoSpace { .. }) = &entered
            && !matches!(self.lasting, Some(Trouble::Cut(_) | Trouble::Kill))
        {
            self.pending.retain(|change| !wanted(change));
        }
        if let Some(mode) = entered? {
            return self.leave(path, Some(mode));
        }
        let (now, later): (Vec<Change>, _) = std::mem::take(&mut self.pending).into_iter().partition(wanted);
        self.pending = later;
        now.iter().for_each(|change| self.durable.apply(change));
        Ok(())
    }

    fn file(&self, path: &str) -> Result<usize, StoreError> {
        self.seen.names.get(path).copied().ok_or_else(|| failed(path, "no such file"))
    }

    fn used(&self) -> u64 {
        self.seen.names.values().filter_map(|file| self.seen.data.get(file)).map(|data| data.len() as u64).sum()
    }
}

impl Picture {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { file, offset, bytes } => {
                let data = self.data.entry(*file).or_default();
                data.resize(data.len().max(offset + bytes.len()), 0);
                data[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Change::Cut { file, len } => self.data.entry(*file).or_default().truncate(*len),
            Change::Link { path, file } => drop(self.names.insert(path.clone(), *file)),
            Change::Unlink { path } => drop(self.names.remove(path)),
            Change::Rename { from, to, file } => {
                if self.names.get(from) == Some(file) {
                    self.names.remove(from);
                }
                self.names.insert(to.clone(), *file);
            }
        }
    }
}

impl Change {
    fn folder(&self) -> Option<&str> {
        match self {
            Change::Write { .. } | Change::Cut { .. } => None,
            Change::Link { path, .. } | Change::Unlink { path } | Change::Rename { from: path, .. } => {
                Some(folder(path))
            }
        }
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn failed(path: &str, what: &str) -> StoreError {
    StoreError::Io { path: path.to_owned(), what: what.to_owned() }
}

impl Store for SimStore {
    fn create(&mut self, path: &str) -> Result<(), StoreError> {
        let folder = folder(path);
        assert!(folder.is_empty() || DIRECTORIES.contains(&folder), "{path} lies in a folder that is not there");
        self.files += 1;
        self.change(path, true, Change::Link { path: path.to_owned(), file: self.files })
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.file(path)?;
        let offset = self.seen.data.get(&file).map_or(0, Vec::len);
        let full = self.used() + bytes.len() as u64 > self.capacity;
        if full && self.lasting.is_none() {
            self.lasting = Some(Trouble::Full);
        }
        self.change(path, true, Change::Write { file, offset, bytes: bytes.to_vec() })
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), StoreError> {
        let file = self.file(path)?;
        self.change(path, false, Change::Cut { file, len: len as usize })
    }

    fn read(&mut self, path: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let cut = self.enter(path, false, false)?;
        self.leave(path, cut)?;
        let data = self.seen.data.get(&self.file(path)?).map_or(&[][..], Vec::as_slice);
        let rest = data.get(offset as usize..).unwrap_or_default();
        let got = rest.len().min(buffer.len());
        buffer[..got].copy_from_slice(&rest[..got]);
        Ok(got)
    }

    fn len(&mut self, path: &str) -> Result<Option<u64>, StoreError> {
        let cut = self.enter(path, false, false)?;
        self.leave(path, cut)?;
        Ok(self.bytes(path).map(|bytes| bytes.len() as u64))
    }

    fn list(&mut self, wanted: &str) -> Result<Vec<String>, StoreError> {
        let cut = self.enter(wanted, false, false)?;
        self.leave(wanted, cut)?;
        let paths = self.seen.names.keys().filter(|path| folder(path) == wanted);
        Ok(paths.filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect())
    }

    fn sync_file(&mut self, path: &str) -> Result<(), StoreError> {
        let wanted = self.file(path)?;
        self.sync(path, |change| match change {
            Change::Write { file, .. } | Change::Cut { file, .. } => *file == wanted,
            _ => false,
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StoreError> {
        assert_eq!(folder(from), folder(to), "only within a folder");
        let file = self.file(from)?;
        self.change(to, true, Change::Rename { from: from.to_owned(), to: to.to_owned(), file })
    }

    fn remove(&mut self, path: &str) -> Result<(), StoreError> {
        self.change(path, false, Change::Unlink { path: path.to_owned() })
    }

    fn sync_dir(&mut self, wanted: &str) -> Result<(), StoreError> {
        self.sync(wanted, |change| change.folder() == Some(wanted))
    }

    fn free_space(&mut self) -> Result<u64, StoreError> {
        let cut = self.enter("", false, false)?;
        self.leave("", cut)?;
        Ok(self.capacity.saturating_sub(self.used()))
    }
}
