//! Convolutions of 3 x 3 with padding 1, channels last, all frames at once: sums over nine neighbours, without copying them.

use crate::finish::{Finish, Output, Steps};
use crate::pack::{Bytes, Floats, Panel, VECTORS, panels};
use crate::simd::{Simd, Work};
use crate::threads::share;
use crate::tile::{Tile, multiply, multiply_bytes, put, put_scaled, starts};
use std::ops::Range;

/// Taps of the kernel.
const TAPS: usize = 9;
/// Pixels whose neighbours are looked up at once.
const BLOCK: usize = 256;

/// Maps, the weight, and what happens then; `X` is what the maps are made of, `W` the packed weight.
pub(crate) struct Conv<'a, X, W> {
    /// `[frames, height, width, channels]`.
    pub(crate) x: &'a [X],
    /// Height, width, channels of the input.
    pub(crate) shape: [usize; 3],
    /// 1 or 2.
    pub(crate) stride: usize,
    /// `[3 * 3 * channels, outputs]`.
    pub(crate) weight: &'a W,
    pub(crate) steps: Steps,
    /// As the output, or empty.
    pub(crate) added: &'a [f32],
    /// `[frames, height / stride, width / stride, outputs]`, rounded up.
    pub(crate) output: Output,
}

// Not derived: the weight itself need not be copied.
impl<X, W> Clone for Conv<'_, X, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X, W> Copy for Conv<'_, X, W> {}

/// Height and width of the output.
pub(crate) fn sides(height: usize, width: usize, stride: usize) -> (usize, usize) {
    (height.div_ceil(stride), width.div_ceil(stride))
}

impl<X, W> Conv<'_, X, W> {
    /// Pixels of the output, for a weight of these sides.
    fn pixels(&self, rows: usize, columns: usize) -> usize {
        let [height, width, channels] = self.shape;
        let (h, w) = sides(height, width, self.stride);
        let pixels = self.x.len() / (height * width * channels) * h * w;
        assert_eq!(rows, TAPS * channels);
        assert!(!self.steps.add || self.added.len() == pixels * columns);
        pixels
    }
}

/// Convolves and finishes.
pub(crate) fn run_floats(job: Conv<f32, Floats>) {
    let weight = job.weight;
    let pixels = job.pixels(weight.rows, weight.columns);
    let border = vec![0.0; job.shape[2]];
    let cost = pixels * weight.rows * weight.columns;
    share(pixels, 8, cost, |pixels| weight.isa.run(Pixels { job, pixels, border: &border }));
}

/// The same with bytes, channels a multiple of four; scales come before the bias. `zero_point` is the byte that stands for 0.
pub(crate) fn run_bytes(job: Conv<u8, Bytes>, zero_point: u8) {
    let weight = job.weight;
    let pixels = job.pixels(weight.rows, weight.columns);
    assert!(job.shape[2].is_multiple_of(4));
    let border = vec![zero_point; job.shape[2]];
    let cost = pixels * weight.rows * weight.columns / 4;
    share(pixels, 8, cost, |pixels| weight.isa.run(Pixels { job, pixels, border: &border }));
}

/// Bytes of colours, each less its mean.
pub(crate) fn centred(bytes: &[u8], mean: &[f32], output: Output) {
    let colours = mean.len();
    share(bytes.len() / colours, 64, bytes.len(), |pixels| {
        let (first, bytes) = (pixels.start * colours, &bytes[pixels.start * colours..pixels.end * colours]);
        for (i, pixel) in bytes.chunks_exact(colours).enumerate() {
            for (c, (byte, mean)) in pixel.iter().zip(mean).enumerate() {
                // SAFETY: the output has as many numbers as there are bytes, and this thread alone writes these.
                unsafe { output.at(first + i * colours + c).put_one(f32::from(*byte) - mean) };
            }
        }
    });
}

struct Pixels<'a, X, W> {
    job: Conv<'a, X, W>,
    pixels: Range<usize>,
    /// A pixel beyond the border.
    border: &'a [X],
}

/// A tile of pixels times a panel of the weight, into memory.
trait Taps<X> {
    fn columns(&self) -> usize;

    fn bias(&self, panel: Panel) -> *const f32;

    /// # Safety
    /// Each neighbour is a pixel of `channels` numbers, a ninth of the weight's rows; the panel has `V` vectors; `to` has room for
    /// `R * V` of them.
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        panel: Panel,
        taps: &[[*const X; R]],
        channels: usize,
        to: *mut f32,
    );
}

