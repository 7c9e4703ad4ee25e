//! Presets and configurations: the architecture as data.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Names of the presets that ship.
pub const PRESETS: [&str; 5] = ["large", "base", "small", "edge", "tiny"];

/// Why a configuration is refused.
#[derive(Debug, Error, PartialEq)]
pub enum ConfigError {
    /// Not one of [`PRESETS`].
    #[error("unknown preset {0:?}; accepted: {all}", all = PRESETS.join(", "))]
    Preset(String),
    /// Not one of the six strategies.
    #[error("unknown strategy {0:?}; accepted: {all}", all = Strategy::ALL.map(Strategy::name).join(", "))]
    Strategy(String),
    /// Not TOML, or an unknown or missing key.
    #[error("network configuration: {0}")]
    Syntax(String),
    /// A stem that cannot be pre-trained with hidden pixels.
    #[error(
        "this network starts with a convolutional stem, which sees pixels that are to be hidden; accepted: presets with plain patches: large, base, small"
    )]
    Stem,
    /// A value outside what is accepted.
    #[error("network configuration key `{key}` is {value}; accepted: {accepted}")]
    Value {
        /// Dotted key.
        key: &'static str,
        /// The value found.
        value: usize,
        /// What would be accepted.
        accepted: String,
    },
}

/// The six multi-task strategies the paper compares (Fig. 1, Table I).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Encoder and expression head alone.
    SingleTask,
    /// Each task its own MLP decoder on F.
    NonSharedMlp,
    /// Each task its own ViT decoder on F.
    NonSharedVit,
    /// One shared MLP decoder on F, each task's own behind it.
    FullySharedMlp,
    /// One shared ViT decoder on F, each task's own behind it.
    FullySharedVit,
    /// Each decoder's output is the next one's query (the paper's proposal).
    #[default]
    CascadedVit,
}

impl Strategy {
    /// All six, in the paper's order.
    pub const ALL: [Strategy; 6] = [
        Self::SingleTask,
        Self::NonSharedMlp,
        Self::NonSharedVit,
        Self::FullySharedMlp,
        Self::FullySharedVit,
        Self::CascadedVit,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleTask => "single-task",
            Self::NonSharedMlp => "non-shared-mlp",
            Self::NonSharedVit => "non-shared-vit",
            Self::FullySharedMlp => "fully-shared-mlp",
            Self::FullySharedVit => "fully-shared-vit",
            Self::CascadedVit => "cascaded-vit",
        }
    }

    pub(crate) fn uses_attention(self) -> bool {
        matches!(self, Self::NonSharedVit | Self::FullySharedVit | Self::CascadedVit)
    }

    pub(crate) fn has_shared_decoder(self) -> bool {
        matches!(self, Self::FullySharedMlp | Self::FullySharedVit)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Strategy {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| ConfigError::Strategy(name.to_owned()))
    }
}

/// What a head averages over before its linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// All tokens (the paper): the answers for all frames come from one vector.
    Mean,
    /// The tokens of each tubelet: each pair of frames has its own vector for boxes and landmarks.
    Tubelet,
}

/// How pixels become tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Stem {
    /// VideoMAE's tubelet embedding.
    Patch,
    /// Four stride-2 convolutions on each frame; two frames are then merged into a tubelet.
    Conv {
        /// Channels behind each convolution.
        channels: [usize; 4],
    },
}

/// The encoder's sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// How pixels become tokens.
    pub stem: Stem,
    /// Channels of a token, `D`.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads; divides the width.
    pub heads: usize,
}

/// A decoder's sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderConfig {
    /// Channels of a token, `d`.
    pub width: usize,
    /// Layers, `L`.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Channels of one head (the paper: `d`).
    pub head_width: usize,
    /// Channels inside the MLP (the paper: `2d`).
    pub mlp_hidden: usize,
}

/// Everything that shapes the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Frames of a clip, `T`.
    pub frames: usize,
    /// Side of a frame in pixels, `S`.
    pub size: usize,
    /// What heads average over.
    pub pool: Pool,
    /// How decoders are put together.
    #[serde(default)]
    pub strategy: Strategy,
    /// Expressions told apart, `C`.
    #[serde(default = "seven")]
    pub classes: usize,
    /// The encoder.
    pub encoder: EncoderConfig,
    /// Each decoder.
    pub decoder: DecoderConfig,
}

