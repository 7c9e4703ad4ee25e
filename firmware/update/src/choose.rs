//! Which version starts, decided anew before each start.

use crate::record::{Record, Why, Work, commit, save};
use crate::seal::{self, Depth};
use crate::table::MAX_STARTS;
use crate::updater::went_back;
use crate::{Event, Kind, Pair, Store, StoreError, UpdateError, Updater, record};

/// What the launcher does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It starts a version.
    Start {
        /// Where it is.
        pair: Pair,
        /// The start's number when the version is on trial, from 1 to [`MAX_STARTS`]; it is counted already.
        trial: Option<u8>,
        /// What else there is to say.
        note: Option<Note>,
    },
    /// It starts nothing.
    Nothing(WhyNothing),
}

/// What else there is to say of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The version on trial was given up.
    WentBack(Why),
    /// The confirmed version is damaged; the one before it starts.
    Replaced(String),
    /// The version on trial was not started, because its start could not be counted or its slot not be read; the
    /// confirmed one starts. The trial goes on when the medium works again.
    Postponed(StoreError),
    /// The only version there is starts, although its start could not be counted or its slot not be read.
    Anyway(StoreError),
}

/// Why nothing can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNothing {
    /// Nothing was ever installed, or the first update is not ready.
    Empty,
    /// Every version is damaged; the text says how the confirmed one is.
    Damaged(String),
}

impl<S: Store> Updater<S> {
    /// Says which version starts now, having counted the start of one on trial and given up one that had its starts.
    /// The launcher looks at every byte once after power-on, and at the lengths when it starts a version again.
    ///
    /// A medium that cannot be written to does not keep a confirmed version from starting.
    ///
    /// # Errors
    /// Of the store, when the record cannot be read; try again.
    pub fn choose(&mut self, depth: Depth) -> Result<Choice, UpdateError> {
        let known = record::load(&mut self.store);
        let record = self.record()?;
        if !matches!(known, Ok(Some(_))) && record.confirmed.is_some() {
            // It is made anew each time until it can be written.
            let _ = save(&mut self.store, &record);
        }
        match (&record.work, record.confirmed) {
            (Work::Trial { starts, update, .. }, None) => self.first_trial(&record, update.pair, *starts, depth),
            (Work::Trial { starts, update, .. }, Some(kept)) => self.trial(&record, update.pair, kept, *starts, depth),
            (_, Some(kept)) => self.start_confirmed(&record, kept, depth, None),
            (_, None) => Ok(Choice::Nothing(WhyNothing::Empty)),
        }
    }

    /// There is nothing to go back to, so it is started for as long as it takes.
    fn first_trial(&mut self, record: &Record, pair: Pair, starts: u8, depth: Depth) -> Result<Choice, UpdateError> {
        let starts = (starts + 1).min(MAX_STARTS);
        let trial = Some(starts);
        let found = self.fault_of(record, pair, depth);
        if let Ok(Some(what)) = found {
            return Ok(Choice::Nothing(WhyNothing::Damaged(what)));
        }
        let counted = match found {
            Ok(_) => self.count(record, starts),
            Err(error) => Err(error.into()),
        };
        match counted {
            Ok(()) => Ok(Choice::Start { pair, trial, note: None }),
            Err(UpdateError::Store(error)) => Ok(Choice::Start { pair, trial, note: Some(Note::Anyway(error)) }),
            Err(error) => Err(error),
        }
    }

    fn trial(
        &mut self,
        record: &Record,
        pair: Pair,
        kept: Pair,
        starts: u8,
        depth: Depth,
    ) -> Result<Choice, UpdateError> {
        if starts >= MAX_STARTS {
            return self.give_up(record, kept, Event::Exhausted, Why::Starts, depth);
        }
        match self.fault_of(record, pair, depth) {
            Ok(None) => {}
            Ok(Some(_)) => return self.give_up(record, kept, Event::Damaged, Why::Damage, depth),
            Err(error) => return self.start_confirmed(record, kept, depth, Some(Note::Postponed(error))),
        }
        match self.count(record, starts + 1) {
            Ok(()) => Ok(Choice::Start { pair, trial: Some(starts + 1), note: None }),
            Err(UpdateError::Store(error)) => self.start_confirmed(record, kept, depth, Some(Note::Postponed(error))),
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, record: &Record, counted: u8) -> Result<(), UpdateError> {
        let mut new = record.clone();
        if let Work::Trial { starts, .. } = &mut new.work {
            *starts = counted;
        }
        commit(&mut self.store, record, Event::Start, new).map(|_| ())
    }

    /// Starts the confirmed version in place of the one on trial, even when that cannot be recorded.
    fn give_up(
        &mut self,
        record: &Record,
        kept: Pair,
        event: Event,
        why: Why,
        depth: Depth,
    ) -> Result<Choice, UpdateError> {
        let record = match commit(&mut self.store, record, event, went_back(record, why)) {
            Ok(new) => new,
            Err(UpdateError::Store(_)) => record.clone(),
            Err(error) => return Err(error),
        };
        self.start_confirmed(&record, kept, depth, Some(Note::WentBack(why)))
    }

    fn start_confirmed(
        &mut self,
        record: &Record,
        kept: Pair,
        depth: Depth,
        note: Option<Note>,
    ) -> Result<Choice, UpdateError> {
        let found = self.fault_of(record, kept, depth);
        if let Ok(None) = found {
            return Ok(Choice::Start { pair: kept, trial: None, note });
        }
        let spare = record.previous.filter(|pair| self.fault_of(record, *pair, Depth::Bytes) == Ok(None));
        match (found, spare) {
            (Err(error), _) => Ok(Choice::Start { pair: kept, trial: None, note: Some(Note::Anyway(error)) }),
            (Ok(what), Some(spare)) => self.replace(record, spare, what.unwrap_or_default()),
            (Ok(what), None) => Ok(Choice::Nothing(WhyNothing::Damaged(what.unwrap_or_default()))),
        }
    }

    /// The version before the confirmed one takes its place, even when that cannot be recorded. Its counter may be an
    /// older one: a board that runs comes first, and who can damage a slot can do worse.
    fn replace(&mut self, record: &Record, spare: Pair, what: String) -> Result<Choice, UpdateError> {
        let mut new = went_back(record, Why::Damage);
        new.confirmed = Some(spare);
        new.previous = None;
        match commit(&mut self.store, record, Event::Damaged, new) {
            Ok(_) | Err(UpdateError::Store(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(Choice::Start { pair: spare, trial: None, note: Some(Note::Replaced(what)) })
    }

    /// What is wrong with a pair's slots.
    fn fault_of(&mut self, record: &Record, pair: Pair, depth: Depth) -> Result<Option<String>, StoreError> {
        for kind in Kind::ALL {
            let slot = pair.slot(kind);
            if let Some(what) = seal::fault(&mut self.store, kind, slot, record.seal(kind, slot), depth)? {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }
}
