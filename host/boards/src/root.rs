//! The slots of a board whose file system is mounted here (`dir:PATH`): the same ones, without a board that runs.

use crate::look::{Look, RootCourse, Terms};
use crate::{BoardError, BundleFile};
use mtcae_board_configs::{Board, ConfirmChoice, MAX_BYTES, Update, load};
use mtcae_bundle::{BundleError, Content, DeviceKey, KeyError, Permit, Refusal as Mismatch, Trust, read_secret};
use mtcae_drivers::DirStore;
use mtcae_install::{InstallError, Rules, install, trusted_in};
use mtcae_update::{Confirm, DIRECTORIES, Held, Standing, State, Status, Store, StoreError, UpdateError, Updater};
use mtcae_wire::Refusal;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Board file, as it lies on a board.
const BOARD_FILE: &str = "/etc/mtcae/board.toml";
/// The program that shows what processor the board has: an update never replaces it.
const LAUNCHER: &str = "/usr/lib/mtcae/mtcae-launcher";
/// Processors by the first word of a target triple, and their numbers in an ELF header.
const MACHINES: [(&str, u16); 4] = [("x86_64", 62), ("aarch64", 183), ("armv7", 40), ("riscv64gc", 243)];

/// A mounted root.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    board: Option<Board>,
    slots: PathBuf,
}

/// What the slots below a root are at.
#[derive(Debug, Clone)]
pub struct RootStatus {
    /// The board's family, where there is a board file.
    pub family: Option<String>,
    /// Their state, and how the last update ended.
    pub status: Status,
    /// What each of them holds: of the model, then of the daemon, A and B.
    pub slots: [[Option<Held>; 2]; 2],
    /// Bytes free.
    pub free_bytes: u64,
}

/// How a flash of a root ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootFlashed {
    /// It was there before, confirmed.
    AlreadyThere,
    /// It was there before, on trial.
    OnTrial,
    /// It is installed: the board's next start is its trial.
    Installed,
}

fn wrong(reason: String, help: &str) -> BoardError {
    BoardError::Root { reason, help: help.to_owned() }
}

impl Root {
    /// Looks at the board file below `path`. Without one there is no family: the slots can be looked at, and not flashed.
    ///
    /// # Errors
    /// `Root`: when there is no such folder, or its board file is no good.
    pub fn open(path: &Path) -> Result<Root, BoardError> {
        let path = path.canonicalize().map_err(|error| {
            wrong(
                format!("cannot open {}: {error}", path.display()),
                "mount the board's file system, and name its root",
            )
        })?;
        let board = board_file(&path)?;
        let slots = board.as_ref().map_or("/var/lib/mtcae", |board| board.update.root.as_str());
        let slots = below(&path, slots)?;
        Ok(Root { path, board, slots })
    }

    /// The board's family, where there is a board file.
    pub fn family(&self) -> Option<&str> {
        self.board.as_ref().map(|board| board.about.family.as_str())
    }

    /// Ids of the keys that the board trusts.
    ///
    /// # Errors
    /// `Root`: when there is none, or one is no good.
    pub fn trusted(&self) -> Result<Vec<String>, BoardError> {
        Ok(self.trust()?.ids().map(|id| id.to_string()).collect())
    }

    /// What the slots are at.
    ///
    /// # Errors
    /// `Slots`.
    pub fn status(&self) -> Result<RootStatus, BoardError> {
        self.status_of(&mut Updater::new(self.store(DirStore::reader)?))
    }

    /// Keeps the version on trial.
    ///
    /// # Errors
    /// `Slots`, `Root`.
    pub fn confirm(&self) -> Result<RootStatus, BoardError> {
        self.must_have_slots()?;
        let mut updater = Updater::new(self.store(DirStore::open)?);
        let runs = updater.status().map_err(|error| self.failed(error))?;
        if runs.state != State::Running {
            updater.confirm().map_err(|error| self.failed(error))?;
        }
        self.status_of(&mut updater)
    }

