//! Why no profile came of it.

use idiolect_nn::one_hot::OneHotError;
use idiolect_nn::{ArchitectureError, CheckpointError, TrainError};

use crate::split::TooLittle;
use crate::tables::TableError;
use crate::{Checkpoint, RateError, Vocabulary};

/// Why no profile came of it.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// There is too little to learn from.
    #[error(transparent)]
    TooLittle(#[from] TooLittle),
    /// The data do not support the false alarm rate asked for.
    #[error(
        "{rate}. Record more normal runs, ask for a higher rate, or calibrate on all streams with --cross-fit 5"
    )]
    Rate {
        /// Which and why.
        rate: RateError,
    },
    /// The streams are too few to be held out whole.
    #[error(
        "cross-fitting holds whole streams out, and needs {min} different ones. Run without --cross-fit: the \
         streams are then cut into blocks by time",
        min = crate::split::MIN_UNITS
    )]
    TooFewToCrossFit,
    /// The data have more different calls than a vocabulary may have.
    #[error(
        "{0} different calls are more than the {max} that a vocabulary may have: is this a trace of system calls?",
        max = Vocabulary::MAX_TOKENS
    )]
    TooManyCalls(usize),
    /// The table cannot be counted.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The hidden Markov model is out of bounds, or its training came to nothing.
    #[error("{0}")]
    Hmm(&'static str),
    /// The model of windows is out of bounds, or there is no window.
    #[error("{0}")]
    Coder(OneHotError),
    /// The network is out of bounds.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The loss or a gradient is not finite.
    #[error("{source}. Another --seed may help")]
    Train {
        /// Where it happened.
        source: TrainError,
        /// The last good state, where there is one.
        checkpoint: Option<Box<Checkpoint>>,
    },
    /// The observer stopped it.
    #[error("interrupted")]
    Interrupted {
        /// The state after the last whole epoch, where there is one.
        checkpoint: Option<Box<Checkpoint>>,
    },
    /// The checkpoint belongs to other data or to another configuration.
    #[error("the checkpoint does not belong to this run: {0}. Run without --resume to begin anew")]
    OtherRun(String),
    /// The checkpoint does not hold a trainer's state.
    #[error("the checkpoint is damaged: {0}. Run without --resume to begin anew")]
    Checkpoint(#[from] CheckpointError),
}
