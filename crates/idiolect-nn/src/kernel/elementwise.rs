//! Loops over numbers one by one: sums and masks.

use super::{Kernel, LANES, Simd};

/// `to += from`, of the same length, whole vectors.
#[derive(Debug)]
pub(crate) struct Add<'a> {
    pub(crate) to: &'a mut [f32],
    pub(crate) from: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let from = self.from.as_chunks::<LANES>().0;
        for (to, from) in self.to.as_chunks_mut::<LANES>().0.iter_mut().zip(from) {
            s.store(s.add(s.load(to), s.load(from)), to);
        }
    }
}

/// `to[row] += from[i]` for the rows named in turn.
#[derive(Debug)]
pub(crate) struct ScatterAdd<'a> {
    pub(crate) to: &'a mut [f32],
    pub(crate) from: &'a [f32],
    /// Which row of `to` each row of `from` goes to.
    pub(crate) rows: &'a [u32],
    /// Length of a row, whole vectors.
    pub(crate) width: usize,
}

impl Kernel for ScatterAdd<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (from, &row) in self.from.chunks_exact(self.width).zip(self.rows) {
            let to = &mut self.to[row as usize * self.width..][..self.width];
            Add { to, from }.run(s);
        }
    }
}

/// `sums += ` the sum of the rows of a matrix.
#[derive(Debug)]
pub(crate) struct SumRows<'a> {
    pub(crate) sums: &'a mut [f32],
    /// Rows as long as `sums`.
    pub(crate) matrix: &'a [f32],
}

impl Kernel for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in self.matrix.chunks_exact(self.sums.len()) {
            Add {
                to: self.sums,
                from: row,
            }
            .run(s);
        }
    }
}

/// `to *= mask`.
#[derive(Debug)]
pub(crate) struct Mask<'a> {
    pub(crate) to: &'a mut [f32],
    pub(crate) mask: &'a [f32],
}

impl Kernel for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mask = self.mask.as_chunks::<LANES>().0;
        for (to, mask) in self.to.as_chunks_mut::<LANES>().0.iter_mut().zip(mask) {
            s.store(s.mul(s.load(to), s.load(mask)), to);
        }
    }
}

/// Sum of squares.
#[derive(Debug)]
pub(crate) struct SumSquares<'a>(pub(crate) &'a [f32]);

impl Kernel for SumSquares<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        // Short stretches in f32, the whole in f64: the error stays that of one stretch.
        self.0
            .chunks(64 * LANES)
            .map(|stretch| {
                let mut sum = s.splat(0.0);
                for x in stretch.as_chunks::<LANES>().0 {
                    let x = s.load(x);
                    sum = s.mul_add(x, x, sum);
                }
                f64::from(s.sum(sum))
            })
            .sum()
    }
}
