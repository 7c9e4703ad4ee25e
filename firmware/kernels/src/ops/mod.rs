//! The fused operators, as ONNX nodes of our own and as operators of tract.

mod parse;
mod run;

pub(crate) use parse::register;

/// Names of our nodes: no other operator has them.
pub(crate) const LINEAR: &str = "MtcaeLinear";
pub(crate) const LINEAR_BYTES: &str = "MtcaeLinearBytes";
pub(crate) const NORM: &str = "MtcaeNorm";
pub(crate) const ATTENTION: &str = "MtcaeAttention";
pub(crate) const TO_BYTES: &str = "MtcaeToBytes";
pub(crate) const PIXELS: &str = "MtcaePixels";
pub(crate) const CONV: &str = "MtcaeConv";
pub(crate) const CONV_BYTES: &str = "MtcaeConvBytes";

/// All of them.
pub(crate) const ALL: [&str; 8] = [LINEAR, LINEAR_BYTES, NORM, ATTENTION, TO_BYTES, PIXELS, CONV, CONV_BYTES];

/// Names of their attributes.
pub(crate) const BIAS: &str = "bias";
pub(crate) const GELU: &str = "gelu";
pub(crate) const ADD: &str = "add";
pub(crate) const RELU: &str = "relu";
pub(crate) const SCALE: &str = "scale";
pub(crate) const ZERO_POINT: &str = "zero_point";
pub(crate) const READS_SCALE: &str = "reads_scale";
pub(crate) const READS_ZERO_POINT: &str = "reads_zero_point";
pub(crate) const EPSILON: &str = "epsilon";
pub(crate) const HEADS: &str = "heads";
pub(crate) const STRIDE: &str = "stride";
