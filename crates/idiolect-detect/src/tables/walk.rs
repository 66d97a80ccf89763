//! Tables that are walked: a stream is in one of an automaton's contexts, and each call leads to the next.

use std::fmt::Debug;

use idiolect_trace::StartKind;

use super::automaton::Automaton;
use super::grams::Short;
use super::in_turn;
use crate::detector::FOREIGN_STATE;
use crate::{Detector, DetectorState, Measure, Run, Token, Vocabulary};

/// See the module. It is all that such a table need say to be a [`Detector`].
pub(super) trait Walk: Debug + Send + Sync {
    fn automaton(&self) -> &Automaton;

    /// What is said of a call in a context, and the context after it.
    fn step(&self, node: u32, token: Token) -> (f32, u32);

    /// [`Detector::predict`] of what follows a context.
    fn predict_after(&self, node: u32, probabilities: &mut Vec<f32>);

    fn name(&self) -> &'static str;

    fn measured_in(&self) -> Measure {
        Measure::Surprise
    }

    fn silent_calls(&self) -> usize {
        0
    }
}

impl<T: Walk> Detector for T {
    fn kind(&self) -> &'static str {
        self.name()
    }

    fn measure(&self) -> Measure {
        self.measured_in()
    }

    fn silent(&self) -> usize {
        self.silent_calls()
    }

    fn begin(&self, start: StartKind) -> DetectorState {
        let start = Vocabulary::start(start) as Short;
        DetectorState::Context(self.automaton().after_special(start))
    }

    fn observe(&self, state: &mut DetectorState, token: Token) -> f32 {
        let node = node_of(state);
        let said;
        (said, *node) = self.step(*node, token);
        said
    }

    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize) {
        in_turn(runs, threads, |run| {
            let to = node_of(run.state);
            let mut node = *to;
            run.surprises.extend(run.tokens.iter().map(|&token| {
                let said;
                (said, node) = self.step(node, token);
                said
            }));
            *to = node;
        });
    }

    fn gap(&self, state: &mut DetectorState) {
        *node_of(state) = self.automaton().after_special(Vocabulary::GAP as Short);
    }

    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>) {
        match state {
            DetectorState::Context(node) => self.predict_after(*node, probabilities),
            _ => panic!("{FOREIGN_STATE}"),
        }
    }
}

/// The context that a stream is in.
fn node_of(state: &mut DetectorState) -> &mut u32 {
    match state {
        DetectorState::Context(node) => node,
        _ => panic!("{FOREIGN_STATE}"),
    }
}
