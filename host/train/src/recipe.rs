//! Recipes: how to train, as data.

use crate::augment::Augment;
use crate::error::TrainError;
use crate::plateau::Plateau;
use mtcae_network::{ConfigError, NetworkConfig, Pool, Strategy};
use serde::Deserialize;
use std::path::Path;

/// Weight of each of the paper's three losses.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Mean squared error of the box (the paper: 0.5).
    pub boxes: f32,
    /// Mean squared error of the landmarks (the paper: 0.5).
    pub landmarks: f32,
    /// Cross-entropy of the expression (the paper: 1.5).
    pub expression: f32,
}

/// A stretch of training with one clip length and one learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Frames per clip, even.
    pub frames: usize,
    /// One picture stands for all frames of a clip (only with 2 frames): half the work of the stem.
    #[serde(default)]
    pub still: bool,
    /// Side of a frame in pixels; the preset's when not given. Positions are computed, so weights take any size.
    #[serde(default)]
    pub size: Option<usize>,
    /// Clips per update.
    pub batch: usize,
    /// Updates, at least 1.
    pub steps: usize,
    /// Highest learning rate.
    pub lr: f32,
    /// Updates from zero to the highest learning rate, at most `steps`.
    pub warmup: usize,
}

/// How to train.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Preset of the network.
    pub preset: String,
    /// How the network's decoders are put together; the paper's proposal when not given.
    #[serde(default)]
    pub strategy: Strategy,
    /// Seed of everything random.
    pub seed: u64,
    /// AdamW's weight decay.
    pub weight_decay: f32,
    /// Share of each target spread over the other classes.
    pub label_smoothing: f32,
    /// 0 draws samples as they come, 1 draws every class equally often; between: counts to the power 1 - balance.
    pub balance: f32,
    /// Decay of the weights' moving average.
    pub average: f32,
    /// Learning rate of an encoder block in that of the next one, 0.1 to 1 (VideoMAE: 0.75).
    #[serde(default = "one")]
    pub layer_decay: f32,
    /// Share of clips that leave out a branch of the last encoder block, earlier blocks less; 0 to 0.9 (VideoMAE: 0.1).
    #[serde(default)]
    pub drop_path: f32,
    /// Clips are mixed in pairs by shares from Beta(mixup, mixup), 0.05 to 1; 0 for none (VideoMAE: 0.8).
    #[serde(default)]
    pub mixup: f32,
    /// Learning rate and end by the score on held-out persons, in place of the cosine.
    #[serde(default)]
    pub plateau: Option<Plateau>,
    /// Weight of each loss.
    pub losses: Losses,
    /// Changes to each sample.
    pub augment: Augment,
    /// What to do, in order.
    pub phase: Vec<Phase>,
}

fn one() -> f32 {
    1.0
}

impl Phase {
    /// `base` with this phase's clip length and size.
    pub fn network(&self, base: &NetworkConfig) -> NetworkConfig {
        NetworkConfig { frames: self.frames, size: self.size.unwrap_or(base.size), ..base.clone() }
    }

    pub(crate) fn validate(&self, base: &NetworkConfig) -> Result<(), String> {
        self.network(base).validate().map_err(|e| format!("phase: {e}"))?;
        within("phase.batch", self.batch as f32, 2.0, 4096.0)?;
        within("phase.steps", self.steps as f32, 1.0, 1e9)?;
        within("phase.lr", self.lr, 1e-8, 1.0)?;
        if self.warmup > self.steps {
            return Err(format!(
                "`phase.warmup` is {}; accepted: 0 to {}, the steps of its phase",
                self.warmup, self.steps
            ));
        }
        if !self.frames.is_multiple_of(2) || (self.still && self.frames != 2) {
            return Err(format!("`phase.frames` is {}; accepted: an even number, 2 when `still`", self.frames));
        }
        Ok(())
    }
}

impl Recipe {
    /// The network of the recipe's preset and strategy for so many classes.
    ///
    /// # Errors
    /// When there is no such preset.
    pub fn network(&self, classes: usize) -> Result<NetworkConfig, ConfigError> {
        Ok(NetworkConfig { classes, strategy: self.strategy, ..NetworkConfig::preset(&self.preset)? })
    }

