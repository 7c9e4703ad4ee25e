//! The daemon: reads a board file, wires drivers to the core, and supervises them; it never knows how a picture
//! becomes an answer, and the library never prints, exits or handles signals.
//!
//! ```text
//!  capture thread             inference thread                      one thread a sink, on one tokio runtime
//!  FrameSource --frames--> [ Pipeline ] --jobs--> FaceFinder, Engine      Outbox --messages--> Sink
//!                          [ (locked) ] <-answers-                          ^    <-requests--
//!                                '-------------- reports -------------------'
//! ```
//!
//! Two more threads, when the board has them: the slots', for updates (`updates`), and the pins' (`pins`). [`run()`] does all of it in one call; the program `mtcae-firmware` adds arguments, signals and exit codes.
#![forbid(unsafe_code)]

mod camera;
mod capture;
mod engine;
mod error;
mod event;
mod infer;
mod line;
mod link;
mod machine;
mod model;
mod notify;
mod overrides;
mod pins;
mod run;
mod settings;
mod shared;
mod source;
mod startup;
mod subscription;
mod summary;
mod updates;

pub use error::DaemonError;
pub use event::{Event, OnEvent};
pub use overrides::{Overrides, SinkChoice, SourceChoice, Watch};
pub use run::{check, run};
pub use startup::StartUp;
pub use summary::{Live, SinkSummary, Summary};
