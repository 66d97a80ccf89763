//! Steps of many streams at once: each panel of weights is read once for all of them, and stays in the
//! nearest cache meanwhile.
//!
//! A row's sums are taken in the same order whatever rows stand beside it, and in that of
//! [`Step`](super::cell::Step): a stream's results are the same number whether it is alone or in company.

use super::cell::{Activated, BLOCK, Cells, GATES, finish};
use super::panel::{Tiled, accumulate, tiles};
use super::softmax::{OUTPUT_PANEL, Total, bias_of, logit_of};
use super::{Kernel, LANES, Simd, Vector, WIDE, Wide, vector, vector_mut};

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
    fn run<S: Simd>(self, s: S) {
        let depth = self.width
            + match self.feed {
                Feed::Nothing => 0,
                Feed::Embedding(_, width) | Feed::Below(_, width) => width,
            };
        let rows = self.rows.len();
        let (at, spare, width) = (self.at, self.spare, self.width);
        let panels = self.panels.chunks_exact(depth * BLOCK);
        let mut step = self;
        for (block, panel) in panels.enumerate() {
            let step = &mut step;
            tiles(s, rows, S::ROWS, &mut Block { step, block, panel });
        }
        for row in step.rows {
            row.numbers_mut().copy_within(spare..spare + width, at);
        }
    }
}

/// One block of all streams.
struct Block<'a, 'b, R> {
    step: &'a mut StepMany<'b, R>,
    block: usize,
    panel: &'a [f32],
}

impl<S: Simd, R: RowMut> Tiled<S> for Block<'_, '_, R> {
    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        let (step, v) = (&*self.step, s.wide());
        let width = step.width;
        let mut sums = [[[v.splat(0.0); 2]; 1]; MR];
        let tokens = &step.tokens[row..row + MR];
        for (&token, [sums]) in tokens.iter().zip(&mut sums) {
            let start = step.start.of(token, width);
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = v.load(vector(start, self.block * BLOCK + j * WIDE));
            }
        }
        let mut from: [&[f32]; MR] = [&[]; MR];
        let input = match step.feed {
            Feed::Nothing => 0,
            Feed::Embedding(matrix, width) => {
                for (from, &token) in from.iter_mut().zip(tokens) {
                    *from = &matrix[token as usize * width..][..width];
                }
                width
            }
            Feed::Below(at, width) => {
                for (from, row) in from.iter_mut().zip(&step.rows[row..]) {
                    *from = &row.numbers()[at..at + width];
                }
                width
            }
        };
        let (input_panel, state_panel) = self.panel.split_at(input * BLOCK);
        if input > 0 {
            accumulate(s, from, [input_panel], &mut sums);
        }
        for (from, row) in from.iter_mut().zip(&step.rows[row..]) {
            *from = &row.numbers()[step.at..step.at + width];
        }
        accumulate(s, from, [state_panel], &mut sums);
        let mut cells = RowCells {
            h: step.spare + self.block * LANES,
            c: step.at + width + self.block * LANES,
            rows: &mut self.step.rows[row..row + MR],
        };
        finish(s, sums.as_flattened(), &mut cells);
    }
}

/// One block of some streams.
pub(super) struct RowCells<'a, R> {
    pub(super) rows: &'a mut [R],
    /// Where h goes in a stream's numbers.
    pub(super) h: usize,
    /// Where c lies.
    pub(super) c: usize,
}

impl<S: Simd, R: RowMut> Cells<S> for RowCells<'_, R> {
    #[inline(always)]
    fn before(&self, s: S, n: usize) -> S::F {
        s.load(vector(self.rows[n].numbers(), self.c))
    }

    #[inline(always)]
    fn keep(&mut self, s: S, n: usize, out: Activated<S::F>) {
        let numbers = self.rows[n].numbers_mut();
        s.store(out.c, vector_mut(numbers, self.c));
        s.store(out.h, vector_mut(numbers, self.h));
    }
}

/// Rows whose sums over the vocabulary are kept at a time: whole tiles of eight, three or two.
pub(super) const CHUNK: usize = 24;

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
                let mut outputs = Outputs {
                    h: self.h,
                    panel,
                    bias: bias_of(s, self.bias, index),
                    rows,
                    found: Found {
                        index,
                        tokens,
                        totals: &mut totals,
                        to,
                    },
                };
                tiles(s, rows.len(), S::ROWS, &mut outputs);
            }
            for (total, to) in totals.into_iter().zip(to) {
                *to = total.log_prob(s, *to);
            }
        }
    }
}

/// A panel of the output for some streams.
struct Outputs<'a, S: Simd, R> {
    h: (usize, usize),
    panel: &'a [f32],
    bias: [Wide<S>; 2],
    rows: &'a [R],
    found: Found<'a, S>,
}

impl<S: Simd, R: Row> Tiled<S> for Outputs<'_, S, R> {
    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        let (at, width) = self.h;
        let mut sums = [[self.bias]; MR];
        let mut h: [&[f32]; MR] = [&[]; MR];
        for (h, row) in h.iter_mut().zip(&self.rows[row..]) {
            *h = &row.numbers()[at..at + width];
        }
        accumulate(s, h, [self.panel], &mut sums);
        for (r, [x]) in sums.into_iter().enumerate() {
            self.found.take(s, row + r, x);
        }
    }
}

/// What the logits of some streams have come to.
pub(super) struct Found<'a, S: Simd> {
    /// The panel.
    pub(super) index: usize,
    pub(super) tokens: &'a [u32],
    pub(super) totals: &'a mut [Total<S>; CHUNK],
    /// The logit of each stream's token, once it has been met.
    pub(super) to: &'a mut [f32],
}

impl<S: Simd> Found<'_, S> {
    /// Takes the logits of a panel of one stream.
    #[inline(always)]
    pub(super) fn take(&mut self, s: S, row: usize, x: [Wide<S>; 2]) {
        let token = self.tokens[row] as usize;
        if token / OUTPUT_PANEL == self.index {
            self.to[row] = logit_of(s, x, token);
        }
        self.totals[row].take(s, x);
    }
}
