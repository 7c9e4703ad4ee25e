//! Why an export stops.

use mtcae_contract::ManifestError;
use mtcae_network::CheckpointError;
use mtcae_network::onnx::EmitError;
use std::path::PathBuf;
use thiserror::Error;

/// Why an export stops. Nothing has been written then, except where the message says so.
#[derive(Debug, Error)]
pub enum ExportError {
    /// A file or folder that cannot be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Not a usable checkpoint.
    #[error("{path}: {source}; export needs a checkpoint that `mtcae train` wrote")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// A manifest value out of range.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A model folder that is not whole.
    #[error("{path}: {why}; a model folder is what `mtcae export` writes, with the checkpoint beside it")]
    Folder {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A manifest made for another network.
    #[error(
        "manifest key `{key}` is {found}; accepted: {need}, as in {path}; correct the manifest or take another checkpoint"
    )]
    Mismatch {
        /// Dotted key.
        key: &'static str,
        /// Value in the manifest.
        found: usize,
        /// Value in the checkpoint.
        need: usize,
        /// The checkpoint.
        path: PathBuf,
    },
    /// A manifest with other labels than the checkpoint was trained with.
    #[error("manifest key `labels`: {path}: {source}; correct the manifest or take another checkpoint")]
    OtherLabels {
        /// The checkpoint.
        path: PathBuf,
        /// Both lists.
        source: CheckpointError,
    },
    /// A folder that holds a model of another kind.
    #[error(
        "{folder} holds {there}, which reads other clips or says other labels than {this}; accepted: another folder"
    )]
    OtherModel {
        /// The folder.
        folder: PathBuf,
        /// Name and version of the model in it.
        there: String,
        /// Name and version of the model that was to be written.
        this: String,
    },
    /// A checkpoint of another network than the manifest's preset.
    #[error(
        "manifest key `preset` is {preset}; {path} is of another network; correct the manifest or take another checkpoint"
    )]
    OtherPreset {
        /// The manifest's.
        preset: String,
        /// The checkpoint.
        path: PathBuf,
    },
    /// The graph cannot be written.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// tract refuses the file or the clip, or answers something else than expected.
    #[error("tract does not run the exported graph: {0}; this is a defect of the exporter, please report it")]
    Engine(String),
    /// ONNX Runtime's library cannot be used.
    #[error("ONNX Runtime: {0}; give the path of libonnxruntime.so, such as the one in the Python package onnxruntime")]
    Library(String),
    /// ONNX Runtime refuses the file or the clip.
    #[error("ONNX Runtime does not run the file: {0}")]
    OnnxRuntime(String),
    /// Bytes that are no ONNX file.
    #[error("not an ONNX file: {0}")]
    NotOnnx(String),
    /// The exported file computes something else than the checkpoint.
    #[error(
        "the exported graph differs from the checkpoint's own arithmetic by {error:.1e} in `{output}`; accepted: up to \
         {limit:.0e}; nothing was written"
    )]
    Gate {
        /// Name of the output.
        output: &'static str,
        /// Largest difference over the largest reference value.
        error: f32,
        /// Accepted.
        limit: f32,
    },
}
