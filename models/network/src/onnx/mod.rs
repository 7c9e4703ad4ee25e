//! The network as an ONNX file that eats bytes (`clip`, uint8 `[1, T, S, S, 3]`) and needs no engine to be written.

mod emitter;
mod graph;
mod half_form;
mod int8;
mod proto;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::decoder::Network;
use emitter::Emitter;
use graph::Builder;
use prost::Message;
use std::collections::BTreeSet;
use thiserror::Error;

pub use int8::{Activation, Int8Layers, Quantizable, ZERO_POINT};

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
    /// A layer that is to compute in int8 and is not there, or cannot.
    #[error("`{name}` is no layer that can compute in int8; accepted: {accepted}")]
    Layer {
        /// The name found.
        name: String,
        /// The names of those that can.
        accepted: String,
    },
    /// A convolution whose range is to be found while the graph runs.
    #[error("`{name}` is a convolution, which has no tokens to find a range for; accepted: a static range, or f32")]
    ByToken {
        /// Its name.
        name: String,
    },
    /// A scale that makes no bytes.
    #[error("the scale of what `{layer}` reads is {scale}; accepted: a number above 0")]
    Scale {
        /// The layer.
        layer: String,
        /// Its scale.
        scale: f32,
    },
    /// A weight that is beyond what f16 holds.
    #[error(
        "`{name}` has a weight of {value}, which f16 cannot hold; accepted: -65504 to 65504; leave the model in fp32"
    )]
    Half {
        /// The weight's name in the graph.
        name: String,
        /// The value.
        value: f32,
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
    emit_int8(checkpoint, options, &Int8Layers::new())
}

/// The same network with some linear layers and convolutions in int8; input and outputs are those of [`emit`].
///
/// # Errors
/// As [`emit`], and when `layers` names one that is not there, has a scale that is not above 0, or has none and is a convolution.
pub fn emit_int8(checkpoint: &Checkpoint, options: &EmitOptions, layers: &Int8Layers) -> Result<Vec<u8>, EmitError> {
    write(checkpoint, options, layers, Form::Plain).map(|(bytes, _)| bytes)
}

/// The same network with matrix products, convolutions and their weights in f16; norms, softmax, the sums of residuals and the
/// heads stay f32. Input and outputs are those of [`emit`].
///
/// # Errors
/// As [`emit`], and when a weight is beyond what f16 holds.
pub fn emit_half(checkpoint: &Checkpoint, options: &EmitOptions) -> Result<Vec<u8>, EmitError> {
    write(checkpoint, options, &Int8Layers::new(), Form::Half).map(|(bytes, _)| bytes)
}

/// The f32 network with everything that layers read which may compute in int8 as further outputs, f32 of sides
/// [`Quantizable::shape`] under the names [`Quantizable::reads`]; and those layers, in the order of the graph.
///
/// # Errors
/// As [`emit`].
pub fn emit_tapped(checkpoint: &Checkpoint, options: &EmitOptions) -> Result<(Vec<u8>, Vec<Quantizable>), EmitError> {
    write(checkpoint, options, &Int8Layers::new(), Form::Tapped)
}

/// What becomes of the graph when it is complete.
#[derive(PartialEq)]
enum Form {
    Plain,
    Tapped,
    Half,
}

fn write(
    checkpoint: &Checkpoint,
    options: &EmitOptions,
    int8: &Int8Layers,
    form: Form,
) -> Result<(Vec<u8>, Vec<Quantizable>), EmitError> {
    check(options)?;
    checkpoint.check()?;
    let config = &checkpoint.config;
    let network = Network::new(config.clone()).map_err(|e| CheckpointError::Config(e.to_string()))?;
    let mut emitter = Emitter::new(checkpoint, options, int8);
    let answer = network.forward(&mut emitter);
    check_layers(int8, &emitter.layers)?;
    let mut outputs = Vec::new();
    if let Some(boxes) = answer.boxes {
        outputs.push(emitter.builder.output(&boxes.name, "boxes", &[1, config.frames, 4]));
    }
    if let Some(landmarks) = answer.landmarks {
        outputs.push(emitter.builder.output(&landmarks.name, "landmarks", &[1, config.frames, 5, 2]));
    }
    outputs.push(emitter.builder.output(&answer.logits.name, "logits", &[1, config.classes]));
    if form == Form::Tapped {
        emitter.sole_readers();
        let mut seen = BTreeSet::new();
        let once = emitter.layers.iter().filter(|l| seen.insert(&l.reads));
        outputs.extend(once.map(|l| Builder::tap(&l.reads, &l.shape)));
    }
    let input = emitter.input();
    let Emitter { builder, layers, .. } = emitter;
    let graph = builder.graph("mtcae", input, outputs);
    let graph = if form == Form::Half { half_form::in_half(graph)? } else { graph };
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
        _ => Ok((model.encode_to_vec(), layers)),
    }
}

