//! Steps with weights reduced to 16-bit integers: half the memory of f32, and products of pairs of
//! them where a machine has those.
//!
//! A layer's output lies within ±1 and is taken as a multiple of 1/4096. The weights of a column are
//! multiples of a factor of its own, the smallest by which they fit 16 bits and no sum can leave 32. Sums
//! are whole numbers, so every machine and every order of summing gives the same ones.

use super::cell::{BLOCK, finish};
use super::many::{CHUNK, Found, Row, RowCells, RowMut};
use super::panel::{Tiled, tiles};
use super::softmax::{OUTPUT_PANEL, Total, bias_of};
use super::{Kernel, LANES, Simd, Vector, WIDE, Wide, vector};

/// What 1 is among a layer's outputs.
const ONE: f32 = 4096.0;

/// Columns of a panel.
const COLUMNS: usize = 2 * WIDE;
const _: () = assert!(COLUMNS == BLOCK && COLUMNS == OUTPUT_PANEL);

/// Weights in panels of 32 columns, with each column's factor.
#[derive(Debug)]
pub(crate) struct Reduced {
    /// Rows.
    depth: usize,
    /// For each panel and each two rows the pairs of its 32 columns, the first row's in the low half.
    pairs: Vec<i32>,
    /// What a sum of each column is to be multiplied by.
    factors: Vec<f32>,
}

impl Reduced {
    /// Of panels of 32 columns with so many rows, an even number.
    pub(crate) fn new(panels: &[f32], depth: usize) -> Self {
        let mut pairs = Vec::with_capacity(panels.len() / 2);
        let mut factors = Vec::with_capacity(panels.len() / depth);
        for panel in panels.chunks_exact(depth * COLUMNS) {
            let factor = |column: usize| {
                let weights = panel[column..].iter().step_by(COLUMNS);
                let (mut greatest, mut sum) = (0f64, 0f64);
                for weight in weights {
                    let size = f64::from(weight.abs());
                    greatest = greatest.max(size);
                    sum += size;
                }
                // Half of a unit may be added to each weight by rounding.
                let room = f64::from(i32::MAX) / f64::from(ONE) - depth as f64;
                (greatest / f64::from(i16::MAX)).max(sum / room)
            };
            let of: Vec<f64> = (0..COLUMNS).map(factor).collect();
            for rows in panel.chunks_exact(2 * COLUMNS) {
                let (first, second) = rows.split_at(COLUMNS);
                for ((a, b), factor) in first.iter().zip(second).zip(&of) {
                    let whole = |x: f32| match *factor {
                        0.0 => 0,
                        factor => (f64::from(x) / factor).round() as i16,
                    };
                    pairs.push(pair(whole(*a), whole(*b)));
                }
            }
            factors.extend(of.iter().map(|factor| (factor / f64::from(ONE)) as f32));
        }
        Reduced {
            depth,
            pairs,
            factors,
        }
    }

    /// The products of one row of pairs with some panels, added to what they start from.
    #[inline(always)]
    pub(super) fn outputs<S: Simd, const NP: usize>(
        &self,
        s: S,
        pairs: &[f32],
        first: usize,
        mut start: [[Wide<S>; 2]; NP],
    ) -> [[Wide<S>; 2]; NP] {
        let mut panels: [&[i32]; NP] = [&[]; NP];
        for (n, panel) in panels.iter_mut().enumerate() {
            *panel = self.panel(first + n);
        }
        let mut sums = [[[s.splat_pair(0); 2]; NP]; 1];
        accumulate(s, [pairs], panels, &mut sums);
        for (n, (start, sums)) in start.iter_mut().zip(sums[0]).enumerate() {
            *start = self.scaled(s, first + n, sums, *start);
        }
        start
    }

