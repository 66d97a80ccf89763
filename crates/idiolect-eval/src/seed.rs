//! The protocol of the research script that this project grew from, rerun.
//!
//! Windows of 19 calls and the one that follows, at a stride of one call, out of the training traces of
//! ADFA-LD in the order of their names, until there are 20,298; the last 5 % of them validate. The network
//! has one-hot input of 341, LSTM layers of 64, 256 and 100 with dropout of 0.2 after each, and 341
//! outputs; batches of 50; one epoch. Its README shows five results, of which two are the same setting.

mod table;

use std::ops::ControlFlow;
use std::time::Instant;

use idiolect_detect::WindowCorpus;
use idiolect_nn::{
    Architecture, Dropout, EpochEnd, EpochReport, Init, Objective, Optimiser, Progress, Rng,
    Schedule, TrainConfig, TrainError, Trainer, Weights,
};
use serde::Serialize;

pub use table::table_accuracy;

use crate::Trace;

/// Calls that go in.
pub const INPUTS: usize = 19;
/// Width of the one-hot input and of the output: ADFA-LD's calls are numbered from 0 to 340.
pub const CALLS: usize = 341;
/// Windows that the original came to, 1,015 of which validate.
pub const WINDOWS: usize = 20_298;
/// Widths of the LSTM layers.
pub const HIDDEN: [usize; 3] = [64, 256, 100];
/// Share of the windows that trains.
const TRAIN_SHARE: f64 = 0.95;
/// The greatest loss of one target in the original's cross-entropy over unnormalised outputs: -ln(1e-7).
pub const CLIPPED_LOSS: f64 = 16.118_095_650_958_32;

/// How the original trained: batches of 50, dropout of 0.2 between layers and before the output, RMSprop
/// in the form of its time (Keras 2: epsilon beside the root) at 0.001, one epoch.
pub fn train_config() -> TrainConfig {
    TrainConfig {
        epochs: 1,
        batch: 50,
        bptt: INPUTS,
        optimiser: Optimiser::rms_prop_outer(1e-3),
        schedule: Schedule::Constant,
        clip_norm: None,
        dropout: Dropout {
            embedding: 0.0,
            between: 0.2,
            output: 0.2,
        },
        patience: None,
        ..TrainConfig::default()
    }
}

/// A row of the original's results, or one beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Mean squared error, RMSprop.
    MeanSquared,
    /// Categorical cross-entropy with a linear activation last, RMSprop.
    LinearRmsProp,
    /// The same with stochastic gradient descent at Keras' usual 0.01.
    LinearSgd,
    /// Categorical cross-entropy of the softmax, RMSprop: the original's last two rows.
    Softmax,
    /// Not in the original: the same with stochastic gradient descent.
    SoftmaxSgd,
    /// Not in the original: as [`Setting::Softmax`], with the files in random order.
    SoftmaxShuffled,
}

impl Setting {
    /// All of them, in the original's order.
    pub const ALL: [Setting; 6] = [
        Setting::MeanSquared,
        Setting::LinearRmsProp,
        Setting::LinearSgd,
        Setting::Softmax,
        Setting::SoftmaxSgd,
        Setting::SoftmaxShuffled,
    ];

    /// What it is, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Setting::MeanSquared => "mean squared error, RMSprop",
            Setting::LinearRmsProp => "cross-entropy, RMSprop, linear activation last",
            Setting::LinearSgd => "cross-entropy, SGD, linear activation last",
            Setting::Softmax => "cross-entropy, RMSprop, softmax",
            Setting::SoftmaxSgd => "cross-entropy, SGD, softmax",
            Setting::SoftmaxShuffled => "cross-entropy, RMSprop, softmax, files shuffled",
        }
    }

    /// What the original's README shows.
    pub fn original(self) -> &'static [Figures] {
        match self {
            Setting::MeanSquared => const { &[Figures::new(0.0024, 0.0022)] },
            Setting::LinearRmsProp => const { &[Figures::new(10.5728, 8.1006)] },
            Setting::LinearSgd => const { &[Figures::new(9.8008, 13.7872)] },
            Setting::Softmax => {
                const {
                    &[
                        Figures::new(2.7506, 2.2816),
                        Figures {
                            accuracies: Some([0.2363, 0.3626]),
                            ..Figures::new(2.7523, 2.1657)
                        },
                    ]
                }
            }
            Setting::SoftmaxSgd | Setting::SoftmaxShuffled => &[],
        }
    }

    fn config(self) -> TrainConfig {
        let mut config = train_config();
        config.objective = match self {
            Setting::MeanSquared => Objective::MeanSquared,
            Setting::LinearRmsProp | Setting::LinearSgd => Objective::UnnormalisedCrossEntropy,
            _ => Objective::CrossEntropy,
        };
        if matches!(self, Setting::LinearSgd | Setting::SoftmaxSgd) {
            config.optimiser = Optimiser::sgd(1e-2);
        }
        config
    }
}

