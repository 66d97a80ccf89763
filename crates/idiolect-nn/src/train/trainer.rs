//! A training, epoch by epoch.

use std::ops::ControlFlow;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::config::{Schedule, TrainConfig};
use super::corpus::Corpus;
use super::engine::Engine;
use super::evaluate::{self, Evaluation};
use super::lanes::{Feeder, clear};
use super::optimiser::{self, Moments};
use super::report::{EpochEnd, EpochReport, Phase, Progress, RunEnd, TrainError};
use crate::kernel::loss::Tally;
use crate::layout::Layout;
use crate::{Architecture, Rng, Weights};

/// A training.
///
/// [`epoch`](Trainer::epoch) passes once over the training sequences; [`run`](Trainer::run) does so until
/// the end. Between epochs a [`Checkpoint`](crate::Checkpoint) can be taken; a trainer made from it does exactly, bit for
/// bit, what this one would have done, whatever the number of threads.
#[derive(Debug)]
pub struct Trainer {
    pub(super) architecture: Architecture,
    pub(super) config: TrainConfig,
    pool: ThreadPool,
    pub(super) engine: Engine,
    tune_engine: Option<Engine>,
    pub(super) weights: Vec<f32>,
    pub(super) moments: Moments,
    /// Weights and moments as they were when the epoch began.
    pub(super) boundary: (Vec<f32>, Moments),
    pub(super) best: Option<Vec<f32>>,
    pub(super) course: Course,
    /// Room to sum squares in.
    partial: Vec<f64>,
}

/// What the epochs so far have come to.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) plateau: f64,
    pub(super) plateau_waited: usize,
    pub(super) plateau_best: f64,
    pub(super) waited: usize,
    pub(super) best_loss: f64,
    pub(super) best_epoch: Option<usize>,
    pub(super) history: Vec<EpochReport>,
}

/// Told how a training goes, after each chunk; answers whether to go on.
type Observer<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

impl Trainer {
    /// A training that begins with these weights. `threads` 0 means all cores; the result does not depend
    /// on it.
    pub fn new(weights: &Weights, config: TrainConfig, threads: usize) -> Result<Self, TrainError> {
        let architecture = weights.architecture().clone();
        architecture.validate()?;
        config.validate_for(&architecture)?;
        let layout = Layout::new(&architecture);
        let flat = layout.flatten(weights);
        let moments = Moments::new(config.optimiser.kind, flat.len());
        let engine = Engine::learning(layout, &config);
        Ok(Trainer {
            architecture,
            config,
            pool: thread_pool(threads)?,
            engine,
            tune_engine: None,
            boundary: (flat.clone(), moments.clone()),
            weights: flat,
            moments,
            best: None,
            course: Course {
                plateau: 1.0,
                plateau_waited: 0,
                plateau_best: f64::INFINITY,
                waited: 0,
                best_loss: f64::INFINITY,
                best_epoch: None,
                history: Vec::new(),
            },
            partial: Vec::new(),
        })
    }

    /// How it trains.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// What the epochs so far have come to.
    pub fn history(&self) -> &[EpochReport] {
        &self.course.history
    }

    /// Epochs done.
    pub fn epochs_done(&self) -> usize {
        self.course.history.len()
    }

    /// Why there is nothing left to do, if so.
    pub fn finished(&self) -> Option<RunEnd> {
        if self.epochs_done() >= self.config.epochs {
            Some(RunEnd::AllEpochs)
        } else if self
            .config
            .patience
            .is_some_and(|patience| self.epochs_done() > 0 && self.course.waited >= patience.max(1))
        {
            Some(RunEnd::NoImprovement)
        } else {
            None
        }
    }

    /// The weights as they stand.
    pub fn weights(&self) -> Weights {
        self.engine
            .layout
            .unflatten(&self.architecture, &self.weights)
    }

    /// The weights of the epoch with the lowest tune loss; of the last, if there was nothing to tune on;
    /// the first weights, if there was no epoch.
    pub fn best_weights(&self) -> Weights {
        let best = self.best.as_ref().unwrap_or(&self.weights);
        self.engine.layout.unflatten(&self.architecture, best)
    }