    /// A panel's sums as numbers, added to what they start from.
    #[inline(always)]
    fn scaled<S: Simd>(
        &self,
        s: S,
        index: usize,
        sums: [S::I; 2],
        mut start: [Wide<S>; 2],
    ) -> [Wide<S>; 2] {
        let v = s.wide();
        for (j, (x, sum)) in start.iter_mut().zip(sums).enumerate() {
            let factor = v.load(vector(&self.factors, index * COLUMNS + j * WIDE));
            *x = v.mul_add(s.whole(sum), factor, *x);
        }
        start
    }

    fn panel(&self, index: usize) -> &[i32] {
        let len = self.depth / 2 * COLUMNS;
        &self.pairs[index * len..][..len]
    }
}

/// Two numbers side by side, the first in the low half.
pub(super) fn pair(low: i16, high: i16) -> i32 {
    i32::from(low as u16) | (i32::from(high) << 16)
}

/// Adds to the sums of MR rows of pairs their products with NP panels.
#[inline(always)]
fn accumulate<S: Simd, const MR: usize, const NP: usize>(
    s: S,
    rows: [&[f32]; MR],
    panels: [&[i32]; NP],
    sums: &mut [[[S::I; 2]; NP]; MR],
) {
    let depth = rows[0].len();
    for row in rows {
        assert!(row.len() >= depth);
    }
    let mut vectors: [&[[i32; WIDE]]; NP] = [&[]; NP];
    for (vectors, panel) in vectors.iter_mut().zip(panels) {
        *vectors = panel.as_chunks().0;
        assert!(vectors.len() >= depth * 2);
    }
    for k in 0..depth {
        let mut x = [s.splat_pair(0); MR];
        for (x, row) in x.iter_mut().zip(rows) {
            // SAFETY: k < depth, and every row has at least `depth` numbers, as asserted above.
            *x = s.splat_pair(unsafe { row.get_unchecked(k) }.to_bits().cast_signed());
        }
        for (p, vectors) in vectors.into_iter().enumerate() {
            for j in 0..2 {
                // SAFETY: k < depth and j < 2, and every panel has at least depth * 2 vectors, as asserted
                // above.
                let weight = s.load_pairs(unsafe { vectors.get_unchecked(k * 2 + j) });
                for (x, sums) in x.into_iter().zip(sums.iter_mut()) {
                    sums[p][j] = s.dot_add(x, weight, sums[p][j]);
                }
            }
        }
    }
}

/// Takes some of a stream's numbers, all within ±1, as pairs of whole numbers, whose bits go where there is
/// room for half as many numbers.
#[inline(always)]
fn reduce<S: Simd>(s: S, numbers: &mut [f32], from: usize, len: usize, to: usize) {
    let v = s.wide();
    // Widths are whole vectors, and a wide one makes one of pairs: the last may be half.
    for at in (0..len).step_by(WIDE) {
        let x = if at + LANES < len {
            v.load(vector(numbers, from + at))
        } else {
            s.join(s.load(vector(numbers, from + at)), s.splat(0.0))
        };
        let pairs = s.narrow(v.mul(x, v.splat(ONE)));
        let count = LANES.min((len - at) / 2);
        for (to, pair) in numbers[to + at / 2..][..count].iter_mut().zip(pairs) {
            *to = f32::from_bits(pair.cast_unsigned());
        }
    }
}

/// One step of a layer for many streams.
#[derive(Debug)]
pub(crate) struct StepReduced<'a, R> {
    /// W, padded.
    pub(crate) width: usize,
    /// [V, 4W], by token and with the bias in it, or 4W: the bias.
    pub(crate) start: super::many::Start<'a>,
    /// Where h of the layer below lies, and its width; 0 for the first layer.
    pub(crate) below: (usize, usize),
    /// As deep as the layer below and this one together.
    pub(crate) weights: &'a Reduced,
    /// The numbers of each stream.
    pub(crate) rows: &'a mut [R],
    /// Its token.
    pub(crate) tokens: &'a [u32],
    /// Where h of the layer lies in a stream's numbers; c follows it.
    pub(crate) at: usize,
    /// Where there is room for the pairs.
    pub(crate) spare: usize,
}

