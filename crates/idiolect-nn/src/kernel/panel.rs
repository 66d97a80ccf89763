//! Weights packed for products with few rows, and the inner loop over them.
//!
//! A panel holds NV vectors (8 NV columns) of a matrix with `depth` rows: for each row its 8 NV numbers
//! one after the other. A product streams through it once, from end to end, which the hardware's
//! prefetching likes, with all sums in registers.

use super::{LANES, Simd};

/// Rows that go through a panel of four vectors side by side: 12 sums, 3 factors and a weight fill the 16
/// registers of AVX2. With the weights loaded first they do not fit, and 64 streams in step take twice as long.
pub(crate) const TILE: usize = 3;

/// Adds, to the sums of MR rows, the product of those rows (`depth` numbers each) with a panel.
#[inline(always)]
pub(crate) fn accumulate<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    rows: [&[f32]; MR],
    panel: &[f32],
    sums: &mut [[S::F; NV]; MR],
) {
    let (vectors, _) = panel.as_chunks::<LANES>();
    let depth = vectors.len() / NV;
    for row in rows {
        assert!(row.len() >= depth);
    }
    for (k, weights) in vectors.chunks_exact(NV).enumerate() {
        let mut x = [s.splat(0.0); MR];
        for (x, row) in x.iter_mut().zip(rows) {
            // SAFETY: k < depth, and every row has at least `depth` numbers, as asserted above.
            *x = s.splat(unsafe { *row.get_unchecked(k) });
        }
        for (j, weight) in weights.iter().enumerate() {
            let weight = s.load(weight);
            for (x, sums) in x.into_iter().zip(sums.iter_mut()) {
                sums[j] = s.mul_add(x, weight, sums[j]);
            }
        }
    }
}

/// Panels that one row goes through side by side: the sums of one alone are too few to keep the arithmetic
/// units busy.
pub(crate) const ABREAST: usize = 3;

/// The same for one row and NP panels. Each sum is taken in the same order as [`accumulate`] takes it, so
/// that both give the same number.
#[inline(always)]
pub(crate) fn accumulate_one<S: Simd, const NP: usize, const NV: usize>(
    s: S,
    row: &[f32],
    panels: [&[f32]; NP],
    sums: &mut [[S::F; NV]; NP],
) {
    let mut vectors: [&[[f32; LANES]]; NP] = [&[]; NP];
    for (vectors, panel) in vectors.iter_mut().zip(panels) {
        *vectors = panel.as_chunks().0;
        assert!(vectors.len() >= row.len() * NV);
    }
    for (k, &x) in row.iter().enumerate() {
        let x = s.splat(x);
        for (sums, vectors) in sums.iter_mut().zip(vectors) {
            for (j, sum) in sums.iter_mut().enumerate() {
                // SAFETY: k < row.len() and j < NV, and every panel has at least row.len() * NV vectors,
                // as asserted above.
                let weight = s.load(unsafe { vectors.get_unchecked(k * NV + j) });
                *sum = s.mul_add(x, weight, *sum);
            }
        }
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