    /// Passes over the training sequences until all epochs are done, the tune loss stops falling, or the
    /// observer breaks off.
    pub fn run(
        &mut self,
        train: &dyn Corpus,
        tune: Option<&dyn Corpus>,
        observer: Observer<'_>,
    ) -> Result<RunEnd, TrainError> {
        loop {
            if let Some(end) = self.finished() {
                return Ok(end);
            }
            if self.epoch(train, tune, observer)? == EpochEnd::Stopped {
                return Ok(RunEnd::Stopped);
            }
        }
    }

    /// Passes once over the training sequences and measures on the tune sequences.
    ///
    /// If it fails or the observer breaks it off, the trainer stands as it stood before.
    pub fn epoch(
        &mut self,
        train: &dyn Corpus,
        tune: Option<&dyn Corpus>,
        observer: Observer<'_>,
    ) -> Result<EpochEnd, TrainError> {
        let result = self.try_epoch(train, tune, observer);
        match &result {
            Ok(EpochEnd::Done(report)) => {
                self.boundary.0.copy_from_slice(&self.weights);
                self.boundary.1.clone_from(&self.moments);
                self.conclude(report.clone());
            }
            _ => {
                self.weights.copy_from_slice(&self.boundary.0);
                self.moments.clone_from(&self.boundary.1);
            }
        }
        result
    }

    fn try_epoch(
        &mut self,
        train: &dyn Corpus,
        tune: Option<&dyn Corpus>,
        observer: Observer<'_>,
    ) -> Result<EpochEnd, TrainError> {
        let Some(pass) = self.pass(train, observer)? else {
            return Ok(EpochEnd::Stopped);
        };
        let epoch = self.epochs_done();
        let mut tuned = None;
        if let Some(tune) = tune {
            let Some(tally) = self.tune(tune, pass.learning_rate, observer)? else {
                return Ok(EpochEnd::Stopped);
            };
            if !tally.loss.is_finite() {
                return Err(TrainError::NotFinite {
                    epoch,
                    step: pass.steps,
                });
            }
            tuned = (tally.targets > 0).then(|| Evaluation::from_tally(tally));
        }
        Ok(EpochEnd::Done(EpochReport {
            epoch,
            train: Evaluation::from_tally(pass.tally),
            tune: tuned,
            learning_rate: pass.learning_rate,
            gradient_norm: pass.norms / pass.steps.max(1) as f64,
            best: tuned.is_none_or(|tuned| tuned.mean_loss < self.course.best_loss),
        }))
    }

    /// One pass over the training sequences; `None` if the observer broke it off.
    fn pass(
        &mut self,
        train: &dyn Corpus,
        observer: Observer<'_>,
    ) -> Result<Option<Pass>, TrainError> {
        let epoch = self.epochs_done();
        let (seed, epoch_key) = (self.config.seed, epoch as u64);
        let len = u32::try_from(train.len()).map_err(|_| TrainError::TooManySequences)?;
        let mut order: Vec<u32> = (0..len).collect();
        Rng::from_parts(&[seed, epoch_key, SHUFFLE]).shuffle(&mut order);
        let total: u64 = (0..train.len()).map(|i| train.size_hint(i) as u64).sum();
        let mut feeder = Feeder::new(train, order, [seed, epoch_key], self.architecture.vocab);
        let mut pass = Pass::default();

        let Trainer {
            config,
            pool,
            engine,
            weights,
            moments,
            course,
            partial,
            ..
        } = self;
        clear(&mut engine.shards);
        while let Some(targets) = feeder.feed(&mut engine.shards, config.bptt)? {
            let rate = config.learning_rate(
                share_done(epoch, pass.tally.targets, total, config.epochs),
                course.plateau,
            );
            let key = [seed, epoch_key, DROPOUT, pass.chunks];
            let learned = pool.install(|| {
                engine.prepare(weights);
                let tally = engine.learn(weights, targets, key);
                let norm = optimiser::norm(engine.level, &engine.gradient, partial);
                if !norm.is_finite() || !tally.loss.is_finite() {
                    return None;
                }
                if targets > 0 {
                    let clip = optimiser::clip_factor(norm, config.clip_norm);
                    let (optimiser, gradient) = (&config.optimiser, &engine.gradient);
                    optimiser::step(
                        engine.level,
                        optimiser,
                        rate,
                        clip,
                        weights,
                        gradient,
                        moments,
                    );
                }
                Some((tally, norm))
            });
            let Some((tally, norm)) = learned else {
                return Err(TrainError::NotFinite {
                    epoch,
                    step: pass.chunks,
                });
            };
            pass.chunks += 1;
            if targets > 0 {
                pass.steps += 1;
                pass.norms += norm;
            }
            pass.tally += tally;
            pass.learning_rate = rate;
            let so_far = Evaluation::from_tally(pass.tally);
            let progress = Progress {
                epoch,
                epochs: config.epochs,
                phase: Phase::Train,
                fraction: share_done(epoch, pass.tally.targets, total, config.epochs),
                loss: so_far.mean_loss,
                accuracy: so_far.accuracy,
                targets_done: so_far.targets,
                targets_total: total,
                learning_rate: rate,
            };
            if observer(&progress).is_break() {
                return Ok(None);
            }
        }
        if pass.tally.targets == 0 {
            return Err(TrainError::NothingToLearn);
        }
        Ok(Some(pass))
    }

