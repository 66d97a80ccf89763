//! Vector arithmetic, chosen at run time.
//!
//! A kernel is written once over [`Simd`] and compiled for each set of instructions that it may meet:
//! plain code, AVX2 with FMA, and AVX-512 with VNNI. [`Level::run`] picks. Layouts in memory do not depend
//! on the choice.
//!
//! [`Vector`] is what can be done with a vector whatever its length. A [`Simd`] is one of eight lanes, that
//! all memory is laid out for, together with one of sixteen for what is worth it: products and the gates'
//! arithmetic. Each lane is computed on its own, so that it does not matter to a result which of the two it
//! came through.

pub(crate) mod aligned;
pub(crate) mod cell;
pub(crate) mod elementwise;
pub(crate) mod gemm;
mod level;
pub(crate) mod loss;
pub(crate) mod many;
pub(crate) mod math;
pub(crate) mod panel;
mod plain;
pub(crate) mod reduced;
pub(crate) mod softmax;
pub(crate) mod step;
mod twice;
#[cfg(target_arch = "x86_64")]
mod ymm;
#[cfg(target_arch = "x86_64")]
mod zmm;

pub use level::Instructions;
pub(crate) use level::{Kernel, Level};

/// Lanes of a vector, whatever the machine.
pub(crate) const LANES: usize = 8;
/// Lanes of a wide one.
pub(crate) const WIDE: usize = 2 * LANES;

/// `n` rounded up to whole vectors.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Some f32 lanes and what can be done with them. A value of the type is the proof that the machine can.
pub(crate) trait Vector: Copy {
    /// As many numbers as there are lanes.
    type F: Copy;
    /// The same in memory.
    type Lanes;
    fn splat(self, x: f32) -> Self::F;
    fn load(self, from: &Self::Lanes) -> Self::F;
    fn store(self, x: Self::F, to: &mut Self::Lanes);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// a * b + c, rounded once or twice.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `x * from + sums` for each row.
    #[inline(always)]
    fn add_multiples<const MR: usize>(
        self,
        x: [Self::F; MR],
        from: &Self::Lanes,
        mut sums: [Self::F; MR],
    ) -> [Self::F; MR] {
        let from = self.load(from);
        for (x, sum) in x.into_iter().zip(&mut sums) {
            *sum = self.mul_add(x, from, *sum);
        }
        sums
    }
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
    /// Whether `a < b` in any lane.
    fn any_less(self, a: Self::F, b: Self::F) -> bool;
}

/// Numbers of a wide vector.
pub(crate) type Wide<S> = <<S as Simd>::Wide as Vector>::F;

/// Eight lanes, and sixteen.
pub(crate) trait Simd: Vector<Lanes = [f32; LANES]> {
    /// Sixteen lanes.
    type Wide: Vector<Lanes = [f32; WIDE]>;
    /// Rows that go through a panel of 32 columns side by side: as many as the registers have room for.
    const ROWS: usize;
    /// Panels that one row goes through side by side: its sums in one alone are too few to keep the
    /// arithmetic units busy.
    const ABREAST: usize;
    /// Rows of pairs that go through a panel of them side by side.
    const PAIR_ROWS: usize;

    fn wide(self) -> Self::Wide;
    fn join(self, low: Self::F, high: Self::F) -> Wide<Self>;
    /// The lower eight lanes and the upper.
    fn halves(self, x: Wide<Self>) -> [Self::F; 2];
    /// The lower halves of both, and the upper halves of both.
    fn deal(self, a: Wide<Self>, b: Wide<Self>) -> [Wide<Self>; 2];

    /// Sixteen pairs of 16-bit integers, or sixteen 32-bit ones.
    type I: Copy;
    /// The same pair sixteen times.
    fn splat_pair(self, pair: i32) -> Self::I;
    fn load_pairs(self, from: &[i32; WIDE]) -> Self::I;
    /// The sum of the products of each lane's pairs, added to a 32-bit integer. It must fit.
    fn dot_add(self, a: Self::I, b: Self::I, sum: Self::I) -> Self::I;
    /// 32-bit integers to numbers.
    fn whole(self, x: Self::I) -> Wide<Self>;
    /// Numbers to the nearest 16-bit integers, the even one of two: eight pairs.
    fn narrow(self, x: Wide<Self>) -> [i32; LANES];

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

/// The vector at position `at` (a multiple of the lanes is not needed).
#[inline(always)]
pub(crate) fn vector<const N: usize>(from: &[f32], at: usize) -> &[f32; N] {
    from[at..]
        .first_chunk()
        .expect("rows are padded to whole vectors")
}

/// The vector at position `at`, to write.
#[inline(always)]
pub(crate) fn vector_mut<const N: usize>(to: &mut [f32], at: usize) -> &mut [f32; N] {
    to[at..]
        .first_chunk_mut()
        .expect("rows are padded to whole vectors")
}
