//! Every bound of this crate. README.md has them as a table.

use std::time::Duration;

/// Most clients that may be known to a board; further files in the folder are not read.
pub const MAX_CLIENTS: usize = 64;
/// Most bytes taken by one [`Connection::write`](crate::Connection::write), and the longest record sent.
pub const MAX_WRITE: usize = 4096;
/// Room that is asked of the system for bytes on their way out, so that no minutes-old message waits in it. Linux takes
/// twice of it, for its own needs too.
pub const SEND_BUFFER: usize = 16 * 1024;
/// A peer that acknowledges nothing, or leaves no room for what is sent, counts as gone after this long.
pub const SILENCE: Duration = Duration::from_secs(8);
/// First question to a silent peer whether it is there.
pub(crate) const KEEPALIVE_AFTER: Duration = Duration::from_secs(3);
/// Between two such questions.
pub(crate) const KEEPALIVE_EVERY: Duration = Duration::from_secs(1);
/// Unanswered questions after which a peer counts as gone; [`SILENCE`] comes first on Linux.
pub(crate) const KEEPALIVE_COUNT: u32 = 5;
/// Refusals remembered until somebody asks for them.
pub(crate) const REFUSALS: usize = 8;
/// Reads from the system in one [`Connection::read`](crate::Connection::read) that finds nothing for its caller.
pub(crate) const READS_AT_ONCE: usize = 8;

/// What an [`Acceptor`](crate::Acceptor) puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time from the first packet to the end of the handshake.
    pub handshake: Duration,
    /// Most connections in their handshake.
    pub half_open: usize,
    /// When there are that many, the oldest makes room for a new one if it is at least this old; a good one needs less.
    pub patience: Duration,
    /// Most new connections taken at once.
    pub at_once: usize,
    /// Time between two such takings.
    pub every: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake: Duration::from_secs(5),
            half_open: 16,
            patience: Duration::from_millis(500),
            at_once: 2,
            every: Duration::from_millis(10),
        }
    }
}
