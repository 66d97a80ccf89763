//! Steps with weights reduced to 16-bit integers: half the memory of f32, and products of pairs of
//! them where a machine has those.
//!
//! A layer's output lies within ±1 and is taken as a multiple of 1/4096. The weights of a column are
//! multiples of a factor of its own, the smallest by which they fit 16 bits and no sum can leave 32. Sums
//! are whole numbers, so every machine and every order of summing gives the same ones.

use super::cell::{BLOCK, GATES, activate};
use super::many::{Row, RowMut};
use super::softmax::{OUTPUT_PANEL, Total, bias_of, logit_of};
use super::{Kernel, LANES, Simd, vector, vector_mut};

/// Rows that go through a panel side by side: 8 sums, 2 factors, a weight and a product. Three rows would
/// not leave AVX2 a register for the product.
const TILE: usize = 2;

/// What 1 is among a layer's outputs.
const ONE: f32 = 4096.0;

/// Columns of a panel.
const COLUMNS: usize = 4 * LANES;
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

    /// The products of one row of pairs with a panel, added to what they start from.
    #[inline(always)]
    pub(super) fn outputs<S: Simd>(
        &self,
        s: S,
        pairs: &[f32],
        index: usize,
        start: [S::F; 4],
    ) -> [S::F; 4] {
        let mut sums = [[s.splat_pair(0); 4]; 1];
        accumulate(s, [pairs], self.panel(index), &mut sums);
        self.scaled(s, index, sums[0], start)
    }

    /// A panel's sums as numbers, added to what they start from.
    #[inline(always)]
    fn scaled<S: Simd>(
        &self,
        s: S,
        index: usize,
        sums: [S::I; 4],
        mut start: [S::F; 4],
    ) -> [S::F; 4] {
        for (j, (x, sum)) in start.iter_mut().zip(sums).enumerate() {
            let factor = s.load(vector(&self.factors, index * COLUMNS + j * LANES));
            *x = s.mul_add(s.whole(sum), factor, *x);
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

/// Adds to the sums of MR rows of pairs their products with a panel.
#[inline(always)]
fn accumulate<S: Simd, const MR: usize>(
    s: S,
    rows: [&[f32]; MR],
    panel: &[i32],
    sums: &mut [[S::I; 4]; MR],
) {
    let (vectors, _) = panel.as_chunks::<LANES>();
    let depth = vectors.len() / 4;
    for row in rows {
        assert!(row.len() >= depth);
    }
    for (k, weights) in vectors.chunks_exact(4).enumerate() {
        let mut x = [s.splat_pair(0); MR];
        for (x, row) in x.iter_mut().zip(rows) {
            // SAFETY: k < depth, and every row has at least `depth` numbers, as asserted above.
            *x = s.splat_pair(unsafe { row.get_unchecked(k) }.to_bits().cast_signed());
        }
        for (j, weight) in weights.iter().enumerate() {
            let weight = s.load_pairs(weight);
            for (x, sums) in x.into_iter().zip(sums.iter_mut()) {
                sums[j] = s.dot_add(x, weight, sums[j]);
            }
        }
    }
}

/// Takes some of a stream's numbers, all within ±1, as pairs of whole numbers, whose bits go where there is
/// room for half as many numbers.
#[inline(always)]
fn reduce<S: Simd>(s: S, numbers: &mut [f32], from: usize, len: usize, to: usize) {
    let one = s.splat(ONE);
    // Widths are whole vectors, and 16 numbers make one of pairs: the last may be half a vector.
    for at in (0..len).step_by(2 * LANES) {
        let low = s.mul(s.load(vector(numbers, from + at)), one);
        let high = if at + LANES < len {
            s.mul(s.load(vector(numbers, from + at + LANES)), one)
        } else {
            s.splat(0.0)
        };
        let mut pairs = [0; LANES];
        s.store_pairs(s.narrow(low, high), &mut pairs);
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
    fn run<S: Simd>(mut self, s: S) {
        let (below, fed) = self.below;
        for row in self.rows.iter_mut() {
            let numbers = row.numbers_mut();
            reduce(s, numbers, below, fed, self.spare);
            reduce(s, numbers, self.at, self.width, self.spare + fed / 2);
        }
        let rows = self.rows.len();
        for block in 0..self.width / LANES {
            let mut row = 0;
            while row + TILE <= rows {
                self.tile::<S, TILE>(s, block, row);
                row += TILE;
            }
            if row < rows {
                self.tile::<S, 1>(s, block, row);
            }
        }
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

impl<R: RowMut> StepReduced<'_, R> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize>(&mut self, s: S, block: usize, row: usize) {
        let depth = self.below.1 + self.width;
        let mut from: [&[f32]; MR] = [&[]; MR];
        for (from, row) in from.iter_mut().zip(&self.rows[row..]) {
            *from = &row.numbers()[self.spare..][..depth / 2];
        }
        let mut sums = [[s.splat_pair(0); GATES]; MR];
        accumulate(s, from, self.weights.panel(block), &mut sums);
        let unit = block * LANES;
        for (r, sums) in sums.into_iter().enumerate() {
            let start = self.start.of(self.tokens[row + r], self.width);
            let mut gates = [s.splat(0.0); GATES];
            for (j, gate) in gates.iter_mut().enumerate() {
                *gate = s.load(vector(start, block * BLOCK + j * LANES));
            }
            let gates = self.weights.scaled(s, block, sums, gates);
            let numbers = self.rows[row + r].numbers_mut();
            let c = self.at + self.width + unit;
            let out = activate(s, gates, s.load(vector(numbers, c)));
            s.store(out.c, vector_mut(numbers, c));
            s.store(out.h, vector_mut(numbers, self.at + unit));
        }
    }
}

/// Rows whose sums over the vocabulary are kept at a time.
const CHUNK: usize = 15;

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
                    index,
                    from: self.pairs,
                    rows,
                    tokens,
                    totals: &mut totals,
                    to,
                };
                let mut row = 0;
                while row + TILE <= rows.len() {
                    outputs.run::<S, TILE>(s, row);
                    row += TILE;
                }
                if row < rows.len() {
                    outputs.run::<S, 1>(s, row);
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
    weights: &'a Reduced,
    bias: [F; 4],
    index: usize,
    /// Where the pairs lie in a stream's numbers, and how many.
    from: (usize, usize),
    rows: &'a [R],
    tokens: &'a [u32],
    totals: &'a mut [Total<F>; CHUNK],
    /// The logit of each stream's token, once it has been met.
    to: &'a mut [f32],
}

impl<R: Row, F: Copy> Outputs<'_, F, R> {
    #[inline(always)]
    fn run<S: Simd<F = F>, const MR: usize>(&mut self, s: S, row: usize) {
        let mut from: [&[f32]; MR] = [&[]; MR];
        for (from, row) in from.iter_mut().zip(&self.rows[row..]) {
            *from = &row.numbers()[self.from.0..][..self.from.1];
        }
        let mut sums = [[s.splat_pair(0); 4]; MR];
        accumulate(s, from, self.weights.panel(self.index), &mut sums);
        for (r, sums) in sums.into_iter().enumerate() {
            let x = self.weights.scaled(s, self.index, sums, self.bias);
            let token = self.tokens[row + r] as usize;
            if token / OUTPUT_PANEL == self.index {
                self.to[row + r] = logit_of(s, x, token);
            }
            self.totals[row + r].take(s, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Level;
    use proptest::prelude::*;

    struct Sum<'a>(&'a Reduced, &'a mut [f32]);

    impl Kernel for Sum<'_> {
        type Output = [f32; COLUMNS];

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let depth = self.0.depth;
            reduce(s, self.1, 0, depth, depth);
            let mut sums = [[s.splat_pair(0); 4]; 1];
            accumulate(s, [&self.1[depth..]], self.0.panel(0), &mut sums);
            let mut out = [0.0; COLUMNS];
            for (j, sum) in sums[0].into_iter().enumerate() {
                s.store(s.whole(sum), vector_mut(&mut out, j * LANES));
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
            let sums = Level::detect().run(Sum(&reduced, &mut room.clone()));
            prop_assert_eq!(sums, Level::plain().run(Sum(&reduced, &mut room)));
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
