//! A client that was let in: messages over its connection.

use mtcae_tls::{Connection, TlsError};
use mtcae_wire::{Decoder, FromHost, Up, encode};
use std::time::{Duration, Instant};

/// Longest time that sending works on one frame.
pub(super) const SEND_BUDGET: Duration = Duration::from_millis(20);
/// Bytes taken from the connection at a time.
const READ_AT_ONCE: usize = 4096;

pub(super) struct Client {
    connection: Connection,
    name: String,
    decoder: Decoder<FromHost>,
    /// Bytes received; what lies between `taken` and `filled` is not decoded yet.
    input: Box<[u8; READ_AT_ONCE]>,
    taken: usize,
    filled: usize,
}

impl Client {
    pub fn new(connection: Connection) -> Client {
        let id = connection.peer().map_or("?".to_owned(), |key| key.id().to_string());
        Client {
            name: format!("{id} at {}", connection.address()),
            connection,
            decoder: Decoder::new(),
            input: Box::new([0; READ_AT_ONCE]),
            taken: 0,
            filled: 0,
        }
    }

    /// Id of its key, and where it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn bad_received(&self) -> u64 {
        self.decoder.counts().bad.into()
    }

    /// True when `message` was taken.
    pub fn send(&mut self, message: &Up, budget: Duration) -> Result<bool, TlsError> {
        let end = Instant::now() + budget;
        if !self.flush(end)? {
            return Ok(false);
        }
        // An unencodable message is a bug of the caller that another try will not mend, and no fault of the line.
        let Ok(frame) = encode(message) else {
            debug_assert!(false, "message does not encode: {message:?}");
            return Ok(true);
        };
        let taken = self.connection.write(&frame)?;
        self.flush(end)?;
        Ok(taken)
    }

    /// True when nothing waits to go out any more.
    fn flush(&mut self, end: Instant) -> Result<bool, TlsError> {
        while !self.connection.flush()? {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.connection.wait_writable(left).map_err(TlsError::Lost)?;
        }
        Ok(true)
    }

    /// The next message, if one has arrived.
    pub fn next(&mut self) -> Result<Option<FromHost>, TlsError> {
        self.connection.flush()?;
        loop {
            while self.taken < self.filled {
                self.taken += 1;
                // Errors are counted by the decoder, which goes on at the next delimiter.
                if let Some(Ok(message)) = self.decoder.push(self.input[self.taken - 1]) {
                    return Ok(Some(message));
                }
            }
            (self.taken, self.filled) = (0, 0);
            self.filled = self.connection.read(&mut self.input[..])?;
            if self.filled == 0 {
                return Ok(None);
            }
        }
    }

    /// Looks after a client whose messages have to wait.
    pub fn still_there(&mut self) -> Result<(), TlsError> {
        self.connection.flush()?;
        if self.filled == 0 {
            self.filled = self.connection.read(&mut self.input[..])?;
        }
        Ok(())
    }

    pub fn close(self) {
        self.connection.close();
    }
}
