//! The slots, opened for one piece of work at a time, so that launcher, tools and daemon get their turn.

use mtcae_drivers::DirStore;
use mtcae_update::{StoreError, Updater};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Tries to open slots that another program holds, and the time between them.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// Opens the slots below `root`, waiting up to five seconds for whoever has them.
pub(crate) fn open(root: &Path) -> Result<Updater<DirStore>, StoreError> {
    for _ in 1..TRIES {
        match DirStore::open(root) {
            Err(StoreError::Busy { .. }) => sleep(BETWEEN),
            result => return result.map(Updater::new),
        }
    }
    DirStore::open(root).map(Updater::new)
}

/// The slots to look at only, whoever has them open.
pub(crate) fn look(root: &Path) -> Result<Updater<DirStore>, StoreError> {
    DirStore::reader(root).map(Updater::new)
}
