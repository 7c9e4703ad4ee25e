//! What a line does to a frame, from a seed.
#![allow(dead_code, reason = "each test file takes what it needs")]

/// SplitMix64: a few lines, and the same numbers on every machine.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `bound` - 1.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

pub const KINDS: [&str; 5] =
    ["1 to 8 bits flipped", "burst of 2 to 64 bits", "bytes lost", "bytes inserted", "bytes overwritten"];

/// Damages `frame` and says how; the bytes are never what they were.
pub fn damage(rng: &mut Rng, frame: &mut Vec<u8>) -> usize {
    let before = frame.clone();
    loop {
        let kind = match rng.below(20) {
            0..12 => 0,
            12..17 => 1,
            17 => 2,
            18 => 3,
            _ => 4,
        };
        match kind {
            0 => flip(rng, frame),
            1 => burst(rng, frame),
            2 => drop(frame.drain(span(rng, frame.len()))),
            3 => insert(rng, frame),
            _ => span(rng, frame.len()).for_each(|at| frame[at] = rng.next() as u8),
        }
        if *frame != before {
            return kind;
        }
        frame.clone_from(&before);
    }
}

fn flip(rng: &mut Rng, frame: &mut [u8]) {
    for _ in 0..=rng.below(8) {
        flip_bit(frame, rng.below(frame.len() * 8));
    }
}

/// The first and the last bit of a burst are flipped, those between by chance.
fn burst(rng: &mut Rng, frame: &mut [u8]) {
    let bits = frame.len() * 8;
    let len = 2 + rng.below(63.min(bits - 1));
    let start = rng.below(bits - len + 1);
    for bit in 0..len {
        if bit == 0 || bit == len - 1 || rng.below(2) == 0 {
            flip_bit(frame, start + bit);
        }
    }
}

fn insert(rng: &mut Rng, frame: &mut Vec<u8>) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(frame.len() + 1);
        frame.insert(at, rng.next() as u8);
    }
}

fn flip_bit(frame: &mut [u8], bit: usize) {
    frame[bit / 8] ^= 1 << (bit % 8);
}

/// One to eight neighbouring places.
fn span(rng: &mut Rng, len: usize) -> std::ops::Range<usize> {
    let count = 1 + rng.below(8.min(len));
    let start = rng.below(len - count + 1);
    start..start + count
}
