//! From the calls of a stream to a verdict.

use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};

use crate::calibrate::{SignalsOf, UnitTracker};
use crate::novelty::CallSet;
use crate::profile::Threshold;
use crate::{
    Detector, DetectorState, Measure, Profile, RateError, Run, SignalKind, Signals, Token, Unit,
    Vocabulary,
};

/// What the score of a stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It sounds like itself.
    Normal,
    /// It scores above the threshold.
    Anomalous,
    /// There was nothing to judge: no call, or only such that the detector says nothing of, or right after a
    /// gap.
    Withheld,
}

/// The score of one stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamScore {
    /// Its score: the signal that decides, of the whole stream or of its worst block.
    pub score: Option<f32>,
    /// A higher score is anomalous.
    pub threshold: f32,
    /// The verdict.
    pub verdict: Verdict,
    /// Share of normal units that score as high: from 1 / (n + 1) of the calibration to 1.
    pub p_value: Option<f64>,
    /// All signals, of the whole stream or of its worst block.
    pub signals: Option<Signals>,
    /// Calls in it.
    pub calls: u64,
    /// Calls among them that training never saw.
    pub unknown_calls: u64,
    /// Places where calls are missing.
    pub gaps: u64,
    /// Blocks that were scored, where blocks are the unit.
    pub blocks: Option<Blocks>,
}

/// How the blocks of a stream scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// Blocks scored.
    pub scored: u64,
    /// Blocks above the threshold.
    pub anomalous: u64,
}

/// Scores streams by one profile at one false alarm rate.
#[derive(Debug)]
pub struct Judge<'p> {
    profile: &'p Profile,
    signals: SignalsOf<'p>,
    signal: SignalKind,
    rate: f64,
    unit: Unit,
    thresholds: [Threshold<'p>; 3],
}

/// What is remembered of a stream while it lasts: constant in size.
#[derive(Clone, Debug)]
pub struct StreamState {
    start: StartKind,
    detector: DetectorState,
    unit: UnitTracker,
    calls: u64,
    unknown_calls: u64,
    gaps: u64,
    counting: Counting,
    blocks: Blocks,
    /// Boxed, since most streams have none.
    worst: Option<Box<(Signals, CallSet)>>,
}

/// Calls after a gap whose surprise counts for nothing: the model has to find its place again.
pub const WITHHELD_AFTER_GAP: u8 = 3;

/// Which calls of a stream count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting {
    /// Calls of which the detector says nothing after a stream's start, or a gap.
    silent: u16,
    silent_left: u16,
    withheld_left: u8,
}

/// What becomes of what a detector has said of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It has no meaning.
    Silent,
    /// It counts for nothing, after a gap.
    Withheld,
    /// It counts.
    Counts,
}

impl Counting {
    /// Of a stream that this detector follows from its start.
    pub(crate) fn of(detector: &dyn Detector) -> Self {
        // No window of calls is longer than a few thousand.
        let silent = u16::try_from(detector.silent()).unwrap_or(u16::MAX);
        Counting {
            silent,
            silent_left: silent,
            withheld_left: 0,
        }
    }

    pub(crate) fn gap(&mut self) {
        self.silent_left = self.silent;
        self.withheld_left = WITHHELD_AFTER_GAP;
    }

    pub(crate) fn call(&mut self) -> Heard {
        let is_withheld = self.withheld_left > 0;
        self.withheld_left = self.withheld_left.saturating_sub(1);
        if self.silent_left > 0 {
            self.silent_left -= 1;
            Heard::Silent
        } else if is_withheld {
            Heard::Withheld
        } else {
            Heard::Counts
        }
    }
}

impl StreamState {
    /// How it began.
    pub(crate) fn start(&self) -> StartKind {
        self.start
    }

    /// Calls taken that training never saw.
    pub fn unknown_calls(&self) -> u64 {
        self.unknown_calls
    }

    /// Places where calls are missing.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Calls taken.
    pub fn calls(&self) -> u64 {
        self.calls
    }
}

