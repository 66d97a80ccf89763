//! Weights packed for products with few rows, and the inner loop over them.
//!
//! A panel holds NV vectors (8 NV columns) of a matrix with `depth` rows: for each row its 8 NV numbers
//! one after the other. A product streams through it once, from end to end, which the hardware's
//! prefetching likes, with all sums in registers.

use super::{LANES, Simd};

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
        let mut loaded = [s.splat(0.0); NV];
        for (to, from) in loaded.iter_mut().zip(weights) {
            *to = s.load(from);
        }
        for (row, sums) in rows.iter().zip(sums.iter_mut()) {
            // SAFETY: k < depth, and every row has at least `depth` numbers, as asserted above.
            let x = s.splat(unsafe { *row.get_unchecked(k) });
            for (sum, weight) in sums.iter_mut().zip(loaded) {
                *sum = s.mul_add(x, weight, *sum);
            }
        }
    }
}

/// The same for one row, with the even and the odd depths summed apart: one row alone has too few sums to
/// keep the arithmetic units busy.
#[inline(always)]
pub(crate) fn accumulate_one<S: Simd, const NV: usize>(
    s: S,
    row: &[f32],
    panel: &[f32],
    sums: &mut [S::F; NV],
) {
    let (vectors, _) = panel.as_chunks::<LANES>();
    let mut odd = [s.splat(0.0); NV];
    // Depths are padded to whole vectors, so there is always a pair.
    for (x, weights) in row
        .as_chunks::<2>()
        .0
        .iter()
        .zip(vectors.chunks_exact(2 * NV))
    {
        let first = s.splat(x[0]);
        let second = s.splat(x[1]);
        for j in 0..NV {
            sums[j] = s.mul_add(first, s.load(&weights[j]), sums[j]);
            odd[j] = s.mul_add(second, s.load(&weights[NV + j]), odd[j]);
        }
    }
    for j in 0..NV {
        sums[j] = s.add(sums[j], odd[j]);
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
