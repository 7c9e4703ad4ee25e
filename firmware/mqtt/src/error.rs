//! Why there is no connection to a broker.

use std::path::PathBuf;
use thiserror::Error;

/// Why there is no connection, one variant for each reaction. No text ever holds a password.
#[derive(Debug, Error)]
pub enum MqttError {
    /// A file cannot be read: put it there.
    #[error("{what} {}: {cause}; the board file's `{key}` names it", path.display())]
    File {
        /// What the file is.
        what: &'static str,
        /// The board file's key.
        key: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// A secret that others may read: change its mode.
    #[error("{what} {}: its mode is {mode:o}, so that others may read it; accepted is 600: chmod 600 it", path.display())]
    NotSecret {
        /// What the file is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file holds something else: put the right one there.
    #[error("{what} {}: {why}; accepted is {accepted}", path.display())]
    Content {
        /// What the file is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What it must hold.
        accepted: &'static str,
    },
    /// The broker refused the connection: change user, password or the broker's lists.
    #[error("the broker refused: {0}")]
    Refused(String),
    /// No encrypted connection: one side does not trust the other's certificate, or does not speak TLS 1.3.
    #[error("no encrypted connection: {0}")]
    Tls(String),
    /// The broker is not there, or no longer: try again later.
    #[error("{0}")]
    Gone(String),
    /// No thread or runtime for the connection.
    #[error("no thread for the connection: {0}")]
    Thread(std::io::Error),
}
