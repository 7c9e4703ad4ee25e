//! AdamW on plain vectors.
//!
//! Parameters are kept by name as the checkpoint has them, not as a module tree, so the update is written here: twenty
//! lines that the same state file can hold, average and resume.

use crate::state::Slot;

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
        let correct1 = 1.0 - self.beta1.powi(step as i32);
        let correct2 = 1.0 - self.beta2.powi(step as i32);
        let decay = if slot.param.shape.len() > 1 { 1.0 - lr * self.weight_decay } else { 1.0 };
        for (i, &g) in gradient.iter().enumerate() {
            slot.mean[i] = self.beta1 * slot.mean[i] + (1.0 - self.beta1) * g;
            slot.square[i] = self.beta2 * slot.square[i] + (1.0 - self.beta2) * g * g;
            let root = (slot.square[i] / correct2).sqrt() + self.eps;
            slot.value[i] = slot.value[i] * decay - lr * slot.mean[i] / correct1 / root;
        }
    }
}

/// Linear warm-up to `peak`, then a half cosine to zero at `steps`.
pub fn learning_rate(peak: f32, warmup: usize, steps: usize, step: usize) -> f32 {
    if step < warmup {
        return peak * (step + 1) as f32 / warmup as f32;
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
    fn schedule_rises_and_falls() {
        assert!(learning_rate(1.0, 10, 100, 0) < 0.2);
        assert_eq!(learning_rate(1.0, 10, 100, 9), 1.0);
        assert!((learning_rate(1.0, 10, 100, 55) - 0.5).abs() < 1e-6);
        assert!(learning_rate(1.0, 10, 100, 100) < 1e-6);
    }
}
