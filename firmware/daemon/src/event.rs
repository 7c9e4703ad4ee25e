//! What the daemon tells whoever runs it; the library itself prints nothing.

use crate::{Live, StartUp};
use mtcae_wire::Level;
use std::sync::Arc;

/// Something a person may want to know.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // few exist at a time
pub enum Event {
    /// Everything is open and the first frame is awaited. `live` gives figures at any time.
    Started {
        /// What runs.
        report: StartUp,
        /// A window on the running daemon.
        live: Live,
    },
    /// A line for the log; the other side of every sink gets it, too.
    Log {
        /// How serious it is.
        level: Level,
        /// The line.
        text: String,
    },
}

/// Called with each event, from any of the daemon's threads; it should not take long.
pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;