fn seven() -> usize {
    7
}

impl NetworkConfig {
    /// A preset by name, with strategy `cascaded-vit` and seven classes.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn preset(name: &str) -> Result<NetworkConfig, ConfigError> {
        let text = match name {
            "large" => include_str!("../presets/large.toml"),
            "base" => include_str!("../presets/base.toml"),
            "small" => include_str!("../presets/small.toml"),
            "edge" => include_str!("../presets/edge.toml"),
            "tiny" => include_str!("../presets/tiny.toml"),
            _ => return Err(ConfigError::Preset(name.to_owned())),
        };
        NetworkConfig::from_toml(text)
    }

    /// Reads and validates.
    ///
    /// # Errors
    /// With the key, the value and what is accepted.
    pub fn from_toml(text: &str) -> Result<NetworkConfig, ConfigError> {
        let config: NetworkConfig = toml::from_str(text).map_err(|e| ConfigError::Syntax(e.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks every value's range.
    ///
    /// # Errors
    /// The first value out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (e, d) = (&self.encoder, &self.decoder);
        range("frames", self.frames, 2, 64, 2)?;
        range("size", self.size, 16, 448, 16)?;
        range("classes", self.classes, 2, 8, 1)?;
        range("encoder.width", e.width, 8, 2048, 2)?;
        range("encoder.depth", e.depth, 1, 64, 1)?;
        range("encoder.heads", e.heads, 1, 64, 1)?;
        range("decoder.width", d.width, 8, 2048, 1)?;
        range("decoder.layers", d.layers, 1, 16, 1)?;
        range("decoder.heads", d.heads, 1, 64, 1)?;
        range("decoder.head_width", d.head_width, 1, 2048, 1)?;
        range("decoder.mlp_hidden", d.mlp_hidden, 1, 8192, 1)?;
        if let Stem::Conv { channels } = &e.stem {
            for &c in channels {
                range("encoder.stem.channels", c, 1, 2048, 1)?;
            }
        }
        if !e.width.is_multiple_of(e.heads) {
            let accepted = format!("a divisor of encoder.width {}", e.width);
            return Err(ConfigError::Value { key: "encoder.heads", value: e.heads, accepted });
        }
        Ok(())
    }

    /// Tokens of a clip: `T/2 * (S/16)^2`.
    pub fn tokens(&self) -> usize {
        self.frames / 2 * (self.size / 16).pow(2)
    }
}

pub(crate) fn range(
    key: &'static str,
    value: usize,
    from: usize,
    to: usize,
    multiple: usize,
) -> Result<(), ConfigError> {
    if (from..=to).contains(&value) && value.is_multiple_of(multiple) {
        return Ok(());
    }
    let of = if multiple > 1 { format!(", a multiple of {multiple}") } else { String::new() };
    Err(ConfigError::Value { key, value, accepted: format!("{from} to {to}{of}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for name in PRESETS {
            NetworkConfig::preset(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        assert_eq!(NetworkConfig::preset("large").unwrap().tokens(), 1568);
        assert_eq!(NetworkConfig::preset("edge").unwrap().tokens(), 200);
    }

    #[test]
    fn errors_name_key_value_and_what_is_accepted() {
        insta::assert_snapshot!(NetworkConfig::preset("huge").unwrap_err(), @r#"unknown preset "huge"; accepted: large, base, small, edge, tiny"#);
        insta::assert_snapshot!("cascade".parse::<Strategy>().unwrap_err(), @r#"unknown strategy "cascade"; accepted: single-task, non-shared-mlp, non-shared-vit, fully-shared-mlp, fully-shared-vit, cascaded-vit"#);
        let mut c = NetworkConfig::preset("edge").unwrap();
        c.encoder.heads = 5;
        insta::assert_snapshot!(c.validate().unwrap_err(), @"network configuration key `encoder.heads` is 5; accepted: a divisor of encoder.width 192");
        c.size = 100;
        insta::assert_snapshot!(c.validate().unwrap_err(), @"network configuration key `size` is 100; accepted: 16 to 448, a multiple of 16");
    }
}
