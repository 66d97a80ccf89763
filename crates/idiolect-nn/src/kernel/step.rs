//! The optimisers' steps, over numbers one by one.

use super::{Kernel, LANES, Simd};

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

/// One step of RMSprop (Tieleman and Hinton 2012), without momentum, not centred. Keras 3
/// (`optimizers/rmsprop.py`) has its epsilon under the square root, Keras 2 and PyTorch beside it.
#[derive(Debug)]
pub(crate) struct RmsPropStep<'a> {
    pub(crate) weights: &'a mut [f32],
    pub(crate) gradient: &'a [f32],
    /// Running mean of its square.
    pub(crate) square: &'a mut [f32],
    pub(crate) factors: RmsPropFactors,
}

/// The numbers of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RmsPropFactors {
    /// What the gradient is multiplied by first (clipping).
    pub(crate) clip: f32,
    /// Weight decay added to the gradient.
    pub(crate) decay: f32,
    pub(crate) rho: f32,
    pub(crate) one_minus_rho: f32,
    /// Learning rate.
    pub(crate) step: f32,
    /// Epsilon under the root.
    pub(crate) inner: f32,
    /// Epsilon beside the root.
    pub(crate) outer: f32,
}

impl Kernel for RmsPropStep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let f = self.factors;
        let weights = self.weights.as_chunks_mut::<LANES>().0.iter_mut();
        let rest = self.gradient.as_chunks::<LANES>().0.iter();
        let rest = rest.zip(self.square.as_chunks_mut::<LANES>().0);
        for (weight, (gradient, square)) in weights.zip(rest) {
            let w = s.load(weight);
            let g = s.mul(s.load(gradient), s.splat(f.clip));
            let g = s.mul_add(w, s.splat(f.decay), g);
            let v = s.mul_add(
                s.mul(g, g),
                s.splat(f.one_minus_rho),
                s.mul(s.load(square), s.splat(f.rho)),
            );
            let root = s.add(s.sqrt(s.add(v, s.splat(f.inner))), s.splat(f.outer));
            let change = s.div(s.mul(g, s.splat(f.step)), root);
            s.store(s.sub(w, change), weight);
            s.store(v, square);
        }
    }
}

/// One step of stochastic gradient descent.
#[derive(Debug)]
pub(crate) struct SgdStep<'a> {
    pub(crate) weights: &'a mut [f32],
    pub(crate) gradient: &'a [f32],
    /// 1 - learning rate * weight decay.
    pub(crate) keep: f32,
    /// Learning rate times what the gradient is multiplied by first (clipping).
    pub(crate) step: f32,
}

impl Kernel for SgdStep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let gradient = self.gradient.as_chunks::<LANES>().0;
        let weights = self.weights.as_chunks_mut::<LANES>().0;
        for (weight, gradient) in weights.iter_mut().zip(gradient) {
            let w = s.mul(s.load(weight), s.splat(self.keep));
            let change = s.mul(s.load(gradient), s.splat(self.step));
            s.store(s.sub(w, change), weight);
        }
    }
}
