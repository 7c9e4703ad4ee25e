//! A board whose disk is mounted here.

use crate::blob::sum;
use crate::found::{Found, State, TrustedFile};
use crate::item::{Item, Kind, Owner};
use crate::layout::{DEVICE_KEY, DEVICE_PUBLIC, LINE_PUBLIC, TRUSTED, beside};
use crate::{Action, Blob, Done, Owners, Place, Plan, Processor, ProvisionError, Step, Watch};
use mtcae_bundle::{DeviceKey, KeyError, read_public, read_secret};
use rustix::fs::syncfs;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown, symlink};
use std::path::{Path, PathBuf};

/// Longest first line of a public key's file that is looked at, bytes.
const MAX_LINE: u64 = 200;
/// Programs that a system has, one of which tells its processor.
const PROGRAMS: [&str; 4] = ["usr/bin/env", "usr/bin/dash", "usr/bin/bash", "usr/bin/busybox"];
/// Files in the folder of trusted keys that are read, as many as the firmware reads.
const MAX_NAMES: usize = 128;

/// The mounted root of a board's disk.
pub struct Root {
    folder: PathBuf,
    sets_owners: bool,
}

impl Root {
    /// The root mounted at `folder`. Without `sets_owners` the files stay whose they come out to be.
    ///
    /// # Errors
    /// `NoSystem` when there is no Linux system.
    pub fn new(folder: &Path, sets_owners: bool) -> Result<Root, ProvisionError> {
        let place = folder.display().to_string();
        for name in ["etc", "usr"] {
            if !folder.join(name).is_dir() {
                return Err(ProvisionError::NoSystem { place, reason: format!("it has no folder {name}") });
            }
        }
        Ok(Root { folder: folder.to_owned(), sets_owners })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    /// An absolute link in a mounted root leads into this machine.
    fn refuse_links_above(&self, path: &str) -> Result<(), ProvisionError> {
        for (at, _) in path.match_indices('/').skip(1) {
            let above = &path[..at];
            if self.at(above).symlink_metadata().is_ok_and(|about| about.is_symlink()) {
                return Err(ProvisionError::Linked { path: above.to_owned() });
            }
        }
        Ok(())
    }

    fn state(&self, path: &str) -> Result<State, ProvisionError> {
        let place = self.at(path);
        let unreadable = |error| ProvisionError::Read { path: place.clone(), error };
        let about = match place.symlink_metadata() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(State::Absent);
            }
            about => about.map_err(unreadable)?,
        };
        let (mode, owner) = (about.mode() & 0o7777, (about.uid(), about.gid()));
        Ok(if about.is_symlink() {
            State::Link(fs::read_link(&place).map_err(unreadable)?.to_string_lossy().into_owned())
        } else if about.is_dir() {
            State::Folder { mode, owner }
        } else if about.is_file() {
            let (sha256, _) = File::open(&place).and_then(|mut file| sum(&mut file)).map_err(unreadable)?;
            State::File { mode, owner, sha256 }
        } else {
            State::Other
        })
    }

    /// User and group of the service, when the system knows it.
    fn service(&self) -> Option<(u32, u32)> {
        let users = fs::read_to_string(self.folder.join("etc/passwd")).ok()?;
        let mut words = users.lines().find(|line| line.starts_with("mtcae:"))?.split(':').skip(2);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    }

    /// Where that really is, unless a link leads out of the root into this machine.
    fn within(&self, place: &Path) -> Option<PathBuf> {
        let real = place.canonicalize().ok()?;
        real.starts_with(self.folder.canonicalize().ok()?).then_some(real)
    }

    fn trusted(&self, name: String) -> TrustedFile {
        let place = self.at(TRUSTED).join(&name);
        let mut file = TrustedFile { name, text: None };
        if file.counts() {
            file.text = self.within(&place).filter(|real| real.is_file()).and_then(|real| read_public(&real).ok());
        }
        file
    }

    fn first_line(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        File::open(self.at(path)).ok()?.take(MAX_LINE).read_to_string(&mut text).ok()?;
        text.lines().next().map(str::to_owned)
    }
}

