//! Random numbers and random fields that are the same for the same seed.

use crate::vector::lerp;

/// SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator of its own for each `purpose`: drawing more of one thing changes no other.
    pub fn new(seed: u64, purpose: &str) -> Random {
        let fnv = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Random(mixed(seed ^ fnv))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in [from, to).
    pub fn range(&mut self, from: f32, to: f32) -> f32 {
        lerp(from, to, self.unit())
    }

    /// Uniform within `most` of 0.
    pub fn around(&mut self, most: f32) -> f32 {
        self.range(-most, most)
    }

    /// Standard normal (Box-Muller), no farther than `limit` from 0.
    pub fn normal(&mut self, limit: f32) -> f32 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        ((-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()).clamp(-limit, limit)
    }

    /// True with `probability`.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.bits() % choices.len() as u64) as usize]
    }
}

/// SplitMix64's finishing.
pub fn mixed(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A smooth random field over the plane with features of size 1, between -1 and 1.
pub fn noise(seed: u32, x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let (fx, fy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (i, j) = (x0 as i32, y0 as i32);
    let top = lerp(knot(seed, i, j), knot(seed, i + 1, j), fx);
    let low = lerp(knot(seed, i, j + 1), knot(seed, i + 1, j + 1), fx);
    lerp(top, low, fy)
}

/// Three octaves of [`noise`], about -1 to 1.
pub fn cloud(seed: u32, x: f32, y: f32) -> f32 {
    (noise(seed, x, y) + 0.5 * noise(seed ^ 0x51, 2.0 * x, 2.0 * y) + 0.25 * noise(seed ^ 0xa7, 4.0 * x, 4.0 * y)) / 1.4
}

fn knot(seed: u32, i: i32, j: i32) -> f32 {
    let mut h =
        (i as u32).wrapping_mul(0x9e37_79b1) ^ (j as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 / (1 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn purposes_do_not_share_numbers() {
        let (mut a, mut b, mut c) = (Random::new(1, "a"), Random::new(1, "b"), Random::new(1, "a"));
        let first = a.bits();
        assert_ne!(first, b.bits());
        assert_eq!(first, c.bits());
    }

    #[test]
    fn normals_are_normal() {
        let mut random = Random::new(7, "normal");
        let values: Vec<f32> = (0..20_000).map(|_| random.normal(4.0)).collect();
        let mean = values.iter().sum::<f32>() / 20_000.0;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    proptest! {
        #[test]
        fn fields_are_bounded_and_smooth(seed: u32, x in -500f32..500.0, y in -500f32..500.0) {
            let here = noise(seed, x, y);
            prop_assert!(here.abs() <= 1.0 && cloud(seed, x, y).abs() <= 1.3);
            prop_assert!((noise(seed, x + 0.01, y) - here).abs() < 0.05);
        }
    }
}
