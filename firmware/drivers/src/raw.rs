//! From a sensor's samples to linear red, green and blue at half the size or a quarter: each square of four pixels is
//! one pixel.

use crate::pixel::{Bayer, Samples};

/// Bits that linear light has here, whatever the sensor's are.
pub(crate) const BITS: u32 = 12;
/// The most that linear light can be.
pub(crate) const WHITE: u16 = (1 << BITS) - 1;

/// Reads rows and sums squares; keeps its buffers from picture to picture.
#[derive(Default)]
pub(crate) struct Squares {
    /// A row with red in it and one with blue.
    rows: [Vec<u16>; 2],
    sums: [Vec<u16>; 3],
    /// Bits by which two-byte samples were found to be shifted up, and their bits that were ever set.
    shift: u32,
    seen: u16,
}

impl Squares {
    /// The most a picture is shrunk by beyond half, as a power of two: sums of eight greens fit 16 bits.
    pub const MOST: u32 = 1;

    /// Gives each row of the small picture to `row`, with its number: red, green and blue from 0 to [`WHITE`].
    pub fn read(
        &mut self,
        (bytes, stride): (&[u8], usize),
        (width, height): (usize, usize),
        (bayer, samples): (Bayer, Samples),
        log2: u32,
        mut row: impl FnMut(usize, &[Vec<u16>; 3]),
    ) {
        let log2 = log2.min(Self::MOST);
        let (red_row, red_column) = bayer.red();
        let small = (width / 2) >> log2;
        self.sums.iter_mut().for_each(|s| s.resize(small, 0));
        for y in 0..(height / 2) >> log2 {
            self.sums.iter_mut().for_each(|s| s.fill(0));
            for square in y << log2..(y + 1) << log2 {
                for odd in 0..2 {
                    let from = (2 * square + odd) * stride;
                    let bytes = &bytes[from..bytes.len().min(from + stride)];
                    let is_blue = usize::from(odd != red_row);
                    unpack(bytes, samples, width, self.shift, &mut self.rows[is_blue], &mut self.seen);
                }
                match (red_column, log2) {
                    (0, 0) => add::<0, 2>(&self.rows, &mut self.sums),
                    (0, _) => add::<0, 4>(&self.rows, &mut self.sums),
                    (_, 0) => add::<1, 2>(&self.rows, &mut self.sums),
                    (_, _) => add::<1, 4>(&self.rows, &mut self.sums),
                }
            }
            scale(&mut self.sums, samples.bits(), log2);
            row(y, &self.sums);
        }
    }

    /// True when the last picture had samples above what its bits allow, which are read shifted down from now on.
    ///
    /// V4L2 says that a sample's unused high bits are 0; Jetson Xavier's capture unit stores 10 bits at the top of
    /// two bytes instead. A sensor's black is not 0, so that even a dark picture tells.
    pub fn was_shifted(&mut self, samples: Samples) -> bool {
        let used = u16::BITS - self.seen.leading_zeros();
        let shift = match samples {
            Samples::Bits10 | Samples::Bits12 => used.saturating_sub(samples.bits()),
            _ => 0,
        };
        let grew = shift > self.shift;
        self.shift = self.shift.max(shift);
        grew
    }
}

/// One row of samples, as many as `width`.
fn unpack(bytes: &[u8], samples: Samples, width: usize, shift: u32, out: &mut Vec<u16>, seen: &mut u16) {
    out.clear();
    match samples {
        Samples::Bits8 => out.extend(bytes[..width].iter().map(|&b| u16::from(b))),
        Samples::Bits10 | Samples::Bits12 => {
            let (pairs, _) = bytes[..width * 2].as_chunks::<2>();
            let most = (1 << samples.bits()) - 1;
            out.extend(pairs.iter().map(|&p| (u16::from_le_bytes(p) >> shift).min(most)));
            *seen |= pairs.iter().fold(0, |all, &p| all | u16::from_le_bytes(p));
        }
        Samples::Packed10 => {
            let (groups, _) = bytes.as_chunks::<5>();
            out.resize(groups.len() * 4, 0);
            let (fours, _) = out.as_chunks_mut::<4>();
            for (four, &[a, b, c, d, low]) in fours.iter_mut().zip(groups) {
                let low = u16::from(low);
                let high = [a, b, c, d].map(|h| u16::from(h) << 2);
                *four = [high[0] | low & 3, high[1] | low >> 2 & 3, high[2] | low >> 4 & 3, high[3] | low >> 6];
            }
            out.truncate(width);
        }
        Samples::Packed12 => {
            let (groups, _) = bytes.as_chunks::<3>();
            out.resize(groups.len() * 2, 0);
            let (pairs, _) = out.as_chunks_mut::<2>();
            for (pair, &[a, b, low]) in pairs.iter_mut().zip(groups) {
                *pair = [u16::from(a) << 4 | u16::from(low & 15), u16::from(b) << 4 | u16::from(low >> 4)];
            }
            out.truncate(width);
        }
    }
}

/// Adds groups of `N` columns; red is in column `RED` of each square of the first row.
fn add<const RED: usize, const N: usize>([reds, blues]: &[Vec<u16>; 2], sums: &mut [Vec<u16>; 3]) {
    let [r, g, b] = sums;
    let groups = reds.chunks_exact(N).zip(blues.chunks_exact(N));
    for (((r, g), b), (reds, blues)) in r.iter_mut().zip(g).zip(b).zip(groups) {
        for i in (0..N).step_by(2) {
            *r += reds[i + RED];
            *g += reds[i + 1 - RED] + blues[i + RED];
            *b += blues[i + 1 - RED];
        }
    }
}

/// Sums to means of [`BITS`] bits.
fn scale(sums: &mut [Vec<u16>; 3], bits: u32, log2: u32) {
    for (sums, greens) in sums.iter_mut().zip([0, 1, 0]) {
        let (up, down) = (BITS - bits, 2 * log2 + greens);
        match up.checked_sub(down) {
            Some(up) => sums.iter_mut().for_each(|s| *s = (*s << up).min(WHITE)),
            None => sums.iter_mut().for_each(|s| *s = (*s >> (down - up)).min(WHITE)),
        }
    }
}
