//! A/B slots of a board: which version starts, and how a new one gets there through any power cut; it never knows a
//! file system, a clock, a socket, a signature or what is in a model.
//!
//! ```text
//!   daemon, host tool                      firmware/drivers (a directory) or sim (memory that loses power)
//!          |                                                 |
//!          |  begin, write, finish, switch                   |
//!          +---------------------------> Updater ----------> Store
//!          |  self_test, confirm, rollback   ^
//!                                            |  choose: counts the start, then says what starts
//!                                         launcher
//! ```
//!
//! States and events are one table, [`TABLE`]; the README prints it, and a test compares the two.
#![forbid(unsafe_code)]

mod choose;
mod digest;
mod error;
mod frame;
mod inbox;
mod journal;
mod plan;
mod rebuild;
mod record;
mod seal;
#[cfg(feature = "sim")]
pub mod sim;
mod slot;
mod status;
mod store;
mod table;
mod updater;

pub use choose::{Choice, Note, WhyNothing};
pub use digest::Digest;
pub use error::UpdateError;
pub use inbox::{Inbox, MAX_BUNDLE};
pub use journal::{MAX_WINDOW, MIN_WINDOW, Progress, WINDOW};
pub use plan::{Confirm, MAX_NAME, MAX_PARTS, MAX_PAYLOAD, MAX_VERSION, Part, Permit, Plan};
pub use record::{Outcome, Why};
pub use seal::Depth;
pub use slot::{DAEMON_FILE, DIRECTORIES, Kind, Pair, Slot, is_program};
pub use status::{Held, Standing, Status, Version};
pub use store::{Store, StoreError};
pub use table::{
    Event, FAULTS, Fault, FaultRow, MAX_STARTS, Next, Row, State, TABLE, faults_as_markdown, table_as_markdown,
};
pub use updater::{Updater, Verdict};
