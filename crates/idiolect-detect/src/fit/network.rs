//! Fitting a network.

use idiolect_nn::{
    Architecture, Corpus, EpochEnd, EpochReport, Init, Objective, TrainConfig, Trainer, Weights,
    mean_loss,
};
use serde::{Deserialize, Serialize};

use super::{FitError, FitEvent, Fitter, Observer, Unsaved};
use crate::corpus::{self, Augmentation};
use crate::profile::Model;
use crate::split::{Piece, Split};
use crate::{LstmModel, Vocabulary, WindowCorpus, WindowModel, Windows};

/// An LSTM model before it is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// The network.
    pub network: Network,
    /// The windows that it reads; without them it reads whole streams.
    pub windows: Option<Windows>,
    /// How it is trained.
    pub train: TrainConfig,
    /// How the data are made less perfect; windows stay as they are.
    pub augmentation: Augmentation,
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

impl Network {
    /// It for a vocabulary of this size.
    pub(super) fn architecture(&self, vocab: usize) -> Architecture {
        Architecture {
            vocab,
            embedding: self.embedding,
            hidden: self.hidden.clone(),
        }
    }
}

impl NetworkConfig {
    /// The model of these weights and this probability of an unknown call.
    pub(super) fn model(&self, weights: Weights, unknown: f64) -> Model {
        match &self.windows {
            None => Model::Lstm(LstmModel::new(weights, unknown)),
            Some(windows) => Model::Window(WindowModel::new(weights, unknown, windows.inputs)),
        }
    }
}

/// What came of a training.
pub(super) struct Trained {
    pub(super) weights: Weights,
    pub(super) epochs: Vec<EpochReport>,
    /// Mean surprise on the tune part, unknown calls left out, in nats a call.
    pub(super) held_out: f64,
}

impl Fitter<'_> {
    pub(super) fn train_network(
        &self,
        config: &NetworkConfig,
        split: &Split,
        vocabulary: &Vocabulary,
        resumed: Option<Trainer>,
        fold: Option<(usize, usize)>,
        observer: &mut Observer<'_>,
    ) -> Result<Trained, FitError> {
        let architecture = config.network.architecture(vocabulary.len());
        let mut trainer = match resumed {
            Some(trainer) if trainer.weights().architecture() == &architecture => trainer,
            Some(_) => {
                return Err(FitError::OtherRun(
                    "its network has another shape".to_owned(),
                ));
            }
            None => {
                let (init, seed) = (config.network.init, config.train.seed);
                let weights = Weights::init_with(&architecture, init, seed)?;
                Trainer::new(&weights, config.train.clone(), self.threads).map_err(|source| {
                    FitError::Train {
                        source,
                        checkpoint: None,
                    }
                })?
            }
        };
        let train = self.network_corpus(config, &split.train, vocabulary, true);
        let tune = self.network_corpus(config, &split.tune, vocabulary, false);

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
        let held_out = match (config.train.objective, kept.and_then(|kept| kept.tune)) {
            (Objective::CrossEntropy, Some(tune)) => tune.mean_loss,
            // Another loss is no surprise.
            _ => {
                mean_loss(&weights, &*tune, config.train.seed, self.threads)
                    .map_err(|source| FitError::Train {
                        source,
                        checkpoint: None,
                    })?
                    .mean_loss
            }
        };
        Ok(Trained {
            weights,
            epochs,
            held_out,
        })
    }

    /// These pieces as sequences, to learn from or to measure on.
    fn network_corpus<'c>(
        &'c self,
        config: &NetworkConfig,
        pieces: &'c [Piece],
        vocabulary: &Vocabulary,
        learn: bool,
    ) -> Box<dyn Corpus + 'c> {
        match &config.windows {
            None => {
                let augmentation = if learn {
                    config.augmentation
                } else {
                    Augmentation::NONE
                };
                Box::new(self.corpus_of(pieces, vocabulary, augmentation))
            }
            Some(windows) => {
                let tokens = corpus::tokens(self.streams, vocabulary);
                let corpus = WindowCorpus::of_pieces(windows, self.streams, pieces, &tokens);
                if learn && windows.drop_in {
                    Box::new(corpus.drop_in(config.train.seed))
                } else {
                    Box::new(corpus)
                }
            }
        }
    }
}
