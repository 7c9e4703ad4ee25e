//! One connection that never waits.

use crate::limits::{
    KEEPALIVE_AFTER, KEEPALIVE_COUNT, KEEPALIVE_EVERY, MAX_WRITE, READS_AT_ONCE, SEND_BUFFER, SILENCE,
};
use crate::pinned::{Identity, Shown};
use crate::{PublicLineKey, TlsError};
use mtcae_bundle::KeyId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustls::{AlertDescription, CertificateError, Error};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A TCP connection with TLS on it, of which each call returns at once. After an error it is of no more use.
pub struct Connection {
    stream: TcpStream,
    tls: rustls::Connection,
    shown: Shown,
    own: KeyId,
    expected: String,
    peer: SocketAddr,
}

impl Connection {
    pub(crate) fn server(
        stream: TcpStream,
        identity: &Identity,
        clients: &Arc<[PublicLineKey]>,
    ) -> Result<Connection, TlsError> {
        let (tls, shown) = identity.server(clients)?;
        Connection::new(stream, tls.into(), shown, identity, "a known client's".to_owned())
    }

    pub(crate) fn client(stream: TcpStream, identity: &Identity, board: PublicLineKey) -> Result<Connection, TlsError> {
        let (tls, shown) = identity.client(board)?;
        Connection::new(stream, tls.into(), shown, identity, board.id().to_string())
    }

    fn new(
        stream: TcpStream,
        mut tls: rustls::Connection,
        shown: Shown,
        identity: &Identity,
        expected: String,
    ) -> Result<Connection, TlsError> {
        let peer = tune(&stream).map_err(TlsError::Lost)?;
        tls.set_buffer_limit(Some(2 * MAX_WRITE));
        Ok(Connection { stream, tls, shown, own: identity.public().id(), expected, peer })
    }

    /// Where the peer is.
    pub fn address(&self) -> SocketAddr {
        self.peer
    }

    /// The peer's key; none before the handshake is over.
    pub fn peer(&self) -> Option<PublicLineKey> {
        if self.tls.is_handshaking() { None } else { self.shown.get().copied() }
    }

    /// The key that the peer has shown; nobody has proved yet that it is its own.
    pub(crate) fn shown(&self) -> Option<PublicLineKey> {
        self.shown.get().copied()
    }

    /// Goes on with the handshake; true when it is over.
    ///
    /// # Errors
    /// When it has failed; the peer has been told why as far as it is there.
    pub(crate) fn shake_hands(&mut self) -> Result<bool, TlsError> {
        for _ in 0..READS_AT_ONCE {
            self.flush()?;
            if !self.tls.is_handshaking() || !self.receive()? {
                break;
            }
        }
        self.flush()?;
        Ok(!self.tls.is_handshaking())
    }

    /// Bytes from the peer; 0 when there are none now.
    ///
    /// # Errors
    /// [`TlsError::Closed`] when the peer has ended it, else when it is broken.
    pub fn read(&mut self, bytes: &mut [u8]) -> Result<usize, TlsError> {
        for _ in 0..READS_AT_ONCE {
            match self.tls.reader().read(bytes) {
                Ok(0) => return Err(TlsError::Closed),
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err(TlsError::Closed),
                Err(e) => return Err(TlsError::Lost(e)),
            }
            if !self.receive()? {
                break;
            }
        }
        Ok(0)
    }

    /// Takes `bytes` (at most [`MAX_WRITE`]) whole, or not at all (false) while something taken earlier still waits
    /// to go out. What is taken goes out now as far as it can, and with [`Connection::flush`] later.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<bool, TlsError> {
        debug_assert!(bytes.len() <= MAX_WRITE, "{} bytes at once", bytes.len());
        if !self.flush()? {
            return Ok(false);
        }
        self.tls.writer().write_all(bytes).map_err(TlsError::Lost)?;
        self.flush().map(|_| true)
    }

    /// Sends what waits, as far as the system takes it; true when nothing is left.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self) -> Result<bool, TlsError> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(TlsError::Lost(e)),
            }
        }
        Ok(true)
    }

    /// Tells the peer that this is the end, as far as that goes without waiting.
    pub fn close(mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
    }

    /// Waits until bytes can be read or, while some wait to go out, sent; `timeout` at most.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        let events = if self.tls.wants_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        self.wait_for(events, timeout)
    }

    /// Waits until bytes can be sent; `timeout` at most.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn wait_writable(&self, timeout: Duration) -> io::Result<()> {
        self.wait_for(PollFlags::OUT, timeout)
    }

    fn wait_for(&self, events: PollFlags, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
        match poll(&mut [PollFd::new(&self.stream, events)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// One look at what the system has; false when that is nothing.
    fn receive(&mut self) -> Result<bool, TlsError> {
        match self.tls.read_tls(&mut self.stream) {
            Ok(0) => return Err(TlsError::Closed),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(e) => return Err(TlsError::Lost(e)),
        }
        if let Err(error) = self.tls.process_new_packets() {
            // Why, for the peer; it may have gone.
            let _ = self.flush();
            return Err(self.explained(error));
        }
        self.flush().map(|_| true)
    }

    fn explained(&self, error: Error) -> TlsError {
        use AlertDescription::{AccessDenied, CertificateRequired, UnknownCA};
        match error {
            Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => TlsError::WrongKey {
                found: self.shown().map_or("?".to_owned(), |key| key.id().to_string()),
                expected: self.expected.clone(),
            },
            Error::AlertReceived(AccessDenied | CertificateRequired | UnknownCA) => {
                TlsError::Refused { own: self.own.to_string() }
            }
            error => TlsError::Protocol(error.to_string()),
        }
    }
}

/// Never blocking, no waiting for more to send, little room for what is old, and a peer that is gone is noticed.
fn tune(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)?;
    sockopt::set_tcp_user_timeout(stream, SILENCE.as_millis() as u32)?;
    stream.peer_addr()
}
