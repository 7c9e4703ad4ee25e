//! The board's end.

use crate::ahead::Ahead;
use crate::{File, Micros, Storage, StorageError, Verdict, WINDOW};
use mtcae_wire::{
    CHUNK, Down, FromHost, Offer, Refusal, Text, Up, UpdateChunk, UpdatePhase, UpdateRefused, UpdateState,
};
use sha2::{Digest, Sha256};

/// Chunks written after which a sync is asked for.
pub const SYNC_CHUNKS: u32 = 32;
/// Longest time that something written waits for a sync, microseconds.
pub const SYNC_AFTER_US: Micros = 500_000;
/// Chunks heard after which the host is told at once.
pub const REPORT_CHUNKS: u32 = 8;
/// Longest time that news waits for more of it, microseconds.
pub const REPORT_AFTER_US: Micros = 20_000;
/// Bytes read back and hashed in one [`Receiver::poll`].
pub const READ_AT_ONCE: usize = 64 * 1024;
/// A file of which nothing was heard for so long gives way to another, microseconds.
pub const BUSY_US: Micros = 10_000_000;
/// Between two looks for a sync that works in the background, microseconds.
const SYNC_LOOK_US: Micros = 10_000;

/// What a receiver has heard since it was made; each number stops at `u64::MAX`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chunks taken.
    pub chunks: u64,
    /// Chunks that were there already.
    pub again: u64,
    /// Chunks of another file, outside the window, or of a wrong length.
    pub strange: u64,
}

/// Takes a file piece by piece into a [`Storage`]. Memory: 128 KiB while a file comes in.
///
/// Its owner hands it every update message with [`Receiver::take`], and calls [`Receiver::poll`] until that gives
/// nothing, then again after [`Receiver::wait`].
pub struct Receiver<S> {
    storage: S,
    job: Option<Job>,
    /// Of the newest update request.
    token: u32,
    /// Why the last file was let go of.
    refused: Option<UpdateRefused>,
    /// Chunks heard since the last state was sent.
    unreported: u32,
    report_at: Option<Micros>,
    counts: Counts,
}

struct Job {
    offer: Offer,
    phase: UpdatePhase,
    /// Chunks.
    durable: u32,
    /// Chunks appended.
    received: u32,
    /// Bytes appended; more than `received` chunks after a restart in the middle of one.
    appended: u64,
    ahead: Ahead,
    /// Chunks that a sync was asked for.
    synced: u32,
    unsynced_since: Option<Micros>,
    heard: Micros,
    /// Bytes read back, and their hash.
    checked: u64,
    hash: Sha256,
}

/// Whether a message is about an update's file, and for a [`Receiver`].
pub fn is_about_a_file(message: &FromHost) -> bool {
    use Down::{UpdateBegin, UpdateFinish, UpdateQuery};
    matches!(message, FromHost::Chunk(_) | FromHost::Request(UpdateBegin(_) | UpdateQuery(_) | UpdateFinish(_)))
}

impl<S: Storage> Receiver<S> {
    /// A receiver that knows of no file until one is offered.
    pub fn new(storage: S) -> Receiver<S> {
        let counts = Counts::default();
        Receiver { storage, job: None, token: 0, refused: None, unreported: 0, report_at: None, counts }
    }

    /// Takes a message that came at `now`; false when it is not [about a file](is_about_a_file). `admit` is asked once for each
    /// offer that is not the one at hand: whether the board would take that bundle.
    pub fn take(&mut self, now: Micros, message: &FromHost, admit: impl FnOnce(&Offer) -> Verdict) -> bool {
        match message {
            FromHost::Chunk(chunk) => {
                self.chunk(now, chunk);
                return true;
            }
            FromHost::Request(Down::UpdateBegin(begin)) => {
                self.token = begin.token;
                self.begin(now, &begin.offer, admit);
            }
            FromHost::Request(Down::UpdateQuery(request)) => self.token = request.token,
            FromHost::Request(Down::UpdateFinish(finish)) => {
                self.token = finish.token;
                self.finish(now, finish.transfer);
            }
            FromHost::Request(_) => return false,
        }
        self.report_at = Some(now);
        true
    }

    /// Does what is due at `now`, a bounded piece of it, and gives a message to send when there is one.
    pub fn poll(&mut self, now: Micros) -> Option<Up> {
        if let Err(error) = self.work(now) {
            self.give_up(now, &error);
        }
        if self.report_at.is_none_or(|at| now < at) {
            return None;
        }
        self.report_at = None;
        self.unreported = 0;
        Some(match &self.refused {
            Some(refused) => Up::UpdateRefused(UpdateRefused { token: self.token, ..refused.clone() }),
            None => Up::UpdateState(self.state()),
        })
    }

