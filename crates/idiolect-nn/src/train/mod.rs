//! Learning weights from sequences: truncated backpropagation through time over whole streams.

mod checkpoint;
mod config;
mod corpus;
mod engine;
mod evaluate;
mod lanes;
mod optimiser;
mod report;
mod rows;
mod shard;
mod site;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointMetadata};
pub use config::{
    ConfigError, Dropout, Objective, Optimiser, OptimiserKind, Schedule, TrainConfig,
};
pub use corpus::{Corpus, IGNORE};
pub use evaluate::{Evaluation, mean_loss, mean_objective};
pub(crate) use optimiser::{Moments, step};
pub use report::{EpochEnd, EpochReport, Phase, Progress, RunEnd, TrainError};
pub use trainer::Trainer;

/// What tests look at from outside.
#[cfg(test)]
pub(crate) mod inside {
    pub(crate) use super::engine::Engine;
    pub(crate) use super::lanes::Feeder;
}
