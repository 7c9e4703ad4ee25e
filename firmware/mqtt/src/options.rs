//! Which broker, and as whom.

use std::path::PathBuf;

/// Which broker, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttOptions {
    /// Name or IPv4 address; with TLS, what the broker's certificate has to be for.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// First part of every topic.
    pub prefix: String,
    /// Id of the board: second part of every topic, and the end of the client id. One per broker.
    pub device: String,
    /// User, where the broker asks for one.
    pub user: Option<String>,
    /// File with the password, which only its owner may read.
    pub password_file: Option<PathBuf>,
    /// Encryption; none is only for a network where everyone may know everything.
    pub tls: Option<TlsFiles>,
    /// Tell Home Assistant of the board.
    pub home_assistant: bool,
    /// What to add to the board's time to get Unix time, microseconds, as far as that is known before a Status says it.
    pub unix_offset_us: Option<i64>,
}

/// Files of an encrypted connection, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that may vouch for the broker; no others count.
    pub ca: PathBuf,
    /// The board's own certificate with those above it, and its private key, which only its owner may read.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl MqttOptions {
    /// The broker as a person would name it.
    pub fn name(&self) -> String {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        format!("{scheme}:{}:{}", self.host, self.port)
    }

    /// What the broker knows the board by.
    pub(crate) fn client_id(&self) -> String {
        format!("mtcae-{}", self.device)
    }
}
