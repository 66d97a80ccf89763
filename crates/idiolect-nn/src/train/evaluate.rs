//! Measuring weights on a corpus.

use std::ops::ControlFlow;

use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

use super::config::Objective;
use super::corpus::Corpus;
use super::engine::Engine;
use super::lanes::{Feeder, clear};
use super::report::TrainError;
use super::trainer::thread_pool;
use crate::Weights;
use crate::kernel::loss::Tally;
use crate::layout::Layout;

/// Lanes and steps of a chunk when measuring. The result does not depend on them but for rounding.
const LANES: usize = 32;
const STEPS: usize = 64;

/// How well weights predict a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean of the loss over all targets: of -ln p, in nats, or of what else the objective is.
    #[serde(with = "super::checkpoint::exact")]
    pub mean_loss: f64,
    /// Share of the targets than which no token was more probable.
    #[serde(with = "super::checkpoint::exact")]
    pub accuracy: f64,
    /// Number of targets.
    pub targets: u64,
}

impl Evaluation {
    pub(crate) fn from_tally(tally: Tally) -> Self {
        let targets = tally.targets.max(1) as f64;
        Evaluation {
            mean_loss: tally.loss / targets,
            accuracy: tally.correct as f64 / targets,
            targets: tally.targets,
        }
    }
}

/// Measures the cross-entropy of weights on a corpus, in nats, each sequence from a cleared state.
/// `threads` 0 means all cores; `seed` is what the corpus draws from, if it draws at all.
///
/// A corpus without targets has a mean loss of 0 over 0 targets.
pub fn mean_loss(
    weights: &Weights,
    corpus: &dyn Corpus,
    seed: u64,
    threads: usize,
) -> Result<Evaluation, TrainError> {
    mean_objective(weights, corpus, Objective::CrossEntropy, seed, threads)
}

/// The same of another objective.
pub fn mean_objective(
    weights: &Weights,
    corpus: &dyn Corpus,
    objective: Objective,
    seed: u64,
    threads: usize,
) -> Result<Evaluation, TrainError> {
    let layout = Layout::new(weights.architecture());
    let flat = layout.flatten(weights);
    let mut engine = engine(layout, objective);
    let pool = thread_pool(threads)?;
    let mut go_on = |_: Tally| ControlFlow::Continue(());
    let tally = measure(&pool, &mut engine, &flat, corpus, seed, &mut go_on)?;
    Ok(Evaluation::from_tally(tally.unwrap_or_default()))
}

/// An engine to measure with.
pub(crate) fn engine(layout: Layout, objective: Objective) -> Engine {
    Engine::measuring(layout, LANES, STEPS, objective)
}

/// Measures with the threads of a pool; `None` if `progress` stopped it. Only the arithmetic enters the
/// pool: `progress` and the corpus stay on the caller's thread.
pub(crate) fn measure(
    pool: &ThreadPool,
    engine: &mut Engine,
    flat: &[f32],
    corpus: &dyn Corpus,
    seed: u64,
    progress: &mut dyn FnMut(Tally) -> ControlFlow<()>,
) -> Result<Option<Tally>, TrainError> {
    let len = u32::try_from(corpus.len()).map_err(|_| TrainError::TooManySequences)?;
    // Longest first, so that at the end no lane reads on alone for long.
    let mut order: Vec<u32> = (0..len).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(corpus.size_hint(index as usize)));
    // No epoch of a training has this number.
    let key = [seed, u64::MAX];
    let mut feeder = Feeder::new(corpus, order, key, engine.layout.vocab);
    clear(&mut engine.shards);
    pool.install(|| engine.prepare(flat));
    let mut tally = Tally::default();
    while feeder.feed(&mut engine.shards, STEPS)?.is_some() {
        tally += pool.install(|| engine.measure(flat));
        if progress(tally).is_break() {
            return Ok(None);
        }
    }
    Ok(Some(tally))
}
