//! Scoring: one call at a time, many streams in step, and many short sequences.

mod sequences;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::kernel::cell::{BLOCK, GATES, Step};
use crate::kernel::gemm::{Matrix, gemm};
use crate::kernel::many::{Feed, LogProbMany, Row, RowMut, Start, StepMany};
use crate::kernel::panel::pack;
use crate::kernel::panel::pack_transposed;
use crate::kernel::reduced::{LogProbReduced, Pairs, Reduced, StepReduced};
use crate::kernel::softmax::{LogProb, LogProbs, Logits, OUTPUT_PANEL, Weighed};
use crate::kernel::{Level, padded};
use crate::layout::Layout;
use crate::{Architecture, Weights};

/// A network made ready to follow streams, one token at a time.
///
/// Made once from the weights and shared between threads; what it knows of a stream lies in a [`State`]
/// of the caller's. No step allocates.
#[derive(Debug)]
pub struct Scorer {
    architecture: Architecture,
    form: Form,
    level: Level,
    input: Input,
    layers: Vec<Layer>,
    /// Panels of 32 tokens.
    output: Panels,
    /// -infinity in the padding.
    output_bias: Vec<f32>,
    /// Width of each layer, shared with the states.
    hidden: Arc<[usize]>,
}

/// What the first layer is fed.
#[derive(Debug)]
enum Input {
    /// [V, 4W]: the input's whole part of the first layer's gates, bias included.
    Table(Vec<f32>),
    /// [V, E padded]: where a table would be too large. One-hot input has the table as its weights.
    Embedding(Vec<f32>),
}

/// Weights in the form in which they are read.
#[derive(Debug)]
enum Panels {
    Full(Vec<f32>),
    Reduced(Reduced),
}

/// The form in which a [`Scorer`] holds weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// 32-bit floats, as they were trained.
    #[default]
    Full,
    /// 16-bit integers, with a factor for each unit's gate and each token: half the memory and, with many
    /// streams in step, about twice as fast. ln p differs by some 1e-4.
    Reduced,
}

#[derive(Debug)]
struct Layer {
    /// Width, padded.
    width: usize,
    /// Panels of eight units; see [`Step::panels`].
    panels: Panels,
    /// 4W, interleaved.
    bias: Vec<f32>,
}

/// What a [`Scorer`] remembers of one stream: h and c of each layer.
///
/// It belongs to the architecture whose scorer made it. It is small (two numbers a unit, and the widest
/// layer's width to work in) and can be kept for every live stream, cloned, and written to bytes.
#[derive(Clone, Debug)]
pub struct State {
    /// For each layer h, then c, padded; then room for one h. In the reduced form the room holds the top
    /// layer's h as pairs of whole numbers.
    values: Vec<f32>,
    /// Numbers before that room.
    kept: usize,
    /// Width of each layer.
    hidden: Arc<[usize]>,
}

impl State {
    /// h of a layer (0 reads the input), H numbers within ±1: what the layer tells the one above.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn hidden(&self, layer: usize) -> &[f32] {
        let start = self.start(layer);
        &self.values[start..start + self.hidden[layer]]
    }

    /// c of a layer, H numbers: what its cells hold.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn cell(&self, layer: usize) -> &[f32] {
        let start = self.start(layer) + padded(self.hidden[layer]);
        &self.values[start..start + self.hidden[layer]]
    }

    /// Back to the state of a stream of which nothing has been seen.
    fn clear(&mut self) {
        self.values.fill(0.0);
    }

    /// Becomes a copy of another state of the same network.
    fn copy_from(&mut self, other: &State) {
        self.values.copy_from_slice(&other.values);
    }

    fn start(&self, layer: usize) -> usize {
        2 * self.hidden[..layer]
            .iter()
            .map(|&h| padded(h))
            .sum::<usize>()
    }
}

impl Row for &mut State {
    #[inline(always)]
    fn numbers(&self) -> &[f32] {
        &self.values
    }
}

impl RowMut for &mut State {
    #[inline(always)]
    fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.values[..self.kept] == other.values[..other.kept]
    }
}

/// Bytes that are not a state of the architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// There are more or fewer of them than the architecture's state takes.
    #[error(
        "a state of {found} bytes, where this network's takes {expected}: it belongs to another one"
    )]
    Length {
        /// Bytes that a state takes.
        expected: usize,
        /// Bytes that there were.
        found: usize,
    },
    /// One of the numbers is NaN or infinite, or is an h beyond ±1, which no network arrives at.
    #[error(
        "number {0} of the state is none that a network can have arrived at: the state is damaged"
    )]
    OutOfRange(usize),
}

