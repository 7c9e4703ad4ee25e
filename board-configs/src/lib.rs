//! Where the firmware runs: the board file's schema, its validation, and the boards that ship.
//!
//! Pure over text: it never opens a file, a device or a clock, and knows nothing of how the firmware uses a value.
//!
//! ```text
//! text --toml, with spans--> tables --sections (keys, ranges, defaults)--> Board
//!                                        '--> keys_as_markdown(): the table in the README
//! ```
//!
//! Each section is a struct whose keys, ranges, defaults and documentation are written once, in `sections.rs`; reading,
//! error messages and the README's table all come from there. The schema is append-only: a key that has shipped keeps
//! its name and its meaning, and new keys and sections (`[isp]`, `[pins]`, `[health]`, more kinds of `[[sink]]`) have
//! defaults under which an older file means what it meant.

mod board;
mod builtin;
mod choice;
mod error;
mod key;
mod markdown;
mod rename;
mod section;
mod sections;
mod system;

pub use board::{Board, Camera, MAX_SINKS, Sink, SinkKind, Source, load};
pub use builtin::{Builtin, builtin, builtin_named, load_builtin};
pub use choice::{
    CameraKind, ConfirmChoice, EngineChoice, FirstChoice, LevelChoice, MainsChoice, PixelFormat, PrecisionChoice,
    SinkName,
};
pub use error::BoardError;
pub use markdown::keys_as_markdown;
pub use rename::renamed;
pub use sections::{About, Detector, Estimate, Model, Mqtt, Pins, Report, Serial, Tcp, Update, V4l2, VideoFile};
pub use system::{SYSUSERS, TMPFILES, UDEV_RULES, UNIT, USER_UNIT};

/// The longest board file, bytes; a longer one is refused unread.
pub const MAX_BYTES: usize = 64 * 1024;
