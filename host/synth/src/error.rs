//! What can be wrong with a model file or with what is asked for.

use std::path::PathBuf;
use thiserror::Error;

/// Why no clip can be rendered.
#[derive(Debug, Error)]
pub enum SynthError {
    /// The model's file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is there, but it is no face model this crate reads.
    #[error("{}: not a face model: {why}; accepted: an .npz with the arrays N, T, ex, E and I of ICT-FaceKit", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Which array is wrong, and how.
        why: String,
    },
    /// The parts of a model do not fit together.
    #[error("face model: {0}")]
    Parts(String),
    /// A value of a clip's specification is out of range.
    #[error("{what} is {value}; accepted: {accepted}")]
    Spec {
        /// The value's name.
        what: &'static str,
        /// What it is.
        value: String,
        /// What would be accepted.
        accepted: &'static str,
    },
}
