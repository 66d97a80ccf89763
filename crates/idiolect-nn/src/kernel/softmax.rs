//! Softmax, cross-entropy and their gradient in one go.

use super::math::exp;
use super::panel::accumulate_one;
use super::{Kernel, LANES, Simd, vector, vector_mut};
use crate::train::IGNORE;

/// Loss of some rows of logits and, in place, its gradient.
#[derive(Debug)]
pub(crate) struct CrossEntropy<'a> {
    /// Number of tokens, V.
    pub(crate) vocab: usize,
    /// [rows, V padded]: logits without the bias before; after, if `scale` is given, the gradient of the
    /// scaled loss, with 0 in the padding and in rows whose target is to be ignored.
    pub(crate) logits: &'a mut [f32],
    /// V padded.
    pub(crate) bias: &'a [f32],
    /// The token that came, for each row.
    pub(crate) targets: &'a [u32],
    /// What each row's loss counts in the whole; without it the loss alone is wanted.
    pub(crate) scale: Option<f32>,
}

/// What a stretch of predictions comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Sum of -ln p over the targets, in nats.
    pub(crate) loss: f64,
    /// Targets than which no token was more probable.
    pub(crate) correct: u64,
    /// Targets.
    pub(crate) targets: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.targets += other.targets;
    }
}

impl Kernel for CrossEntropy<'_> {
    type Output = Tally;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Tally {
        let mut tally = Tally::default();
        let rows = self.logits.chunks_exact_mut(self.bias.len());
        for (row, &target) in rows.zip(self.targets) {
            if target == IGNORE {
                if self.scale.is_some() {
                    row.fill(0.0);
                }
                continue;
            }
            row[self.vocab..].fill(f32::NEG_INFINITY);
            let vectors = row.as_chunks_mut::<LANES>().0;
            let mut greatest = s.splat(f32::NEG_INFINITY);
            for (x, bias) in vectors.iter_mut().zip(self.bias.as_chunks::<LANES>().0) {
                let logit = s.add(s.load(x), s.load(bias));
                greatest = s.max(greatest, logit);
                s.store(logit, x);
            }
            let greatest = s.greatest(greatest);
            let target_logit = row[target as usize];
            let vectors = row.as_chunks_mut::<LANES>().0;
            let mut sum = s.splat(0.0);
            for x in vectors.iter_mut() {
                let e = exp(s, s.sub(s.load(x), s.splat(greatest)));
                sum = s.add(sum, e);
                s.store(e, x);
            }
            let sum = s.sum(sum);
            tally.loss += f64::from(sum).ln() - f64::from(target_logit - greatest);
            tally.correct += u64::from(target_logit >= greatest);
            tally.targets += 1;
            if let Some(scale) = self.scale {
                let factor = s.splat(scale / sum);
                for x in vectors {
                    s.store(s.mul(s.load(x), factor), x);
                }
                row[target as usize] -= scale;
            }
        }
        tally
    }
}

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
