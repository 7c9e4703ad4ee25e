//! The inner loops: a tile of `R` rows by `V` vectors of columns, in registers.

use crate::pack::VECTORS;
use crate::simd::Simd;

/// Floats of the largest tile.
const SIZE: usize = 8 * VECTORS * 16;

/// A tile's sums, row by row, on their way from the registers to the output.
#[repr(align(64))]
pub(crate) struct Tile(pub(crate) [f32; SIZE]);

impl Tile {
    pub(crate) fn new() -> Tile {
        Tile([0.0; SIZE])
    }
}

/// `sums[r][v] += sum over i < k of row[r][i] * columns[i * step + v]`.
///
/// # Safety
/// `k` floats can be read at each row, and `V` vectors at every `step` of `columns`, `k` times.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, const R: usize, const V: usize>(
    s: S,
    sums: &mut [[S::F; V]; R],
    rows: &[*const f32; R],
    columns: *const f32,
    (k, step): (usize, usize),
) {
    let mut columns = columns;
    for i in 0..k {
        let mut column = [s.splat(0.0); V];
        for v in 0..V {
            // SAFETY: the caller's promise.
            column[v] = unsafe { s.load(columns.add(v * S::LANES)) };
        }
        for r in 0..R {
            // SAFETY: the caller's promise.
            let x = s.splat(unsafe { *rows[r].add(i) });
            for v in 0..V {
                sums[r][v] = s.fma(x, column[v], sums[r][v]);
            }
        }
        columns = columns.wrapping_add(step);
    }
}

/// The same with bytes, four at a time: `columns` has four weights of each of `V` vectors of columns behind each other.
///
/// # Safety
/// `4 * fours` bytes can be read at each row, and as many times `V` vectors of weights at `columns`.
#[inline(always)]
pub(crate) unsafe fn multiply_bytes<S: Simd, const R: usize, const V: usize>(
    s: S,
    sums: &mut [[S::I; V]; R],
    rows: &[*const u8; R],
    columns: *const i8,
    fours: usize,
) {
    let mut columns = columns;
    for i in 0..fours {
        for r in 0..R {
            // SAFETY: the caller's promise.
            unsafe {
                let x = s.four(rows[r].add(4 * i));
                for v in 0..V {
                    sums[r][v] = s.dot(sums[r][v], x, columns.add(4 * v * S::LANES));
                }
            }
        }
        columns = columns.wrapping_add(4 * V * S::LANES);
    }
}

/// Puts a tile's sums into memory, `step` floats from row to row.
///
/// # Safety
/// `V` vectors can be written at each of `R` steps from `to`.
#[inline(always)]
pub(crate) unsafe fn put<S: Simd, const R: usize, const V: usize>(
    s: S,
    sums: &[[S::F; V]; R],
    to: *mut f32,
    step: usize,
) {
    for r in 0..R {
        for v in 0..V {
            // SAFETY: the caller's promise.
            unsafe { s.store(to.add(r * step + v * S::LANES), sums[r][v]) };
        }
    }
}

/// Sums of bytes before the first product, the same in each row.
///
/// # Safety
/// `V` vectors can be read at `start`.
#[inline(always)]
pub(crate) unsafe fn starts<S: Simd, const R: usize, const V: usize>(s: S, start: *const i32) -> [[S::I; V]; R] {
    // SAFETY: the caller's promise.
    let mut first = [unsafe { s.load_sums(start) }; V];
    for v in 1..V {
        // SAFETY: as above.
        first[v] = unsafe { s.load_sums(start.add(v * S::LANES)) };
    }
    [first; R]
}

/// Puts a tile's sums of bytes into memory as floats, times the scale of each column.
///
/// # Safety
/// `V` vectors can be read at `scale`, and `R * V` written at `to`.
#[inline(always)]
pub(crate) unsafe fn put_scaled<S: Simd, const R: usize, const V: usize>(
    s: S,
    sums: &[[S::I; V]; R],
    scale: *const f32,
    to: *mut f32,
) {
    for r in 0..R {
        for v in 0..V {
            // SAFETY: the caller's promise.
            unsafe {
                let x = s.mul(s.floats(sums[r][v]), s.load(scale.add(v * S::LANES)));
                s.store(to.add((r * V + v) * S::LANES), x);
            }
        }
    }
}
