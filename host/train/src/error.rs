//! Why training stops.

use std::path::PathBuf;
use thiserror::Error;

/// Why training stops.
#[derive(Debug, Error)]
pub enum TrainError {
    /// It was asked to stop, and its state is kept.
    #[error("stopped at update {0}; the same command goes on from there")]
    Stopped(usize),
    /// A recipe that cannot be read.
    #[error("recipe {path}: {why}")]
    Recipe {
        /// The file.
        path: PathBuf,
        /// Key, value and what is accepted.
        why: String,
    },
    /// A state or checkpoint file that cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// A network that does not fit.
    #[error(transparent)]
    Checkpoint(#[from] mtcae_network::CheckpointError),
    /// A configuration out of range.
    #[error(transparent)]
    Config(#[from] mtcae_network::ConfigError),
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] mtcae_data::DataError),
    /// A device that is not there or cannot do what is asked for.
    #[error("{0}")]
    Device(String),
    /// A model folder that cannot be evaluated.
    #[error("{0}")]
    Model(String),
    /// The loss is not a number any more.
    #[error("loss is {0} at step {1}; lower `lr` in the recipe and start again from the last checkpoint")]
    Diverged(f32, usize),
}

impl TrainError {
    pub(crate) fn file(path: &std::path::Path, why: impl std::fmt::Display) -> TrainError {
        TrainError::File { path: path.to_owned(), why: why.to_string() }
    }
}