impl Place for Root {
    fn look(&mut self, paths: &BTreeSet<String>) -> Result<Found, ProvisionError> {
        let mut found = Found { service: self.service(), ..Found::default() };
        for path in paths {
            self.refuse_links_above(path)?;
            found.states.insert(path.clone(), self.state(path)?);
        }
        let mut programs = PROGRAMS.iter().filter_map(|program| self.within(&self.folder.join(program)));
        found.processor = programs.find_map(|program| Processor::of_program(&program));
        for path in [DEVICE_PUBLIC, LINE_PUBLIC] {
            found.lines.extend(self.first_line(path).map(|line| (path.to_owned(), line)));
        }
        let names = fs::read_dir(self.at(TRUSTED)).into_iter().flatten().flatten().take(MAX_NAMES);
        found.trusted = names.map(|entry| self.trusted(entry.file_name().to_string_lossy().into_owned())).collect();
        found.trusted.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn owners(&self, found: &Found) -> Owners {
        if self.sets_owners { Owners::Numbers(found.service.unwrap_or((0, 0))) } else { Owners::Left }
    }

    fn runs(&self) -> bool {
        false
    }

    fn device_key(&self) -> Result<Option<DeviceKey>, ProvisionError> {
        let path = self.at(DEVICE_KEY);
        match read_secret(&path).and_then(|text| DeviceKey::from_secret_text(&text)) {
            Ok(key) => Ok(Some(key)),
            Err(KeyError::File { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(KeyError::File { path, error }) => Err(ProvisionError::Read { path, error }),
            Err(error) => Err(ProvisionError::Read { path, error: io::Error::other(error) }),
        }
    }

    fn apply(&mut self, plan: &Plan, watch: &mut Watch<'_>) -> Result<(), ProvisionError> {
        if self.sets_owners && !rustix::process::geteuid().is_root() {
            return Err(ProvisionError::NotRoot { place: self.folder.display().to_string() });
        }
        let mut done = Done { bytes: 0, of: plan.bytes() };
        for (number, step) in plan.steps.iter().enumerate() {
            let mut hand = Hand { root: self, owners: plan.owners, done, watch: &mut *watch };
            hand.take(step).map_err(|stop| match stop {
                Stop::Asked => ProvisionError::Stopped,
                Stop::Failed(error) => ProvisionError::Step {
                    step: number + 1,
                    of: plan.steps.len(),
                    what: format!("{} {}", step.item.what, step.item.path),
                    reason: error.to_string(),
                },
            })?;
            done.bytes += step.puts().map_or(0, Blob::len);
        }
        let found = self.look(&plan.paths())?;
        plan.verify(&found, self.owners(&found))
    }
}

/// Why a step is not done.
enum Stop {
    Asked,
    Failed(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Failed(error)
    }
}

/// What a step is done with.
struct Hand<'a, 'w> {
    root: &'a Root,
    owners: Owners,
    done: Done,
    watch: &'a mut Watch<'w>,
}

impl Hand<'_, '_> {
    /// Before every change.
    fn ask(&mut self) -> Result<(), Stop> {
        if (self.watch)(self.done).is_break() { Err(Stop::Asked) } else { Ok(()) }
    }

    fn take(&mut self, Step { action, item }: &Step) -> Result<(), Stop> {
        let place = self.root.at(&item.path);
        let new = self.root.at(&beside(&item.path));
        if !item.path.is_empty()
            && let Ok(about) = new.symlink_metadata()
        {
            // Of a run that was cut.
            self.ask()?;
            if about.is_dir() { fs::remove_dir(&new)? } else { fs::remove_file(&new)? }
        }
        if *action == Action::Fine {
            return Ok(());
        }
        self.ask()?;
        match (&item.kind, action) {
            (Kind::Folder, Action::Create) => {
                DirBuilder::new().mode(0o700).create(&new)?;
                self.ask()?;
                self.attributes(item, &new)?;
                self.ask()?;
                fs::rename(&new, &place)?;
            }
            (Kind::File(blob), Action::Create | Action::Replace) => self.put(item, blob, &new, &place)?,
            (Kind::Link(to), Action::Create | Action::Replace) => {
                symlink(to, &new)?;
                self.ask()?;
                fs::rename(&new, &place)?;
            }
            (_, Action::Attributes) => self.attributes(item, &place)?,
            (Kind::Nothing, Action::Remove) => {
                // All of it is on the disk before nothing is left that says otherwise.
                syncfs(File::open(&self.root.folder)?).map_err(io::Error::from)?;
                self.ask()?;
                fs::remove_file(&place)?;
                sync_folder_of(&place)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, item: &Item, blob: &Blob, new: &Path, place: &Path) -> Result<(), Stop> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
        self.ask()?;
        io::copy(&mut blob.open()?, &mut file)?;
        self.ask()?;
        if let Some((user, group)) = self.numbers(item.owner) {
            fchown(&file, Some(user), Some(group))?;
        }
        file.set_permissions(Permissions::from_mode(item.mode))?;
        file.sync_all()?;
        self.ask()?;
        fs::rename(new, place)?;
        Ok(sync_folder_of(place)?)
    }

    fn attributes(&mut self, item: &Item, place: &Path) -> Result<(), Stop> {
        if let Some((user, group)) = self.numbers(item.owner) {
            lchown(place, Some(user), Some(group))?;
            self.ask()?;
        }
        Ok(fs::set_permissions(place, Permissions::from_mode(item.mode))?)
    }

    fn numbers(&self, owner: Owner) -> Option<(u32, u32)> {
        match (self.owners, owner) {
            (Owners::Left, _) => None,
            (Owners::Numbers(service), Owner::Service) => Some(service),
            _ => Some((0, 0)),
        }
    }
}

fn sync_folder_of(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
