//! Attention, a strip of a few queries at a time: the matrix of all scores is never there.

use crate::finish::Output;
use crate::math::exp;
use crate::pack::{VECTORS, vectors};
use crate::simd::{Isa, Simd, Work};
use crate::threads::share;
use crate::tile::{multiply, put};
use std::ops::Range;

/// `softmax(q k^T) v` in each head. A factor on the scores is in `q` already.
#[derive(Clone, Copy)]
pub(crate) struct Attention<'a> {
    /// `[queries, heads * width]`.
    pub(crate) q: &'a [f32],
    /// `[keys, heads * width]`.
    pub(crate) k: &'a [f32],
    /// `[keys, heads * width]`.
    pub(crate) v: &'a [f32],
    pub(crate) heads: usize,
    /// A multiple of the vector's length.
    pub(crate) width: usize,
    /// As `q`.
    pub(crate) output: Output,
}

impl Attention<'_> {
    fn step(&self) -> usize {
        self.heads * self.width
    }

    fn keys(&self) -> usize {
        self.k.len() / self.step()
    }
}

/// Computes all heads.
pub(crate) fn run(isa: Isa, job: Attention) {
    let (step, keys) = (job.step(), job.keys());
    assert!(job.width.is_multiple_of(isa.lanes()) && job.v.len() == job.k.len() && job.q.len().is_multiple_of(step));
    let padded = keys.next_multiple_of(isa.lanes());
    let mut turned = vec![0.0; job.heads * job.width * padded];
    let queries = job.q.len() / step;
    let cost = 2 * job.q.len() * keys;
    let whole = Turned(turned.as_mut_ptr());
    let wide = vectors(isa.lanes()) * isa.lanes();
    let panels = padded.div_ceil(wide);
    share(job.heads * panels, 1, cost, |parts| {
        for (head, start) in parts.map(|part| (part / panels, part % panels * wide)) {
            let size = wide.min(padded - start) * job.width;
            // SAFETY: each panel of each head has its own part of `turned`.
            let panel = unsafe { std::slice::from_raw_parts_mut(whole.at((head * padded + start) * job.width), size) };
            turn(&job, head, start, panel);
        }
    });
    share(queries, 8, cost, |rows| isa.run(Strips { job, rows, turned: &turned }));
}

/// Memory that threads write parts of.
struct Turned(*mut f32);

// SAFETY: each thread writes panels of its own.
unsafe impl Sync for Turned {}

impl Turned {
    fn at(&self, at: usize) -> *mut f32 {
        self.0.wrapping_add(at)
    }
}

/// A panel of the keys of one head, from key `start` on: for each column of the head, the values of some vectors of keys; zeros behind
/// the last key.
fn turn(job: &Attention, head: usize, start: usize, panel: &mut [f32]) {
    let (step, wide) = (job.step(), panel.len() / job.width);
    for key in start..job.keys().min(start + wide) {
        let row = &job.k[key * step + head * job.width..][..job.width];
        for (c, x) in row.iter().enumerate() {
            panel[c * wide + key - start] = *x;
        }
    }
}

struct Strips<'a> {
    job: Attention<'a>,
    rows: Range<usize>,
    turned: &'a [f32],
}

impl Work for Strips<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, s: S) {
        let (keys, width) = (self.job.keys(), self.job.width);
        let padded = keys.next_multiple_of(S::LANES);
        // Scores of one strip, then room for what a row of it sums up to.
        let mut scores = vec![0.0f32; R * padded + 64];
        let aligned = scores.as_ptr().align_offset(64).min(16);
        for head in 0..self.job.heads {
            let turned = &self.turned[head * width * padded..][..width * padded];
            for first in self.rows.clone().step_by(R) {
                let q = self.rows_of::<R>(self.job.q, first, head);
                // SAFETY: the strip has R rows of whole vectors.
                unsafe {
                    let scores = scores.as_mut_ptr().add(aligned);
                    self.score::<S, R>(s, &q, turned, scores);
                    let inverse = self.softmax::<S, R>(s, scores);
                    self.mix::<S, R>(s, scores, &inverse, (first, head));
                }
            }
        }
    }
}

