//! An LSTM network as a detector of windows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use idiolect_nn::{State, Weights};
use idiolect_trace::StartKind;

use crate::detector::{FOREIGN_STATE, threads_or_all};
use crate::{Detector, DetectorState, LstmModel, Run, Token, Vocabulary};

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
    /// Of these weights, this probability of an unknown call (between 0 and 1) and this many calls that
    /// go in (at least 1).
    pub fn new(weights: Weights, unknown: f64, inputs: usize) -> Self {
        WindowModel::of(LstmModel::new(weights, unknown), inputs)
    }

    /// Of this network and this many calls that go in (at least 1).
    pub fn of(network: LstmModel, inputs: usize) -> Self {
        WindowModel {
            network,
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

    fn memo(&self) -> MutexGuard<'_, HashMap<Box<[Token]>, f32>> {
        // What a thread that panicked has left is whole: entries are inserted in one go.
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_prob(&self, window: &[Token], token: Token) -> f32 {
        let key: Box<[Token]> = window.iter().copied().chain([token]).collect();
        if let Some(&known) = self.memo().get(&key) {
            return known;
        }
        let log_prob = self.network.scorer.log_prob_of_last(&[&key])[0];
        remember(&mut self.memo(), &key, log_prob);
        log_prob
    }

    /// ln p of the last call of each of these windows with their calls, which are sorted and all
    /// different.
    fn log_probs(&self, asked: &[&[Token]], threads: usize) -> Vec<f32> {
        let share = asked.len().div_ceil(threads_or_all(threads)).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = asked
                .chunks(share)
                .map(|part| scope.spawn(|| self.network.scorer.log_prob_of_last(part)))
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| match worker.join() {
                    Ok(log_probs) => log_probs,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }

    fn push(&self, window: &mut Vec<Token>, token: Token) {
        if window.len() == self.inputs {
            window.remove(0);
        }
        window.push(token);
    }
}

/// Calls and their windows that are remembered. At 19 calls each they take about 20 MB.
const MEMO: usize = 1 << 17;

fn remember(memo: &mut HashMap<Box<[Token]>, f32>, key: &[Token], log_prob: f32) {
    if memo.len() >= MEMO {
        memo.clear();
    }
    memo.insert(key.into(), log_prob);
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

    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize) {
        // Each stream's last calls and its next ones in a row, of which every window is a part.
        let rows: Vec<(usize, Vec<Token>)> = runs
            .iter_mut()
            .map(|run| {
                let window = of_window(run.state);
                let before = window.len();
                window.extend(run.tokens);
                let row = window.clone();
                window.drain(..window.len().saturating_sub(self.inputs));
                (before, row)
            })
            .collect();
        let window_of = |before: usize, place: usize| {
            let end = before + place;
            end.saturating_sub(self.inputs)..end + 1
        };
        let mut asked: Vec<&[Token]> = Vec::new();
        let mut found: HashMap<&[Token], f32> = HashMap::new();
        let memo = self.memo();
        for (before, row) in &rows {
            for place in 0..row.len() - before {
                let key = &row[window_of(*before, place)];
                let is_call = key
                    .last()
                    .is_some_and(|&last| last >= Vocabulary::FIRST_CALL);
                match memo.get(key) {
                    _ if !is_call => {}
                    Some(&log_prob) => {
                        found.insert(key, log_prob);
                    }
                    None => asked.push(key),
                }
            }
        }
        drop(memo);
        asked.sort_unstable();
        asked.dedup();
        let log_probs = self.log_probs(&asked, threads);
        let mut memo = self.memo();
        for (key, log_prob) in asked.into_iter().zip(log_probs) {
            remember(&mut memo, key, log_prob);
            found.insert(key, log_prob);
        }
        drop(memo);
        for (run, (before, row)) in runs.iter_mut().zip(&rows) {
            run.surprises.clear();
            for (place, &token) in run.tokens.iter().enumerate() {
                let key = &row[window_of(*before, place)];
                // Only calls are asked for, and every one of them is among what was found.
                let surprise = self.network.known.surprise(token, || found[key]);
                run.surprises.push(surprise);
            }
        }
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

fn of_window(state: &mut DetectorState) -> &mut Vec<Token> {
    match state {
        DetectorState::Window(window) => window,
        _ => panic!("{FOREIGN_STATE}"),
    }
}
