//! The slots of a local board: installed once, and copied from then on.

use super::Local;
use crate::BenchError;
use std::path::{Path, PathBuf};

impl Local {
    /// Puts version 1, with the real daemon, into the slots, confirmed.
    pub(super) fn first_version(&mut self) -> Result<(), BenchError> {
        let (kept, trusted, slots) = (self.dir.path().join("first"), self.etc().join("trusted"), self.slots_dir());
        self.first.trust(&trusted)?;
        if !kept.exists() {
            self.first.install(&self.parts.daemon, &slots)?;
            return copy(&slots, &kept);
        }
        copy(&kept, &slots)
    }
}

/// Copies a folder with everything in it; modes stay.
fn copy(from: &Path, to: &Path) -> Result<(), BenchError> {
    let all = |from: &Path, to: &Path| -> std::io::Result<Vec<(PathBuf, PathBuf)>> {
        std::fs::create_dir_all(to)?;
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(from)? {
            let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            if entry.is_dir() {
                folders.push((entry, to.join(name)));
            } else {
                std::fs::copy(&entry, to.join(name))?;
            }
        }
        Ok(folders)
    };
    let folders = all(from, to).map_err(BenchError::system(format!("copy {}", from.display())))?;
    folders.iter().try_for_each(|(from, to)| copy(from, to))
}
