//! What recording and reading fail with.

use std::io;
use thiserror::Error;

/// Why nothing more can be recorded.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file takes no more.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bound is too small for anything.
    #[error("{max} bytes are too few for a recording; at least {least} are needed")]
    TooSmall {
        /// The bound that was given, bytes.
        max: u64,
        /// The smallest that works, bytes.
        least: u64,
    },
}

/// Why a file cannot be played, or not to its end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refuses to read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It begins with other bytes.
    #[error("it is no MCAP file")]
    NotMcap,
    /// An MCAP file of somebody else.
    #[error("it is an MCAP file, but nothing that `mtcae monitor --record` has written: it has no topic {topic}")]
    Foreign {
        /// The topic that is missing.
        topic: &'static str,
    },
    /// A chunk is packed in a way that is not read here.
    #[error("a chunk at byte {at} is packed by {by}; accepted: lz4 or none")]
    Packed {
        /// Where the chunk begins.
        at: u64,
        /// What MCAP calls it, such as zstd.
        by: String,
    },
    /// Bytes are not what they were.
    #[error("it is damaged at byte {at}: {reason}")]
    Damaged {
        /// Where the record or chunk begins.
        at: u64,
        /// What is wrong.
        reason: String,
    },
}
