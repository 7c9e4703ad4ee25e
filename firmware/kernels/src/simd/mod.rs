//! What the kernels need of a processor: a few vector operations, once for each instruction set.
//!
//! A value of a type that is `Simd` is the proof that this processor has its instructions: only [`Isa::detect`] makes one.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
use neon::Neon;
use portable::Portable;

/// Vectors of `LANES` floats, and products of bytes.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Floats in a vector.
    const LANES: usize;
    /// What [`Simd::dot`] takes away from each byte of a row.
    const OFFSET: i32;
    /// `LANES` floats.
    type F: Copy;
    /// `LANES` sums of 32 bits.
    type I: Copy;
    /// Four bytes of a row in every lane.
    type Four: Copy;

    fn splat(self, x: f32) -> Self::F;
    /// # Safety
    /// `LANES` floats can be read at `p`.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `LANES` floats can be written at `p`.
    unsafe fn store(self, p: *mut f32, x: Self::F);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// To the nearest whole number, ties to the even one; within 2^31.
    fn round(self, x: Self::F) -> Self::F;
    /// 2 to the power of whole numbers from -126 to 127.
    fn pow2(self, n: Self::F) -> Self::F;
    fn sum(self, x: Self::F) -> f32;
    fn largest(self, x: Self::F) -> f32;
    /// Rounds (ties to even), adds `zero_point`, cuts to 0..=255.
    ///
    /// # Safety
    /// `LANES` bytes can be written at `p`.
    unsafe fn store_bytes(self, p: *mut u8, x: Self::F, zero_point: i32);

    /// # Safety
    /// `LANES` numbers can be read at `p`.
    unsafe fn load_sums(self, p: *const i32) -> Self::I;
    fn floats(self, x: Self::I) -> Self::F;
    /// # Safety
    /// Four bytes can be read at `p`.
    unsafe fn four(self, p: *const u8) -> Self::Four;
    /// Adds to each lane the product of the four bytes, less `OFFSET` each, with its own four weights (-127 to 127).
    ///
    /// # Safety
    /// `4 * LANES` weights can be read at `weights`.
    unsafe fn dot(self, sums: Self::I, row: Self::Four, weights: *const i8) -> Self::I;
}

/// Work that is compiled once for each instruction set; `R` is the number of rows that a tile of products has there.
pub(crate) trait Work {
    /// Does it. Everything on the way must be `inline(always)`, or it is compiled for the oldest processor.
    fn run<S: Simd, const R: usize>(self, s: S);
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isa(Kind);

// Values of the inner types are proofs; hence the private enum.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512<true>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512<false>),
    #[cfg(target_arch = "x86_64")]
    Avx2Vnni(Avx2<true>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2<false>),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Portable(Portable),
}

impl Isa {
    /// The best one.
    pub(crate) fn detect() -> Isa {
        Isa::all().into_iter().next().unwrap_or(Isa(Kind::Portable(Portable)))
    }

    /// All of this processor, the best first, the portable one last.
    pub(crate) fn all() -> Vec<Isa> {
        #[allow(unused_mut)]
        let mut kinds: Vec<Option<Kind>> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        kinds.extend([
            Avx512::<true>::detect().map(Kind::Avx512Vnni),
            Avx512::<false>::detect().map(Kind::Avx512),
            Avx2::<true>::detect().map(Kind::Avx2Vnni),
            Avx2::<false>::detect().map(Kind::Avx2),
        ]);
        #[cfg(target_arch = "aarch64")]
        kinds.push(Some(Kind::Neon(Neon)));
        kinds.push(Some(Kind::Portable(Portable)));
        kinds.into_iter().flatten().map(Isa).collect()
    }

    /// Its name, for example `avx512-vnni`.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni(_) => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Vnni(_) => "avx2-vnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
            Kind::Portable(_) => "portable",
        }
    }

    /// Whether its kernels were measured to be quicker than tract's own. NEON's were not measured yet.
    pub(crate) fn is_fast(self) -> bool {
        self.lanes() > 4
    }

    /// Floats in a vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni(_) | Kind::Avx512(_) => 16,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Vnni(_) | Kind::Avx2(_) => 8,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => 4,
            Kind::Portable(_) => 4,
        }
    }

    /// What [`Simd::dot`] takes away from each byte.
    pub(crate) fn offset(self) -> i32 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => Avx2::<false>::OFFSET,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => Neon::OFFSET,
            _ => 0,
        }
    }

    /// Does `work` with these instructions.
    pub(crate) fn run(self, work: impl Work) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni(s) => s.run(work),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(s) => s.run(work),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Vnni(s) => s.run(work),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(s) => s.run(work),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(s) => work.run::<_, 8>(s),
            Kind::Portable(s) => work.run::<_, 4>(s),
        }
    }
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
