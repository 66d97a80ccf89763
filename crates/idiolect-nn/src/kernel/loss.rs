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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::{Level, padded};

    const OBJECTIVES: [Objective; 3] = [
        Objective::CrossEntropy,
        Objective::MeanSquared,
        Objective::UnnormalisedCrossEntropy,
    ];

    /// What is lost of a gradient that is the difference of two numbers near 1.
    const ROUNDING: f64 = 5e-7;

    /// Loss and gradient of one row, without a bias.
    fn of(level: Level, objective: Objective, outputs: &[f32], target: u32) -> (f64, Vec<f32>) {
        let vocab = outputs.len();
        // What lies in the padding must not matter.
        let mut row = outputs.to_vec();
        row.resize(padded(vocab), 7.0);
        let bias = vec![0.0; row.len()];
        let tally = level.run(Loss {
            objective,
            vocab,
            outputs: &mut row,
            bias: &bias,
            targets: &[target],
            scale: Some(1.0),
        });
        let most = outputs.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
        assert_eq!(tally.correct == 1, outputs[target as usize] >= most);
        assert!(row[vocab..].iter().all(|&x| x == 0.0));
        row.truncate(vocab);
        (tally.loss, row)
    }

    proptest! {
        /// What is added to all outputs changes no probability, and what all are multiplied by no share:
        /// no gradient points that way. A loss is never below 0, and all kinds of machine agree.
        #[test]
        fn gradients_keep_to_what_the_loss_depends_on(
            outputs in prop::collection::vec(-9.0f32..9.0, 1..40),
            place: prop::sample::Index,
        ) {
            let target = place.index(outputs.len());
            for objective in OBJECTIVES {
                let (loss, gradient) = of(Level::plain(), objective, &outputs, target as u32);
                prop_assert!(loss >= -1e-6, "{objective:?} {loss}");
                let size = gradient.iter().fold(0f64, |m, &x| m.max(f64::from(x.abs())));
                for level in Level::all() {
                    let (other_loss, other) = of(level, objective, &outputs, target as u32);
                    prop_assert!((loss - other_loss).abs() <= 1e-5 * (1.0 + loss));
                    for (a, b) in gradient.iter().zip(&other) {
                        prop_assert!(f64::from((a - b).abs()) <= 1e-5 * size + ROUNDING);
                    }
                }
                let along: f64 = match objective {
                    Objective::UnnormalisedCrossEntropy => {
                        gradient.iter().zip(&outputs).map(|(g, z)| f64::from(g * z)).sum()
                    }
                    _ => gradient.iter().map(|&g| f64::from(g)).sum(),
                };
                prop_assert!(along.abs() <= 1e-4 * size + ROUNDING, "{objective:?} {along}");
            }
        }
    }

    #[test]
    fn a_row_without_a_target_counts_nothing_and_moves_nothing() {
        for objective in OBJECTIVES {
            let mut outputs = [3.0; 16];
            let tally = Level::detect().run(Loss {
                objective,
                vocab: 13,
                outputs: &mut outputs,
                bias: &[1.0; 16],
                targets: &[IGNORE],
                scale: Some(1.0),
            });
            assert_eq!(tally, Tally::default());
            assert_eq!(outputs, [0.0; 16]);
        }
    }

    #[test]
    fn squares_are_exact_where_the_target_is_all_but_certain() {
        // p of the others is e^-20 / (1 + 3 e^-20) each.
        let (loss, gradient) = of(
            Level::detect(),
            Objective::MeanSquared,
            &[20.0, 0.0, 0.0, 0.0],
            0,
        );
        let p = 1.0 / (20f64.exp() + 3.0);
        let exact = (3.0 * p * p + 9.0 * p * p) / 4.0;
        assert!((loss - exact).abs() < 1e-5 * exact, "{loss} {exact}");
        assert!(gradient[0] < 0.0 && gradient[1] > 0.0, "{gradient:?}");
    }

    #[test]
    fn shares_beyond_the_bounds_are_clipped_and_do_not_pull() {
        let of = |outputs: &[f32]| {
            of(
                Level::detect(),
                Objective::UnnormalisedCrossEntropy,
                outputs,
                0,
            )
        };
        // Below 0, above 1, and a sum below 0 that makes a share of two numbers below 0.
        assert!((of(&[-1.0, 3.0]).0 - 16.118_095).abs() < 1e-4);
        assert_eq!(of(&[-1.0, 3.0]).1, [0.0, 0.0]);
        assert!(of(&[3.0, -1.0]).0 < 2e-7);
        assert_eq!(of(&[3.0, -1.0]).1, [0.0, 0.0]);
        let (loss, gradient) = of(&[-1.0, -3.0]);
        assert!((loss - 4f64.ln()).abs() < 1e-6);
        assert_eq!(gradient, [0.75, -0.25]);
        // A sum of 0 is an error of the training, not a number.
        assert!(of(&[0.0, 0.0]).0.is_nan());
    }
}
