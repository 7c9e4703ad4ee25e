//! Where a file that arrives is kept, seen from a sink's thread: everything that touches the disk is handed on.

use crate::shared::lock;
use mtcae_transfer::{File, Storage, StorageError, Verdict};
use mtcae_wire::{Offer, Refusal};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Commands that may wait: a window of chunks, and some room for others.
pub(crate) const WAITING: usize = 160;
/// Longest wait for an answer of the disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// A sink's thread that waits for one says so often that it lives.
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// Says that a sink's thread lives, as it does while it waits for the disk: that wait has an end.
pub(crate) type Alive = Arc<dyn Fn() + Send + Sync>;

/// What the thread of the slots is asked to do. `mail` is the place of the sink that gets the answer.
pub(crate) enum Command {
    /// Whether the board would take that bundle.
    Admit(Box<Offer>, SyncSender<Verdict>),
    /// Begins to keep a file, or goes on with it; the bytes that are durable.
    Begin(File, SyncSender<Result<u64, StorageError>>),
    Append(u64, Vec<u8>),
    Sync,
    Read(u64, usize, SyncSender<Result<Vec<u8>, StorageError>>),
    Clear(SyncSender<Result<(), StorageError>>),
    /// The file is whole: verify it and put it into the slots.
    Install,
    /// Nothing more will come of the file for now: others may open the slots.
    Rest,
    Slots {
        mail: usize,
        token: u32,
    },
    Confirm {
        mail: usize,
        token: u32,
    },
    Rollback {
        mail: usize,
        token: u32,
    },
    Permit {
        mail: usize,
        token: u32,
        permit: Vec<u8>,
    },
}

/// How an installation goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Installation {
    #[default]
    None,
    Done,
    Refused(Refusal, String),
}

/// What the thread of the slots tells.
#[derive(Default)]
pub(crate) struct Told {
    durable: AtomicU64,
    trouble: Mutex<Option<StorageError>>,
    installation: Mutex<Installation>,
}

impl Told {
    pub fn durable(&self, bytes: u64) {
        self.durable.store(bytes, Ordering::Relaxed);
    }

    /// The first trouble since the file was begun counts.
    pub fn trouble(&self, error: StorageError) {
        lock(&self.trouble).get_or_insert(error);
    }

    /// A file is begun.
    pub fn begun(&self, durable: u64) {
        self.durable(durable);
        *lock(&self.trouble) = None;
    }

    pub fn ended(&self, installation: Installation) {
        *lock(&self.installation) = installation;
    }

    /// How the installation ended, once.
    pub fn installation(&self) -> Installation {
        std::mem::take(&mut lock(&self.installation))
    }
}

/// The storage of a [`mtcae_transfer::Receiver`].
pub(crate) struct Queue {
    commands: SyncSender<Command>,
    told: Arc<Told>,
    alive: Alive,
}

impl Queue {
    pub fn new(commands: SyncSender<Command>, told: Arc<Told>, alive: Alive) -> Queue {
        Queue { commands, told, alive }
    }

    fn send(&self, command: Command) -> Result<(), StorageError> {
        self.commands.send(command).map_err(|_| StorageError::Failed("the thread of the slots has ended".into()))
    }

    fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Result<T, StorageError> {
        let (sender, receiver) = sync_channel(1);
        self.send(command(sender))?;
        wait(&receiver, &self.alive)
            .ok_or_else(|| StorageError::Failed(format!("it did not answer within {} s", ANSWER_WITHIN.as_secs())))
    }
}

/// Whether the board takes an offer; asked through a channel of its own, since the receiver holds the queue.
pub(crate) fn admit(commands: &SyncSender<Command>, offer: &Offer, alive: &Alive) -> Verdict {
    let (sender, receiver) = sync_channel(1);
    let silent = || (Refusal::Storage, "the slots did not answer; see the board's log".to_owned());
    commands.send(Command::Admit(Box::new(offer.clone()), sender)).map_err(|_| silent())?;
    wait(&receiver, alive).ok_or_else(silent)?
}

fn wait<T>(receiver: &Receiver<T>, alive: &Alive) -> Option<T> {
    let until = Instant::now() + ANSWER_WITHIN;
    loop {
        alive();
        let left = until.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(BEAT_EVERY.min(left)) {
            Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
            answer => return answer.ok(),
        }
    }
}

impl Storage for Queue {
    fn begin(&mut self, file: &File) -> Result<u64, StorageError> {
        let durable = self.ask(|answer| Command::Begin(*file, answer))??;
        self.told.begun(durable);
        Ok(durable)
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.send(Command::Append(offset, bytes.to_vec()))
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.send(Command::Sync)
    }

    fn durable(&mut self) -> Result<u64, StorageError> {
        match lock(&self.told.trouble).clone() {
            Some(error) => Err(error),
            None => Ok(self.told.durable.load(Ordering::Relaxed)),
        }
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let bytes = self.ask(|answer| Command::Read(offset, buffer.len(), answer))??;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StorageError> {
        self.ask(Command::Clear)?
    }
}
