//! NEON, which every 64-bit ARM processor has.
//!
//! Unsafe for the pointers alone: the compiler takes these instructions for granted on this architecture.

use super::Simd;
use std::arch::aarch64::*;

/// Needs no proof.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Neon;

// SAFETY of every block below: the instructions are part of the architecture; pointers are the caller's promise.
impl Simd for Neon {
    const LANES: usize = 4;
    const OFFSET: i32 = 128;
    type F = float32x4_t;
    type I = int32x4_t;
    type Four = int8x8_t;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: float32x4_t) {
        unsafe { vst1q_f32(p, x) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vminq_f32(a, b) }
    }

    #[inline(always)]
    fn round(self, x: float32x4_t) -> float32x4_t {
        unsafe { vrndnq_f32(x) }
    }

    #[inline(always)]
    fn pow2(self, n: float32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)))) }
    }

    #[inline(always)]
    fn sum(self, x: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(x) }
    }

    #[inline(always)]
    fn largest(self, x: float32x4_t) -> f32 {
        unsafe { vmaxvq_f32(x) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, x: float32x4_t, zero_point: i32) {
        unsafe {
            let n = vqaddq_s32(vcvtnq_s32_f32(x), vdupq_n_s32(zero_point));
            let words = vqmovun_s32(n);
            let bytes = vqmovn_u16(vcombine_u16(words, words));
            p.cast::<u32>().write_unaligned(vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)));
        }
    }

    #[inline(always)]
    unsafe fn load_sums(self, p: *const i32) -> int32x4_t {
        unsafe { vld1q_s32(p) }
    }

    #[inline(always)]
    fn floats(self, x: int32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(x) }
    }

    #[inline(always)]
    unsafe fn four(self, p: *const u8) -> int8x8_t {
        unsafe {
            let four = p.cast::<u32>().read_unaligned() ^ 0x8080_8080;
            vreinterpret_s8_u32(vdup_n_u32(four))
        }
    }

    #[inline(always)]
    unsafe fn dot(self, sums: int32x4_t, row: int8x8_t, weights: *const i8) -> int32x4_t {
        unsafe {
            let w = vld1q_s8(weights);
            let low = vmull_s8(vget_low_s8(w), row);
            let high = vmull_s8(vget_high_s8(w), row);
            vaddq_s32(sums, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
        }
    }
}
