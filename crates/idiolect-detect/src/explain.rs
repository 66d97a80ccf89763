//! Which calls of a stream are odd, and what was expected instead.

use std::collections::VecDeque;

use idiolect_trace::StartKind;
use serde::Serialize;

use crate::{DetectorState, Judge, SignalKind, StreamScore, StreamState, Token, Vocabulary};

/// A call that the model did not expect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Surprising {
    /// Its place in the stream, from 1.
    pub position: u64,
    /// When it was made, as in the record.
    pub time_ns: Option<u64>,
    /// Its name.
    pub call: String,
    /// Its surprise in nats, or what else the model's measure is.
    pub surprise: f32,
    /// Its probability, as the model saw it; none of a model whose measure is not the surprise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Whether no training stream made it.
    pub unknown: bool,
    /// The calls before it, the last one last.
    pub before: Vec<String>,
    /// The likeliest calls in its place, with their probabilities; where the measure is not the surprise,
    /// those that would fit, and how well.
    pub expected: Vec<(String, f64)>,
}

/// What there is to say of the set of calls that a stream, or its worst block, makes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mix {
    /// Jaccard distance of its set to the nearest training stream's; the signal may be to the k-th nearest.
    pub distance: f32,
    /// Its calls that the nearest training stream lacks, all calls never seen in training as one.
    pub new: Vec<String>,
    /// The calls of the nearest training stream that it lacks.
    pub missing: Vec<String>,
    /// Training streams that make just the calls of the nearest one.
    pub nearest_streams: u32,
    /// Of how many.
    pub of_streams: u64,
}

/// What there is to say of a stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Its score.
    pub score: StreamScore,
    /// Whether the order of its calls is odd: mean surprise, that of a window or of distinct 3-grams is above its own
    /// threshold at the rate that is judged by; none where the profile does not support that.
    pub odd_order: Option<bool>,
    /// Whether the mix of its calls is: its novelty is above its own threshold.
    pub odd_mix: Option<bool>,
    /// The mix; none by a profile without sets.
    pub mix: Option<Mix>,
    /// Its most surprising calls, the most surprising first.
    pub surprising: Vec<Surprising>,
    /// The largest surprise in each of a number of equal stretches, in nats, or what else the measure is.
    pub curve: Vec<f32>,
    /// Calls in a stretch of the curve.
    pub calls_per_stretch: u64,
}

/// Explains streams as a [`Judge`] scores them.
#[derive(Debug)]
pub struct Explainer<'j, 'p> {
    judge: &'j Judge<'p>,
    /// Surprising calls kept a stream.
    keep: usize,
    /// A call that is not above this is not surprising, in what the judge's measure is.
    least: f32,
    /// Surprising calls are forgotten after so many others.
    recent: Option<u64>,
}

/// What is remembered of a stream that is being explained: bounded, however long it is.
#[derive(Clone, Debug)]
pub struct Track {
    start: StartKind,
    state: StreamState,
    before: VecDeque<String>,
    surprising: Vec<Surprising>,
    curve: Vec<f32>,
    calls_per_stretch: u64,
    in_stretch: u64,
}

/// Calls shown before a surprising one.
const CONTEXT: usize = 6;
/// Likeliest calls shown in place of a surprising one.
const EXPECTED: usize = 3;
/// Most stretches of a curve; at twice as many, neighbours are merged.
const STRETCHES: usize = 120;

impl<'j, 'p> Explainer<'j, 'p> {
    /// Keeps so many surprising calls of each stream.
    pub fn new(judge: &'j Judge<'p>, keep: usize) -> Self {
        Explainer {
            judge,
            keep,
            least: 0.0,
            recent: None,
        }
    }

    /// The same of streams that go on: of each it keeps the surprising calls of the last window, and only those
    /// that are above what is usual, since saying what was expected costs as much as hearing a call.
    pub(crate) fn of_last_window(judge: &'j Judge<'p>, keep: usize) -> Self {
        let settings = &judge.profile().signals;
        Explainer {
            judge,
            keep,
            least: settings.cusum_reference,
            recent: Some(settings.window as u64),
        }
    }

    /// The judge it explains.
    pub fn judge(&self) -> &'j Judge<'p> {
        self.judge
    }

    /// The track of a stream that begins like this.
    pub fn begin(&self, start: StartKind) -> Track {
        Track {
            start,
            state: self.judge.begin(start),
            before: VecDeque::with_capacity(CONTEXT),
            surprising: Vec::new(),
            curve: Vec::new(),
            calls_per_stretch: 1,
            in_stretch: 0,
        }
    }

