//! Steps with weights reduced to 16-bit integers: half the memory of f32, and products of pairs of
//! them where a machine has those.
//!
//! A layer's output lies within ±1 and is taken as a multiple of 1/4096. The weights of a column are
//! multiples of a factor of its own, the smallest by which they fit 16 bits and no sum can leave 32. Sums
//! are whole numbers, so every machine and every order of summing gives the same ones.

use super::aligned::Aligned;
use super::panel::Panels;
use super::{Simd, Vector, WIDE, Wide, vector};

/// What 1 is among a layer's outputs.
const ONE: f32 = 4096.0;

/// Columns of a panel.
const COLUMNS: usize = 2 * WIDE;

/// Weights in panels of 32 columns, with each column's factor.
#[derive(Debug)]
pub(crate) struct Reduced {
    /// Rows.
    depth: usize,
    /// For each panel and each two rows the pairs of its 32 columns, the first row's in the low half.
    pairs: Aligned<i32>,
    /// What a sum of each column is to be multiplied by.
    factors: Aligned<f32>,
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
            pairs: pairs.as_slice().into(),
            factors: factors.as_slice().into(),
        }
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

/// The products of MR rows of pairs with NP panels.
#[inline(always)]
fn products<S: Simd, const MR: usize, const NP: usize>(
    s: S,
    rows: [&[f32]; MR],
    panels: [&[i32]; NP],
) -> [[[S::I; 2]; NP]; MR] {
    let depth = rows[0].len();
    for row in rows {
        assert!(row.len() >= depth);
    }
    let mut vectors: [&[[i32; WIDE]]; NP] = [&[]; NP];
    for (vectors, panel) in vectors.iter_mut().zip(panels) {
        *vectors = panel.as_chunks().0;
        assert!(vectors.len() >= depth * 2);
    }
    let mut sums = [[[s.splat_pair(0); 2]; NP]; MR];
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
                for (x, sums) in x.into_iter().zip(&mut sums) {
                    sums[p][j] = s.dot_add(x, weight, sums[p][j]);
                }
            }
        }
    }
    sums
}

impl Panels for Reduced {
    const PAIRS: bool = true;

    #[inline(always)]
    fn staged(len: usize) -> usize {
        len / 2
    }

    /// The numbers lie within ±1, and become pairs of whole ones, whose bits take the place of one.
    #[inline(always)]
    fn stage<S: Simd>(s: S, from: &[f32], to: &mut [f32]) {
        let v = s.wide();
        for (from, to) in from.chunks(WIDE).zip(to.chunks_mut(WIDE / 2)) {
            let x = match from.as_array() {
                Some(from) => v.load(from),
                None => s.join(s.load(vector(from, 0)), s.splat(0.0)),
            };
            let pairs = s.narrow(v.mul(x, v.splat(ONE)));
            for (to, pair) in to.iter_mut().zip(pairs) {
                *to = f32::from_bits(pair.cast_unsigned());
            }
        }
    }

    #[inline(always)]
    fn add_products<S: Simd, const MR: usize, const NP: usize>(
        &self,
        s: S,
        rows: [&[f32]; MR],
        first: usize,
        sums: &mut [[[Wide<S>; 2]; NP]; MR],
    ) {
        let v = s.wide();
        let mut panels: [&[i32]; NP] = [&[]; NP];
        for (n, panel) in panels.iter_mut().enumerate() {
            *panel = self.panel(first + n);
        }
        let products = products(s, rows, panels);
        for (sums, products) in sums.iter_mut().zip(products) {
            for (n, (sums, products)) in sums.iter_mut().zip(products).enumerate() {
                for (j, (sum, product)) in sums.iter_mut().zip(products).enumerate() {
                    let factor = (first + n) * COLUMNS + j * WIDE;
                    let factor = v.load(vector(&self.factors, factor));
                    *sum = v.mul_add(s.whole(product), factor, *sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Kernel, Level, vector_mut};
    use proptest::prelude::*;

    struct Sum<'a>(&'a Reduced, &'a mut [f32]);

    impl Kernel for Sum<'_> {
        type Output = [f32; COLUMNS];

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let (numbers, room) = self.1.split_at_mut(self.0.depth);
            Reduced::stage(s, numbers, room);
            let sums = products(s, [room], [self.0.panel(0)]);
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
