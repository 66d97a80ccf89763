//! Steps of many streams at once: each panel of weights is read once for all of them, and stays in the
//! nearest cache meanwhile.
//!
//! A row's sums are taken in the same order whatever rows stand beside it, and in that of
//! [`Step`](super::cell::Step): a stream's results are the same number whether it is alone or in company.

use super::cell::{BLOCK, GATES, activate};
use super::panel::{TILE, accumulate};
use super::softmax::{OUTPUT_PANEL, Total, bias_of, logit_of};
use super::{Kernel, LANES, Simd, vector, vector_mut};

/// What the gates of a layer start from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// [V, 4W]: of each token, with the bias in it.
    Table(&'a [f32]),
    /// 4W: the bias.
    Bias(&'a [f32]),
}

impl<'a> Start<'a> {
    /// What the gates of a layer of this width start from.
    #[inline(always)]
    pub(super) fn of(self, token: u32, width: usize) -> &'a [f32] {
        match self {
            Start::Table(table) => &table[token as usize * GATES * width..],
            Start::Bias(bias) => bias,
        }
    }
}

/// What else feeds a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Feed<'a> {
    /// Nothing: it is in the table.
    Nothing,
    /// Rows of this width, by token.
    Embedding(&'a [f32], usize),
    /// The layer below: where its h lies in a stream's numbers, and how wide it is.
    Below(usize, usize),
}

/// One step of a layer for many streams.
#[derive(Debug)]
pub(crate) struct StepMany<'a, R> {
    /// W, padded.
    pub(crate) width: usize,
    pub(crate) start: Start<'a>,
    pub(crate) feed: Feed<'a>,
    /// W / 8 panels of 32 interleaved gates, as deep as what feeds it and its state together.
    pub(crate) panels: &'a [f32],
    /// The numbers of each stream.
    pub(crate) rows: &'a mut [R],
    /// Its token.
    pub(crate) tokens: &'a [u32],
    /// Where h of the layer lies in a stream's numbers; c follows it.
    pub(crate) at: usize,
    /// Where there is room for another h.
    pub(crate) spare: usize,
}

/// A stream's numbers.
pub(crate) trait Row {
    fn numbers(&self) -> &[f32];
}

/// The same, to change.
pub(crate) trait RowMut: Row {
    fn numbers_mut(&mut self) -> &mut [f32];
}

impl<R: RowMut> Kernel for StepMany<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let depth = self.width
            + match self.feed {
                Feed::Nothing => 0,
                Feed::Embedding(_, width) | Feed::Below(_, width) => width,
            };
        let rows = self.rows.len();
        for (block, panel) in self.panels.chunks_exact(depth * BLOCK).enumerate() {
            let mut row = 0;
            while row + TILE <= rows {
                self.tile::<S, TILE>(s, block, panel, row);
                row += TILE;
            }
            match rows - row {
                2 => self.tile::<S, 2>(s, block, panel, row),
                1 => self.tile::<S, 1>(s, block, panel, row),
                _ => {}
            }
        }
        let (at, spare, width) = (self.at, self.spare, self.width);
        for row in self.rows {
            row.numbers_mut().copy_within(spare..spare + width, at);
        }
    }
}