    /// Goes back: from a version on trial to the confirmed one, else to the one before it.
    ///
    /// # Errors
    /// `Slots`, `Permit`, `Root`.
    pub fn rollback(&self, permit: Option<&Permit>) -> Result<RootStatus, BoardError> {
        self.must_have_slots()?;
        let leave = permit.map(|permit| self.leave(permit, &self.trust()?)).transpose()?;
        let mut updater = Updater::new(self.store(DirStore::open)?);
        updater.rollback(leave.as_ref()).map_err(|error| self.failed(error))?;
        self.status_of(&mut updater)
    }

    /// Verifies the bundle as the board itself would, writes it into the idle slots, and has the next start try it.
    /// `progress` is told the bytes written and how many there are.
    ///
    /// # Errors
    /// `Refused`, `Bundle`, `Permit`, `Root`, `Slots`, `Stopped`.
    pub fn flash(
        &self,
        bundle: &BundleFile,
        permit: Option<&Permit>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<RootFlashed, BoardError> {
        let Terms { board, trust, permit, keys, confirm } = &self.terms(bundle, permit)?;
        let (family, confirm, permit) = (&board.about.family, *confirm, *permit);
        let rules = Rules { family, target: None, trust, keys, confirm, permit };
        let mut updater = Updater::new(self.store(DirStore::open)?);
        if self.on_trial(&mut updater, bundle)? {
            return Ok(RootFlashed::OnTrial);
        }
        let file =
            File::open(bundle.path()).map_err(|error| BoardError::Read { path: bundle.path().to_owned(), error })?;
        match install(&mut updater, &mut Stoppable { file, stop }, &rules, progress) {
            Ok(_) => {}
            Err(_) if stop.load(Ordering::Relaxed) => return Err(BoardError::Stopped),
            Err(InstallError::Already { .. }) => return Ok(RootFlashed::AlreadyThere),
            Err(error) => return Err(self.refused(bundle, error)),
        }
        updater.switch().map_err(|error| self.failed(error))?;
        Ok(RootFlashed::Installed)
    }

    /// What [`Root::flash`] would do, and whatever it would refuse; changes nothing.
    ///
    /// # Errors
    /// As [`Root::flash`].
    pub fn check(&self, bundle: &BundleFile, permit: Option<&Permit>) -> Result<RootCourse, BoardError> {
        let terms = self.terms(bundle, permit)?;
        self.refuse_links_in_slots()?;
        let mut updater = Updater::new(Look::at(&self.slots).map_err(|error| self.failed(error.into()))?);
        if self.on_trial(&mut updater, bundle)? {
            return Ok(RootCourse::OnTrial);
        }
        terms.course(&mut updater, bundle).map_err(|error| self.refused(bundle, error))
    }

    fn terms(&self, bundle: &BundleFile, permit: Option<&Permit>) -> Result<Terms<'_>, BoardError> {
        let board = self.for_flash(bundle)?;
        let trust = self.trust()?;
        let permit = permit.map(|permit| self.leave(permit, &trust)).transpose()?;
        let keys = self.device_keys(&board.update)?;
        let confirm = match board.update.confirm {
            ConfirmChoice::SelfTest => Confirm::BySelfTest,
            ConfirmChoice::User => Confirm::ByUser,
        };
        Ok(Terms { board, trust, permit, keys, confirm })
    }

    /// Only a flash makes slots: whatever lies below a folder that is no board's root, or where none is mounted, stays as it is.
    fn must_have_slots(&self) -> Result<(), BoardError> {
        self.named()?;
        if DIRECTORIES.iter().all(|folder| self.slots.join(folder).is_dir()) {
            return Ok(());
        }
        let reason = format!("there are no slots at {}", self.slots.display());
        Err(wrong(reason, "`mtcae provision` makes them, and `mtcae flash` puts a version there"))
    }

    fn named(&self) -> Result<&Board, BoardError> {
        self.board.as_ref().ok_or_else(|| {
            let reason =
                format!("there is no {BOARD_FILE} below {}, so nothing says what board it is", self.path.display());
            wrong(reason, "is the board's file system mounted there? `mtcae provision` makes a board of it")
        })
    }

