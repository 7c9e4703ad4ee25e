//! From an offered update to a confirmed version, and back.

use crate::error::check_counter;
use crate::journal::{self, Layout, Progress, WINDOW, Writer};
use crate::record::{self, Outcome, Record, Update, Why, Work, allow, commit};
use crate::seal::{self, Depth, Seal};
use crate::slot::folder;
use crate::{Confirm, Digest, Event, Kind, Pair, Permit, Plan, Slot, State, Store, StoreError, UpdateError, rebuild};

const JOURNAL: &str = "journal";
/// Room for records, seals and the journal, beyond an update's own bytes.
const MARGIN: u64 = 64 * 1024;

/// How the self-test of a version ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The reference clip gave the reference answer on this board's engine, the camera opened, a sink answered.
    Good,
    /// The reference clip gave another answer.
    Wrong,
    /// It came to no end: no frames, no sink, no time.
    Unfinished,
}

/// The slots of one board. Every call reads the record anew, so a daemon, a launcher and a tool may take turns; the
/// store keeps them from working at once.
pub struct Updater<S> {
    pub(crate) store: S,
    window: u64,
    session: Option<Session>,
}

struct Session {
    plan: Plan,
    /// `None` when everything has been written and read back.
    writer: Option<Writer>,
}

impl<S: Store> Updater<S> {
    /// The slots in `store`. Nothing is read or written yet.
    pub fn new(store: S) -> Updater<S> {
        Updater { store, window: WINDOW, session: None }
    }

    /// Takes another window than [`WINDOW`], from [`crate::MIN_WINDOW`] to [`crate::MAX_WINDOW`] bytes.
    pub fn with_window(mut self, window: u64) -> Updater<S> {
        self.window = window;
        self
    }

    /// The store.
    pub fn into_store(self) -> S {
        self.store
    }

    /// The store, for what is not the updater's: the bundle that arrives in it.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The record; made anew, but not written, when it is lost.
    pub(crate) fn record(&mut self) -> Result<Record, UpdateError> {
        let lost = match record::load(&mut self.store) {
            Ok(Some(record)) => return Ok(record),
            Ok(None) => None,
            Err(StoreError::Corrupt { path, what }) => Some(StoreError::Corrupt { path, what }),
            Err(error) => return Err(error.into()),
        };
        match (rebuild::rebuild(&mut self.store)?, lost) {
            (Some(record), _) => Ok(record),
            (None, None) => Ok(Record::empty()),
            // Damaged records and not one whole version: as good as a new board.
            (None, Some(_)) => Ok(Record { last: Outcome::Rebuilt, ..Record::empty() }),
        }
    }

    /// Begins an update, or goes on with it: bytes from [`Progress::received`] on are wanted next. An update that is
    /// half written is dropped when another one begins.
    ///
    /// # Errors
    /// `BadPlan`, `Downgrade`, `Incomplete`, `NoRoom`, `NotNow` while a version is on trial; of the store.
    pub fn begin(&mut self, plan: &Plan, permit: Option<&Permit>) -> Result<Progress, UpdateError> {
        plan.check()?;
        self.session = None;
        let record = self.record()?;
        let same = record.update().is_some_and(|update| update.id == plan.id());
        let writer = match &record.work {
            Work::Ready(_) if same => None,
            Work::Writing(update) if same => {
                let layout = layout(plan, update.pair);
                match Writer::resume(&mut self.store, layout, self.window)? {
                    Ok(writer) => Some(writer),
                    Err(_) => Some(self.start(&record, plan, permit)?),
                }
            }
            _ => Some(self.start(&record, plan, permit)?),
        };
        let total = plan.total();
        let done = Progress { received: total, durable: total, total };
        let progress = writer.as_ref().map_or(done, Writer::progress);
        self.session = Some(Session { plan: plan.clone(), writer });
        Ok(progress)
    }

