//! The profile: what normal sounds like, in one file.
//!
//! The file is a safetensors file. Its metadata has one key, `idiolect`, with a JSON header: format,
//! vocabulary, what each model is, how signals and verdicts are made, and where it all comes from.
//! Tensors named `model.N.*` are the models' weights or counts, and `calibration.N` the ascending scores of each
//! calibration; `sets.*` are the sets of calls of training streams. Weights and scores are little-endian 32-bit floats, counts integers without sign. Loading runs nothing and believes nothing: every
//! count, shape and value is checked.

pub(crate) mod container;
mod error;
mod file;
mod header;
mod models;
mod sets;
mod trust;

use std::collections::BTreeSet;

use idiolect_nn::Form;
use idiolect_trace::StartKind;

pub use container::looks_like_profile;
pub use error::{Problem, ProfileError};
pub use header::{Decision, Provenance, TokenScheme};

use crate::calibrate::SignalsOf;
use crate::hmm::HmmModel;
use crate::novelty::KnownSets;
use crate::tables::TableModel;
use crate::{
    Calibration, CoderModel, Detector, LstmModel, RateError, SignalKind, SignalSettings, Unit,
    Vocabulary, WindowModel,
};

/// What was learned of a program's normal behaviour.
#[derive(Debug)]
pub struct Profile {
    /// What a token is made of.
    pub token_scheme: TokenScheme,
    /// The tokens.
    pub vocabulary: Vocabulary,
    /// The models.
    pub models: Vec<Model>,
    /// How surprises become signals.
    pub signals: SignalSettings,
    /// The sets of calls of the streams, or blocks of them, that trained; none in profiles from before format 4.
    pub sets: Option<KnownSets>,
    /// How a verdict is reached.
    pub decision: Decision,
    /// Scores of normal units that trained nothing.
    pub calibrations: Vec<Calibration>,
    /// The programs that were executed in training.
    pub programs: BTreeSet<String>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// A model of a profile.
#[derive(Debug)]
#[non_exhaustive]
pub enum Model {
    /// An LSTM language model.
    Lstm(LstmModel),
    /// An LSTM over windows.
    Window(WindowModel),
    /// A table that was counted.
    Table(TableModel),
    /// A hidden Markov model.
    Hmm(HmmModel),
    /// A model that rebuilds windows.
    Coder(CoderModel),
}

impl Model {
    /// It as a detector.
    pub fn detector(&self) -> &dyn Detector {
        match self {
            Model::Lstm(model) => model,
            Model::Window(model) => model,
            Model::Table(model) => model.detector(),
            Model::Hmm(model) => model,
            Model::Coder(model) => model,
        }
    }

    /// The network in it, if it is one.
    pub fn network(&self) -> Option<&LstmModel> {
        match self {
            Model::Lstm(model) => Some(model),
            Model::Window(model) => Some(model.network()),
            Model::Table(_) | Model::Hmm(_) | Model::Coder(_) => None,
        }
    }
}

/// The threshold that holds for a stream.
#[derive(Clone, Copy, Debug)]
pub struct Threshold<'a> {
    /// A higher score is anomalous.
    pub value: f32,
    /// What it comes from.
    pub calibration: &'a Calibration,
}

impl Profile {
    /// The model whose surprises make the score.
    pub fn detector(&self) -> &dyn Detector {
        self.models[0].detector()
    }

    /// How the signals of a stream or block are made.
    pub(crate) fn signals_of(&self) -> SignalsOf<'_> {
        SignalsOf {
            settings: &self.signals,
            sets: self.sets.as_ref(),
            grams: self.sets.is_some(),
        }
    }

    /// Holds the weights of every network in this form to score with.
    pub fn hold_in(&mut self, form: Form) {
        let held = |network: &LstmModel| {
            LstmModel::in_form(network.weights().clone(), network.unknown(), form)
        };
        for model in &mut self.models {
            match model {
                Model::Lstm(network) => *network = held(network),
                Model::Window(windows) => {
                    *windows = WindowModel::of(held(windows.network()), windows.inputs());
                }
                Model::Table(_) | Model::Hmm(_) | Model::Coder(_) => {}
            }
        }
    }

    /// Adds to every threshold of a signal: what scores may differ by, in another form, from those that
    /// it was calibrated on.
    pub fn raise_thresholds(&mut self, signal: SignalKind, by: f32) {
        for calibration in &mut self.calibrations {
            if calibration.signal == signal {
                calibration.raise(by);
            }
        }
    }

    /// What is scored as one.
    pub fn unit(&self) -> Unit {
        self.calibrations
            .first()
            .map_or(Unit::Stream, |calibration| calibration.unit)
    }

    /// The threshold of one signal for streams that start like this, at this false alarm rate: from the
    /// calibration on their own kind where that supports the rate, from the one on all kinds otherwise.
    ///
    /// # Errors
    /// [`RateError`] where neither supports it, or the profile has no such signal.
    pub fn threshold(
        &self,
        signal: SignalKind,
        start: Option<StartKind>,
        rate: f64,
    ) -> Result<Threshold<'_>, RateError> {
        let of_kind = self.calibration(signal, start).and_then(|calibration| {
            let value = calibration.threshold(rate).ok()?;
            Some(Threshold { value, calibration })
        });
        if let Some(threshold) = of_kind {
            return Ok(threshold);
        }
        if signal.is_of_format_4() && self.sets.is_none() {
            return Err(RateError::NoSuchSignal(signal.as_str()));
        }
        let pooled = self.calibration(signal, None);
        // Loading and fitting both see to it that every signal has its pooled calibration.
        let calibration = pooled.expect("every profile has a pooled calibration of each signal");
        let value = calibration.threshold(rate)?;
        Ok(Threshold { value, calibration })
    }

    fn calibration(&self, signal: SignalKind, start: Option<StartKind>) -> Option<&Calibration> {
        self.calibrations
            .iter()
            .find(|c| c.model == 0 && c.signal == signal && c.start == start)
    }
}
