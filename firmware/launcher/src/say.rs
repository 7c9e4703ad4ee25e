//! What the launcher writes: its log on the error output, and answers on standard output.

use crate::error::LaunchError;
use std::fmt;
use std::io::{self, ErrorKind, Write};

/// A line of the log, as `eprintln!` takes it.
macro_rules! tell {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
pub(crate) use tell;

/// For [`tell!`]: whether anybody reads the log changes nothing of what is done.
pub fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "mtcae-launcher: {text}");
}

/// Prints an answer.
pub fn print(text: &str) -> Result<(), LaunchError> {
    match io::stdout().write_all(text.as_bytes()) {
        // The reader of a pipe has what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(LaunchError::system("cannot write to standard output")),
    }
}
