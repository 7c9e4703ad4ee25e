//! New versions: a file comes in over a line, is verified and put into the idle slots, and starts on trial.
//!
//! ```text
//!  a sink's thread                                   the thread "slots"
//!  FromHost -> Desk: Receiver -> Queue --Command--> Worker: Inbox, install, Updater -> DirStore
//!       Up  <-         '-------- Told (what is durable, how it ended) <------'
//! ```
//!
//! What a sink's thread wants done goes through a bounded channel. It waits for the disk when it offers a file and while what came
//! is read back, twenty seconds at most for each answer, and says meanwhile that it lives. No other thread waits for it then: what
//! comes about a file over another sink is lost, and asked again.

mod answers;
mod desk;
mod leave;
mod queue;
mod slots;
pub(crate) mod trial;
mod worker;

pub(crate) use desk::Updates;
pub(crate) use worker::{Place, device_keys};
