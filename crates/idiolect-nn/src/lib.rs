//! LSTM language models over tokens: training and following streams, at speed.
//!
//! A [`Scorer`] follows streams one token at a time; a [`Trainer`] learns [`Weights`] from a [`Corpus`];
//! [`mean_loss`] measures them on another. Tokens are numbers below the vocabulary: this crate knows
//! nothing of what they stand for, and reads and writes no files.
//!
//! The same weights, seed and corpus give the same numbers bit for bit on one machine, whatever the
//! number of threads. Another kind of machine (see [`Instructions`]) rounds otherwise.
//!
//! ```
//! use idiolect_nn::{Architecture, Scorer, Weights};
//!
//! let architecture = Architecture { vocab: 10, embedding: Some(8), hidden: vec![16] };
//! let weights = Weights::init(&architecture, 1)?;
//! let scorer = Scorer::new(&weights);
//! let mut stream = scorer.state();
//! let mut surprise = 0.0;
//! scorer.advance(&mut stream, 0); // the start token is not scored
//! for token in [3, 1, 4] {
//!     surprise -= scorer.log_prob(&stream, token);
//!     scorer.advance(&mut stream, token);
//! }
//! assert!(surprise > 0.0);
//! # Ok::<(), idiolect_nn::ArchitectureError>(())
//! ```

mod architecture;
mod init;
mod kernel;
mod layout;
pub mod one_hot;
mod rng;
mod scorer;
#[cfg(test)]
mod tests;
mod train;
mod weights;

pub use architecture::{Architecture, ArchitectureError};
pub use init::Init;
pub use kernel::Instructions;
pub use rng::Rng;
pub use scorer::{Form, Scorer, State, StateError};
pub use train::{
    Checkpoint, CheckpointError, CheckpointMetadata, ConfigError, Corpus, Dropout, EpochEnd,
    EpochReport, Evaluation, IGNORE, Objective, Optimiser, OptimiserKind, Phase, Progress, RunEnd,
    Schedule, TrainConfig, TrainError, Trainer, mean_loss, mean_objective,
};
pub use weights::{Weights, WeightsError};
