//! From streams to a profile.

mod assemble;
mod error;
mod event;
mod hmm;
mod model;
mod network;

use std::collections::HashSet;
use std::ops::ControlFlow;

use idiolect_nn::one_hot::OneHotError;
use idiolect_nn::{EpochReport, Trainer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use error::FitError;
pub use event::{FitEvent, Unsaved};
pub use model::ModelConfig;
pub use network::{Network, NetworkConfig};

use crate::calibrate::{self, SignalsOf, UnitScore};
use crate::checkpoint::Checkpoint;
use crate::corpus::{self, Augmentation, PieceCorpus};
use crate::novelty::KnownSets;
use crate::profile::{Model, Profile};
use crate::split::{self, Piece, Policy, Split};
use crate::{Calibration, SignalKind, SignalSettings, Signals, Streams, Unit, Vocabulary};

/// How to fit a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitConfig {
    /// The model.
    pub model: ModelConfig,
    /// How the data are split.
    pub policy: Policy,
    /// The signal that is the score.
    pub signal: SignalKind,
    /// The false alarm rate; where none is asked for, 1 % or the lowest that the data support.
    pub rate: Option<f64>,
    /// Folds to calibrate on all streams by, instead of on a part held out.
    pub cross_fit: Option<usize>,
}

/// The false alarm rate that is aimed at where none is asked for.
pub const DEFAULT_RATE: f64 = 0.01;

/// What came of it.
#[derive(Debug)]
pub struct FitOutcome {
    /// The profile; its provenance lacks the tool, the date and the sources, which the caller knows.
    pub profile: Profile,
    /// How each epoch went.
    pub epochs: Vec<EpochReport>,
    /// The lowest rate that the data support, where it is higher than the one that was aimed at.
    pub raised_rate: Option<f64>,
}

type Observer<'a> = dyn FnMut(FitEvent<'_>) -> ControlFlow<()> + 'a;

/// Fits a profile on streams of normal behaviour, on so many threads (0 for all cores); the result does
/// not depend on their number.
///
/// # Errors
/// [`FitError`].
pub fn fit(
    streams: &Streams,
    config: &FitConfig,
    threads: usize,
    resume: Option<Checkpoint>,
    observer: &mut Observer<'_>,
) -> Result<FitOutcome, FitError> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        _ => threads,
    };
    let fitter = Fitter {
        streams,
        config,
        threads,
        data_hash: data_hash(streams),
    };
    fitter.run(resume, observer)
}

struct Fitter<'a> {
    streams: &'a Streams,
    config: &'a FitConfig,
    threads: usize,
    data_hash: String,
}

/// A model and what else is learned with it.
struct Fitted {
    vocabulary: Vocabulary,
    model: Model,
    signals: SignalSettings,
    sets: Option<KnownSets>,
    epochs: Vec<EpochReport>,
    /// Mean surprise on the tune part, unknown calls left out, in nats a call, or mean of what else the
    /// model's measure is.
    held_out: f64,
}

impl Fitted {
    /// The epoch whose weights were kept.
    fn best_epoch(&self) -> Option<&EpochReport> {
        self.epochs.iter().rev().find(|report| report.best)
    }
}

