//! Why ONNX Runtime does not run a model.

use crate::model::ModelError;
use mtcae_core::EngineError;
use thiserror::Error;

/// Why ONNX Runtime does not run a model; each is one line that says what was found and what to do next.
#[derive(Debug, Error)]
pub enum OrtError {
    /// Nobody said where the library is, and it is in none of the usual folders.
    #[error(
        "there is no ONNX Runtime in {looked}; install one there (on a Jetson NVIDIA's build), or give the path of its libonnxruntime.so"
    )]
    NotFound {
        /// The folders.
        looked: String,
    },
    /// The file that was named is not there.
    #[error("ONNX Runtime's library {path} is not there; give the path of a libonnxruntime.so")]
    Missing {
        /// As it was given.
        path: String,
    },
    /// The file that was named cannot be looked at.
    #[error("ONNX Runtime's library {path} cannot be read: {cause}")]
    Unreadable {
        /// As it was given.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file is no library, or none of ONNX Runtime.
    #[error("{path} is not ONNX Runtime: {why}; give the path of a libonnxruntime.so")]
    NotOnnxRuntime {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// It speaks an older interface.
    #[error("ONNX Runtime {version} ({path}) does not fit; needed: version 1.{needed} or a newer 1.x")]
    Version {
        /// The file.
        path: String,
        /// What it says of itself.
        version: String,
        /// The oldest minor version that fits.
        needed: u32,
    },
    /// Another one is in use.
    #[error("ONNX Runtime {path} cannot be loaded beside {loaded}; a process has one")]
    Second {
        /// The one asked for.
        path: String,
        /// The one in use.
        loaded: String,
    },
    /// The library is good, but does not run on what was asked for.
    #[error("{engine} does not run: {why} (ONNX Runtime {version}, {path}); {next}")]
    Device {
        /// `cpu-ort`, `cuda` or `tensorrt`.
        engine: &'static str,
        /// What is wrong.
        why: String,
        /// Of the library.
        version: String,
        /// The library.
        path: String,
        /// What to do.
        next: &'static str,
    },
    /// The folder for engines cannot be used.
    #[error("engines cannot be kept in {path}: {why}; give a folder that the daemon may write to, or none")]
    Cache {
        /// The folder.
        path: String,
        /// What the system says.
        why: String,
    },
    /// Threads out of range.
    #[error("engine threads is {threads}; accepted: 1 to {max}")]
    Threads {
        /// As asked for.
        threads: usize,
        /// The most.
        max: usize,
    },
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<OrtError> for EngineError {
    fn from(error: OrtError) -> EngineError {
        EngineError::Refused(error.to_string())
    }
}
