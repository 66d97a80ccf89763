//! What every detector can do.

use std::fmt::Debug;

use idiolect_trace::StartKind;

use crate::Token;

/// A fitted model of normal streams. It is told one token at a time and answers with a surprise.
///
/// The model is shared and never changes; what it remembers of a stream is in a [`DetectorState`] that
/// the caller keeps, so that any number of streams are followed at once, and a stream can move to
/// another process.
pub trait Detector: Debug + Send + Sync {
    /// The detector's name, as in the profile file: `lstm`.
    fn kind(&self) -> &'static str;

    /// The state of a stream that begins like this.
    fn begin(&self, start: StartKind) -> DetectorState;

    /// Takes the next call. Returns its surprise, -ln p(call | what came before), in nats: finite and not
    /// negative.
    fn observe(&self, state: &mut DetectorState, token: Token) -> f32;

    /// Calls are missing here.
    fn gap(&self, state: &mut DetectorState);

    /// Writes the probability of each token of the vocabulary to be the next one.
    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>);
}

/// What a detector remembers of one stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DetectorState {
    /// Of an LSTM language model: h and c of each layer.
    Lstm(idiolect_nn::State),
    /// Of a model of windows: the last tokens.
    Window(Vec<Token>),
}