impl Fitter<'_> {
    fn run(
        &self,
        resume: Option<Checkpoint>,
        observer: &mut Observer<'_>,
    ) -> Result<FitOutcome, FitError> {
        let windows = self.config.model.windows();
        let mut split = split::split(self.streams, self.config.policy, windows)?;
        let folds = match (self.config.cross_fit, split.unit) {
            (Some(folds), Unit::Stream) => split::folds(self.streams, folds),
            (Some(_), Unit::Block(_)) => return Err(FitError::TooFewToCrossFit),
            (None, _) => Vec::new(),
        };
        if !folds.is_empty() {
            // Every stream calibrates in its fold, so the profile's own model may learn from them all.
            split.train.append(&mut split.calibrate);
        }
        self.check_rate(&split, &folds)?;

        let trainer = match resume {
            Some(_) if !matches!(self.config.model, ModelConfig::Network(_)) => {
                return Err(FitError::OtherRun("its model is a network".to_owned()));
            }
            Some(checkpoint) => {
                let trainer = checkpoint.of_run(self.config, &self.data_hash)?;
                Some(Trainer::from_checkpoint(trainer, self.threads)?)
            }
            None => None,
        };
        let fitted = self.fit_model(&split, trainer, None, observer)?;

        let mut scores = Vec::new();
        if folds.is_empty() {
            self.event(FitEvent::Calibrating, observer)?;
            scores = self.score(&fitted, &split.calibrate, split.unit);
        }
        for (place, fold) in folds.iter().enumerate() {
            let place = Some((place + 1, folds.len()));
            let of_fold = self.fit_model(fold, None, place, observer)?;
            scores.extend(self.score(&of_fold, &fold.calibrate, Unit::Stream));
        }
        self.assemble(&split, folds.len(), fitted, &scores)
    }

    /// Refuses a rate before hours of training, not after.
    fn check_rate(&self, split: &Split, folds: &[Split]) -> Result<(), FitError> {
        let Some(rate) = self.config.rate else {
            return Ok(());
        };
        let held: Vec<&Piece> = if folds.is_empty() {
            split.calibrate.iter().collect()
        } else {
            folds.iter().flat_map(|fold| &fold.calibrate).collect()
        };
        let hashes = calibrate::unit_hashes(self.streams, &held, split.unit);
        let distinct = self.distinct(&hashes);
        let scores = vec![0.0; hashes.len().max(1)];
        let trial = Calibration::new(0, SignalKind::Mean, None, split.unit, distinct, scores);
        trial
            .threshold(rate)
            .map(drop)
            .map_err(|rate| FitError::Rate { rate })
    }

    /// How many of these units count as different. Runs of one command count as often as they ran.
    fn distinct(&self, hashes: &[[u8; 32]]) -> usize {
        match self.config.policy {
            Policy::InTurn => hashes.len(),
            _ => hashes.iter().collect::<HashSet<_>>().len(),
        }
    }

    fn fit_model(
        &self,
        split: &Split,
        resumed: Option<Trainer>,
        fold: Option<(usize, usize)>,
        observer: &mut Observer<'_>,
    ) -> Result<Fitted, FitError> {
        let vocabulary = corpus::vocabulary(self.streams, &split.train);
        if vocabulary.len() > Vocabulary::MAX_TOKENS {
            return Err(FitError::TooManyCalls(vocabulary.len()));
        }
        if fold.is_none() {
            let event = FitEvent::Split {
                units: [&split.train, &split.tune, &split.calibrate]
                    .map(|part| calibrate::units(part, split.unit)),
                unit: split.unit,
                vocabulary: vocabulary.len(),
                weights: self.config.model.weight_count(vocabulary.len()),
            };
            self.event(event, observer)?;
        }
        let unknown = self.share_of_unknown(split, &vocabulary);
        match &self.config.model {
            ModelConfig::Network(config) => {
                let trained =
                    self.train_network(config, split, &vocabulary, resumed, fold, observer)?;
                let model = config.model(trained.weights, unknown);
                Ok(Fitted {
                    epochs: trained.epochs,
                    held_out: trained.held_out,
                    ..self.tuned(split, vocabulary, model)
                })
            }
            ModelConfig::Hmm(config) => {
                let parts = self.corpus_of(&split.train, &vocabulary, Augmentation::NONE);
                let model =
                    self.train_hmm(config, &parts, vocabulary.len(), unknown, fold, observer)?;
                Ok(self.tuned(split, vocabulary, Model::Hmm(model)))
            }
            ModelConfig::Coder(config) => {
                let corpus = self.corpus_of(&split.train, &vocabulary, Augmentation::NONE);
                let observer = &mut |share| observer(FitEvent::Share { fold, share });
                let model = config.fit(vocabulary.len(), corpus.sequences(), observer);
                let model = model.map_err(|error| match error {
                    OneHotError::Stopped => FitError::Interrupted { checkpoint: None },
                    error => FitError::Coder(error),
                })?;
                Ok(self.tuned(split, vocabulary, Model::Coder(model)))
            }
            ModelConfig::Table(config) => {
                let corpus = self.corpus_of(&split.train, &vocabulary, Augmentation::NONE);
                let model = config.count(vocabulary.len(), corpus.sequences())?;
                Ok(self.tuned(split, vocabulary, Model::Table(model)))
            }
        }
    }

    /// These pieces as sequences behind their starts.
    fn corpus_of<'c>(
        &'c self,
        pieces: &'c [Piece],
        vocabulary: &Vocabulary,
        augmentation: Augmentation,
    ) -> PieceCorpus<'c> {
        PieceCorpus::new(self.streams, pieces, vocabulary, augmentation)
    }

    /// How probable a call is that training never saw, by the tune part.
    fn share_of_unknown(&self, split: &Split, vocabulary: &Vocabulary) -> f64 {
        let tokens = corpus::tokens(self.streams, vocabulary);
        let (mut unknown, mut calls) = (0.5, 1.0);
        for piece in &split.tune {
            for &symbol in &self.streams.get(piece.stream).symbols[piece.range.clone()] {
                if symbol != Streams::GAP {
                    calls += 1.0;
                    unknown += f64::from(u8::from(tokens[symbol as usize] == Vocabulary::UNKNOWN));
                }
            }
        }
        // Krichevsky and Trofimov's estimate: half a call more than was seen, so that never is not zero.
        unknown / calls
    }

    /// Learns from the tune part how signals spread.
    fn tuned(&self, split: &Split, vocabulary: Vocabulary, model: Model) -> Fitted {
        let tokens = corpus::tokens(self.streams, &vocabulary);
        let detector = model.detector();
        let usual =
            calibrate::surprises(detector, self.streams, &split.tune, &tokens, self.threads);
        let known = usual
            .iter()
            .filter(|(token, _)| *token != Vocabulary::UNKNOWN);
        let (held_out, _) = mean_and_deviation(known.map(|&(_, said)| said));
        let (mean, deviation) = mean_and_deviation(usual.iter().map(|&(_, said)| said));
        let vocabulary_len = vocabulary.len();
        let mut fitted = Fitted {
            vocabulary,
            model,
            signals: SignalSettings::new(mean, deviation),
            sets: calibrate::sets_of(
                self.streams,
                &split.train,
                &tokens,
                vocabulary_len,
                split.unit,
            ),
            epochs: Vec::new(),
            held_out: f64::from(held_out),
        };
        let units = self.score(&fitted, &split.tune, split.unit);
        let normal: Vec<Signals> = units.iter().map(|unit| unit.signals).collect();
        fitted.signals.learn_spread(&normal);
        let mut seen = HashSet::new();
        let different = units.iter().filter(|unit| seen.insert(unit.hash));
        let different: Vec<Signals> = different.map(|unit| unit.signals).collect();
        fitted.signals.learn_usual(&different);
        fitted
    }

    fn score(&self, fitted: &Fitted, pieces: &[Piece], unit: Unit) -> Vec<UnitScore> {
        let tokens = corpus::tokens(self.streams, &fitted.vocabulary);
        let signals = SignalsOf {
            settings: &fitted.signals,
            sets: fitted.sets.as_ref(),
            grams: true,
        };
        calibrate::score_units(
            fitted.model.detector(),
            &signals,
            self.streams,
            pieces,
            &tokens,
            unit,
            self.threads,
        )
    }

    fn event(&self, event: FitEvent<'_>, observer: &mut Observer<'_>) -> Result<(), FitError> {
        match observer(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(FitError::Interrupted { checkpoint: None }),
        }
    }
}

fn mean_and_deviation(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / n;
    let squares = values.map(|v| (f64::from(v) - mean).powi(2));
    let deviation = (squares.sum::<f64>() / n).sqrt();
    (mean as f32, deviation as f32)
}

/// SHA-256 over the sorted content hashes, in hexadecimal: the same whatever the order of the files.
pub(crate) fn data_hash(streams: &Streams) -> String {
    let mut hashes = streams.content_hashes();
    hashes.sort_unstable();
    let mut all = Sha256::new();
    for hash in &hashes {
        all.update(hash);
    }
    let digest: [u8; 32] = all.finalize().into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