    /// Whether an update could begin now, or go on. Writes nothing.
    ///
    /// # Errors
    /// As [`Updater::begin`].
    pub fn check(&mut self, plan: &Plan, permit: Option<&Permit>) -> Result<(), UpdateError> {
        plan.check()?;
        let record = self.record()?;
        if record.update().is_some_and(|update| update.id == plan.id()) && !matches!(record.work, Work::Trial { .. }) {
            return Ok(());
        }
        let (pair, _) = allowed(&record, plan, permit)?;
        self.check_room(plan, &layout(plan, pair))
    }

    /// Empties the idle slots for an update that starts from zero.
    fn start(&mut self, record: &Record, plan: &Plan, permit: Option<&Permit>) -> Result<Writer, UpdateError> {
        let (pair, permitted) = allowed(record, plan, permit)?;
        let kinds = plan.kinds();
        let layout = layout(plan, pair);
        self.check_room(plan, &layout)?;
        let mut new = record.clone();
        new.forget(pair, &kinds);
        new.work = Work::Writing(Update { id: plan.id(), pair, confirm: plan.confirm, permitted });
        journal::forget(&mut self.store, &layout)?;
        commit(&mut self.store, record, Event::Begin, new)?;
        Ok(Writer::fresh(&mut self.store, layout, self.window)?)
    }

    fn check_room(&mut self, plan: &Plan, layout: &Layout) -> Result<(), UpdateError> {
        let mut free = self.store.free_space()?;
        for folder in &layout.folders {
            for name in self.store.list(folder)? {
                free = free.saturating_add(self.store.len(&format!("{folder}/{name}"))?.unwrap_or(0));
            }
        }
        let needed = plan.total() + MARGIN;
        if needed > free { Err(UpdateError::NoRoom { needed, free }) } else { Ok(()) }
    }

