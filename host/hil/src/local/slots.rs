//! The slots of a local board: a first version, and bundles that it takes.

use super::{Local, Parts};
use crate::packing::{Packer, Source, target};
use crate::{BenchError, BundleKind};
use mtcae_bundle::{PublicKey, Trust, write_public};
use mtcae_drivers::DirStore;
use mtcae_install::{Rules, install};
use mtcae_update::{Confirm, Depth, Updater, Verdict};
use std::fs::File;
use std::path::{Path, PathBuf};

impl Local {
    pub(super) fn packer(&mut self) -> Result<&Packer, BenchError> {
        if self.packer.is_none() {
            let Parts { tool, model, .. } = &self.parts;
            self.packer = Some(Packer::new(&Source { tool, model, folder: self.dir.path() })?);
        }
        self.packer.as_ref().ok_or_else(|| BenchError::Board("nothing packs bundles".to_owned()))
    }

    /// Puts version 1, with the real daemon, into the slots, confirmed: installed once, and copied from then on.
    pub(super) fn first_version(&mut self) -> Result<(), BenchError> {
        let kept = self.dir.path().join("first");
        if !kept.exists() {
            self.install_first()?;
            return copy(&self.slots_dir(), &kept);
        }
        let key = self.packer()?.key().public();
        self.trust(&key)?;
        copy(&kept, &self.slots_dir())
    }

    /// The board takes what this key signs.
    fn trust(&self, key: &PublicKey) -> Result<(), BenchError> {
        let trusted = self.etc().join("trusted");
        self.folder(&trusted)?;
        let refused = |e| BenchError::Board(format!("the key of the bench: {e}"));
        write_public(&trusted.join("bench.pub"), &key.to_string()).map_err(refused)
    }

    /// Installs version 1, with the real daemon, and confirms it.
    fn install_first(&mut self) -> Result<(), BenchError> {
        let daemon = std::fs::read(&self.parts.daemon).map_err(BenchError::system("read the daemon"))?;
        let first = self.dir.path().join("bench-1.1.0.mtcb");
        let packer = self.packer()?;
        if !first.exists() {
            packer.pack(1, BundleKind::Good { ballast: 0 }, Some(&daemon))?;
        }
        let key = packer.key().public();
        let refused = |e: &dyn std::fmt::Display| BenchError::Board(format!("the first version: {e}"));
        self.trust(&key)?;
        let trust = Trust::new(&[key]).map_err(|e| refused(&e))?;
        let target = target();
        let rules = Rules {
            family: "pc",
            target: Some(&target),
            trust: &trust,
            keys: &[],
            confirm: Confirm::BySelfTest,
            permit: None,
        };
        self.folder(&self.slots_dir())?;
        let mut updater = Updater::new(DirStore::open(&self.slots_dir()).map_err(|e| refused(&e))?);
        let mut bundle = File::open(&first).map_err(BenchError::system("read the first bundle"))?;
        install(&mut updater, &mut bundle, &rules, &mut |_, _| {}).map_err(|e| refused(&e))?;
        updater.switch().map_err(|e| refused(&e))?;
        updater.choose(Depth::Bytes).map_err(|e| refused(&e))?;
        updater.self_test(Verdict::Good).map(drop).map_err(|e| refused(&e))
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
