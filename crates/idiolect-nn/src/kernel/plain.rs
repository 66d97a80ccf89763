//! Plain code: what every machine can do, and what the fast paths are tested against.

use super::reduced::pair;
use super::twice::Twice;
use super::{LANES, Simd, Vector, WIDE};

/// No assumption about the machine. Where it has vectors by default (NEON on aarch64, SSE2 on x86-64) the
/// compiler uses them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

#[inline(always)]
fn each(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Vector for Plain {
    type F = [f32; LANES];
    type Lanes = [f32; LANES];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        *to = x;
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        a.map(f32::sqrt)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|i| {
            // Without an instruction for it, `mul_add` is a slow call into the C library.
            if cfg!(target_arch = "aarch64") {
                a[i].mul_add(b[i], c[i])
            } else {
                a[i] * b[i] + c[i]
            }
        })
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn copysign(self, size: Self::F, sign: Self::F) -> Self::F {
        each(size, sign, f32::copysign)
    }

    #[inline(always)]
    fn exp2_whole(self, n: Self::F) -> Self::F {
        // The exponent field of an f32 is biased by 127 and lies above 23 bits of fraction.
        n.map(|n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23))
    }

    #[inline(always)]
    fn zero_where_less(self, a: Self::F, b: Self::F, x: Self::F) -> Self::F {
        std::array::from_fn(|i| if a[i] < b[i] { 0.0 } else { x[i] })
    }

    #[inline(always)]
    fn any_less(self, a: Self::F, b: Self::F) -> bool {
        (0..LANES).any(|i| a[i] < b[i])
    }
}

impl Simd for Plain {
    type Wide = Twice<Plain>;
    // More rows take more registers than SSE2 has.
    const ROWS: usize = 1;
    const ABREAST: usize = 1;
    const PAIR_ROWS: usize = 1;

    #[inline(always)]
    fn wide(self) -> Self::Wide {
        Twice(self)
    }

    #[inline(always)]
    fn join(self, low: Self::F, high: Self::F) -> [Self::F; 2] {
        [low, high]
    }

    #[inline(always)]
    fn halves(self, x: [Self::F; 2]) -> [Self::F; 2] {
        x
    }

    #[inline(always)]
    fn deal(self, a: [Self::F; 2], b: [Self::F; 2]) -> [[Self::F; 2]; 2] {
        [[a[0], b[0]], [a[1], b[1]]]
    }

    type I = [i32; WIDE];

    #[inline(always)]
    fn splat_pair(self, pair: i32) -> Self::I {
        [pair; WIDE]
    }

    #[inline(always)]
    fn load_pairs(self, from: &[i32; WIDE]) -> Self::I {
        *from
    }

    #[inline(always)]
    fn dot_add(self, a: Self::I, b: Self::I, sum: Self::I) -> Self::I {
        std::array::from_fn(|i| {
            let low = i32::from(a[i] as i16) * i32::from(b[i] as i16);
            let high = (a[i] >> 16) * (b[i] >> 16);
            sum[i].wrapping_add(low).wrapping_add(high)
        })
    }

    #[inline(always)]
    fn whole(self, x: Self::I) -> [Self::F; 2] {
        let mut out = [[0.0; LANES]; 2];
        for (to, from) in out.as_flattened_mut().iter_mut().zip(x) {
            *to = from as f32;
        }
        out
    }

    #[inline(always)]
    fn narrow(self, x: [Self::F; 2]) -> [i32; LANES] {
        let whole = |x: f32| x.round_ties_even() as i16;
        let x = x.as_flattened();
        std::array::from_fn(|i| pair(whole(x[2 * i]), whole(x[2 * i + 1])))
    }
}
