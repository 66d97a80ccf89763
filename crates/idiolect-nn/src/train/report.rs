//! What a training tells of itself: progress, results, errors.

use serde::{Deserialize, Serialize};

use super::checkpoint::exact;
use super::config::ConfigError;
use super::evaluate::Evaluation;
use crate::ArchitectureError;

/// Where a training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Which epoch, from 0.
    pub epoch: usize,
    /// Of how many.
    pub epochs: usize,
    /// Training or measuring.
    pub phase: Phase,
    /// Share of the whole training that is done, 0 to 1, by targets.
    pub fraction: f64,
    /// Mean loss of this phase so far, by the training's objective; 0 before the first target.
    pub loss: f64,
    /// Share of the targets so far than which no token was more probable.
    pub accuracy: f64,
    /// Targets of this phase so far.
    pub targets_done: u64,
    /// About how many there will be: the sum of the sequences' size hints.
    pub targets_total: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
}

/// What a [`Progress`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Passing over the training sequences.
    Train,
    /// Measuring on the tune sequences.
    Tune,
}

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochReport {
    /// Which, from 0.
    pub epoch: usize,
    /// How well the sequences were predicted while being learned.
    pub train: Evaluation,
    /// How well the tune sequences were predicted afterwards.
    pub tune: Option<Evaluation>,
    /// The learning rate of the last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// Mean of the gradients' norms before clipping.
    #[serde(with = "exact")]
    pub gradient_norm: f64,
    /// Whether its weights are the best so far.
    pub best: bool,
}

/// How [`Trainer::epoch`](crate::Trainer::epoch) ended.
#[derive(Clone, Debug, PartialEq)]
pub enum EpochEnd {
    /// It is done.
    Done(EpochReport),
    /// The observer broke it off: the trainer stands as it stood before.
    Stopped,
}

/// How [`Trainer::run`](crate::Trainer::run) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// All epochs are done.
    AllEpochs,
    /// The tune loss had not improved for as many epochs as the patience allows.
    NoImprovement,
    /// The observer broke off an epoch: the trainer stands at the end of the one before.
    Stopped,
}

/// A training that cannot go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// The settings cannot be trained with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The network is beyond the bounds.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// No threads could be started.
    #[error("cannot start the threads of the training: {0}")]
    Threads(String),
    /// The training part holds nothing to learn.
    #[error("there is nothing to learn: no training sequence has a target")]
    NothingToLearn,
    /// More sequences than are supported.
    #[error("more than 4,294,967,295 sequences")]
    TooManySequences,
    /// A sequence with a token beyond the vocabulary, or with more inputs than targets or fewer.
    #[error("sequence {0} has a token beyond the vocabulary, or not as many inputs as targets")]
    BadSequence(usize),
    /// The loss or the gradient is no longer a number. The trainer stands at the end of the epoch before.
    #[error(
        "the loss or its gradient is not finite in epoch {epoch}, step {step} (both from 0): the learning \
         rate may be too high; the weights of the last whole epoch are kept"
    )]
    NotFinite {
        /// Which epoch, from 0.
        epoch: usize,
        /// Which chunk of it, from 0.
        step: u64,
    },
}
