//! The thread that owns the slots: does one command after another, and answers.

use super::answers;
use super::leave::Leave;
use super::queue::{Command, Installation, Told};
use super::slots;
use crate::machine;
use crate::shared::Shared;
use mtcae_bundle::{DeviceKey, KeyError, read_secret};
use mtcae_drivers::DirStore;
use mtcae_install::{InstallError, Rules, install, trusted_in};
use mtcae_transfer::{File, StorageError};
use mtcae_update::{Confirm, Digest, Inbox, Permit, Store, UpdateError, Updater};
use mtcae_wire::{Ack, Level, Nack, Reason, Refusal, Text, Up};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Wait from the answer to a rollback to the daemon's end, so that the answer gets out, microseconds.
const LAST_WORDS: u64 = 300_000;
/// The target triple this daemon was built for; an update brings the same.
const TARGET: &str = env!("TARGET");

/// Where a board keeps its versions and keys.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub root: PathBuf,
    pub trusted: PathBuf,
    pub device_key: PathBuf,
    /// The board's family and its own name.
    pub family: String,
    pub device: String,
    pub confirm: Confirm,
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    place: Place,
    told: Arc<Told>,
    /// Held while a file comes in.
    store: Option<DirStore>,
    inbox: Option<Inbox>,
    /// What the inbox was begun for.
    file: Option<File>,
    /// A file that is half there while others may open the slots; the next command about it goes on with it.
    rests: Option<File>,
    /// For the next update or rollback.
    leave: Leave,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, place: Place, told: Arc<Told>) -> Worker {
        Worker { shared, place, told, store: None, inbox: None, file: None, rests: None, leave: Leave::default() }
    }

    /// Until nobody can give a command any more.
    pub fn run(&mut self, orders: &Receiver<Command>) {
        while let Ok(command) = orders.recv() {
            self.carry_out(command);
        }
    }

    // Whoever asked and no longer waits gets no answer, hence the ignored results.
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Admit(offer, answer) => {
                let permitted = self.permitted();
                let verdict = match slots::look(&self.place.root) {
                    Ok(mut updater) => answers::admit(&mut updater, &offer, &self.place.family, permitted),
                    Err(error) => Err((Refusal::Storage, error.to_string())),
                };
                let _ = answer.send(verdict);
            }
            Command::Begin(file, answer) => drop(answer.send(self.begin(&file))),
            Command::Append(offset, bytes) => {
                self.on_inbox(|inbox, store| inbox.write(store, offset, &bytes).map(|progress| progress.durable))
            }
            Command::Sync => self.on_inbox(|inbox, store| {
                inbox.sync(store)?;
                inbox.progress().map(|progress| progress.durable)
            }),
            Command::Read(offset, len, answer) => drop(answer.send(self.read(offset, len))),
            Command::Clear(answer) => drop(answer.send(self.clear())),
            Command::Install => self.install(),
            Command::Rest => self.rest(),
            Command::Slots { mail, token } => {
                let slots = slots::look(&self.place.root).map_err(UpdateError::from);
                let slots = slots.and_then(|mut updater| answers::slots(&mut updater, &self.place.family, token));
                self.answer(mail, token, slots.map(Up::Slots));
            }
            Command::Confirm { mail, token } => {
                let done = self.change(Updater::confirm);
                self.answer(mail, token, done.map(|()| Up::Ack(Ack { token })));
            }
            Command::Rollback { mail, token } => {
                let permit = self.permitted().map(|lowest_counter| Permit { lowest_counter });
                let done = self.change(|updater| updater.rollback(permit.as_ref()));
                if done.is_ok() {
                    self.leave.used();
                    self.shared
                        .log(Level::Warn, "rolled back by request; the daemon ends, and the other version starts");
                    self.shared.end_at(self.shared.now() + LAST_WORDS);
                }
                self.answer(mail, token, done.map(|()| Up::Ack(Ack { token })));
            }
            Command::Permit { mail, token, permit } => self.permit(mail, token, &permit),
        }
    }

    fn answer(&self, mail: usize, token: u32, answer: Result<Up, UpdateError>) {
        let answer = answer.unwrap_or_else(|error| {
            let reason = match error {
                UpdateError::NotNow { .. } | UpdateError::NoWayBack { .. } | UpdateError::Downgrade { .. } => {
                    Reason::BadValue
                }
                UpdateError::Store(mtcae_update::StoreError::Busy { .. }) => Reason::Busy,
                _ => Reason::Failed,
            };
            Up::Nack(Nack { token, reason, detail: Text::new(&error.to_string()) })
        });
        self.shared.mail[mail].push(answer);
    }

    /// The store that is open, or opened now; `then` may use it as an updater.
    fn change<T>(
        &mut self,
        then: impl FnOnce(&mut Updater<DirStore>) -> Result<T, UpdateError>,
    ) -> Result<T, UpdateError> {
        match self.store.take() {
            Some(store) => {
                let mut updater = Updater::new(store);
                let result = then(&mut updater);
                self.store = Some(updater.into_store());
                result
            }
            None => then(&mut slots::open(&self.place.root)?),
        }
    }

    fn begin(&mut self, file: &File) -> Result<u64, StorageError> {
        (self.inbox, self.rests) = (None, None);
        let store = match self.store.take() {
            Some(store) => store,
            None => slots::open(&self.place.root).map_err(|e| answers::storage_error(&e.into()))?.into_store(),
        };
        let store = self.store.insert(store);
        let inbox = Inbox::begin(store, file.length, Digest(file.sha256)).map_err(|e| answers::storage_error(&e))?;
        let durable = inbox.progress().map_err(|e| answers::storage_error(&e))?.durable;
        self.told.begun(durable);
        (self.inbox, self.file) = (Some(inbox), Some(*file));
        Ok(durable)
    }

    /// Leaves the slots to others, with everything durable that has come.
    fn rest(&mut self) {
        if let (Some(inbox), Some(store)) = (&mut self.inbox, &mut self.store) {
            match inbox.sync(store) {
                Ok(()) => self.rests = self.file,
                Err(error) => self.told.trouble(answers::storage_error(&error)),
            }
        }
        (self.inbox, self.store) = (None, None);
    }

    /// Goes on with a file that rested.
    fn wake(&mut self) {
        if let Some(file) = self.rests.take()
            && let Err(error) = self.begin(&file)
        {
            self.told.trouble(error);
        }
    }

    fn on_inbox(&mut self, then: impl FnOnce(&mut Inbox, &mut DirStore) -> Result<u64, UpdateError>) {
        self.wake();
        let result = match (&mut self.inbox, &mut self.store) {
            (Some(inbox), Some(store)) => then(inbox, store),
            _ => Err(UpdateError::NotBegun),
        };
        match result {
            Ok(durable) => self.told.durable(durable),
            Err(error) => {
                self.told.trouble(answers::storage_error(&error));
                self.inbox = None;
            }
        }
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, StorageError> {
        self.wake();
        let store = self.store.as_mut().ok_or_else(|| StorageError::Failed("no file was begun".into()))?;
        let mut bytes = vec![0; len];
        let got = store.read(Inbox::FILE, offset, &mut bytes).map_err(|e| StorageError::Failed(e.to_string()))?;
        if got == len { Ok(bytes) } else { Err(StorageError::Failed("the bundle's file is too short".into())) }
    }

    fn clear(&mut self) -> Result<(), StorageError> {
        self.wake();
        self.inbox = None;
        match &mut self.store {
            Some(store) => Inbox::clear(store).map_err(|e| StorageError::Failed(e.to_string())),
            None => Ok(()),
        }
    }

    /// Verified, written, read back, on trial.
    fn install(&mut self) {
        (self.inbox, self.rests) = (None, None);
        let ended = match self.try_to_install() {
            Ok(version) => {
                self.leave.used();
                self.shared
                    .log(Level::Info, &format!("{version} is installed; the daemon ends, and it starts on trial"));
                Installation::Done
            }
            Err((refusal, detail)) => {
                self.shared.log(Level::Warn, &format!("an update was refused: {detail}"));
                // What can never be taken makes room; what a try later may take stays.
                if !matches!(refusal, Refusal::Busy | Refusal::NoSpace | Refusal::Storage) {
                    let _ = self.clear();
                }
                Installation::Refused(refusal, detail)
            }
        };
        self.store = None;
        self.told.ended(ended);
    }

    fn try_to_install(&mut self) -> Result<String, (Refusal, String)> {
        let place = self.place.clone();
        let trust = trusted_in(&place.trusted).map_err(|e| (Refusal::NotTrusted, e.to_string()))?;
        let keys = device_keys(&place.device_key).map_err(|e| (Refusal::Unusable, e.to_string()))?;
        let path = place.root.join(Inbox::FILE);
        let mut file =
            std::fs::File::open(&path).map_err(|e| (Refusal::Storage, format!("{}: {e}", path.display())))?;
        let permit = self.permitted().map(|lowest_counter| Permit { lowest_counter });
        self.change(|updater| {
            let rules = Rules {
                family: &place.family,
                target: Some(TARGET),
                trust: &trust,
                keys: &keys,
                confirm: place.confirm,
                permit,
            };
            let installed = match install(updater, &mut file, &rules, &mut |_, _| {}) {
                Ok(installed) => installed,
                Err(InstallError::Slots(error)) => return Err(error),
                Err(error) => return Ok(Err(answers::refusal(&error))),
            };
            updater.switch()?;
            // The version counts from here on; what arrived is in the way of the next one, no more.
            let _ = Inbox::clear(updater.store_mut());
            Ok(Ok(installed.plan.version))
        })
        .unwrap_or_else(|error| Err(answers::refusal(&InstallError::Slots(error))))
    }

    /// By the machine's own clock only: whoever has the line can set the other one.
    fn permit(&mut self, mail: usize, token: u32, bytes: &[u8]) {
        self.shared.mail[mail].push(match self.leave.take(bytes, &self.place, machine::unix_s()) {
            Ok(lowest) => {
                self.shared.log(Level::Warn, &format!("a permit allows security counters from {lowest} on, once"));
                Up::Ack(Ack { token })
            }
            Err(detail) => Up::Nack(Nack { token, reason: Reason::BadValue, detail: Text::new(&detail) }),
        });
    }

    /// The lowest security counter that a permit allows now.
    fn permitted(&mut self) -> Option<u64> {
        self.leave.lowest(&self.place, machine::unix_s()).unwrap_or_else(|why| {
            self.shared.log(Level::Warn, &format!("the permit that came counts no more: {why}"));
            None
        })
    }
}

/// The board's own key; none when there is no such file.
pub(crate) fn device_keys(path: &Path) -> Result<Vec<DeviceKey>, KeyError> {
    match read_secret(path) {
        Ok(text) => Ok(vec![DeviceKey::from_secret_text(&text)?]),
        Err(KeyError::File { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
