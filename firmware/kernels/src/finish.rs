//! What happens to sums before they leave: bias, GELU, something added, ReLU, bytes.

use crate::math::{ERF, Erf, gelu};
use crate::simd::Simd;
use std::hint::black_box;

/// How floats become bytes: `round(x * inverse) + zero_point`, cut to 0..=255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ToBytes {
    pub(crate) inverse: f32,
    pub(crate) zero_point: u8,
}

/// Where results go, `[rows, columns]`.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    Floats(*mut f32),
    Bytes(*mut u8, ToBytes),
}

// SAFETY: whoever shares an output among threads gives each of them rows of its own.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// The output from element `at` on.
    #[inline(always)]
    pub(crate) fn at(self, at: usize) -> Output {
        match self {
            Output::Floats(p) => Output::Floats(p.wrapping_add(at)),
            Output::Bytes(p, how) => Output::Bytes(p.wrapping_add(at), how),
        }
    }

    /// Writes a vector.
    ///
    /// # Safety
    /// A vector can be written there.
    #[inline(always)]
    pub(crate) unsafe fn put<S: Simd>(self, s: S, x: S::F) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Output::Floats(p) => s.store(p, x),
                Output::Bytes(p, how) => {
                    s.store_bytes(p, s.mul(x, s.splat(how.inverse)), i32::from(how.zero_point));
                }
            }
        }
    }

    /// Writes one number.
    ///
    /// # Safety
    /// One can be written there.
    #[inline(always)]
    pub(crate) unsafe fn put_one(self, x: f32) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Output::Floats(p) => *p = x,
                Output::Bytes(p, how) => {
                    let n = (x * how.inverse).clamp(-1e6, 1e6).round_ties_even() as i32;
                    *p = (n + i32::from(how.zero_point)).clamp(0, 255) as u8;
                }
            }
        }
    }
}

/// What is done to sums, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Steps {
    pub(crate) gelu: bool,
    /// Adds another `[rows, columns]`.
    pub(crate) add: bool,
    pub(crate) relu: bool,
}

/// What one tile is finished with.
pub(crate) struct Finish {
    steps: Steps,
    added: *const f32,
    output: Output,
    erf: &'static Erf,
}

impl Finish {
    /// Hides all of it from the compiler: it would keep numbers that are needed here in registers, throughout the product that comes
    /// before, and push the product's own sums out of them.
    #[inline(always)]
    pub(crate) fn new(steps: Steps, added: &[f32], output: Output) -> Finish {
        black_box(Finish { steps, added: added.as_ptr(), output, erf: &ERF })
    }

    /// Finishes a part of one row: `width` columns that start `at` elements into the output; `sums` is padded to whole vectors.
    ///
    /// # Safety
    /// `sums` and `bias` have `width` numbers, rounded up to whole vectors; what is added, where the steps ask for it, and the output
    /// have `at + width`.
    #[inline(always)]
    pub(crate) unsafe fn row<S: Simd>(&self, s: S, sums: *mut f32, bias: *const f32, (at, width): (usize, usize)) {
        let mut j = 0;
        while j < width {
            // SAFETY: the caller's promise; a vector that is not whole stays in `sums`.
            unsafe {
                let mut x = s.add(s.load(sums.add(j)), s.load(bias.add(j)));
                if self.steps.gelu {
                    x = gelu(s, self.erf, x);
                }
                if j + S::LANES <= width {
                    if self.steps.add {
                        x = s.add(x, s.load(self.added.add(at + j)));
                    }
                    if self.steps.relu {
                        x = s.max(x, s.splat(0.0));
                    }
                    self.output.at(at + j).put(s, x);
                } else {
                    s.store(sums.add(j), x);
                    for i in j..width {
                        self.one(*sums.add(i), at + i);
                    }
                }
            }
            j += S::LANES;
        }
    }

    /// The last steps for one number.
    ///
    /// # Safety
    /// As [`Finish::row`].
    #[inline(always)]
    unsafe fn one(&self, mut x: f32, at: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.steps.add {
                x += *self.added.add(at);
            }
            if self.steps.relu {
                x = x.max(0.0);
            }
            self.output.at(at).put_one(x);
        }
    }
}
