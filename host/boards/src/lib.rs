//! Talks to boards: finds them, asks them, carries a bundle to them. It never knows a terminal, an argument or the environment,
//! and never what is in a model.
//!
//! ```text
//!  Target --opener--> Line (serial, TCP) --> Session: messages, questions, the line opened again
//!                                          |
//!    devices, doctor <---------------------+--> flash: prospect -> Sender -> Watch -> confirmed, or not and why
//!    confirm, rollback <-------------------+
//!  dir:PATH --> Root: the same slots, without a board that runs
//! ```
//!
//! What a board would refuse is asked before the first byte is sent ([`course`]); what happens after the last one is
//! followed until the new version is confirmed there or gone ([`Watch`]). Both are pure; time is passed in.

mod admission;
mod ask;
mod bundle_file;
mod devices;
mod doctor;
mod error;
mod flash;
mod known;
mod line;
mod look;
mod root;
mod serial;
mod session;
mod target;
mod tcp;
mod trial;
mod watch;

pub use admission::{Asked, Brings, Course, course, lowest_counters};
pub use ask::{Clock, Patience};
pub use bundle_file::BundleFile;
pub use devices::{Device, MAX_ASKED, devices, serial_targets};
pub use doctor::{BoardFacts, Finding, HostFacts, PortFact, Severity, examine, judge_board, judge_host, mode_text};
pub use error::BoardError;
pub use flash::{Flashed, GONE_AFTER, MAX_AGAIN, Options, Outcome, Prospect, STALLED_US, Stage, flash, prospect};
pub use known::{KnownBoards, KnownError, LineKeys, MAX_KNOWN};
pub use line::{Line, LineError, Opener, opener};
pub use look::RootCourse;
pub use root::{Root, RootFlashed, RootStatus};
pub use serial::{SerialLine, serial_ports};
pub use session::{Heard, LineCounts, Session};
pub use target::{BAUDS, DEFAULT_BAUD, Target, TargetError};
pub use tcp::{TcpLine, connect};
pub use trial::{Confirmed, RolledBack, confirm, rollback};
pub use watch::{End, Phase, Step, Watch};
