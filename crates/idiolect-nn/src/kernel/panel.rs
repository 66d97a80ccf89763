//! Weights packed for products with few rows, and the inner loop over them.
//!
//! A panel holds NV wide vectors (16 NV columns) of a matrix with `depth` rows: for each row its 16 NV
//! numbers one after the other. A product streams through it once, from end to end, which the hardware's
//! prefetching likes, with all sums in registers.

use super::{LANES, Simd, Vector, WIDE, Wide};

/// Adds, to the sums of MR rows in each of NP panels, the product of those rows with the panels. Each sum is
/// taken in the order of the depth, whatever MR and NP are, so that it is the same number.
#[inline(always)]
pub(crate) fn accumulate<S: Simd, const MR: usize, const NP: usize, const NV: usize>(
    s: S,
    rows: [&[f32]; MR],
    panels: [&[f32]; NP],
    sums: &mut [[[Wide<S>; NV]; NP]; MR],
) {
    let v = s.wide();
    let depth = rows[0].len();
    for row in rows {
        assert!(row.len() >= depth);
    }
    let mut vectors: [&[[f32; WIDE]]; NP] = [&[]; NP];
    for (vectors, panel) in vectors.iter_mut().zip(panels) {
        *vectors = panel.as_chunks().0;
        assert!(vectors.len() >= depth * NV);
    }
    // Of its own, so that it stays in registers whatever the caller does with his.
    let mut own = *sums;
    for k in 0..depth {
        let mut x = [v.splat(0.0); MR];
        for (x, row) in x.iter_mut().zip(rows) {
            // SAFETY: k < depth, and every row has at least `depth` numbers, as asserted above.
            *x = v.splat(unsafe { *row.get_unchecked(k) });
        }
        for (p, vectors) in vectors.into_iter().enumerate() {
            for j in 0..NV {
                // SAFETY: k < depth and j < NV, and every panel has at least depth * NV vectors, as
                // asserted above.
                let weights = unsafe { vectors.get_unchecked(k * NV + j) };
                let mut column = [v.splat(0.0); MR];
                for (column, own) in column.iter_mut().zip(&own) {
                    *column = own[p][j];
                }
                column = v.add_multiples(x, weights, column);
                for (own, column) in own.iter_mut().zip(column) {
                    own[p][j] = column;
                }
            }
        }
    }
    *sums = own;
}

/// Work on rows that can be done for MR of them side by side, from one on.
pub(crate) trait Tiled<S> {
    /// Most rows side by side: 8, 3, 2 or 1. What a machine does not take is not even compiled.
    const MOST: usize;

    fn tile<const MR: usize>(&mut self, s: S, row: usize);
}

/// Does some rows' work.
#[inline(always)]
pub(crate) fn tiles<S: Simd, T: Tiled<S>>(s: S, rows: usize, work: &mut T) {
    let mut row = 0;
    if T::MOST == 8 {
        while row + 8 <= rows {
            work.tile::<8>(s, row);
            row += 8;
        }
        if row + 4 <= rows {
            work.tile::<4>(s, row);
            row += 4;
        }
    }
    if T::MOST == 3 {
        while row + 3 <= rows {
            work.tile::<3>(s, row);
            row += 3;
        }
    }
    if T::MOST >= 2 {
        while row + 2 <= rows {
            work.tile::<2>(s, row);
            row += 2;
        }
    }
    while row < rows {
        work.tile::<1>(s, row);
        row += 1;
    }
}

/// Work on panels that can be done for NP of them side by side, from one on.
pub(crate) trait Abreast<S> {
    fn panels<const NP: usize>(&mut self, s: S, first: usize);
}