impl Form {
    fn of(self, panels: Vec<f32>, depth: usize) -> Panels {
        match self {
            Form::Full => Panels::Full(panels),
            Form::Reduced => Panels::Reduced(Reduced::new(&panels, depth)),
        }
    }
}

impl Scorer {
    /// Largest table of input parts, in bytes; beyond it the product is done at each step.
    const MAX_TABLE: usize = 64 << 20;

    /// Packs the weights.
    pub fn new(weights: &Weights) -> Self {
        Scorer::in_form(weights, Form::Full)
    }

    /// Packs the weights in one form or the other.
    pub fn in_form(weights: &Weights, form: Form) -> Self {
        Scorer::with(weights, form, Level::detect(), Self::MAX_TABLE)
    }

    /// The same without the processor's special instructions: what every machine can do, and what the other
    /// paths are held against.
    pub fn portable(weights: &Weights, form: Form) -> Self {
        Scorer::with(weights, form, Level::plain(), Self::MAX_TABLE)
    }

    fn with(weights: &Weights, form: Form, level: Level, max_table: usize) -> Self {
        let architecture = weights.architecture().clone();
        let layout = Layout::new(&architecture);
        let flat = layout.flatten(weights);
        let embedding = &flat[layout.embedding.clone()];
        let mut input = None;
        let mut layers = Vec::new();
        for layer in &layout.layers {
            let gates = layer.gates();
            let weight_ih = &flat[layer.weight_ih.clone()];
            let weight_hh = &flat[layer.weight_hh.clone()];
            let bias = flat[layer.bias.clone()].to_vec();
            let mut rows = Vec::new();
            if input.is_none() {
                if layout.embedding_width.is_none() {
                    input = Some(Input::Table(with_bias(weight_ih, &bias)));
                } else if form == Form::Reduced
                    || layout.vocab * gates * size_of::<f32>() <= max_table
                {
                    input = Some(Input::Table(table(embedding, weight_ih, &bias)));
                } else {
                    input = Some(Input::Embedding(embedding.to_vec()));
                    rows.extend_from_slice(weight_ih);
                }
            } else {
                rows.extend_from_slice(weight_ih);
            }
            rows.extend_from_slice(weight_hh);
            let mut panels = vec![0.0; rows.len()];
            pack(&rows, gates, BLOCK, &mut panels);
            let panels = form.of(panels, rows.len() / gates);
            layers.push(Layer {
                width: layer.width,
                panels,
                bias,
            });
        }
        let top = layout.top_width();
        let places = layout.vocab.next_multiple_of(OUTPUT_PANEL);
        let mut output = vec![0.0; places * top];
        pack_transposed(&flat[layout.output.clone()], top, OUTPUT_PANEL, &mut output);
        let mut output_bias = flat[layout.output_bias][..layout.vocab].to_vec();
        output_bias.resize(places, f32::NEG_INFINITY);
        Scorer {
            hidden: architecture.hidden.as_slice().into(),
            architecture,
            form,
            level,
            input: input.unwrap_or(Input::Embedding(Vec::new())),
            layers,
            output: form.of(output, top),
            output_bias,
        }
    }

    /// What it scores with.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The form in which it holds the weights.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The state of a stream of which nothing has been seen: all zero.
    pub fn state(&self) -> State {
        State {
            values: vec![0.0; self.state_len()],
            kept: 2 * self.layers.iter().map(|l| l.width).sum::<usize>(),
            hidden: Arc::clone(&self.hidden),
        }
    }

    fn state_len(&self) -> usize {
        2 * self.layers.iter().map(|l| l.width).sum::<usize>() + self.widest()
    }

    fn widest(&self) -> usize {
        self.layers.iter().map(|l| l.width).max().unwrap_or(0)
    }

