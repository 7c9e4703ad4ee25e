//! Messages about updates: what a bundle's file is, its pieces, how far the board is with it, and the slots.

use crate::message::{Invalid, rule};
use crate::value::Text;
use serde::{Deserialize, Serialize};

/// Data bytes of every [`UpdateChunk`] but a file's last.
pub const CHUNK: usize = 1024;

/// The most chunks a board takes beyond those that are durable; as many as [`UpdateState::later`] has bits.
pub const MAX_WINDOW: u16 = 128;

/// The most families of boards an [`Offer`] names.
pub const MAX_FAMILIES: usize = 4;

/// A request that says nothing but what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back in the answer.
    pub token: u32,
}

/// Asks for the newest lines of the board's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsQuery {
    /// Comes back in the answer.
    pub token: u32,
    /// At most this many lines.
    pub lines: u8,
}

/// The most bytes of a permit.
pub const MAX_PERMIT: usize = 160;

/// A signed leave to install, or go back to, a version with a lower security counter. It counts for the next update or
/// rollback, until the daemon ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitOffer {
    /// Comes back in the answer.
    pub token: u32,
    /// The permit in the binary form of `mtcae-bundle`, which this crate does not look into.
    pub permit: heapless::Vec<u8, MAX_PERMIT>,
}

/// Offers a file, or asks to go on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBegin {
    /// Comes back in the answer.
    pub token: u32,
    /// The file.
    pub offer: Offer,
}

/// A bundle's file, as far as a board must know it to refuse early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Bytes of the file, at least 1, at most [`Offer::MAX_LENGTH`].
    pub length: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Name of the bundle.
    pub name: Text<24>,
    /// Version of the bundle.
    pub version: Text<20>,
    /// Its security counter; a board refuses one that is lower than its own.
    pub security_counter: u32,
    /// Families of boards it is for, at least one; of more than fit, those that matter to this board
    /// ([`Slots::family`]). The bundle's own manifest is what counts in the end.
    pub families: heapless::Vec<Text<32>, MAX_FAMILIES>,
}

impl Offer {
    /// The longest file whose chunks can be counted, in bytes.
    pub const MAX_LENGTH: u64 = u32::MAX as u64 * CHUNK as u64;

    /// The short name of this file in later messages: the first four bytes of its SHA-256, lowest first.
    /// Whoever sends the same file sends the same transfer.
    pub fn transfer(&self) -> u32 {
        let [a, b, c, d, ..] = self.sha256;
        u32::from_le_bytes([a, b, c, d])
    }

    /// How many chunks the file has.
    pub fn chunks(&self) -> u32 {
        self.length.div_ceil(CHUNK as u64).min(u32::MAX.into()) as u32
    }

    /// Data bytes of chunk `index`; 0 when the file has no such chunk.
    pub fn chunk_len(&self, index: u32) -> usize {
        self.length.saturating_sub(u64::from(index) * CHUNK as u64).min(CHUNK as u64) as usize
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let length = (1..=Self::MAX_LENGTH).contains(&self.length);
        rule(length, "UpdateBegin.offer.length", "must be 1 to 2^42 - 1024")?;
        rule(!self.families.is_empty(), "UpdateBegin.offer.families", "must name at least one family of boards")
    }
}

/// A piece of the file: bytes `index * CHUNK` and following. Its frame is longer than the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateChunk {
    /// [`Offer::transfer`].
    pub transfer: u32,
    /// Which piece, from 0.
    pub index: u32,
    /// The bytes: [`CHUNK`] of them, in the last piece what is left.
    pub data: heapless::Vec<u8, CHUNK>,
}

impl UpdateChunk {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        rule(!self.data.is_empty(), "UpdateChunk.data", "must not be empty")
    }
}

/// Asks the board to check the whole file and to install it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateFinish {
    /// Comes back in the answer.
    pub token: u32,
    /// [`Offer::transfer`].
    pub transfer: u32,
}

/// How far the board is with a file. Everything is counted in chunks; the board's storage is what counts,
/// so the numbers fall when it loses what was not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateState {
    /// Of the newest update request the board has read since its start, 0 before the first. All that was sent before
    /// that request and is not in this state was lost.
    pub token: u32,
    /// [`Offer::transfer`]; 0 while idle.
    pub transfer: u32,
    /// What the board does with the file.
    pub phase: UpdatePhase,
    /// Chunks the file has; 0 while idle.
    pub chunks: u32,
    /// Chunks, from the file's start, that survive a loss of power.
    pub durable: u32,
    /// Chunks there, from the file's start.
    pub received: u32,
    /// Chunks there beyond the first missing one: bit `i` is chunk `received + 1 + i`.
    pub later: u128,
    /// The board takes chunks below `durable + window`; at most [`MAX_WINDOW`].
    pub window: u16,
    /// Chunks read back for the final check.
    pub checked: u32,
}

