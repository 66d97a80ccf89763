//! Two LSTM language models, one forwards and one backwards, that judge each call by all others of its stream.

use std::path::PathBuf;

use idiolect_detect::profile::Profile;
use idiolect_detect::{Detector, DetectorState, Streams, Token, Vocabulary};
use rayon::prelude::*;

use super::language::{Language, Learned};
use super::per_call::{READOUTS, of_surprises, token_of};
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};
use crate::data::{only, reversed};

/// Pseudo-likelihood (Besag 1975): each call is given -ln q(call | all calls before it and all after it), in nats,
/// with q(x) in proportion to f(x) b(x) / p(x). f is what an LSTM says that read the calls before, b what
/// another says that read the calls after, from the last one on, and p how often a call is made at all.
///
/// That is the probability of a call given both sides where the two sides tell nothing of each other but through the
/// call, as in a first-order Markov chain, and otherwise a product of experts that divides out what both know. It is
/// no bidirectional network: the two are trained apart, each as the method `lstm` is. The q of a
/// stream's calls are no chain of conditional probabilities, so their product is no probability of the stream. Whole
/// streams only: a call cannot be judged before what follows it.
///
/// The backward network learns from the streams that the forward one does not hold out, and holds a fifth of those
/// out for itself.
#[derive(Clone, Debug)]
pub struct BothWays {
    name: String,
    language: Language,
}

impl BothWays {
    /// Of this name, both networks by this recipe.
    pub fn new(name: impl Into<String>, language: Language) -> Self {
        BothWays {
            name: name.into(),
            language,
        }
    }
}

impl Method for BothWays {
    fn name(&self) -> &str {
        &self.name
    }

    fn settings(&self) -> String {
        self.language.settings()
    }

    fn readouts(&self) -> &[Readout] {
        &READOUTS
    }

    fn is_seeded(&self) -> bool {
        true
    }

    fn fit(&self, job: &Job<'_>, progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let forward = self
            .language
            .learn(job, &mut |share| progress(share / 2.0))?;
        let others = (0..job.streams.len()).filter(|place| !forward.held_out.contains(place));
        let streams = only(job.streams, &others.collect::<Vec<_>>());
        let scratch = job.scratch.map(|path| {
            let mut path = path.as_os_str().to_owned();
            path.push("-backward");
            PathBuf::from(path)
        });
        let of_reversed = &Job {
            streams: &reversed(&streams),
            scratch: scratch.as_deref(),
            ..*job
        };
        let backward = self
            .language
            .learn(of_reversed, &mut |share| progress(0.5 + share / 2.0))?;
        Ok(Fitted {
            bytes: forward.bytes()? + backward.bytes()?,
            held_out: Some(forward.held_out.clone()),
            is_fresh: forward.is_fresh && backward.is_fresh,
            model: Box::new(Pair::new(&streams, forward, backward)),
        })
    }
}

#[derive(Debug)]
struct Pair {
    forward: Profile,
    backward: Profile,
    /// For each token of the forward model that of the backward one.
    other: Vec<Token>,
    /// How often each token is met at all, over the forward model's.
    prior: Vec<f32>,
}

/// Places whose predictions are kept at a time; of the rest only where the backward network stood.
const BLOCK: usize = 512;

impl Pair {
    /// Of two models that learned from these streams or from part of them.
    fn new(streams: &Streams, forward: Learned, backward: Learned) -> Self {
        let (forward, backward) = (forward.profile, backward.profile);
        let tokens = 0..forward.vocabulary.len() as Token;
        let other = tokens.map(|token| match token {
            ..Vocabulary::FIRST_CALL => token,
            _ => backward.vocabulary.token(forward.vocabulary.name(token)),
        });
        Pair {
            other: other.collect(),
            prior: prior(streams, &forward.vocabulary),
            forward,
            backward,
        }
    }