    /// Takes in the next token.
    ///
    /// # Panics
    /// If the token is not below the vocabulary, or the state is another architecture's.
    pub fn advance(&self, state: &mut State, token: u32) {
        let token = token as usize;
        assert!(
            token < self.architecture.vocab,
            "token beyond the vocabulary"
        );
        assert_eq!(
            state.values.len(),
            self.state_len(),
            "state of another network"
        );
        if self.form == Form::Reduced {
            return self.advance_many(&mut [state], &[token as u32]);
        }
        let mut rest = state.values.as_mut_slice();
        let mut below: &[f32] = match &self.input {
            Input::Table(_) => &[],
            Input::Embedding(embedding) => row(embedding, token, self.architecture.vocab),
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let Panels::Full(panels) = &layer.panels else {
                return;
            };
            let (own, above) = rest.split_at_mut(2 * layer.width);
            let (h, c) = own.split_at_mut(layer.width);
            let spare = above.len() - layer.width;
            let start = match &self.input {
                Input::Table(table) if index == 0 => row(table, token, self.architecture.vocab),
                _ => &layer.bias,
            };
            self.level.run(Step {
                width: layer.width,
                start,
                input: below,
                panels,
                h_before: h,
                h: &mut above[spare..],
                c,
            });
            h.copy_from_slice(&above[spare..]);
            below = h;
            rest = above;
        }
    }

    /// Takes in the next token of each of many streams, which may be any streams in any order: what
    /// [`Scorer::advance`] does for each alone, with the very same result, several times as fast.
    ///
    /// # Panics
    /// If there are not as many tokens as states, a token is not below the vocabulary, or a state is
    /// another architecture's.
    pub fn advance_many(&self, states: &mut [&mut State], tokens: &[u32]) {
        self.check_many(states, tokens);
        let spare = self.state_len() - self.widest();
        let (mut at, mut below) = (0, None);
        for layer in &self.layers {
            let (start, feed) = match (&self.input, below) {
                (Input::Table(table), None) => (Start::Table(table), Feed::Nothing),
                (Input::Embedding(embedding), None) => {
                    let width = embedding.len() / self.architecture.vocab;
                    (Start::Bias(&layer.bias), Feed::Embedding(embedding, width))
                }
                (_, Some((at, width))) => (Start::Bias(&layer.bias), Feed::Below(at, width)),
            };
            let width = layer.width;
            match &layer.panels {
                Panels::Full(panels) => self.level.run(StepMany {
                    width,
                    start,
                    feed,
                    panels,
                    rows: states,
                    tokens,
                    at,
                    spare,
                }),
                Panels::Reduced(weights) => self.level.run(StepReduced {
                    width,
                    start,
                    below: below.unwrap_or((0, 0)),
                    weights,
                    rows: states,
                    tokens,
                    at,
                    spare,
                }),
            }
            below = Some((at, width));
            at += 2 * width;
        }
        self.refresh(states);
    }

    /// In the reduced form, leaves the pairs of the top layer's h in the room of each state.
    fn refresh(&self, states: &mut [&mut State]) {
        if self.form == Form::Reduced {
            self.level.run(Pairs {
                rows: states,
                h: self.top(),
                spare: self.state_len() - self.widest(),
            });
        }
    }

    /// Where h of the top layer lies in a state, and its width.
    fn top(&self) -> (usize, usize) {
        let top = self.layers.last().map_or(0, |l| l.width);
        let all = 2 * self.layers.iter().map(|l| l.width).sum::<usize>();
        (all - 2 * top, top)
    }

    /// ln of the probability that each stream's token comes next, in nats.
    ///
    /// # Panics
    /// As [`Scorer::advance_many`], and if `to` has not room for a number a stream.
    pub fn log_prob_many(&self, states: &[&mut State], tokens: &[u32], to: &mut [f32]) {
        self.check_many(states, tokens);
        assert_eq!(to.len(), tokens.len(), "room for another number of streams");
        let bias = &self.output_bias;
        match &self.output {
            Panels::Full(panels) => self.level.run(LogProbMany {
                rows: states,
                tokens,
                h: self.top(),
                panels,
                bias,
                to,
            }),
            Panels::Reduced(weights) => self.level.run(LogProbReduced {
                rows: states,
                tokens,
                pairs: (self.state_len() - self.widest(), self.top().1 / 2),
                weights,
                bias,
                to,
            }),
        }
    }

    fn check_many(&self, states: &[&mut State], tokens: &[u32]) {
        assert_eq!(states.len(), tokens.len(), "a token for each stream");
        for token in tokens {
            assert!(
                (*token as usize) < self.architecture.vocab,
                "token beyond the vocabulary"
            );
        }
        for state in states {
            assert_eq!(
                state.values.len(),
                self.state_len(),
                "state of another network"
            );
        }
    }

