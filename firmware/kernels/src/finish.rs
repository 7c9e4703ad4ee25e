//! What happens to sums before they leave: bias, GELU, something added, ReLU, bytes.

use crate::math::gelu;
use crate::simd::Simd;

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

/// Finishes a part of one row: `width` columns that start `at` elements into the output; `sums` is padded to whole vectors.
///
/// # Safety
/// `sums` and `bias` have `width` numbers, rounded up to whole vectors; `added`, where `steps` asks for it, and `output` have
/// `at + width`.
#[inline(always)]
pub(crate) unsafe fn finish<S: Simd>(
    s: S,
    steps: Steps,
    sums: *mut f32,
    bias: *const f32,
    added: *const f32,
    output: Output,
    (at, width): (usize, usize),
) {
    let zero = s.splat(0.0);
    let mut j = 0;
    while j < width {
        // SAFETY: the caller's promise; a vector that is not whole stays in `sums`.
        unsafe {
            let mut x = s.add(s.load(sums.add(j)), s.load(bias.add(j)));
            if steps.gelu {
                x = gelu(s, x);
            }
            if j + S::LANES <= width {
                if steps.add {
                    x = s.add(x, s.load(added.add(at + j)));
                }
                if steps.relu {
                    x = s.max(x, zero);
                }
                output.at(at + j).put(s, x);
            } else {
                s.store(sums.add(j), x);
                for i in j..width {
                    let mut x = *sums.add(i);
                    if steps.add {
                        x += *added.add(at + i);
                    }
                    if steps.relu {
                        x = x.max(0.0);
                    }
                    output.at(at + i).put_one(x);
                }
            }
        }
        j += S::LANES;
    }
}
