//! Standard output, whose reader may go before the work is done: `mtcae evaluate ... | head -1`.

use anyhow::{Result, bail};
use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};
use std::sync::OnceLock;

/// Why something could not be written, other than that nobody reads it.
static FAULT: OnceLock<String> = OnceLock::new();

/// Writes at once. The work goes on when it cannot be done; [`finish`] says so.
pub fn write(text: Arguments<'_>) {
    let mut out = stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            let _ = FAULT.set(e.to_string());
        }
        _ => {}
    }
}

/// # Errors
/// When something could not be written, as on a full disk.
pub fn finish() -> Result<()> {
    match FAULT.get() {
        Some(fault) => bail!("standard output: {fault}"),
        None => Ok(()),
    }
}
