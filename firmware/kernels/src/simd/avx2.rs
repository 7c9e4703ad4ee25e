//! AVX2 with FMA, with and without AVX-VNNI.
//!
//! Unsafe because the compiler cannot see that a value of [`Avx2`] exists only where the instructions do.

use super::{Simd, Work};
use std::arch::x86_64::*;

/// The proof; `VNNI` for products of bytes in one instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2<const VNNI: bool>(());

impl<const VNNI: bool> Avx2<VNNI> {
    pub(super) fn detect() -> Option<Self> {
        let base = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        (base && (!VNNI || is_x86_feature_detected!("avxvnni"))).then_some(Avx2(()))
    }

    pub(super) fn run(self, work: impl Work) {
        #[target_feature(enable = "avx2,fma,avxvnni")]
        fn with_vnni(s: Avx2<true>, work: impl Work) {
            work.run::<_, 6>(s);
        }
        #[target_feature(enable = "avx2,fma")]
        fn without(s: Avx2<false>, work: impl Work) {
            work.run::<_, 6>(s);
        }
        // SAFETY: `self` was made by `detect`.
        unsafe { if VNNI { with_vnni(Avx2(()), work) } else { without(Avx2(()), work) } }
    }
}

// SAFETY of every block below: a value of the type was made by `detect`; pointers are the caller's promise.
impl<const VNNI: bool> Simd for Avx2<VNNI> {
    const LANES: usize = 8;
    const OFFSET: i32 = if VNNI { 0 } else { 128 };
    type F = __m256;
    type I = __m256i;
    type Four = (__m256i, __m256i);

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: __m256) {
        unsafe { _mm256_storeu_ps(p, x) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, x: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn pow2(self, n: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }

    #[inline(always)]
    fn sum(self, x: __m256) -> f32 {
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }

    #[inline(always)]
    fn largest(self, x: __m256) -> f32 {
        unsafe {
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, x: __m256, zero_point: i32) {
        unsafe {
            let n = _mm256_cvtps_epi32(_mm256_min_ps(x, _mm256_set1_ps(1e6)));
            let n = _mm256_add_epi32(n, _mm256_set1_epi32(zero_point));
            let words = _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256::<1>(n));
            _mm_storel_epi64(p.cast(), _mm_packus_epi16(words, words));
        }
    }

    #[inline(always)]
    unsafe fn load_sums(self, p: *const i32) -> __m256i {
        unsafe { _mm256_loadu_si256(p.cast()) }
    }

    #[inline(always)]
    fn floats(self, x: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(x) }
    }

    #[inline(always)]
    unsafe fn four(self, p: *const u8) -> (__m256i, __m256i) {
        unsafe {
            let x = _mm256_set1_epi32(p.cast::<i32>().read_unaligned());
            if VNNI {
                return (x, x);
            }
            // Signed, and its size: at most 128 times 127, twice, fits 16 bits.
            let signed = _mm256_xor_si256(x, _mm256_set1_epi8(-128));
            (_mm256_abs_epi8(signed), signed)
        }
    }

    #[inline(always)]
    unsafe fn dot(self, sums: __m256i, row: (__m256i, __m256i), weights: *const i8) -> __m256i {
        unsafe {
            let w = _mm256_loadu_si256(weights.cast());
            if VNNI {
                return _mm256_dpbusd_avx_epi32(sums, row.0, w);
            }
            let pairs = _mm256_maddubs_epi16(row.0, _mm256_sign_epi8(w, row.1));
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}