impl<'p> Judge<'p> {
    /// Judges by this signal, or the profile's own, at this false alarm rate, or the profile's own.
    ///
    /// # Errors
    /// [`RateError`] where the profile's calibration does not support the rate, or it has no such signal.
    pub fn new(
        profile: &'p Profile,
        signal: Option<SignalKind>,
        rate: Option<f64>,
    ) -> Result<Self, RateError> {
        let signal = signal.unwrap_or(profile.decision.signal);
        let rate = rate.unwrap_or(profile.decision.rate);
        let of = |start| profile.threshold(signal, Some(start), rate);
        let [first, second, third] = StartKind::ALL;
        let thresholds = [of(first)?, of(second)?, of(third)?];
        Ok(Judge {
            profile,
            signals: profile.signals_of().only(signal),
            signal,
            rate,
            unit: profile.unit(),
            thresholds,
        })
    }

    /// Keeps of each stream what every signal is made of. Without, those of the set of calls and of distinct
    /// 3-grams are made only where one of them is the score: they take memory for each distinct call, and some 30
    /// bytes for each distinct 3-gram.
    #[must_use]
    pub fn with_every_signal(mut self) -> Self {
        self.signals = self.profile.signals_of();
        self
    }

    /// The profile it judges by.
    pub fn profile(&self) -> &'p Profile {
        self.profile
    }

    /// The signal that is the score.
    pub fn signal(&self) -> SignalKind {
        self.signal
    }

    /// The score above which a stream that starts like this is anomalous.
    pub fn threshold(&self, start: StartKind) -> f32 {
        self.thresholds[start as usize].value
    }

    /// The state of a stream that begins like this.
    pub fn begin(&self, start: StartKind) -> StreamState {
        StreamState {
            start,
            detector: self.profile.detector().begin(start),
            unit: self.signals.begin(),
            calls: 0,
            unknown_calls: 0,
            gaps: 0,
            counting: Counting::of(self.profile.detector()),
            blocks: Blocks::default(),
            worst: None,
        }
    }

    /// Whether one signal of streams that start like this is above its own threshold at the judge's rate; none
    /// where the profile does not support that rate.
    pub(crate) fn is_odd(&self, start: StartKind, signal: SignalKind, value: f32) -> Option<bool> {
        let threshold = self.profile.threshold(signal, Some(start), self.rate);
        threshold.ok().map(|threshold| value > threshold.value)
    }

    /// What the profile's model says of each call.
    pub fn measure(&self) -> Measure {
        self.profile.detector().measure()
    }

    /// What its score is measured in.
    pub fn unit(&self) -> &'static str {
        self.signal.unit(self.measure())
    }

    /// Takes the next call; returns its surprise in nats, or what else the model's measure is; 0 where the
    /// model says nothing of it.
    pub fn call(&self, state: &mut StreamState, token: Token) -> f32 {
        let surprise = self.profile.detector().observe(&mut state.detector, token);
        self.count(state, token, surprise)
    }

    /// Calls are missing here.
    pub fn gap(&self, state: &mut StreamState) {
        self.profile.detector().gap(&mut state.detector);
        self.count(state, Vocabulary::GAP, 0.0);
    }

    /// Takes the next calls of many streams, [`Vocabulary::GAP`] where some are missing: the same as one
    /// after another, and several times as fast. Returns of each what [`call`](Judge::call) does, and anything
    /// for a gap.
    pub(crate) fn follow(
        &self,
        runs: &mut [(&mut StreamState, &[Token])],
        threads: usize,
    ) -> Vec<Vec<f32>> {
        let mut heard = self.hear(runs, threads);
        for ((state, tokens), surprises) in runs.iter_mut().zip(&mut heard) {
            for (&token, surprise) in tokens.iter().zip(surprises) {
                *surprise = self.count(state, token, *surprise);
            }
        }
        heard
    }

    /// The same of calls that are not judged but come before what is.
    pub(crate) fn hear(
        &self,
        runs: &mut [(&mut StreamState, &[Token])],
        threads: usize,
    ) -> Vec<Vec<f32>> {
        let mut runs: Vec<Run<'_>> = runs
            .iter_mut()
            .map(|(state, tokens)| Run::new(&mut state.detector, tokens))
            .collect();
        self.profile.detector().observe_runs(&mut runs, threads);
        runs.into_iter().map(|run| run.surprises).collect()
    }

    /// Counts a call that the detector has heard, or a gap. Gives what is said of it.
    fn count(&self, state: &mut StreamState, token: Token, surprise: f32) -> f32 {
        if token == Vocabulary::GAP {
            state.gaps += 1;
            state.counting.gap();
            state.unit.gap();
            return surprise;
        }
        state.calls += 1;
        state.unknown_calls += u64::from(token == Vocabulary::UNKNOWN);
        let heard = state.counting.call();
        let counts = (heard == Heard::Counts).then_some(surprise);
        state.unit.call(token, counts, &self.profile.signals);
        if self.unit == Unit::Block(state.unit.tracker.calls() as usize) && counts.is_some() {
            self.end_block(state);
        }
        match heard {
            Heard::Silent => 0.0,
            Heard::Withheld | Heard::Counts => surprise,
        }
    }

    /// The detector's state of a stream, to ask what it expects next.
    pub fn detector_state<'s>(&self, state: &'s StreamState) -> &'s DetectorState {
        &state.detector
    }

    /// The score of a stream that goes on, where it is already known to be at least that: of signals that never
    /// fall ([`SignalKind::Window`], [`SignalKind::Cusum`], and [`SignalKind::Lacking`] where the last call made it
    /// grow), and of blocks that have ended.
    pub(crate) fn running(&self, state: &StreamState) -> Option<f32> {
        let ended = state.worst.as_ref();
        let ended = ended.map(|worst| worst.0.get(self.signal));
        let going_on = match (self.signal, self.signals.sets) {
            (SignalKind::Lacking, Some(sets)) if state.unit.grew => {
                Some(sets.distances(&state.unit.set, 0).lacking as f32)
            }
            _ => state.unit.tracker.running(self.signal),
        };
        ended.into_iter().chain(going_on).reduce(f32::max)
    }

    /// Begins to judge a stream anew, without forgetting what came before it: what was told is not told again. Calls
    /// that were new stay known.
    pub(crate) fn restart(&self, state: &mut StreamState) {
        let before = std::mem::replace(&mut state.unit, self.signals.begin());
        if self.signal == SignalKind::Lacking {
            state.unit.set = before.set;
        }
        state.worst = None;
        state.blocks = Blocks::default();
    }

    /// The score of a stream as far as it has come.
    pub fn score(&self, state: &StreamState) -> StreamScore {
        let (judged, blocks) = self.judged(state);
        let signals = judged.map(|(signals, _)| signals);
        let threshold = self.threshold(state.start);
        let score = signals.map(|signals| signals.get(self.signal));
        StreamScore {
            score,
            threshold,
            verdict: match score {
                None => Verdict::Withheld,
                Some(score) if score > threshold => Verdict::Anomalous,
                Some(_) => Verdict::Normal,
            },
            p_value: score.map(|score| self.p_value(state.start, score)),
            signals,
            calls: state.calls,
            unknown_calls: state.unknown_calls,
            gaps: state.gaps,
            blocks: matches!(self.unit, Unit::Block(_)).then_some(blocks),
        }
    }

    /// What is judged of a stream as far as it has come: all of it, or its worst block.
    pub(crate) fn judged(&self, state: &StreamState) -> (Option<(Signals, CallSet)>, Blocks) {
        match self.unit {
            Unit::Stream => {
                let signals = self.signals.unit(&state.unit);
                let judged = signals.map(|signals| (signals, state.unit.set.clone()));
                (judged, state.blocks)
            }
            Unit::Block(len) => {
                let mut state = state.clone();
                // A last part of under half a block is too short to be scored fairly, unless it is all.
                if state.unit.tracker.calls() as usize >= len / 2 || state.blocks.scored == 0 {
                    self.end_block(&mut state);
                }
                (state.worst.map(|worst| *worst), state.blocks)
            }
        }
    }

    fn end_block(&self, state: &mut StreamState) {
        let Some(signals) = self.signals.unit(&state.unit) else {
            return;
        };
        let score = signals.get(self.signal);
        state.blocks.scored += 1;
        state.blocks.anomalous += u64::from(score > self.threshold(state.start));
        let ended = std::mem::replace(&mut state.unit, self.signals.begin());
        let is_worst = |worst: &(Signals, CallSet)| score > worst.0.get(self.signal);
        if state.worst.as_deref().is_none_or(is_worst) {
            state.worst = Some(Box::new((signals, ended.set)));
        }
    }

    fn p_value(&self, start: StartKind, score: f32) -> f64 {
        self.thresholds[start as usize].calibration.p_value(score)
    }
}
