//! Boards on the network: TLS over TCP as a line.

use crate::Target;
use crate::known::LineKeys;
use crate::line::{Line, LineError};
use mtcae_tls::{ClientLine, Connection, MAX_WRITE, TlsError};
use std::io;
use std::time::Duration;

/// Longest time for connection and handshake.
const CONNECT: Duration = Duration::from_secs(3);

/// A line to a board that has let this desk in.
pub struct TcpLine(Connection);

impl TcpLine {
    /// Connects to the board at `target` (`Tcp`).
    ///
    /// # Errors
    /// What is wrong, with the next step.
    pub fn open(target: &Target, keys: &LineKeys) -> Result<TcpLine, LineError> {
        connect(target, keys).map(|line| TcpLine(line.into_connection()))
    }
}

/// The same line for an owner that waits.
///
/// # Errors
/// What is wrong, with the next step.
pub fn connect(target: &Target, keys: &LineKeys) -> Result<ClientLine, LineError> {
    let text = target.to_string();
    let address = text.strip_prefix("tcp:").unwrap_or(&text);
    ClientLine::connect(address, &keys.own, keys.board, CONNECT).map_err(|error| failure(&text, &error))
}

fn io_error(error: TlsError) -> io::Error {
    match error {
        TlsError::Lost(error) => error,
        error => io::Error::other(error),
    }
}

impl Line for TcpLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(io_error)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MAX_WRITE)];
        let taken = self.0.write(bytes).map_err(io_error)?;
        Ok(if taken { bytes.len() } else { 0 })
    }

    fn wait(&mut self, to_write: bool, at_most: Duration) -> io::Result<()> {
        // What was taken may still have to go out.
        let flushed = self.0.flush().map_err(io_error)?;
        if to_write && flushed { Ok(()) } else { self.0.wait(at_most) }
    }
}

/// `error` of connecting to `target`, with the next step.
fn failure(target: &str, error: &TlsError) -> LineError {
    let help = match error {
        TlsError::Reach { .. } => {
            "is the board on and on this network, and has its file a [[sink]] with kind = \"tcp\" that listens on an \
             address that can be reached from here?"
                .to_owned()
        }
        TlsError::WrongKey { .. } => format!(
            "somebody else answers there, or the board has a new key: get its /etc/mtcae/line.pub over a way that you \
             trust, then `mtcae keys trust-board {target} line.pub --replace`"
        ),
        TlsError::Refused { .. } => {
            "put this desk's line.key.pub (`mtcae keys show` on its line key prints it) into the board's \
             /etc/mtcae/clients as NAME.pub"
                .to_owned()
        }
        TlsError::TimedOut { .. } | TlsError::Protocol(_) | TlsError::Closed => {
            "is it a board's TCP port, and not another program's?".to_owned()
        }
        _ => "try again".to_owned(),
    };
    // The address stands in `target` already.
    let reason = match error {
        TlsError::Reach { error, .. } => error.to_string(),
        error => error.to_string(),
    };
    LineError { target: target.to_owned(), reason, help }
}
