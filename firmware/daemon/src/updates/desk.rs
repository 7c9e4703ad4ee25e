//! The sinks' end of updates: one file at a time, whichever line it comes over.

use super::queue::{Alive, Command, Installation, Queue, Told, WAITING, admit};
use super::worker::{Place, Worker};
use crate::DaemonError;
use crate::shared::Shared;
use mtcae_contract::Micros;
use mtcae_transfer::{Receiver, is_about_a_file};
use mtcae_wire::{Down, FromHost, Nack, PermitOffer, Reason, Request, Text, Up, UpdatePhase};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

/// From the word that a version is installed to the end of the daemon, so that the word gets out, microseconds.
const LAST_WORDS: Micros = 300_000;
/// A file of which nothing is heard for so long leaves the slots to others, microseconds.
const QUIET: Micros = 15_000_000;
/// Looks whether the desk is free before a message about a file is lost, a millisecond apart: who has it for longer waits for the
/// disk.
const LOOKS: u32 = 50;

/// What every sink's thread shares of updates.
pub(crate) struct Updates {
    commands: SyncSender<Command>,
    told: Arc<Told>,
    alive: Alive,
    /// Held by the thread of the sink whose file waits for the disk. Nobody else waits for it.
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
        let shared = Arc::clone(shared);
        let alive = move || shared.beats.sinks.store(shared.now(), Ordering::Relaxed);
        Ok(Updates::new(commands, told, Arc::new(alive)))
    }

    fn new(commands: SyncSender<Command>, told: Arc<Told>, alive: Alive) -> Updates {
        let receiver = Receiver::new(Queue::new(commands.clone(), Arc::clone(&told), Arc::clone(&alive)));
        let desk = Mutex::new(Desk { receiver, mail: 0, installing: false, heard: None });
        Updates { commands, told, alive, desk }
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
        if !is_about_a_file(message) {
            return false;
        }
        // Whoever gets no answer asks again.
        let Some(mut desk) = self.desk(LOOKS) else { return true };
        let about = desk.receiver.take(now, message, |offer| admit(&self.commands, offer, &self.alive));
        if about {
            desk.mail = mail;
            desk.heard = Some(now);
        }
        about
    }

    /// The desk, unless it is taken at each of so many looks.
    fn desk(&self, looks: u32) -> Option<MutexGuard<'_, Desk>> {
        for look in 1..=looks {
            match self.desk.try_lock() {
                Ok(desk) => return Some(desk),
                Err(TryLockError::Poisoned(desk)) => return Some(desk.into_inner()),
                Err(TryLockError::WouldBlock) if look < looks => std::thread::sleep(Duration::from_millis(1)),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        None
    }

    /// What is to be sent over the sink at `mail` now, in turn.
    pub fn poll(&self, mail: usize, now: Micros) -> Option<Up> {
        let mut desk = self.desk(1).filter(|desk| desk.mail == mail)?;
        desk.receiver.poll(now)
    }

    /// Has a whole file installed, and ends the daemon when that is done; whether its line is still there or not.
    pub fn advance(&self, now: Micros, shared: &Shared) {
        let Some(mut desk) = self.desk(1) else { return };
        if desk.advance(now, &self.commands, &self.told) {
            shared.end_at(now + LAST_WORDS);
        }
    }

    /// Whether pieces of a file come in over that sink.
    pub fn at_work(&self, mail: usize) -> bool {
        let Some(desk) = self.desk(1) else { return false };
        desk.mail == mail && matches!(desk.receiver.state().phase, UpdatePhase::Receiving | UpdatePhase::Verifying)
    }
}

impl Desk {
    /// True once a file is installed.
    fn advance(&mut self, now: Micros, commands: &SyncSender<Command>, told: &Told) -> bool {
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
                    return true;
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
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::{Offer, Refusal, UpdateBegin};
    use std::sync::atomic::AtomicU32;
    use std::time::Instant;

    #[test]
    fn nobody_waits_for_a_sink_that_waits_for_the_disk() {
        let (commands, orders) = sync_channel(WAITING);
        let beats = Arc::new(AtomicU32::new(0));
        let beaten = Arc::clone(&beats);
        let alive: Alive = Arc::new(move || beaten.store(1, Ordering::Relaxed));
        let updates = Arc::new(Updates::new(commands, Arc::default(), alive));
        let (name, version) = ("edge".into(), "1.1.0".into());
        let offer =
            Offer { length: 1000, sha256: [7; 32], name, version, security_counter: 5, families: Default::default() };
        let begin = FromHost::Request(Down::UpdateBegin(UpdateBegin { token: 1, offer }));
        let asking = std::thread::spawn({
            let updates = Arc::clone(&updates);
            move || updates.take(0, 0, &begin)
        });
        let Ok(Command::Admit(_, answer)) = orders.recv() else { panic!("it is asked whether the board takes it") };

        let began = Instant::now();
        let query = FromHost::Request(Down::UpdateQuery(Request { token: 2 }));
        assert_eq!(updates.take(1, 0, &FromHost::Request(Down::Hello)), (false, None));
        assert_eq!(updates.take(1, 0, &query), (true, None));
        assert!(updates.poll(1, 0).is_none() && !updates.at_work(1) && updates.desk(1).is_none());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

        answer.send(Err((Refusal::Busy, "not now".to_owned()))).unwrap();
        assert_eq!(asking.join().unwrap(), (true, None));
        assert_eq!(beats.load(Ordering::Relaxed), 1, "a thread that waits says that it lives");
        assert!(matches!(updates.poll(0, 0), Some(Up::UpdateRefused(_))));
        assert!(updates.desk(1).is_some());
    }
}
