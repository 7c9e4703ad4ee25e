//! Ctrl-C and SIGTERM end a run after the update that is under way, with its state kept; a second one ends it at once.

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

/// Exit code of a run that was stopped, as shells have it.
pub const STOPPED: u8 = 130;

/// What becomes true with the first signal.
///
/// # Errors
/// When the system refuses a handler.
pub fn on_signals() -> Result<&'static AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let first = STOP.get().is_none();
    let stop = STOP.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM].into_iter().filter(|_| first) {
        // In this order: the second signal finds the flag that the first has set.
        register_conditional_shutdown(signal, i32::from(STOPPED), Arc::clone(stop))?;
        register(signal, Arc::clone(stop))?;
    }
    Ok(stop)
}
