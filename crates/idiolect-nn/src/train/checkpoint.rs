//! A training between two epochs, to be kept and resumed.

use serde::{Deserialize, Serialize};

use super::config::{ConfigError, TrainConfig};
use super::optimiser::Moments;
use super::report::{EpochReport, TrainError};
use super::trainer::{Course, Trainer};
use crate::{Architecture, ArchitectureError, Weights, WeightsError};

/// A training between two epochs: what is small as serialisable metadata, what is large as named tensors.
///
/// The tensors are those of [`Weights`](crate::Weights) under the prefixes `weights.`, `adam.mean.`,
/// `adam.square.` and, after the first epoch, `best.`.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Everything but the tensors.
    pub metadata: CheckpointMetadata,
    /// Name, shape and numbers, row-major.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

/// Everything of a checkpoint but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointMetadata {
    /// Version of this layout.
    pub format: u32,
    /// Shape of the network.
    pub architecture: Architecture,
    /// How it is trained.
    pub config: TrainConfig,
    /// Epochs done.
    pub epochs_done: usize,
    /// Optimiser steps done.
    pub steps: u64,
    /// What the plateau schedule has come to, as a share of the learning rate.
    #[serde(with = "exact")]
    pub plateau: f64,
    /// Epochs without a better loss, as the plateau schedule counts them.
    pub plateau_waited: usize,
    /// Lowest loss that the plateau schedule has met; infinite before the first epoch.
    #[serde(with = "exact")]
    pub plateau_best: f64,
    /// Epochs since the best one, as early stopping counts them.
    pub waited: usize,
    /// Lowest tune loss; infinite before the first.
    #[serde(with = "exact")]
    pub best_loss: f64,
    /// The epoch whose weights are kept as the best, from 0.
    pub best_epoch: Option<usize>,
    /// The epochs that are done.
    pub history: Vec<EpochReport>,
}

impl CheckpointMetadata {
    /// The version of the layout that this crate writes, and the only one it reads.
    pub const FORMAT: u32 = 1;
}

