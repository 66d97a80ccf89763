//! Steps of one stream or of many at once: each panel of weights is read once for all of them, and stays in
//! the nearest cache meanwhile.
//!
//! A row's sums are taken in the same order whatever rows or panels stand beside it: a stream's results are
//! the same number whether it is alone or in company.

use super::cell::{Activated, BLOCK, Cells, GATES, finish};
use super::panel::{Abreast, Panels, Tiled, abreast, tiles};
use super::softmax::{OUTPUT_PANEL, Total, bias_of, logit_of};
use super::{Kernel, LANES, Simd, Vector, WIDE, vector, vector_mut};

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

/// One step of a layer for some streams.
#[derive(Debug)]
pub(crate) struct StepMany<'a, P, R> {
    /// W, padded.
    pub(crate) width: usize,
    pub(crate) start: Start<'a>,
    pub(crate) feed: Feed<'a>,
    /// W / 8 panels of 32 interleaved gates, as deep as what feeds it and its state together.
    pub(crate) panels: &'a P,
    /// The numbers of each stream.
    pub(crate) rows: &'a mut [R],
    /// Its token.
    pub(crate) tokens: &'a [u32],
    /// Where h of the layer lies in a stream's numbers; c follows it.
    pub(crate) at: usize,
    /// Where rows wait to be multiplied.
    pub(crate) room: &'a mut [f32],
}

/// A stream's numbers.
pub(crate) trait Row {
    fn numbers(&self) -> &[f32];
}

/// The same, to change.
pub(crate) trait RowMut: Row {
    fn numbers_mut(&mut self) -> &mut [f32];
}

/// Numbers that a step of so many streams needs room for: what feeds the layer and its state, at most so wide.
pub(crate) fn room(streams: usize, widths: usize) -> usize {
    streams.min(AT_ONCE) * widths
}

/// Streams whose rows wait at a time: enough for the weights to be read seldom, few enough for the rows to stay
/// in the cache.
const AT_ONCE: usize = 72;

impl<P: Panels, R: RowMut> Kernel for StepMany<'_, P, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { width, at, .. } = self;
        let fed = match self.feed {
            Feed::Nothing => 0,
            Feed::Embedding(_, width) | Feed::Below(_, width) => width,
        };
        let (input, depth) = (P::staged(fed), P::staged(fed + width));
        let all = self.rows.chunks_mut(AT_ONCE);
        for (rows, tokens) in all.zip(self.tokens.chunks(AT_ONCE)) {
            let waiting = self.room.chunks_exact_mut(depth);
            for ((row, &token), to) in rows.iter().zip(tokens).zip(waiting) {
                let numbers = row.numbers();
                let from = match self.feed {
                    Feed::Nothing => &[],
                    Feed::Embedding(matrix, width) => &matrix[token as usize * width..][..width],
                    Feed::Below(at, width) => &numbers[at..at + width],
                };
                P::stage(s, from, &mut to[..input]);
                P::stage(s, &numbers[at..at + width], &mut to[input..]);
            }
            let count = rows.len();
            let mut group = Group {
                width,
                start: self.start,
                panels: self.panels,
                rows,
                tokens,
                at,
                waiting: &self.room[..count * depth],
                depth,
            };
            let blocks = width / LANES;
            if count == 1 {
                abreast(s, blocks, &mut group);
                continue;
            }
            for block in 0..blocks {
                let group = &mut group;
                tiles(s, count, &mut Block { group, block });
            }
        }
    }
}

/// Some streams, with rows that wait.
struct Group<'a, P, R> {
    width: usize,
    start: Start<'a>,
    panels: &'a P,
    rows: &'a mut [R],
    tokens: &'a [u32],
    at: usize,
    /// Rows of `depth`.
    waiting: &'a [f32],
    depth: usize,
}

impl<P: Panels, R: RowMut> Group<'_, P, R> {
    /// NP blocks of MR rows.
    #[inline(always)]
    fn step<S: Simd, const MR: usize, const NP: usize>(&mut self, s: S, row: usize, block: usize) {
        let v = s.wide();
        let mut sums = [[[v.splat(0.0); 2]; NP]; MR];
        let mut waiting: [&[f32]; MR] = [&[]; MR];
        for (r, (sums, waiting)) in sums.iter_mut().zip(&mut waiting).enumerate() {
            let start = self.start.of(self.tokens[row + r], self.width);
            for (p, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = v.load(vector(start, (block + p) * BLOCK + j * WIDE));
                }
            }
            *waiting = &self.waiting[(row + r) * self.depth..][..self.depth];
        }
        self.panels.add_products(s, waiting, block, &mut sums);
        let mut cells = RowCells {
            rows: &mut self.rows[row..row + MR],
            h: self.at + block * LANES,
            width: self.width,
            blocks: NP,
        };
        finish(s, sums.as_flattened(), &mut cells);
    }
}

impl<S: Simd, P: Panels, R: RowMut> Abreast<S> for Group<'_, P, R> {
    #[inline(always)]
    fn panels<const NP: usize>(&mut self, s: S, first: usize) {
        self.step::<S, 1, NP>(s, 0, first);
    }
}

/// Rows that go through a panel side by side.
const fn most<S: Simd, P: Panels>() -> usize {
    if P::PAIRS { S::PAIR_ROWS } else { S::ROWS }
}

/// One block of them.
struct Block<'a, 'b, P, R> {
    group: &'a mut Group<'b, P, R>,
    block: usize,
}

