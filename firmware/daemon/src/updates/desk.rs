//! The sinks' end of updates: one file at a time, whichever line it comes over.

use super::queue::{Command, Installation, Queue, Told, WAITING, admit};
use super::worker::{Place, Worker};
use crate::DaemonError;
use crate::shared::{Shared, lock};
use mtcae_contract::Micros;
use mtcae_transfer::Receiver;
use mtcae_wire::{Down, FromHost, Nack, PermitOffer, Reason, Request, Text, Up, UpdatePhase};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

/// From the word that a version is installed to the end of the daemon, so that the word gets out, microseconds.
const LAST_WORDS: Micros = 300_000;
/// A file of which nothing is heard for so long leaves the slots to others, microseconds.
const QUIET: Micros = 15_000_000;

/// What every sink's thread shares of updates.
pub(crate) struct Updates {
    commands: SyncSender<Command>,
    told: Arc<Told>,
    desk: Mutex<Desk>,
}

struct Desk {
    receiver: Receiver<Queue>,
    /// Place of the sink whose other side spoke last of a file; it gets the answers.
    mail: usize,
    installing: bool,
    /// When a file was last heard of, while the slots are kept for it.
    heard: Option<Micros>,
}

impl Updates {
    /// Starts the thread of the slots, which ends with this.
    pub fn start(shared: &Arc<Shared>, place: Place) -> Result<Updates, DaemonError> {
        let (commands, orders) = sync_channel(WAITING);
        let told = Arc::new(Told::default());
        let mut worker = Worker::new(Arc::clone(shared), place, Arc::clone(&told));
        std::thread::Builder::new()
            .name("slots".into())
            .spawn(move || worker.run(&orders))
            .map_err(|e| DaemonError::Internal(format!("no thread for the slots: {e}")))?;
        let receiver = Receiver::new(Queue::new(commands.clone(), Arc::clone(&told)));
        let desk = Desk { receiver, mail: 0, installing: false, heard: None };
        Ok(Updates { commands, told, desk: Mutex::new(desk) })
    }

    /// Takes a message that came over the sink at `mail`; false when it is not about updates. An answer that is at hand
    /// at once comes back, all others go into the outbox of that sink.
    pub fn take(&self, mail: usize, now: Micros, message: &FromHost) -> (bool, Option<Up>) {
        let (token, command) = match message {
            FromHost::Request(Down::SlotsQuery(Request { token })) => (*token, Command::Slots { mail, token: *token }),
            FromHost::Request(Down::Confirm(Request { token })) => (*token, Command::Confirm { mail, token: *token }),
            FromHost::Request(Down::Rollback(Request { token })) => (*token, Command::Rollback { mail, token: *token }),
            FromHost::Request(Down::Permit(PermitOffer { token, permit })) => {
                (*token, Command::Permit { mail, token: *token, permit: permit.to_vec() })
            }
            _ => return (self.take_piece(mail, now, message), None),
        };
        let nack = match self.commands.try_send(command) {
            Ok(()) => return (true, None),
            Err(TrySendError::Full(_)) => (Reason::Busy, "the slots are at work; ask again"),
            Err(TrySendError::Disconnected(_)) => (Reason::Failed, "the thread of the slots has ended"),
        };
        (true, Some(Up::Nack(Nack { token, reason: nack.0, detail: Text::new(nack.1) })))
    }

    fn take_piece(&self, mail: usize, now: Micros, message: &FromHost) -> bool {
        let mut desk = lock(&self.desk);
        let about = desk.receiver.take(now, message, |offer| admit(&self.commands, offer));
        if about {
            desk.mail = mail;
            desk.heard = Some(now);
        }
        about
    }

    /// What is to be sent over the sink at `mail` now, in turn.
    pub fn poll(&self, mail: usize, now: Micros) -> Option<Up> {
        let mut desk = lock(&self.desk);
        if desk.mail != mail {
            return None;
        }
        desk.receiver.poll(now)
    }

    /// Has a whole file installed, and ends the daemon when that is done; whether its line is still there or not.
    pub fn advance(&self, now: Micros, shared: &Shared) {
        lock(&self.desk).advance(now, &self.commands, &self.told, shared);
    }

    /// Whether pieces of a file come in over that sink.
    pub fn at_work(&self, mail: usize) -> bool {
        let desk = lock(&self.desk);
        desk.mail == mail && matches!(desk.receiver.state().phase, UpdatePhase::Receiving | UpdatePhase::Verifying)
    }
}

impl Desk {
    fn advance(&mut self, now: Micros, commands: &SyncSender<Command>, told: &Told, shared: &Shared) {
        if self.receiver.verified().is_some() && commands.try_send(Command::Install).is_ok() {
            self.receiver.installing(now);
            self.installing = true;
        }
        if self.installing {
            match told.installation() {
                Installation::None => {}
                Installation::Done => {
                    self.installing = false;
                    self.receiver.installed(now);
                    shared.end_at(now + LAST_WORDS);
                }
                Installation::Refused(refusal, detail) => {
                    self.installing = false;
                    self.receiver.refuse(now, refusal, &detail);
                }
            }
        } else if self.heard.is_some_and(|heard| now.saturating_sub(heard) > QUIET) {
            self.heard = None;
            // Full is as good: then somebody is at work.
            let _ = commands.try_send(Command::Rest);
        }
    }
}
