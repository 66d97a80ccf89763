//! Clipping and the optimiser's step over all weights.

use rayon::prelude::*;

use super::config::{Optimiser, OptimiserKind};
use super::engine::STRETCH;
use crate::kernel::Level;
use crate::kernel::elementwise::SumSquares;
use crate::kernel::step::{AdamFactors, AdamStep, RmsPropFactors, RmsPropStep, SgdStep};

/// Running means of the gradient and of its square, as far as the optimiser keeps them (else they are
/// empty), and how many steps they have seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: Vec<f32>,
    pub(crate) square: Vec<f32>,
    pub(crate) steps: u64,
}

impl Moments {
    pub(crate) fn new(kind: OptimiserKind, len: usize) -> Self {
        let (mean, square) = match kind {
            OptimiserKind::Adam | OptimiserKind::AdamW => (len, len),
            OptimiserKind::RmsProp | OptimiserKind::RmsPropOuter => (0, len),
            OptimiserKind::Sgd => (0, 0),
        };
        Moments {
            mean: vec![0.0; mean],
            square: vec![0.0; square],
            steps: 0,
        }
    }
}

/// Euclidean norm; `partial` is room to work in.
pub(crate) fn norm(level: Level, gradient: &[f32], partial: &mut Vec<f64>) -> f64 {
    partial.resize(gradient.len().div_ceil(STRETCH), 0.0);
    gradient
        .par_chunks(STRETCH)
        .zip(partial.par_iter_mut())
        .for_each(|(stretch, to)| *to = level.run(SumSquares(stretch)));
    partial.iter().sum::<f64>().sqrt()
}

/// What to multiply a gradient of this norm by so that it is `max` long at most: PyTorch's
/// `clip_grad_norm_`.
pub(crate) fn clip_factor(norm: f64, max: Option<f64>) -> f64 {
    max.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0))
}

/// One step: moves the weights against the gradient times `clip`.
pub(crate) fn step(
    level: Level,
    optimiser: &Optimiser,
    learning_rate: f64,
    clip: f64,
    weights: &mut [f32],
    gradient: &[f32],
    moments: &mut Moments,
) {
    moments.steps += 1;
    let parts = weights
        .par_chunks_mut(STRETCH)
        .zip(gradient.par_chunks(STRETCH));
    match optimiser.kind {
        OptimiserKind::Adam | OptimiserKind::AdamW => {
            let factors = adam_factors(optimiser, learning_rate, clip, moments.steps);
            parts
                .zip(moments.mean.par_chunks_mut(STRETCH))
                .zip(moments.square.par_chunks_mut(STRETCH))
                .for_each(|(((weights, gradient), mean), square)| {
                    level.run(AdamStep {
                        weights,
                        gradient,
                        mean,
                        square,
                        factors,
                    });
                });
        }
        OptimiserKind::RmsProp | OptimiserKind::RmsPropOuter => {
            let rho = optimiser.beta2;
            let epsilon = optimiser.epsilon as f32;
            let (inner, outer) = match optimiser.kind {
                OptimiserKind::RmsProp => (epsilon, 0.0),
                _ => (0.0, epsilon),
            };
            let factors = RmsPropFactors {
                clip: clip as f32,
                decay: optimiser.weight_decay as f32,
                rho: rho as f32,
                one_minus_rho: (1.0 - rho) as f32,
                step: learning_rate as f32,
                inner,
                outer,
            };
            parts.zip(moments.square.par_chunks_mut(STRETCH)).for_each(
                |((weights, gradient), square)| {
                    level.run(RmsPropStep {
                        weights,
                        gradient,
                        square,
                        factors,
                    });
                },
            );
        }
        OptimiserKind::Sgd => {
            let keep = (1.0 - learning_rate * optimiser.weight_decay) as f32;
            let step = (learning_rate * clip) as f32;
            parts.for_each(|(weights, gradient)| {
                level.run(SgdStep {
                    weights,
                    gradient,
                    keep,
                    step,
                });
            });
        }
    }
}

fn adam_factors(optimiser: &Optimiser, learning_rate: f64, clip: f64, steps: u64) -> AdamFactors {
    let Optimiser {
        beta1,
        beta2,
        weight_decay,
        ..
    } = *optimiser;
    // Beyond 2^31 steps both powers are 0 anyway.
    let steps = i32::try_from(steps).unwrap_or(i32::MAX);
    let (coupled, keep) = if optimiser.kind == OptimiserKind::AdamW {
        (0.0, 1.0 - learning_rate * weight_decay)
    } else {
        (weight_decay, 1.0)
    };
    AdamFactors {
        clip: clip as f32,
        coupled_decay: coupled as f32,
        keep: keep as f32,
        beta1: beta1 as f32,
        one_minus_beta1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        one_minus_beta2: (1.0 - beta2) as f32,
        step: (learning_rate / (1.0 - beta1.powi(steps))) as f32,
        root: (1.0 / (1.0 - beta2.powi(steps)).sqrt()) as f32,
        epsilon: optimiser.epsilon as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epsilon_of_rmsprop_lies_under_the_root_or_beside_it() {
        let gradient = [1e-4f32, -1e-4, 0.5, 0.0, 3e-3, -2.0, 1e-6, 1.0];
        for kind in [OptimiserKind::RmsProp, OptimiserKind::RmsPropOuter] {
            let optimiser = Optimiser {
                kind,
                ..Optimiser::rms_prop(1e-3)
            };
            let mut moments = Moments::new(kind, 8);
            let (mut weights, mut expected) = ([0.0f32; 8], [0.0f64; 8]);
            let mut squares = [0.0f64; 8];
            for _ in 0..3 {
                let level = Level::detect();
                step(
                    level,
                    &optimiser,
                    1e-3,
                    1.0,
                    &mut weights,
                    &gradient,
                    &mut moments,
                );
                for ((to, v), &g) in expected.iter_mut().zip(&mut squares).zip(&gradient) {
                    let g = f64::from(g);
                    *v = 0.9 * *v + 0.1 * g * g;
                    *to -= 1e-3 * g
                        / match kind {
                            OptimiserKind::RmsProp => (*v + 1e-7).sqrt(),
                            _ => v.sqrt() + 1e-7,
                        };
                }
            }
            for (weight, expected) in weights.iter().zip(expected) {
                let error = (f64::from(*weight) - expected).abs();
                assert!(
                    error <= 1e-6 * expected.abs() + 1e-12,
                    "{kind:?}: {weight} {expected}"
                );
            }
        }
    }

    #[test]
    fn clipping_shortens_what_is_too_long_only() {
        assert_eq!(clip_factor(3.0, None), 1.0);
        assert_eq!(clip_factor(3.0, Some(5.0)), 1.0);
        assert!((clip_factor(10.0, Some(5.0)) - 0.5).abs() < 1e-6);
        let mut partial = Vec::new();
        let gradient = vec![0.5; 100_000];
        let norm = norm(Level::detect(), &gradient, &mut partial);
        assert!((norm - 0.5 * 100_000f64.sqrt()).abs() < 1e-6);
    }
}
