//! One method in one round: fitted, calibrated, tested.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::Instant;

use idiolect_detect::{Calibration, DEFAULT_RATE, SignalKind, Streams, Unit};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, CacheError, key};
use crate::combine::Scored;
use crate::data::{DataSet, Role, Round};
use crate::methods::{self, Fitted, Method, MethodError, Progress, Score};
use crate::metrics::{Heard, Watched, watch};
use crate::resample;

/// Folds of the training streams where a method learns from all of them.
const CROSS_FIT: usize = 5;

/// What came of a method in a round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its scores, one of each readout.
    pub readouts: Vec<Scored>,
    /// Alarms while streams go on, where it can raise them.
    pub alarms: Option<Alarms>,
    /// Seconds that fitting on all training streams took; none where it went on from an earlier run.
    pub fit_seconds: Option<f64>,
    /// Seconds that scoring the tested streams took.
    pub score_seconds: f64,
    /// Calls that were learned from, each counted once.
    pub train_calls: u64,
    /// Calls that were tested.
    pub test_calls: u64,
    /// Bytes of the model.
    pub bytes: u64,
}

/// Alarms that were raised while streams went on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarms {
    /// The share of normal streams that were to raise one: 1 %, or the lowest that the held-out streams
    /// support.
    pub asked: f64,
    /// The score above which one is raised.
    pub threshold: f32,
    /// For each tested stream whether it ever did.
    pub ever: Vec<bool>,
    /// Each tested recording.
    pub recordings: Vec<Watched>,
}

/// Why a job came to nothing.
#[derive(Debug)]
pub(super) enum JobError {
    Method(MethodError),
    Cache(CacheError),
}

impl From<MethodError> for JobError {
    fn from(error: MethodError) -> Self {
        JobError::Method(error)
    }
}

/// One method in one round.
pub(super) struct Job<'a> {
    pub(super) set: &'a DataSet,
    pub(super) round: &'a Round,
    pub(super) seed: u64,
    pub(super) method: &'a dyn Method,
    pub(super) threads: usize,
    pub(super) cache: &'a Cache,
}