/// A checkpoint that cannot be resumed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// Written by another version.
    #[error("the checkpoint has format {0}, this version reads {current}", current = CheckpointMetadata::FORMAT)]
    Format(u32),
    /// Its network is beyond the bounds.
    #[error("the checkpoint's network: {0}")]
    Architecture(#[from] ArchitectureError),
    /// Its settings cannot be trained with.
    #[error("the checkpoint: {0}")]
    Config(#[from] ConfigError),
    /// One of its sets of tensors is not the network's.
    #[error("the checkpoint's {part}: {error}")]
    Tensors {
        /// The prefix of the set.
        part: &'static str,
        /// What is wrong with it.
        error: WeightsError,
    },
    /// A tensor belongs to no set.
    #[error("the checkpoint has a tensor {0:?} that belongs to nothing")]
    Unknown(String),
    /// Numbers that contradict each other.
    #[error("the checkpoint contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// No threads could be started.
    #[error("cannot start the threads of the training: {0}")]
    Threads(String),
}

impl Trainer {
    /// The training as it stands, between two epochs.
    pub fn checkpoint(&self) -> Checkpoint {
        let layout = &self.engine.layout;
        let mut tensors = Vec::new();
        let mut add = |prefix: &str, flat: &[f32]| {
            let weights = layout.unflatten(&self.architecture, flat);
            tensors.extend(weights.tensors().map(|(name, shape, data)| {
                (format!("{prefix}{name}"), shape.to_vec(), data.to_vec())
            }));
        };
        add(WEIGHTS, &self.weights);
        add(MEAN, &self.moments.mean);
        add(SQUARE, &self.moments.square);
        if let Some(best) = &self.best {
            add(BEST, best);
        }
        let course = self.course.clone();
        Checkpoint {
            metadata: CheckpointMetadata {
                format: CheckpointMetadata::FORMAT,
                architecture: self.architecture.clone(),
                config: self.config.clone(),
                epochs_done: course.history.len(),
                steps: self.moments.steps,
                plateau: course.plateau,
                plateau_waited: course.plateau_waited,
                plateau_best: course.plateau_best,
                waited: course.waited,
                best_loss: course.best_loss,
                best_epoch: course.best_epoch,
                history: course.history,
            },
            tensors,
        }
    }

    /// Goes on from a checkpoint, which is checked throughout: it may come from a damaged file.
    pub fn from_checkpoint(
        checkpoint: Checkpoint,
        threads: usize,
    ) -> Result<Self, CheckpointError> {
        let Checkpoint { metadata, tensors } = checkpoint;
        check(&metadata)?;
        let architecture = &metadata.architecture;
        let mut parts = PARTS.map(|_| Vec::new());
        for (name, shape, data) in tensors {
            let part = PARTS.iter().position(|prefix| name.starts_with(prefix));
            let Some(part) = part else {
                return Err(CheckpointError::Unknown(name.chars().take(64).collect()));
            };
            parts[part].push((name[PARTS[part].len()..].to_owned(), shape, data));
        }
        let has_best = !parts[3].is_empty();
        if has_best != metadata.best_epoch.is_some() {
            return Err(CheckpointError::Inconsistent(
                "best epoch without its weights, or the reverse",
            ));
        }
        let mut sets = Vec::new();
        for (part, tensors) in PARTS.into_iter().zip(parts) {
            if part == BEST && !has_best {
                continue;
            }
            let set = Weights::from_tensors(architecture, tensors);
            sets.push(set.map_err(|error| CheckpointError::Tensors { part, error })?);
        }
        let mut trainer =
            Trainer::new(&sets[0], metadata.config, threads).map_err(|e| match e {
                TrainError::Config(error) => CheckpointError::Config(error),
                TrainError::Architecture(error) => CheckpointError::Architecture(error),
                other => CheckpointError::Threads(other.to_string()),
            })?;
        let layout = &trainer.engine.layout;
        trainer.moments = Moments {
            mean: layout.flatten(&sets[1]),
            square: layout.flatten(&sets[2]),
            steps: metadata.steps,
        };
        if trainer.moments.square.iter().any(|&x| x < 0.0) {
            return Err(CheckpointError::Inconsistent("a mean of squares below 0"));
        }
        trainer.boundary.1 = trainer.moments.clone();
        trainer.best = sets.get(3).map(|best| layout.flatten(best));
        trainer.course = Course {
            plateau: metadata.plateau,
            plateau_waited: metadata.plateau_waited,
            plateau_best: metadata.plateau_best,
            waited: metadata.waited,
            best_loss: metadata.best_loss,
            best_epoch: metadata.best_epoch,
            history: metadata.history,
        };
        Ok(trainer)
    }
}

const WEIGHTS: &str = "weights.";
const MEAN: &str = "adam.mean.";
const SQUARE: &str = "adam.square.";
const BEST: &str = "best.";
const PARTS: [&str; 4] = [WEIGHTS, MEAN, SQUARE, BEST];

fn check(metadata: &CheckpointMetadata) -> Result<(), CheckpointError> {
    if metadata.format != CheckpointMetadata::FORMAT {
        return Err(CheckpointError::Format(metadata.format));
    }
    metadata.architecture.validate()?;
    metadata.config.validate()?;
    let wrong = |what| Err(CheckpointError::Inconsistent(what));
    if metadata.history.len() != metadata.epochs_done {
        return wrong("not as many reports as epochs");
    }
    if metadata
        .history
        .iter()
        .enumerate()
        .any(|(i, report)| report.epoch != i)
    {
        return wrong("the reports of epochs are out of order");
    }
    if metadata
        .best_epoch
        .is_some_and(|best| best >= metadata.epochs_done)
        || metadata.best_epoch.is_none() != (metadata.epochs_done == 0)
    {
        return wrong("the best epoch is none of those that are done");
    }
    if !(0.0..=1.0).contains(&metadata.plateau) {
        return wrong("the plateau schedule is beyond the learning rate");
    }
    if metadata.best_loss.is_nan() || metadata.plateau_best.is_nan() {
        return wrong("a best loss that is not a number");
    }
    Ok(())
}

/// f64 as a decimal text that reads back to the very same number, infinities and NaN included: JSON
/// readers differ in the last bit, and a resumed training must not.
pub(crate) mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{x:?}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse()
            .map_err(|_| D::Error::custom(format_args!("not a number: {text:?}")))
    }
}
