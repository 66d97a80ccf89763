//! Which model is fitted.

use serde::{Deserialize, Serialize};

use super::NetworkConfig;
use crate::hmm::HmmConfig;
use crate::tables::TableConfig;
use crate::{CoderConfig, Windows};

/// A model before it is fitted, for whatever vocabulary the data have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelConfig {
    /// An LSTM language model, of whole streams or of windows.
    Network(Box<NetworkConfig>),
    /// A table that is counted: n-grams, PPM, STIDE and its kin.
    Table(TableConfig),
    /// A hidden Markov model.
    Hmm(HmmConfig),
    /// A model that rebuilds windows: a self-organising map or an autoencoder.
    Coder(CoderConfig),
}

impl ModelConfig {
    /// The seed of everything random; 0 where nothing is.
    pub fn seed(&self) -> u64 {
        match self {
            ModelConfig::Network(config) => config.train.seed,
            ModelConfig::Hmm(config) => config.seed,
            ModelConfig::Coder(config) => config.seed(),
            ModelConfig::Table(_) => 0,
        }
    }

    /// The same with this seed, where anything is random.
    pub fn with_seed(mut self, seed: u64) -> Self {
        match &mut self {
            ModelConfig::Network(config) => config.train.seed = seed,
            ModelConfig::Hmm(config) => config.seed = seed,
            ModelConfig::Coder(config) => *config = config.with_seed(seed),
            ModelConfig::Table(_) => {}
        }
        self
    }

    /// Whether it gives each call a probability, so that its measure is the surprise.
    pub fn is_language_model(&self) -> bool {
        match self {
            ModelConfig::Network(_) | ModelConfig::Hmm(_) => true,
            ModelConfig::Coder(_) => false,
            ModelConfig::Table(config) => {
                matches!(config, TableConfig::Ngram { .. } | TableConfig::Ppm { .. })
            }
        }
    }

    /// The windows that a network reads, if it does.
    pub fn windows(&self) -> Option<&Windows> {
        match self {
            ModelConfig::Network(config) => config.windows.as_ref(),
            _ => None,
        }
    }

    /// Numbers that are trained; 0 of what is counted.
    pub(super) fn weight_count(&self, vocab: usize) -> usize {
        match self {
            ModelConfig::Network(config) => config.network.architecture(vocab).weight_count(),
            ModelConfig::Hmm(config) => config.weight_count(vocab),
            ModelConfig::Coder(config) => config.weight_count(vocab),
            ModelConfig::Table(_) => 0,
        }
    }
}