    fn tune(
        &mut self,
        tune: &dyn Corpus,
        learning_rate: f64,
        observer: Observer<'_>,
    ) -> Result<Option<Tally>, TrainError> {
        let (epoch, epochs) = (self.epochs_done(), self.config.epochs);
        let total: u64 = (0..tune.len()).map(|i| tune.size_hint(i) as u64).sum();
        let layout = &self.engine.layout;
        let engine = self
            .tune_engine
            .get_or_insert_with(|| evaluate::engine(layout.clone(), self.config.objective));
        let mut tell = |tally: Tally| {
            let so_far = Evaluation::from_tally(tally);
            observer(&Progress {
                epoch,
                epochs,
                phase: Phase::Tune,
                fraction: (epoch + 1) as f64 / epochs as f64,
                loss: so_far.mean_loss,
                accuracy: so_far.accuracy,
                targets_done: so_far.targets,
                targets_total: total,
                learning_rate,
            })
        };
        evaluate::measure(
            &self.pool,
            engine,
            &self.weights,
            tune,
            self.config.seed,
            &mut tell,
        )
    }

    /// Takes note of an epoch that is done.
    fn conclude(&mut self, report: EpochReport) {
        let course = &mut self.course;
        let loss = report.tune.unwrap_or(report.train).mean_loss;
        if report.best {
            course.waited = 0;
            course.best_epoch = Some(report.epoch);
            if let Some(tune) = report.tune {
                course.best_loss = tune.mean_loss;
            }
            match &mut self.best {
                Some(best) => best.copy_from_slice(&self.weights),
                None => self.best = Some(self.weights.clone()),
            }
        } else {
            course.waited += 1;
        }
        if let Schedule::Plateau {
            factor,
            patience,
            floor,
        } = self.config.schedule
        {
            if loss < course.plateau_best * (1.0 - PLATEAU_THRESHOLD) {
                course.plateau_best = loss;
                course.plateau_waited = 0;
            } else {
                course.plateau_waited += 1;
            }
            if course.plateau_waited > patience {
                course.plateau = (course.plateau * factor).max(floor);
                course.plateau_waited = 0;
            }
        }
        course.history.push(report);
    }
}

/// What a pass over the training sequences came to.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    tally: Tally,
    chunks: u64,
    /// Chunks with targets.
    steps: u64,
    /// Sum of the gradients' norms.
    norms: f64,
    learning_rate: f64,
}

/// Marks the generator that orders the sequences, apart from those of the sequences (whose indices are
/// below 2^32).
const SHUFFLE: u64 = 1 << 32;
/// Marks the generators that draw dropout masks.
const DROPOUT: u64 = (1 << 32) + 1;
/// How much lower a loss must be to count for the plateau schedule: PyTorch's default.
const PLATEAU_THRESHOLD: f64 = 1e-4;

/// Share of the whole training that is done, by targets.
fn share_done(epoch: usize, targets: u64, total: u64, epochs: usize) -> f64 {
    let of_epoch = (targets as f64 / total.max(1) as f64).min(1.0);
    (epoch as f64 + of_epoch) / epochs as f64
}

/// Threads of a training's own; 0 means as many as there are cores.
pub(crate) fn thread_pool(threads: usize) -> Result<ThreadPool, TrainError> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("idiolect-nn-{index}"))
        .build()
        .map_err(|error| TrainError::Threads(error.to_string()))
}