    /// ln of the probability that `token` comes next, in nats. The rest of the distribution is not
    /// written anywhere.
    ///
    /// # Panics
    /// If the token is not below the vocabulary, or the state is another architecture's.
    pub fn log_prob(&self, state: &State, token: u32) -> f32 {
        let token = token as usize;
        assert!(
            token < self.architecture.vocab,
            "token beyond the vocabulary"
        );
        self.level.run(LogProb {
            logits: self.logits(state),
            token,
        })
    }

    /// ln of the probability of each token to come next, in nats.
    ///
    /// # Panics
    /// If `to` has not room for exactly the vocabulary, or the state is another architecture's.
    pub fn log_probs(&self, state: &State, to: &mut [f32]) {
        assert_eq!(
            to.len(),
            self.architecture.vocab,
            "room for another vocabulary"
        );
        self.level.run(LogProbs {
            logits: self.logits(state),
            to,
        });
    }

    fn logits<'a>(&'a self, state: &'a State) -> Logits<'a> {
        assert_eq!(
            state.values.len(),
            self.state_len(),
            "state of another network"
        );
        let (at, top) = self.top();
        Logits {
            from: match &self.output {
                Panels::Full(panels) => Weighed::Full {
                    h: &state.values[at..at + top],
                    panels,
                },
                Panels::Reduced(weights) => Weighed::Reduced {
                    pairs: &state.values[self.state_len() - self.widest()..][..top / 2],
                    weights,
                },
            },
            bias: &self.output_bias,
        }
    }

    /// Bytes that [`Scorer::write_state`] writes.
    pub fn state_bytes(&self) -> usize {
        2 * self.architecture.hidden.iter().sum::<usize>() * size_of::<f32>()
    }

    /// Appends a state to `to`: for each layer h, then c, as little-endian f32. The same on every machine.
    ///
    /// # Panics
    /// If the state is another architecture's.
    pub fn write_state(&self, state: &State, to: &mut Vec<u8>) {
        assert_eq!(
            state.values.len(),
            self.state_len(),
            "state of another network"
        );
        let mut rest = state.values.as_slice();
        for &hidden in &self.architecture.hidden {
            for _ in 0..2 {
                let (values, after) = rest.split_at(padded(hidden));
                to.extend(values[..hidden].iter().flat_map(|x| x.to_le_bytes()));
                rest = after;
            }
        }
    }

    /// The state that [`Scorer::write_state`] wrote.
    pub fn read_state(&self, bytes: &[u8]) -> Result<State, StateError> {
        let expected = self.state_bytes();
        if bytes.len() != expected {
            return Err(StateError::Length {
                expected,
                found: bytes.len(),
            });
        }
        let mut numbers = bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .enumerate();
        let mut state = self.state();
        let mut rest = state.values.as_mut_slice();
        for &hidden in &self.architecture.hidden {
            // |h| = |o tanh(c)| is 1 at most; c may grow with every step.
            for bound in [1.0, f32::MAX] {
                let (values, after) = rest.split_at_mut(padded(hidden));
                for to in &mut values[..hidden] {
                    // There are as many numbers as places: the length is checked above.
                    let Some((index, number)) = numbers.next() else {
                        break;
                    };
                    // NaN is not within any bound.
                    if !(-bound..=bound).contains(&number) {
                        return Err(StateError::OutOfRange(index));
                    }
                    *to = number;
                }
                rest = after;
            }
        }
        self.refresh(&mut [&mut state]);
        Ok(state)
    }
}

/// The input's part of the gates for each token: embedding [V, E] times weights [E, 4W], and the bias.
fn table(embedding: &[f32], weight_ih: &[f32], bias: &[f32]) -> Vec<f32> {
    let gates = bias.len();
    let width = weight_ih.len() / gates;
    let vocab = embedding.len() / width;
    let mut table = bias.repeat(vocab);
    gemm(
        &mut table,
        gates,
        Matrix::new(embedding, vocab, width, width),
        Matrix::new(weight_ih, width, gates, gates),
        true,
    );
    table
}

/// The same for one-hot input, whose weights [V, 4W] have a row for each token.
fn with_bias(weight_ih: &[f32], bias: &[f32]) -> Vec<f32> {
    let rows = weight_ih.chunks_exact(bias.len());
    rows.flat_map(|row| row.iter().zip(bias).map(|(x, b)| x + b))
        .collect()
}

/// A row of a matrix with `rows` rows.
fn row(matrix: &[f32], index: usize, rows: usize) -> &[f32] {
    let width = matrix.len() / rows;
    &matrix[index * width..][..width]
}

