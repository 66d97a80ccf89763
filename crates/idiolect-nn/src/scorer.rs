//! Scoring: one call at a time, many streams in step, and many short sequences.

mod many;
mod sequences;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::kernel::aligned::Aligned;
use crate::kernel::cell::BLOCK;
use crate::kernel::gemm::{Matrix, gemm};
use crate::kernel::panel::{Full, pack, pack_transposed};
use crate::kernel::reduced::Reduced;
use crate::kernel::softmax::{LogProbs, OUTPUT_PANEL};
use crate::kernel::{Instructions, Level, padded};
use crate::layout::Layout;
use crate::{Architecture, Weights};

/// A network made ready to follow streams, one token at a time.
///
/// Made once from the weights and shared between threads; what it knows of a stream lies in a [`State`]
/// of the caller's. No step allocates, but for the first of a thread.
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
    output_bias: Aligned<f32>,
    /// Inputs of the layer that has most: what feeds it and its state.
    deepest: usize,
    /// Width of each layer, shared with the states.
    hidden: Arc<[usize]>,
}

/// What the first layer is fed.
#[derive(Debug)]
enum Input {
    /// [V, 4W]: the input's whole part of the first layer's gates, bias included.
    Table(Aligned<f32>),
    /// [V, E padded]: where a table would be too large. One-hot input has the table as its weights.
    Embedding(Aligned<f32>),
}

/// Weights in the form in which they are read.
#[derive(Debug)]
enum Panels {
    Full(Aligned<f32>),
    Reduced(Reduced),
}

/// The form in which a [`Scorer`] holds weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// 32-bit floats, as they were trained.
    #[default]
    Full,
    /// 16-bit integers, with a factor for each unit's gate and each token: half the memory, which makes
    /// one stream, or many in step, up to twice as fast. ln p differs by some 1e-4.
    Reduced,
}

#[derive(Debug)]
struct Layer {
    /// Width, padded.
    width: usize,
    /// Panels of eight units; see [`Step::panels`].
    panels: Panels,
    /// 4W, interleaved.
    bias: Aligned<f32>,
}

/// What a [`Scorer`] remembers of one stream: h and c of each layer.
///
/// It belongs to the architecture whose scorer made it. It is small (two numbers a unit) and can be kept for
/// every live stream, cloned, and written to bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// For each layer h, then c, padded.
    values: Box<[f32]>,
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
    fn of(self, panels: Aligned<f32>, depth: usize) -> Panels {
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

    /// The same with these instructions instead of the fastest that the machine has; `None` where it has
    /// them not.
    pub fn with_instructions(
        weights: &Weights,
        form: Form,
        instructions: Instructions,
    ) -> Option<Self> {
        let level = Level::of(instructions)?;
        Some(Scorer::with(weights, form, level, Self::MAX_TABLE))
    }

    fn with(weights: &Weights, form: Form, level: Level, max_table: usize) -> Self {
        let architecture = weights.architecture().clone();
        let layout = Layout::new(&architecture);
        let flat = layout.flatten(weights);
        let embedding = &flat[layout.embedding.clone()];
        let mut input = None;
        let mut layers = Vec::new();
        let mut deepest = layout.top_width();
        for layer in &layout.layers {
            let gates = layer.gates();
            let weight_ih = &flat[layer.weight_ih.clone()];
            let weight_hh = &flat[layer.weight_hh.clone()];
            let bias = Aligned::from(&flat[layer.bias.clone()]);
            let mut rows = Vec::new();
            if input.is_none() {
                if layout.embedding_width.is_none() {
                    input = Some(Input::Table(with_bias(weight_ih, &bias)));
                } else if form == Form::Reduced
                    || layout.vocab * gates * size_of::<f32>() <= max_table
                {
                    input = Some(Input::Table(table(embedding, weight_ih, &bias)));
                } else {
                    input = Some(Input::Embedding(embedding.into()));
                    rows.extend_from_slice(weight_ih);
                }
            } else {
                rows.extend_from_slice(weight_ih);
            }
            rows.extend_from_slice(weight_hh);
            let mut panels = Aligned::zeros(rows.len());
            pack(&rows, gates, BLOCK, &mut panels);
            deepest = deepest.max(rows.len() / gates);
            let panels = form.of(panels, rows.len() / gates);
            layers.push(Layer {
                width: layer.width,
                panels,
                bias,
            });
        }
        let top = layout.top_width();
        let places = layout.vocab.next_multiple_of(OUTPUT_PANEL);
        let mut output = Aligned::zeros(places * top);
        pack_transposed(&flat[layout.output.clone()], top, OUTPUT_PANEL, &mut output);
        let mut output_bias = Aligned::zeros(places);
        let (biases, padding) = output_bias.split_at_mut(layout.vocab);
        biases.copy_from_slice(&flat[layout.output_bias][..layout.vocab]);
        padding.fill(f32::NEG_INFINITY);
        Scorer {
            hidden: architecture.hidden.as_slice().into(),
            architecture,
            form,
            level,
            input: input.unwrap_or(Input::Embedding(Aligned::default())),
            layers,
            deepest,
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
            values: vec![0.0; self.state_len()].into(),
            hidden: Arc::clone(&self.hidden),
        }
    }

    fn state_len(&self) -> usize {
        2 * self.layers.iter().map(|l| l.width).sum::<usize>()
    }

    /// Takes in the next token.
    ///
    /// # Panics
    /// If the token is not below the vocabulary, or the state is another architecture's.
    pub fn advance(&self, state: &mut State, token: u32) {
        self.advance_many(&mut [state], &[token]);
    }

    /// ln of the probability that `token` comes next, in nats. The rest of the distribution is not
    /// written anywhere.
    ///
    /// # Panics
    /// If the token is not below the vocabulary, or the state is another architecture's.
    pub fn log_prob(&self, state: &State, token: u32) -> f32 {
        self.check(state, token);
        let mut log_prob = [0.0];
        self.log_prob_of(&[state], &[token], &mut log_prob);
        log_prob[0]
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
        self.check_state(state);
        let (at, top) = self.top();
        let (h, bias) = (&state.values[at..at + top], &self.output_bias);
        self.with_room(1, |room| match &self.output {
            Panels::Full(panels) => self.level.run(LogProbs {
                h,
                panels: &Full(panels),
                bias,
                room,
                to,
            }),
            Panels::Reduced(panels) => self.level.run(LogProbs {
                h,
                panels,
                bias,
                room,
                to,
            }),
        });
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
        self.check_state(state);
        let mut rest = &*state.values;
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
        let mut rest = &mut *state.values;
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
        Ok(state)
    }
}

/// The input's part of the gates for each token: embedding [V, E] times weights [E, 4W], and the bias.
fn table(embedding: &[f32], weight_ih: &[f32], bias: &[f32]) -> Aligned<f32> {
    let gates = bias.len();
    let width = weight_ih.len() / gates;
    let vocab = embedding.len() / width;
    let mut table = Aligned::from(bias.repeat(vocab).as_slice());
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
fn with_bias(weight_ih: &[f32], bias: &[f32]) -> Aligned<f32> {
    let mut table = Aligned::from(weight_ih);
    for row in table.chunks_exact_mut(bias.len()) {
        for (x, bias) in row.iter_mut().zip(bias) {
            *x += bias;
        }
    }
    table
}

#[cfg(test)]
mod tests;
