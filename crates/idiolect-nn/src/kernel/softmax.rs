//! The softmax of one stream's logits.

use super::math::exp;
use super::panel::{ABREAST, accumulate_one};
use super::reduced::Reduced;
use super::{Kernel, LANES, Simd, vector};

/// Tokens in a panel of output weights.
pub(crate) const OUTPUT_PANEL: usize = 4 * LANES;

/// Logits of one stream from packed output weights.
#[derive(Debug)]
pub(crate) struct Logits<'a> {
    pub(crate) from: Weighed<'a>,
    /// V padded to whole panels, -infinity in the padding.
    pub(crate) bias: &'a [f32],
}

/// What is weighed, and the weights in panels of 32 tokens, W deep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weighed<'a> {
    /// h of the top layer, W.
    Full { h: &'a [f32], panels: &'a [f32] },
    /// The same as pairs.
    Reduced {
        pairs: &'a [f32],
        weights: &'a Reduced,
    },
}

impl Logits<'_> {
    /// The logits of the 32 tokens of each of some panels.
    #[inline(always)]
    fn of_panels<S: Simd, const N: usize>(&self, s: S, first: usize) -> [[S::F; 4]; N] {
        let mut sums = [[s.splat(0.0); 4]; N];
        for (n, sums) in sums.iter_mut().enumerate() {
            *sums = bias_of(s, self.bias, first + n);
        }
        match self.from {
            Weighed::Full { h, panels } => {
                let len = h.len() * OUTPUT_PANEL;
                let mut abreast: [&[f32]; N] = [&[]; N];
                for (n, panel) in abreast.iter_mut().enumerate() {
                    *panel = &panels[(first + n) * len..][..len];
                }
                accumulate_one(s, h, abreast, &mut sums);
            }
            Weighed::Reduced { pairs, weights } => {
                for (n, sums) in sums.iter_mut().enumerate() {
                    *sums = weights.outputs(s, pairs, first + n, *sums);
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn panel_count(&self) -> usize {
        self.bias.len() / OUTPUT_PANEL
    }
}

/// The bias of a panel's 32 tokens.
#[inline(always)]
pub(super) fn bias_of<S: Simd>(s: S, bias: &[f32], index: usize) -> [S::F; 4] {
    let mut sums = [s.splat(0.0); 4];
    for (j, sum) in sums.iter_mut().enumerate() {
        *sum = s.load(vector(bias, index * OUTPUT_PANEL + j * LANES));
    }
    sums
}

/// The sum of exponentials of the logits met so far, in one pass: each lane keeps the greatest logit and
/// the sum relative to it (Milakov and Gimelshein 2018), so nothing overflows.
#[derive(Clone, Copy)]
pub(super) struct Total<F> {
    greatest: F,
    sum: F,
}

impl<F: Copy> Total<F> {
    #[inline(always)]
    pub(super) fn new<S: Simd<F = F>>(s: S) -> Self {
        Total {
            // Finite, so that no difference below is infinity minus infinity.
            greatest: s.splat(f32::MIN),
            sum: s.splat(0.0),
        }
    }

    /// Takes the logits of a panel.
    #[inline(always)]
    pub(super) fn take<S: Simd<F = F>>(&mut self, s: S, x: [F; 4]) {
        let higher = s.max(s.max(x[0], x[1]), s.max(x[2], x[3]));
        let higher = s.max(higher, self.greatest);
        self.sum = s.mul(self.sum, exp(s, s.sub(self.greatest, higher)));
        for x in x {
            self.sum = s.add(self.sum, exp(s, s.sub(x, higher)));
        }
        self.greatest = higher;
    }

    /// ln p of a token with this logit.
    #[inline(always)]
    pub(super) fn log_prob<S: Simd<F = F>>(self, s: S, logit: f32) -> f32 {
        let top = s.greatest(self.greatest);
        let scale = exp(s, s.sub(self.greatest, s.splat(top)));
        logit - top - s.sum(s.mul(self.sum, scale)).ln()
    }
}

/// A token's logit among those of its panel.
#[inline(always)]
pub(super) fn logit_of<S: Simd>(s: S, x: [S::F; 4], token: usize) -> f32 {
    let place = token % OUTPUT_PANEL;
    s.lanes(x[place / LANES])[place % LANES]
}

/// ln p of one token, without writing the distribution.
#[derive(Debug)]
pub(crate) struct LogProb<'a> {
    pub(crate) logits: Logits<'a>,
    pub(crate) token: usize,
}

impl Kernel for LogProb<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut total = Total::new(s);
        let mut logit = 0.0;
        let panels = self.logits.panel_count();
        let mut index = 0;
        while index + ABREAST <= panels {
            self.panels::<S, ABREAST>(s, index, &mut total, &mut logit);
            index += ABREAST;
        }
        match panels - index {
            2 => self.panels::<S, 2>(s, index, &mut total, &mut logit),
            1 => self.panels::<S, 1>(s, index, &mut total, &mut logit),
            _ => {}
        }
        total.log_prob(s, logit)
    }
}

impl LogProb<'_> {
    #[inline(always)]
    fn panels<S: Simd, const N: usize>(
        &self,
        s: S,
        first: usize,
        total: &mut Total<S::F>,
        logit: &mut f32,
    ) {
        let panels = self.logits.of_panels::<S, N>(s, first);
        for (n, x) in panels.into_iter().enumerate() {
            if first + n == self.token / OUTPUT_PANEL {
                *logit = logit_of(s, x, self.token);
            }
            total.take(s, x);
        }
    }
}

/// ln p of every token, written to `to` (V numbers).
#[derive(Debug)]
pub(crate) struct LogProbs<'a> {
    pub(crate) logits: Logits<'a>,
    pub(crate) to: &'a mut [f32],
}

impl Kernel for LogProbs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let to = self.to;
        let mut greatest = s.splat(f32::NEG_INFINITY);
        for index in 0..self.logits.panel_count() {
            let [x] = self.logits.of_panels::<S, 1>(s, index);
            for (j, x) in x.into_iter().enumerate() {
                greatest = s.max(greatest, x);
                let lanes = s.lanes(x);
                let at = index * OUTPUT_PANEL + j * LANES;
                if at < to.len() {
                    let len = LANES.min(to.len() - at);
                    to[at..at + len].copy_from_slice(&lanes[..len]);
                }
            }
        }
        let greatest = s.greatest(greatest);
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
