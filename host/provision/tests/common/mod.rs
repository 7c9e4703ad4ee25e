//! Boards to be, and what to make of them.
#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod bundle;
pub mod sshd;
pub mod tree;

use mtcae_bundle::{DeviceKey, Trust};
use mtcae_install::Rules;
use mtcae_provision::*;
use mtcae_update::Confirm;
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BOARD: &str = "[board]\nname = \"robot-17\"\nfamily = \"pc\"\n\n[update]\nenabled = true\n";

/// A desk with a bundle, a launcher and a fresh root of a system.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        let desk = Desk { folder: in_memory() };
        fs::write(desk.path("first.mtcb"), bundle::bundle(&[])).unwrap();
        fs::write(desk.path("launcher"), bundle::program(70_000)).unwrap();
        desk.fresh();
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// A system on which nothing of ours is, and the program that tells its processor.
    pub fn fresh(&self) {
        let _ = fs::remove_dir_all(self.root());
        for folder in ["etc/systemd/system", "usr/bin", "usr/lib", "var/lib", "var/tmp"] {
            fs::create_dir_all(self.root().join(folder)).unwrap();
        }
        fs::write(self.root().join("usr/bin/env"), bundle::program(100)).unwrap();
    }

    /// Everything a board can get. `stage` is where its first version waits.
    pub fn recipe(&self, stage: &Path, device: &DeviceKey) -> Recipe {
        let key = bundle::signing_key().public();
        let trust = Trust::new(&[key]).unwrap();
        let rules =
            Rules { family: "pc", target: None, trust: &trust, keys: &[], confirm: Confirm::BySelfTest, permit: None };
        let processor = Processor::named(std::env::consts::ARCH).unwrap();
        let first = FirstVersion::stage(stage, &self.path("first.mtcb"), &rules, processor, &mut |_, _| {}).unwrap();
        let pair = KeyPair { secret: device.to_secret_text(), public: device.recipient().to_string() };
        Recipe {
            board: BoardFile::new("board.toml", BOARD, None).unwrap(),
            launcher: Blob::file(&self.path("launcher")).unwrap(),
            trusted: vec![(format!("{}.pub", key.id()), key.to_string())],
            device_key: KeyWish::Unless(pair),
            line_key: KeyWish::None,
            clients: Vec::new(),
            first: Some(first),
        }
    }
}

/// A folder in memory where there is one: hundreds of syncs are then no matter.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// One run, stopped when `watch` says so: what was left to do before it.
pub fn run(place: &mut dyn Place, desk: &Desk, watch: &mut Watch<'_>) -> Result<usize, ProvisionError> {
    let stage = in_memory();
    let recipe = desk.recipe(stage.path(), &DeviceKey::generate().unwrap());
    let paths: BTreeSet<String> = recipe.paths();
    let found = place.look(&paths)?;
    let plan = Plan::new(recipe.into_items(&found, place.runs())?, &found, place.owners(&found))?;
    if !plan.is_done() {
        place.apply(&plan, watch)?;
    }
    Ok(plan.changes())
}

pub fn go_on(_: Done) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
