//! A training between two epochs, to be kept and resumed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{ConfigError, OptimiserKind, TrainConfig};
use super::optimiser::Moments;
use super::report::{EpochReport, TrainError};
use super::trainer::{Course, Trainer};
use crate::{Architecture, ArchitectureError, Weights, WeightsError};

/// A training between two epochs: what is small as serialisable metadata, what is large as named tensors.
///
/// The tensors are those of [`Weights`](crate::Weights) under the prefixes `weights.`, those that the
/// optimiser keeps (`adam.mean.` and `adam.square.`, `rmsprop.square.`, or none) and, after the first
/// epoch, `best.`.
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
        let kept = kept(self.config.optimiser.kind);
        for (prefix, moments) in [
            (kept.mean, &self.moments.mean),
            (kept.square, &self.moments.square),
        ] {
            if let Some(prefix) = prefix {
                add(prefix, moments);
            }
        }
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
        let kept = kept(metadata.config.optimiser.kind);
        let mut sets = Sets::default();
        for (name, shape, data) in tensors {
            let prefixes = [Some(WEIGHTS), kept.mean, kept.square, Some(BEST)];
            let prefix = prefixes.into_iter().flatten();
            let Some((prefix, rest)) = prefix
                .filter_map(|prefix| Some((prefix, name.strip_prefix(prefix)?)))
                .next()
            else {
                return Err(CheckpointError::Unknown(name.chars().take(64).collect()));
            };
            let set = sets.entry(prefix).or_default();
            set.push((rest.to_owned(), shape, data));
        }
        if sets.contains_key(BEST) != metadata.best_epoch.is_some() {
            return Err(CheckpointError::Inconsistent(
                "best epoch without its weights, or the reverse",
            ));
        }
        let mut set = |part: &'static str| {
            let tensors = sets.remove(part).unwrap_or_default();
            Weights::from_tensors(architecture, tensors)
                .map_err(|error| CheckpointError::Tensors { part, error })
        };
        let weights = set(WEIGHTS)?;
        let mean = kept.mean.map(&mut set).transpose()?;
        let square = kept.square.map(&mut set).transpose()?;
        let best = metadata.best_epoch.map(|_| set(BEST)).transpose()?;
        let mut trainer =
            Trainer::new(&weights, metadata.config, threads).map_err(|e| match e {
                TrainError::Config(error) => CheckpointError::Config(error),
                TrainError::Architecture(error) => CheckpointError::Architecture(error),
                other => CheckpointError::Threads(other.to_string()),
            })?;
        let layout = &trainer.engine.layout;
        let flat = |set: Option<Weights>| set.map(|set| layout.flatten(&set));
        trainer.moments = Moments {
            mean: flat(mean).unwrap_or_default(),
            square: flat(square).unwrap_or_default(),
            steps: metadata.steps,
        };
        if trainer.moments.square.iter().any(|&x| x < 0.0) {
            return Err(CheckpointError::Inconsistent("a mean of squares below 0"));
        }
        trainer.boundary.1 = trainer.moments.clone();
        trainer.best = flat(best);
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
const BEST: &str = "best.";

/// Tensors under each prefix.
type Sets = BTreeMap<&'static str, Vec<(String, Vec<usize>, Vec<f32>)>>;

/// Prefixes of what an optimiser keeps: of the running mean of the gradient and of that of its square.
struct Kept {
    mean: Option<&'static str>,
    square: Option<&'static str>,
}

fn kept(kind: OptimiserKind) -> Kept {
    let (mean, square) = match kind {
        OptimiserKind::Adam | OptimiserKind::AdamW => (Some("adam.mean."), Some("adam.square.")),
        OptimiserKind::RmsProp | OptimiserKind::RmsPropOuter => (None, Some("rmsprop.square.")),
        OptimiserKind::Sgd => (None, None),
    };
    Kept { mean, square }
}

fn check(metadata: &CheckpointMetadata) -> Result<(), CheckpointError> {
    if metadata.format != CheckpointMetadata::FORMAT {
        return Err(CheckpointError::Format(metadata.format));
    }
    metadata.architecture.validate()?;
    metadata.config.validate_for(&metadata.architecture)?;
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
