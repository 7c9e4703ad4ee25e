//! An open line to a board, whatever carries it.

use crate::known::KnownBoards;
use crate::{Target, serial, tcp};
use std::io;
use std::time::Duration;
use thiserror::Error;

/// Bytes to and from one board. No method but [`Line::wait`] waits. An error means that the line is gone: it is dropped and
/// opened again.
pub trait Line: Send {
    /// Reads what has come; 0 when nothing has.
    ///
    /// # Errors
    /// When the line is gone, also when the other end has closed it.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Hands over as many of `bytes` as the line takes now; 0 when it takes none.
    ///
    /// # Errors
    /// When the line is gone.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits, at most so long, until something has come, or, when `to_write`, until the line takes bytes.
    ///
    /// # Errors
    /// When the line is gone.
    fn wait(&mut self, to_write: bool, at_most: Duration) -> io::Result<()>;
}

/// A line that does not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot open {target}: {reason}")]
pub struct LineError {
    /// As [`Target`] shows it.
    pub target: String,
    /// What the system says.
    pub reason: String,
    /// The next step.
    pub help: String,
}

/// Opens a line, again and again when it is lost.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Line>, LineError> + Send>;

/// What opens the line to `target`, with the keys of `known` when it needs some. Nothing is opened yet.
///
/// # Errors
/// When no line leads to such a target, or its keys are not known.
pub fn opener(target: &Target, known: &KnownBoards) -> Result<Opener, LineError> {
    match target.clone() {
        Target::Serial { port, baud } => Ok(Box::new(move || Ok(Box::new(serial::SerialLine::open(&port, baud)?)))),
        target @ Target::Tcp { .. } => {
            let keys = known.keys(&target)?;
            Ok(Box::new(move || Ok(Box::new(tcp::TcpLine::open(&target, &keys)?))))
        }
        Target::Directory(_) => {
            let (reason, help) = ("a folder is no board that could answer", "use a serial line or TCP");
            Err(LineError { target: target.to_string(), reason: reason.to_owned(), help: help.to_owned() })
        }
    }
}
