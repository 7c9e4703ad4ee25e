//! One direction of a line: how fast it is, and what it does to the bytes. Pure; time is passed in.

use crate::Dice;
use crate::noise::{Noise, NoiseCounts, NoiseKind};
use std::collections::VecDeque;

/// Bits of a byte with its start and stop bit.
const BITS: f64 = 10.0;
/// Bytes taken at a time.
pub const PIECE: usize = 512;
/// Bytes on their way at most where there is no pace: the sender then has to wait.
const MOST: usize = 16 * PIECE;

/// What a line is like. The default is as fast as it goes, and without faults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// Bits per second; 0 is as fast as it goes.
    pub baud: u32,
    /// From the end of a byte on one side to its arrival on the other, microseconds.
    pub delay_us: u64,
    /// Up to so much more, by chance, microseconds. Bytes do not overtake each other.
    pub jitter_us: u64,
    /// Pieces arrive split into at most so many bytes, by chance; 0 leaves them whole.
    pub split: usize,
    /// Bits turned over.
    pub noise: NoiseKind,
    /// Share of the bytes that are lost, 0 to 1.
    pub loss: f64,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults { baud: 0, delay_us: 0, jitter_us: 0, split: 0, noise: NoiseKind::None, loss: 0.0 }
    }
}

/// What went through, and what was done to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelCounts {
    /// Bytes taken.
    pub bytes: u64,
    /// Bits turned over.
    pub flips: u64,
    /// Single bits or bursts.
    pub faults: u64,
    /// Bytes lost, in a cut or by chance.
    pub lost: u64,
}

/// One direction of a line.
#[derive(Debug)]
pub struct Channel {
    faults: Faults,
    dice: Dice,
    noise: Noise,
    /// Of noises before this one.
    earlier: NoiseCounts,
    loss_gap: u64,
    free_us: u64,
    idle: bool,
    cut: bool,
    on_the_way: VecDeque<(u64, Vec<u8>)>,
    bytes: u64,
    lost: u64,
}

impl Channel {
    /// A line with these faults; the same `seed` gives the same ones.
    pub fn new(faults: Faults, seed: u64) -> Channel {
        let mut dice = Dice::new(seed);
        let noise = Noise::new(faults.noise, dice.number());
        let loss_gap = dice.gap(faults.loss);
        Channel {
            faults,
            dice,
            noise,
            earlier: NoiseCounts::default(),
            loss_gap,
            free_us: 0,
            idle: true,
            cut: false,
            on_the_way: VecDeque::new(),
            bytes: 0,
            lost: 0,
        }
    }

    /// Other faults from now on; counts go on.
    pub fn set(&mut self, faults: Faults) {
        let counts = self.noise.counts();
        self.earlier.flips += counts.flips;
        self.earlier.faults += counts.faults;
        self.faults = faults;
        self.noise = Noise::new(faults.noise, self.dice.number());
        self.loss_gap = self.dice.gap(faults.loss);
    }

    /// Cut, what is taken is lost, and what is on its way, too.
    pub fn cut(&mut self, cut: bool) {
        self.cut = cut;
        if cut {
            self.lost += self.on_the_way.drain(..).map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        }
    }

    /// What went through so far.
    pub fn counts(&self) -> ChannelCounts {
        let noise = self.noise.counts();
        let (flips, faults) = (self.earlier.flips + noise.flips, self.earlier.faults + noise.faults);
        ChannelCounts { bytes: self.bytes, flips, faults, lost: self.lost }
    }

    /// Whether it takes bytes at `now_us`: a slow line is busy for a while after each piece, one without a pace while much
    /// is on its way.
    pub fn is_free(&self, now_us: u64) -> bool {
        let waits =
            self.faults.baud == 0 && self.on_the_way.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() >= MOST;
        now_us >= self.free_us && !waits
    }

    /// What the far end did not take of a piece. A line with a pace loses it, as a UART without flow control does.
    pub fn refused(&mut self, bytes: &[u8]) {
        if self.faults.baud == 0 {
            self.on_the_way.push_front((0, bytes.to_vec()));
        } else {
            self.lost += bytes.len() as u64;
        }
    }

    /// Nothing was there to be taken: what comes next begins when it comes.
    pub fn rest(&mut self) {
        self.idle = true;
    }

