//! From checkpoint to board: export to ONNX, and the check that the file runs right.
//!
//! Knows no terminal, no command line and no trainer; progress goes to a callback.
//!
//! ```text
//! checkpoint + manifest -> ONNX bytes -> run in tract, compare with plain arithmetic -> name.fp32.onnx + manifest.toml
//! ```

mod check;
mod error;
mod export;
mod tract;

pub use check::{Agreement, GATE, agreement, reference, seeded_clip, tolerance};
pub use error::ExportError;
pub use export::{ExportReport, Step, export, onnx_bytes};
pub use tract::{Outputs, TractModel};
