//! The operations the network is written in.

use crate::layers::{Conv, Linear, Norm, PatchEmbed, Qkv};

/// How a parameter starts before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Uniform within +-sqrt(6 / (inputs + outputs)) (Xavier; VideoMAE's choice for linear layers).
    Xavier,
    /// Normal with variance 2 / outputs seen by one input (He, fan-out; for convolutions before a ReLU).
    He,
}

/// A named array of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Name in checkpoints: VideoMAE's where it has one.
    pub name: String,
    /// Sides, outermost first. Linear weights are `[out, in]`, convolutions `[out, in, kernel...]`.
    pub shape: Vec<usize>,
    /// Where training starts.
    pub init: Init,
    /// False for running statistics, which no gradient moves.
    pub trained: bool,
}

impl Param {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True when a side is zero; does not happen in a validated network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an interpreter of the network must be able to do.
///
/// `Seq` is a batch of token sequences `[B, N, D]`; `Map` a batch of feature maps, one a frame: `[B * T, C, H, W]`.
/// Operations do not fail: shapes follow from a validated [`crate::NetworkConfig`], and an interpreter checks that it
/// has every parameter before it starts.
pub trait Ops {
    /// Token sequences `[B, N, D]`.
    type Seq: Clone;
    /// Feature maps `[B * T, C, H, W]`.
    type Map: Clone;

    /// The clip's normalised frames, `[B * T, 3, S, S]`.
    fn frames(&mut self) -> Self::Map;
    /// The clip cut into tubelets of 2 x 16 x 16, each through one linear map; tokens time-major, then row-major.
    fn patch_embed(&mut self, layer: &PatchEmbed) -> Self::Seq;
    /// 3 x 3 convolution with padding 1, then batch normalisation.
    fn conv(&mut self, x: &Self::Map, layer: &Conv) -> Self::Map;
    /// max(x, 0).
    fn relu(&mut self, x: &Self::Map) -> Self::Map;
    /// Sum of two maps of one shape.
    fn add_maps(&mut self, a: &Self::Map, b: &Self::Map) -> Self::Map;
    /// Merges each pair of frames: `[B * T, C, h, w]` to `[B, T/2 * h * w, 2C]`, channels of the earlier frame first.
    fn tubelets(&mut self, x: &Self::Map) -> Self::Seq;
    /// Adds [`position_table`].
    fn positions(&mut self, x: &Self::Seq) -> Self::Seq;
    /// `x W^T + b` on every token.
    fn linear(&mut self, x: &Self::Seq, layer: &Linear) -> Self::Seq;
    /// VideoMAE's fused projection: queries, keys and values, with biases on queries and values only.
    fn qkv(&mut self, x: &Self::Seq, layer: &Qkv) -> (Self::Seq, Self::Seq, Self::Seq);
    /// Normalises each token over its channels.
    fn layer_norm(&mut self, x: &Self::Seq, layer: &Norm) -> Self::Seq;
    /// `softmax(q k^T / sqrt(width of a head)) v` in `heads` heads; `[B, Nq, D]`, `[B, Nk, D]`, `[B, Nk, D]`.
    fn attention(&mut self, q: &Self::Seq, k: &Self::Seq, v: &Self::Seq, heads: usize) -> Self::Seq;
    /// Exact (erf) GELU.
    fn gelu(&mut self, x: &Self::Seq) -> Self::Seq;
    /// Sum of two sequences of one shape.
    fn add(&mut self, a: &Self::Seq, b: &Self::Seq) -> Self::Seq;
    /// Mean over each of `groups` equal runs of consecutive tokens: `[B, groups, D]`.
    fn pool(&mut self, x: &Self::Seq, groups: usize) -> Self::Seq;
    /// The same numbers as `[B, n, d]`.
    fn reshape(&mut self, x: &Self::Seq, n: usize, d: usize) -> Self::Seq;
    /// Sets a share `p` of the values to zero, in training only.
    fn dropout(&mut self, x: &Self::Seq, _p: f32) -> Self::Seq {
        x.clone()
    }
    /// Leaves out a residual branch of encoder block `block` of `depth` for some samples, in training only.
    fn drop_path(&mut self, branch: &Self::Seq, _block: usize, _depth: usize) -> Self::Seq {
        branch.clone()
    }
}

/// The fixed sin-cos table of VideoMAE, `[tokens * width]`: `angle = pos / 10000^(2 * floor(j / 2) / width)`, sine at
/// even `j`, cosine at odd `j`. Computed, never stored, so any clip length and size work.
pub fn position_table(tokens: usize, width: usize) -> Vec<f32> {
    let mut table = Vec::with_capacity(tokens * width);
    for pos in 0..tokens {
        for j in 0..width {
            let angle = pos as f64 / 10000f64.powf((2 * (j / 2)) as f64 / width as f64);
            table.push(if j % 2 == 0 { angle.sin() } else { angle.cos() } as f32);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_matches_the_formula() {
        let t = position_table(3, 4);
        assert_eq!(&t[..4], &[0.0, 1.0, 0.0, 1.0]);
        assert!((t[4] - 1f32.sin()).abs() < 1e-7);
        assert!((t[10] - 0.02f32.sin()).abs() < 1e-7 && (t[11] - 0.02f32.cos()).abs() < 1e-7);
    }
}
