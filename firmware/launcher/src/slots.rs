//! The slots in a directory: opened for one look or one change at a time, so that daemon and tools get their turn.

use crate::error::LaunchError;
use mtcae_drivers::DirStore;
use mtcae_update::{Choice, Depth, MAX_STARTS, Permit, State, Status, StoreError, Updater, Version};
use std::fmt::Write as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Tries to open slots that another program holds, and the time between them.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// Slots are made by whoever provisions the board, and by no slip of the pen.
///
/// # Errors
/// When there are none at `root`.
pub fn there(root: &Path) -> Result<(), LaunchError> {
    if root.is_dir() { Ok(()) } else { Err(LaunchError::NoSlots(root.display().to_string())) }
}

fn open(root: &Path) -> Result<Updater<DirStore>, LaunchError> {
    for _ in 1..TRIES {
        match DirStore::open(root) {
            Err(StoreError::Busy { .. }) => sleep(BETWEEN),
            result => return Ok(Updater::new(result?)),
        }
    }
    Ok(Updater::new(DirStore::open(root)?))
}

/// What starts now. A root that cannot be written to is only read: the confirmed version starts from there, too.
pub fn choose(root: &Path, depth: Depth) -> Result<Choice, LaunchError> {
    match open(root) {
        Ok(mut updater) => Ok(updater.choose(depth)?),
        Err(LaunchError::Slots(mtcae_update::UpdateError::Store(error))) => match DirStore::reader(root) {
            Ok(reader) => Ok(Updater::new(reader).choose(depth)?),
            Err(_) => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// Whether nobody waits for the running version to prove itself.
pub fn settled(root: &Path) -> Result<bool, LaunchError> {
    let status = Updater::new(DirStore::reader(root)?).status()?;
    Ok(status.state != State::Trial || status.held)
}

pub fn confirm(root: &Path) -> Result<(), LaunchError> {
    there(root)?;
    Ok(open(root)?.confirm()?)
}

pub fn rollback(root: &Path, permit: Option<&Permit>) -> Result<(), LaunchError> {
    there(root)?;
    Ok(open(root)?.rollback(permit)?)
}

/// What the slots hold, a line for each thing.
pub fn status(root: &Path) -> Result<String, LaunchError> {
    there(root)?;
    let status = Updater::new(DirStore::reader(root)?).status()?;
    Ok(shown(&status))
}

fn shown(status: &Status) -> String {
    let mut text = format!("state:     {}\n", status.state);
    let version = |version: &Option<Version>| match version {
        None => "none".to_owned(),
        Some(Version { pair, names: [model, daemon] }) => {
            format!("daemon {daemon} in {}, model {model} in {}", pair.daemon_folder(), pair.model_folder())
        }
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "confirmed: {}", version(&status.confirmed));
    let _ = writeln!(text, "before it: {}", version(&status.previous));
    if status.new.is_some() {
        let _ = writeln!(text, "new:       {}", version(&status.new));
    }
    if status.state == State::Trial {
        let held = if status.held { ", passed its self-test, waits for `confirm`" } else { "" };
        let _ = writeln!(text, "starts:    {} of {MAX_STARTS}{held}", status.starts);
    }
    let [model, daemon] = status.lowest;
    let _ = writeln!(text, "counters:  model {model} or more, daemon {daemon} or more");
    let _ = writeln!(text, "last:      {}", status.last);
    text
}
