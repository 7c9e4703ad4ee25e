//! What a flash below a mounted root would do: its own rules over slots that are only looked at.

use crate::BundleFile;
use mtcae_board_configs::Board;
use mtcae_bundle::{DeviceKey, Discard, Reader, Target, Trust};
use mtcae_drivers::DirStore;
use mtcae_install::{InstallError, plan};
use mtcae_update::{Confirm, Digest, Permit, Store, StoreError, Updater};
use std::fs::File;
use std::path::Path;

/// What a flash of a root would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootCourse {
    /// Nothing: it is there, confirmed.
    AlreadyThere,
    /// Nothing: it is there, on trial.
    OnTrial,
    /// Write so many bytes into the idle slots.
    Install {
        /// Bytes unpacked; of those that are there already a flash writes none again.
        bytes: u64,
    },
}

/// What a root says about the bundles that it takes.
pub(crate) struct Terms<'a> {
    pub board: &'a Board,
    pub trust: Trust,
    pub permit: Option<Permit>,
    pub keys: Vec<DeviceKey>,
    pub confirm: Confirm,
}

impl Terms<'_> {
    /// The way of [`mtcae_install::install`] up to its first change.
    ///
    /// # Errors
    /// As [`mtcae_install::install`].
    pub fn course<S: Store>(&self, updater: &mut Updater<S>, bundle: &BundleFile) -> Result<RootCourse, InstallError> {
        let file = File::open(bundle.path()).map_err(InstallError::Read)?;
        let target = Target { family: self.board.about.family.clone(), lowest_counter: 0, free_bytes: None };
        let manifest = Reader::open(file, &self.trust)?.accept(&target)?.unpack(&self.keys, &mut Discard)?;
        let origin = Digest(bundle.offer("").sha256);
        if updater.confirmed_from(origin)?.is_some() {
            return Ok(RootCourse::AlreadyThere);
        }
        let plan = plan(&manifest, bundle.length(), origin, self.confirm);
        updater.check(&plan, self.permit.as_ref())?;
        Ok(RootCourse::Install { bytes: plan.total() })
    }
}

/// The slots as a flash would find them: it makes the folders that are missing, which are empty ones here.
pub(crate) struct Look {
    store: DirStore,
    /// Whether there are slots at all; else `store` is a folder above them, which knows the free space.
    there: bool,
}

impl Look {
    /// The slots in `slots`.
    ///
    /// # Errors
    /// As [`DirStore::reader`].
    pub fn at(slots: &Path) -> Result<Look, StoreError> {
        let folder = slots.ancestors().find(|folder| folder.is_dir()).unwrap_or(slots);
        Ok(Look { store: DirStore::reader(folder)?, there: folder == slots })
    }
}

/// Changes are for the reader to refuse.
impl Store for Look {
    fn create(&mut self, path: &str) -> Result<(), StoreError> {
        self.store.create(path)
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.append(path, bytes)
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), StoreError> {
        self.store.truncate(path, len)
    }

    fn read(&mut self, path: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.store.read(path, offset, buffer)
    }

    fn len(&mut self, path: &str) -> Result<Option<u64>, StoreError> {
        if self.there { self.store.len(path) } else { Ok(None) }
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, StoreError> {
        let there = self.there && self.store.root().join(folder).is_dir();
        if there { self.store.list(folder) } else { Ok(Vec::new()) }
    }

    fn sync_file(&mut self, path: &str) -> Result<(), StoreError> {
        self.store.sync_file(path)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StoreError> {
        self.store.rename(from, to)
    }

    fn remove(&mut self, path: &str) -> Result<(), StoreError> {
        self.store.remove(path)
    }

    fn sync_dir(&mut self, folder: &str) -> Result<(), StoreError> {
        self.store.sync_dir(folder)
    }

    fn free_space(&mut self) -> Result<u64, StoreError> {
        self.store.free_space()
    }
}