    /// Writes the bytes from `offset` on; those that are there already are skipped, so a sender may repeat itself, and
    /// a reader that unpacks a bundle may start over. After an error of the store the update must be begun again.
    ///
    /// # Errors
    /// `NotBegun`, `Gap`, `TooLong`; of the store.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Progress, UpdateError> {
        let session = self.session.as_mut().ok_or(UpdateError::NotBegun)?;
        let total = session.plan.total();
        let Some(writer) = &mut session.writer else {
            let end = offset.saturating_add(bytes.len() as u64);
            let done = Progress { received: total, durable: total, total };
            return if end > total { Err(UpdateError::TooLong { end, total }) } else { Ok(done) };
        };
        let result = writer.write(&mut self.store, offset, bytes);
        if matches!(result, Err(UpdateError::Store(_))) {
            self.session = None;
        }
        result
    }

    /// Writes bytes of one part, `at` bytes behind its start; for a reader that hands out a bundle part by part.
    ///
    /// # Errors
    /// As [`Updater::write`].
    pub fn write_part(&mut self, part: usize, at: u64, bytes: &[u8]) -> Result<Progress, UpdateError> {
        let session = self.session.as_ref().ok_or(UpdateError::NotBegun)?;
        let offset = session.plan.offset_of(part).saturating_add(at);
        self.write(offset, bytes)
    }

    /// Makes everything durable, reads it back, and seals the slots. After an error of the store the update must be
    /// begun again.
    ///
    /// # Errors
    /// `NotBegun`, `Unfinished`; `Differs`, after which the update is dropped; of the store.
    pub fn finish(&mut self) -> Result<(), UpdateError> {
        let mut session = self.session.take().ok_or(UpdateError::NotBegun)?;
        let Some(writer) = &mut session.writer else { return Ok(()) };
        let Progress { received, total, .. } = writer.progress();
        if received < total {
            self.session = Some(session);
            return Err(UpdateError::Unfinished { received, total });
        }
        let record = self.record()?;
        let update = match &record.work {
            Work::Writing(update) if update.id == writer.id() => update.clone(),
            _ => return Err(UpdateError::NotBegun),
        };
        writer.sync(&mut self.store)?;
        let plan = &session.plan;
        for kind in plan.kinds() {
            let (slot, parts) = (update.pair.slot(kind), parts_of(plan, kind));
            if let Some(part) = seal::wrong_part(&mut self.store, kind, slot, &parts, Depth::Bytes)? {
                let new = Record { work: Work::None, last: Outcome::Differed, ..record.clone() };
                commit(&mut self.store, &record, Event::Differs, new)?;
                return Err(UpdateError::Differs { part });
            }
        }
        let mut new = Record { work: Work::Ready(update.clone()), ..record.clone() };
        for kind in plan.kinds() {
            let slot = update.pair.slot(kind);
            let mut parts = parts_of(plan, kind);
            if let Some(partner) = partner_of(&record, &update, plan) {
                parts.push(seal::write_partner(&mut self.store, kind, slot, partner)?);
            }
            let seal = Seal {
                update: update.id,
                sequence: record.generation,
                kinds: plan.kinds(),
                version: plan.version.clone(),
                origin: plan.origin,
                counter: plan.counter,
                parts,
            };
            new.seals[kind.index()][slot.index()] = Some(seal::write(&mut self.store, kind, slot, &seal)?);
        }
        commit(&mut self.store, &record, Event::Finish, new)?;
        session.writer = None;
        self.session = Some(session);
        Ok(())
    }

    /// Makes the new version the one to start, on trial. The daemon then ends, and the launcher starts the new one.
    ///
    /// # Errors
    /// `NotNow` unless the update is ready; of the store.
    pub fn switch(&mut self) -> Result<(), UpdateError> {
        let record = self.record()?;
        allow(&record, Event::Switch)?;
        if let Work::Ready(update) = record.work.clone() {
            let new = Record { work: Work::Trial { update, starts: 0, held: false }, ..record.clone() };
            commit(&mut self.store, &record, Event::Switch, new)?;
            self.session = None;
        }
        Ok(())
    }

    /// Drops an update that is being written or ready.
    ///
    /// # Errors
    /// `NotNow`; of the store.
    pub fn abandon(&mut self) -> Result<(), UpdateError> {
        self.session = None;
        let record = self.record()?;
        let new = Record { work: Work::None, last: Outcome::Abandoned, ..record.clone() };
        commit(&mut self.store, &record, Event::Abandon, new)?;
        Ok(())
    }

    /// Tells how the running version's self-test ended. Without a version on trial nothing changes.
    ///
    /// # Errors
    /// Of the store; the version is then still on trial.
    pub fn self_test(&mut self, verdict: Verdict) -> Result<State, UpdateError> {
        let record = self.record()?;
        let Work::Trial { update, starts, .. } = record.work.clone() else { return Ok(record.state()) };
        let (event, new) = match (verdict, update.confirm) {
            (Verdict::Good, Confirm::BySelfTest) => (Event::Passed, self.confirmed(&record, &update)?),
            (Verdict::Good, Confirm::ByUser) => {
                let work = Work::Trial { update, starts, held: true };
                (Event::Held, Record { work, ..record.clone() })
            }
            (Verdict::Wrong, _) if record.confirmed.is_some() => (Event::Wrong, went_back(&record, Why::SelfTest)),
            (Verdict::Wrong | Verdict::Unfinished, _) => {
                allow(&record, Event::Unfinished)?;
                return Ok(record.state());
            }
        };
        Ok(commit(&mut self.store, &record, event, new)?.state())
    }

    /// Keeps the version on trial, because the user says so.
    ///
    /// # Errors
    /// `NotNow` unless one is on trial; of the store.
    pub fn confirm(&mut self) -> Result<(), UpdateError> {
        let record = self.record()?;
        allow(&record, Event::Confirm)?;
        if let Work::Trial { update, .. } = &record.work {
            let new = self.confirmed(&record, update)?;
            commit(&mut self.store, &record, Event::Confirm, new)?;
        }
        Ok(())
    }

    fn confirmed(&mut self, record: &Record, update: &Update) -> Result<Record, UpdateError> {
        let mut new = Record { work: Work::None, last: Outcome::Confirmed, ..record.clone() };
        new.previous = record.confirmed;
        new.confirmed = Some(update.pair);
        for kind in Kind::ALL {
            let slot = update.pair.slot(kind);
            if record.confirmed.is_some_and(|confirmed| confirmed.slot(kind) == slot) {
                continue;
            }
            let counter = seal::counter(&mut self.store, kind, slot)?;
            let lowest = &mut new.lowest[kind.index()];
            *lowest = if update.permitted { counter } else { counter.max(*lowest) };
        }
        Ok(new)
    }

    /// Goes back: from a version on trial to the confirmed one, else from the confirmed one to the one before it.
    ///
    /// # Errors
    /// `NotNow`, `NoWayBack`, and `Downgrade` when the version before was confirmed to be outdated; of the store.
    pub fn rollback(&mut self, permit: Option<&Permit>) -> Result<(), UpdateError> {
        let record = self.record()?;
        allow(&record, Event::Rollback)?;
        let new = match record.work {
            Work::Trial { .. } => went_back(&record, Why::User),
            _ => self.record_of_previous(&record, permit)?,
        };
        commit(&mut self.store, &record, Event::Rollback, new)?;
        Ok(())
    }

    fn record_of_previous(&mut self, record: &Record, permit: Option<&Permit>) -> Result<Record, UpdateError> {
        let Some(previous) = record.previous else {
            let why = "none was confirmed before this one, or an update has taken its place".to_owned();
            return Err(UpdateError::NoWayBack { why });
        };
        let mut new = went_back(record, Why::User);
        for kind in Kind::ALL {
            let slot = previous.slot(kind);
            if let Some(why) = seal::fault(&mut self.store, kind, slot, record.seal(kind, slot), Depth::Bytes)? {
                return Err(UpdateError::NoWayBack { why });
            }
            let counter = seal::counter(&mut self.store, kind, slot)?;
            check_counter(kind, counter, record.lowest[kind.index()], permit)?;
            // Lower with a permit, else as high or higher: after an older version, back at the newer one.
            new.lowest[kind.index()] = counter;
        }
        new.previous = record.confirmed;
        new.confirmed = Some(previous);
        Ok(new)
    }
}

