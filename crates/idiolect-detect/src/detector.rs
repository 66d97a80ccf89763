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

    /// Takes the next calls of many streams: several times as fast as [`observe`](Detector::observe), with
    /// the very same result, whatever streams are taken together and whatever the number of threads (0: as
    /// many as there are processors).
    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize);

    /// Calls are missing here.
    fn gap(&self, state: &mut DetectorState);

    /// Writes the probability of each token of the vocabulary to be the next one.
    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>);
}

/// The next calls of one stream.
#[derive(Debug)]
pub struct Run<'a> {
    /// What is remembered of the stream.
    pub state: &'a mut DetectorState,
    /// Its calls; [`Vocabulary::GAP`](crate::Vocabulary::GAP) where some are missing.
    pub tokens: &'a [Token],
    /// Filled with the surprise of each, in nats; anything for a gap.
    pub surprises: Vec<f32>,
}

impl<'a> Run<'a> {
    /// These calls, of which nothing is known yet.
    pub fn new(state: &'a mut DetectorState, tokens: &'a [Token]) -> Self {
        Run {
            state,
            tokens,
            surprises: Vec::new(),
        }
    }
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

/// How many threads are meant; 0 is all processors.
pub(crate) fn threads_or_all(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// A state belongs to the detector that began it; another's is a fault of the caller's.
pub(crate) const FOREIGN_STATE: &str = "the state of another detector";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LstmModel, Vocabulary, WindowModel};
    use idiolect_nn::{Architecture, Weights};
    use proptest::prelude::*;

    const VOCAB: usize = Vocabulary::FIRST_CALL as usize + 5;

    fn detectors() -> [Box<dyn Detector>; 2] {
        let weights = |embedding| {
            let architecture = Architecture {
                vocab: VOCAB,
                embedding,
                hidden: vec![16, 8],
            };
            Weights::init(&architecture, 5).unwrap()
        };
        [
            Box::new(LstmModel::new(weights(Some(8)), 0.01)),
            Box::new(WindowModel::new(weights(None), 0.01, 4)),
        ]
    }

    /// Calls, gaps and calls never seen.
    fn token() -> impl Strategy<Value = Token> {
        prop_oneof![
            8 => Vocabulary::FIRST_CALL..VOCAB as Token,
            1 => Just(Vocabulary::GAP),
            1 => Just(Vocabulary::UNKNOWN),
        ]
    }

    proptest! {
        #[test]
        fn runs_are_as_one_call_after_another(
            streams in prop::collection::vec(prop::collection::vec(token(), 0..40), 0..90),
            cut in 0usize..40,
            threads in 0usize..4,
        ) {
            for detector in detectors() {
                let mut states: Vec<DetectorState> =
                    streams.iter().map(|_| detector.begin(StartKind::Exec)).collect();
                let mut alone = states.clone();
                // Each stream in two pieces, to see that its state goes on.
                for first in [true, false] {
                    let pieces: Vec<&[Token]> = streams
                        .iter()
                        .map(|stream| {
                            let (a, b) = stream.split_at(cut.min(stream.len()));
                            if first { a } else { b }
                        })
                        .collect();
                    let mut runs: Vec<Run<'_>> = states
                        .iter_mut()
                        .zip(&pieces)
                        .map(|(state, tokens)| Run::new(state, tokens))
                        .collect();
                    detector.observe_runs(&mut runs, threads);
                    for (run, state) in runs.iter().zip(&mut alone) {
                        prop_assert_eq!(run.surprises.len(), run.tokens.len());
                        for (&token, surprise) in run.tokens.iter().zip(&run.surprises) {
                            if token == Vocabulary::GAP {
                                detector.gap(state);
                            } else {
                                let one = detector.observe(state, token);
                                prop_assert_eq!(one, *surprise);
                            }
                        }
                    }
                }
            }
        }
    }
}
