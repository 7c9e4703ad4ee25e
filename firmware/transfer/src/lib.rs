//! Carries one file from a host to a board over [`mtcae_wire`], piece by piece, through cuts and restarts of either end; it
//! never knows what is in the file, who may send it, a port, a file system or a clock.
//!
//! ```text
//!  host                                                           board
//!  file bytes --> Sender --Action--> [ line ] --FromHost--> Receiver --> Storage
//!                   ^                                           |
//!                   +------------ [ line ] <------- Up ---------+
//! ```
//!
//! Both ends are told the time and what came, and say what is to be sent. The board's own storage is what counts: a
//! [`Sender`] knows only what the board has told it since it last said hello, so that either end may start anew at any
//! moment. Who says what when is in this crate's README.
#![forbid(unsafe_code)]

mod ahead;
mod flight;
mod receiver;
mod sender;
mod storage;

pub use receiver::{
    BUSY_US, Counts, READ_AT_ONCE, REPORT_AFTER_US, REPORT_CHUNKS, Receiver, SYNC_AFTER_US, SYNC_CHUNKS,
    is_about_a_file,
};
pub use sender::{Action, FIRST_WAIT_US, GIVE_UP_US, LONGEST_WAIT_US, MAX_RESTARTS, Progress, SendError, Sender};
pub use storage::{File, Storage, StorageError};

/// Microseconds from an arbitrary start that never goes back.
pub type Micros = u64;

/// The verdict on an offer that is not taken: why, for the program, and why, for a person.
pub type Verdict = Result<(), (mtcae_wire::Refusal, String)>;

/// Chunks the board takes beyond those that are durable: no restart costs more.
pub const WINDOW: u16 = mtcae_wire::MAX_WINDOW;
