//! The board's door: listens, shakes hands with several at once, lets known clients in. Never waits.

use crate::limits::{Limits, REFUSALS};
use crate::pinned::Identity;
use crate::{Clients, Connection, LineKey, TlsError, WELCOME};
use mtcae_bundle::KeyId;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long no connection is taken when the system has no room for one.
const NO_ROOM: Duration = Duration::from_secs(1);

/// What came to the door since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AcceptorCounts {
    /// Known clients let in.
    pub let_in: u64,
    /// Refused for their key, or for having none.
    pub strangers: u64,
    /// Refused for not talking TLS as they should, or gone before they had.
    pub faulty: u64,
    /// Refused for being slow.
    pub slow: u64,
    /// Refused because there were too many at once.
    pub crowded: u64,
}

impl AcceptorCounts {
    /// All that were refused.
    pub fn refused(&self) -> u64 {
        self.strangers + self.faulty + self.slow + self.crowded
    }
}

/// Somebody who was not let in.
#[derive(Debug)]
pub struct Refused {
    /// From where.
    pub address: SocketAddr,
    /// Id of the key shown, if it came to that; nobody has proved that it is theirs.
    pub shown: Option<KeyId>,
    /// Why.
    pub why: TlsError,
}

struct HalfOpen {
    connection: Connection,
    began: Instant,
}

/// Takes connections on one address. Its owner calls [`Acceptor::poll`] a hundred times a second or so.
pub struct Acceptor {
    listener: TcpListener,
    identity: Identity,
    clients: Clients,
    limits: Limits,
    half_open: VecDeque<HalfOpen>,
    next_accept: Option<Instant>,
    counts: AcceptorCounts,
    refusals: VecDeque<Refused>,
}

impl Acceptor {
    /// Listens on `address` (port 0 takes a free one) as the board with `key`, for `clients`.
    ///
    /// # Errors
    /// [`TlsError::Listen`] when the system does not allow that.
    pub fn bind(address: SocketAddr, key: &LineKey, clients: Clients, limits: Limits) -> Result<Acceptor, TlsError> {
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        Ok(Acceptor {
            listener: listen().map_err(|error| TlsError::Listen { address, error })?,
            identity: Identity::new(key)?,
            clients,
            limits,
            half_open: VecDeque::new(),
            next_accept: None,
            counts: AcceptorCounts::default(),
            refusals: VecDeque::new(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What came so far.
    pub fn counts(&self) -> AcceptorCounts {
        self.counts
    }

    /// Connections in their handshake now.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Who may connect.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The oldest refusal not asked for yet; a few are kept, and all are counted.
    pub fn refusal(&mut self) -> Option<Refused> {
        self.refusals.pop_front()
    }

    /// Takes new connections, goes on with handshakes, and gives a client that has proved who it is and has been sent
    /// [`WELCOME`].
    pub fn poll(&mut self, now: Instant) -> Option<Connection> {
        if self.next_accept.is_none_or(|at| now >= at) {
            self.next_accept = Some(now + self.limits.every);
            self.accept(now);
        }
        for _ in 0..self.half_open.len() {
            let HalfOpen { mut connection, began } = self.half_open.pop_front()?;
            match welcomed(&mut connection) {
                Ok(true) => {
                    self.counts.let_in += 1;
                    return Some(connection);
                }
                Ok(false) if now.saturating_duration_since(began) < self.limits.handshake => {
                    self.half_open.push_back(HalfOpen { connection, began });
                }
                Ok(false) => {
                    let why = TlsError::TimedOut { doing: "the handshake", after: self.limits.handshake };
                    self.refuse(&connection, why);
                }
                Err(why) => self.refuse(&connection, why),
            }
        }
        None
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..self.limits.at_once {
            match self.listener.accept() {
                Ok((stream, address)) => self.begin(stream, address, now),
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.next_accept = Some(now + NO_ROOM);
                    return;
                }
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, address: SocketAddr, now: Instant) {
        if self.half_open.len() >= self.limits.half_open {
            let oldest = self.half_open.iter().enumerate().min_by_key(|(_, half)| half.began);
            let late = oldest.filter(|(_, half)| now.saturating_duration_since(half.began) >= self.limits.patience);
            let Some(late) = late.map(|(at, _)| at).and_then(|at| self.half_open.remove(at)) else {
                self.note(address, None, TlsError::Crowded);
                return;
            };
            self.refuse(&late.connection, TlsError::Crowded);
        }
        self.clients.refresh();
        match Connection::server(stream, &self.identity, self.clients.keys()) {
            Ok(connection) => self.half_open.push_back(HalfOpen { connection, began: now }),
            Err(why) => self.note(address, None, why),
        }
    }

    fn refuse(&mut self, connection: &Connection, why: TlsError) {
        self.note(connection.address(), connection.shown().map(|key| key.id()), why);
    }

    fn note(&mut self, address: SocketAddr, shown: Option<KeyId>, why: TlsError) {
        *match why {
            TlsError::WrongKey { .. } | TlsError::Refused { .. } => &mut self.counts.strangers,
            TlsError::TimedOut { .. } => &mut self.counts.slow,
            TlsError::Crowded => &mut self.counts.crowded,
            _ => &mut self.counts.faulty,
        } += 1;
        if self.refusals.len() == REFUSALS {
            self.refusals.pop_front();
        }
        self.refusals.push_back(Refused { address, shown, why });
    }
}

fn welcomed(connection: &mut Connection) -> Result<bool, TlsError> {
    Ok(connection.shake_hands()? && connection.write(&[WELCOME])?)
}
