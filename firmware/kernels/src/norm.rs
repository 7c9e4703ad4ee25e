//! Layer normalisation of rows, and rows to bytes.

use crate::finish::Output;
use crate::simd::{Isa, Simd, Work};
use crate::threads::share;
use std::ops::Range;

/// What a float costs, in multiply-adds.
const COST: usize = 8;

/// Rows and how they are normalised.
#[derive(Clone, Copy)]
pub(crate) struct Norm<'a> {
    /// `[rows, width]`.
    pub(crate) x: &'a [f32],
    /// `[width]`.
    pub(crate) scale: &'a [f32],
    /// `[width]`.
    pub(crate) shift: &'a [f32],
    /// Added to the variance.
    pub(crate) epsilon: f32,
    /// As `x`.
    pub(crate) output: Output,
}

/// Normalises each row over its columns.
pub(crate) fn run(isa: Isa, job: Norm) {
    let width = job.scale.len();
    assert!(job.shift.len() == width && width.is_multiple_of(isa.lanes()) && job.x.len().is_multiple_of(width));
    share(job.x.len() / width, 8, job.x.len() * COST, |rows| isa.run(Rows { job, rows }));
}

struct Rows<'a> {
    job: Norm<'a>,
    rows: Range<usize>,
}

impl Work for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, s: S) {
        let (job, width) = (self.job, self.job.scale.len());
        for row in self.rows {
            // SAFETY: `run` has checked that rows are whole vectors and as long as scale and shift; the output has these rows, and
            // this thread alone writes them.
            unsafe {
                let x = job.x.as_ptr().add(row * width);
                let mut sum = s.splat(0.0);
                for j in (0..width).step_by(S::LANES) {
                    sum = s.add(sum, s.load(x.add(j)));
                }
                let mean = s.splat(s.sum(sum) / width as f32);
                let mut squares = s.splat(0.0);
                for j in (0..width).step_by(S::LANES) {
                    let d = s.sub(s.load(x.add(j)), mean);
                    squares = s.fma(d, d, squares);
                }
                let inverse = s.splat(1.0 / (s.sum(squares) / width as f32 + job.epsilon).sqrt());
                for j in (0..width).step_by(S::LANES) {
                    let d = s.mul(s.sub(s.load(x.add(j)), mean), inverse);
                    let y = s.add(s.mul(d, s.load(job.scale.as_ptr().add(j))), s.load(job.shift.as_ptr().add(j)));
                    job.output.at(row * width + j).put(s, y);
                }
            }
        }
    }
}

/// Writes `x` to `output`, which has as many numbers: floats to bytes.
pub(crate) fn convert(isa: Isa, x: &[f32], output: Output) {
    share(x.len(), 1024, x.len(), |part| isa.run(Convert { x, part, output }));
}

struct Convert<'a> {
    x: &'a [f32],
    part: Range<usize>,
    output: Output,
}

impl Work for Convert<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, s: S) {
        let mut i = self.part.start;
        // SAFETY: the output has as many numbers as `x`, and this thread alone writes this part.
        unsafe {
            while i + S::LANES <= self.part.end {
                self.output.at(i).put(s, s.load(self.x.as_ptr().add(i)));
                i += S::LANES;
            }
        }
        for i in i..self.part.end {
            // SAFETY: as above.
            unsafe { self.output.at(i).put_one(self.x[i]) };
        }
    }
}
