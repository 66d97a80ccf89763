//! Streams drawn from a model, one call at a time, as char-rnn draws letters (Karpathy 2015).
//!
//! A model has no token for the end of a stream. What is drawn ends at a call that ends a thread or a
//! process, or where it is cut.

mod resemblance;

use idiolect_nn::Rng;
use idiolect_trace::StartKind;
use serde::Serialize;

pub use resemblance::{
    Halves, HalvesError, Halving, LONGEST_NGRAM, Lengths, Overlap, Resemblance, Shares,
};

use crate::{Detector, Profile, SignalKind, Token, Vocabulary};

/// How to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Most calls of a stream, its prefix included.
    pub calls: usize,
    /// What the logarithms of the probabilities are divided by: 1 draws as the model expects, less draws
    /// likely calls more often, more draws unlikely ones more often, and 0 takes the likeliest always.
    pub temperature: f64,
    /// Calls that every stream begins with.
    pub prefix: Vec<Token>,
    /// Calls that end a stream, as [`EXITS`] do.
    pub ends: Vec<String>,
    /// Makes it repeatable.
    pub seed: u64,
}

/// Why a drawn stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// With a call that ends it.
    End,
    /// At the most calls that were asked for.
    Cut,
}

/// A drawn stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// How it starts.
    pub start: StartKind,
    /// Its calls, the prefix included.
    pub tokens: Vec<Token>,
    /// Why it ends.
    pub ended: Ended,
    /// Calls that were drawn.
    pub drawn: usize,
    /// Surprise of those under the model, in nats, all together: at the temperature of 1, whatever it was
    /// drawn with, and with the share of calls never seen in training still in it.
    pub surprise: f64,
}

/// Why nothing can be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SampleError {
    /// The vocabulary is empty.
    #[error("the profile knows no call, so there is none to draw")]
    NoCalls,
    /// No temperature at all.
    #[error("a temperature is 0 or more, and {0} is not")]
    Temperature(f64),
    /// The prefix leaves no room.
    #[error("the prefix has {prefix} calls, and a stream at most {calls}: ask for longer streams")]
    LongPrefix {
        /// Calls in the prefix.
        prefix: usize,
        /// Most calls of a stream.
        calls: usize,
    },
    /// A prefix holds what is no call.
    #[error("token {0} of the prefix stands for no call of the profile")]
    NotACall(Token),
    /// The model rules out every call.
    #[error("the model gives no call a probability above 0: train the profile again")]
    Impossible,
}

/// Draws streams from one model.
#[derive(Debug)]
pub struct Sampler<'m> {
    detector: &'m dyn Detector,
    sampling: Sampling,
    /// For each token whether it ends a stream.
    ends: Vec<bool>,
}

/// The calls that end the thread or the process that makes them.
pub const EXITS: [&str; 2] = ["exit", "exit_group"];

/// Whether a call is one of those that end a stream, in any ABI.
pub fn is_end<S: AsRef<str>>(call: &str, ends: &[S]) -> bool {
    let name = call.rsplit_once(':').map_or(call, |(_, name)| name);
    ends.iter().any(|end| end.as_ref() == name)
}

/// How many units each start kind has in the calibration of a profile, the commonest kind first. Empty
/// where the profile tells none apart.
pub fn calibrated_starts(profile: &Profile) -> Vec<(StartKind, usize)> {
    let mut starts: Vec<(StartKind, usize)> = profile
        .calibrations
        .iter()
        .filter(|calibration| calibration.model == 0 && calibration.signal == SignalKind::Mean)
        .filter_map(|calibration| Some((calibration.start?, calibration.scores().len())))
        .collect();
    starts.sort_by_key(|&(_, units)| std::cmp::Reverse(units));
    starts
}