    /// Microseconds from `now` until [`Receiver::poll`] has something to do, if nothing comes before; `None` is never.
    pub fn wait(&self, now: Micros) -> Option<Micros> {
        let report = self.report_at.map(|at| at.saturating_sub(now));
        let work = self.job.as_ref().and_then(|job| match job.phase {
            UpdatePhase::Verifying => Some(0),
            UpdatePhase::Receiving if job.durable < job.synced => Some(SYNC_LOOK_US),
            UpdatePhase::Receiving => job.unsynced_since.map(|at| at.saturating_add(SYNC_AFTER_US).saturating_sub(now)),
            _ => None,
        });
        [report, work].into_iter().flatten().min()
    }

    /// How far it is, as the host is told.
    pub fn state(&self) -> UpdateState {
        let idle = UpdateState {
            token: self.token,
            transfer: 0,
            phase: UpdatePhase::Idle,
            chunks: 0,
            durable: 0,
            received: 0,
            later: 0,
            window: WINDOW,
            checked: 0,
        };
        self.job.as_ref().map_or(idle, |job| UpdateState {
            transfer: job.offer.transfer(),
            phase: job.phase,
            chunks: job.offer.chunks(),
            durable: job.durable,
            received: job.received,
            later: job.ahead.later(),
            checked: chunks_of(job.checked, &job.offer),
            ..idle
        })
    }

    /// The file that lies in the storage, whole and with the SHA-256 it was offered with: to be installed.
    pub fn verified(&self) -> Option<&Offer> {
        self.job.as_ref().filter(|job| job.phase == UpdatePhase::Verified).map(|job| &job.offer)
    }

    /// Tells the host that the verified file is being installed.
    pub fn installing(&mut self, now: Micros) {
        self.enter(now, UpdatePhase::Installing);
    }

    /// Tells the host that the file is installed.
    pub fn installed(&mut self, now: Micros) {
        self.enter(now, UpdatePhase::Installed);
    }

    /// Lets go of the file and tells the host why.
    pub fn refuse(&mut self, now: Micros, refusal: Refusal, detail: &str) {
        if let Some(job) = self.job.take() {
            self.note_refusal(now, job.offer.transfer(), refusal, detail);
        }
    }

    /// The storage; the file in it is whole while [`Receiver::verified`] gives one.
    pub fn storage(&mut self) -> &mut S {
        &mut self.storage
    }

