//! Detectors that are tables of what was counted: n-gram language models, PPM, and windows of calls.

mod automaton;
mod grams;
mod lookahead;
mod model;
mod ngram;
mod parts;
#[cfg(test)]
mod plain;
mod ppm;
mod smoothing;
mod walk;
mod window_set;

pub use grams::{Grams, MAX_ORDER, TableError};
pub use lookahead::LookaheadPairs;
pub(crate) use lookahead::PairParts;
pub use model::{TableConfig, TableModel};
pub use ngram::NgramModel;
pub(crate) use parts::Parts;
pub use ppm::{Escape, PpmModel};
pub use smoothing::Smoothing;
pub use window_set::{WindowRule, WindowSet};

use crate::Run;
use crate::detector::threads_or_all;

/// Calls below which another thread is not worth its start.
const FEW_CALLS: usize = 1 << 16;

/// Follows streams one after another, each whole, on so many threads (0: as many as there are processors).
pub(crate) fn in_turn(runs: &mut [Run<'_>], threads: usize, follow: impl Fn(&mut Run<'_>) + Sync) {
    let total: usize = runs.iter().map(|run| run.tokens.len()).sum();
    let threads = threads_or_all(threads).min(total / FEW_CALLS + 1);
    let share = total.div_ceil(threads).max(1);
    let follow_all = |runs: &mut [Run<'_>]| {
        for run in runs {
            run.surprises.clear();
            run.surprises.reserve(run.tokens.len());
            follow(run);
        }
    };
    std::thread::scope(|scope| {
        let mut rest = runs;
        while !rest.is_empty() {
            let mut calls = 0;
            let within = rest.iter().take_while(|run| {
                let more = calls < share;
                calls += run.tokens.len();
                more
            });
            let (part, others) = rest.split_at_mut(within.count().max(1));
            rest = others;
            if rest.is_empty() {
                follow_all(part);
                break;
            }
            scope.spawn(|| follow_all(part));
        }
    });
}
