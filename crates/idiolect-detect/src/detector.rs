//! What every detector can do.

use std::fmt::Debug;

use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};

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

    /// What it says of each call.
    fn measure(&self) -> Measure {
        Measure::Surprise
    }

    /// Calls at the beginning of a stream, and after a gap, of which it says nothing: what it returns for them
    /// has no meaning.
    fn silent(&self) -> usize {
        0
    }

    /// Takes the next call. Returns how odd it is by the [`Measure`]: its surprise, -ln p(call | what came
    /// before), in nats, where that is the measure. It is finite and not negative.
    fn observe(&self, state: &mut DetectorState, token: Token) -> f32;

    /// Takes the next calls of many streams: several times as fast as [`observe`](Detector::observe), with
    /// the very same result, whatever streams are taken together and whatever the number of threads (0: as
    /// many as there are processors).
    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize);

    /// Calls are missing here.
    fn gap(&self, state: &mut DetectorState);

    /// Writes the probability of each token of the vocabulary to be the next one. Where the measure is not
    /// the surprise, how well it would fit, from 0 for not at all to 1.
    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>);
}

/// What a detector says of each call, and in which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Its surprise, -ln p, in nats.
    Surprise,
    /// 1 where the window of calls that ends with it was never seen, 0 otherwise.
    UnseenWindows,
    /// The same of windows that were rare or never seen.
    RareWindows,
    /// How rare the window is that ends with it, in nats.
    Rarity,
    /// The share of its pairs with the calls before it that were never seen.
    UnseenPairs,
    /// How far the window that ends with it is from what it is rebuilt as; 1 is the distance between windows
    /// that have nothing in common.
    Distance,
}

impl Measure {
    /// The unit of what is said of a call: "0.3 nats".
    pub fn unit(self) -> &'static str {
        match self {
            Measure::Surprise => "nats",
            Measure::UnseenWindows => "unseen windows",
            Measure::RareWindows => "rare or unseen windows",
            Measure::Rarity => "nats of rarity",
            Measure::UnseenPairs => "shares of pairs unseen",
            Measure::Distance => "distances",
        }
    }

    /// The unit of its mean over calls.
    pub fn unit_of_mean(self) -> &'static str {
        match self {
            Measure::Surprise => "nats a call",
            Measure::UnseenWindows => "share of windows unseen",
            Measure::RareWindows => "share of windows rare or unseen",
            Measure::Rarity => "nats of rarity a window",
            Measure::UnseenPairs => "share of pairs unseen",
            Measure::Distance => "distance of a window",
        }
    }

    /// What it is called, as along the stream.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Surprise => "surprise",
            Measure::UnseenWindows | Measure::RareWindows | Measure::UnseenPairs => "mismatch",
            Measure::Rarity => "rarity",
            Measure::Distance => "distance",
        }
    }

    /// Whether it comes from a probability of each call.
    pub fn is_surprise(self) -> bool {
        self == Measure::Surprise
    }
}

