//! Products of whole matrices, by the crate `matrixmultiply`.
//!
//! Chosen by measurement (Zen 3, AVX2, one core, f32, best of five): at 800x64 by 64x256 it reaches 74
//! GFLOP/s where `gemm` 0.19 reaches 53, at 800x200 by 200x800 83 against 68, at 64x800 by 800x256 71
//! against 65, at 180x180 by 180x64 71 against 56, and it builds in 2.4 s with one dependency where the
//! other takes 11.2 s with seventeen. With AVX-512, which `gemm` has on nightly compilers alone, it reaches
//! 108 to 151 where `gemm` reaches 68 to 84. It picks AVX-512, AVX2 or NEON at run time.
//! Its packing buffer is the one thing that a chunk of training allocates.

/// A matrix in a slice: element (r, c) lies at `r * row_stride + c * column_stride`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix whose rows lie `stride` apart.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(data.len(), rows, columns, stride);
        Matrix {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The same seen with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Matrix {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `to = a b`, or `to += a b` if `add`; `to` is row-major, its rows `stride` apart.
pub(crate) fn gemm(to: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    assert_eq!(a.columns, b.rows);
    check(to.len(), a.rows, b.columns, stride);
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    // SAFETY: `check`, here and in `Matrix::new`, has made sure that every element of the three matrices
    // lies in its slice and that those of `to` do not overlap; `to` is borrowed alone. The strides are
    // below the slices' lengths, so they fit an isize.
    unsafe {
        matrixmultiply::sgemm(
            a.rows,
            a.columns,
            b.columns,
            1.0,
            a.data.as_ptr(),
            a.row_stride as isize,
            a.column_stride as isize,
            b.data.as_ptr(),
            b.row_stride as isize,
            b.column_stride as isize,
            if add { 1.0 } else { 0.0 },
            to.as_mut_ptr(),
            stride as isize,
            1,
        );
    }
}

/// Panics unless a row-major matrix of this shape lies in a slice of this length.
fn check(len: usize, rows: usize, columns: usize, stride: usize) {
    assert!(columns <= stride, "rows overlap");
    if rows > 0 {
        let end = (rows - 1)
            .checked_mul(stride)
            .and_then(|n| n.checked_add(columns));
        assert!(end.is_some_and(|end| end <= len), "matrix beyond its slice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_transposition_and_adding() {
        // a is 2x3 in rows of 4, b is 2x3 seen as 3x2.
        let a = [1.0, 2.0, 3.0, 9.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 2.0, 0.0, 1.0, 1.0];
        let mut to = [100.0; 5];
        let (a, b) = (
            Matrix::new(&a, 2, 3, 4),
            Matrix::new(&b, 2, 3, 3).transposed(),
        );
        gemm(&mut to, 3, a, b, false);
        assert_eq!(to, [7.0, 5.0, 100.0, 16.0, 11.0]);
        gemm(&mut to, 3, a, b, true);
        assert_eq!(to, [14.0, 10.0, 100.0, 32.0, 22.0]);
        // Nothing to sum over: the product is 0.
        let none = Matrix::new(&[], 2, 0, 0);
        gemm(&mut to, 3, none, Matrix::new(&[], 0, 2, 2), false);
        assert_eq!(to, [0.0, 0.0, 100.0, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "beyond its slice")]
    fn a_matrix_beyond_its_slice_is_refused() {
        Matrix::new(&[0.0; 5], 2, 3, 3);
    }
}
