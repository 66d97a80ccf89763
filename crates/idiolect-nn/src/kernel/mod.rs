//! Vector arithmetic, chosen at run time.
//!
//! A kernel is written once over [`Simd`], eight f32 lanes, and compiled twice: for plain code and for
//! x86-64 with AVX2 and FMA. [`Level::run`] picks. Layouts in memory do not depend on the choice.

#[cfg(target_arch = "x86_64")]
mod avx2;
pub(crate) mod cell;
pub(crate) mod elementwise;
pub(crate) mod gemm;
pub(crate) mod loss;
pub(crate) mod many;
pub(crate) mod math;
pub(crate) mod panel;
mod plain;
pub(crate) mod reduced;
pub(crate) mod softmax;
pub(crate) mod step;

use plain::Plain;

/// Lanes of a vector, whatever the machine.
pub(crate) const LANES: usize = 8;

/// `n` rounded up to whole vectors.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Eight f32 lanes and what can be done with them. A value of the type is the proof that the machine can.
pub(crate) trait Simd: Copy {
    /// Eight numbers.
    type F: Copy;
    fn splat(self, x: f32) -> Self::F;
    fn load(self, from: &[f32; LANES]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// a * b + c, rounded once or twice.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The greater; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Size of the one with the sign of the other.
    fn copysign(self, size: Self::F, sign: Self::F) -> Self::F;
    /// 2^n for whole n in -126..=127; anything where n is not.
    fn exp2_whole(self, n: Self::F) -> Self::F;
    /// `x`, but 0 where `a < b`.
    fn zero_where_less(self, a: Self::F, b: Self::F, x: Self::F) -> Self::F;

    /// Eight pairs of 16-bit integers, or eight 32-bit ones.
    type I: Copy;
    /// The same pair eight times.
    fn splat_pair(self, pair: i32) -> Self::I;
    fn load_pairs(self, from: &[i32; LANES]) -> Self::I;
    fn store_pairs(self, x: Self::I, to: &mut [i32; LANES]);
    /// The sum of the products of each lane's pairs, added to a 32-bit integer. It must fit.
    fn dot_add(self, a: Self::I, b: Self::I, sum: Self::I) -> Self::I;
    /// Sixteen numbers, the lower eight first, to the nearest 16-bit integers, the even one of two.
    fn narrow(self, low: Self::F, high: Self::F) -> Self::I;
    /// 32-bit integers to numbers.
    fn whole(self, x: Self::I) -> Self::F;

    /// The lanes as numbers.
    #[inline(always)]
    fn lanes(self, x: Self::F) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        lanes
    }

    /// Sum of the lanes, in a fixed order.
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.lanes(x);
        ((a + e) + (b + f)) + ((c + g) + (d + h))
    }

    /// Greatest of the lanes.
    #[inline(always)]
    fn greatest(self, x: Self::F) -> f32 {
        self.lanes(x).into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// A computation that is compiled once for each kind of machine.
///
/// `run` and what it calls must be `#[inline(always)]`, or they are not compiled with the features of the
/// machine: then each vector operation is a call. A closure cannot be marked so, and
/// `std::array::from_fn` does not promise to inline one: kernels use loops.
pub(crate) trait Kernel {
    /// What it yields.
    type Output;
    /// Does it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// What this machine can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
}

impl Level {
    /// The best that this machine can do. The standard library remembers the answer, so it is cheap.
    #[inline]
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = avx2::Avx2::detect() {
            return Level(Kind::Avx2(avx2));
        }
        Level::plain()
    }

    /// What every machine can do.
    pub(crate) fn plain() -> Self {
        Level(Kind::Plain)
    }

    /// Runs a kernel at this level.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Plain => kernel.run(Plain),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(avx2) => avx2.run(kernel),
        }
    }
}

/// The vector at position `at` (a multiple of the lanes is not needed).
#[inline(always)]
pub(crate) fn vector(from: &[f32], at: usize) -> &[f32; LANES] {
    from[at..]
        .first_chunk()
        .expect("rows are padded to whole vectors")
}

/// The vector at position `at`, to write.
#[inline(always)]
pub(crate) fn vector_mut(to: &mut [f32], at: usize) -> &mut [f32; LANES] {
    to[at..]
        .first_chunk_mut()
        .expect("rows are padded to whole vectors")
}
