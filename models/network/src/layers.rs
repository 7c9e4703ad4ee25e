//! Layers: which parameters belong together, and what they are called.

use crate::ops::{Init, Param};

pub(crate) fn param(name: String, shape: &[usize], init: Init) -> Param {
    Param { name, shape: shape.to_vec(), init, trained: true }
}

/// `y = x W^T + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Param,
}

impl Linear {
    pub(crate) fn new(name: &str, inputs: usize, outputs: usize) -> Linear {
        Linear {
            weight: param(format!("{name}.weight"), &[outputs, inputs], Init::Xavier),
            bias: param(format!("{name}.bias"), &[outputs], Init::Zeros),
        }
    }

    /// Channels in.
    pub fn inputs(&self) -> usize {
        self.weight.shape[1]
    }

    /// Channels out.
    pub fn outputs(&self) -> usize {
        self.weight.shape[0]
    }
}

/// Layer normalisation over channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Scale, `[D]`.
    pub weight: Param,
    /// Shift, `[D]`.
    pub bias: Param,
}

impl Norm {
    /// Added to the variance.
    pub const EPS: f64 = 1e-6;

    pub(crate) fn new(name: &str, width: usize) -> Norm {
        Norm {
            weight: param(format!("{name}.weight"), &[width], Init::Ones),
            bias: param(format!("{name}.bias"), &[width], Init::Zeros),
        }
    }
}

/// The encoder's fused projection. Keys have no bias.
#[derive(Debug, Clone, PartialEq)]
pub struct Qkv {
    /// `[3D, D]`: queries, then keys, then values.
    pub weight: Param,
    /// `[D]`.
    pub q_bias: Param,
    /// `[D]`.
    pub v_bias: Param,
}

impl Qkv {
    pub(crate) fn new(name: &str, width: usize) -> Qkv {
        Qkv {
            weight: param(format!("{name}.qkv.weight"), &[3 * width, width], Init::Xavier),
            q_bias: param(format!("{name}.q_bias"), &[width], Init::Zeros),
            v_bias: param(format!("{name}.v_bias"), &[width], Init::Zeros),
        }
    }

    /// Channels in, and out of each of the three.
    pub fn width(&self) -> usize {
        self.q_bias.shape[0]
    }
}

/// VideoMAE's tubelet embedding: a 3-D convolution whose kernel is its stride.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchEmbed {
    /// `[D, 3, 2, 16, 16]`.
    pub weight: Param,
    /// `[D]`.
    pub bias: Param,
}

impl PatchEmbed {
    pub(crate) fn new(width: usize) -> PatchEmbed {
        PatchEmbed {
            weight: param("patch_embed.proj.weight".into(), &[width, 3, 2, 16, 16], Init::Xavier),
            bias: param("patch_embed.proj.bias".into(), &[width], Init::Zeros),
        }
    }
}

/// 3 x 3 convolution without bias, padding 1, and the batch normalisation behind it (folded into one at export).
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    /// `[out, in, 3, 3]`.
    pub weight: Param,
    /// Scale of the normalisation, `[out]`.
    pub norm_weight: Param,
    /// Shift of the normalisation, `[out]`.
    pub norm_bias: Param,
    /// Mean seen in training, `[out]`.
    pub running_mean: Param,
    /// Variance seen in training, `[out]`.
    pub running_var: Param,
    /// 1 or 2.
    pub stride: usize,
}

impl Conv {
    /// Added to the variance.
    pub const EPS: f64 = 1e-5;

    pub(crate) fn new(name: &str, inputs: usize, outputs: usize, stride: usize) -> Conv {
        let norm = |part: &str, init, trained| Param {
            name: format!("{name}.norm.{part}"),
            shape: vec![outputs],
            init,
            trained,
        };
        Conv {
            weight: param(format!("{name}.conv.weight"), &[outputs, inputs, 3, 3], Init::He),
            norm_weight: norm("weight", Init::Ones, true),
            norm_bias: norm("bias", Init::Zeros, true),
            running_mean: norm("running_mean", Init::Zeros, false),
            running_var: norm("running_var", Init::Ones, false),
            stride,
        }
    }
}