/// A result as the original's README shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Loss while training.
    pub loss: f64,
    /// Loss on the windows that validate.
    pub val_loss: f64,
    /// Accuracy of both, where it is shown.
    pub accuracies: Option<[f64; 2]>,
}

impl Figures {
    const fn new(loss: f64, val_loss: f64) -> Self {
        Figures {
            loss,
            val_loss,
            accuracies: None,
        }
    }
}

/// How a setting went with one seed.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The setting.
    pub setting: Setting,
    /// The seed of weights, order and dropout.
    pub seed: u64,
    /// How long it took.
    pub seconds: f64,
    /// How each epoch went.
    pub epochs: Vec<EpochReport>,
    /// Why it ended before its time, if it did.
    pub failed: Option<String>,
    /// What a table of second-order transitions gets right on the same windows.
    pub second_order: f64,
}

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A call that the network has no output for.
    #[error("{origin}: call {number}: this protocol knows calls 0 to 340, as ADFA-LD has them")]
    Number {
        /// The file.
        origin: String,
        /// The call.
        number: u32,
    },
    /// There are fewer windows than asked for.
    #[error("{found} windows of {} calls are there, and the protocol needs {wanted}: give it the training folder of ADFA-LD, or ask for fewer", INPUTS + 1)]
    TooFew {
        /// Windows there are.
        found: usize,
        /// Windows asked for.
        wanted: usize,
    },
    /// The training cannot go on for another reason than its own numbers.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The observer stopped it.
    #[error("interrupted")]
    Interrupted,
}

/// The windows of the protocol.
#[derive(Clone, Debug)]
pub struct Windows {
    sequences: Vec<Vec<u32>>,
    train: Vec<(u32, u32)>,
    validate: Vec<(u32, u32)>,
}

impl Windows {
    /// The first `limit` windows of these traces, of which the last 5 % validate. A trace with no whole
    /// window gives one that is padded on the left, which the original would have broken on.
    ///
    /// # Errors
    /// [`SeedError::Number`], [`SeedError::TooFew`].
    pub fn new(traces: &[Trace], limit: usize) -> Result<Self, SeedError> {
        Self::of(traces.iter(), limit)
    }

    /// The same with the files in random order.
    ///
    /// # Errors
    /// As [`Windows::new`].
    pub fn shuffled(traces: &[Trace], limit: usize, seed: u64) -> Result<Self, SeedError> {
        let mut order: Vec<u32> = (0..traces.len() as u32).collect();
        Rng::from_parts(&[seed, FILES]).shuffle(&mut order);
        Self::of(order.iter().map(|&i| &traces[i as usize]), limit)
    }

    fn of<'a>(traces: impl Iterator<Item = &'a Trace>, limit: usize) -> Result<Self, SeedError> {
        let (mut sequences, mut places) = (Vec::new(), Vec::new());
        for trace in traces {
            if places.len() >= limit {
                break;
            }
            if let Some(&number) = trace.calls.iter().find(|&&call| call as usize >= CALLS) {
                let origin = trace.origin.clone();
                return Err(SeedError::Number { origin, number });
            }
            let len = trace.calls.len();
            if len < 2 {
                continue;
            }
            let sequence = sequences.len() as u32;
            places.extend((INPUTS.min(len - 1)..len).map(|place| (sequence, place as u32)));
            sequences.push(trace.calls.clone());
        }
        if places.len() < limit {
            return Err(SeedError::TooFew {
                found: places.len(),
                wanted: limit,
            });
        }
        places.truncate(limit);
        let validate = places.split_off((limit as f64 * TRAIN_SHARE) as usize);
        Ok(Windows {
            sequences,
            train: places,
            validate,
        })
    }

    /// How many train and how many validate.
    pub fn counts(&self) -> [usize; 2] {
        [self.train.len(), self.validate.len()]
    }

    /// How many files all of them, and those that validate, come from.
    pub fn files(&self) -> [usize; 2] {
        let first = self.validate.first().map_or(0, |&(sequence, _)| sequence);
        [self.sequences.len(), self.sequences.len() - first as usize]
    }

    /// Share of the validating windows whose call a table of transitions of this order, counted on the
    /// training windows, gets right.
    pub fn table_accuracy(&self, order: usize) -> f64 {
        let steps = |places: &[(u32, u32)]| -> Vec<(Vec<u32>, u32)> {
            let step = |&(sequence, place): &(u32, u32)| {
                let (calls, place) = (&self.sequences[sequence as usize], place as usize);
                (
                    calls[place.saturating_sub(order)..place].to_vec(),
                    calls[place],
                )
            };
            places.iter().map(step).collect()
        };
        table_accuracy(&steps(&self.train), &steps(&self.validate))
    }

    fn corpus(&self, places: &[(u32, u32)]) -> WindowCorpus {
        WindowCorpus::new(INPUTS, self.sequences.clone(), places.to_vec())
    }
}