/// Where an update would go that starts now, and whether it needs its permit.
fn allowed(record: &Record, plan: &Plan, permit: Option<&Permit>) -> Result<(Pair, bool), UpdateError> {
    allow(record, Event::Begin)?;
    let kinds = plan.kinds();
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| record.confirmed.is_none() && !kinds.contains(kind)) {
        return Err(UpdateError::Incomplete { kind });
    }
    let mut permitted = false;
    for kind in &kinds {
        permitted |= check_counter(*kind, plan.counter, record.lowest[kind.index()], permit)?;
    }
    let first = Pair { model: Slot::A, daemon: Slot::A };
    Ok((record.confirmed.map_or(first, |confirmed| confirmed.swapped(&kinds)), permitted))
}

/// The record without its update.
pub(crate) fn went_back(record: &Record, why: Why) -> Record {
    Record { work: Work::None, last: Outcome::RolledBack(why), ..record.clone() }
}

/// The seal that an update of one kind runs with.
fn partner_of(record: &Record, update: &Update, plan: &Plan) -> Option<Digest> {
    let kinds = plan.kinds();
    let other = Kind::ALL.into_iter().find(|kind| !kinds.contains(kind))?;
    record.seal(other, update.pair.slot(other))
}

fn parts_of(plan: &Plan, kind: Kind) -> Vec<crate::Part> {
    plan.parts.iter().filter(|part| part.kind == kind).cloned().collect()
}

fn layout(plan: &Plan, pair: Pair) -> Layout {
    let home = |kind: Kind| folder(kind, pair.slot(kind));
    let files = plan.parts.iter().map(|part| (format!("{}/{}", home(part.kind), part.name), part.len)).collect();
    Layout { journal: JOURNAL, id: plan.id(), files, folders: plan.kinds().into_iter().map(home).collect() }
}