impl<R: RowMut> Kernel for StepReduced<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (below, fed) = self.below;
        for row in self.rows.iter_mut() {
            let numbers = row.numbers_mut();
            reduce(s, numbers, below, fed, self.spare);
            reduce(s, numbers, self.at, self.width, self.spare + fed / 2);
        }
        let rows = self.rows.len();
        let mut step = self;
        for block in 0..step.width / LANES {
            let step = &mut step;
            tiles(s, rows, S::PAIR_ROWS, &mut Block { step, block });
        }
    }
}

/// One block of all streams.
struct Block<'a, 'b, R> {
    step: &'a mut StepReduced<'b, R>,
    block: usize,
}

impl<S: Simd, R: RowMut> Tiled<S> for Block<'_, '_, R> {
    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        let (step, v) = (&*self.step, s.wide());
        let depth = step.below.1 + step.width;
        let mut from: [&[f32]; MR] = [&[]; MR];
        for (from, row) in from.iter_mut().zip(&step.rows[row..]) {
            *from = &row.numbers()[step.spare..][..depth / 2];
        }
        let mut sums = [[[s.splat_pair(0); 2]; 1]; MR];
        accumulate(s, from, [step.weights.panel(self.block)], &mut sums);
        let mut gates = [[v.splat(0.0); 2]; MR];
        for (r, (gates, [sums])) in gates.iter_mut().zip(sums).enumerate() {
            let start = step.start.of(step.tokens[row + r], step.width);
            for (j, gate) in gates.iter_mut().enumerate() {
                *gate = v.load(vector(start, self.block * BLOCK + j * WIDE));
            }
            *gates = step.weights.scaled(s, self.block, sums, *gates);
        }
        let unit = step.at + self.block * LANES;
        let mut cells = RowCells {
            h: unit,
            c: unit + step.width,
            rows: &mut self.step.rows[row..row + MR],
        };
        finish(s, &gates, &mut cells);
    }
}

/// Leaves the pairs of a layer's h where there is room for them.
#[derive(Debug)]
pub(crate) struct Pairs<'a, R> {
    /// The numbers of each stream.
    pub(crate) rows: &'a mut [R],
    /// Where h lies, and its width.
    pub(crate) h: (usize, usize),
    /// Where there is room.
    pub(crate) spare: usize,
}

impl<R: RowMut> Kernel for Pairs<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in self.rows {
            reduce(s, row.numbers_mut(), self.h.0, self.h.1, self.spare);
        }
    }
}

/// ln p of a token of each stream.
#[derive(Debug)]
pub(crate) struct LogProbReduced<'a, R> {
    /// The numbers of each stream.
    pub(crate) rows: &'a [R],
    /// Its token.
    pub(crate) tokens: &'a [u32],
    /// Where the pairs of the top layer's h lie, and how many.
    pub(crate) pairs: (usize, usize),
    /// Panels of 32 tokens.
    pub(crate) weights: &'a Reduced,
    /// -infinity in the padding.
    pub(crate) bias: &'a [f32],
    /// ln p of each stream's token.
    pub(crate) to: &'a mut [f32],
}

impl<R: Row> Kernel for LogProbReduced<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.rows.chunks(CHUNK).zip(self.tokens.chunks(CHUNK));
        for ((rows, tokens), to) in rows.zip(self.to.chunks_mut(CHUNK)) {
            let mut totals = [Total::new(s); CHUNK];
            for index in 0..self.bias.len() / OUTPUT_PANEL {
                let mut outputs = Outputs {
                    weights: self.weights,
                    bias: bias_of(s, self.bias, index),
                    from: self.pairs,
                    rows,
                    found: Found {
                        index,
                        tokens,
                        totals: &mut totals,
                        to,
                    },
                };
                tiles(s, rows.len(), S::PAIR_ROWS, &mut outputs);
            }
            for (total, to) in totals.into_iter().zip(to) {
                *to = total.log_prob(s, *to);
            }
        }
    }
}

