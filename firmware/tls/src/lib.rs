//! The line to a board over TCP: TLS 1.3 between two keys that know each other; it must never know what is said on it.
//!
//! ```text
//! board: Acceptor --(half-open, bounded)--> Connection of a known client, never waits
//! desk:  ClientLine::connect -------------> Read + Write with a time-out
//! ```
//!
//! Each side has one ed25519 key and is told the other's beforehand, by a person or by provisioning. Keys are sent raw
//! (RFC 7250): there is no certificate, so no date that a board without a clock would have to judge, and no name.

mod acceptor;
mod client;
mod clients;
mod connection;
mod error;
mod key;
mod limits;
mod pinned;

pub use acceptor::{Acceptor, AcceptorCounts, Refused};
pub use client::ClientLine;
pub use clients::Clients;
pub use connection::Connection;
pub use error::TlsError;
pub use key::{LineKey, PublicLineKey};
pub use limits::{Limits, MAX_CLIENTS, MAX_WRITE, SEND_BUFFER, SILENCE};

/// The first byte that a board sends to a client it has let in. A client whose key the board does not know learns it
/// by what comes instead: its own half of the handshake is over before the board has looked at the key. An empty frame
/// to whoever reads frames that end with a zero.
pub const WELCOME: u8 = 0;