impl<R: RowMut> StepMany<'_, R> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize>(&mut self, s: S, block: usize, panel: &[f32], row: usize) {
        let width = self.width;
        let mut sums = [[s.splat(0.0); GATES]; MR];
        let tokens = &self.tokens[row..row + MR];
        for (&token, sums) in tokens.iter().zip(&mut sums) {
            let start = self.start.of(token, width);
            for (gate, sum) in sums.iter_mut().enumerate() {
                *sum = s.load(vector(start, block * BLOCK + gate * LANES));
            }
        }
        let mut from: [&[f32]; MR] = [&[]; MR];
        let input = match self.feed {
            Feed::Nothing => 0,
            Feed::Embedding(matrix, width) => {
                for (from, &token) in from.iter_mut().zip(tokens) {
                    *from = &matrix[token as usize * width..][..width];
                }
                width
            }
            Feed::Below(at, width) => {
                for (from, row) in from.iter_mut().zip(&self.rows[row..]) {
                    *from = &row.numbers()[at..at + width];
                }
                width
            }
        };
        let (input_panel, state_panel) = panel.split_at(input * BLOCK);
        if input > 0 {
            accumulate(s, from, input_panel, &mut sums);
        }
        for (from, row) in from.iter_mut().zip(&self.rows[row..]) {
            *from = &row.numbers()[self.at..self.at + width];
        }
        accumulate(s, from, state_panel, &mut sums);
        let unit = block * LANES;
        for (row, sums) in self.rows[row..row + MR].iter_mut().zip(sums) {
            let numbers = row.numbers_mut();
            let c = self.at + width + unit;
            let out = activate(s, sums, s.load(vector(numbers, c)));
            s.store(out.c, vector_mut(numbers, c));
            s.store(out.h, vector_mut(numbers, self.spare + unit));
        }
    }
}

/// Rows whose sums over the vocabulary are kept at a time.
const CHUNK: usize = 15;

/// ln p of a token of each stream, without writing the distributions. See
/// [`LogProb`](super::softmax::LogProb).
#[derive(Debug)]
pub(crate) struct LogProbMany<'a, R> {
    /// The numbers of each stream.
    pub(crate) rows: &'a [R],
    /// Its token.
    pub(crate) tokens: &'a [u32],
    /// Where h of the top layer lies, and its width.
    pub(crate) h: (usize, usize),
    /// Panels of 32 tokens.
    pub(crate) panels: &'a [f32],
    /// -infinity in the padding.
    pub(crate) bias: &'a [f32],
    /// ln p of each stream's token.
    pub(crate) to: &'a mut [f32],
}

impl<R: Row> Kernel for LogProbMany<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.h.1 * OUTPUT_PANEL;
        let rows = self.rows.chunks(CHUNK).zip(self.tokens.chunks(CHUNK));
        for ((rows, tokens), to) in rows.zip(self.to.chunks_mut(CHUNK)) {
            let mut totals = [Total::new(s); CHUNK];
            for (index, panel) in self.panels.chunks_exact(len).enumerate() {
                let bias = bias_of(s, self.bias, index);
                let mut tile = Outputs {
                    h: self.h,
                    panel,
                    bias,
                    index,
                    rows,
                    tokens,
                    totals: &mut totals,
                    to,
                };
                let mut row = 0;
                while row + TILE <= rows.len() {
                    tile.run::<S, TILE>(s, row);
                    row += TILE;
                }
                match rows.len() - row {
                    2 => tile.run::<S, 2>(s, row),
                    1 => tile.run::<S, 1>(s, row),
                    _ => {}
                }
            }
            for (total, to) in totals.into_iter().zip(to) {
                *to = total.log_prob(s, *to);
            }
        }
    }
}

/// A panel of the output for some streams.
struct Outputs<'a, F, R> {
    h: (usize, usize),
    panel: &'a [f32],
    bias: [F; 4],
    index: usize,
    rows: &'a [R],
    tokens: &'a [u32],
    totals: &'a mut [Total<F>; CHUNK],
    /// The logit of each stream's token, once it has been met.
    to: &'a mut [f32],
}

impl<R: Row, F: Copy> Outputs<'_, F, R> {
    #[inline(always)]
    fn run<S: Simd<F = F>, const MR: usize>(&mut self, s: S, row: usize) {
        let (at, width) = self.h;
        let mut sums = [self.bias; MR];
        let mut h: [&[f32]; MR] = [&[]; MR];
        for (h, row) in h.iter_mut().zip(&self.rows[row..]) {
            *h = &row.numbers()[at..at + width];
        }
        accumulate(s, h, self.panel, &mut sums);
        for (r, x) in sums.into_iter().enumerate() {
            let token = self.tokens[row + r] as usize;
            if token / OUTPUT_PANEL == self.index {
                self.to[row + r] = logit_of(s, x, token);
            }
            self.totals[row + r].take(s, x);
        }
    }
}