    /// Takes `bytes`, at most [`PIECE`] for a pace that is even.
    pub fn take(&mut self, now_us: u64, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        // A line that was idle starts now; a busy one has gone on without a gap, however late the caller is.
        let begins = if self.idle { now_us } else { self.free_us };
        self.idle = false;
        self.free_us = begins + self.took_us(bytes.len());
        if self.cut {
            self.lost += bytes.len() as u64;
            return;
        }
        let mut bytes = self.lose(bytes);
        self.noise.damage(&mut bytes);
        let after = self.on_the_way.back().map_or(0, |(due, _)| *due);
        let due = self.free_us + self.faults.delay_us + self.dice.below(self.faults.jitter_us + 1);
        let due = due.max(after);
        while !bytes.is_empty() {
            let most = self.faults.split;
            let len = if most == 0 { bytes.len() } else { 1 + self.dice.below(most as u64) as usize };
            let rest = bytes.split_off(len.min(bytes.len()));
            self.on_the_way.push_back((due, std::mem::replace(&mut bytes, rest)));
        }
    }

    /// The next piece that has arrived by `now_us`.
    pub fn give(&mut self, now_us: u64) -> Option<Vec<u8>> {
        self.on_the_way.front().filter(|(due, _)| *due <= now_us)?;
        self.on_the_way.pop_front().map(|(_, bytes)| bytes)
    }

    fn took_us(&self, bytes: usize) -> u64 {
        if self.faults.baud == 0 { 0 } else { (bytes as f64 * BITS * 1e6 / f64::from(self.faults.baud)).ceil() as u64 }
    }

    fn lose(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if self.loss_gap == 0 {
                self.loss_gap = self.dice.gap(self.faults.loss);
                self.lost += 1;
            } else {
                self.loss_gap -= 1;
                kept.push(*byte);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(channel: &mut Channel, now_us: u64) -> Vec<u8> {
        std::iter::from_fn(|| channel.give(now_us)).flatten().collect()
    }

    #[test]
    fn bytes_take_their_time() {
        let mut line = Channel::new(Faults { baud: 9600, delay_us: 300, ..Faults::default() }, 1);
        line.take(1_000, &[7; 96]);
        assert!(!line.is_free(100_999) && line.is_free(101_000));
        assert_eq!(drain(&mut line, 101_299), [0u8; 0]);
        assert_eq!(drain(&mut line, 101_300), [7; 96]);
        // The caller is late, the line is not.
        line.take(150_000, &[8; 96]);
        assert_eq!(drain(&mut line, 201_300), [8; 96]);
        line.rest();
        line.take(500_000, &[9; 96]);
        assert_eq!(drain(&mut line, 600_299), [0u8; 0]);
        assert_eq!(drain(&mut line, 600_300), [9; 96]);
    }

    #[test]
    fn splits_and_jitter_keep_the_order() {
        let faults = Faults { baud: 1_000_000, jitter_us: 5_000, split: 5, ..Faults::default() };
        let mut line = Channel::new(faults, 2);
        let sent: Vec<u8> = (0..200u8).collect();
        sent.chunks(40).enumerate().for_each(|(i, piece)| line.take(400 * i as u64, piece));
        let mut pieces = Vec::new();
        for now in 0..20_000 {
            pieces.extend(std::iter::from_fn(|| line.give(now)));
        }
        assert!(pieces.iter().all(|p| (1..=5).contains(&p.len())) && pieces.len() > 50);
        assert_eq!(pieces.concat(), sent);
    }

    #[test]
    fn what_is_lost_is_counted() {
        let mut line = Channel::new(Faults { loss: 0.1, ..Faults::default() }, 3);
        line.take(0, &[1; 10_000]);
        let kept = drain(&mut line, 0).len() as u64;
        assert_eq!(kept + line.counts().lost, 10_000);
        assert!((800..1200).contains(&line.counts().lost), "{:?}", line.counts());
        line.cut(true);
        let before = line.counts().lost;
        line.take(0, &[1; 50]);
        assert_eq!((line.counts().lost - before, drain(&mut line, 0).len()), (50, 0));
        line.cut(false);
        line.set(Faults { noise: NoiseKind::Bits { rate: 1.0 }, ..Faults::default() });
        line.take(0, &[0; 3]);
        assert_eq!(drain(&mut line, 0), [0xFF; 3]);
        assert_eq!((line.counts().flips, line.counts().bytes), (24, 10_053));
        line.set(Faults::default());
        assert_eq!(line.counts().flips, 24);
    }
}