/// A panel of the output for some streams.
struct Outputs<'a, S: Simd, R> {
    weights: &'a Reduced,
    bias: [Wide<S>; 2],
    /// Where the pairs lie in a stream's numbers, and how many.
    from: (usize, usize),
    rows: &'a [R],
    found: Found<'a, S>,
}

impl<S: Simd, R: Row> Tiled<S> for Outputs<'_, S, R> {
    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        let (at, count) = self.from;
        let mut from: [&[f32]; MR] = [&[]; MR];
        for (from, row) in from.iter_mut().zip(&self.rows[row..]) {
            *from = &row.numbers()[at..at + count];
        }
        let mut sums = [[[s.splat_pair(0); 2]; 1]; MR];
        let index = self.found.index;
        accumulate(s, from, [self.weights.panel(index)], &mut sums);
        for (r, [sums]) in sums.into_iter().enumerate() {
            let x = self.weights.scaled(s, index, sums, self.bias);
            self.found.take(s, row + r, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Level, vector_mut};
    use proptest::prelude::*;

    struct Sum<'a>(&'a Reduced, &'a mut [f32]);

    impl Kernel for Sum<'_> {
        type Output = [f32; COLUMNS];

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let depth = self.0.depth;
            reduce(s, self.1, 0, depth, depth);
            let mut sums = [[[s.splat_pair(0); 2]; 1]; 1];
            accumulate(s, [&self.1[depth..][..depth / 2]], [self.0.panel(0)], &mut sums);
            let mut out = [0.0; COLUMNS];
            for (j, sum) in sums[0][0].into_iter().enumerate() {
                s.wide().store(s.whole(sum), vector_mut(&mut out, j * WIDE));
            }
            out
        }
    }

    proptest! {
        #[test]
        fn sums_are_near_and_the_same_everywhere(
            numbers in prop::collection::vec(-1f32..=1.0, 24),
            weights in prop::collection::vec(-9f32..9.0, 24 * COLUMNS),
        ) {
            let reduced = Reduced::new(&weights, 24);
            let mut room = numbers.clone();
            room.resize(36, 0.0);
            let sums = Level::plain().run(Sum(&reduced, &mut room.clone()));
            for level in Level::all() {
                prop_assert_eq!(sums, level.run(Sum(&reduced, &mut room.clone())));
            }
            for (column, sum) in sums.into_iter().enumerate() {
                let exact: f64 = (0..24)
                    .map(|k| f64::from(numbers[k]) * f64::from(weights[k * COLUMNS + column]))
                    .sum();
                let sum = f64::from(sum) * f64::from(reduced.factors[column]);
                // Half of 1/4096 of each number, and half of a weight's unit.
                prop_assert!((sum - exact).abs() < 24.0 * (9.0 / 8192.0 + 1e-3), "{} {}", sum, exact);
            }
        }
    }

    #[test]
    fn the_greatest_sums_fit() {
        // All weights alike, and all outputs 1: as far from 0 as sums can go.
        for depth in [8, 800, 16_384] {
            for weight in [1e-3, 5.0, -1e9] {
                let reduced = Reduced::new(&vec![weight; depth * COLUMNS], depth);
                let mut room = vec![1.0; depth];
                room.resize(depth * 3 / 2, 0.0);
                let exact = f64::from(weight) * depth as f64;
                for sum in Level::detect().run(Sum(&reduced, &mut room)) {
                    let sum = f64::from(sum) * f64::from(reduced.factors[0]);
                    assert!(
                        (sum / exact - 1.0).abs() < 0.02,
                        "{depth} {weight}: {sum} {exact}"
                    );
                }
            }
        }
        let nothing = Reduced::new(&[0.0; 8 * COLUMNS], 8);
        assert!(nothing.pairs.iter().all(|&pair| pair == 0));
    }
}
