//! AdamW on plain vectors.
//!
//! Parameters are kept by name as the checkpoint has them, not as a module tree, so the update is written here: twenty
//! lines that the same state file can hold, average and resume.

use crate::state::Slot;
use burn::tensor::Tensor;

/// AdamW's constants.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// Decay of the gradient's mean.
    pub beta1: f32,
    /// Decay of the squared gradient's mean.
    pub beta2: f32,
    /// Added to the root.
    pub eps: f32,
    /// Decoupled decay of weights with two sides or more; biases and norms have none.
    pub weight_decay: f32,
}

impl AdamW {
    /// PyTorch's constants with `weight_decay`.
    pub fn new(weight_decay: f32) -> AdamW {
        AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay }
    }

    /// One update of `slot` with `gradient`; `step` counts from 1.
    pub fn update(&self, slot: &mut Slot, gradient: &[f32], lr: f32, step: usize) {
        let [correct1, correct2] = self.corrections(step);
        let decay = self.decay(slot.param.shape.len(), lr);
        for (i, &g) in gradient.iter().enumerate() {
            slot.mean[i] = self.beta1 * slot.mean[i] + (1.0 - self.beta1) * g;
            slot.square[i] = self.beta2 * slot.square[i] + (1.0 - self.beta2) * g * g;
            let root = (slot.square[i] / correct2).sqrt() + self.eps;
            slot.value[i] = slot.value[i] * decay - lr * slot.mean[i] / correct1 / root;
        }
    }
}

/// A parameter of a device on its way; all `[length]`.
#[derive(Clone)]
pub(crate) struct Moving {
    /// Its present value.
    pub value: Tensor<1>,
    /// Mean of the gradient.
    pub mean: Tensor<1>,
    /// Mean of the squared gradient.
    pub square: Tensor<1>,
}

impl AdamW {
    fn corrections(&self, step: usize) -> [f32; 2] {
        [self.beta1, self.beta2].map(|beta| 1.0 - beta.powi(step as i32))
    }

    fn decay(&self, sides: usize, lr: f32) -> f32 {
        if sides > 1 { 1.0 - lr * self.weight_decay } else { 1.0 }
    }

    /// [`AdamW::update`] where the numbers are; `sides` of the parameter decide whether it decays.
    pub(crate) fn update_moving(&self, m: Moving, g: Tensor<1>, sides: usize, lr: f32, step: usize) -> Moving {
        let [correct1, correct2] = self.corrections(step);
        let mean = m.mean * self.beta1 + g.clone() * (1.0 - self.beta1);
        let square = m.square * self.beta2 + g.square() * (1.0 - self.beta2);
        let root = (square.clone() / correct2).sqrt() + self.eps;
        let value = m.value * self.decay(sides, lr) - mean.clone() * (lr / correct1) / root;
        Moving { value, mean, square }
    }
}

/// How much of the learning rate a parameter has: the last block's is `decay` of what stands behind the encoder, each earlier
/// block's `decay` of the next one's, and the embedding's of the first one's (VideoMAE's layer decay).
pub(crate) fn layer_scale(name: &str, depth: usize, decay: f32) -> f32 {
    let block = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')?.0.parse::<usize>().ok());
    let layer = match block {
        Some(block) => block + 1,
        None if name.starts_with("patch_embed.") || name.starts_with("stem.") => 0,
        None => depth + 1,
    };
    decay.powi((depth + 1).saturating_sub(layer) as i32)
}

/// Linear warm-up to `peak`, which stays.
pub fn warmed_up(peak: f32, warmup: usize, step: usize) -> f32 {
    if step < warmup { peak * (step + 1) as f32 / warmup as f32 } else { peak }
}

/// Linear warm-up to `peak`, then a half cosine to zero at `steps`.
pub fn learning_rate(peak: f32, warmup: usize, steps: usize, step: usize) -> f32 {
    if step < warmup {
        return warmed_up(peak, warmup, step);
    }
    let done = (step - warmup) as f32 / (steps - warmup).max(1) as f32;
    peak * 0.5 * (1.0 + (std::f32::consts::PI * done.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_network::{Init, Param};

    #[test]
    fn first_step_matches_pytorch() {
        let param = Param { name: "w".into(), shape: vec![1, 2], init: Init::Zeros, trained: true };
        let mut slot = Slot::new(param, vec![1.0, -2.0]);
        AdamW::new(0.1).update(&mut slot, &[0.5, -0.25], 0.01, 1);
        // torch.optim.AdamW(lr=0.01, weight_decay=0.1): w * (1 - 0.001) - 0.01 * sign(g) at the first step
        assert!((slot.value[0] - 0.989).abs() < 1e-6 && (slot.value[1] + 1.988).abs() < 1e-6);
    }

    #[test]
    fn what_is_nearer_to_the_pixels_learns_slower() {
        let scales = ["heads.boxes.fc.bias", "blocks.1.norm1.bias", "blocks.0.mlp.fc1.weight", "stem.0.conv.weight"];
        assert_eq!(scales.map(|name| layer_scale(name, 2, 0.5)), [1.0, 0.5, 0.25, 0.125]);
        assert_eq!(scales.map(|name| layer_scale(name, 2, 1.0)), [1.0; 4]);
    }

    #[test]
    fn schedule_rises_and_falls() {
        assert!(learning_rate(1.0, 10, 100, 0) < 0.2);
        assert_eq!(learning_rate(1.0, 10, 100, 9), 1.0);
        assert!((learning_rate(1.0, 10, 100, 55) - 0.5).abs() < 1e-6);
        assert!(learning_rate(1.0, 10, 100, 100) < 1e-6);
    }
}