impl UpdateState {
    /// Whether the board has chunk `index`.
    pub fn has(&self, index: u32) -> bool {
        match index.checked_sub(self.received) {
            None => true,
            Some(0) => false,
            Some(beyond) => beyond <= u128::BITS && self.later >> (beyond - 1) & 1 == 1,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        rule(self.received <= self.chunks, "UpdateState.received", "must be at most `chunks`")?;
        rule(self.durable <= self.received, "UpdateState.durable", "must be at most `received`")?;
        rule(self.checked <= self.durable, "UpdateState.checked", "must be at most `durable`")?;
        rule(self.window <= MAX_WINDOW, "UpdateState.window", "must be at most 128")?;
        // The file's last chunk is `chunks - 1`, so bit `chunks - received - 2` may be set and none above it.
        let bits = (self.chunks - self.received).saturating_sub(1);
        let within = bits >= u128::BITS || self.later >> bits == 0;
        rule(within, "UpdateState.later", "must not count chunks that the file does not have")
    }
}

/// What a board does with the file of an update, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UpdatePhase {
    /// No file is on its way.
    Idle,
    /// Chunks come in.
    Receiving,
    /// The file is read back and its SHA-256 taken.
    Verifying,
    /// The file is whole.
    Verified,
    /// The bundle is checked and written to the idle slot.
    Installing,
    /// The bundle is in its slot and starts on trial.
    Installed,
}

/// A file was refused, early or after all of it had come; the board has let go of what it had of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRefused {
    /// Of the newest update request, as in [`UpdateState::token`].
    pub token: u32,
    /// [`Offer::transfer`] of the refused file.
    pub transfer: u32,
    /// Why, for the program.
    pub refusal: Refusal,
    /// Why, for a person.
    pub detail: Text<96>,
}

/// Why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The bundle is for other families of boards.
    WrongBoard,
    /// The board has no room for it.
    NoSpace,
    /// Its security counter is lower than the board's.
    OlderCounter,
    /// The board has this very file in a slot.
    AlreadyInstalled,
    /// Another file is on its way, or the board is in no state for an update; ask again later.
    Busy,
    /// The board's storage failed.
    Storage,
    /// The whole file does not have the SHA-256 it was offered with.
    Damaged,
    /// No key the board trusts has signed it.
    NotTrusted,
    /// The bundle cannot be used: its parts contradict its manifest, or its self-test failed.
    Unusable,
    /// The board takes no updates over this line.
    NotAllowed,
}

/// What is in the board's slots: two for models, two for the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Of the request.
    pub token: u32,
    /// The board's family; a bundle must name it.
    pub family: Text<32>,
    /// The slots for models.
    pub model: SlotPair,
    /// The slots for the daemon.
    pub daemon: SlotPair,
    /// Starts that are left to the version on trial to be confirmed in; `None` when none is on trial, or when it has passed
    /// its self-test and waits for the user.
    pub trial_starts_left: Option<u8>,
    /// The lowest security counter the board accepts.
    pub security_counter: u32,
    /// Bytes free for a new bundle.
    pub free_bytes: u64,
}

/// Two slots for the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotPair {
    /// The slot that runs; `None` when neither does.
    pub active: Option<SlotName>,
    /// Slot A and slot B; `None` is empty.
    pub slots: [Option<Slot>; 2],
}

/// One of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotName {
    /// The first.
    A,
    /// The second.
    B,
}

/// What a slot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// [`Offer::transfer`] of the file it was made from.
    pub transfer: u32,
    /// Version of the bundle.
    pub version: Text<20>,
    /// The bundle's security counter.
    pub security_counter: u32,
    /// How far it is trusted.
    pub state: SlotState,
}

/// How far a slot is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotState {
    /// Being written.
    Writing,
    /// Whole, and never started.
    Ready,
    /// Started and not confirmed yet; falls back to the other slot when its starts are used up.
    Trial,
    /// Confirmed.
    Confirmed,
    /// Rolled back; will not be started again.
    Failed,
}
