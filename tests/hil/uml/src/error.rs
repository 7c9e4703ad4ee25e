//! Why the virtual board cannot start or does not answer.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// What went wrong with a virtual board.
#[derive(Debug, Error)]
pub enum UmlError {
    /// The kernel, or what it is started with, has not been made.
    #[error("{path} is missing; {script} makes it")]
    NoKernel {
        /// What is not there.
        path: PathBuf,
        /// What makes it.
        script: &'static str,
    },
    /// A file of this machine cannot be read or written, or a program not be started.
    #[error("{what}: {error}")]
    Host {
        /// The file or the program.
        what: String,
        /// What the system says.
        error: io::Error,
    },
    /// No answer came in time.
    #[error("the virtual board did not answer {asked:?} within {seconds} s; it said last: {last}")]
    Silent {
        /// What it was to do.
        asked: String,
        /// How long it had.
        seconds: u64,
        /// The end of its console.
        last: String,
    },
    /// Its kernel ended.
    #[error("the virtual board ended while it was to do {asked:?}; it said last: {last}")]
    Ended {
        /// What it was to do.
        asked: String,
        /// The end of its console.
        last: String,
    },
}

impl UmlError {
    pub(crate) fn host(what: impl Into<String>, error: impl Into<io::Error>) -> UmlError {
        UmlError::Host { what: what.into(), error: error.into() }
    }
}
