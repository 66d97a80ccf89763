//! From streams to a profile.

mod error;
mod event;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use idiolect_nn::{
    Architecture, Corpus, EpochEnd, EpochReport, Init, Objective, TrainConfig, Trainer, Weights,
    mean_loss,
};
use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use error::FitError;
pub use event::{FitEvent, Unsaved};

use crate::calibrate::{self, UnitScore};
use crate::checkpoint::Checkpoint;
use crate::corpus::{self, Augmentation, PieceCorpus};
use crate::profile::{Decision, Model, Profile, Provenance, TokenScheme};
use crate::split::{self, Piece, Policy, Split, TooLittle};
use crate::{
    Calibration, LstmModel, SignalKind, SignalSettings, Streams, Unit, Vocabulary, WindowCorpus,
    WindowModel, Windows,
};

/// How to fit a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitConfig {
    /// The network.
    pub network: Network,
    /// The windows that it reads; without them it reads whole streams.
    pub windows: Option<Windows>,
    /// How the network is trained.
    pub train: TrainConfig,
    /// How the data are made less perfect; windows stay as they are.
    pub augmentation: Augmentation,
    /// How the data are split.
    pub policy: Policy,
    /// The signal that is the score.
    pub signal: SignalKind,
    /// The false alarm rate; where none is asked for, 1 % or the lowest that the data support.
    pub rate: Option<f64>,
    /// Folds to calibrate on all streams by, instead of on a part held out.
    pub cross_fit: Option<usize>,
}

