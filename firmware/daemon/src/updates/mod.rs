//! New versions: a file comes in over a line, is verified and put into the idle slots, and starts on trial.
//!
//! ```text
//!  a sink's thread                                   the thread "slots"
//!  FromHost -> Desk: Receiver -> Queue --Command--> Worker: Inbox, install, Updater -> DirStore
//!       Up  <-         '-------- Told (what is durable, how it ended) <------'
//! ```
//!
//! No sink's thread ever waits for the disk: what it wants done goes through a bounded channel.

mod answers;
mod desk;
mod queue;
mod slots;
pub(crate) mod trial;
mod worker;

pub(crate) use desk::Updates;
pub(crate) use worker::{Place, device_keys};
