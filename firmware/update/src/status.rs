//! What the slots hold, for those who ask; nothing here writes.

use crate::record::{Outcome, Record, Why, Work};
use crate::seal::{self, Seal};
use crate::{Digest, Kind, Pair, Slot, State, Store, UpdateError, Updater};

/// A version in its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Where it is.
    pub pair: Pair,
    /// Names of the model's and the daemon's version; `?` when a seal cannot be read.
    pub names: [String; 2],
}

/// How far what a slot holds is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Whole, and never started.
    Ready,
    /// On trial.
    Trial,
    /// Confirmed, now or before; it cannot always be gone back to.
    Confirmed,
    /// Given up; it is not started again.
    Failed,
}

/// What one slot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name of the version.
    pub version: String,
    /// Its security counter.
    pub counter: u64,
    /// SHA-256 of the file it came in.
    pub origin: Digest,
    /// How far it is trusted.
    pub standing: Standing,
}

/// What a board's slots are at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// What starts unless something is on trial.
    pub confirmed: Option<Version>,
    /// What can be gone back to.
    pub previous: Option<Version>,
    /// What is on trial, or ready for it.
    pub new: Option<Version>,
    /// How many times the version on trial was started.
    pub starts: u8,
    /// The version on trial passed its self-test and waits for the user.
    pub held: bool,
    /// Lowest security counter accepted of a model and of a daemon.
    pub lowest: [u64; 2],
    /// How the last update ended.
    pub last: Outcome,
}

impl<S: Store> Updater<S> {
    /// What the slots are at. Writes nothing.
    ///
    /// # Errors
    /// Of the store.
    pub fn status(&mut self) -> Result<Status, UpdateError> {
        let record = self.record()?;
        let (starts, held) = match record.work {
            Work::Trial { starts, held, .. } => (starts, held),
            _ => (0, false),
        };
        let new = record.update().filter(|_| !matches!(record.work, Work::Writing(_))).map(|update| update.pair);
        Ok(Status {
            state: record.state(),
            confirmed: self.version(record.confirmed)?,
            previous: self.version(record.previous)?,
            new: self.version(new)?,
            starts,
            held,
            lowest: record.lowest,
            last: record.last,
        })
    }

    /// What each slot holds, by kind and slot; `None` is a slot that holds nothing whole, or is being written. Writes
    /// nothing.
    ///
    /// # Errors
    /// Of the store.
    pub fn slots(&mut self) -> Result<[[Option<Held>; 2]; 2], UpdateError> {
        let record = self.record()?;
        let mut slots = [const { [const { None }; 2] }; 2];
        for kind in Kind::ALL {
            let mut seals = [const { None }; 2];
            for slot in Slot::ALL {
                let seal = seal::read(&mut self.store, kind, slot)?.filter(|_| record.seal(kind, slot).is_some());
                seals[slot.index()] = seal.map(|(seal, _)| seal);
            }
            let sequences = seals.each_ref().map(|seal| seal.as_ref().map(|seal| seal.sequence));
            for (slot, seal) in Slot::ALL.into_iter().zip(seals) {
                let Some(Seal { version, counter, origin, .. }) = seal else { continue };
                let followed = sequences[slot.other().index()] > sequences[slot.index()];
                let standing = standing(&record, kind, slot, followed);
                slots[kind.index()][slot.index()] = Some(Held { version, counter, origin, standing });
            }
        }
        Ok(slots)
    }

    /// Name of the version, when all that the file with the SHA-256 `origin` brought is confirmed and runs; a later update of
    /// one kind may have taken the place of half of it. Writes nothing.
    ///
    /// # Errors
    /// Of the store.
    pub fn confirmed_from(&mut self, origin: Digest) -> Result<Option<String>, UpdateError> {
        let record = self.record()?;
        let Some(confirmed) = record.confirmed else { return Ok(None) };
        let (mut runs, mut brought) = (Vec::new(), None);
        for kind in Kind::ALL {
            let slot = confirmed.slot(kind);
            let seal = seal::read(&mut self.store, kind, slot)?.filter(|(seal, _)| seal.origin == origin);
            if let Some((seal, _)) = seal.filter(|_| record.seal(kind, slot).is_some()) {
                runs.push(kind);
                brought = Some(seal);
            }
        }
        let all = brought.filter(|seal| seal.kinds.iter().all(|kind| runs.contains(kind)));
        Ok(all.map(|seal| seal.version))
    }

    fn version(&mut self, pair: Option<Pair>) -> Result<Option<Version>, UpdateError> {
        let Some(pair) = pair else { return Ok(None) };
        let mut names = [const { String::new() }; 2];
        for (kind, name) in Kind::ALL.into_iter().zip(&mut names) {
            let seal = seal::read(&mut self.store, kind, pair.slot(kind))?;
            *name = seal.map_or_else(|| "?".to_owned(), |(seal, _)| seal.version);
        }
        Ok(Some(Version { pair, names }))
    }
}

/// `followed`: what the other slot holds came after it.
fn standing(record: &Record, kind: Kind, slot: Slot, followed: bool) -> Standing {
    let holds = |pair: Option<Pair>| pair.is_some_and(|pair| pair.slot(kind) == slot);
    let new = record.update().map(|update| update.pair);
    match record.work {
        _ if holds(record.confirmed) => Standing::Confirmed,
        Work::Ready(_) if holds(new) => Standing::Ready,
        Work::Trial { .. } if holds(new) => Standing::Trial,
        _ if holds(record.previous) => Standing::Confirmed,
        // An update goes beside what is confirmed: this was, until that update took its place.
        _ if followed && record.last != Outcome::RolledBack(Why::Damage) => Standing::Confirmed,
        _ => Standing::Failed,
    }
}
