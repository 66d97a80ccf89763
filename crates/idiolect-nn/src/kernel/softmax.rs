//! The softmax of one stream's logits.

use super::math::exp;
use super::panel::Panels;
use super::{Kernel, LANES, Simd, Vector, WIDE, Wide, vector, vector_mut};

/// Tokens in a panel of output weights.
pub(crate) const OUTPUT_PANEL: usize = 2 * WIDE;

/// The bias of a panel's 32 tokens.
#[inline(always)]
pub(super) fn bias_of<S: Simd>(s: S, bias: &[f32], index: usize) -> [Wide<S>; 2] {
    let v = s.wide();
    let mut sums = [v.splat(0.0); 2];
    for (j, sum) in sums.iter_mut().enumerate() {
        *sum = v.load(vector(bias, index * OUTPUT_PANEL + j * WIDE));
    }
    sums
}

/// The sum of exponentials of the logits met so far, in one pass, relative to a logit near the greatest of
/// them, so that nothing overflows (after Milakov and Gimelshein 2018).
#[derive(Clone, Copy)]
pub(super) struct Total<S: Simd> {
    /// What the sum is relative to, in every lane.
    to: Wide<S>,
    sum: Wide<S>,
}

/// By how much a logit may exceed what the sum is relative to, before that is raised: enough for it to be
/// seldom, too little for the difference to lose more than 1e-6.
const ROOM: f32 = 16.0;

impl<S: Simd> Total<S> {
    #[inline(always)]
    pub(super) fn new(s: S) -> Self {
        Total {
            // Finite, so that no difference below is infinity minus infinity.
            to: s.wide().splat(f32::MIN),
            sum: s.wide().splat(0.0),
        }
    }

    /// Takes the logits of a panel.
    #[inline(always)]
    pub(super) fn take(&mut self, s: S, x: [Wide<S>; 2]) {
        let v = s.wide();
        let high = v.max(x[0], x[1]);
        if v.any_less(v.add(self.to, v.splat(ROOM)), high) {
            let [low, high] = s.halves(high);
            let to = v.splat(s.greatest(s.max(low, high)));
            self.sum = v.mul(self.sum, exp(v, v.sub(self.to, to)));
            self.to = to;
        }
        for x in x {
            self.sum = v.add(self.sum, exp(v, v.sub(x, self.to)));
        }
    }

    /// ln p of a token with this logit.
    #[inline(always)]
    pub(super) fn log_prob(self, s: S, logit: f32) -> f32 {
        let [low, high] = s.halves(self.sum);
        let [to, ..] = s.lanes(s.halves(self.to)[0]);
        logit - to - s.sum(s.add(low, high)).ln()
    }
}

/// A token's logit among those of its panel.
#[inline(always)]
pub(super) fn logit_of<S: Simd>(s: S, x: [Wide<S>; 2], token: usize) -> f32 {
    let place = token % OUTPUT_PANEL;
    let mut lanes = [0.0; WIDE];
    s.wide().store(x[place / WIDE], &mut lanes);
    lanes[place % WIDE]
}

/// ln p of every token, written to `to` (V numbers).
#[derive(Debug)]
pub(crate) struct LogProbs<'a, P> {
    /// h of the top layer.
    pub(crate) h: &'a [f32],
    /// Panels of 32 tokens.
    pub(crate) panels: &'a P,
    /// -infinity in the padding.
    pub(crate) bias: &'a [f32],
    /// Where h waits to be multiplied.
    pub(crate) room: &'a mut [f32],
    pub(crate) to: &'a mut [f32],
}

impl<P: Panels> Kernel for LogProbs<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (to, v) = (self.to, s.wide());
        let waiting = &mut self.room[..P::staged(self.h.len())];
        P::stage(s, self.h, waiting);
        let mut greatest = v.splat(f32::NEG_INFINITY);
        for (index, to) in to.chunks_mut(OUTPUT_PANEL).enumerate() {
            let mut sums = [[bias_of(s, self.bias, index)]];
            self.panels.add_products(s, [&*waiting], index, &mut sums);
            let [[x]] = sums;
            let mut logits = [0.0; OUTPUT_PANEL];
            for (j, x) in x.into_iter().enumerate() {
                greatest = v.max(greatest, x);
                v.store(x, vector_mut(&mut logits, j * WIDE));
            }
            to.copy_from_slice(&logits[..to.len()]);
        }
        let [low, high] = s.halves(greatest);
        let greatest = s.greatest(s.max(low, high));
        let mut sum = s.splat(0.0);
        let (vectors, rest) = to.as_chunks::<LANES>();
        let mut last = [f32::NEG_INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for x in vectors.iter().chain([&last]) {
            sum = s.add(sum, exp(s, s.sub(s.load(x), s.splat(greatest))));
        }
        let normaliser = greatest + s.sum(sum).ln();
        for x in to {
            *x -= normaliser;
        }
    }
}
