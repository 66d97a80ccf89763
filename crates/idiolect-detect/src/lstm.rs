//! LSTM networks as detectors: of whole streams, and of windows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use idiolect_nn::{Scorer, State, Weights};
use idiolect_trace::StartKind;

use crate::known::KnownShare;
use crate::{Detector, DetectorState, Token, Vocabulary};

/// An LSTM language model of calls (Kim et al. 2016): its state runs from a stream's start.
#[derive(Debug)]
pub struct LstmModel {
    weights: Weights,
    scorer: Scorer,
    known: KnownShare,
}

impl LstmModel {
    /// Of these weights and this probability of an unknown call, which lies between 0 and 1.
    pub fn new(weights: Weights, unknown: f64) -> Self {
        LstmModel {
            scorer: Scorer::new(&weights),
            weights,
            known: KnownShare::new(unknown),
        }
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The probability of a call never seen in training.
    pub fn unknown(&self) -> f64 {
        self.known.unknown()
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
        let state = of_stream(state);
        let surprise = self
            .known
            .surprise(token, || self.scorer.log_prob(state, token));
        self.scorer.advance(state, token);
        surprise
    }

    fn gap(&self, state: &mut DetectorState) {
        self.scorer.advance(of_stream(state), Vocabulary::GAP);
    }

    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>) {
        let DetectorState::Lstm(state) = state else {
            panic!("{FOREIGN_STATE}");
        };
        probabilities.resize(self.weights.architecture().vocab, 0.0);
        self.scorer.log_probs(state, probabilities);
        self.known.probabilities(probabilities);
    }
}

/// An LSTM over windows: for each call it reads the calls before it, a fixed number of them, anew from its
/// zero state. See [`Windows`](crate::Windows).
#[derive(Debug)]
pub struct WindowModel {
    network: LstmModel,
    inputs: usize,
    /// ln p of calls that were asked for before: programs repeat themselves.
    memo: Mutex<HashMap<Box<[Token]>, f32>>,
}

impl WindowModel {
    /// Calls and their windows that are remembered. At 19 calls each they take about 20 MB.
    const MEMO: usize = 1 << 17;

    /// Of these weights, this probability of an unknown call (between 0 and 1) and this many calls that
    /// go in (at least 1).
    pub fn new(weights: Weights, unknown: f64, inputs: usize) -> Self {
        WindowModel {
            network: LstmModel::new(weights, unknown),
            inputs: inputs.max(1),
            memo: Mutex::default(),
        }
    }

    /// The network that reads the windows.
    pub fn network(&self) -> &LstmModel {
        &self.network
    }

    /// Calls that go in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The state of the network that has read a window.
    fn read(&self, window: &[Token]) -> State {
        let mut state = self.network.scorer.state();
        for &token in window {
            self.network.scorer.advance(&mut state, token);
        }
        state
    }

    fn log_prob(&self, window: &[Token], token: Token) -> f32 {
        let key: Box<[Token]> = window.iter().copied().chain([token]).collect();
        // What a thread that panicked has left is whole: entries are inserted in one go.
        let memo = || self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&known) = memo().get(&key) {
            return known;
        }
        let log_prob = self.network.scorer.log_prob(&self.read(window), token);
        let mut memo = memo();
        if memo.len() >= Self::MEMO {
            memo.clear();
        }
        memo.insert(key, log_prob);
        log_prob
    }

    fn push(&self, window: &mut Vec<Token>, token: Token) {
        if window.len() == self.inputs {
            window.remove(0);
        }
        window.push(token);
    }
}

impl Detector for WindowModel {
    fn kind(&self) -> &'static str {
        "window"
    }

    fn begin(&self, start: StartKind) -> DetectorState {
        DetectorState::Window(vec![Vocabulary::start(start)])
    }

    fn observe(&self, state: &mut DetectorState, token: Token) -> f32 {
        let window = of_window(state);
        let known = self.network.known;
        let surprise = known.surprise(token, || self.log_prob(window, token));
        self.push(window, token);
        surprise
    }

    fn gap(&self, state: &mut DetectorState) {
        self.push(of_window(state), Vocabulary::GAP);
    }

    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>) {
        let DetectorState::Window(window) = state else {
            panic!("{FOREIGN_STATE}");
        };
        self.network
            .predict(&DetectorState::Lstm(self.read(window)), probabilities);
    }
}

/// A state belongs to the detector that began it; another's is a fault of the caller's.
const FOREIGN_STATE: &str = "the state of another detector";

fn of_stream(state: &mut DetectorState) -> &mut State {
    match state {
        DetectorState::Lstm(state) => state,
        DetectorState::Window(_) => panic!("{FOREIGN_STATE}"),
    }
}

fn of_window(state: &mut DetectorState) -> &mut Vec<Token> {
    match state {
        DetectorState::Window(window) => window,
        DetectorState::Lstm(_) => panic!("{FOREIGN_STATE}"),
    }
}
