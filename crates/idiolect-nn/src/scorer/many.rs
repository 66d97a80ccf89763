//! Steps of streams, one or many at once.

use std::cell::RefCell;

use super::{Input, Panels, Scorer, State};
use crate::kernel::many::{Feed, LogProbMany, Row, RowMut, Start, StepMany, room};
use crate::kernel::panel::Full;

impl Row for &State {
    #[inline(always)]
    fn numbers(&self) -> &[f32] {
        &self.values
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

thread_local! {
    /// Where rows wait to be multiplied. It grows to what the widest network and the most streams need.
    static ROOM: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
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
        self.with_room(states.len(), |room| self.step(states, tokens, room));
    }

    fn step(&self, states: &mut [&mut State], tokens: &[u32], room: &mut [f32]) {
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
                    panels: &Full(panels),
                    rows: states,
                    tokens,
                    at,
                    room,
                }),
                Panels::Reduced(panels) => self.level.run(StepMany {
                    width,
                    start,
                    feed,
                    panels,
                    rows: states,
                    tokens,
                    at,
                    room,
                }),
            }
            below = Some((at, width));
            at += 2 * width;
        }
    }

    /// Where h of the top layer lies in a state, and its width.
    pub(super) fn top(&self) -> (usize, usize) {
        let top = self.layers.last().map_or(0, |l| l.width);
        (self.state_len() - 2 * top, top)
    }

    /// ln of the probability that each stream's token comes next, in nats.
    ///
    /// # Panics
    /// As [`Scorer::advance_many`], and if `to` has not room for a number a stream.
    pub fn log_prob_many(&self, states: &[&mut State], tokens: &[u32], to: &mut [f32]) {
        self.check_many(states, tokens);
        self.log_prob_of(states, tokens, to);
    }

    /// The same for states and tokens that are this network's.
    pub(super) fn log_prob_of<R: Row>(&self, rows: &[R], tokens: &[u32], to: &mut [f32]) {
        assert_eq!(to.len(), tokens.len(), "room for another number of streams");
        let (h, bias) = (self.top(), &self.output_bias);
        self.with_room(rows.len(), |room| match &self.output {
            Panels::Full(panels) => self.level.run(LogProbMany {
                rows,
                tokens,
                h,
                panels: &Full(panels),
                bias,
                room,
                to,
            }),
            Panels::Reduced(panels) => self.level.run(LogProbMany {
                rows,
                tokens,
                h,
                panels,
                bias,
                room,
                to,
            }),
        });
    }

    /// Does something that needs room for rows of so many streams.
    pub(super) fn with_room<T>(&self, streams: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
        let len = room(streams, self.deepest);
        ROOM.with_borrow_mut(|room| {
            if room.len() < len {
                room.resize(len, 0.0);
            }
            work(&mut room[..len])
        })
    }

    fn check_many(&self, states: &[&mut State], tokens: &[u32]) {
        assert_eq!(states.len(), tokens.len(), "a token for each stream");
        for (state, &token) in states.iter().zip(tokens) {
            self.check(state, token);
        }
    }

    pub(super) fn check(&self, state: &State, token: u32) {
        let token = token as usize;
        assert!(
            token < self.architecture.vocab,
            "token beyond the vocabulary"
        );
        self.check_state(state);
    }

    pub(super) fn check_state(&self, state: &State) {
        let len = state.values.len();
        assert_eq!(len, self.state_len(), "state of another network");
    }
}