    /// Reads and validates a recipe file.
    ///
    /// # Errors
    /// With the file, the key, the value and what is accepted.
    pub fn read(path: &Path) -> Result<Recipe, TrainError> {
        let fail = |why: String| TrainError::Recipe { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        Recipe::from_toml(&text).map_err(fail)
    }

    /// Reads and validates a recipe's text.
    ///
    /// # Errors
    /// The key, the value and what is accepted.
    pub fn from_toml(text: &str) -> Result<Recipe, String> {
        let recipe: Recipe = toml::from_str(text).map_err(|e| mtcae_contract::toml_fault(text, &e))?;
        recipe.validate()?;
        Ok(recipe)
    }

    fn validate(&self) -> Result<(), String> {
        let base = self.network(2).map_err(|e| e.to_string())?;
        within("weight_decay", self.weight_decay, 0.0, 1.0)?;
        within("label_smoothing", self.label_smoothing, 0.0, 0.9)?;
        within("balance", self.balance, 0.0, 1.0)?;
        within("average", self.average, 0.0, 0.99999)?;
        within("layer_decay", self.layer_decay, 0.1, 1.0)?;
        within("drop_path", self.drop_path, 0.0, 0.9)?;
        if self.mixup != 0.0 {
            within("mixup", self.mixup, 0.05, 1.0)?;
        }
        if let Some(p) = &self.plateau {
            within("plateau.held_out", p.held_out, 0.01, 0.5)?;
            within("plateau.factor", p.factor, 0.01, 0.99)?;
            within("plateau.patience", p.patience as f32, 1.0, 1000.0)?;
            within("plateau.stop", p.stop as f32, 1.0, 1000.0)?;
        }
        for (key, value) in [
            ("losses.boxes", self.losses.boxes),
            ("losses.landmarks", self.losses.landmarks),
            ("losses.expression", self.losses.expression),
        ] {
            within(key, value, 0.0, 1000.0)?;
        }
        self.augment.validate()?;
        if self.phase.is_empty() {
            return Err("`phase` is empty; accepted: at least one".into());
        }
        for p in &self.phase {
            p.validate(&base)?;
            // A head behind the mean of all tokens answers for all frames at once; how many is in its shape.
            if base.pool == Pool::Mean && self.strategy != Strategy::SingleTask && p.frames != base.frames {
                let (frames, preset) = (p.frames, &self.preset);
                return Err(format!("`phase.frames` is {frames}; accepted for preset {preset}: {}", base.frames));
            }
        }
        Ok(())
    }
}

pub(crate) fn within(key: &str, value: f32, from: f32, to: f32) -> Result<(), String> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(format!("`{key}` is {value}; accepted: {from} to {to}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_and_videomaes_are_valid() {
        let paper = Recipe::from_toml(include_str!("../recipes/paper.toml")).unwrap();
        assert_eq!((paper.losses.boxes, paper.losses.landmarks, paper.losses.expression), (0.5, 0.5, 1.5));
        assert_eq!((paper.weight_decay, paper.phase[0].lr, paper.phase[0].frames), (1e-3, 1e-3, 16));
        assert!(paper.plateau.is_some());
        let text = include_str!("../recipes/videomae.toml");
        let videomae = Recipe::from_toml(text).unwrap();
        assert_eq!((videomae.layer_decay, videomae.drop_path, videomae.mixup), (0.75, 0.1, 0.8));
        assert_eq!((videomae.label_smoothing, videomae.plateau), (0.1, None));
        insta::assert_snapshot!(Recipe::from_toml(&text.replace("frames = 16", "frames = 8")).unwrap_err(), @"`phase.frames` is 8; accepted for preset base: 16");
        insta::assert_snapshot!(Recipe::from_toml(&text.replace("mixup = 0.8", "mixup = 8")).unwrap_err(), @"`mixup` is 8; accepted: 0.05 to 1");
    }

    #[test]
    fn the_shipped_recipe_is_valid_and_errors_are_named() {
        let text = include_str!("../recipes/stills.toml");
        Recipe::from_toml(text).unwrap();
        insta::assert_snapshot!(Recipe::from_toml(&text.replace("balance = 0.4", "balance = 5")).unwrap_err(), @"`balance` is 5; accepted: 0 to 1");
        let single = Recipe::from_toml(&format!("strategy = \"single-task\"\n{text}")).unwrap();
        assert_eq!(single.network(8).map(|n| (n.strategy, n.classes)), Ok((Strategy::SingleTask, 8)));
        assert!(Recipe::from_toml(&text.replace("balance", "ballance")).unwrap_err().contains("ballance"));
    }

    #[test]
    fn every_number_has_its_range() {
        let text = include_str!("../recipes/stills.toml");
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Recipe::from_toml(&text.replace(from, to)).unwrap_err()
        };
        insta::assert_snapshot!(refused("flip = 0.5", "flip = 50.0"), @"`augment.flip` is 50; accepted: 0 to 1");
        insta::assert_snapshot!(refused("rotate = 12.0", "rotate = inf"), @"`augment.rotate` is inf; accepted: 0 to 180");
        insta::assert_snapshot!(refused("scale = 0.12", "scale = 3.0"), @"`augment.scale` is 3; accepted: 0 to 0.5");
        insta::assert_snapshot!(refused("shift = 0.07", "shift = -0.1"), @"`augment.shift` is -0.1; accepted: 0 to 0.5");
        insta::assert_snapshot!(refused("contrast = 0.3", "contrast = -4.0"), @"`augment.contrast` is -4; accepted: 0 to 1");
        insta::assert_snapshot!(refused("tint = 0.1", "tint = 1.5"), @"`augment.tint` is 1.5; accepted: 0 to 1");
        insta::assert_snapshot!(refused("erase = 0.25", "erase = nan"), @"`augment.erase` is NaN; accepted: 0 to 1");
        insta::assert_snapshot!(refused("motion = 0.3", "motion = 2.0"), @"`augment.motion` is 2; accepted: 0 to 1");
        insta::assert_snapshot!(refused("steps = 7000", "steps = 0"), @"`phase.steps` is 0; accepted: 1 to 1000000000");
        insta::assert_snapshot!(refused("warmup = 200", "warmup = 7001"), @"`phase.warmup` is 7001; accepted: 0 to 7000, the steps of its phase");
        insta::assert_snapshot!(refused("lr = 1e-3", "lr = nan"), @"`phase.lr` is NaN; accepted: 0.00000001 to 1");
    }
}
