//! Linear layers: rows times a weight, in f32 and in int8.

use crate::finish::{Finish, Output, Steps};
use crate::pack::{Bytes, Floats, Panel, VECTORS, panels};
use crate::simd::{Isa, Simd, Work};
use crate::threads::share;
use crate::tile::{Tile, multiply, multiply_bytes, put, put_scaled, starts};
use std::ops::Range;

/// Rows, the weight, and what happens then.
pub(crate) struct Linear<'a, X, W> {
    /// `[rows, weight.rows]`.
    pub(crate) x: &'a [X],
    pub(crate) weight: &'a W,
    pub(crate) steps: Steps,
    /// `[rows, weight.columns]`, or empty.
    pub(crate) added: &'a [f32],
    /// `[rows, weight.columns]`.
    pub(crate) output: Output,
}

// Not derived: the weight itself need not be copied.
impl<X, W> Clone for Linear<'_, X, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X, W> Copy for Linear<'_, X, W> {}

/// `rows * weight`, finished.
pub(crate) fn run_floats(job: Linear<f32, Floats>) {
    let rows = job.x.len() / job.weight.rows;
    let cost = job.x.len() * job.weight.columns;
    assert!(!job.steps.add || job.added.len() == rows * job.weight.columns);
    parts(rows, &panels_of(job.weight.isa, job.weight.columns), cost, |part| {
        job.weight.isa.run(FloatRows { job, part })
    });
}

/// The same with bytes; scales come before the bias.
pub(crate) fn run_bytes(job: Linear<u8, Bytes>) {
    let rows = job.x.len() / job.weight.rows;
    let cost = job.x.len() * job.weight.columns / 4;
    assert!(!job.steps.add || job.added.len() == rows * job.weight.columns);
    parts(rows, &panels_of(job.weight.isa, job.weight.columns), cost, |part| {
        job.weight.isa.run(ByteRows { job, part })
    });
}

/// Panels from which on threads share them and not the rows: a thread then reads its part of the weight once, as one alone would.
const MANY_PANELS: usize = 8;

/// What one thread computes: these rows of these panels' columns.
struct Part<'a> {
    rows: Range<usize>,
    panels: &'a [Panel],
}

fn panels_of(isa: Isa, columns: usize) -> Vec<Panel> {
    panels(columns, isa.lanes()).collect()
}

/// Shares the work among threads, by columns where there are many, else by rows.
fn parts(rows: usize, panels: &[Panel], cost: usize, work: impl Fn(Part) + Sync) {
    if panels.len() < MANY_PANELS {
        return share(rows, 8, cost, |rows| work(Part { rows, panels }));
    }
    share(panels.len(), 1, cost, |some| work(Part { rows: 0..rows, panels: &panels[some] }));
}

/// Pointers to `R` rows from `first` on; rows behind the last are the last again, and nobody reads their sums.
#[inline(always)]
fn pointers<X, const R: usize>(x: &[X], width: usize, first: usize, rows: usize) -> [*const X; R] {
    let mut pointers = [x.as_ptr(); R];
    for (r, p) in pointers.iter_mut().enumerate() {
        *p = x.as_ptr().wrapping_add((first + r).min(rows - 1) * width);
    }
    pointers
}

struct FloatRows<'a> {
    job: Linear<'a, f32, Floats>,
    part: Part<'a>,
}

impl Work for FloatRows<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, s: S) {
        let mut tile = Tile::new();
        for &panel in self.part.panels {
            match panel.vectors {
                VECTORS => self.panel::<S, R, VECTORS>(s, panel, &mut tile),
                2 => self.panel::<S, R, 2>(s, panel, &mut tile),
                _ => self.panel::<S, R, 1>(s, panel, &mut tile),
            }
        }
    }
}

impl FloatRows<'_> {
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(&self, s: S, panel: Panel, tile: &mut Tile) {
        let (job, w) = (&self.job, self.job.weight);
        let width = (V * S::LANES).min(w.columns - panel.column);
        let mut first = self.part.rows.start;
        while first < self.part.rows.end {
            let rows = pointers::<f32, R>(job.x, w.rows, first, self.part.rows.end);
            let mut sums = [[s.splat(0.0); V]; R];
            // SAFETY: `x` has whole rows up to `rows.end`; the panel has `w.rows` rows of `V` vectors; the tile holds R * V vectors;
            // `run_floats` has checked `added`; the output has these rows and columns, and this thread alone writes them.
            unsafe {
                multiply(s, &mut sums, &rows, w.panel(panel), (w.rows, V * S::LANES));
                put(s, &sums, tile.0.as_mut_ptr(), V * S::LANES);
                let finish = Finish::new(job.steps, job.added, job.output);
                for r in 0..R.min(self.part.rows.end - first) {
                    let at = (first + r) * w.columns + panel.column;
                    let sums = tile.0.as_mut_ptr().add(r * V * S::LANES);
                    finish.row(s, sums, w.bias(panel), (at, width));
                }
            }
            first += R;
        }
    }
}

struct ByteRows<'a> {
    job: Linear<'a, u8, Bytes>,
    part: Part<'a>,
}

impl Work for ByteRows<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, s: S) {
        let mut tile = Tile::new();
        for &panel in self.part.panels {
            match panel.vectors {
                VECTORS => self.panel::<S, R, VECTORS>(s, panel, &mut tile),
                2 => self.panel::<S, R, 2>(s, panel, &mut tile),
                _ => self.panel::<S, R, 1>(s, panel, &mut tile),
            }
        }
    }
}

impl ByteRows<'_> {
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(&self, s: S, panel: Panel, tile: &mut Tile) {
        let (job, w) = (&self.job, self.job.weight);
        let width = (V * S::LANES).min(w.columns - panel.column);
        let mut first = self.part.rows.start;
        while first < self.part.rows.end {
            let rows = pointers::<u8, R>(job.x, w.rows, first, self.part.rows.end);
            // SAFETY: as in `FloatRows::panel`; a weight has a multiple of four rows.
            unsafe {
                let mut sums = starts::<S, R, V>(s, w.start(panel));
                multiply_bytes(s, &mut sums, &rows, w.panel(panel), w.rows / 4);
                put_scaled(s, &sums, w.scale(panel), tile.0.as_mut_ptr());
                let finish = Finish::new(job.steps, job.added, job.output);
                for r in 0..R.min(self.part.rows.end - first) {
                    let at = (first + r) * w.columns + panel.column;
                    let sums = tile.0.as_mut_ptr().add(r * V * S::LANES);
                    finish.row(s, sums, w.bias(panel), (at, width));
                }
            }
            first += R;
        }
    }
}