/// An LSTM network before training, for whatever vocabulary the data have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Width of the embedding; without one the input is one-hot.
    pub embedding: Option<usize>,
    /// Width of each LSTM layer.
    pub hidden: Vec<usize>,
    /// How the first weights are drawn.
    pub init: Init,
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
    epochs: Vec<EpochReport>,
    /// Mean surprise on the tune part, unknown calls left out, in nats.
    tune_surprise: f64,
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
        let mut split = split::split(
            self.streams,
            self.config.policy,
            self.config.windows.as_ref(),
        )?;
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
        let architecture = Architecture {
            vocab: vocabulary.len(),
            embedding: self.config.network.embedding,
            hidden: self.config.network.hidden.clone(),
        };
        if fold.is_none() {
            let event = FitEvent::Split {
                units: [&split.train, &split.tune, &split.calibrate]
                    .map(|part| calibrate::units(part, split.unit)),
                unit: split.unit,
                vocabulary: vocabulary.len(),
                weights: architecture.weight_count(),
            };
            self.event(event, observer)?;
        }
        let mut trainer = match resumed {
            Some(trainer) if trainer.weights().architecture() == &architecture => trainer,
            Some(_) => {
                return Err(FitError::OtherRun(
                    "its network has another shape".to_owned(),
                ));
            }
            None => {
                let (init, seed) = (self.config.network.init, self.config.train.seed);
                let weights = Weights::init_with(&architecture, init, seed)?;
                Trainer::new(&weights, self.config.train.clone(), self.threads).map_err(
                    |source| FitError::Train {
                        source,
                        checkpoint: None,
                    },
                )?
            }
        };
        let train = self.corpus(&split.train, &vocabulary, true);
        let tune = self.corpus(&split.tune, &vocabulary, false);

        while trainer.finished().is_none() {
            let result = trainer.epoch(&*train, Some(&*tune), &mut |progress| {
                observer(FitEvent::Progress { fold, progress })
            });
            // In a fold the profile's own model is done, and it is what a checkpoint would hold.
            let unsaved = || {
                (fold.is_none() && trainer.epochs_done() > 0).then(|| Unsaved {
                    trainer: &trainer,
                    config: self.config,
                    data_hash: &self.data_hash,
                })
            };
            let checkpoint = || unsaved().map(|unsaved| Box::new(unsaved.checkpoint()));
            let stopped = match result {
                Ok(EpochEnd::Done(report)) => {
                    let event = FitEvent::Epoch {
                        fold,
                        report: &report,
                        checkpoint: unsaved(),
                    };
                    observer(event).is_break()
                }
                Ok(EpochEnd::Stopped) => true,
                Err(source) => {
                    return Err(FitError::Train {
                        source,
                        checkpoint: checkpoint(),
                    });
                }
            };
            if stopped {
                return Err(FitError::Interrupted {
                    checkpoint: checkpoint(),
                });
            }
        }
        let epochs = trainer.history().to_vec();
        let weights = trainer.best_weights();
        let kept = epochs.iter().rev().find(|report| report.best);
        let tune_surprise = match (self.config.train.objective, kept.and_then(|kept| kept.tune)) {
            (Objective::CrossEntropy, Some(tune)) => tune.mean_loss,
            // Another loss is no surprise.
            _ => {
                mean_loss(&weights, &*tune, self.config.train.seed, self.threads)
                    .map_err(|source| FitError::Train {
                        source,
                        checkpoint: None,
                    })?
                    .mean_loss
            }
        };
        Ok(Fitted {
            epochs,
            tune_surprise,
            ..self.tuned(split, vocabulary, weights)
        })
    }

    /// These pieces as sequences, to learn from or to measure on.
    fn corpus<'c>(
        &'c self,
        pieces: &'c [Piece],
        vocabulary: &Vocabulary,
        learn: bool,
    ) -> Box<dyn Corpus + 'c> {
        match &self.config.windows {
            None if learn => {
                let augmentation = self.config.augmentation;
                Box::new(PieceCorpus::new(
                    self.streams,
                    pieces,
                    vocabulary,
                    augmentation,
                ))
            }
            None => {
                let none = Augmentation::NONE;
                Box::new(PieceCorpus::new(self.streams, pieces, vocabulary, none))
            }
            Some(windows) => {
                let tokens = corpus::tokens(self.streams, vocabulary);
                let corpus = WindowCorpus::of_pieces(windows, self.streams, pieces, &tokens);
                if learn && windows.drop_in {
                    Box::new(corpus.drop_in(self.config.train.seed))
                } else {
                    Box::new(corpus)
                }
            }
        }
    }

    /// Learns from the tune part how probable unknown calls are and how signals spread.
    fn tuned(&self, split: &Split, vocabulary: Vocabulary, weights: Weights) -> Fitted {
        let tokens = corpus::tokens(self.streams, &vocabulary);
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
        let unknown = unknown / calls;
        let model = match &self.config.windows {
            None => Model::Lstm(LstmModel::new(weights, unknown)),
            Some(windows) => Model::Window(WindowModel::new(weights, unknown, windows.inputs)),
        };

        let usual = calibrate::surprises(
            model.detector(),
            self.streams,
            &split.tune,
            &tokens,
            self.threads,
        );
        let (mean, deviation) = mean_and_deviation(&usual);
        let mut fitted = Fitted {
            vocabulary,
            model,
            signals: SignalSettings::new(mean, deviation),
            epochs: Vec::new(),
            tune_surprise: 0.0,
        };
        let normal: Vec<_> = self
            .score(&fitted, &split.tune, split.unit)
            .into_iter()
            .map(|unit| unit.signals)
            .collect();
        fitted.signals.learn_spread(&normal);
        fitted
    }

    fn score(&self, fitted: &Fitted, pieces: &[Piece], unit: Unit) -> Vec<UnitScore> {
        let tokens = corpus::tokens(self.streams, &fitted.vocabulary);
        calibrate::score_units(
            fitted.model.detector(),
            &fitted.signals,
            self.streams,
            pieces,
            &tokens,
            unit,
            self.threads,
        )
    }

    fn assemble(
        &self,
        split: &Split,
        folds: usize,
        fitted: Fitted,
        scores: &[UnitScore],
    ) -> Result<FitOutcome, FitError> {
        let starts = StartKind::ALL.into_iter().map(Some).chain([None]);
        let mut calibrations = Vec::new();
        for start in starts {
            let units: Vec<&UnitScore> = scores
                .iter()
                .filter(|unit| start.is_none_or(|start| unit.start == start))
                .collect();
            if units.is_empty() {
                continue;
            }
            let hashes: Vec<[u8; 32]> = units.iter().map(|unit| unit.hash).collect();
            let distinct = self.distinct(&hashes);
            for signal in SignalKind::ALL {
                let scores = units.iter().map(|unit| unit.signals.get(signal)).collect();
                calibrations.push(Calibration::new(
                    0, signal, start, split.unit, distinct, scores,
                ));
            }
        }
        let Some(lowest) = calibrations.last().map(Calibration::lowest_rate) else {
            return Err(FitError::TooLittle(TooLittle {
                streams: self.streams.len(),
                distinct: self.streams.len(),
                calls: self.streams.calls(),
            }));
        };
        let aimed = self.config.rate.unwrap_or(DEFAULT_RATE);
        let rate = if self.config.rate.is_none() {
            aimed.max(lowest)
        } else {
            aimed
        };
        let raised_rate = (rate > aimed).then_some(rate);
        let kept = fitted.best_epoch();
        let calibrate_units = if folds > 0 {
            scores.len()
        } else {
            calibrate::units(&split.calibrate, split.unit)
        };
        let provenance = Provenance {
            data_hash: self.data_hash.clone(),
            streams: self.streams.len(),
            distinct_streams: self
                .streams
                .content_hashes()
                .iter()
                .collect::<HashSet<_>>()
                .len(),
            calls: self.streams.calls(),
            abis: self.streams.abis.clone(),
            split: [
                calibrate::units(&split.train, split.unit),
                calibrate::units(&split.tune, split.unit),
                calibrate_units,
            ],
            calibrated_by: match (folds, split.unit, self.config.policy) {
                (0, Unit::Stream, Policy::Content | Policy::Time) => {
                    "streams held out by a hash of their content".to_owned()
                }
                (0, Unit::Stream, Policy::InTurn) => {
                    "runs of one command held out in turn, copies included".to_owned()
                }
                (0, Unit::Stream, Policy::InOrder { .. }) => {
                    "streams after those that trained and tuned, in the order read".to_owned()
                }
                (0, Unit::Block(len), _) => format!(
                    "blocks of {len} calls from the end of each stream, since there are too few streams; \
                     neighbouring blocks are not independent"
                ),
                (folds, ..) => format!(
                    "cross-fitting in {folds} folds: each stream scored by a model that was trained without it"
                ),
            },
            seed: self.config.train.seed,
            epochs: [
                fitted.epochs.len(),
                kept.map_or(0, |report| report.epoch + 1),
            ],
            tune_surprise: fitted.tune_surprise,
            seen_in_streams: self.seen_in_streams(&split.train),
            history: fitted.epochs.clone(),
            ..Provenance::default()
        };
        Ok(FitOutcome {
            profile: Profile {
                token_scheme: TokenScheme::Name,
                vocabulary: fitted.vocabulary,
                models: vec![fitted.model],
                signals: fitted.signals,
                decision: Decision {
                    signal: self.config.signal,
                    rate,
                },
                calibrations,
                programs: self.programs(),
                provenance,
            },
            epochs: fitted.epochs,
            raised_rate,
        })
    }

    fn programs(&self) -> BTreeSet<String> {
        let programs = self
            .streams
            .iter()
            .filter_map(|stream| stream.executable.clone());
        programs.collect()
    }

    fn seen_in_streams(&self, train: &[Piece]) -> BTreeMap<String, usize> {
        let mut seen = vec![0; self.streams.names().len()];
        for piece in train {
            let symbols = &self.streams.get(piece.stream).symbols[piece.range.clone()];
            for symbol in symbols.iter().collect::<HashSet<_>>() {
                seen[*symbol as usize] += 1;
            }
        }
        (1..seen.len())
            .filter(|&symbol| seen[symbol] > 0)
            .map(|symbol| (self.streams.name(symbol as u32).to_owned(), seen[symbol]))
            .collect()
    }

    fn event(&self, event: FitEvent<'_>, observer: &mut Observer<'_>) -> Result<(), FitError> {
        match observer(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(FitError::Interrupted { checkpoint: None }),
        }
    }
}

fn mean_and_deviation(values: &[f32]) -> (f32, f32) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2));
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