    /// What was heard since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn enter(&mut self, now: Micros, phase: UpdatePhase) {
        if let Some(job) = self.job.as_mut().filter(|job| job.phase >= UpdatePhase::Verified) {
            job.phase = phase;
            self.report_at = Some(now);
        }
    }

    fn begin(&mut self, now: Micros, offer: &Offer, admit: impl FnOnce(&Offer) -> Verdict) {
        self.refused = None;
        if let Some(job) = &mut self.job {
            // What was installed may have been rolled back since: the board is asked again.
            if File::from(&job.offer) == File::from(offer) && job.phase != UpdatePhase::Installed {
                job.heard = now;
                return;
            }
            let silent = now.saturating_sub(job.heard) >= BUSY_US;
            let free = job.phase == UpdatePhase::Installed || (job.phase == UpdatePhase::Receiving && silent);
            if !free {
                let detail = format!("{} {} is on its way", job.offer.name, job.offer.version);
                return self.note_refusal(now, offer.transfer(), Refusal::Busy, &detail);
            }
        }
        if let Err((refusal, detail)) = admit(offer) {
            return self.note_refusal(now, offer.transfer(), refusal, &detail);
        }
        self.job = None;
        match self.storage.begin(&File::from(offer)) {
            Ok(durable) => self.job = Some(Job::new(now, offer, durable)),
            Err(error) => self.note_refusal(now, offer.transfer(), refusal_of(&error), &error.to_string()),
        }
    }

    fn finish(&mut self, now: Micros, transfer: u32) {
        let Some(job) = self.job.as_mut().filter(|job| job.offer.transfer() == transfer) else { return };
        job.heard = now;
        if job.phase == UpdatePhase::Receiving && job.durable == job.offer.chunks() {
            job.phase = UpdatePhase::Verifying;
            job.checked = 0;
            job.hash = Sha256::new();
        }
    }

    fn chunk(&mut self, now: Micros, chunk: &UpdateChunk) {
        self.unreported = self.unreported.saturating_add(1);
        let at = if self.unreported >= REPORT_CHUNKS { now } else { now.saturating_add(REPORT_AFTER_US) };
        self.report_at = Some(self.report_at.map_or(at, |before| before.min(at)));
        let Some(job) = self.job.as_mut().filter(|job| job.takes(chunk)) else {
            self.counts.strange = self.counts.strange.saturating_add(1);
            return;
        };
        job.heard = now;
        let taken = job.put(&mut self.storage, now, chunk);
        let count = if taken == Ok(false) { &mut self.counts.again } else { &mut self.counts.chunks };
        *count = count.saturating_add(1);
        if let Err(error) = taken {
            self.give_up(now, &error);
        }
    }

    fn work(&mut self, now: Micros) -> Result<(), StorageError> {
        let Some(job) = &mut self.job else { return Ok(()) };
        match job.phase {
            UpdatePhase::Receiving => {
                let more = job.sync(&mut self.storage, now)?;
                self.report_at = if more { Some(now) } else { self.report_at };
            }
            UpdatePhase::Verifying => {
                if let Some(whole) = job.check(&mut self.storage)? {
                    self.checked(now, whole)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn checked(&mut self, now: Micros, whole: bool) -> Result<(), StorageError> {
        if whole {
            self.job.iter_mut().for_each(|job| job.phase = UpdatePhase::Verified);
            self.report_at = Some(now);
            return Ok(());
        }
        self.refuse(now, Refusal::Damaged, "what was stored does not have the SHA-256 of the offer; it was dropped");
        self.storage.clear()
    }

    /// What is durable stays in the storage, for the next offer to go on with.
    fn give_up(&mut self, now: Micros, error: &StorageError) {
        self.refuse(now, refusal_of(error), &error.to_string());
    }

    fn note_refusal(&mut self, now: Micros, transfer: u32, refusal: Refusal, detail: &str) {
        let detail = Text::new(detail);
        self.refused = Some(UpdateRefused { token: self.token, transfer, refusal, detail });
        self.report_at = Some(now);
    }
}

impl Job {
    fn new(now: Micros, offer: &Offer, durable: u64) -> Job {
        let durable = durable.min(offer.length);
        let chunks = chunks_of(durable, offer);
        Job {
            offer: offer.clone(),
            phase: UpdatePhase::Receiving,
            durable: chunks,
            received: chunks,
            appended: durable,
            ahead: Ahead::new(),
            synced: chunks,
            unsynced_since: None,
            heard: now,
            checked: 0,
            hash: Sha256::new(),
        }
    }

    fn takes(&self, chunk: &UpdateChunk) -> bool {
        let within = chunk.index < self.durable.saturating_add(WINDOW.into());
        let whole = !chunk.data.is_empty() && chunk.data.len() == self.offer.chunk_len(chunk.index);
        self.phase == UpdatePhase::Receiving && chunk.transfer == self.offer.transfer() && within && whole
    }

    /// Takes a chunk and those behind it that have waited for it; false when it was there.
    fn put<S: Storage>(&mut self, storage: &mut S, now: Micros, chunk: &UpdateChunk) -> Result<bool, StorageError> {
        if chunk.index < self.received {
            return Ok(false);
        }
        if chunk.index > self.received {
            return Ok(self.ahead.put(self.received, chunk.index, &chunk.data));
        }
        self.append(storage, &chunk.data)?;
        while let Some(bytes) = self.ahead.advance(self.received) {
            let bytes = *bytes;
            self.append(storage, &bytes[..self.offer.chunk_len(self.received)])?;
        }
        self.unsynced_since.get_or_insert(now);
        Ok(true)
    }

    /// Appends the next chunk, without the bytes that are there already.
    fn append<S: Storage>(&mut self, storage: &mut S, data: &[u8]) -> Result<(), StorageError> {
        let start = u64::from(self.received) * CHUNK as u64;
        let there = self.appended.saturating_sub(start).min(data.len() as u64) as usize;
        storage.append(start + there as u64, &data[there..])?;
        self.received += 1;
        self.appended = start + data.len() as u64;
        Ok(())
    }

    /// Asks for a sync when one is due; true when more has become durable.
    fn sync<S: Storage>(&mut self, storage: &mut S, now: Micros) -> Result<bool, StorageError> {
        let waits = self.received - self.synced;
        let late = self.unsynced_since.is_some_and(|since| now.saturating_sub(since) >= SYNC_AFTER_US);
        let all = self.received == self.offer.chunks();
        if waits > 0 && (waits >= SYNC_CHUNKS || late || all) {
            storage.sync()?;
            self.synced = self.received;
            self.unsynced_since = None;
        }
        if self.durable == self.received {
            return Ok(false);
        }
        let durable = chunks_of(storage.durable()?.min(self.appended), &self.offer).min(self.received);
        let more = durable > self.durable;
        self.durable = durable.max(self.durable);
        Ok(more)
    }

    /// Reads the next piece back; at the end, whether the file is the one that was offered.
    fn check<S: Storage>(&mut self, storage: &mut S) -> Result<Option<bool>, StorageError> {
        let mut buffer = vec![0; (self.offer.length - self.checked).min(READ_AT_ONCE as u64) as usize];
        storage.read(self.checked, &mut buffer)?;
        self.hash.update(&buffer);
        self.checked += buffer.len() as u64;
        let end = self.checked == self.offer.length;
        Ok(end.then(|| self.hash.clone().finalize()[..] == self.offer.sha256))
    }
}

/// Whole chunks in the first `bytes` of a file; its last chunk is whole when the file ends with it.
fn chunks_of(bytes: u64, offer: &Offer) -> u32 {
    if bytes >= offer.length { offer.chunks() } else { (bytes / CHUNK as u64) as u32 }
}

fn refusal_of(error: &StorageError) -> Refusal {
    match error {
        StorageError::NoSpace(_) => Refusal::NoSpace,
        StorageError::Failed(_) => Refusal::Storage,
    }
}
