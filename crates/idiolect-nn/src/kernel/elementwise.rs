//! Loops over numbers one by one: sums, masks, the optimiser's step.

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

/// One step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), as PyTorch writes them:
/// epsilon outside the square root, the bias corrections applied to the step and to the root.
#[derive(Debug)]
pub(crate) struct AdamStep<'a> {
    pub(crate) weights: &'a mut [f32],
    pub(crate) gradient: &'a [f32],
    /// Running mean of the gradient.
    pub(crate) mean: &'a mut [f32],
    /// Running mean of its square.
    pub(crate) square: &'a mut [f32],
    pub(crate) factors: AdamFactors,
}

/// The numbers of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamFactors {
    /// What the gradient is multiplied by first (clipping).
    pub(crate) clip: f32,
    /// Weight decay added to the gradient: Adam's.
    pub(crate) coupled_decay: f32,
    /// 1 - learning rate * weight decay: AdamW's; 1 without.
    pub(crate) keep: f32,
    pub(crate) beta1: f32,
    pub(crate) one_minus_beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) one_minus_beta2: f32,
    /// Learning rate / (1 - beta1^t).
    pub(crate) step: f32,
    /// 1 / sqrt(1 - beta2^t).
    pub(crate) root: f32,
    pub(crate) epsilon: f32,
}

impl Kernel for AdamStep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let f = self.factors;
        let weights = self.weights.as_chunks_mut::<LANES>().0.iter_mut();
        let rest = self.gradient.as_chunks::<LANES>().0.iter();
        let rest = rest.zip(self.mean.as_chunks_mut::<LANES>().0);
        let rest = rest.zip(self.square.as_chunks_mut::<LANES>().0);
        for (weight, ((gradient, mean), square)) in weights.zip(rest) {
            let w = s.load(weight);
            let g = s.mul(s.load(gradient), s.splat(f.clip));
            let g = s.mul_add(w, s.splat(f.coupled_decay), g);
            let m = s.mul_add(
                g,
                s.splat(f.one_minus_beta1),
                s.mul(s.load(mean), s.splat(f.beta1)),
            );
            let v = s.mul_add(
                s.mul(g, g),
                s.splat(f.one_minus_beta2),
                s.mul(s.load(square), s.splat(f.beta2)),
            );
            let root = s.mul_add(s.sqrt(v), s.splat(f.root), s.splat(f.epsilon));
            let change = s.div(s.mul(m, s.splat(f.step)), root);
            s.store(s.sub(s.mul(w, s.splat(f.keep)), change), weight);
            s.store(m, mean);
            s.store(v, square);
        }
    }
}