/// Does the work of some panels for one row, as many side by side as it takes to keep the arithmetic units
/// busy.
#[inline(always)]
pub(crate) fn abreast<S: Simd>(s: S, count: usize, work: &mut impl Abreast<S>) {
    let mut first = 0;
    while first < count {
        let left = count - first;
        first += if S::ABREAST >= 4 && left == 5 {
            work.panels::<5>(s, first);
            5
        } else if S::ABREAST >= 4 && left >= 4 {
            work.panels::<4>(s, first);
            4
        } else if S::ABREAST >= 3 && left >= 3 {
            work.panels::<3>(s, first);
            3
        } else if S::ABREAST >= 2 && left >= 2 {
            work.panels::<2>(s, first);
            2
        } else {
            work.panels::<1>(s, first);
            1
        };
    }
}

/// A matrix in panels of 32 columns, in one form or another.
pub(crate) trait Panels {
    /// Whether they hold pairs of 16-bit integers.
    const PAIRS: bool;

    /// How many numbers a row of so many takes where it waits to be multiplied.
    fn staged(len: usize) -> usize;

    /// Puts some of a row's numbers, whole vectors, there.
    fn stage<S: Simd>(s: S, from: &[f32], to: &mut [f32]);

    /// The product of MR such rows with NP panels, added to what it starts from.
    fn add_products<S: Simd, const MR: usize, const NP: usize>(
        &self,
        s: S,
        rows: [&[f32]; MR],
        first: usize,
        sums: &mut [[[Wide<S>; 2]; NP]; MR],
    );
}

/// Panels of f32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full<'a>(pub(crate) &'a [f32]);

impl Panels for Full<'_> {
    const PAIRS: bool = false;

    #[inline(always)]
    fn staged(len: usize) -> usize {
        len
    }

    #[inline(always)]
    fn stage<S: Simd>(s: S, from: &[f32], to: &mut [f32]) {
        let (from, _) = from.as_chunks::<LANES>();
        for (from, to) in from.iter().zip(to.as_chunks_mut::<LANES>().0) {
            s.store(s.load(from), to);
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
        let len = rows[0].len() * 2 * WIDE;
        let mut panels: [&[f32]; NP] = [&[]; NP];
        for (n, panel) in panels.iter_mut().enumerate() {
            *panel = &self.0[(first + n) * len..][..len];
        }
        accumulate(s, rows, panels, sums);
    }
}

/// Packs the columns of a row-major matrix [`depth`, `columns`] into panels of `width` columns; columns
/// beyond the last are 0.
pub(crate) fn pack(matrix: &[f32], columns: usize, width: usize, panels: &mut [f32]) {
    let depth = matrix.len() / columns;
    for (index, panel) in panels.chunks_exact_mut(depth * width).enumerate() {
        let from = index * width;
        let len = width.min(columns - from);
        for (row, to) in matrix
            .chunks_exact(columns)
            .zip(panel.chunks_exact_mut(width))
        {
            to[..len].copy_from_slice(&row[from..from + len]);
            to[len..].fill(0.0);
        }
    }
}

/// Packs the rows of a row-major matrix [`rows`, `depth`] into panels of `width` rows: the same as
/// [`pack`] of its transpose.
pub(crate) fn pack_transposed(matrix: &[f32], depth: usize, width: usize, panels: &mut [f32]) {
    let rows = matrix.len() / depth;
    for (index, panel) in panels.chunks_exact_mut(depth * width).enumerate() {
        for lane in 0..width {
            let row = index * width + lane;
            let to = panel[lane..].iter_mut().step_by(width);
            if row < rows {
                for (to, from) in to.zip(&matrix[row * depth..(row + 1) * depth]) {
                    *to = *from;
                }
            } else {
                to.for_each(|to| *to = 0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_pads_and_transposes() {
        // 2 rows, 3 columns.
        let matrix = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut panels = [9.0; 8];
        pack(&matrix, 3, 2, &mut panels);
        assert_eq!(panels, [1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0]);
        let mut panels = [9.0; 12];
        pack_transposed(&matrix, 3, 4, &mut panels);
        assert_eq!(
            panels,
            [1.0, 4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 0.0, 3.0, 6.0, 0.0, 0.0]
        );
    }
}
