//! From checkpoint to board: export to ONNX, int8, and the checks that a file runs right.
//!
//! Knows no terminal, no command line and no trainer; progress goes to a callback.
//!
//! ```text
//! checkpoint + manifest -> ONNX bytes -> run in tract, compare with plain arithmetic -> name.fp32.onnx + manifest.toml
//! model folder + clips -> ranges, layers that hurt -> int8 bytes -> compare with fp32 -> name.int8.onnx
//! model folder -> f16 bytes -> compare with fp32 -> name.fp16.onnx
//! model folder -> graph, engines side by side -> differences, traps
//! settings -> a process each -> times, memory, energy
//! ```

pub mod bench;
mod check;
mod error;
mod export;
mod folder;
mod onnxruntime;
mod quantize;
mod tract;
mod verify;

pub use check::{Agreement, GATE, agreement, reference, seeded_clip, tolerance};
pub use error::ExportError;
pub use export::{ExportReport, ExportedFile, Step, export, free_for, half_bytes, onnx_bytes};
pub use folder::{Model, Written, has_checkpoint, read_artifact, read_checkpoint, read_manifest};
pub use onnxruntime::{Device, OnnxRuntime};
pub use quantize::{
    Accuracy, Form, Job, Keep, LayerReport, Limits, NoRange, QuantizeError, Quantized, RangeMethod,
    Step as QuantizeStep, gate_accuracy, gate_difference, logits_apart, quantize, side_by_side,
};
pub use tract::{Outputs, TractModel};
pub use verify::{
    Burn, Difference, EngineName, Engines, Finding, NoBurn, Parts, Severity, Verdict, Verification, traps, verify,
};
