//! Fitting a hidden Markov model.

use super::{FitError, FitEvent, Fitter, Observer};
use crate::Vocabulary;
use crate::corpus::PieceCorpus;
use crate::hmm::{BaumWelch, HmmConfig, HmmModel, HmmSequence};

impl Fitter<'_> {
    /// Trains on these sequences, for a vocabulary of this size.
    pub(super) fn train_hmm(
        &self,
        config: &HmmConfig,
        corpus: &PieceCorpus<'_>,
        vocab: usize,
        unknown: f64,
        fold: Option<(usize, usize)>,
        observer: &mut Observer<'_>,
    ) -> Result<HmmModel, FitError> {
        let sequences: Vec<HmmSequence> = corpus
            .sequences()
            .flat_map(HmmSequence::of_stream)
            .collect();
        let calls = vocab - Vocabulary::FIRST_CALL as usize;
        let mut model = BaumWelch::begin(config, calls, &sequences).map_err(FitError::Hmm)?;
        let mut last = f64::INFINITY;
        for _ in 0..config.iterations {
            let iteration = model.iterate(&sequences, self.threads);
            let event = FitEvent::Iteration {
                fold,
                iteration,
                of: config.iterations,
            };
            self.event(event, observer)?;
            if last - iteration.surprise < config.tolerance {
                break;
            }
            last = iteration.surprise;
        }
        HmmModel::new(model.parameters(), unknown).map_err(FitError::Hmm)
    }
}
