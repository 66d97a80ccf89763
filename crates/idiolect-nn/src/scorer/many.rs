//! Many streams in step.

use super::{Form, Input, Panels, Scorer, State};
use crate::kernel::many::{Feed, LogProbMany, Row, RowMut, Start, StepMany};
use crate::kernel::reduced::{LogProbReduced, Pairs, StepReduced};

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

impl Scorer {
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
    pub(super) fn refresh(&self, states: &mut [&mut State]) {
        if self.form == Form::Reduced {
            self.level.run(Pairs {
                rows: states,
                h: self.top(),
                spare: self.state_len() - self.widest(),
            });
        }
    }

    /// Where h of the top layer lies in a state, and its width.
    pub(super) fn top(&self) -> (usize, usize) {
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
}
