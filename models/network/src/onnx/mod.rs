//! The network as an ONNX file that eats bytes (`clip`, uint8 `[1, T, S, S, 3]`) and needs no engine to be written.

mod emitter;
mod graph;
mod proto;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::decoder::Network;
use emitter::Emitter;
use prost::Message;
use thiserror::Error;

/// Operator sets the exporter writes.
pub const OPSETS: [u32; 2] = [17, 20];

/// The ONNX IR that came with opset 17; opset 20 came with the next one. Old ONNX Runtime builds refuse newer ones.
const IR_VERSION: i64 = 8;
/// Protobuf cannot hold more.
const LARGEST_FILE: usize = i32::MAX as usize;

/// Why no file can be written.
#[derive(Debug, Error)]
pub enum EmitError {
    /// Weights that do not fit their configuration.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// An operator set the exporter does not know.
    #[error("ONNX opset {0}; accepted: 17 or 20")]
    Opset(u32),
    /// A colour statistic that cannot be folded.
    #[error("colour {key} {value:?}; accepted: {accepted}")]
    Colour {
        /// `mean` or `std`.
        key: &'static str,
        /// The three values.
        value: [f32; 3],
        /// What would be accepted.
        accepted: &'static str,
    },
    /// Beyond what protobuf holds.
    #[error("the ONNX file would have {0} bytes; accepted: up to {LARGEST_FILE}; take a smaller preset")]
    TooLarge(usize),
}

/// What goes into the file besides the network.
#[derive(Debug, Clone, PartialEq)]
pub struct EmitOptions {
    /// Mean of each colour, 0 to 1; folded into the first weights.
    pub mean: [f32; 3],
    /// Standard deviation of each colour, above 0; folded into the first weights.
    pub std: [f32; 3],
    /// Keys and values for the file's metadata; `mtcae.config` is added.
    pub metadata: Vec<(String, String)>,
    /// Operator set, one of [`OPSETS`].
    pub opset: u32,
}

/// The bytes of an ONNX file: batch 1, static shapes, outputs `boxes` `[1, T, 4]`, `landmarks` `[1, T, 5, 2]` (neither in
/// strategy `single-task`) and `logits` `[1, C]`.
///
/// # Errors
/// When the weights do not fit their configuration or an option is out of range.
pub fn emit(checkpoint: &Checkpoint, options: &EmitOptions) -> Result<Vec<u8>, EmitError> {
    check(options)?;
    checkpoint.check()?;
    let config = &checkpoint.config;
    let network = Network::new(config.clone()).map_err(|e| CheckpointError::Config(e.to_string()))?;
    let mut emitter = Emitter::new(checkpoint, options);
    let answer = network.forward(&mut emitter);
    let mut outputs = Vec::new();
    if let Some(boxes) = answer.boxes {
        outputs.push(emitter.builder.output(&boxes.name, "boxes", &[1, config.frames, 4]));
    }
    if let Some(landmarks) = answer.landmarks {
        outputs.push(emitter.builder.output(&landmarks.name, "landmarks", &[1, config.frames, 5, 2]));
    }
    outputs.push(emitter.builder.output(&answer.logits.name, "logits", &[1, config.classes]));
    let input = emitter.input();
    let graph = emitter.builder.graph("mtcae", input, outputs);
    let text = serde_json::to_string(config).map_err(|e| CheckpointError::Config(e.to_string()))?;
    let metadata = options.metadata.iter().cloned().chain([("mtcae.config".to_owned(), text)]);
    let model = proto::Model {
        ir_version: IR_VERSION + i64::from(options.opset > 17),
        producer_name: "mtcae".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![proto::OperatorSet { domain: Some(String::new()), version: i64::from(options.opset) }],
        metadata_props: metadata.map(|(key, value)| proto::Entry { key, value }).collect(),
    };
    match model.encoded_len() {
        len if len > LARGEST_FILE => Err(EmitError::TooLarge(len)),
        _ => Ok(model.encode_to_vec()),
    }
}

fn check(options: &EmitOptions) -> Result<(), EmitError> {
    if !OPSETS.contains(&options.opset) {
        return Err(EmitError::Opset(options.opset));
    }
    let (mean, std) = (options.mean, options.std);
    if !mean.iter().all(|m| (0.0..=1.0).contains(m)) {
        return Err(EmitError::Colour { key: "mean", value: mean, accepted: "three numbers, 0 to 1" });
    }
    if !std.iter().all(|s| (1e-3..=1.0).contains(s)) {
        return Err(EmitError::Colour { key: "std", value: std, accepted: "three numbers, 0.001 to 1" });
    }
    Ok(())
}
