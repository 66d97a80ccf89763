//! Every detector on every data set with every seed, under one protocol.
//!
//! In each round ([`DataSet::rounds`]) a method is fitted on the round's normal training streams and no
//! others. Scores of normal streams that trained nothing come from the part that the method holds out, or,
//! where it learns from all, out of fold: from fits on four fifths of the training streams each. Thresholds
//! and combinations go by those. Then the round's streams are scored, once.
//!
//! Fits and scores are kept in a folder, each under a hash of what it stands on (data, settings, seed,
//! version), so that a grid that was broken off goes on where it was.

mod cache;
mod job;
mod spec;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

pub use cache::CacheError;
pub(crate) use job::calibration;
pub use job::{Alarms, Outcome};
pub use spec::{Part, Spec, SpecError};

use crate::data::{DataSet, Round};
use crate::methods::{Method, MethodError};
use cache::Cache;

/// What is evaluated, and how.
#[derive(Debug)]
pub struct Grid {
    /// The data sets.
    pub sets: Vec<DataSet>,
    /// The detectors, as they were asked for; the others are compared with the first.
    pub detectors: Vec<Spec>,
    /// The methods that they are made of.
    pub methods: Vec<Arc<dyn Method>>,
    /// Seeds: 1, 2 and so on.
    pub seeds: u64,
    /// Folds where a set has no split of its own.
    pub folds: usize,
    /// Threads, 0 for as many as there are processors; results do not depend on it.
    pub threads: usize,
    /// Where fits and scores are kept.
    pub cache: Option<PathBuf>,
}

/// One round of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundOf {
    /// Its seed.
    pub seed: u64,
    /// Which of the seed's rounds, from 0.
    pub number: usize,
    /// What is learned from and tested.
    pub round: Round,
}

/// What came of one method in one round.
#[derive(Clone, Debug)]
pub struct Done {
    /// The method.
    pub method: String,
    /// The round, by its place in [`Ran::rounds`].
    pub round: usize,
    /// The scores, or why there are none.
    pub outcome: Result<Arc<Outcome>, String>,
}

/// What came of a data set.
#[derive(Debug)]
pub struct Ran {
    /// Its rounds.
    pub rounds: Vec<RoundOf>,
    /// Every method in every round.
    pub done: Vec<Done>,
}

/// What happens while a grid runs.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// How much of the grid is done, from 0 to 1.
    pub share: f64,
    /// The data set.
    pub set: &'a str,
    /// The method.
    pub method: &'a str,
    /// The seed.
    pub seed: u64,
}

/// Why a grid ended early.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// The observer stopped it.
    #[error("interrupted")]
    Interrupted,
    /// A result cannot be kept.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl Grid {
    /// Runs it, and gives what came of each data set in its order.
    ///
    /// # Errors
    /// [`GridError`]; what was done until then is kept.
    pub fn run(
        &self,
        observer: &mut dyn FnMut(At<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Ran>, GridError> {
        let cache = Cache::open(self.cache.clone())?;
        let methods = self.methods_needed();
        let plans: Vec<Vec<RoundOf>> = self.sets.iter().map(|set| self.rounds(set)).collect();
        // A method that no seed changes has nothing to do in a round that came before.
        let mut planned = Vec::new();
        for (set, rounds) in self.sets.iter().zip(&plans) {
            for (place, round) in rounds.iter().enumerate() {
                for method in &methods {
                    let again = set.has_split() && round.seed > 1 && !method.is_seeded();
                    planned.push((set, place, round, method, again));
                }
            }
        }
        let all = planned.iter().filter(|(.., again)| !again).count() as f64;
        let mut finished = 0.0;
        let mut firsts: BTreeMap<(&str, &str), Done> = BTreeMap::new();
        let mut by_set: BTreeMap<&str, Vec<Done>> = BTreeMap::new();
        for (set, place, round, method, again) in planned {
            let key = (set.name.as_str(), method.name());
            if let (true, Some(first)) = (again, firsts.get(&key)) {
                let done = Done {
                    round: place,
                    ..first.clone()
                };
                by_set.entry(&set.name).or_default().push(done);
                continue;
            }
            let mut progress = |share: f64| {
                observer(At {
                    share: (finished + share) / all,
                    set: &set.name,
                    method: method.name(),
                    seed: round.seed,
                })
            };
            if progress(0.0).is_break() {
                return Err(GridError::Interrupted);
            }
            let job = job::Job {
                set,
                round: &round.round,
                seed: round.seed,
                method: method.as_ref(),
                threads: self.threads,
                cache: &cache,
            };
            let outcome = match job.run(&mut progress) {
                Ok(outcome) => Ok(Arc::new(outcome)),
                Err(job::JobError::Method(MethodError::Interrupted)) => {
                    return Err(GridError::Interrupted);
                }
                Err(job::JobError::Method(MethodError::Unfit(reason))) => Err(reason),
                Err(job::JobError::Cache(error)) => return Err(error.into()),
            };
            let done = Done {
                method: method.name().to_owned(),
                round: place,
                outcome,
            };
            firsts.entry(key).or_insert_with(|| done.clone());
            by_set.entry(&set.name).or_default().push(done);
            finished += 1.0;
        }
        let ran = self.sets.iter().zip(plans).map(|(set, rounds)| Ran {
            rounds,
            done: by_set.remove(set.name.as_str()).unwrap_or_default(),
        });
        Ok(ran.collect())
    }

    /// A method by its name.
    pub fn method(&self, name: &str) -> Option<&Arc<dyn Method>> {
        self.methods.iter().find(|method| method.name() == name)
    }

    /// The methods that the detectors are made of, each once.
    fn methods_needed(&self) -> Vec<&Arc<dyn Method>> {
        let wanted = |method: &&Arc<dyn Method>| {
            let mut parts = self.detectors.iter().flat_map(Spec::parts);
            parts.any(|part| part.method == method.name())
        };
        self.methods.iter().filter(wanted).collect()
    }

    fn rounds(&self, set: &DataSet) -> Vec<RoundOf> {
        let of_seed = |seed: u64| {
            let rounds = set.rounds(self.folds, seed).into_iter().enumerate();
            rounds.map(move |(number, round)| RoundOf {
                seed,
                number,
                round,
            })
        };
        (1..=self.seeds.max(1)).flat_map(of_seed).collect()
    }
}
