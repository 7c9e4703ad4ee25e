//! The receiver over the real inbox of `mtcae-update`, on a store that loses power at every single operation.

mod common;

use common::{dice::Dice, file};
use mtcae_transfer::{Action, File, Receiver, SendError, Sender, Storage, StorageError};
use mtcae_update::sim::{CutMode, SimStore, Trouble};
use mtcae_update::{Digest, Inbox, Store, StoreError, UpdateError};
use mtcae_wire::{CHUNK, FromHost, Offer, UpdateChunk, UpdatePhase};

/// All there is between the two crates.
struct InboxStorage {
    store: SimStore,
    inbox: Option<Inbox>,
}

fn storage_error(error: UpdateError) -> StorageError {
    match error {
        UpdateError::NoRoom { .. } | UpdateError::Store(StoreError::NoSpace { .. }) => {
            StorageError::NoSpace(error.to_string())
        }
        error => StorageError::Failed(error.to_string()),
    }
}

impl InboxStorage {
    fn on_power(mut store: SimStore) -> InboxStorage {
        store.power_on();
        InboxStorage { store, inbox: None }
    }

    fn inbox(&mut self) -> Result<(&mut Inbox, &mut SimStore), StorageError> {
        let inbox = self.inbox.as_mut().ok_or_else(|| storage_error(UpdateError::NotBegun))?;
        Ok((inbox, &mut self.store))
    }
}

impl Storage for InboxStorage {
    fn begin(&mut self, file: &File) -> Result<u64, StorageError> {
        let inbox = Inbox::begin(&mut self.store, file.length, Digest(file.sha256)).map_err(storage_error)?;
        let progress = inbox.progress().map_err(storage_error)?;
        self.inbox = Some(inbox);
        Ok(progress.durable)
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let (inbox, store) = self.inbox()?;
        inbox.write(store, offset, bytes).map(drop).map_err(storage_error)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let (inbox, store) = self.inbox()?;
        inbox.sync(store).map_err(storage_error)
    }

    fn durable(&mut self) -> Result<u64, StorageError> {
        let (inbox, _) = self.inbox()?;
        inbox.progress().map(|progress| progress.durable).map_err(storage_error)
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let failed = |error: StoreError| StorageError::Failed(error.to_string());
        let got = self.store.read(Inbox::FILE, offset, buffer).map_err(failed)?;
        if got == buffer.len() { Ok(()) } else { Err(StorageError::Failed("the bundle's file is too short".into())) }
    }

    fn clear(&mut self) -> Result<(), StorageError> {
        self.inbox = None;
        Inbox::clear(&mut self.store).map_err(|error| StorageError::Failed(error.to_string()))
    }
}

/// Sends until it ends, with nothing between the two ends; how it ended, and the chunks sent.
fn send(
    board: &mut Receiver<InboxStorage>,
    bytes: &[u8],
    offer: &Offer,
    most_durable: &mut u32,
) -> (Result<UpdatePhase, SendError>, u64) {
    let mut sender = Sender::new(offer.clone(), 77);
    let mut now = 0;
    loop {
        let message = match sender.poll(now) {
            Action::Send(down) => FromHost::Request(down),
            Action::Chunk { index } => {
                let start = index as usize * CHUNK;
                let data = bytes[start..start + offer.chunk_len(index)].iter().copied().collect();
                FromHost::Chunk(UpdateChunk { transfer: offer.transfer(), index, data })
            }
            Action::Wait(us) => {
                now += us.min(10_000);
                while let Some(up) = board.poll(now) {
                    sender.take(now, &up);
                }
                continue;
            }
            Action::End(end) => return (end, sender.progress().sent_chunks),
        };
        board.take(now, &message, |_| Ok(()));
        while let Some(up) = board.poll(now) {
            sender.take(now, &up);
        }
        *most_durable = (*most_durable).max(board.state().durable);
    }
}

#[test]
fn a_power_cut_at_every_operation_of_the_inbox_loses_nothing_durable() {
    let (bytes, offer) = file(&mut Dice(3), 100 * CHUNK + 33);
    let new = || Receiver::new(InboxStorage { store: SimStore::new(1), inbox: None });
    let mut clean = new();
    let whole = u64::from(offer.chunks());
    assert_eq!(send(&mut clean, &bytes, &offer, &mut 0), (Ok(UpdatePhase::Verified), whole));
    let operations = clean.storage().store.operations();
    let (mut cuts, mut resumed) = (0, 0);
    for mode in CutMode::ALL {
        for after in 0..operations {
            let mut board = new();
            board.storage().store.inject(after, Trouble::Cut(mode));
            let mut durable = 0;
            let (end, _) = send(&mut board, &bytes, &offer, &mut durable);
            assert!(matches!(end, Err(SendError::Refused { .. })), "{mode:?} {after}: {end:?}");
            cuts += 1;
            let store = std::mem::replace(&mut board.storage().store, SimStore::new(0));
            let mut board = Receiver::new(InboxStorage::on_power(store));
            let (end, sent) = send(&mut board, &bytes, &offer, &mut 0);
            assert_eq!(end, Ok(UpdatePhase::Verified), "{mode:?} {after}");
            assert!(sent <= whole - u64::from(durable), "{mode:?} {after}: {sent} sent, {durable} were durable");
            resumed += u64::from(sent < whole);
            assert!(board.storage().store.bytes(Inbox::FILE) == Some(&bytes[..]), "{mode:?} {after}");
        }
    }
    println!(
        "{operations} operations, {cuts} power cuts: all verified in the end, {resumed} went on from what was durable"
    );
    assert!(cuts >= 300 && resumed >= cuts / 2, "{cuts} {resumed}");
}
