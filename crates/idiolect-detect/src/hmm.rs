//! Hidden Markov models of calls.

mod baum_welch;
mod sequence;

use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};

pub use baum_welch::{BaumWelch, Iteration};
pub use sequence::HmmSequence;

use crate::detector::FOREIGN_STATE;
use crate::known::KnownShare;
use crate::tables::in_turn;
use crate::{Detector, DetectorState, Run, Token, Vocabulary};

/// A hidden Markov model before it is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HmmConfig {
    /// Hidden states: 1 to [`HmmModel::MAX_STATES`].
    pub states: usize,
    /// Most iterations of Baum and Welch's algorithm.
    pub iterations: usize,
    /// It stops earlier where an iteration makes the mean surprise lower by less than this, in nats a call.
    pub tolerance: f64,
    /// Makes the first parameters repeatable.
    pub seed: u64,
}

impl HmmConfig {
    /// Numbers that are trained, for a vocabulary of this size.
    pub(crate) fn weight_count(&self, vocab: usize) -> usize {
        let calls = vocab.saturating_sub(Vocabulary::FIRST_CALL as usize);
        self.states * (STARTS + self.states + calls)
    }
}

/// What a stream, or the rest of one, begins with: one of the three starts, or a gap.
pub(crate) const STARTS: usize = 4;
/// The place of a gap among them.
const AFTER_GAP: usize = 3;

/// The parameters of a hidden Markov model: S states, V calls.
#[derive(Clone, Debug, PartialEq)]
pub struct HmmParameters {
    /// S.
    pub states: usize,
    /// V.
    pub calls: usize,
    /// Probability of each state to be the first: [4, S], after `<exec>`, `<thread>`, `<attach>` and `<gap>`.
    pub initial: Vec<f32>,
    /// Probability of each next state: [S, S], a row for the state before.
    pub transition: Vec<f32>,
    /// Probability of each call: [V, S], a column for each state.
    pub emission: Vec<f32>,
}

/// A hidden Markov model (Rabiner 1989; of system calls Warrender et al. 1999): a call depends on a hidden
/// state, and that on the state before. The surprise of a call comes from the forward algorithm, which
/// keeps the probability of each state given all calls so far.
#[derive(Debug)]
pub struct HmmModel {
    parameters: HmmParameters,
    known: KnownShare,
}

/// The lowest probability that a call or a next state has in a fitted model, times their number: what training
/// never showed is improbable, not impossible.
const FLOOR: f64 = 1e-5;

impl HmmModel {
    /// Most hidden states.
    pub const MAX_STATES: usize = 1_024;

    /// Of these parameters and this probability of an unknown call, which lies between 0 and 1.
    ///
    /// # Errors
    /// What is wrong with the parameters: shapes, or distributions that are none.
    pub fn new(parameters: HmmParameters, unknown: f64) -> Result<Self, &'static str> {
        let HmmParameters {
            states,
            calls,
            ref initial,
            ref transition,
            ref emission,
        } = parameters;
        if !(1..=Self::MAX_STATES).contains(&states)
            || !(1..Vocabulary::MAX_TOKENS).contains(&calls)
        {
            return Err("a hidden Markov model has 1 to 1024 states, and some calls");
        }
        let shapes = [STARTS * states, states * states, calls * states];
        if [initial.len(), transition.len(), emission.len()] != shapes {
            return Err("the parameters of a hidden Markov model have other shapes");
        }
        let mut of_states = vec![0.0; states];
        for row in emission.chunks(states) {
            of_states.iter_mut().zip(row).for_each(|(sum, p)| *sum += p);
        }
        let rows = initial.chunks(states).chain(transition.chunks(states));
        let mut sums = rows.map(|row| row.iter().sum::<f32>()).chain(of_states);
        let all = initial.iter().chain(transition).chain(emission);
        let are_probabilities = all.copied().all(|p| (0.0..=1.0 + ROUNDING).contains(&p));
        if !are_probabilities || !sums.all(|sum| (sum - 1.0).abs() <= ROUNDING) {
            return Err("probabilities of a hidden Markov model do not sum to 1");
        }
        let known = KnownShare::new(unknown);
        Ok(HmmModel { parameters, known })
    }

    /// The parameters.
    pub fn parameters(&self) -> &HmmParameters {
        &self.parameters
    }

    /// The probability of a call never seen in training.
    pub fn unknown(&self) -> f64 {
        self.known.unknown()
    }

    fn first(&self, start: usize) -> Vec<f32> {
        let states = self.parameters.states;
        self.parameters.initial[start * states..(start + 1) * states].to_vec()
    }

    fn row(&self, token: Token) -> Option<&[f32]> {
        let call = token.checked_sub(Vocabulary::FIRST_CALL)? as usize;
        let states = self.parameters.states;
        self.parameters
            .emission
            .get(call * states..(call + 1) * states)
    }

    /// Takes a call: the probabilities of the states before it become those of the states after it.
    fn step(&self, expected: &mut Vec<f32>, token: Token) -> f32 {
        let states = self.parameters.states;
        let mut log_prob = 0.0;
        if let Some(emission) = self.row(token) {
            let joint = expected
                .iter()
                .zip(emission)
                .map(|(state, call)| state * call);
            let joint: Vec<f32> = joint.collect();
            let sum = joint.iter().sum::<f32>().max(f32::MIN_POSITIVE);
            log_prob = sum.ln();
            // A call that no state can make says nothing of the state.
            if sum > f32::MIN_POSITIVE {
                expected.copy_from_slice(&joint);
                expected.iter_mut().for_each(|state| *state /= sum);
            }
        }
        let mut next = vec![0.0; states];
        for (&state, row) in expected
            .iter()
            .zip(self.parameters.transition.chunks_exact(states))
        {
            for (next, &p) in next.iter_mut().zip(row) {
                *next += state * p;
            }
        }
        *expected = next;
        self.known.surprise(token, || log_prob)
    }
}

/// What sums of probabilities in 32-bit floats may be off by.
const ROUNDING: f32 = 1e-3;

fn states_of(state: &mut DetectorState) -> &mut Vec<f32> {
    match state {
        DetectorState::Hidden(states) => states,
        _ => panic!("{FOREIGN_STATE}"),
    }
}

impl Detector for HmmModel {
    fn kind(&self) -> &'static str {
        "hmm"
    }

    fn begin(&self, start: StartKind) -> DetectorState {
        DetectorState::Hidden(self.first(start as usize))
    }

    fn observe(&self, state: &mut DetectorState, token: Token) -> f32 {
        self.step(states_of(state), token)
    }

    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize) {
        in_turn(runs, threads, |run| {
            for &token in run.tokens {
                let surprise = match token {
                    Vocabulary::GAP => {
                        self.gap(run.state);
                        0.0
                    }
                    _ => self.observe(run.state, token),
                };
                run.surprises.push(surprise);
            }
        });
    }

    fn gap(&self, state: &mut DetectorState) {
        *states_of(state) = self.first(AFTER_GAP);
    }

    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>) {
        let DetectorState::Hidden(expected) = state else {
            panic!("{FOREIGN_STATE}");
        };
        probabilities.clear();
        probabilities.resize(Vocabulary::FIRST_CALL as usize, f32::NEG_INFINITY);
        let rows = self
            .parameters
            .emission
            .chunks_exact(self.parameters.states);
        probabilities.extend(rows.map(|row| {
            let joint = expected.iter().zip(row).map(|(state, call)| state * call);
            joint.sum::<f32>().max(f32::MIN_POSITIVE).ln()
        }));
        self.known.probabilities(probabilities);
    }
}
