//! Why a key is refused. No variant holds a secret.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a key, a rotation or a set of trusted keys is refused.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Not a public key.
    #[error("{value} is not a public signing key; accepted: {accepted}")]
    Public {
        /// The beginning of what was given.
        value: String,
        /// What a key looks like.
        accepted: &'static str,
    },
    /// Not a secret key.
    #[error("not a secret key (the text is not shown); accepted: {accepted}")]
    Secret {
        /// What a key looks like.
        accepted: &'static str,
    },
    /// Not a recipient.
    #[error("{value:?} is not a recipient; accepted: `age1` and 58 letters and digits, as `mtcae keys show` prints it")]
    Recipient {
        /// The beginning of what was given.
        value: String,
    },
    /// Not a rotation, or not signed by the old key it names.
    #[error("not a rotation: {reason}; accepted: the one line that `mtcae keys rotate` writes")]
    Rotation {
        /// What is wrong with it.
        reason: String,
    },
    /// A rotation whose old key nobody introduced.
    #[error("the rotation from {old} to {new} does not start from a trusted key; trusted: {trusted}")]
    UnknownOldKey {
        /// Key id of the old key.
        old: String,
        /// Key id of the new key.
        new: String,
        /// Key ids that are trusted.
        trusted: String,
    },
    /// Two rotations that contradict each other, or some that lead in a circle.
    #[error("the rotation from {old} to {new} contradicts another: {reason}; remove the wrong one")]
    Conflict {
        /// Key id of the old key.
        old: String,
        /// Key id of the new key.
        new: String,
        /// Against what.
        reason: String,
    },
    /// Too many or no keys.
    #[error("{found} trusted key(s); accepted: 1 to {limit} different ones")]
    Count {
        /// How many.
        found: usize,
        /// Most accepted.
        limit: usize,
    },
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A secret that others could read.
    #[error("{}: mode {mode:03o} lets others use this secret; accepted: 600 or less; run `chmod 600` on it and consider the key leaked", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system gave no randomness.
    #[error("no randomness from the operating system: {0}")]
    Random(String),
}