/// Marks the generator that shuffles files, apart from those of a training.
const FILES: u64 = u64::MAX - 2;

/// Trains the network on these windows by one setting.
///
/// A training whose loss stops being a number ends there, and says so in the run.
///
/// # Errors
/// [`SeedError::Interrupted`] where the observer breaks it off; [`SeedError::Train`].
pub fn run(
    windows: &Windows,
    setting: Setting,
    seed: u64,
    epochs: usize,
    threads: usize,
    observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Run, SeedError> {
    let architecture = Architecture {
        vocab: CALLS,
        embedding: None,
        hidden: HIDDEN.to_vec(),
    };
    let weights = Weights::init_with(&architecture, Init::Keras, seed)
        .map_err(|error| SeedError::Train(error.into()))?;
    let config = TrainConfig {
        epochs,
        seed,
        ..setting.config()
    };
    let began = Instant::now();
    let mut trainer = Trainer::new(&weights, config, threads)?;
    let (train, validate) = (
        windows.corpus(&windows.train),
        windows.corpus(&windows.validate),
    );
    let mut failed = None;
    while trainer.finished().is_none() {
        match trainer.epoch(&train, Some(&validate), observer) {
            Ok(EpochEnd::Done(_)) => {}
            Ok(EpochEnd::Stopped) => return Err(SeedError::Interrupted),
            Err(error @ TrainError::NotFinite { .. }) => {
                failed = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Run {
        setting,
        seed,
        seconds: began.elapsed().as_secs_f64(),
        epochs: trainer.history().to_vec(),
        failed,
        second_order: windows.table_accuracy(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(lens: &[usize]) -> Vec<Trace> {
        let trace = |(i, &len): (usize, &usize)| Trace {
            origin: format!("t{i}"),
            calls: (0..len as u32).map(|k| (k * 7 + i as u32) % 341).collect(),
        };
        lens.iter().enumerate().map(trace).collect()
    }

    #[test]
    fn windows_are_counted_as_the_original_counts_them() {
        // 21 calls give 2 windows, 10 calls a padded one, 1 call none, 100 calls 81.
        let windows = Windows::new(&traces(&[21, 10, 1, 100]), 84).unwrap();
        assert_eq!(windows.counts(), [79, 5]);
        assert_eq!(windows.files(), [3, 1]);
        assert_eq!(windows.train[2], (1, 9));
        assert_eq!(windows.train[3], (2, 19));
        assert!(matches!(
            Windows::new(&traces(&[21]), 3),
            Err(SeedError::TooFew {
                found: 2,
                wanted: 3
            })
        ));
        let mut wrong = traces(&[30]);
        wrong[0].calls[4] = 341;
        assert!(matches!(
            Windows::new(&wrong, 3),
            Err(SeedError::Number { number: 341, .. })
        ));
    }

    #[test]
    fn shuffling_moves_whole_files() {
        let traces = traces(&[40; 20]);
        let sorted = Windows::new(&traces, 420).unwrap();
        let shuffled = Windows::shuffled(&traces, 420, 1).unwrap();
        assert_ne!(sorted.sequences, shuffled.sequences);
        let sort = |windows: &Windows| {
            let mut all = windows.sequences.clone();
            all.sort();
            all
        };
        assert_eq!(sort(&sorted), sort(&shuffled));
    }

    #[test]
    fn a_small_run_learns_and_reports() {
        let windows = Windows::new(&traces(&[60; 4]), 160).unwrap();
        let go_on = &mut |_: &Progress| ControlFlow::Continue(());
        let run = run(&windows, Setting::Softmax, 1, 1, 1, go_on).unwrap();
        assert_eq!(run.epochs.len(), 1);
        assert_eq!(run.epochs[0].train.targets, 152);
        assert_eq!(run.epochs[0].tune.unwrap().targets, 8);
        // Fresh weights answer about evenly: the loss is near ln 341.
        assert!((run.epochs[0].train.mean_loss - 341f64.ln()).abs() < 0.5);
        let stop = &mut |_: &Progress| ControlFlow::Break(());
        let stopped = super::run(&windows, Setting::Softmax, 1, 1, 1, stop);
        assert!(matches!(stopped, Err(SeedError::Interrupted)));
    }
}