/// The next calls of one stream.
#[derive(Debug)]
pub struct Run<'a> {
    /// What is remembered of the stream.
    pub state: &'a mut DetectorState,
    /// Its calls; [`Vocabulary::GAP`](crate::Vocabulary::GAP) where some are missing.
    pub tokens: &'a [Token],
    /// Filled with the surprise of each, or what the detector's measure is; anything for a gap.
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
    /// Of a model of windows, or of pairs: the last tokens.
    Window(Vec<Token>),
    /// Of a table of n-grams: the number of the context.
    Context(u32),
    /// Of a hidden Markov model: the probability of each state given the calls so far.
    Hidden(Vec<f32>),
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
    use crate::hmm::{BaumWelch, HmmConfig, HmmModel, HmmSequence};
    use crate::tables::{Escape, Smoothing, TableConfig, TableModel};
    use crate::{CoderConfig, LstmModel, Vocabulary, WindowModel};
    use idiolect_nn::one_hot::{AutoencoderConfig, MapConfig};
    use idiolect_nn::{Architecture, Weights};
    use proptest::prelude::*;

    const VOCAB: usize = Vocabulary::FIRST_CALL as usize + 5;

    fn detectors() -> Vec<Box<dyn Detector>> {
        let weights = |embedding| {
            let architecture = Architecture {
                vocab: VOCAB,
                embedding,
                hidden: vec![16, 8],
            };
            Weights::init(&architecture, 5).unwrap()
        };
        let sequences = || {
            [
                vec![1, 5, 6, 7, 4, 6, 6, 5, 8],
                vec![2, 5, 6, 5, 6, 7, 7, 8, 9],
            ]
        };
        let hmm = HmmConfig {
            states: 3,
            iterations: 0,
            tolerance: 0.0,
            seed: 1,
        };
        let rows: Vec<_> = sequences()
            .into_iter()
            .flat_map(HmmSequence::of_stream)
            .collect();
        let mut trained = BaumWelch::begin(&hmm, 5, &rows).unwrap();
        trained.iterate(&rows, 1);
        let mut all: Vec<Box<dyn Detector>> = vec![
            Box::new(LstmModel::new(weights(Some(8)), 0.01)),
            Box::new(WindowModel::new(weights(None), 0.01, 4)),
            Box::new(HmmModel::new(trained.parameters(), 0.1).unwrap()),
        ];
        let coders = [
            CoderConfig::Som {
                len: 3,
                map: MapConfig {
                    side: 3,
                    steps: 400,
                    seed: 1,
                },
            },
            CoderConfig::Autoencoder {
                len: 3,
                network: AutoencoderConfig {
                    hidden: 8,
                    code: 2,
                    steps: 30,
                    seed: 1,
                },
            },
        ];
        for coder in coders {
            let go_on = &mut |_| std::ops::ControlFlow::Continue(());
            all.push(Box::new(coder.fit(VOCAB, sequences(), go_on).unwrap()));
        }
        let (witten_bell, kneser_ney) = (Smoothing::WittenBell, Smoothing::KneserNey);
        let tables = [
            TableConfig::Ngram {
                order: 4,
                smoothing: witten_bell,
            },
            TableConfig::Ngram {
                order: 4,
                smoothing: kneser_ney,
            },
            TableConfig::Ppm {
                order: 4,
                escape: Escape::C,
            },
            TableConfig::Ppm {
                order: 4,
                escape: Escape::D,
            },
            TableConfig::Stide { len: 3 },
            TableConfig::TStide { len: 3, rare: 0.1 },
            TableConfig::Frequency { len: 3 },
            TableConfig::Lookahead { len: 4 },
        ];
        for table in tables {
            all.push(match table.count(VOCAB, sequences()).unwrap() {
                TableModel::Ngram(model) => Box::new(model),
                TableModel::Ppm(model) => Box::new(model),
                TableModel::Windows(model) => Box::new(model),
                TableModel::Lookahead(model) => Box::new(model),
            });
        }
        all
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
        /// What is said of a call is what was predicted of it, and predictions sum to 1, but for what a softmax
        /// leaves to tokens that are no calls.
        #[test]
        fn surprises_are_of_a_distribution(tokens in prop::collection::vec(token(), 1..40)) {
            for detector in detectors() {
                let mut state = detector.begin(StartKind::Exec);
                let mut predicted = Vec::new();
                for &token in &tokens {
                    detector.predict(&state, &mut predicted);
                    prop_assert_eq!(predicted.len(), VOCAB);
                    prop_assert!(predicted.iter().all(|p| (0.0..=1.0 + 1e-6).contains(p)));
                    if token == Vocabulary::GAP {
                        detector.gap(&mut state);
                        continue;
                    }
                    let said = detector.observe(&mut state, token);
                    prop_assert!(said.is_finite() && said >= 0.0, "{} of {token}", said);
                    if !detector.measure().is_surprise() {
                        continue;
                    }
                    let sum: f32 = predicted.iter().sum();
                    let least = match detector.kind() {
                        "lstm" | "window" => 0.0,
                        _ => 1.0 - 1e-4,
                    };
                    prop_assert!((least..1.0 + 1e-4).contains(&sum), "{}: {sum}", detector.kind());
                    let p = predicted[token as usize];
                    prop_assert!(((-said).exp() - p).abs() < 1e-4 * p.max(1e-3), "{said} {p}");
                }
            }
        }

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
