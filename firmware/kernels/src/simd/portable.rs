//! Plain Rust, for tests and for processors without an instruction set of their own here.

use super::Simd;

/// Needs nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Portable;

const LANES: usize = 4;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const OFFSET: i32 = 0;
    type F = [f32; LANES];
    type I = [i32; LANES];
    type Four = [i32; 4];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::F {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<Self::F>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: Self::F) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<Self::F>().write_unaligned(x) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i] / b[i])
    }

    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        each(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i].max(b[i]))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i].min(b[i]))
    }

    #[inline(always)]
    fn round(self, x: Self::F) -> Self::F {
        each(|i| x[i].round_ties_even())
    }

    #[inline(always)]
    fn pow2(self, n: Self::F) -> Self::F {
        each(|i| f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        x.iter().sum()
    }

    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        x.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, x: Self::F, zero_point: i32) {
        let bytes = x.map(|x| (x.clamp(-1e6, 1e6).round_ties_even() as i32 + zero_point).clamp(0, 255) as u8);
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[u8; LANES]>().write_unaligned(bytes) }
    }

    #[inline(always)]
    unsafe fn load_sums(self, p: *const i32) -> Self::I {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<Self::I>().read_unaligned() }
    }

    #[inline(always)]
    fn floats(self, x: Self::I) -> Self::F {
        x.map(|x| x as f32)
    }

    #[inline(always)]
    unsafe fn four(self, p: *const u8) -> Self::Four {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[u8; 4]>().read_unaligned() }.map(i32::from)
    }

    #[inline(always)]
    unsafe fn dot(self, sums: Self::I, row: Self::Four, weights: *const i8) -> Self::I {
        // SAFETY: the caller's promise.
        let w = unsafe { weights.cast::<[[i8; 4]; LANES]>().read_unaligned() };
        std::array::from_fn(|i| sums[i] + (0..4).map(|k| row[k] * i32::from(w[i][k])).sum::<i32>())
    }
}
