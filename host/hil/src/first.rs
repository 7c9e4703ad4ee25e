//! The first version of a board with slots, and the key by which it takes others.

use crate::packing::{Packer, Source};
use crate::{BenchError, BundleKind};
use mtcae_bundle::{Trust, write_public};
use mtcae_drivers::DirStore;
use mtcae_install::{Rules, install};
use mtcae_update::{Confirm, Depth, Updater, Verdict};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Makes bundles for a bench, once somebody asks for one.
pub struct First {
    tool: PathBuf,
    model: PathBuf,
    folder: PathBuf,
    triple: String,
    packer: Option<Packer>,
}

impl First {
    /// Bundles of `model`, packed by `tool` (`mtcae`), below `folder`, for a board whose programs are of the target `triple`.
    pub fn new(tool: &Path, model: &Path, folder: &Path, triple: String) -> First {
        First { tool: tool.to_owned(), model: model.to_owned(), folder: folder.to_owned(), triple, packer: None }
    }

    /// What packs bundles.
    ///
    /// # Errors
    /// When the tool refuses the model.
    pub fn packer(&mut self) -> Result<&Packer, BenchError> {
        if self.packer.is_none() {
            let First { tool, model, folder, triple, .. } = self;
            self.packer = Some(Packer::new(&Source { tool, model, folder, triple })?);
        }
        self.packer.as_ref().ok_or_else(|| BenchError::Board("nothing packs bundles".to_owned()))
    }

    /// Puts the bench's key into the folder `trusted` of a board.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn trust(&mut self, trusted: &Path) -> Result<(), BenchError> {
        std::fs::create_dir_all(trusted).map_err(BenchError::system(format!("make {}", trusted.display())))?;
        let (key, file) = (self.packer()?.key().public(), trusted.join("bench.pub"));
        if file.exists() {
            // Made by this bench: the folder is its own.
            return Ok(());
        }
        write_public(&file, &key.to_string()).map_err(|e| refused(&e))
    }

    /// Installs version 1 with `daemon` into the folder `slots`, and confirms it.
    ///
    /// # Errors
    /// When something of it is refused.
    pub fn install(&mut self, daemon: &Path, slots: &Path) -> Result<(), BenchError> {
        let first = self.folder.join("bench-1.1.0.mtcb");
        let daemon = std::fs::read(daemon).map_err(BenchError::system("read the daemon"))?;
        let triple = self.triple.clone();
        let packer = self.packer()?;
        if !first.exists() {
            packer.pack(1, BundleKind::Good { ballast: 0 }, Some(&daemon))?;
        }
        let trust = Trust::new(&[packer.key().public()]).map_err(|e| refused(&e))?;
        let rules = Rules {
            family: "pc",
            target: Some(&triple),
            trust: &trust,
            keys: &[],
            confirm: Confirm::BySelfTest,
            permit: None,
        };
        std::fs::create_dir_all(slots).map_err(BenchError::system(format!("make {}", slots.display())))?;
        let mut updater = Updater::new(DirStore::open(slots).map_err(|e| refused(&e))?);
        let mut bundle = File::open(&first).map_err(BenchError::system("read the first bundle"))?;
        install(&mut updater, &mut bundle, &rules, &mut |_, _| {}).map_err(|e| refused(&e))?;
        updater.switch().map_err(|e| refused(&e))?;
        updater.choose(Depth::Bytes).map_err(|e| refused(&e))?;
        updater.self_test(Verdict::Good).map(drop).map_err(|e| refused(&e))
    }
}

fn refused(error: &dyn std::fmt::Display) -> BenchError {
    BenchError::Board(format!("the first version: {error}"))
}
