//! Networks and recipes that have a name.

use clap::ValueEnum;
use idiolect_nn::{Dropout, Optimiser, Schedule, TrainConfig};

/// A network and how it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// One layer of 64: what larger networks reach, in the shortest time
    Small,
    /// One layer of 200
    Medium,
    /// Two layers of 400
    Large,
}

/// Optimiser steps below which a network has learned next to nothing, however often it saw the data.
const FEWEST_STEPS: usize = 600;
/// Most epochs that few data are gone through for the sake of that.
const MOST_EPOCHS: usize = 150;

impl Preset {
    /// Width of each layer, which is the embedding's too.
    pub(crate) fn hidden(self) -> Vec<usize> {
        match self {
            Preset::Small => vec![64],
            Preset::Medium => vec![200],
            Preset::Large => vec![400, 400],
        }
    }

    /// How it is trained on so many calls.
    pub(crate) fn recipe(self, calls: usize) -> TrainConfig {
        let (learning_rate, dropout) = match self {
            Preset::Small => (4e-3, 0.0),
            Preset::Medium => (2e-3, 0.2),
            Preset::Large => (1e-3, 0.3),
        };
        let recipe = TrainConfig::default();
        let steps_an_epoch = calls.div_ceil(recipe.batch * recipe.bptt).max(1);
        let epochs = FEWEST_STEPS.div_ceil(steps_an_epoch).min(MOST_EPOCHS);
        TrainConfig {
            epochs: epochs.max(20),
            batch: 16,
            bptt: 100,
            optimiser: Optimiser::adam(learning_rate),
            schedule: Schedule::Cosine { floor: 0.0 },
            clip_norm: Some(5.0),
            dropout: Dropout {
                embedding: dropout,
                between: dropout,
                output: dropout,
            },
            // The cosine brings the last epochs its best; only a network that has begun to learn its data
            // by heart stops before.
            patience: Some(8),
            ..recipe
        }
    }
}