impl Taps<f32> for Floats {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn bias(&self, panel: Panel) -> *const f32 {
        Floats::bias(self, panel)
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        panel: Panel,
        taps: &[[*const f32; R]],
        channels: usize,
        to: *mut f32,
    ) {
        let mut sums = [[s.splat(0.0); V]; R];
        // SAFETY: the caller's promise.
        unsafe {
            for (tap, rows) in taps.iter().enumerate() {
                let columns = self.panel(panel).add(tap * channels * V * S::LANES);
                multiply(s, &mut sums, rows, columns, (channels, V * S::LANES));
            }
            put(s, &sums, to, V * S::LANES);
        }
    }
}

impl Taps<u8> for Bytes {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn bias(&self, panel: Panel) -> *const f32 {
        Bytes::bias(self, panel)
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        panel: Panel,
        taps: &[[*const u8; R]],
        channels: usize,
        to: *mut f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = starts::<S, R, V>(s, self.start(panel));
            for (tap, rows) in taps.iter().enumerate() {
                let columns = self.panel(panel).add(tap * channels * V * S::LANES);
                multiply_bytes(s, &mut sums, rows, columns, channels / 4);
            }
            put_scaled(s, &sums, self.scale(panel), to);
        }
    }
}

impl<X, W: Taps<X>> Work for Pixels<'_, X, W> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, s: S) {
        let mut tile = Tile::new();
        let mut neighbours = vec![[self.border.as_ptr(); R]; TAPS * BLOCK.div_ceil(R)];
        let mut first = self.pixels.start;
        while first < self.pixels.end {
            let block = first..self.pixels.end.min(first + BLOCK);
            self.look_up(&block, &mut neighbours);
            for panel in panels(self.job.weight.columns(), S::LANES) {
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

impl<X, W: Taps<X>> Pixels<'_, X, W> {
    /// Where each tile's neighbours are, tap after tap.
    #[inline(always)]
    fn look_up<const R: usize>(&self, block: &Range<usize>, neighbours: &mut [[*const X; R]]) {
        let ([height, width, channels], stride) = (self.job.shape, self.job.stride);
        let (h, w) = sides(height, width, stride);
        let (mut frame, mut y, mut x) = (block.start / (h * w), block.start / w % h, block.start % w);
        for i in 0..block.len().next_multiple_of(R) {
            let taps = &mut neighbours[i / R * TAPS..][..TAPS];
            // The middle of the neighbours lies inside.
            let middle = ((frame * height + y * stride) * width + x * stride) * channels;
            for (row, taps) in taps.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let line = (1..=height).contains(&(y * stride + row));
                let start = middle.wrapping_add(row * width * channels).wrapping_sub((width + 1) * channels);
                for (column, tap) in taps.iter_mut().enumerate() {
                    let inside = line && (1..=width).contains(&(x * stride + column));
                    let at = start.wrapping_add(column * channels);
                    tap[i % R] = if inside { self.job.x[at..].as_ptr() } else { self.border.as_ptr() };
                }
            }
            // Pixels behind the last are the last again, and nobody reads their sums.
            if block.start + i + 1 < block.end {
                x += 1;
                if x == w {
                    (x, y) = (0, y + 1);
                    if y == h {
                        (y, frame) = (0, frame + 1);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        panel: Panel,
        block: &Range<usize>,
        neighbours: &[[*const X; R]],
        tile: &mut Tile,
    ) {
        let (job, columns) = (&self.job, self.job.weight.columns());
        let width = (V * S::LANES).min(columns - panel.column);
        for (i, taps) in neighbours.chunks_exact(TAPS).take(block.len().div_ceil(R)).enumerate() {
            let first = block.start + i * R;
            // SAFETY: each neighbour is a pixel of `channels` numbers; the panel has `TAPS * channels` rows of `V` vectors; the tile
            // holds R * V vectors; `pixels` has checked `added`; the output has these pixels, and this thread alone writes them.
            unsafe {
                job.weight.tile::<S, R, V>(s, panel, taps, job.shape[2], tile.0.as_mut_ptr());
                let finish = Finish::new(job.steps, job.added, job.output);
                for r in 0..R.min(block.end - first) {
                    let at = (first + r) * columns + panel.column;
                    let sums = tile.0.as_mut_ptr().add(r * V * S::LANES);
                    finish.row(s, sums, job.weight.bias(panel), (at, width));
                }
            }
        }
    }
}
