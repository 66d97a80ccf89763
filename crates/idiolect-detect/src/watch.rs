//! Judging streams while they go on.
//!
//! A calibration says how high a signal gets over whole streams. A signal that never falls, the largest window, the
//! largest cumulative sum or how many calls every training stream lacks, may be held against its threshold at any time: where it is above it, the whole
//! stream's will be. Others, the mean above all, are far off in a stream's first calls, and are judged when the
//! stream ends. So are streams without one whole window.

use idiolect_trace::StartKind;
use serde::Serialize;

use crate::explain::{Explainer, Surprising, Track};
use crate::{Judge, SignalKind, StreamScore, StreamState, Verdict};

/// Judges streams while they go on, and says when one crosses its threshold.
#[derive(Debug)]
pub struct Watcher<'j, 'p> {
    explainer: Explainer<'j, 'p>,
}

/// What is remembered of a stream that is watched: bounded, however long it is.
#[derive(Clone, Debug)]
pub struct Watched {
    track: Track,
    crossings: u64,
}

/// A stream's score has crossed its threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crossing {
    /// The place of the call at which it did, from 1.
    pub position: u64,
    /// When that was made, as in the record.
    pub time_ns: Option<u64>,
    /// Its score.
    pub score: f32,
    /// The threshold that it is above.
    pub threshold: f32,
    /// The most surprising calls of the last window, the most surprising first. There may be none.
    pub surprising: Vec<Surprising>,
}

impl<'j, 'p> Watcher<'j, 'p> {
    /// Watches by this judge, and keeps so many surprising calls of each stream's last window.
    pub fn new(judge: &'j Judge<'p>, keep: usize) -> Self {
        Watcher {
            explainer: Explainer::of_last_window(judge, keep),
        }
    }

    /// Whether a signal is judged while streams go on, and not at their end only.
    pub fn is_running(signal: SignalKind) -> bool {
        matches!(
            signal,
            SignalKind::Window | SignalKind::Cusum | SignalKind::Lacking
        )
    }

    /// The state of a stream that begins like this.
    pub fn begin(&self, start: StartKind) -> Watched {
        Watched {
            track: self.explainer.begin(start),
            crossings: 0,
        }
    }

    /// Takes the next call. After a crossing the stream is judged anew: it crosses again when as much is odd once
    /// more.
    pub fn call(
        &self,
        watched: &mut Watched,
        name: &str,
        time_ns: Option<u64>,
    ) -> Option<Crossing> {
        self.explainer.call(&mut watched.track, name, time_ns);
        let judge = self.explainer.judge();
        let state = watched.track.state();
        let score = judge.running(state)?;
        let threshold = judge.threshold(state.start());
        (score > threshold).then(|| self.cross(watched, time_ns, score, threshold))
    }

    /// Calls are missing here.
    pub fn gap(&self, watched: &mut Watched) {
        self.explainer.gap(&mut watched.track);
    }

    /// The stream has ended: what it is judged by as a whole, if it has not crossed its threshold before. Of one that
    /// we came to in the middle of, and that made less than a window of calls since, nothing can be said.
    pub fn end(&self, mut watched: Watched) -> (StreamScore, Option<Crossing>) {
        let judge = self.explainer.judge();
        let state = watched.track.state();
        let score = judge.score(state);
        let window = judge.profile().signals.window as u64;
        let is_glimpse = state.start() == StartKind::Attach && state.calls() < window;
        let value = match (score.score, score.verdict) {
            (Some(value), Verdict::Anomalous) if watched.crossings == 0 && !is_glimpse => value,
            _ => return (score, None),
        };
        let crossing = self.cross(&mut watched, None, value, score.threshold);
        (score, Some(crossing))
    }

    fn cross(
        &self,
        watched: &mut Watched,
        time_ns: Option<u64>,
        score: f32,
        threshold: f32,
    ) -> Crossing {
        watched.crossings += 1;
        let position = watched.track.state().calls();
        let (state, surprising) = watched.track.told();
        self.explainer.judge().restart(state);
        Crossing {
            position,
            time_ns,
            score,
            threshold,
            surprising,
        }
    }
}

impl Watched {
    /// What is remembered of the stream to judge it.
    pub fn state(&self) -> &StreamState {
        self.track.state()
    }

    /// How often it has crossed its threshold.
    pub fn crossings(&self) -> u64 {
        self.crossings
    }
}
