//! Chance with a seed: the same seed gives the same run.

/// xorshift64*: small, fast, and good enough for faults.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Of a seed; any number will do.
    pub fn new(seed: u64) -> Dice {
        // Seeds that differ little must not give runs that do; 0 would stay 0.
        let mixed = (seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Dice((mixed ^ (mixed >> 31)) | 1)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { (self.number() >> 11) % n }
    }

    /// A number in (0, 1].
    pub fn share(&mut self) -> f64 {
        ((self.number() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// How many times nothing happens before something with probability `p` does; `u64::MAX` when it never does.
    pub fn gap(&mut self, p: f64) -> u64 {
        if p <= 0.0 {
            return u64::MAX;
        }
        if p >= 1.0 {
            return 0;
        }
        let gap = self.share().ln() / (1.0 - p).ln();
        if gap < 1e18 { gap as u64 } else { u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_run_and_another_gives_another() {
        let run = |seed| (0..8).map(|_| 0).scan(Dice::new(seed), |dice, _: u8| Some(dice.number())).collect::<Vec<_>>();
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert_ne!(run(0), run(1));
    }

    #[test]
    fn gaps_are_as_long_as_they_should_be() {
        let mut dice = Dice::new(3);
        let mean = (0..20_000).map(|_| dice.gap(1e-3) as f64).sum::<f64>() / 20_000.0;
        assert!((mean - 999.0).abs() < 30.0, "{mean}");
        assert_eq!((dice.gap(0.0), dice.gap(1.0), dice.below(0)), (u64::MAX, 0, 0));
    }
}
