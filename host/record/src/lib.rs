//! Recordings of what a board said, as MCAP files that other tools read too: written in bounded memory so that a kill
//! costs the last seconds only, and read back without trust in what stands in them; never a port or a terminal.
//!
//! ```text
//!  message, its line of JSON, when it came --Recorder--> FILE.mcap: mtcae/messages, and topics in hri_msgs' words
//!  FILE.mcap --Reader--> line of JSON, when it came                  (from mtcae/messages)
//! ```
//!
//! Topics, times and bounds are in this crate's README.
#![forbid(unsafe_code)]

mod error;
mod format;
mod reader;
mod recorder;
mod schemas;
mod writer;

pub use error::{ReadError, WriteError};
pub use reader::{Entry, Reader};
pub use recorder::{Full, MESSAGES, Recorder, Written};
