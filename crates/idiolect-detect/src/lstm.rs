//! An LSTM network as a detector of whole streams.

use idiolect_nn::{Form, Scorer, State, Weights};
use idiolect_trace::StartKind;

use crate::detector::{FOREIGN_STATE, threads_or_all};
use crate::known::KnownShare;
use crate::{Detector, DetectorState, Run, Token, Vocabulary};

/// An LSTM language model of calls (Kim et al. 2016): its state runs from a stream's start.
#[derive(Debug)]
pub struct LstmModel {
    weights: Weights,
    pub(crate) scorer: Scorer,
    pub(crate) known: KnownShare,
}

impl LstmModel {
    /// Of these weights and this probability of an unknown call, which lies between 0 and 1.
    pub fn new(weights: Weights, unknown: f64) -> Self {
        LstmModel::in_form(weights, unknown, Form::Full)
    }

    /// The same with the weights held in this form to score with.
    pub fn in_form(weights: Weights, unknown: f64, form: Form) -> Self {
        LstmModel {
            scorer: Scorer::in_form(&weights, form),
            weights,
            known: KnownShare::new(unknown),
        }
    }

    /// The form in which it holds the weights to score with.
    pub fn form(&self) -> Form {
        self.scorer.form()
    }

    /// The weights, as they were trained whatever the form.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The probability of a call never seen in training.
    pub fn unknown(&self) -> f64 {
        self.known.unknown()
    }
}

/// Streams that are followed in step: as many as keep the weights of a block in the nearest cache busy.
const IN_STEP: usize = 64;

impl LstmModel {
    /// Follows some streams in step, the longest first.
    fn in_step(&self, runs: &mut [&mut Run<'_>]) {
        let mut states = Vec::with_capacity(runs.len());
        let mut sequences = Vec::with_capacity(runs.len());
        for run in runs.iter_mut() {
            let Run {
                state,
                tokens,
                surprises,
            } = &mut **run;
            surprises.clear();
            surprises.reserve(tokens.len());
            states.push(of_stream(state));
            sequences.push((*tokens, surprises));
        }
        let mut tokens = Vec::with_capacity(sequences.len());
        let mut log_probs = vec![0.0; sequences.len()];
        let mut place = 0;
        loop {
            tokens.clear();
            let going_on = sequences.iter().map_while(|(run, _)| run.get(place));
            tokens.extend(going_on.copied());
            let count = tokens.len();
            if count == 0 {
                break;
            }
            let states = &mut states[..count];
            self.scorer
                .log_prob_many(states, &tokens, &mut log_probs[..count]);
            self.scorer.advance_many(states, &tokens);
            for ((&token, &log_prob), (_, surprises)) in
                tokens.iter().zip(&log_probs).zip(&mut sequences)
            {
                surprises.push(self.known.surprise(token, || log_prob));
            }
            place += 1;
        }
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

    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize) {
        // The longest first, so that those still going on stand together, and dealt out in turn, so that
        // each thread has about the same to do.
        let mut order: Vec<&mut Run<'_>> = runs.iter_mut().collect();
        order.sort_by_key(|run| std::cmp::Reverse(run.tokens.len()));
        let threads = threads_or_all(threads).min(order.len());
        let mut hands: Vec<Vec<&mut Run<'_>>> = (0..threads).map(|_| Vec::new()).collect();
        for (place, run) in order.into_iter().enumerate() {
            hands[place % threads].push(run);
        }
        std::thread::scope(|scope| {
            for mut hand in hands {
                scope.spawn(move || {
                    for group in hand.chunks_mut(IN_STEP) {
                        self.in_step(group);
                    }
                });
            }
        });
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

fn of_stream(state: &mut DetectorState) -> &mut State {
    match state {
        DetectorState::Lstm(state) => state,
        _ => panic!("{FOREIGN_STATE}"),
    }
}
