//! The share of the probability that belongs to calls never seen in training.

use crate::{Token, Vocabulary};

/// A fixed share of the probability, measured on streams that did not train the model, belongs to calls
/// never seen in training; what the model says of known calls gets the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownShare {
    unknown: f64,
    /// -ln of the probability of an unknown call, in nats.
    unknown_surprise: f32,
    /// -ln of what that leaves to known calls, in nats.
    known_surprise: f32,
}

impl KnownShare {
    /// With this probability of an unknown call, which lies between 0 and 1.
    pub(crate) fn new(unknown: f64) -> Self {
        KnownShare {
            unknown,
            unknown_surprise: -unknown.ln() as f32,
            known_surprise: -(-unknown).ln_1p() as f32,
        }
    }

    /// The probability of a call never seen in training.
    pub(crate) fn unknown(self) -> f64 {
        self.unknown
    }

    /// The surprise of a token in nats; `log_prob` is asked for what the model says of a known call.
    pub(crate) fn surprise(self, token: Token, log_prob: impl FnOnce() -> f32) -> f32 {
        let surprise = if token < Vocabulary::FIRST_CALL {
            self.unknown_surprise
        } else {
            self.known_surprise - log_prob()
        };
        surprise.max(0.0)
    }

    /// Turns a model's ln p of every token into probabilities.
    pub(crate) fn probabilities(self, log_probs: &mut [f32]) {
        let known = (1.0 - self.unknown) as f32;
        for value in log_probs.iter_mut() {
            *value = known * value.exp();
        }
        log_probs[Vocabulary::UNKNOWN as usize] = self.unknown as f32;
    }
}