impl Job<'_> {
    /// Runs it, or gives what is kept of it.
    pub(super) fn run(&self, progress: &mut Progress<'_>) -> Result<Outcome, JobError> {
        let tested = self.set.hash(&self.round.test);
        let key = self.key(&self.round.train, &["test", &tested]);
        let is_whole = |outcome: &Outcome| {
            let [train, test] = [&self.round.train, &self.round.test].map(Vec::len);
            let whole = |scored: &Scored| scored.train.len() == train && scored.test.len() == test;
            outcome.readouts.len() == self.method.readouts().len()
                && outcome.readouts.iter().all(whole)
                && outcome
                    .alarms
                    .as_ref()
                    .is_none_or(|alarms| alarms.ever.len() == test)
        };
        if let Some(kept) = self.cache.load(&key, is_whole) {
            return Ok(kept);
        }
        let outcome = self.work(progress)?;
        self.cache.save(&key, &outcome).map_err(JobError::Cache)?;
        Ok(outcome)
    }

    fn work(&self, progress: &mut Progress<'_>) -> Result<Outcome, JobError> {
        let streams = self.set.only(&self.round.train);
        // Fits out of fold come on top of the fit itself.
        let mut of_fit = |share: f64| progress(share / (CROSS_FIT + 1) as f64);
        let began = Instant::now();
        let fitted = self.fit(&self.round.train, &streams, &mut of_fit)?;
        let fit_seconds = fitted.is_fresh.then(|| began.elapsed().as_secs_f64());

        let held_out = match &fitted.held_out {
            Some(places) => {
                let scores = fitted.model.score(&streams, places, self.threads);
                places.iter().copied().zip(scores).collect()
            }
            None => self.out_of_fold(progress)?,
        };
        let all: Vec<usize> = (0..streams.len()).collect();
        let train = fitted.model.score(&streams, &all, self.threads);
        let began = Instant::now();
        let test = fitted
            .model
            .score(&self.set.streams, &self.round.test, self.threads);
        let score_seconds = began.elapsed().as_secs_f64();

        let readouts = (0..self.method.readouts().len()).map(|readout| Scored {
            test: test.iter().map(|score| score.whole[readout]).collect(),
            train: train.iter().map(|score| score.whole[readout]).collect(),
            held_out: held_out
                .iter()
                .map(|(place, score)| (*place as u32, score.whole[readout]))
                .collect(),
        });
        let tested = self
            .round
            .test
            .iter()
            .map(|&place| self.set.streams.get(place).calls());
        Ok(Outcome {
            readouts: readouts.collect(),
            alarms: self.alarms(&held_out, &test),
            fit_seconds,
            score_seconds,
            train_calls: streams.calls() as u64,
            test_calls: tested.sum::<usize>() as u64,
            bytes: fitted.bytes,
        })
    }

    /// What a fit on these streams of the set, or a result of it, stands on.
    fn key(&self, train: &[usize], more: &[&str]) -> String {
        let (data, settings) = (self.set.hash(train), self.method.settings());
        let seed = match self.method.is_seeded() {
            true => self.seed.to_string(),
            false => String::new(),
        };
        let mut parts = vec![self.method.name(), &settings, &seed, &data];
        parts.extend(more);
        key(&parts)
    }

    fn fit(
        &self,
        train: &[usize],
        streams: &Streams,
        progress: &mut Progress<'_>,
    ) -> Result<Fitted, MethodError> {
        let scratch = self.cache.fit(&self.key(train, &[]));
        let job = methods::Job {
            streams,
            seed: self.seed,
            threads: self.threads,
            scratch: scratch.as_deref(),
        };
        self.method.fit(&job, progress)
    }

    /// Scores of the training streams, each by a fit that had neither it nor a copy of it. Where there is
    /// too little for that, there are none.
    fn out_of_fold(&self, progress: &mut Progress<'_>) -> Result<Vec<(usize, Score)>, MethodError> {
        let train = &self.round.train;
        let contents: Vec<[u8; 32]> = train
            .iter()
            .map(|&place| *self.set.content(place))
            .collect();
        let fold_of = resample::folds(&contents, CROSS_FIT, 0);
        let mut scores = Vec::new();
        for fold in 0..CROSS_FIT {
            let (held, others): (Vec<usize>, Vec<usize>) =
                (0..train.len()).partition(|&place| fold_of[place] == fold);
            if held.is_empty() || others.is_empty() {
                continue;
            }
            let done = (fold + 1) as f64;
            let mut of_fit = |share: f64| progress((done + share) / (CROSS_FIT + 1) as f64);
            let others: Vec<usize> = others.into_iter().map(|place| train[place]).collect();
            let fitted = match self.fit(&others, &self.set.only(&others), &mut of_fit) {
                Ok(fitted) => fitted,
                Err(MethodError::Interrupted) => return Err(MethodError::Interrupted),
                Err(MethodError::Unfit(_)) => return Ok(Vec::new()),
            };
            let places: Vec<usize> = held.iter().map(|&place| train[place]).collect();
            let scored = fitted.model.score(&self.set.streams, &places, self.threads);
            scores.extend(held.into_iter().zip(scored));
            if progress((done + 1.0) / (CROSS_FIT + 1) as f64) == ControlFlow::Break(()) {
                return Err(MethodError::Interrupted);
            }
        }
        scores.sort_by_key(|&(place, _)| place);
        Ok(scores)
    }

    /// Alarms at a threshold that the greatest scores along held-out streams set.
    fn alarms(&self, held_out: &[(usize, Score)], test: &[Score]) -> Option<Alarms> {
        let greatest = |score: &Score| {
            let along = score.after_each.as_ref()?.iter().copied();
            Some(along.fold(f32::NEG_INFINITY, f32::max))
        };
        let maxima: Vec<f32> = held_out
            .iter()
            .filter_map(|(_, score)| greatest(score))
            .collect();
        let contents = held_out
            .iter()
            .map(|&(place, _)| self.set.content(self.round.train[place]));
        let distinct = contents.collect::<HashSet<_>>().len();
        let calibration = calibration(distinct, maxima);
        let asked = DEFAULT_RATE.max(calibration.lowest_rate());
        let threshold = calibration.threshold(asked).ok()?;

        let mut ever = Vec::new();
        let mut recordings: BTreeMap<u32, Vec<Heard>> = BTreeMap::new();
        for (&place, score) in self.round.test.iter().zip(test) {
            let about = &self.set.about[place];
            let after_each = score.after_each.as_ref()?;
            ever.push(after_each.iter().any(|&score| score > threshold));
            let calls = recordings.entry(about.recording).or_default();
            for (call, &score) in after_each.iter().enumerate() {
                let time_ns = about.times.as_ref().map(|times| times[call]);
                let under_attack = match (about.exploit_ns, time_ns) {
                    (Some(began), Some(now)) => now >= began,
                    _ => about.role == Role::Attack,
                };
                calls.push(Heard {
                    score,
                    time_ns,
                    under_attack,
                });
            }
        }
        let watched = recordings.into_values().map(|mut calls| {
            // Threads of one recording go on side by side; without times they come one after another.
            if calls.iter().all(|call| call.time_ns.is_some()) {
                calls.sort_by_key(|call| call.time_ns);
            }
            watch(calls, threshold)
        });
        Some(Alarms {
            asked,
            threshold,
            ever,
            recordings: watched.collect(),
        })
    }
}

/// Scores of held-out streams as what thresholds are set by.
pub(crate) fn calibration(distinct: usize, scores: Vec<f32>) -> Calibration {
    // It asks for a signal's name, which nothing here goes by.
    Calibration::new(0, SignalKind::Mean, None, Unit::Stream, distinct, scores)
}
