//! A board without a board: Linux as a process of this machine, with a real V4L2 camera, GPIO chip, watchdog, disk and
//! serial line; it knows nothing of what runs on it.
//!
//! ```text
//! Kernel (built by ./build-kernel) --+
//! Setup (folder, disk, programs) ----+--> Board::start --> run("shell command") -> Answer, power_cut
//! Terminal (the serial line's end) --+
//! ```

mod archive;
mod board;
mod console;
mod error;
mod libraries;
mod terminal;

pub use board::{Answer, Board, Kernel, Setup};
pub use error::UmlError;
pub use libraries::libraries;
pub use terminal::Terminal;
