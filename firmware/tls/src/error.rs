//! Why a connection is not made, or ends.

use mtcae_bundle::KeyError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a connection is not made, or ends. One variant for each reaction; no variant holds a secret.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A key file cannot be read or written.
    #[error(transparent)]
    KeyFile(#[from] KeyError),
    /// Not a public line key.
    #[error("{value} is not a public line key; accepted: {accepted}")]
    PublicKey {
        /// The beginning of what was given.
        value: String,
        /// What a key looks like.
        accepted: &'static str,
    },
    /// Not a secret line key.
    #[error("not a secret line key (the text is not shown); accepted: {accepted}")]
    SecretKey {
        /// What a key looks like.
        accepted: &'static str,
    },
    /// Nobody may connect.
    #[error(
        "{} holds no client's key, so nobody may connect; put a client's public line key there as NAME.pub{faults}",
        folder.display()
    )]
    NoClients {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with the files that are there.
        faults: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; is another program there, and is it an address of this machine?")]
    Listen {
        /// As given.
        address: SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The address cannot be reached.
    #[error("cannot reach {address}: {error}")]
    Reach {
        /// As given.
        address: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The peer has another key than the one that was expected: somebody else, or a new key.
    #[error("the other end has line key {found}, and {expected} was expected; not connected")]
    WrongKey {
        /// Id of the key it has.
        found: String,
        /// Id of the key expected.
        expected: String,
    },
    /// The peer does not know this side's key.
    #[error("the other end does not know line key {own}, which is this side's")]
    Refused {
        /// Id of this side's key.
        own: String,
    },
    /// What came is not TLS 1.3 with raw keys, or was changed on its way.
    #[error("what came is not the expected TLS: {0}")]
    Protocol(String),
    /// Something took too long.
    #[error("{doing} took longer than {} s", after.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        doing: &'static str,
        /// For how long.
        after: Duration,
    },
    /// Others were first.
    #[error("too many connections in their handshake")]
    Crowded,
    /// The peer has closed the connection.
    #[error("the other end has closed the connection")]
    Closed,
    /// The connection is broken.
    #[error("the connection is broken: {0}")]
    Lost(#[source] io::Error),
}
