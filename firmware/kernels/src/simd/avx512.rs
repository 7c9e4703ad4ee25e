//! AVX-512 (F, BW, DQ, VL), with and without VNNI.
//!
//! Unsafe because the compiler cannot see that a value of [`Avx512`] exists only where the instructions do.

use super::{Simd, Work};
use std::arch::x86_64::*;

/// The proof; `VNNI` for products of bytes in one instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512<const VNNI: bool>(());

impl<const VNNI: bool> Avx512<VNNI> {
    pub(super) fn detect() -> Option<Self> {
        let base = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma");
        (base && (!VNNI || is_x86_feature_detected!("avx512vnni"))).then_some(Avx512(()))
    }

    pub(super) fn run(self, work: impl Work) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")]
        fn with_vnni(s: Avx512<true>, work: impl Work) {
            work.run::<_, 8>(s);
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
        fn without(s: Avx512<false>, work: impl Work) {
            work.run::<_, 8>(s);
        }
        // SAFETY: `self` was made by `detect`.
        unsafe { if VNNI { with_vnni(Avx512(()), work) } else { without(Avx512(()), work) } }
    }
}

// SAFETY of every block below: a value of the type was made by `detect`; pointers are the caller's promise.
impl<const VNNI: bool> Simd for Avx512<VNNI> {
    const LANES: usize = 16;
    const OFFSET: i32 = 0;
    type F = __m512;
    type I = __m512i;
    type Four = (__m512i, __m512i);

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: __m512) {
        unsafe { _mm512_storeu_ps(p, x) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, x: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn pow2(self, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), n) }
    }

    #[inline(always)]
    fn sum(self, x: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(x) }
    }

    #[inline(always)]
    fn largest(self, x: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(x) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, x: __m512, zero_point: i32) {
        unsafe {
            let limit = _mm512_set1_ps(1e6);
            let n = _mm512_cvtps_epi32(_mm512_min_ps(x, limit));
            let n = _mm512_max_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(zero_point)), _mm512_setzero_si512());
            _mm_storeu_si128(p.cast(), _mm512_cvtusepi32_epi8(n));
        }
    }

    #[inline(always)]
    unsafe fn load_sums(self, p: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    fn floats(self, x: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(x) }
    }

    #[inline(always)]
    unsafe fn four(self, p: *const u8) -> (__m512i, __m512i) {
        unsafe {
            let x = _mm512_set1_epi32(p.cast::<i32>().read_unaligned());
            if VNNI {
                return (x, x);
            }
            // The lower seven bits, and half of the top one: no pair of products then overflows 16 bits.
            let low = _mm512_and_si512(x, _mm512_set1_epi8(0x7f));
            (low, _mm512_srli_epi32::<1>(_mm512_sub_epi32(x, low)))
        }
    }

    #[inline(always)]
    unsafe fn dot(self, sums: __m512i, row: (__m512i, __m512i), weights: *const i8) -> __m512i {
        unsafe {
            let w = _mm512_loadu_si512(weights.cast());
            if VNNI {
                return _mm512_dpbusd_epi32(sums, row.0, w);
            }
            let low = _mm512_madd_epi16(_mm512_maddubs_epi16(row.0, w), _mm512_set1_epi16(1));
            let high = _mm512_madd_epi16(_mm512_maddubs_epi16(row.1, w), _mm512_set1_epi16(2));
            _mm512_add_epi32(sums, _mm512_add_epi32(low, high))
        }
    }
}