impl<'m> Sampler<'m> {
    /// Draws from a model with this vocabulary.
    ///
    /// # Errors
    /// [`SampleError`].
    pub fn new(
        detector: &'m dyn Detector,
        vocabulary: &Vocabulary,
        sampling: Sampling,
    ) -> Result<Self, SampleError> {
        if vocabulary.len() == Vocabulary::FIRST_CALL as usize {
            return Err(SampleError::NoCalls);
        }
        if !(sampling.temperature >= 0.0 && sampling.temperature.is_finite()) {
            return Err(SampleError::Temperature(sampling.temperature));
        }
        if sampling.prefix.len() >= sampling.calls {
            return Err(SampleError::LongPrefix {
                prefix: sampling.prefix.len(),
                calls: sampling.calls,
            });
        }
        let calls = Vocabulary::FIRST_CALL..vocabulary.len() as Token;
        if let Some(&token) = sampling.prefix.iter().find(|token| !calls.contains(token)) {
            return Err(SampleError::NotACall(token));
        }
        let tokens = 0..vocabulary.len() as Token;
        Ok(Sampler {
            detector,
            ends: tokens
                .map(|token| is_end(vocabulary.name(token), &sampling.ends))
                .collect(),
            sampling,
        })
    }

    /// Draws the stream of this number, which depends on no other.
    ///
    /// # Errors
    /// [`SampleError::Impossible`] where the model rules out every call.
    pub fn stream(&self, number: u64, start: StartKind) -> Result<Sample, SampleError> {
        let mut rng = Rng::from_parts(&[self.sampling.seed, number]);
        let mut state = self.detector.begin(start);
        let mut sample = Sample {
            start,
            tokens: self.sampling.prefix.clone(),
            ended: Ended::Cut,
            drawn: 0,
            surprise: 0.0,
        };
        for &token in &self.sampling.prefix {
            self.detector.observe(&mut state, token);
        }
        let mut probabilities = Vec::new();
        let mut weights = Vec::new();
        while sample.tokens.len() < self.sampling.calls {
            self.detector.predict(&state, &mut probabilities);
            let token = draw(
                &probabilities,
                self.sampling.temperature,
                rng.uniform(),
                &mut weights,
            )
            .ok_or(SampleError::Impossible)?;
            sample.surprise += f64::from(self.detector.observe(&mut state, token));
            sample.tokens.push(token);
            sample.drawn += 1;
            if self.ends.get(token as usize).copied().unwrap_or(false) {
                sample.ended = Ended::End;
                break;
            }
        }
        Ok(sample)
    }

    /// Draws streams, numbered from 0, each of a start kind chosen at random by these weights, until
    /// there are `enough` calls. `each` takes a stream and says whether to go on.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub fn until(
        &self,
        starts: &[(StartKind, usize)],
        enough: usize,
        each: &mut dyn FnMut(Sample) -> bool,
    ) -> Result<(), SampleError> {
        /// Tells the choice of a start from the draws of the stream itself.
        const STARTS: u64 = u64::from_le_bytes(*b"starts\0\0");
        let (mut calls, mut number) = (0, 0);
        while calls < enough {
            let mut rng = Rng::from_parts(&[self.sampling.seed, number, STARTS]);
            let all = starts.iter().map(|&(_, weight)| weight).sum();
            let mut at = rng.below(all);
            let chosen = starts.iter().find(|&&(_, weight)| {
                let here = at < weight;
                at = at.saturating_sub(weight);
                here
            });
            let start = chosen.map_or(StartKind::Attach, |&(start, _)| start);
            let sample = self.stream(number, start)?;
            calls += sample.tokens.len();
            number += 1;
            if !each(sample) {
                break;
            }
        }
        Ok(())
    }
}