    /// Takes the next call.
    pub fn call(&self, track: &mut Track, name: &str, time_ns: Option<u64>) {
        let vocabulary = &self.judge.profile().vocabulary;
        let token = vocabulary.token(name);
        let is_surprise = self.judge.measure().is_surprise();
        let expecting = self.judge.detector_state(&track.state).clone();
        let surprise = self.judge.call(&mut track.state, token);
        track.draw(surprise);
        if let Some(recent) = self.recent {
            let now = track.state.calls();
            track.surprising.retain(|kept| kept.position + recent > now);
        }
        let least = track.surprising.last().map_or(0.0, |least| least.surprise);
        let is_odd = surprise > self.least;
        if is_odd && (track.surprising.len() < self.keep || surprise > least) {
            let found = Surprising {
                position: track.state.calls(),
                time_ns,
                call: name.to_owned(),
                surprise,
                probability: is_surprise.then(|| f64::from(-surprise).exp()),
                unknown: token == Vocabulary::UNKNOWN,
                before: track.before.iter().cloned().collect(),
                expected: self.expected(&expecting),
            };
            let place = track
                .surprising
                .partition_point(|kept| kept.surprise >= surprise);
            track.surprising.insert(place, found);
            track.surprising.truncate(self.keep);
        }
        track.remember(name);
    }

    /// Calls are missing here.
    pub fn gap(&self, track: &mut Track) {
        self.judge.gap(&mut track.state);
        track.remember("<gap>");
    }

    /// The explanation of a stream as far as it has come.
    pub fn explain(&self, track: &Track) -> Explanation {
        let score = self.judge.score(&track.state);
        let is_odd = |kind: SignalKind| {
            let value = score.signals?.get(kind);
            self.judge.is_odd(track.start, kind, value)
        };
        let in_order = [SignalKind::Mean, SignalKind::Window, SignalKind::Distinct].map(is_odd);
        let odd_order = in_order.into_iter().flatten().reduce(|a, b| a || b);
        Explanation {
            odd_order,
            odd_mix: is_odd(SignalKind::Novelty),
            mix: self.mix(&track.state),
            score,
            surprising: track.surprising.clone(),
            curve: track.curve.clone(),
            calls_per_stretch: track.calls_per_stretch,
        }
    }

    fn mix(&self, state: &StreamState) -> Option<Mix> {
        let profile = self.judge.profile();
        let sets = profile.sets.as_ref()?;
        let (Some((_, set)), _) = self.judge.judged(state) else {
            return None;
        };
        let found = sets.distances(&set, 0);
        let nearest = sets.get(found.place);
        let names = |tokens: &mut dyn Iterator<Item = Token>| {
            let names = tokens.map(|token| profile.vocabulary.name(token).to_owned());
            names.collect::<Vec<_>>()
        };
        Some(Mix {
            distance: found.nearest,
            new: names(&mut set.without(&nearest)),
            missing: names(&mut nearest.without(&set)),
            nearest_streams: sets.times(found.place),
            of_streams: sets.streams(),
        })
    }

    fn expected(&self, state: &DetectorState) -> Vec<(String, f64)> {
        let profile = self.judge.profile();
        let mut probabilities = Vec::new();
        profile.detector().predict(state, &mut probabilities);
        let mut tokens: Vec<Token> =
            (Vocabulary::FIRST_CALL..probabilities.len() as Token).collect();
        tokens.sort_by(|&a, &b| probabilities[b as usize].total_cmp(&probabilities[a as usize]));
        tokens.truncate(EXPECTED);
        tokens.retain(|&token| probabilities[token as usize] > 0.0);
        let named = tokens.into_iter().map(|token| {
            let probability = f64::from(probabilities[token as usize]);
            (profile.vocabulary.name(token).to_owned(), probability)
        });
        named.collect()
    }
}

impl Track {
    /// What is remembered of the stream to judge it.
    pub(crate) fn state(&self) -> &StreamState {
        &self.state
    }

    /// The same, and what is surprising in it, to forget what was told already.
    pub(crate) fn told(&mut self) -> (&mut StreamState, Vec<Surprising>) {
        (&mut self.state, std::mem::take(&mut self.surprising))
    }

    fn remember(&mut self, name: &str) {
        if self.before.len() == CONTEXT {
            self.before.pop_front();
        }
        self.before.push_back(name.to_owned());
    }

    fn draw(&mut self, surprise: f32) {
        if self.in_stretch == self.calls_per_stretch || self.curve.is_empty() {
            self.in_stretch = 0;
            if self.curve.len() == 2 * STRETCHES {
                self.curve = self
                    .curve
                    .chunks(2)
                    .map(|pair| pair.iter().copied().fold(0.0, f32::max))
                    .collect();
                self.calls_per_stretch *= 2;
            }
            self.curve.push(surprise);
        } else if let Some(last) = self.curve.last_mut() {
            *last = last.max(surprise);
        }
        self.in_stretch += 1;
    }
}
