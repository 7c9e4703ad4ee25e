//! Exponential and GELU, a vector at a time.

use crate::simd::Simd;

/// e to the power of `x`, which is at most 88; 0 far below. Within 2e-7 of the result.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.max(x, s.splat(-87.3));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, so that the rest is exact.
    let r = s.fma(n, s.splat(-0.693_359_375), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.mul(p, s.pow2(n))
}

/// `x / 2 (1 + erf(x / sqrt 2))`, within 4e-7 of what is exact, times the larger of 1 and |x|.
///
/// erf as a quotient of two polynomials, the one that XLA and Eigen use.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(s: S, x: S::F) -> S::F {
    let half = s.mul(x, s.splat(0.5));
    let z = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let z = s.min(s.max(z, s.splat(-4.0)), s.splat(4.0));
    let z2 = s.mul(z, z);
    let mut p = s.splat(-2.726_142_3e-10);
    for c in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_598e-3, -1.609_603_3e-2] {
        p = s.fma(p, z2, s.splat(c));
    }
    let mut q = s.splat(-1.456_607_2e-5);
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        q = s.fma(q, z2, s.splat(c));
    }
    let erf = s.div(s.mul(z, p), q);
    s.fma(half, erf, half)
}
