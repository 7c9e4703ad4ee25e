//! Where training starts: weights drawn from a seed.

use crate::checkpoint::{Checkpoint, Tensor};
use crate::config::{ConfigError, NetworkConfig};
use crate::cost::parameters;
use crate::decoder::Network;
use crate::ops::{Init, Param};

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same on every machine. Not for secrets.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator; equal seeds give equal numbers.
    pub fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Standard normal (Box-Muller).
    pub fn normal(&mut self) -> f32 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
    }
}

impl Checkpoint {
    /// Weights drawn as each parameter's [`Init`] says. The numbers depend on `seed` and the parameter's name alone, so
    /// two networks that differ in a decoder start with the same encoder.
    ///
    /// # Errors
    /// When the configuration is out of range.
    pub fn random(config: NetworkConfig, seed: u64) -> Result<Checkpoint, ConfigError> {
        let network = Network::new(config)?;
        let tensors = parameters(&network)
            .into_iter()
            .map(|p| {
                let values = p.draw(seed);
                (p.name, Tensor { shape: p.shape, values })
            })
            .collect();
        Ok(Checkpoint { config: network.config().clone(), tensors, labels: None })
    }
}

impl Param {
    /// The values it starts with; the same for the same seed.
    pub fn draw(&self, seed: u64) -> Vec<f32> {
        let mut rng = SplitMix::new(seed ^ fnv1a(&self.name));
        let taps: usize = self.shape.iter().skip(2).product();
        let outputs = self.shape[0];
        let mut fill = |f: &mut dyn FnMut(&mut SplitMix) -> f32| (0..self.len()).map(|_| f(&mut rng)).collect();
        match self.init {
            Init::Zeros => vec![0.0; self.len()],
            Init::Ones => vec![1.0; self.len()],
            Init::Xavier => {
                let inputs = self.len() / outputs;
                let bound = (6.0 / (inputs + outputs) as f32).sqrt();
                fill(&mut |rng| bound * (2.0 * rng.unit() - 1.0))
            }
            Init::He => {
                let deviation = (2.0 / (outputs * taps) as f32).sqrt();
                fill(&mut |rng| deviation * rng.normal())
            }
        }
    }
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Strategy;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut rng = SplitMix::new(1_234_567);
        assert_eq!(rng.bits(), 6_457_827_717_110_365_317);
        assert_eq!(rng.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn equal_seeds_give_equal_weights_whatever_the_decoder() {
        let mut config = NetworkConfig::preset("tiny").unwrap();
        let a = Checkpoint::random(config.clone(), 7).unwrap();
        assert_eq!(a, Checkpoint::random(config.clone(), 7).unwrap());
        config.strategy = Strategy::SingleTask;
        let b = Checkpoint::random(config.clone(), 7).unwrap();
        assert_eq!(a.tensors["stem.0.conv.weight"], b.tensors["stem.0.conv.weight"]);
        assert_ne!(b, Checkpoint::random(config.clone(), 8).unwrap());
        assert!(Checkpoint::new(config, b.tensors).is_ok());
    }

    #[test]
    fn spreads_are_the_ones_asked_for() {
        let p = |init, shape: &[usize]| Param { name: "w".into(), shape: shape.to_vec(), init, trained: true };
        let x = p(Init::Xavier, &[100, 200]).draw(1);
        let bound = (6.0f32 / 300.0).sqrt();
        assert!(x.iter().all(|v| v.abs() <= bound) && x.iter().any(|v| v.abs() > 0.99 * bound));
        let x = p(Init::He, &[64, 16, 3, 3]).draw(1);
        let variance = x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32;
        assert!((variance * (64.0 * 9.0) / 2.0 - 1.0).abs() < 0.05, "{variance}");
    }
}