    fn trust(&self) -> Result<Trust, BoardError> {
        let folder = below(&self.path, &self.named()?.update.trusted)?;
        // One that cannot be listed is for the next call to tell.
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            inside(&self.path, entry.path())?;
        }
        trusted_in(&folder).map_err(|error| {
            wrong(error.to_string(), "put the public half of the key that signs your bundles there, as NAME.pub")
        })
    }

    /// The board is not running: this machine's clock is what there is.
    fn leave(&self, permit: &Permit, trust: &Trust) -> Result<mtcae_update::Permit, BoardError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
        let lowest = permit.check(trust, &self.named()?.about.name, now)?;
        Ok(mtcae_update::Permit { lowest_counter: lowest.into() })
    }

    fn for_flash(&self, bundle: &BundleFile) -> Result<&Board, BoardError> {
        let board = self.named()?;
        let (family, manifest) = (&board.about.family, &bundle.manifest);
        if !manifest.boards.contains(family) {
            let detail = format!("this board's family is {family:?}; the bundle is for {}", manifest.boards.join(", "));
            return Err(self.refuse(bundle, Refusal::WrongBoard, detail));
        }
        if let Some(has) = machine_of(&below(&self.path, LAUNCHER)?) {
            for part in &manifest.parts {
                let Content::Firmware { target, .. } = &part.content else { continue };
                let wants = target.split('-').next().unwrap_or_default();
                if MACHINES.iter().any(|(name, machine)| *name == wants && *machine != has) {
                    let name = MACHINES.iter().find(|(_, machine)| *machine == has).map_or("another", |(name, _)| name);
                    let detail = format!("its firmware is for {target}; the launcher on this board is for {name}");
                    return Err(self.refuse(bundle, Refusal::WrongBoard, detail));
                }
            }
        }
        Ok(board)
    }

    fn store(&self, open: fn(&Path) -> Result<DirStore, StoreError>) -> Result<DirStore, BoardError> {
        self.refuse_links_in_slots()?;
        open(&self.slots).map_err(|error| self.failed(error.into()))
    }

    fn refuse_links_in_slots(&self) -> Result<(), BoardError> {
        refuse_links(&self.slots)?;
        DIRECTORIES.iter().try_for_each(|folder| refuse_links(&self.slots.join(folder)))
    }

    fn status_of(&self, updater: &mut Updater<DirStore>) -> Result<RootStatus, BoardError> {
        let failed = |error| self.failed(error);
        let family = self.board.as_ref().map(|board| board.about.family.clone());
        let (status, slots) = (updater.status().map_err(failed)?, updater.slots().map_err(failed)?);
        let free_bytes = updater.store_mut().free_space().map_err(|error| self.failed(error.into()))?;
        Ok(RootStatus { family, status, slots, free_bytes })
    }

    fn on_trial<S: Store>(&self, updater: &mut Updater<S>, bundle: &BundleFile) -> Result<bool, BoardError> {
        let sha256 = bundle.offer("").sha256;
        let slots = updater.slots().map_err(|error| self.failed(error))?;
        let same = |held: &Held| held.standing == Standing::Trial && held.origin.0 == sha256;
        Ok(slots.iter().flatten().flatten().any(same))
    }

    fn device_keys(&self, update: &Update) -> Result<Vec<DeviceKey>, BoardError> {
        let path = below(&self.path, &update.device_key)?;
        let key = read_secret(&path).and_then(|text| DeviceKey::from_secret_text(&text));
        match key {
            Ok(key) => Ok(vec![key]),
            Err(KeyError::File { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => {
                Err(wrong(format!("{}: {error}", path.display()), "it belongs to root: run this with `sudo`"))
            }
        }
    }

    fn failed(&self, error: UpdateError) -> BoardError {
        BoardError::Slots { path: self.slots.clone(), error }
    }

    fn refuse(&self, bundle: &BundleFile, refusal: Refusal, detail: String) -> BoardError {
        let by = format!("dir:{} does not take", self.path.display());
        BoardError::Refused { by, bundle: bundle.title(), refusal, detail }
    }

    fn refused(&self, bundle: &BundleFile, error: InstallError) -> BoardError {
        let refusal = match &error {
            InstallError::Bundle(BundleError::UnknownKey { .. } | BundleError::RetiredKey { .. }) => {
                Refusal::NotTrusted
            }
            InstallError::Bundle(BundleError::Refused(Mismatch::Board { .. })) => Refusal::WrongBoard,
            InstallError::Bundle(BundleError::NoKey { .. } | BundleError::Contents { .. }) => Refusal::Unusable,
            InstallError::Target { .. } => Refusal::WrongBoard,
            InstallError::Slots(UpdateError::Downgrade { .. }) => Refusal::OlderCounter,
            InstallError::Slots(UpdateError::NoRoom { .. }) => Refusal::NoSpace,
            InstallError::Slots(UpdateError::NotNow { .. }) => Refusal::Busy,
            InstallError::Slots(UpdateError::Incomplete { .. } | UpdateError::BadPlan { .. }) => Refusal::Unusable,
            _ => {
                return match error {
                    InstallError::Slots(error) => self.failed(error),
                    InstallError::Bundle(error) => BoardError::Bundle { path: bundle.path().to_owned(), error },
                    InstallError::Read(error) => BoardError::Read { path: bundle.path().to_owned(), error },
                    other => wrong(other.to_string(), "`mtcae inspect` shows what is in the bundle"),
                };
            }
        };
        self.refuse(bundle, refusal, error.to_string())
    }
}

/// Where `path`, absolute on the board, is here. A link must not lead out of the board's file system into this machine's.
fn below(root: &Path, path: &str) -> Result<PathBuf, BoardError> {
    inside(root, root.join(path.trim_start_matches('/')))
}

fn inside(root: &Path, full: PathBuf) -> Result<PathBuf, BoardError> {
    let mut there = full.as_path();
    while !there.exists() && there != root {
        there = there.parent().unwrap_or(root);
    }
    match there.canonicalize() {
        Ok(real) if real.starts_with(root) => Ok(full),
        Ok(real) => {
            let reason = format!("{} leads out of the mounted root, to {}", there.display(), real.display());
            Err(wrong(reason, "mount what it links to below that root as well"))
        }
        Err(error) => Err(wrong(format!("cannot open {}: {error}", there.display()), "may you read it?")),
    }
}

/// No link is one of the slots' own, and whoever empties a folder behind one empties a folder of this machine.
fn refuse_links(folder: &Path) -> Result<(), BoardError> {
    let failed = |error| wrong(format!("cannot list {}: {error}", folder.display()), "may you read it?");
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_symlink() {
            let reason = format!("{} is a link, and nothing among the slots may be one", entry.path().display());
            return Err(wrong(reason, "remove it; the slots make their own folders and files"));
        }
    }
    Ok(())
}

fn board_file(root: &Path) -> Result<Option<Board>, BoardError> {
    let path = below(root, BOARD_FILE)?;
    let failed = |error: &dyn std::fmt::Display| {
        wrong(format!("cannot read {}: {error}", path.display()), "its keys are in board-configs/README.md")
    };
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed(&error))?,
    };
    let mut text = String::new();
    file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    let help = "its keys are in board-configs/README.md";
    load(&path.display().to_string(), &text).map(Some).map_err(|error| wrong(error.to_string(), help))
}

/// The processor in an ELF header; `None` when there is no such file, or no program in it.
fn machine_of(path: &Path) -> Option<u16> {
    let mut head = [0; 20];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).ok()?;
    head.starts_with(b"\x7fELF").then(|| u16::from_le_bytes([head[18], head[19]]))
}

/// A file that fails once somebody asks to stop.
struct Stoppable<'a> {
    file: File,
    stop: &'a AtomicBool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        self.file.read(buffer)
    }
}

impl Seek for Stoppable<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}
