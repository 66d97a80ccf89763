//! The softmax of one stream's logits.

use super::math::exp;
use super::panel::accumulate_one;
use super::{Kernel, LANES, Simd, vector, vector_mut};

/// Tokens in a panel of output weights.
pub(crate) const OUTPUT_PANEL: usize = 4 * LANES;

/// Logits of one stream from packed output weights.
#[derive(Debug)]
pub(crate) struct Logits<'a> {
    /// h of the top layer, W.
    pub(crate) h: &'a [f32],
    /// Panels of 32 tokens, W deep.
    pub(crate) panels: &'a [f32],
    /// V padded to whole panels, -infinity in the padding.
    pub(crate) bias: &'a [f32],
}

impl Logits<'_> {
    /// The logits of 32 tokens.
    #[inline(always)]
    fn of_panel<S: Simd>(&self, s: S, index: usize) -> [S::F; 4] {
        let len = self.h.len() * OUTPUT_PANEL;
        let mut sums = [s.splat(0.0); 4];
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = s.load(vector(self.bias, index * OUTPUT_PANEL + j * LANES));
        }
        accumulate_one(s, self.h, &self.panels[index * len..][..len], &mut sums);
        sums
    }

    #[inline(always)]
    fn panel_count(&self) -> usize {
        self.bias.len() / OUTPUT_PANEL
    }
}

/// ln p of one token, without writing the distribution.
///
/// One pass: each lane keeps the greatest logit it has met and the sum of exponentials relative to it
/// (Milakov and Gimelshein 2018), so nothing overflows.
#[derive(Debug)]
pub(crate) struct LogProb<'a> {
    pub(crate) logits: Logits<'a>,
    pub(crate) token: usize,
}

impl Kernel for LogProb<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        // Finite, so that no difference below is infinity minus infinity.
        let mut greatest = s.splat(f32::MIN);
        let mut sum = s.splat(0.0);
        let mut chosen = [0.0; OUTPUT_PANEL];
        for index in 0..self.logits.panel_count() {
            let x = self.logits.of_panel(s, index);
            if index == self.token / OUTPUT_PANEL {
                for (j, x) in x.into_iter().enumerate() {
                    s.store(x, vector_mut(&mut chosen, j * LANES));
                }
            }
            let higher = s.max(s.max(x[0], x[1]), s.max(x[2], x[3]));
            let higher = s.max(higher, greatest);
            sum = s.mul(sum, exp(s, s.sub(greatest, higher)));
            for x in x {
                sum = s.add(sum, exp(s, s.sub(x, higher)));
            }
            greatest = higher;
        }
        let top = s.greatest(greatest);
        let total = s.sum(s.mul(sum, exp(s, s.sub(greatest, s.splat(top)))));
        chosen[self.token % OUTPUT_PANEL] - top - total.ln()
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
            let x = self.logits.of_panel(s, index);
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
