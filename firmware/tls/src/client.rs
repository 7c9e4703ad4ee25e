//! The desk's end: connects, and reads and writes with a time-out.

use crate::limits::MAX_WRITE;
use crate::pinned::Identity;
use crate::{Connection, LineKey, PublicLineKey, TlsError, WELCOME};
use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A line to a board that has let this side in. Reads and writes wait as long as the time-out says, and then give
/// [`ErrorKind::TimedOut`]; the line is still good then.
pub struct ClientLine {
    connection: Connection,
    timeout: Duration,
}

impl ClientLine {
    /// Connects to `address` (`HOST:PORT`) as the client with `own`, to the board with `board` and no other; done when
    /// the board has let it in. Takes `timeout` at most for connection and handshake, which is also the time-out of
    /// reads and writes until [`ClientLine::set_timeout`]; looking up a host's name has the system's own limit.
    ///
    /// # Errors
    /// [`TlsError::Reach`], [`TlsError::WrongKey`], [`TlsError::Refused`] and the others, each with its own next step.
    pub fn connect(
        address: &str,
        own: &LineKey,
        board: PublicLineKey,
        timeout: Duration,
    ) -> Result<ClientLine, TlsError> {
        let deadline = Instant::now() + timeout;
        let stream =
            reach(address, deadline).map_err(|error| TlsError::Reach { address: address.to_owned(), error })?;
        let mut connection = Connection::client(stream, &Identity::new(own)?, board)?;
        loop {
            if connection.shake_hands()?
                && let Some(byte) = first_byte(&mut connection)?
            {
                if byte != WELCOME {
                    return Err(TlsError::Protocol("the other end does not welcome its clients".to_owned()));
                }
                return Ok(ClientLine { connection, timeout });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TlsError::TimedOut { doing: "the handshake", after: timeout });
            }
            connection.wait(left).map_err(TlsError::Lost)?;
        }
    }

    /// How long a read waits for bytes and a write for room.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The same line for an owner that never waits.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// Where the board is.
    pub fn address(&self) -> SocketAddr {
        self.connection.address()
    }
}

fn first_byte(connection: &mut Connection) -> Result<Option<u8>, TlsError> {
    let mut byte = [0];
    Ok((connection.read(&mut byte)? == 1).then_some(byte[0]))
}

/// A connection to the first of the host's addresses that takes one.
fn reach(address: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut failed = Error::new(ErrorKind::NotFound, "the host has no address");
    for address in address.to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        // A time-out of zero is an error of its own.
        match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn io_error(error: TlsError) -> Error {
    match error {
        TlsError::Lost(error) => error,
        TlsError::Closed => ErrorKind::ConnectionAborted.into(),
        error => Error::other(error),
    }
}

impl Read for ClientLine {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.connection.flush().and_then(|_| self.connection.read(bytes)) {
                Ok(0) => {}
                Ok(n) => return Ok(n),
                Err(TlsError::Closed) => return Ok(0),
                Err(error) => return Err(io_error(error)),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.connection.wait(left)?;
        }
    }
}

impl Write for ClientLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MAX_WRITE)];
        let deadline = Instant::now() + self.timeout;
        while !self.connection.write(bytes).map_err(io_error)? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.connection.wait_writable(left)?;
        }
        Ok(bytes.len())
    }

    /// Until the system has all of it.
    fn flush(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + self.timeout;
        while !self.connection.flush().map_err(io_error)? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.connection.wait_writable(left)?;
        }
        Ok(())
    }
}
