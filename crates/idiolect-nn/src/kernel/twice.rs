//! Sixteen lanes as two vectors of eight.

use super::{LANES, Vector, WIDE};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Twice<V>(pub(super) V);

impl<V: Vector<Lanes = [f32; LANES]>> Twice<V> {
    #[inline(always)]
    fn halves(lanes: &[f32; WIDE]) -> [&[f32; LANES]; 2] {
        let (halves, _) = lanes.as_chunks();
        [&halves[0], &halves[1]]
    }
}

impl<V: Vector<Lanes = [f32; LANES]>> Vector for Twice<V> {
    type F = [V::F; 2];
    type Lanes = [f32; WIDE];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [self.0.splat(x); 2]
    }

    #[inline(always)]
    fn load(self, from: &[f32; WIDE]) -> Self::F {
        let [low, high] = Self::halves(from);
        [self.0.load(low), self.0.load(high)]
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; WIDE]) {
        let (halves, _) = to.as_chunks_mut();
        self.0.store(x[0], &mut halves[0]);
        self.0.store(x[1], &mut halves[1]);
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        [self.0.add(a[0], b[0]), self.0.add(a[1], b[1])]
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        [self.0.sub(a[0], b[0]), self.0.sub(a[1], b[1])]
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        [self.0.mul(a[0], b[0]), self.0.mul(a[1], b[1])]
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        [self.0.div(a[0], b[0]), self.0.div(a[1], b[1])]
    }

    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        [self.0.sqrt(a[0]), self.0.sqrt(a[1])]
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        [
            self.0.mul_add(a[0], b[0], c[0]),
            self.0.mul_add(a[1], b[1], c[1]),
        ]
    }

    /// One half after the other: with both loaded at once, three rows of four vectors do not fit the 16
    /// registers of AVX2.
    #[inline(always)]
    fn add_multiples<const MR: usize>(
        self,
        x: [Self::F; MR],
        from: &[f32; WIDE],
        mut sums: [Self::F; MR],
    ) -> [Self::F; MR] {
        for (half, from) in Self::halves(from).into_iter().enumerate() {
            let from = self.0.load(from);
            for (x, sum) in x.iter().zip(&mut sums) {
                sum[half] = self.0.mul_add(x[half], from, sum[half]);
            }
        }
        sums
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        [self.0.max(a[0], b[0]), self.0.max(a[1], b[1])]
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        [self.0.min(a[0], b[0]), self.0.min(a[1], b[1])]
    }

    #[inline(always)]
    fn copysign(self, size: Self::F, sign: Self::F) -> Self::F {
        [
            self.0.copysign(size[0], sign[0]),
            self.0.copysign(size[1], sign[1]),
        ]
    }

    #[inline(always)]
    fn exp2_whole(self, n: Self::F) -> Self::F {
        [self.0.exp2_whole(n[0]), self.0.exp2_whole(n[1])]
    }

    #[inline(always)]
    fn zero_where_less(self, a: Self::F, b: Self::F, x: Self::F) -> Self::F {
        [
            self.0.zero_where_less(a[0], b[0], x[0]),
            self.0.zero_where_less(a[1], b[1], x[1]),
        ]
    }

    #[inline(always)]
    fn any_less(self, a: Self::F, b: Self::F) -> bool {
        self.0.any_less(a[0], b[0]) | self.0.any_less(a[1], b[1])
    }
}