impl<S: Simd, P: Panels, R: RowMut> Tiled<S> for Block<'_, '_, P, R> {
    const MOST: usize = most::<S, P>();

    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        self.group.step::<S, MR, 1>(s, row, self.block);
    }
}

/// Some blocks of some streams.
struct RowCells<'a, R> {
    rows: &'a mut [R],
    /// Where h of the first block lies in a stream's numbers.
    h: usize,
    /// c lies so much further on.
    width: usize,
    /// Blocks of each stream.
    blocks: usize,
}

impl<S: Simd, R: RowMut> Cells<S> for RowCells<'_, R> {
    #[inline(always)]
    fn before(&self, s: S, n: usize) -> S::F {
        let c = self.h + self.width + n % self.blocks * LANES;
        s.load(vector(self.rows[n / self.blocks].numbers(), c))
    }

    #[inline(always)]
    fn keep(&mut self, s: S, n: usize, out: Activated<S::F>) {
        let numbers = self.rows[n / self.blocks].numbers_mut();
        let h = self.h + n % self.blocks * LANES;
        s.store(out.c, vector_mut(numbers, h + self.width));
        s.store(out.h, vector_mut(numbers, h));
    }
}

/// Streams whose sums over the vocabulary are kept at a time: whole tiles of eight, three or two.
const CHUNK: usize = 24;
const _: () = assert!(AT_ONCE.is_multiple_of(CHUNK));
// A row of a panel is two wide vectors.
const _: () = assert!(BLOCK == 2 * WIDE && OUTPUT_PANEL == 2 * WIDE);

/// ln p of a token of each stream, without writing the distributions. See [`Total`].
#[derive(Debug)]
pub(crate) struct LogProbMany<'a, P, R> {
    /// The numbers of each stream.
    pub(crate) rows: &'a [R],
    /// Its token.
    pub(crate) tokens: &'a [u32],
    /// Where h of the top layer lies, and its width.
    pub(crate) h: (usize, usize),
    /// Panels of 32 tokens.
    pub(crate) panels: &'a P,
    /// -infinity in the padding.
    pub(crate) bias: &'a [f32],
    /// Where rows wait to be multiplied.
    pub(crate) room: &'a mut [f32],
    /// ln p of each stream's token.
    pub(crate) to: &'a mut [f32],
}

impl<P: Panels, R: Row> Kernel for LogProbMany<'_, P, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (at, width) = self.h;
        let depth = P::staged(width);
        let rows = self.rows.chunks(CHUNK).zip(self.tokens.chunks(CHUNK));
        for ((rows, tokens), to) in rows.zip(self.to.chunks_mut(CHUNK)) {
            for (row, waiting) in rows.iter().zip(self.room.chunks_exact_mut(depth)) {
                P::stage(s, &row.numbers()[at..at + width], waiting);
            }
            let mut found = Found {
                panels: self.panels,
                bias: self.bias,
                waiting: &self.room[..rows.len() * depth],
                depth,
                tokens,
                totals: [Total::new(s); CHUNK],
                to,
            };
            let count = self.bias.len() / OUTPUT_PANEL;
            if rows.len() == 1 {
                abreast(s, count, &mut found);
            } else {
                for index in 0..count {
                    let found = &mut found;
                    tiles(s, rows.len(), &mut Outputs { found, index });
                }
            }
            for (total, to) in found.totals.iter().zip(found.to) {
                *to = total.log_prob(s, *to);
            }
        }
    }
}

/// What the logits of some streams have come to.
struct Found<'a, S: Simd, P> {
    panels: &'a P,
    bias: &'a [f32],
    /// Rows of `depth`.
    waiting: &'a [f32],
    depth: usize,
    tokens: &'a [u32],
    totals: [Total<S>; CHUNK],
    /// The logit of each stream's token, once it has been met.
    to: &'a mut [f32],
}

impl<S: Simd, P: Panels> Found<'_, S, P> {
    /// NP panels of MR rows.
    #[inline(always)]
    fn take<const MR: usize, const NP: usize>(&mut self, s: S, row: usize, first: usize) {
        let mut sums = [[[s.wide().splat(0.0); 2]; NP]; MR];
        for (p, sum) in sums[0].iter_mut().enumerate() {
            *sum = bias_of(s, self.bias, first + p);
        }
        sums = [sums[0]; MR];
        let mut waiting: [&[f32]; MR] = [&[]; MR];
        for (r, waiting) in waiting.iter_mut().enumerate() {
            *waiting = &self.waiting[(row + r) * self.depth..][..self.depth];
        }
        self.panels.add_products(s, waiting, first, &mut sums);
        for (r, sums) in sums.into_iter().enumerate() {
            let token = self.tokens[row + r] as usize;
            for (p, x) in sums.into_iter().enumerate() {
                if token / OUTPUT_PANEL == first + p {
                    self.to[row + r] = logit_of(s, x, token);
                }
                self.totals[row + r].take(s, x);
            }
        }
    }
}

impl<S: Simd, P: Panels> Abreast<S> for Found<'_, S, P> {
    #[inline(always)]
    fn panels<const NP: usize>(&mut self, s: S, first: usize) {
        self.take::<1, NP>(s, 0, first);
    }
}

/// A panel of them.
struct Outputs<'a, 'b, S: Simd, P> {
    found: &'a mut Found<'b, S, P>,
    index: usize,
}

impl<S: Simd, P: Panels> Tiled<S> for Outputs<'_, '_, S, P> {
    const MOST: usize = most::<S, P>();

    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        self.found.take::<MR, 1>(s, row, self.index);
    }
}
