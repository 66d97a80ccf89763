//! The LSTM language model as a detector.

use idiolect_nn::{Scorer, Weights};
use idiolect_trace::StartKind;

use crate::{Detector, DetectorState, Token, Vocabulary};

/// An LSTM language model of calls (Kim et al. 2016).
///
/// A fixed share of the probability, measured on streams that did not train it, belongs to calls never
/// seen in training; the network's distribution gets the rest.
#[derive(Debug)]
pub struct LstmModel {
    weights: Weights,
    scorer: Scorer,
    unknown: f64,
    /// -ln of the probability of an unknown call, in nats.
    unknown_surprise: f32,
    /// -ln of what that leaves to known calls, in nats.
    known_surprise: f32,
}

impl LstmModel {
    /// Of these weights and this probability of an unknown call, which lies between 0 and 1.
    pub fn new(weights: Weights, unknown: f64) -> Self {
        LstmModel {
            scorer: Scorer::new(&weights),
            weights,
            unknown,
            unknown_surprise: -unknown.ln() as f32,
            known_surprise: -(-unknown).ln_1p() as f32,
        }
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The probability of a call never seen in training.
    pub fn unknown(&self) -> f64 {
        self.unknown
    }
}

impl Detector for LstmModel {
    fn kind(&self) -> &'static str {
        "lstm"
    }

    fn begin(&self, start: StartKind) -> DetectorState {
        let mut state = self.scorer.state();
        self.scorer.advance(&mut state, Vocabulary::start(start));
        DetectorState::Lstm(state)
    }

    fn observe(&self, state: &mut DetectorState, token: Token) -> f32 {
        let DetectorState::Lstm(state) = state;
        let surprise = if token < Vocabulary::FIRST_CALL {
            self.unknown_surprise
        } else {
            self.known_surprise - self.scorer.log_prob(state, token)
        };
        self.scorer.advance(state, token);
        surprise.max(0.0)
    }

    fn gap(&self, state: &mut DetectorState) {
        let DetectorState::Lstm(state) = state;
        self.scorer.advance(state, Vocabulary::GAP);
    }

    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>) {
        let DetectorState::Lstm(state) = state;
        probabilities.resize(self.weights.architecture().vocab, 0.0);
        self.scorer.log_probs(state, probabilities);
        let known = (1.0 - self.unknown) as f32;
        for probability in probabilities.iter_mut() {
            *probability = known * probability.exp();
        }
        probabilities[Vocabulary::UNKNOWN as usize] = self.unknown as f32;
    }
}
