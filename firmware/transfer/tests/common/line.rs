//! One direction of a serial line: so many bytes a second, a delay, and flipped bits.

use super::dice::Dice;
use std::collections::VecDeque;

/// What an operating system takes before a writer has to wait, bytes.
const SYSTEM_BUFFER: u64 = 4096;

pub struct Line {
    /// Nanoseconds a byte takes, start and stop bit included.
    byte_ns: u64,
    delay_ns: u64,
    error_rate: f64,
    /// Bits until the next one is flipped.
    until_flip: u64,
    dice: Dice,
    /// When everything written so far has left, ns.
    free_ns: u64,
    /// When the last byte of each piece arrives, ns.
    on_the_way: VecDeque<(u64, Vec<u8>)>,
    pub flipped: u64,
    pub carried: u64,
}

impl Line {
    pub fn new(baud: u64, delay_us: u64, error_rate: f64, seed: u64) -> Line {
        let mut dice = Dice(seed);
        let until_flip = dice.gap(error_rate);
        Line {
            byte_ns: 10_000_000_000 / baud,
            delay_ns: delay_us * 1000,
            error_rate,
            until_flip,
            dice,
            free_ns: 0,
            on_the_way: VecDeque::new(),
            flipped: 0,
            carried: 0,
        }
    }

    /// Microseconds until a writer may write again.
    pub fn busy(&self, now: u64) -> u64 {
        self.free_ns.saturating_sub(now * 1000).saturating_sub(SYSTEM_BUFFER * self.byte_ns).div_ceil(1000)
    }

    pub fn write(&mut self, now: u64, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let bits = bytes.len() as u64 * 8;
        let mut at = self.until_flip;
        while at < bits {
            bytes[at as usize / 8] ^= 1 << (at % 8);
            self.flipped += 1;
            at = at.saturating_add(1).saturating_add(self.dice.gap(self.error_rate));
        }
        self.until_flip = at - bits;
        self.carried += bytes.len() as u64;
        self.free_ns = self.free_ns.max(now * 1000) + bytes.len() as u64 * self.byte_ns;
        self.on_the_way.push_back((self.free_ns + self.delay_ns, bytes));
    }

    /// What has arrived by `now`.
    pub fn read(&mut self, now: u64) -> Vec<u8> {
        let mut arrived = Vec::new();
        while let Some((at, _)) = self.on_the_way.front()
            && *at <= now * 1000
        {
            arrived.extend(self.on_the_way.pop_front().expect("there is one").1);
        }
        arrived
    }

    /// When the next piece arrives.
    pub fn arrival(&self) -> Option<u64> {
        self.on_the_way.front().map(|(at, _)| at.div_ceil(1000))
    }

    /// Loses what is on the way, but for the first half of the piece that arrives next: a cut comes within a frame.
    pub fn cut(&mut self, now: u64) {
        self.free_ns = now * 1000;
        let first = self.on_the_way.pop_front();
        self.on_the_way.clear();
        if let Some((_, mut bytes)) = first {
            bytes.truncate(bytes.len() / 2);
            self.on_the_way.push_back((now * 1000, bytes));
        }
    }

    /// Puts noise on the line.
    pub fn noise(&mut self, now: u64, len: u64) {
        let noise: Vec<u8> = (0..len).map(|_| self.dice.next() as u8).collect();
        self.write(now, &noise);
    }
}
