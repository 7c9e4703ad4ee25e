//! What can be wrong with a model file or with what is asked for.

use std::path::{Path, PathBuf};
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
    /// The file or folder is there, but it is no face model this crate reads.
    #[error("{}: not a face model: {why}; accepted: an .npz with the arrays N, T, ex, E and I of ICT-FaceKit, or a checkout of it", path.display())]
    Model {
        /// The file or the folder.
        path: PathBuf,
        /// Which array or file is wrong, and how.
        why: String,
    },
    /// The folder is a checkout of ICT-FaceKit, but this file in it is not as it was.
    #[error("{}: {why}", path.display())]
    Mesh {
        /// The file.
        path: PathBuf,
        /// What is wrong, in which line, and what would be accepted.
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

impl SynthError {
    /// Parts that do not fit are those of the model in `path`.
    pub(crate) fn of(self, path: &Path) -> SynthError {
        match self {
            SynthError::Parts(why) => SynthError::Model { path: path.to_owned(), why },
            other => other,
        }
    }
}
