//! Exponential and GELU, a vector at a time.

use crate::simd::Simd;

/// e to the power of `x`, which is at most 88; 0 far below. Within 3e-7 of the result.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.max(x, s.splat(-87.3));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, so that the rest is exact.
    let r = s.fma(n, s.splat(-355.0 / 512.0), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.mul(p, s.pow2(n))
}

/// Coefficients of GELU: numerator, denominator, highest power first.
pub(crate) struct Erf([f32; 7], [f32; 5]);

/// erf as a quotient of two polynomials, the one that XLA and Eigen use.
pub(crate) static ERF: Erf = Erf(
    [-2.726_142_3e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_598e-3, -1.609_603_3e-2],
    [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2],
);

/// `x / 2 (1 + erf(x / sqrt 2))`, within 4e-7 of what is exact, times the larger of 1 and |x|.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(s: S, erf: &Erf, x: S::F) -> S::F {
    let half = s.mul(x, s.splat(0.5));
    let z = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let z = s.min(s.max(z, s.splat(-4.0)), s.splat(4.0));
    let z2 = s.mul(z, z);
    let mut p = s.splat(erf.0[0]);
    for c in &erf.0[1..] {
        p = s.fma(p, z2, s.splat(*c));
    }
    let mut q = s.splat(erf.1[0]);
    for c in &erf.1[1..] {
        q = s.fma(q, z2, s.splat(*c));
    }
    let erf = s.div(s.mul(z, p), q);
    s.fma(half, erf, half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Work};

    struct Each<'a> {
        x: &'a [f32],
        y: &'a mut [f32],
        gelu: bool,
    }

    impl Work for Each<'_> {
        #[inline(always)]
        fn run<S: Simd, const R: usize>(self, s: S) {
            for i in (0..self.x.len()).step_by(S::LANES) {
                // SAFETY: the tests' slices are whole vectors.
                unsafe {
                    let x = s.load(self.x.as_ptr().add(i));
                    let y = if self.gelu { gelu(s, &ERF, x) } else { exp(s, x) };
                    s.store(self.y.as_mut_ptr().add(i), y);
                }
            }
        }
    }

    /// erf by its series, which converges where it is asked for.
    fn erf(x: f64) -> f64 {
        if x.abs() > 5.0 {
            return x.signum();
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn exponential_and_gelu_are_within_their_bounds() {
        let x: Vec<f32> = (0..16_000).map(|i| (i as f32 - 8000.0) / 1000.0).collect();
        for isa in Isa::all() {
            let mut y = vec![0.0; x.len()];
            isa.run(Each { x: &x, y: &mut y, gelu: false });
            for (x, y) in x.iter().zip(&y) {
                let want = f64::from(*x).exp();
                assert!((f64::from(*y) - want).abs() <= 3e-7 * want, "{isa:?}: e^{x} = {y}");
            }
            isa.run(Each { x: &x, y: &mut y, gelu: true });
            for (x, y) in x.iter().zip(&y) {
                let x = f64::from(*x);
                let want = 0.5 * x * (1.0 + erf(x / 2f64.sqrt()));
                assert!((f64::from(*y) - want).abs() <= 4e-7 * x.abs().max(1.0), "{isa:?}: gelu {x} = {y}, not {want}");
            }
        }
    }

    #[test]
    fn far_below_zero_the_exponential_is_nothing() {
        let x = [f32::NEG_INFINITY; 16];
        for isa in Isa::all() {
            let mut y = [1.0; 16];
            isa.run(Each { x: &x, y: &mut y, gelu: false });
            assert!(y.iter().all(|y| (0.0..1e-37).contains(y)), "{isa:?}: {y:?}");
        }
    }
}