impl Strips<'_> {
    #[inline(always)]
    fn rows_of<const R: usize>(&self, x: &[f32], first: usize, head: usize) -> [*const f32; R] {
        let mut rows = [x.as_ptr(); R];
        for (r, p) in rows.iter_mut().enumerate() {
            let row = (first + r).min(self.rows.end - 1);
            *p = x[row * self.job.step() + head * self.job.width..].as_ptr();
        }
        rows
    }

    /// # Safety
    /// `scores` has `R` rows of whole vectors of keys.
    #[inline(always)]
    unsafe fn score<S: Simd, const R: usize>(&self, s: S, q: &[*const f32; R], turned: &[f32], scores: *mut f32) {
        let width = self.job.width;
        let padded = turned.len() / width;
        let mut key = 0;
        while key < padded {
            // SAFETY: the caller's promise; a query has `width` floats, a panel `width` rows.
            unsafe {
                let (panel, to) = (turned.as_ptr().add(key * width), scores.add(key));
                match ((padded - key) / S::LANES).min(vectors(S::LANES)) {
                    1 => tile::<S, R, 1>(s, q, panel, (width, S::LANES), to, padded),
                    2 => tile::<S, R, 2>(s, q, panel, (width, 2 * S::LANES), to, padded),
                    _ => tile::<S, R, VECTORS>(s, q, panel, (width, VECTORS * S::LANES), to, padded),
                }
            }
            key += vectors(S::LANES) * S::LANES;
        }
    }

    /// Exponentials of what each score is below its row's largest; what each row's sum must be divided by, inverted.
    ///
    /// # Safety
    /// As `score`.
    #[inline(always)]
    unsafe fn softmax<S: Simd, const R: usize>(&self, s: S, scores: *mut f32) -> [f32; R] {
        let keys = self.job.keys();
        let padded = keys.next_multiple_of(S::LANES);
        let mut inverse = [0.0; R];
        for (r, inverse) in inverse.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let row = scores.add(r * padded);
                for key in keys..padded {
                    *row.add(key) = f32::NEG_INFINITY;
                }
                let mut top = s.load(row);
                for key in (S::LANES..padded).step_by(S::LANES) {
                    top = s.max(top, s.load(row.add(key)));
                }
                let top = s.splat(s.largest(top));
                let mut sum = s.splat(0.0);
                for key in (0..padded).step_by(S::LANES) {
                    let e = exp(s, s.sub(s.load(row.add(key)), top));
                    s.store(row.add(key), e);
                    sum = s.add(sum, e);
                }
                *inverse = 1.0 / s.sum(sum);
            }
        }
        inverse
    }

    /// The values, weighted, to the output.
    ///
    /// # Safety
    /// As `score`.
    #[inline(always)]
    unsafe fn mix<S: Simd, const R: usize>(
        &self,
        s: S,
        scores: *const f32,
        inverse: &[f32; R],
        (first, head): (usize, usize),
    ) {
        let padded = self.job.keys().next_multiple_of(S::LANES);
        let mut weights = [scores; R];
        for (r, p) in weights.iter_mut().enumerate() {
            *p = scores.wrapping_add(r * padded);
        }
        let all = self.job.width / S::LANES;
        let mut v = 0;
        while v < all {
            // Four vectors are two and two: three and one would leave most registers empty for one of them.
            let take = if all - v == 4 { 2 } else { vectors(S::LANES).min(all - v) };
            let at = head * self.job.width + v * S::LANES;
            // SAFETY: the caller's promise.
            unsafe {
                match take {
                    1 => self.mixed::<S, R, 1>(s, &weights, inverse, first, at),
                    2 => self.mixed::<S, R, 2>(s, &weights, inverse, first, at),
                    _ => self.mixed::<S, R, VECTORS>(s, &weights, inverse, first, at),
                }
            }
            v += take;
        }
    }

    /// # Safety
    /// As `score`; `at` is a column, and so are those of `V` vectors.
    #[inline(always)]
    unsafe fn mixed<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        weights: &[*const f32; R],
        inverse: &[f32; R],
        first: usize,
        at: usize,
    ) {
        let (job, step) = (&self.job, self.job.step());
        let mut sums = [[s.splat(0.0); V]; R];
        // SAFETY: there are as many values as keys, each a row of `step`; rows of the output are this thread's alone.
        unsafe {
            multiply(s, &mut sums, weights, job.v.as_ptr().add(at), (job.keys(), step));
            for r in 0..R {
                if first + r >= self.rows.end {
                    break;
                }
                for v in 0..V {
                    let x = s.mul(sums[r][v], s.splat(inverse[r]));
                    job.output.at((first + r) * step + at + v * S::LANES).put(s, x);
                }
            }
        }
    }
}

/// One tile of products, straight to memory.
///
/// # Safety
/// As [`multiply`] and [`put`].
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(
    s: S,
    rows: &[*const f32; R],
    columns: *const f32,
    (k, step): (usize, usize),
    to: *mut f32,
    to_step: usize,
) {
    let mut sums = [[s.splat(0.0); V]; R];
    // SAFETY: the caller's promise.
    unsafe {
        multiply(s, &mut sums, rows, columns, (k, step));
        put(s, &sums, to, to_step);
    }
}
