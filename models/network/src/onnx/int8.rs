//! Linear layers and convolutions in int8: how activations become bytes, and how weights are rounded.
//!
//! ```text
//! linear       x f32 -> bytes u8 -> MatMulInteger with weights i8 -> f32 -> times scales [outputs] -> plus bias
//! convolution  x f32 -> bytes u8 -> DequantizeLinear -> Conv with DequantizeLinear of weights i8, bias
//! ```
//!
//! The form of convolutions is right in every engine; in tract alone and in ONNX Runtime it computes in f32 (ConvInteger would take
//! ONNX Runtime 1.32 five to ten times as long as f32 does), while this project's kernels multiply the bytes.
//!
//! Patch embedding, the convolution that reads pixels, attention products, softmax, norms, GELU and heads stay f32: rounding all of a
//! ViT ruins it.

use std::collections::BTreeMap;

/// The byte that stands for 0 in a symmetric range. Unsigned bytes, as products of two signed ones are several times slower in
/// ONNX Runtime on x86.
pub const ZERO_POINT: u8 = 128;
/// Largest rounded weight; -128 is not used, so that ranges are symmetric.
const TOP: f32 = 127.0;

/// How the inputs of a linear layer become bytes: `round(x / scale) + zero point`, cut to 0..=255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// One scale for all clips, which calibration finds.
    Static {
        /// What one step of a byte is worth, above 0.
        scale: f32,
        /// The byte that stands for 0; [`ZERO_POINT`] in a symmetric range.
        zero_point: u8,
    },
    /// Each token by its own largest value, found while the graph runs. Needs no calibration and takes more time.
    Dynamic,
}

impl Activation {
    /// The scale, where it is known before the graph runs.
    pub(super) fn scale(self) -> Option<f32> {
        match self {
            Activation::Static { scale, .. } => Some(scale),
            Activation::Dynamic => None,
        }
    }

    pub(super) fn zero_point(self) -> u8 {
        match self {
            Activation::Static { zero_point, .. } => zero_point,
            Activation::Dynamic => ZERO_POINT,
        }
    }
}

/// The weight of a folded convolution that stays f32 beside layers in int8, to twelve bits: finer than a checkpoint's f16, and a file that packs to half.
pub(super) fn short(weight: f32) -> f32 {
    f32::from_bits((weight.to_bits() + 0x800) & !0xfff)
}

/// Which layers compute in int8, by name ([`Quantizable::name`]); all others stay f32.
pub type Int8Layers = BTreeMap<String, Activation>;

/// A linear layer or a convolution that may compute in int8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantizable {
    /// Its name in the graph, for example `blocks.0.mlp.fc1`; queries, keys and values are three layers.
    pub name: String,
    /// The value in the graph that it reads; several layers may read one.
    pub reads: String,
    /// Sides of that value: `[1, tokens, inputs]` of a linear layer, `[frames, channels, side, side]` of a convolution.
    pub shape: Vec<usize>,
    /// The norm that makes that value, by its name in the checkpoint (`blocks.0.norm1`), when linear layers of this kind alone read it:
    /// a factor on a channel can then be moved from one into the other.
    pub norm: Option<String>,
    /// Numbers that each output is a sum over: channels in, nine times as many of a convolution.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
}

impl Quantizable {
    /// True for a convolution, which reads no tokens and needs a [`Activation::Static`] range.
    pub fn is_convolution(&self) -> bool {
        self.shape.len() == 4
    }

    /// Bytes of its weight and scales in the file.
    pub fn bytes(&self, int8: bool) -> usize {
        if int8 { self.inputs * self.outputs + 4 * self.outputs } else { 4 * self.inputs * self.outputs }
    }
}

/// A weight in -127..=127, symmetric, with a scale for each output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RoundedWeight {
    pub inputs: usize,
    pub outputs: usize,
    /// In the order that they were given in.
    pub values: Vec<i8>,
    pub scales: Vec<f32>,
}

impl RoundedWeight {
    /// Rounds `weight`, `[inputs, outputs]` row by row.
    pub fn new(weight: &[f32], outputs: usize) -> RoundedWeight {
        RoundedWeight::by(weight, outputs, |i| i % outputs)
    }

    /// Rounds `weight`, `[outputs, inputs]` row by row.
    pub fn of_rows(weight: &[f32], outputs: usize) -> RoundedWeight {
        let inputs = weight.len() / outputs;
        RoundedWeight::by(weight, outputs, |i| i / inputs)
    }

    /// `output` says which one the weight at an index belongs to.
    fn by(weight: &[f32], outputs: usize, output: impl Fn(usize) -> usize) -> RoundedWeight {
        let mut scales = vec![0.0f32; outputs];
        weight.iter().enumerate().for_each(|(i, v)| scales[output(i)] = scales[output(i)].max(v.abs()));
        // A channel of zeros has any scale.
        scales.iter_mut().for_each(|s| *s = if *s > 0.0 { *s / TOP } else { 1.0 });
        let rounded = |(i, v): (usize, &f32)| (v / scales[output(i)]).round_ties_even().clamp(-TOP, TOP) as i8;
        let values = weight.iter().enumerate().map(rounded).collect();
        RoundedWeight { inputs: weight.len() / outputs, outputs, values, scales }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_rounded_within_half_a_step_of_its_channel() {
        let weight: Vec<f32> = (0..60).map(|i| ((i * 37) % 61) as f32 / 61.0 * [1.0, -0.01, 0.0][i % 3]).collect();
        let rounded = RoundedWeight::new(&weight, 3);
        assert_eq!((rounded.inputs, rounded.outputs, rounded.scales[2]), (20, 3, 1.0));
        for (i, (v, q)) in weight.iter().zip(&rounded.values).enumerate() {
            let step = rounded.scales[i % 3];
            assert!((v - f32::from(*q) * step).abs() <= 0.5001 * step, "{i}: {v} became {q} of {step}");
        }
        for channel in 0..2 {
            let top = rounded.values.iter().skip(channel).step_by(3).map(|q| q.unsigned_abs()).max();
            assert_eq!(top, Some(127), "channel {channel} uses its whole range");
        }
    }

    #[test]
    fn the_same_weight_turned_has_the_same_scales() {
        let rows: Vec<f32> = (0..60).map(|i| ((i * 37) % 61) as f32 - 30.0).collect();
        let turned: Vec<f32> = (0..60).map(|i| rows[i % 3 * 20 + i / 3]).collect();
        let (a, b) = (RoundedWeight::of_rows(&rows, 3), RoundedWeight::new(&turned, 3));
        assert_eq!((&a.scales, a.inputs), (&b.scales, b.inputs));
        assert!((0..60).all(|i| b.values[i] == a.values[i % 3 * 20 + i / 3]));
    }

    #[test]
    fn a_layer_in_int8_takes_a_quarter_and_its_scales() {
        let shape = vec![1, 1, 100];
        let layer = Quantizable { name: "a".into(), reads: "b".into(), norm: None, shape, inputs: 100, outputs: 10 };
        assert_eq!((layer.bytes(false), layer.bytes(true)), (4000, 1040));
    }
}
