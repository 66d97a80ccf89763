//! The loss of a stretch of outputs and its gradient, in one go.

use super::math::exp;
use super::{Kernel, LANES, Simd};
use crate::train::{IGNORE, Objective};

/// Loss of some rows of outputs and, in place, its gradient.
#[derive(Debug)]
pub(crate) struct Loss<'a> {
    /// What is to be made small.
    pub(crate) objective: Objective,
    /// Number of tokens, V.
    pub(crate) vocab: usize,
    /// [rows, V padded]: outputs of the last layer without the bias before; after, if `scale` is given,
    /// the gradient of the scaled loss, with 0 in the padding and in rows whose target is to be ignored.
    pub(crate) outputs: &'a mut [f32],
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
    /// Sum of the targets' losses.
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

impl Kernel for Loss<'_> {
    type Output = Tally;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Tally {
        let mut tally = Tally::default();
        let rows = self.outputs.chunks_exact_mut(self.bias.len());
        for (row, &target) in rows.zip(self.targets) {
            if target == IGNORE {
                if self.scale.is_some() {
                    row.fill(0.0);
                }
                continue;
            }
            let target = target as usize;
            let (vocab, scale) = (self.vocab, self.scale);
            let greatest = add_bias(s, row, self.bias, vocab);
            tally.correct += u64::from(row[target] >= greatest);
            tally.targets += 1;
            tally.loss += match self.objective {
                Objective::CrossEntropy => cross_entropy(s, row, target, greatest, scale),
                Objective::MeanSquared => mean_squared(s, row, vocab, target, greatest, scale),
                Objective::UnnormalisedCrossEntropy => unnormalised(row, vocab, target, scale),
            };
        }
        tally
    }
}

/// Adds the bias; the padding becomes -infinity. Gives the greatest output.
#[inline(always)]
fn add_bias<S: Simd>(s: S, row: &mut [f32], bias: &[f32], vocab: usize) -> f32 {
    row[vocab..].fill(f32::NEG_INFINITY);
    let vectors = row.as_chunks_mut::<LANES>().0;
    let mut greatest = s.splat(f32::NEG_INFINITY);
    for (x, bias) in vectors.iter_mut().zip(bias.as_chunks::<LANES>().0) {
        let output = s.add(s.load(x), s.load(bias));
        greatest = s.max(greatest, output);
        s.store(output, x);
    }
    s.greatest(greatest)
}

/// The exponentials of the outputs, the greatest's being 1, in their place; gives their sum.
#[inline(always)]
fn exponentials<S: Simd>(s: S, row: &mut [f32], greatest: f32) -> f32 {
    let mut sum = s.splat(0.0);
    for x in row.as_chunks_mut::<LANES>().0 {
        let e = exp(s, s.sub(s.load(x), s.splat(greatest)));
        sum = s.add(sum, e);
        s.store(e, x);
    }
    s.sum(sum)
}

/// -ln p of the target. Its gradient is p, less 1 for the target.
#[inline(always)]
fn cross_entropy<S: Simd>(
    s: S,
    row: &mut [f32],
    target: usize,
    greatest: f32,
    scale: Option<f32>,
) -> f64 {
    let target_output = row[target];
    let sum = exponentials(s, row, greatest);
    if let Some(scale) = scale {
        let factor = s.splat(scale / sum);
        for x in row.as_chunks_mut::<LANES>().0 {
            s.store(s.mul(s.load(x), factor), x);
        }
        row[target] -= scale;
    }
    f64::from(sum).ln() - f64::from(target_output - greatest)
}

/// The mean over the tokens of (p - 1)^2 for the target and p^2 for the others.
///
/// With q the sum of the squares of the others' p, and r = 1 - p of the target, which is the sum of the
/// others' and found as such, since near 1 the difference would be lost: the loss is (q + r^2) / V, its
/// gradient 2/V p (p - (q - r p of the target)) for the others and -2/V p (q + r^2) for the target.
#[inline(always)]
fn mean_squared<S: Simd>(
    s: S,
    row: &mut [f32],
    vocab: usize,
    target: usize,
    greatest: f32,
    scale: Option<f32>,
) -> f64 {
    exponentials(s, row, greatest);
    let hit = std::mem::take(&mut row[target]);
    let (mut others, mut squares) = (s.splat(0.0), s.splat(0.0));
    for e in row.as_chunks::<LANES>().0 {
        let e = s.load(e);
        others = s.add(others, e);
        squares = s.mul_add(e, e, squares);
    }
    let others = s.sum(others);
    let sum = others + hit;
    let (hit, rest) = (hit / sum, others / sum);
    let squares = s.sum(squares) / sum / sum;
    let loss = squares + rest * rest;
    if let Some(scale) = scale {
        let scale = scale * 2.0 / vocab as f32;
        let lower = s.splat(squares - hit * rest);
        for x in row.as_chunks_mut::<LANES>().0 {
            let p = s.mul(s.load(x), s.splat(1.0 / sum));
            s.store(s.mul(s.mul(p, s.splat(scale)), s.sub(p, lower)), x);
        }
        row[target] = -scale * hit * loss;
    }
    f64::from(loss) / vocab as f64
}

/// Share below which, and below 1, Keras clips probabilities: its `epsilon()`.
const CLIP: f32 = 1e-7;

/// -ln of the target's share of the outputs' sum, the share kept within what Keras keeps it in.
///
/// The gradient is 1/S for each output, S their sum, and 1/S - 1/z for the target's output z; none where
/// the share is clipped. In f64: outputs of both signs cancel each other.
#[inline(always)]
fn unnormalised(row: &mut [f32], vocab: usize, target: usize, scale: Option<f32>) -> f64 {
    let sum: f64 = row[..vocab].iter().map(|&z| f64::from(z)).sum();
    let output = f64::from(row[target]);
    let share = output / sum;
    let (low, high) = (f64::from(CLIP), f64::from(1.0 - CLIP));
    if let Some(scale) = scale {
        // Not within, if NaN; the loss is NaN then, which stops the training.
        let within = (low..=high).contains(&share);
        let slope = if within { f64::from(scale) / sum } else { 0.0 };
        row[..vocab].fill(slope as f32);
        row[vocab..].fill(0.0);
        if within {
            row[target] = (slope - f64::from(scale) / output) as f32;
        }
    }
    -share.clamp(low, high).ln()
}
