//! The first version of a board: a bundle installed into slots of this machine, to be copied.

use crate::item::{Item, Owner};
use crate::layout::{RECORDS, SLOTS};
use crate::{Blob, Processor, ProvisionError};
use mtcae_drivers::DirStore;
use mtcae_install::{InstallError, Rules, install};
use mtcae_update::{DAEMON_FILE, DIRECTORIES, StoreError, UpdateError, Updater, is_program};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Slots that hold a version and are about to start it on trial, as a board without one gets them.
pub struct FirstVersion {
    /// Its name.
    pub version: String,
    /// Path on the board and content; the record last.
    files: Vec<(String, Blob)>,
}

impl FirstVersion {
    /// Installs the bundle at `bundle` into new slots in the empty folder `stage`, which has to stay until the board has
    /// them. `progress` is told the bytes written, of how many.
    ///
    /// # Errors
    /// When the bundle is not for this board, does not hold a model and a daemon, or the folder fails.
    pub fn stage(
        stage: &Path,
        bundle: &Path,
        rules: &Rules<'_>,
        processor: Processor,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<FirstVersion, ProvisionError> {
        let mut source = File::open(bundle).map_err(unreadable(bundle))?;
        let mut updater = Updater::new(DirStore::open(stage).map_err(store)?);
        let installed = install(&mut updater, &mut source, rules, progress)?;
        let before = records(stage)?;
        updater.switch().map_err(InstallError::from)?;
        let after = records(stage)?;
        drop(updater);
        let mut files = slot_files(stage)?;
        let program = stage.join("daemon-a").join(DAEMON_FILE);
        match Processor::of_program(&program) {
            Some(found) if found == processor => {}
            Some(found) => {
                let what = format!("the daemon of {}", bundle.display());
                return Err(ProvisionError::Processor { what, found, accepted: processor.to_string() });
            }
            None => return Err(ProvisionError::NoProgram { path: program }),
        }
        // The newest record will do, and two could not get there at once.
        let newest = (0..RECORDS.len()).find(|&at| before[at] != after[at]);
        files.extend(newest.and_then(|at| Some((RECORDS[at].to_owned(), Blob::bytes(after[at].clone()?)))));
        Ok(FirstVersion { version: installed.plan.version, files })
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = String> + '_ {
        self.files.iter().map(|(path, _)| path.clone())
    }

    pub(crate) fn into_items(self) -> impl Iterator<Item = Item> {
        let version = self.version;
        self.files.into_iter().map(move |(path, blob)| {
            let mode = if is_program(&path) { 0o755 } else { 0o644 };
            Item::file(&version, &path, blob).mode(mode).owner(Owner::Service)
        })
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> ProvisionError + '_ {
    move |error| ProvisionError::Read { path: path.to_owned(), error }
}

fn store(error: StoreError) -> ProvisionError {
    ProvisionError::First(UpdateError::from(error).into())
}

/// The bytes of both records.
fn records(stage: &Path) -> Result<[Option<Vec<u8>>; 2], ProvisionError> {
    let read = |record: &str| {
        let path = stage.join(record.trim_start_matches(SLOTS).trim_start_matches('/'));
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&path)(error)),
        }
    };
    Ok([read(RECORDS[0])?, read(RECORDS[1])?])
}

/// Every file of the slots, a slot's seal behind what it seals.
fn slot_files(stage: &Path) -> Result<Vec<(String, Blob)>, ProvisionError> {
    let mut files = Vec::new();
    for folder in DIRECTORIES {
        let path = stage.join(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(unreadable(&path))? {
            names.push(entry.map_err(unreadable(&path))?.file_name().to_string_lossy().into_owned());
        }
        names.sort_by_key(|name| (name == "seal", name.clone()));
        for name in names {
            let blob = Blob::file(&path.join(&name))?;
            files.push((format!("{SLOTS}/{folder}/{name}"), blob));
        }
    }
    Ok(files)
}