fn check_layers(int8: &Int8Layers, there: &[Quantizable]) -> Result<(), EmitError> {
    for (name, activation) in int8 {
        let Some(layer) = there.iter().find(|l| l.name == *name) else {
            let accepted: Vec<&str> = there.iter().map(|l| l.name.as_str()).collect();
            return Err(EmitError::Layer { name: name.clone(), accepted: accepted.join(", ") });
        };
        match activation.scale() {
            None if layer.is_convolution() => return Err(EmitError::ByToken { name: name.clone() }),
            Some(scale) if !(scale.is_finite() && scale > 0.0) => {
                return Err(EmitError::Scale { layer: name.clone(), scale });
            }
            _ => {}
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NetworkConfig;

    fn small() -> (Checkpoint, EmitOptions) {
        let mut config = NetworkConfig::preset("tiny").unwrap();
        (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 4, 1, 1);
        let options = EmitOptions { mean: [0.5; 3], std: [0.5; 3], metadata: vec![], opset: 17 };
        (Checkpoint::random(config, 4).unwrap(), options)
    }

    fn graph(bytes: &[u8]) -> proto::Graph {
        proto::Model::decode(bytes).unwrap().graph.unwrap()
    }

    fn count(graph: &proto::Graph, op: &str) -> usize {
        graph.node.iter().filter(|n| n.op_type == op).count()
    }

    #[test]
    fn the_layers_that_can_be_int8_are_all_but_the_one_of_pixels_and_the_heads() {
        let (checkpoint, options) = small();
        let (bytes, layers) = emit_tapped(&checkpoint, &options).unwrap();
        let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
        let convolutions = layers.iter().filter(|l| l.is_convolution()).count();
        assert_eq!(convolutions, 9, "the first of ten reads pixels: {names:?}");
        assert_eq!((&layers[0].shape[..], layers[0].inputs, layers[0].outputs), (&[4, 16, 16, 16][..], 9 * 16, 32));
        let (layers, names) = (&layers[convolutions..], &names[convolutions..]);
        assert_eq!(
            &names[..7],
            [
                "stem.merge",
                "blocks.0.attn.q",
                "blocks.0.attn.k",
                "blocks.0.attn.v",
                "blocks.0.attn.proj",
                "blocks.0.mlp.fc1",
                "blocks.0.mlp.fc2"
            ]
        );
        assert_eq!(
            names.len(),
            7 + 3 * 7,
            "three decoders of an embedding, four projections and two layers: {names:?}"
        );
        assert_eq!(layers[1].reads, layers[3].reads, "queries, keys and values read one value");
        let norms = layers.iter().filter_map(|l| Some(format!("{} {}", l.norm.as_ref()?, l.name)));
        insta::assert_snapshot!(norms.take(8).collect::<Vec<_>>().join("\n"), @r"
        blocks.0.norm1 blocks.0.attn.q
        blocks.0.norm1 blocks.0.attn.k
        blocks.0.norm1 blocks.0.attn.v
        blocks.0.norm2 blocks.0.mlp.fc1
        decoders.0.layers.0.norm1 decoders.0.layers.0.attn.q
        decoders.0.norm decoders.0.layers.0.attn.k
        decoders.0.norm decoders.0.layers.0.attn.v
        decoders.0.layers.0.norm2 decoders.0.layers.0.mlp.fc1
        ");
        let taps: BTreeSet<&str> = layers.iter().map(|l| l.reads.as_str()).collect();
        assert_eq!(graph(&bytes).output.len(), 3 + convolutions + taps.len());
    }

    #[test]
    fn int8_layers_share_bytes_and_leave_the_rest_as_it_is() {
        let (checkpoint, options) = small();
        let names = ["blocks.0.attn.q", "blocks.0.attn.k", "blocks.0.attn.v", "blocks.0.mlp.fc2"];
        let with = |activation| {
            let layers = names.iter().map(|n| ((*n).to_owned(), activation)).collect();
            graph(&emit_int8(&checkpoint, &options, &layers).unwrap())
        };
        let f32 = graph(&emit(&checkpoint, &options).unwrap());
        let int8 = with(Activation::Static { scale: 0.05, zero_point: ZERO_POINT });
        assert_eq!(count(&int8, "MatMulInteger"), 4);
        assert_eq!(count(&int8, "QuantizeLinear"), 2, "three of the four read one value");
        assert_eq!(count(&int8, "MatMul"), count(&f32, "MatMul") - 4);
        assert!(int8.node.iter().all(|n| n.op_type != "MatMulInteger" || n.input.len() == 3), "no fourth input");
        let dynamic = with(Activation::Dynamic);
        assert_eq!((count(&dynamic, "MatMulInteger"), count(&dynamic, "ReduceMax")), (4, 2));
        assert_eq!((&int8.input, &int8.output), (&f32.input, &f32.output));
    }

    #[test]
    fn convolutions_in_int8_have_bytes_on_both_sides() {
        let (checkpoint, options) = small();
        let convolutions: Vec<Quantizable> =
            emit_tapped(&checkpoint, &options).unwrap().1.into_iter().filter(Quantizable::is_convolution).collect();
        let activation = Activation::Static { scale: 0.05, zero_point: 0 };
        let with = |activation| {
            let layers = convolutions.iter().map(|l| (l.name.clone(), activation)).collect();
            emit_int8(&checkpoint, &options, &layers)
        };
        let (f32, int8) = (emit(&checkpoint, &options).unwrap(), with(activation).unwrap());
        assert!(f32.len() - int8.len() > 2 * convolutions.iter().map(|l| l.inputs * l.outputs).sum::<usize>());
        let int8 = graph(&int8);
        assert_eq!(
            (count(&int8, "Conv"), count(&int8, "QuantizeLinear"), count(&int8, "DequantizeLinear")),
            (10, 9, 18)
        );
        let error = with(Activation::Dynamic).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "is a convolution, which has no tokens to find a range for; accepted: a static range, or f32"
            ),
            "{error}"
        );
    }

    #[test]
    fn f16_takes_half_the_room_and_leaves_norms_softmax_and_heads_alone() {
        let (checkpoint, options) = small();
        let (plain, half) = (emit(&checkpoint, &options).unwrap(), emit_half(&checkpoint, &options).unwrap());
        assert!(half.len() * 100 < plain.len() * 52, "{} of {}", half.len(), plain.len());
        let (plain, half) = (graph(&plain), graph(&half));
        assert_eq!((&half.input, &half.output), (&plain.input, &plain.output));
        let made = |value: &str| half.node.iter().find(|n| n.output[0] == *value);
        for node in half.node.iter().filter(|n| matches!(n.op_type.as_str(), "LayerNormalization" | "Softmax")) {
            let from = made(&node.input[0]).unwrap();
            assert!(from.op_type != "Cast" || from.output[0].ends_with(".f32"), "{node:?} reads {from:?}");
        }
        for constant in &half.initializer {
            let norm = constant.name.contains("norm") && !constant.name.contains("stem");
            let kept = norm || constant.name.starts_with("heads.") || constant.data_type == proto::INT64;
            assert_eq!(constant.data_type != proto::FLOAT16, kept || constant.name == "mean", "{}", constant.name);
        }
        for op in ["MatMul", "Conv", "LayerNormalization", "Softmax", "Add"] {
            assert_eq!(count(&half, op), count(&plain, op), "{op}");
        }
    }

    #[test]
    fn what_cannot_be_int8_is_named() {
        let (checkpoint, options) = small();
        let refused = |name: &str, scale: f32| {
            let layers = [(name.to_owned(), Activation::Static { scale, zero_point: ZERO_POINT })].into();
            emit_int8(&checkpoint, &options, &layers).unwrap_err().to_string()
        };
        assert!(
            refused("heads.boxes.fc", 1.0)
                .starts_with("`heads.boxes.fc` is no layer that can compute in int8; accepted: stem.1.conv, ")
        );
        insta::assert_snapshot!(refused("stem.merge", 0.0), @"the scale of what `stem.merge` reads is 0; accepted: a number above 0");
        insta::assert_snapshot!(refused("stem.merge", f32::NAN), @"the scale of what `stem.merge` reads is NaN; accepted: a number above 0");
    }
}
