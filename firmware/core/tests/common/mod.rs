//! What the simulations share.
#![allow(dead_code, reason = "each simulation uses its part")]

use mtcae_contract::{ClipSpec, Framing, LabelSet, Manifest, Sampling};

/// A model of clips of 16 frames of 16 x 16 in one second.
pub fn manifest() -> Manifest {
    Manifest {
        format: 1,
        name: "sim".into(),
        version: "0.0.1".into(),
        preset: "tiny".into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 16, size: 16, seconds: 1.0 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.5; 3],
        std: [0.2; 3],
        artifacts: vec![],
    }
}

/// xorshift64*; enough for dice.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// From -1 to 1.
    pub fn around(&mut self) -> f32 {
        self.below(20_001) as f32 / 10_000.0 - 1.0
    }
}