/// The call at this place of the distribution (0 to 1) once it has the temperature and is spread over
/// calls alone; `None` where no call is possible.
fn draw(
    probabilities: &[f32],
    temperature: f64,
    place: f64,
    weights: &mut Vec<f64>,
) -> Option<Token> {
    let first = Vocabulary::FIRST_CALL as usize;
    let calls = probabilities.get(first..)?;
    let likeliest = calls
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, p)| *p > 0.0)
        .reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    if temperature == 0.0 {
        return Some((first + likeliest.0) as Token);
    }
    // By differences of logarithms to the largest: a power of the probability itself would underflow at
    // low temperatures.
    let largest = f64::from(likeliest.1).ln();
    weights.clear();
    weights.extend(calls.iter().map(|&p| {
        if p > 0.0 {
            ((f64::from(p).ln() - largest) / temperature).exp()
        } else {
            0.0
        }
    }));
    let mut rest = place * weights.iter().sum::<f64>();
    for (call, &weight) in weights.iter().enumerate() {
        if weight > 0.0 && rest < weight {
            return Some((first + call) as Token);
        }
        rest -= weight;
    }
    // Rounding can leave a crumb behind the last call.
    Some((first + likeliest.0) as Token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LstmModel;
    use idiolect_nn::{Architecture, Weights};
    use proptest::prelude::*;

    fn model(calls: usize, unknown: f64) -> LstmModel {
        let architecture = Architecture {
            vocab: Vocabulary::FIRST_CALL as usize + calls,
            embedding: Some(8),
            hidden: vec![8],
        };
        LstmModel::new(Weights::init(&architecture, 3).unwrap(), unknown)
    }

    fn sampling(calls: usize, temperature: f64) -> Sampling {
        Sampling {
            calls,
            temperature,
            prefix: Vec::new(),
            ends: EXITS.map(str::to_owned).to_vec(),
            seed: 7,
        }
    }

    #[test]
    fn first_calls_come_as_often_as_the_model_expects() {
        let vocabulary = Vocabulary::of_calls(["a", "b", "c", "d"]);
        let model = model(4, 0.3);
        let mut expected = Vec::new();
        model.predict(&model.begin(StartKind::Exec), &mut expected);
        let calls: f32 = expected[Vocabulary::FIRST_CALL as usize..].iter().sum();
        let sampler = Sampler::new(&model, &vocabulary, sampling(1, 1.0)).unwrap();
        let (mut seen, n) = ([0u32; 4], 20_000);
        for number in 0..n {
            let sample = sampler.stream(number, StartKind::Exec).unwrap();
            seen[(sample.tokens[0] - Vocabulary::FIRST_CALL) as usize] += 1;
        }
        for (call, seen) in seen.into_iter().enumerate() {
            let share = f64::from(seen) / n as f64;
            let p = f64::from(expected[Vocabulary::FIRST_CALL as usize + call] / calls);
            // Five standard errors.
            let bound = 5.0 * (p * (1.0 - p) / n as f64).sqrt();
            assert!((share - p).abs() < bound, "{call}: {share} for {p}");
        }
    }

    #[test]
    fn a_stream_ends_with_its_exit_or_is_cut() {
        let vocabulary = Vocabulary::of_calls(["close", "exit_group", "i386:exit", "read"]);
        let model = model(4, 0.01);
        let sampler = Sampler::new(&model, &vocabulary, sampling(3, 1.0)).unwrap();
        let (mut exits, mut cuts) = (0, 0);
        for number in 0..300 {
            let sample = sampler.stream(number, StartKind::Thread).unwrap();
            let (last, before) = sample.tokens.split_last().unwrap();
            let ends = |token: &Token| is_end(vocabulary.name(*token), &EXITS);
            assert!(!before.iter().any(ends));
            match sample.ended {
                Ended::End => exits += usize::from(ends(last)),
                Ended::Cut => {
                    cuts += 1;
                    assert_eq!(sample.tokens.len(), 3);
                }
            }
        }
        assert_eq!(exits + cuts, 300);
        assert!(exits > 100 && cuts > 5, "{exits} {cuts}");
    }

    #[test]
    fn the_prefix_is_heard_and_kept() {
        let vocabulary = Vocabulary::of_calls(["a", "b", "c"]);
        let model = model(3, 0.01);
        let [a, b] = ["a", "b"].map(|call| vocabulary.token(call));
        let with = Sampling {
            prefix: vec![a, b],
            ..sampling(6, 0.0)
        };
        let sampler = Sampler::new(&model, &vocabulary, with.clone()).unwrap();
        let sample = sampler.stream(0, StartKind::Exec).unwrap();
        assert_eq!(sample.tokens[..2], [a, b]);
        assert_eq!((sample.tokens.len(), sample.drawn), (6, 4));
        // At the temperature of 0 what follows is the likeliest call after the prefix.
        let mut state = model.begin(StartKind::Exec);
        let mut probabilities = Vec::new();
        for (place, &token) in sample.tokens.iter().enumerate() {
            model.predict(&state, &mut probabilities);
            let calls = &probabilities[Vocabulary::FIRST_CALL as usize..];
            let highest = calls.iter().copied().fold(0.0, f32::max);
            assert!(
                place < 2 || probabilities[token as usize] == highest,
                "{place}"
            );
            model.observe(&mut state, token);
        }
        for bad in [Vocabulary::UNKNOWN, Vocabulary::GAP, 99] {
            let with = Sampling {
                prefix: vec![bad],
                ..with.clone()
            };
            assert_eq!(
                Sampler::new(&model, &vocabulary, with).unwrap_err(),
                SampleError::NotACall(bad)
            );
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let model = model(2, 0.01);
        let vocabulary = Vocabulary::of_calls(["a", "b"]);
        let new = |sampling| Sampler::new(&model, &vocabulary, sampling).map(drop);
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                new(sampling(5, bad)),
                Err(SampleError::Temperature(_))
            ));
        }
        assert!(matches!(
            new(sampling(0, 1.0)),
            Err(SampleError::LongPrefix { .. })
        ));
        let none = Vocabulary::of_calls([]);
        let error = Sampler::new(&model, &none, sampling(5, 1.0)).unwrap_err();
        assert_eq!(error, SampleError::NoCalls);
        assert_eq!(
            draw(&[0.5, 0.2, 0.1, 0.1, 0.1, 0.0, 0.0], 1.0, 0.3, &mut vec![]),
            None
        );
        assert_eq!(draw(&[0.5], 1.0, 0.3, &mut vec![]), None);
    }

    #[test]
    fn starts_are_chosen_by_their_weights() {
        let vocabulary = Vocabulary::of_calls(["a", "b"]);
        let model = model(2, 0.01);
        let sampler = Sampler::new(&model, &vocabulary, sampling(1, 1.0)).unwrap();
        let (mut threads, mut all) = (0, 0);
        let starts = [(StartKind::Thread, 3), (StartKind::Exec, 1)];
        sampler
            .until(&starts, 4_000, &mut |sample| {
                all += 1;
                threads += u32::from(sample.start == StartKind::Thread);
                true
            })
            .unwrap();
        assert_eq!(all, 4_000);
        assert!((2_860..3_140).contains(&threads), "{threads}");
        sampler
            .until(&[], 1, &mut |sample| {
                assert_eq!(sample.start, StartKind::Attach);
                true
            })
            .unwrap();
    }

    proptest! {
        /// Whatever the distribution, a call comes that it allows, and a lower temperature never makes
        /// the likeliest call rarer.
        #[test]
        fn draws_are_possible_calls(
            probabilities in prop::collection::vec(prop_oneof![Just(0.0f32), 0.0f32..1.0, 1e-30f32..1e-20], 6..40),
            temperature in prop_oneof![Just(0.0), 1e-3..50.0],
            place in 0.0..1.0,
        ) {
            let calls = &probabilities[Vocabulary::FIRST_CALL as usize..];
            let drawn = draw(&probabilities, temperature, place, &mut Vec::new());
            match drawn {
                None => prop_assert!(calls.iter().all(|&p| p == 0.0)),
                Some(token) => {
                    prop_assert!(token >= Vocabulary::FIRST_CALL);
                    prop_assert!(probabilities[token as usize] > 0.0);
                }
            }
        }
    }

    #[test]
    fn temperature_sharpens_and_flattens() {
        let probabilities = [0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.6, 0.3];
        let share = |temperature| {
            let mut weights = Vec::new();
            let places = (0..1_000).map(|i| f64::from(i) / 1_000.0);
            places
                .filter(|&place| draw(&probabilities, temperature, place, &mut weights) == Some(6))
                .count()
        };
        assert_eq!(share(0.0), 1_000);
        assert_eq!(share(1.0), 600);
        // 0.36 / (0.01 + 0.36 + 0.09) at one half.
        assert!((782..=783).contains(&share(0.5)), "{}", share(0.5));
        assert!(share(100.0) < 340);
    }
}
