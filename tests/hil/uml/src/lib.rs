//! A board without a board: Linux as a process of this machine, or on an emulated arm64 processor, with a real V4L2
//! camera, watchdog, disk and serial line; it knows nothing of what runs on it.
//!
//! ```text
//! Kernel (./build-kernel, ../arm64/build) --+
//! Setup (folder, disk, programs) -----------+--> Board::start --> run("shell command") -> Answer, power_cut
//! Terminal (the serial line's end) ---------+
//! ```

mod archive;
mod board;
mod console;
mod error;
mod kernel;
mod libraries;
mod setup;
mod terminal;

pub use board::{Answer, Board};
pub use error::UmlError;
pub use kernel::Kernel;
pub use libraries::libraries;
pub use setup::Setup;
pub use terminal::Terminal;
