//! Bits that a line turns over: alone, or in bursts.

use crate::Dice;

/// How a line damages what it carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoiseKind {
    /// Not at all.
    None,
    /// Each bit by itself.
    Bits {
        /// Share of the bits that are turned over, 0 to 1.
        rate: f64,
    },
    /// Bursts: in one, every other bit is turned over, by chance.
    Bursts {
        /// Share of all bits that are turned over, below 0.5.
        rate: f64,
        /// Bits from the first to the last of a burst, at least 1.
        length: u32,
    },
}

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoiseCounts {
    /// Bits that went through.
    pub bits: u64,
    /// Bits turned over.
    pub flips: u64,
    /// Bursts begun, or single bits.
    pub faults: u64,
}

/// A noise with its chance.
#[derive(Debug, Clone)]
pub struct Noise {
    kind: NoiseKind,
    dice: Dice,
    /// Bits until the next fault begins.
    gap: u64,
    /// Bits left of the burst that is going on.
    burst: u32,
    counts: NoiseCounts,
}

impl Noise {
    /// A noise of `kind`; the same `seed` damages the same bits.
    pub fn new(kind: NoiseKind, seed: u64) -> Noise {
        let mut noise = Noise { kind, dice: Dice::new(seed), gap: 0, burst: 0, counts: NoiseCounts::default() };
        noise.gap = noise.next_gap();
        noise
    }

    /// What was done so far.
    pub fn counts(&self) -> NoiseCounts {
        self.counts
    }

    /// Damages `bytes` as the line does; how many bits were turned over.
    pub fn damage(&mut self, bytes: &mut [u8]) -> u64 {
        let (before, bits) = (self.counts.flips, 8 * bytes.len() as u64);
        let mut at = 0;
        while at < bits {
            if self.burst > 0 {
                self.burst -= 1;
                if self.dice.below(2) == 1 {
                    self.flip(bytes, at);
                }
                at += 1;
                continue;
            }
            if self.gap >= bits - at {
                self.gap -= bits - at;
                break;
            }
            at += self.gap;
            self.gap = self.next_gap();
            self.counts.faults += 1;
            match self.kind {
                NoiseKind::Bursts { length, .. } => self.burst = length.max(1),
                _ => {
                    self.flip(bytes, at);
                    at += 1;
                }
            }
        }
        self.counts.bits += bits;
        self.counts.flips - before
    }

    fn flip(&mut self, bytes: &mut [u8], at: u64) {
        bytes[(at / 8) as usize] ^= 1 << (at % 8);
        self.counts.flips += 1;
    }

    fn next_gap(&mut self) -> u64 {
        match self.kind {
            NoiseKind::None => u64::MAX,
            NoiseKind::Bits { rate } => self.dice.gap(rate),
            NoiseKind::Bursts { rate, length } => {
                // Half of a burst's bits, over a burst and the gap before it, are the rate.
                let length = f64::from(length.max(1));
                let gap = (length / 2.0 / rate - length).max(1.0);
                if rate > 0.0 { self.dice.gap(1.0 / gap) } else { u64::MAX }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(kind: NoiseKind) -> f64 {
        let mut noise = Noise::new(kind, 11);
        let mut bytes = [0u8; 97];
        let mut ones = 0;
        for _ in 0..40_000 {
            bytes.fill(0);
            let said = noise.damage(&mut bytes);
            let found: u64 = bytes.iter().map(|b| u64::from(b.count_ones())).sum();
            assert_eq!(said, found);
            ones += found;
        }
        let counts = noise.counts();
        assert_eq!((counts.flips, counts.bits), (ones, 40_000 * 97 * 8));
        ones as f64 / counts.bits as f64
    }

    #[test]
    fn as_many_bits_are_turned_over_as_was_said() {
        assert_eq!(share(NoiseKind::None), 0.0);
        let single = share(NoiseKind::Bits { rate: 1e-3 });
        assert!((0.95e-3..1.05e-3).contains(&single), "{single}");
        let bursts = share(NoiseKind::Bursts { rate: 1e-3, length: 24 });
        assert!((0.9e-3..1.1e-3).contains(&bursts), "{bursts}");
    }

    #[test]
    fn a_burst_goes_on_in_the_next_piece() {
        let mut noise = Noise::new(NoiseKind::Bursts { rate: 0.01, length: 4000 }, 5);
        let mut damaged = 0;
        while damaged == 0 {
            damaged = noise.damage(&mut [0u8; 16]);
        }
        let next = noise.damage(&mut [0u8; 100]);
        assert!((300..500).contains(&next), "{next} of 800 bits");
        assert_eq!(noise.counts().faults, 1);
    }

    #[test]
    fn the_pieces_make_no_difference() {
        let kind = NoiseKind::Bits { rate: 0.01 };
        let mut whole = vec![0u8; 3000];
        Noise::new(kind, 9).damage(&mut whole);
        let (mut pieces, mut noise) = (vec![0u8; 3000], Noise::new(kind, 9));
        pieces.chunks_mut(7).for_each(|piece| {
            noise.damage(piece);
        });
        assert_eq!(whole, pieces);
        assert_ne!(whole, vec![0u8; 3000]);
    }
}