    /// What is said of each token of a stream; anything of a gap.
    fn surprises(&self, start: idiolect_trace::StartKind, tokens: &[Token]) -> Vec<f32> {
        let (forward, backward) = (self.forward.detector(), self.backward.detector());
        // Where the backward network stands behind each block.
        let mut state = backward.begin(start);
        let mut behind: Vec<DetectorState> = tokens
            .rchunks(BLOCK)
            .map(|block| {
                let stood = state.clone();
                for &token in block.iter().rev() {
                    pass(backward, &mut state, self.other[token as usize]);
                }
                stood
            })
            .collect();
        let mut surprises = Vec::with_capacity(tokens.len());
        let mut state = forward.begin(start);
        let (mut before, mut after) = (Vec::new(), vec![Vec::new(); BLOCK]);
        // The first block is what is left over, so that blocks end where the ones above end.
        let first = tokens.len() % BLOCK;
        let (first, whole) = tokens.split_at(first);
        let blocks = [first].into_iter().filter(|block| !block.is_empty());
        for block in blocks.chain(whole.chunks(BLOCK)) {
            let mut from_behind = behind.pop().unwrap_or_else(|| backward.begin(start));
            for (&token, after) in block.iter().zip(&mut after).rev() {
                backward.predict(&from_behind, after);
                pass(backward, &mut from_behind, self.other[token as usize]);
            }
            for (&token, after) in block.iter().zip(&after) {
                forward.predict(&state, &mut before);
                let after = |token: usize| after[self.other[token] as usize];
                surprises.push(surprise(token as usize, &before, after, &self.prior));
                pass(forward, &mut state, token);
            }
        }
        surprises
    }
}

/// Goes on by a token.
fn pass(detector: &dyn Detector, state: &mut DetectorState, token: Token) {
    match token {
        Vocabulary::GAP => detector.gap(state),
        _ => drop(detector.observe(state, token)),
    }
}

/// -ln of f b / p of a token, of which those of all calls and the unknown one sum to 1.
fn surprise(token: usize, before: &[f32], after: impl Fn(usize) -> f32, prior: &[f32]) -> f32 {
    let of =
        |token: usize| f64::from(before[token]) * f64::from(after(token)) / f64::from(prior[token]);
    let calls = Vocabulary::FIRST_CALL as usize..before.len();
    let all: f64 = calls.chain([Vocabulary::UNKNOWN as usize]).map(of).sum();
    // What is as good as impossible is no worse than f32's smallest number.
    let least = f64::from(f32::MIN_POSITIVE);
    -((of(token) / all.max(least)).clamp(least, 1.0).ln() as f32)
}

/// The share of each call among all, half a time more than it came; the unknown one like a call that never came.
fn prior(streams: &Streams, vocabulary: &Vocabulary) -> Vec<f32> {
    let mut counts = vec![0.5; vocabulary.len()];
    let token_of = token_of(streams, vocabulary);
    for &symbol in streams.iter().flat_map(|stream| &stream.symbols) {
        counts[token_of[symbol as usize] as usize] += 1.0;
    }
    let all: f64 = counts.iter().sum();
    counts.iter().map(|count| (count / all) as f32).collect()
}

impl Model for Pair {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let token_of = token_of(streams, &self.forward.vocabulary);
        super::on_threads(threads, || {
            let scored = places.par_iter().map(|&place| {
                let stream = streams.get(place);
                let tokens = stream
                    .symbols
                    .iter()
                    .map(|&symbol| token_of[symbol as usize]);
                let surprises = self.surprises(stream.start, &tokens.collect::<Vec<_>>());
                Score {
                    after_each: None,
                    ..of_surprises(&stream.symbols, &surprises, 0)
                }
            });
            scored.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_markov_chain_it_is_the_probability_given_both_sides() {
        // Three states, from each to each: rows sum to 1.
        let next = [[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.25, 0.25, 0.5]];
        let mut stationary = [1.0 / 3.0; 3];
        for _ in 0..500 {
            let step = |to: usize| {
                (0..3)
                    .map(|from| stationary[from] * next[from][to])
                    .sum::<f64>()
            };
            stationary = [step(0), step(1), step(2)];
        }
        let first = Vocabulary::FIRST_CALL as usize;
        // Tokens that are no calls: the unknown one is impossible here.
        let over = |of: &dyn Fn(usize) -> f64, rest: f32| {
            let calls = (0..3).map(|call| of(call) as f32);
            std::iter::repeat_n(rest, first)
                .chain(calls)
                .collect::<Vec<f32>>()
        };
        let prior = over(&|x| stationary[x], 1.0);
        for (a, c) in [(0, 0), (0, 2), (1, 1), (2, 0)] {
            let before = over(&|x| next[a][x], 0.0);
            let after = over(&|x| stationary[x] * next[x][c] / stationary[c], 0.0);
            let both: f64 = (0..3).map(|x| next[a][x] * next[x][c]).sum();
            for (x, from) in next.iter().enumerate() {
                let exact = -(next[a][x] * from[c] / both).ln();
                let told = surprise(first + x, &before, |token| after[token], &prior);
                assert!((f64::from(told) - exact).abs() < 1e-5, "{told} {exact}");
            }
        }
    }
}
