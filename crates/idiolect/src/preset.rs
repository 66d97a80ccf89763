//! Networks and recipes that have a name.

use clap::ValueEnum;
use idiolect_detect::split::Policy;
use idiolect_detect::{
    Augmentation, FitConfig, ModelConfig, Network, NetworkConfig, SignalKind, Windows,
};
use idiolect_nn::{Dropout, Init, Optimiser, Schedule, TrainConfig};

use crate::args::SplitName;

/// A network and how it is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// One layer of 64: what larger networks reach, in the shortest time
    #[default]
    Small,
    /// One layer of 200
    Medium,
    /// Two layers of 400
    Large,
    /// One layer of 200, as Kim et al. 2016 trained it; takes many epochs
    #[value(name = "kim-200")]
    Kim200,
    /// One layer of 400, as they did
    #[value(name = "kim-400")]
    Kim400,
    /// Two layers of 400, as they did
    #[value(name = "kim-2x400")]
    Kim2x400,
    /// The original research script's: windows of 19 calls, layers of 64, 256 and 100, RMSprop (its own
    /// step size is --learning-rate 0.001)
    Seed,
}

/// All that a preset settles.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) network: Network,
    pub(crate) windows: Option<Windows>,
    pub(crate) train: TrainConfig,
    pub(crate) augmentation: Augmentation,
    pub(crate) split: SplitName,
}

impl Recipe {
    /// How to fit by it, on streams split by this policy.
    pub(crate) fn fit_config(self, policy: Policy) -> FitConfig {
        let network = NetworkConfig {
            network: self.network,
            windows: self.windows,
            train: self.train,
            augmentation: self.augmentation,
        };
        fit_config(ModelConfig::Network(Box::new(network)), policy)
    }
}

/// How to fit any model.
pub(crate) fn fit_config(model: ModelConfig, policy: Policy) -> FitConfig {
    FitConfig {
        model,
        policy,
        signal: SignalKind::Mean,
        rate: None,
        cross_fit: None,
    }
}

/// Optimiser steps below which a network has learned next to nothing, however often it saw the data.
const FEWEST_STEPS: usize = 600;
/// Most epochs that few data are gone through for the sake of that.
const MOST_EPOCHS: usize = 150;

impl Preset {
    /// The recipe for so many calls.
    pub(crate) fn recipe(self, calls: usize) -> Recipe {
        match self {
            Preset::Small => own(vec![64], 4e-3, 0.0, calls),
            Preset::Medium => own(vec![200], 2e-3, 0.2, calls),
            Preset::Large => own(vec![400, 400], 1e-3, 0.3, calls),
            Preset::Kim200 => kim(vec![200]),
            Preset::Kim400 => kim(vec![400]),
            Preset::Kim2x400 => kim(vec![400, 400]),
            Preset::Seed => seed(),
        }
    }
}

fn own(hidden: Vec<usize>, learning_rate: f64, dropout: f64, calls: usize) -> Recipe {
    let recipe = TrainConfig::default();
    let steps_an_epoch = calls.div_ceil(recipe.batch * recipe.bptt).max(1);
    let epochs = FEWEST_STEPS.div_ceil(steps_an_epoch).min(MOST_EPOCHS);
    Recipe {
        network: Network {
            embedding: Some(hidden[0]),
            hidden,
            init: Init::Usual,
        },
        windows: None,
        train: TrainConfig {
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
        },
        augmentation: Augmentation::DEFAULT,
        split: SplitName::Content,
    }
}

/// Kim et al. 2016, as far as the paper says: an embedding as wide as the layer, weights uniform in ±0.1,
/// Adam at 1e-4, gradients clipped at a norm of 5, dropout of 0.5 (here on every connection but the
/// recurrent ones, as in Zaremba et al. 2014, whose set-up it is), a start token. Batch, length of the
/// chunks and patience are not given: they are ours.
fn kim(hidden: Vec<usize>) -> Recipe {
    Recipe {
        network: Network {
            embedding: Some(hidden[0]),
            hidden,
            init: Init::Uniform(0.1),
        },
        windows: None,
        train: TrainConfig {
            epochs: 1_000,
            batch: 16,
            bptt: 100,
            optimiser: Optimiser::adam(1e-4),
            schedule: Schedule::Constant,
            clip_norm: Some(5.0),
            dropout: Dropout {
                embedding: 0.5,
                between: 0.5,
                output: 0.5,
            },
            patience: Some(5),
            ..TrainConfig::default()
        },
        augmentation: Augmentation::NONE,
        split: SplitName::Content,
    }
}

/// Step size of the original's network. The original's own, 0.001, has not learned in ten epochs what a
/// table of second-order transitions knows (RESULTS.md); twice that has.
const SEED_RATE: f64 = 2e-3;

/// The original: one-hot input, layers of 64, 256 and 100, dropout of 0.2 after each, softmax, RMSprop,
/// batches of 50, one epoch; at a step size of ours.
fn seed() -> Recipe {
    Recipe {
        network: Network {
            embedding: None,
            hidden: idiolect_eval::seed::HIDDEN.to_vec(),
            init: Init::Keras,
        },
        windows: Some(Windows {
            inputs: idiolect_eval::seed::INPUTS,
            lead_in: false,
            drop_in: false,
        }),
        train: TrainConfig {
            optimiser: Optimiser::rms_prop_outer(SEED_RATE),
            ..idiolect_eval::seed::train_config()
        },
        augmentation: Augmentation::NONE,
        split: SplitName::Order,
    }
}
