//! What the caller is told while a profile is fitted.

use idiolect_nn::{EpochReport, Progress, Trainer};

use super::FitConfig;
use crate::hmm::Iteration;
use crate::{Checkpoint, Unit};

/// What happens while a profile is fitted.
#[derive(Debug)]
#[non_exhaustive]
pub enum FitEvent<'a> {
    /// The data have been split.
    Split {
        /// Units that train, tune and calibrate.
        units: [usize; 3],
        /// What is scored as one.
        unit: Unit,
        /// Tokens of the vocabulary.
        vocabulary: usize,
        /// Numbers that are trained; 0 of what is counted.
        weights: usize,
    },
    /// Training goes on; `fold` is (which, of how many) while cross-fitting.
    Progress {
        /// Which fold, from 1, of how many.
        fold: Option<(usize, usize)>,
        /// How far it is.
        progress: &'a Progress,
    },
    /// An iteration over the data is done, of a model that is trained by them (Baum and Welch's).
    Iteration {
        /// Which fold, from 1, of how many.
        fold: Option<(usize, usize)>,
        /// Which iteration it was and what it came to.
        iteration: Iteration,
        /// Of how many at most.
        of: usize,
    },
    /// A model that is trained in one go is so far.
    Share {
        /// Which fold, from 1, of how many.
        fold: Option<(usize, usize)>,
        /// How much is done, from 0 to 1.
        share: f64,
    },
    /// An epoch is done.
    Epoch {
        /// Which fold, from 1, of how many.
        fold: Option<(usize, usize)>,
        /// How it went.
        report: &'a EpochReport,
        /// From here an interrupted fit can go on; `None` in a fold.
        checkpoint: Option<Unsaved<'a>>,
    },
    /// The held-out part is being scored.
    Calibrating,
}

/// A checkpoint that is only made when asked for.
#[derive(Debug)]
pub struct Unsaved<'a> {
    pub(super) trainer: &'a Trainer,
    pub(super) config: &'a FitConfig,
    pub(super) data_hash: &'a str,
}

impl Unsaved<'_> {
    /// Makes it.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(self.trainer.checkpoint(), self.config, self.data_hash)
    }
}
