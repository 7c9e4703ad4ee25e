//! Masked pre-training of the encoder: VideoMAE's autoencoder (Tong et al. 2022, arXiv 2203.12602).
//!
//! The encoder reads the tokens of a clip that are not hidden; a narrow decoder gets its answers, and one learnt token in every
//! hidden place, and says what the hidden pixels are. Only the encoder is kept.

use crate::config::{ConfigError, NetworkConfig, Stem, range};
use crate::encoder::{Block, Encoder};
use crate::layers::{Linear, Norm, param};
use crate::ops::{Init, Ops, Param};
use serde::{Deserialize, Serialize};

/// Numbers of a token's pixels: 2 frames of 16 x 16 points of 3 colours.
pub const PATCH_VALUES: usize = 2 * 16 * 16 * 3;

/// The narrow decoder's sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NarrowConfig {
    /// Channels of a token; VideoMAE has half of the encoder's.
    pub width: usize,
    /// Blocks; VideoMAE has 4.
    pub depth: usize,
    /// Attention heads; divides the width.
    pub heads: usize,
}

impl NarrowConfig {
    /// Checks every value's range.
    ///
    /// # Errors
    /// The first value out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        range("decoder.width", self.width, 8, 2048, 2)?;
        range("decoder.depth", self.depth, 1, 64, 1)?;
        range("decoder.heads", self.heads, 1, 64, 1)?;
        if !self.width.is_multiple_of(self.heads) {
            let accepted = format!("a divisor of decoder.width {}", self.width);
            return Err(ConfigError::Value { key: "decoder.heads", value: self.heads, accepted });
        }
        Ok(())
    }
}

/// What an interpreter of the autoencoder must be able to do beside [`Ops`].
///
/// It knows which places of each clip are hidden, as many in each. [`Ops::patch_embed`] and [`Ops::positions`] then answer for
/// the visible ones alone, in their order.
pub trait MaskOps: Ops {
    /// `x W^T` on every token; `weight` is `[out, in]`.
    fn product(&mut self, x: &Self::Seq, weight: &Param) -> Self::Seq;
    /// `visible`, then `token` once for every hidden place; to each the row of [`crate::position_table`] of its place is added.
    fn with_hidden(&mut self, visible: &Self::Seq, token: &Param) -> Self::Seq;
    /// The tokens of the hidden places of what [`MaskOps::with_hidden`] put together.
    fn hidden(&mut self, all: &Self::Seq) -> Self::Seq;
}

/// Encoder and narrow decoder. Names are VideoMAE's, but for the encoder's, which are those of the network that is trained later.
#[derive(Debug, Clone)]
pub struct Autoencoder {
    config: NetworkConfig,
    encoder: Encoder,
    norm: Norm,
    narrow: Param,
    token: Param,
    blocks: Vec<Block>,
    heads: usize,
    last_norm: Norm,
    head: Linear,
}

impl Autoencoder {
    /// Lays the encoder of `config` and `decoder` out.
    ///
    /// # Errors
    /// When a value is out of range, or the encoder starts with convolutions: those see hidden pixels.
    pub fn new(config: NetworkConfig, decoder: &NarrowConfig) -> Result<Autoencoder, ConfigError> {
        config.validate()?;
        decoder.validate()?;
        if config.encoder.stem != Stem::Patch {
            return Err(ConfigError::Stem);
        }
        let (wide, d) = (config.encoder.width, decoder.width);
        Ok(Autoencoder {
            encoder: Encoder::new(&config.encoder),
            norm: Norm::new("encoder.norm", wide),
            narrow: param("encoder_to_decoder.weight".into(), &[d, wide], Init::Xavier),
            // One side, so that it does not decay (VideoMAE's choice).
            token: param("mask_token".into(), &[d], Init::Zeros),
            blocks: (0..decoder.depth).map(|i| Block::new(&format!("decoder.blocks.{i}"), d)).collect(),
            heads: decoder.heads,
            last_norm: Norm::new("decoder.norm", d),
            head: Linear::new("decoder.head", d, PATCH_VALUES),
            config,
        })
    }

    /// The network whose encoder it is.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// What the hidden places look like, `[B, hidden, PATCH_VALUES]`: frame, row, column, colour.
    pub fn forward<O: MaskOps>(&self, ops: &mut O) -> O::Seq {
        let features = self.encoder.forward(ops);
        let features = ops.layer_norm(&features, &self.norm);
        let narrow = ops.product(&features, &self.narrow);
        let mut x = ops.with_hidden(&narrow, &self.token);
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(ops, &x, self.heads, (i, self.blocks.len()));
        }
        let hidden = ops.hidden(&x);
        let hidden = ops.layer_norm(&hidden, &self.last_norm);
        ops.linear(&hidden, &self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, autoencoder_parameters, parameters};

    const NARROW: NarrowConfig = NarrowConfig { width: 192, depth: 4, heads: 3 };

    #[test]
    fn its_encoder_is_that_of_the_network() {
        let config = NetworkConfig::preset("small").unwrap();
        let auto = autoencoder_parameters(&Autoencoder::new(config.clone(), &NARROW).unwrap());
        let network = parameters(&Network::new(config).unwrap());
        let of = |all: &[Param]| -> Vec<Param> {
            let encoder = |p: &&Param| p.name.starts_with("blocks.") || p.name.starts_with("patch_embed.");
            all.iter().filter(encoder).cloned().collect()
        };
        assert_eq!(of(&auto), of(&network));
        let rest: usize = auto.iter().map(Param::len).sum::<usize>() - of(&auto).iter().map(Param::len).sum::<usize>();
        // norm, narrowing, mask token, four blocks of 12 d^2 + 12 d (keys have no bias), norm, head
        let (wide, d) = (384, 192);
        let want = 2 * wide + d * wide + d + 4 * (12 * d * d + 12 * d) + 2 * d + (d + 1) * PATCH_VALUES;
        assert_eq!(rest, want);
    }

    #[test]
    fn what_cannot_be_hidden_or_divided_is_refused() {
        let small = NetworkConfig::preset("small").unwrap();
        let refused = |config: NetworkConfig, narrow| Autoencoder::new(config, &narrow).unwrap_err().to_string();
        insta::assert_snapshot!(refused(small.clone(), NarrowConfig { heads: 5, ..NARROW }), @"network configuration key `decoder.heads` is 5; accepted: a divisor of decoder.width 192");
        insta::assert_snapshot!(refused(small, NarrowConfig { depth: 0, ..NARROW }), @"network configuration key `decoder.depth` is 0; accepted: 1 to 64");
        let edge = NetworkConfig::preset("edge").unwrap();
        insta::assert_snapshot!(refused(edge, NARROW), @"this network starts with a convolutional stem, which sees pixels that are to be hidden; accepted: presets with plain patches: large, base, small");
    }
}
