//! How to pre-train, as data.

use super::mask::hidden_places;
use crate::augment::Augment;
use crate::error::TrainError;
use crate::optimizer::AdamW;
use crate::recipe::{Phase, within};
use mtcae_network::{Autoencoder, ConfigError, NarrowConfig, NetworkConfig};
use serde::Deserialize;
use std::path::Path;

/// How to pre-train.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainRecipe {
    /// Preset whose encoder is trained; one with plain patches.
    pub preset: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Share of the places of a picture that are hidden in a whole clip, 0.1 to 0.98 (VideoMAE: 0.9).
    pub masked: f32,
    /// AdamW's weight decay (VideoMAE: 0.05).
    pub weight_decay: f32,
    /// Decay of AdamW's mean of squared gradients, 0.5 to 0.9999 (VideoMAE: 0.95).
    pub beta2: f32,
    /// 0 draws samples as they come, 1 draws every class equally often.
    #[serde(default)]
    pub balance: f32,
    /// Decay of the weights' moving average; 0 for none (VideoMAE's choice).
    #[serde(default)]
    pub average: f32,
    /// The narrow decoder.
    pub decoder: NarrowConfig,
    /// Changes to each sample.
    pub augment: Augment,
    /// What to do, in order.
    pub phase: Vec<Phase>,
}

impl PretrainRecipe {
    /// The network whose encoder is trained, for so many classes.
    ///
    /// # Errors
    /// When there is no such preset.
    pub fn network(&self, classes: usize) -> Result<NetworkConfig, ConfigError> {
        Ok(NetworkConfig { classes, ..NetworkConfig::preset(&self.preset)? })
    }

    /// Reads and validates a recipe file.
    ///
    /// # Errors
    /// With the file, the key, the value and what is accepted.
    pub fn read(path: &Path) -> Result<PretrainRecipe, TrainError> {
        let fail = |why: String| TrainError::Recipe { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        PretrainRecipe::from_toml(&text).map_err(fail)
    }

    /// Reads and validates a recipe's text.
    ///
    /// # Errors
    /// The key, the value and what is accepted.
    pub fn from_toml(text: &str) -> Result<PretrainRecipe, String> {
        let recipe: PretrainRecipe = toml::from_str(text).map_err(|e| mtcae_contract::toml_fault(text, &e))?;
        recipe.validate()?;
        Ok(recipe)
    }

    pub(super) fn optimizer(&self) -> AdamW {
        AdamW { beta2: self.beta2, ..AdamW::new(self.weight_decay) }
    }

    fn validate(&self) -> Result<(), String> {
        let base = self.network(2).map_err(|e| e.to_string())?;
        Autoencoder::new(base.clone(), &self.decoder).map_err(|e| e.to_string())?;
        within("masked", self.masked, 0.1, 0.98)?;
        within("weight_decay", self.weight_decay, 0.0, 1.0)?;
        within("beta2", self.beta2, 0.5, 0.9999)?;
        within("balance", self.balance, 0.0, 1.0)?;
        within("average", self.average, 0.0, 0.99999)?;
        self.augment.validate()?;
        if self.phase.is_empty() {
            return Err("`phase` is empty; accepted: at least one".into());
        }
        for p in &self.phase {
            p.validate(&base)?;
            let size = p.network(&base).size;
            let places = (size / 16).pow(2);
            let hidden = hidden_places(places, self.masked);
            if hidden == 0 || hidden == places {
                let masked = self.masked;
                return Err(format!(
                    "`masked` is {masked}: of the {places} places in {size} pixels it hides {hidden}; accepted: some, not all"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_one_is_videomaes_and_errors_are_named() {
        let text = include_str!("../../recipes/pretrain.toml");
        let recipe = PretrainRecipe::from_toml(text).unwrap();
        assert_eq!((recipe.masked, recipe.beta2, recipe.weight_decay), (0.9, 0.95, 0.05));
        assert_eq!(recipe.decoder, NarrowConfig { width: 384, depth: 4, heads: 6 });
        let refused = |from: &str, to: &str| PretrainRecipe::from_toml(&text.replace(from, to)).unwrap_err();
        insta::assert_snapshot!(refused("masked = 0.9", "masked = 1.0"), @"`masked` is 1; accepted: 0.1 to 0.98");
        insta::assert_snapshot!(refused("flip = 0.5", "flip = 50.0"), @"`augment.flip` is 50; accepted: 0 to 1");
        insta::assert_snapshot!(refused("steps = 200000", "steps = 2000"), @"`phase.warmup` is 10000; accepted: 0 to 2000, the steps of its phase");
        insta::assert_snapshot!(refused("frames = 16", "frames = 16\nsize = 16"), @"`masked` is 0.9: of the 1 places in 16 pixels it hides 0; accepted: some, not all");
        insta::assert_snapshot!(refused("heads = 6", "heads = 7"), @"network configuration key `decoder.heads` is 7; accepted: a divisor of decoder.width 384");
        insta::assert_snapshot!(refused("preset = \"base\"", "preset = \"edge\""), @"this network starts with a convolutional stem, which sees pixels that are to be hidden; accepted: presets with plain patches: large, base, small");
    }
}