const _: () = assert!(BLOCK == GATES * crate::kernel::LANES);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights(hidden: &[usize], vocab: usize) -> Weights {
        let architecture = Architecture {
            vocab,
            embedding: Some(6),
            hidden: hidden.to_vec(),
        };
        Weights::init(&architecture, 11).unwrap()
    }

    #[test]
    fn all_paths_agree() {
        for (hidden, vocab) in [
            (vec![64], 180),
            (vec![5, 17], 33),
            (vec![9], 1),
            (vec![8, 8, 8], 32),
        ] {
            let weights = weights(&hidden, vocab);
            let fast = Scorer::new(&weights);
            let others = [
                Scorer::with(&weights, Form::Full, Level::plain(), usize::MAX),
                Scorer::with(&weights, Form::Full, Level::detect(), 0),
                Scorer::with(&weights, Form::Full, Level::plain(), 0),
            ];
            let mut state = fast.state();
            let mut states = others.each_ref().map(Scorer::state);
            let mut all = vec![0.0; vocab];
            for step in 0..50usize {
                let next = (step * 7 % vocab) as u32;
                let log_prob = fast.log_prob(&state, next);
                fast.log_probs(&state, &mut all);
                assert!((all[next as usize] - log_prob).abs() < 1e-5);
                let total: f64 = all.iter().map(|&x| f64::from(x).exp()).sum();
                assert!((total - 1.0).abs() < 1e-5, "{total}");
                for (other, state) in others.iter().zip(&mut states) {
                    assert!((other.log_prob(state, next) - log_prob).abs() < 1e-5);
                    other.advance(state, next);
                }
                fast.advance(&mut state, next);
            }
        }
    }

    #[test]
    fn many_streams_in_step_are_as_each_alone() {
        for (hidden, vocab) in [(vec![64], 180), (vec![5, 17], 33), (vec![24, 8, 40], 70)] {
            let weights = weights(&hidden, vocab);
            let alone = Scorer::new(&weights);
            for (level, max_table, same) in [
                (Level::detect(), usize::MAX, true),
                (Level::plain(), usize::MAX, false),
                (Level::detect(), 0, false),
                (Level::plain(), 0, false),
            ] {
                let many = Scorer::with(&weights, Form::Full, level, max_table);
                let mut states: Vec<State> = (0..37).map(|_| alone.state()).collect();
                let mut together = states.clone();
                // Ragged: a stream takes part in some steps and not in others, and from the back too.
                for step in 0..100usize {
                    let mut who: Vec<usize> = (0..37).filter(|i| (i * 7 + step) % 5 < 3).collect();
                    if step % 2 == 1 {
                        who.reverse();
                    }
                    let tokens: Vec<u32> = who
                        .iter()
                        .map(|i| ((i * 31 + step * 17) % vocab) as u32)
                        .collect();
                    let mut rows: Vec<Option<&mut State>> = together.iter_mut().map(Some).collect();
                    let mut rows: Vec<&mut State> =
                        who.iter().map(|&i| rows[i].take().unwrap()).collect();
                    let mut log_probs = vec![0.0; who.len()];
                    many.log_prob_many(&rows, &tokens, &mut log_probs);
                    many.advance_many(&mut rows, &tokens);
                    for ((&i, &token), log_prob) in who.iter().zip(&tokens).zip(log_probs) {
                        let one = alone.log_prob(&states[i], token);
                        assert!((one - log_prob).abs() < 1e-4, "{one} {log_prob}");
                        assert!(!same || one == log_prob, "{one} {log_prob}");
                        alone.advance(&mut states[i], token);
                    }
                }
                for (one, other) in states.iter().zip(&together) {
                    for (a, b) in one.hidden(0).iter().zip(other.hidden(0)) {
                        assert!((a - b).abs() < 1e-5, "{a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn company_changes_nothing() {
        for form in [Form::Full, Form::Reduced] {
            company(&Scorer::in_form(&weights(&[24, 8], 70), form));
        }
    }

    fn company(scorer: &Scorer) {
        let mut alone = scorer.state();
        let mut crowd: Vec<State> = (0..20).map(|_| scorer.state()).collect();
        for step in 0..40u32 {
            scorer.advance_many(&mut [&mut alone], &[step]);
            let mut rows: Vec<&mut State> = crowd.iter_mut().collect();
            // The stream stands in another place each time.
            let place = step as usize % rows.len();
            rows.swap(4, place);
            let mut tokens = vec![7; 20];
            tokens[place] = step;
            scorer.advance_many(&mut rows, &tokens);
        }
        assert_eq!(alone, crowd[4]);
    }

    #[test]
    fn the_reduced_form_is_near_and_its_paths_agree() {
        for (hidden, vocab) in [(vec![64], 180), (vec![5, 17], 33), (vec![24, 8, 40], 70)] {
            let weights = weights(&hidden, vocab);
            let full = Scorer::new(&weights);
            let reduced = Scorer::in_form(&weights, Form::Reduced);
            let plain = Scorer::with(&weights, Form::Reduced, Level::plain(), 0);
            let mut states = [full.state(), reduced.state(), plain.state()];
            let mut all = vec![0.0; vocab];
            for step in 0..200usize {
                let token = (step * step * 7 % vocab) as u32;
                let [exact, near, other] =
                    [(&full, 0), (&reduced, 1), (&plain, 2)].map(|(scorer, i)| {
                        let log_prob = scorer.log_prob(&states[i], token);
                        scorer.advance(&mut states[i], token);
                        log_prob
                    });
                assert!((exact - near).abs() < 2e-3, "{exact} {near}");
                assert!((near - other).abs() < 1e-4, "{near} {other}");
                reduced.log_probs(&states[1], &mut all);
                let next = (step % vocab) as u32;
                assert!((all[next as usize] - reduced.log_prob(&states[1], next)).abs() < 1e-5);
            }
            let mut bytes = Vec::new();
            reduced.write_state(&states[1], &mut bytes);
            let again = reduced.read_state(&bytes).unwrap();
            assert_eq!(reduced.log_prob(&again, 3), reduced.log_prob(&states[1], 3));
        }
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let base = weights(&[8], 40);
        let tensors = base.tensors().map(|(name, shape, data)| {
            let mut data = data.to_vec();
            if name == "output.bias" {
                data[3] = 2e38;
                data[4] = -2e38;
            }
            (name.to_owned(), shape.to_vec(), data)
        });
        let scorer = Scorer::new(&Weights::from_tensors(base.architecture(), tensors).unwrap());
        let state = scorer.state();
        assert_eq!(scorer.log_prob(&state, 3), 0.0);
        assert!(scorer.log_prob(&state, 5) < -1e38);
        let mut all = vec![0.0; 40];
        scorer.log_probs(&state, &mut all);
        assert_eq!(all[3], 0.0);
        assert!(all.iter().all(|x| !x.is_nan()));
    }

    proptest! {
        #[test]
        fn states_read_back(tokens in prop::collection::vec(0u32..20, 0..30)) {
            let scorer = Scorer::new(&weights(&[5, 16], 20));
            let mut state = scorer.state();
            for token in tokens {
                scorer.advance(&mut state, token);
            }
            let mut bytes = Vec::new();
            scorer.write_state(&state, &mut bytes);
            prop_assert_eq!(bytes.len(), scorer.state_bytes());
            let mut again = scorer.read_state(&bytes).unwrap();
            prop_assert_eq!(scorer.log_prob(&again, 3), scorer.log_prob(&state, 3));
            scorer.advance(&mut again, 1);
            scorer.advance(&mut state, 1);
            prop_assert_eq!(again, state);
        }

        #[test]
        fn any_bytes_are_a_state_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..180)) {
            let scorer = Scorer::new(&weights(&[5, 16], 20));
            match scorer.read_state(&bytes) {
                Ok(state) => {
                    prop_assert_eq!(bytes.len(), 168);
                    prop_assert_eq!(scorer.log_prob(&state, 0).is_nan(), false);
                }
                Err(StateError::Length { found, .. }) => prop_assert_eq!(found, bytes.len()),
                Err(StateError::OutOfRange(index)) => prop_assert!(index < 42),
            }
        }
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let scorer = Scorer::new(&weights(&[5, 16], 20));
        let mut bytes = vec![0; 168];
        bytes[4 * 7..4 * 8].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(scorer.read_state(&bytes), Err(StateError::OutOfRange(7)));
        bytes[4 * 7..4 * 8].copy_from_slice(&3f32.to_le_bytes());
        assert!(scorer.read_state(&bytes).is_ok(), "number 7 is a c");
        bytes[4..8].copy_from_slice(&1.5f32.to_le_bytes());
        assert_eq!(scorer.read_state(&bytes), Err(StateError::OutOfRange(1)));
        let length = StateError::Length {
            expected: 168,
            found: 3,
        };
        assert_eq!(scorer.read_state(&[0; 3]), Err(length));
    }
}
