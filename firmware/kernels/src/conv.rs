//! Convolutions of 3 x 3 with padding 1, channels last, all frames at once: sums over nine neighbours, without copying them.

use crate::finish::{Finish, Output, Steps};
use crate::pack::{Floats, Panel, VECTORS, panels};
use crate::simd::{Simd, Work};
use crate::threads::share;
use crate::tile::{Tile, multiply, put};
use std::ops::Range;

/// Taps of the kernel.
const TAPS: usize = 9;
/// Pixels whose neighbours are looked up at once.
const BLOCK: usize = 256;

/// Maps, the weight, and what happens then.
#[derive(Clone, Copy)]
pub(crate) struct Conv<'a> {
    /// `[frames, height, width, channels]`.
    pub(crate) x: &'a [f32],
    /// Height, width, channels of the input.
    pub(crate) shape: [usize; 3],
    /// 1 or 2.
    pub(crate) stride: usize,
    /// `[3 * 3 * channels, outputs]`.
    pub(crate) weight: &'a Floats,
    pub(crate) steps: Steps,
    /// As the output, or empty.
    pub(crate) added: &'a [f32],
    /// `[frames, height / stride, width / stride, outputs]`, rounded up.
    pub(crate) output: Output,
}

impl Conv<'_> {
    /// Height and width of the output.
    pub(crate) fn sides(height: usize, width: usize, stride: usize) -> (usize, usize) {
        (height.div_ceil(stride), width.div_ceil(stride))
    }
}

/// Convolves and finishes.
pub(crate) fn run(job: Conv) {
    let [height, width, channels] = job.shape;
    let (h, w) = Conv::sides(height, width, job.stride);
    let pixels = job.x.len() / (height * width * channels) * h * w;
    assert_eq!(job.weight.rows, TAPS * channels);
    assert!(!job.steps.add || job.added.len() == pixels * job.weight.columns);
    let border = vec![0.0; channels];
    let cost = pixels * job.weight.rows * job.weight.columns;
    share(pixels, 8, cost, |pixels| job.weight.isa.run(Pixels { job, pixels, border: &border }));
}

struct Pixels<'a> {
    job: Conv<'a>,
    pixels: Range<usize>,
    /// A pixel beyond the border.
    border: &'a [f32],
}

impl Work for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, s: S) {
        let mut tile = Tile::new();
        let mut neighbours = vec![[self.border.as_ptr(); R]; TAPS * BLOCK.div_ceil(R)];
        let mut first = self.pixels.start;
        while first < self.pixels.end {
            let block = first..self.pixels.end.min(first + BLOCK);
            self.look_up(&block, &mut neighbours);
            for panel in panels(self.job.weight.columns, S::LANES) {
                match panel.vectors {
                    VECTORS => self.panel::<S, R, VECTORS>(s, panel, &block, &neighbours, &mut tile),
                    2 => self.panel::<S, R, 2>(s, panel, &block, &neighbours, &mut tile),
                    _ => self.panel::<S, R, 1>(s, panel, &block, &neighbours, &mut tile),
                }
            }
            first += BLOCK;
        }
    }
}

impl Pixels<'_> {
    /// Where each tile's neighbours are, tap after tap.
    #[inline(always)]
    fn look_up<const R: usize>(&self, block: &Range<usize>, neighbours: &mut [[*const f32; R]]) {
        let ([height, width, channels], stride) = (self.job.shape, self.job.stride);
        let (h, w) = Conv::sides(height, width, stride);
        for i in 0..block.len().next_multiple_of(R) {
            let pixel = (block.start + i).min(block.end - 1);
            let (frame, y, x) = (pixel / (h * w), pixel / w % h, pixel % w);
            for tap in 0..TAPS {
                // One more than the place, as the padding is one pixel.
                let (y, x) = (y * stride + tap / 3, x * stride + tap % 3);
                let inside = (1..=height).contains(&y) && (1..=width).contains(&x);
                let at = || ((frame * height + y - 1) * width + x - 1) * channels;
                let there = if inside { self.job.x[at()..].as_ptr() } else { self.border.as_ptr() };
                neighbours[i / R * TAPS + tap][i % R] = there;
            }
        }
    }

    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        panel: Panel,
        block: &Range<usize>,
        neighbours: &[[*const f32; R]],
        tile: &mut Tile,
    ) {
        let (job, weight, channels) = (&self.job, self.job.weight, self.job.shape[2]);
        let width = (V * S::LANES).min(weight.columns - panel.column);
        for (i, taps) in neighbours.chunks_exact(TAPS).take(block.len().div_ceil(R)).enumerate() {
            let first = block.start + i * R;
            let mut sums = [[s.splat(0.0); V]; R];
            // SAFETY: each neighbour is a pixel of `channels` floats; the panel has `TAPS * channels` rows of `V` vectors; the tile
            // holds R * V vectors; `run` has checked `added`; the output has these pixels, and this thread alone writes them.
            unsafe {
                for (tap, rows) in taps.iter().enumerate() {
                    let columns = weight.panel(panel).add(tap * channels * V * S::LANES);
                    multiply(s, &mut sums, rows, columns, (channels, V * S::LANES));
                }
                put(s, &sums, tile.0.as_mut_ptr(), V * S::LANES);
                let finish = Finish::new(job.steps, job.added, job.output);
                for r in 0..R.min(block.end - first) {
                    let at = (first + r) * weight.columns + panel.column;
                    let sums = tile.0.as_mut_ptr().add(r * V * S::LANES);
                    finish.row(s, sums, weight.bias(panel), (at, width));
                }
            }
        }
    }
}
