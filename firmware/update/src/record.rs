//! The one small record that says what runs; replacing it is the only moment at which that changes.
//!
//! Two files take turns, so that one of them may be damaged: the newest whole one counts. A slot that a record names is
//! emptied only after a later record, which no longer names it, is durable.

use crate::frame::{decode, encode};
use crate::store::{read_small, replace_small};
use crate::table::next;
use crate::{Confirm, Digest, Event, Kind, Next, Pair, Slot, State, Store, StoreError, UpdateError};
use serde::{Deserialize, Serialize};
use std::fmt;

const MAGIC: [u8; 4] = *b"MTS1";
const FILES: [&str; 2] = ["slots.0", "slots.1"];
const TEMPORARY: &str = "slots.new";
/// Longest record.
const LIMIT: u64 = 1024;

/// Why a version was gone back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// It was started [`crate::MAX_STARTS`] times and never confirmed.
    Starts,
    /// Its self-test answered wrongly.
    SelfTest,
    /// The user wanted it.
    User,
    /// Its slot was damaged.
    Damage,
}

/// How the last update, or whatever came after it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// There was none.
    None,
    /// The new version was confirmed.
    Confirmed,
    /// The board went back to the version before.
    RolledBack(Why),
    /// It was dropped by the user.
    Abandoned,
    /// It was dropped because it read back differently.
    Differed,
    /// Both copies of the record were lost; it was made anew from what the slots hold.
    Rebuilt,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::None => "none",
            Outcome::Confirmed => "confirmed",
            Outcome::RolledBack(Why::Starts) => "went back: three starts and no good self-test",
            Outcome::RolledBack(Why::SelfTest) => "went back: the self-test answered wrongly",
            Outcome::RolledBack(Why::User) => "went back: the user wanted it",
            Outcome::RolledBack(Why::Damage) => "went back: the slot was damaged",
            Outcome::Abandoned => "dropped by the user",
            Outcome::Differed => "dropped: it read back differently",
            Outcome::Rebuilt => "the record was lost and made anew from the slots",
        })
    }
}

/// What an update at work keeps in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Update {
    /// Of its plan.
    pub id: Digest,
    /// What starts once it is switched to.
    pub pair: Pair,
    pub confirm: Confirm,
    /// A permit was needed for it.
    pub permitted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    None,
    Writing(Update),
    Ready(Update),
    Trial { update: Update, starts: u8, held: bool },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub generation: u64,
    /// What starts unless something is on trial.
    pub confirmed: Option<Pair>,
    /// What was confirmed before, as long as its slots are untouched.
    pub previous: Option<Pair>,
    pub work: Work,
    /// Digest of each slot's seal, by kind and slot; `None` is a slot that holds nothing whole.
    pub seals: [[Option<Digest>; 2]; 2],
    /// Lowest security counter accepted, by kind.
    pub lowest: [u64; 2],
    pub last: Outcome,
}

impl Record {
    pub fn empty() -> Record {
        Record {
            generation: 0,
            confirmed: None,
            previous: None,
            work: Work::None,
            seals: [[None; 2]; 2],
            lowest: [0; 2],
            last: Outcome::None,
        }
    }

    pub fn state(&self) -> State {
        match (&self.work, self.confirmed) {
            (Work::Writing(_), _) => State::Writing,
            (Work::Ready(_), _) => State::Ready,
            (Work::Trial { .. }, _) => State::Trial,
            (Work::None, Some(_)) => State::Running,
            (Work::None, None) => State::Empty,
        }
    }

    pub fn seal(&self, kind: Kind, slot: Slot) -> Option<Digest> {
        self.seals[kind.index()][slot.index()]
    }

    /// The update at work.
    pub fn update(&self) -> Option<&Update> {
        match &self.work {
            Work::None => None,
            Work::Writing(update) | Work::Ready(update) | Work::Trial { update, .. } => Some(update),
        }
    }

    /// Forgets what `pair` holds of `kinds`, and the way back if it went there.
    pub fn forget(&mut self, pair: Pair, kinds: &[Kind]) {
        for kind in kinds {
            self.seals[kind.index()][pair.slot(*kind).index()] = None;
            if self.previous.is_some_and(|previous| previous.slot(*kind) == pair.slot(*kind)) {
                self.previous = None;
            }
        }
    }
}

/// Whether the table has `event` in this state.
pub(crate) fn allow(record: &Record, event: Event) -> Result<Next, UpdateError> {
    next(record.state(), event).ok_or_else(|| crate::error::not_now(record.state(), event))
}

/// The newest whole record; `Ok(None)` when no file of one is there, and `Corrupt` when there are only damaged ones.
pub(crate) fn load<S: Store>(store: &mut S) -> Result<Option<Record>, StoreError> {
    let mut newest: Option<Record> = None;
    let mut damaged = None;
    for file in FILES {
        let Some(len) = store.len(file)? else { continue };
        let found = match read_small(store, file, LIMIT)? {
            Some(bytes) => decode::<Record>(MAGIC, &bytes),
            None => Err("too long"),
        };
        match found {
            Ok(record) if newest.as_ref().is_none_or(|other| other.generation < record.generation) => {
                newest = Some(record);
            }
            Ok(_) => {}
            Err(what) => {
                let what = format!("{what} ({len} bytes)");
                damaged = Some(StoreError::Corrupt { path: file.to_owned(), what });
            }
        }
    }
    match (newest, damaged) {
        (None, Some(error)) => Err(error),
        (newest, _) => Ok(newest),
    }
}

/// Makes `new` the record, as `event` of the table does, and counts its generation.
///
/// # Errors
/// `Bug` when the table leads elsewhere; of the store, after which the record is the old or the new one.
pub(crate) fn commit<S: Store>(
    store: &mut S,
    old: &Record,
    event: Event,
    mut new: Record,
) -> Result<Record, UpdateError> {
    let fits = match allow(old, event)? {
        Next::To(state) => new.state() == state,
        Next::Rest => matches!(new.state(), State::Running | State::Empty),
    };
    if !fits {
        let text = format!("{event} led from {} to {}, which the table does not have", old.state(), new.state());
        return Err(UpdateError::Bug(text));
    }
    new.generation = old.generation + 1;
    save(store, &new)?;
    Ok(new)
}

pub(crate) fn save<S: Store>(store: &mut S, record: &Record) -> Result<(), StoreError> {
    let file = FILES[(record.generation % 2) as usize];
    replace_small(store, "", file, TEMPORARY, &encode(MAGIC, record))
}
