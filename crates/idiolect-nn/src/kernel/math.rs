//! exp, sigmoid and tanh of a vector of numbers.
//!
//! Errors against f64, tested below over the whole range: exp 4e-7 relative (where the result is a normal
//! number), sigmoid 3e-7 relative, tanh 5e-7 relative. NaN in gives NaN out.

use super::Vector;

/// Below this, exp is given as 0: the result would not be a normal number.
const EXP_LOW: f32 = -87.336_54;
/// Above this, exp is given as its value here (1.7e38).
const EXP_HIGH: f32 = 88.0;

/// exp(x) - 1 in two parts: (2^n, exp(r) - 1), where x = n ln 2 + r and |r| <= ln 2 / 2.
///
/// The reduction is Cody and Waite's (1980); exp(r) - 1 is its Taylor series to r^7, whose rest is below
/// 6e-9 of exp(r) there.
#[inline(always)]
fn reduced<V: Vector>(v: V, x: V::F) -> (V::F, V::F) {
    let x = v.max(v.splat(EXP_LOW), v.min(v.splat(EXP_HIGH), x));
    // Adding and taking off 1.5 * 2^23 rounds to a whole number.
    let shift = v.splat(12_582_912.0);
    let n = v.sub(
        v.mul_add(x, v.splat(std::f32::consts::LOG2_E), shift),
        shift,
    );
    // ln 2 in two parts, the first with so few bits that n times it is exact.
    let r = v.mul_add(n, v.splat(-0.693_359_4), x);
    let r = v.mul_add(n, v.splat(2.121_944_4e-4), r);
    let mut p = v.splat(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        p = v.mul_add(p, r, v.splat(coefficient));
    }
    let p = v.mul_add(v.mul(p, r), r, r);
    (v.exp2_whole(n), p)
}

/// exp(x); 0 where it would not be a normal number.
#[inline(always)]
pub(crate) fn exp<V: Vector>(v: V, x: V::F) -> V::F {
    let (scale, p) = reduced(v, x);
    v.zero_where_less(x, v.splat(EXP_LOW), v.mul_add(scale, p, scale))
}

/// 1 / (1 + exp(-x)).
#[inline(always)]
pub(crate) fn sigmoid<V: Vector>(v: V, x: V::F) -> V::F {
    let one = v.splat(1.0);
    let (scale, p) = reduced(v, v.sub(v.splat(0.0), x));
    v.div(one, v.add(one, v.mul_add(scale, p, scale)))
}

/// The hyperbolic tangent, as -e / (2 + e) with e = exp(-2|x|) - 1, which loses nothing near 0.
#[inline(always)]
pub(crate) fn tanh<V: Vector>(v: V, x: V::F) -> V::F {
    let minus_two_x = v.mul(v.copysign(v.splat(2.0), x), v.sub(v.splat(0.0), x));
    let (scale, p) = reduced(v, minus_two_x);
    let e = v.mul_add(scale, p, v.sub(scale, v.splat(1.0)));
    v.copysign(v.div(e, v.add(v.splat(2.0), e)), x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Kernel, LANES, Level, Simd};

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Sigmoid,
        Tanh,
    }

    struct Apply(Function, [f32; LANES]);

    impl Function {
        #[inline(always)]
        fn of<V: Vector>(self, v: V, x: V::F) -> V::F {
            match self {
                Function::Exp => exp(v, x),
                Function::Sigmoid => sigmoid(v, x),
                Function::Tanh => tanh(v, x),
            }
        }
    }

    impl Kernel for Apply {
        type Output = [f32; LANES];

        /// By eight lanes, having seen that the halves of sixteen give the very same.
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let x = s.load(&self.1);
            let out = s.lanes(self.0.of(s, x));
            let wide = self.0.of(s.wide(), s.join(x, x));
            for half in s.halves(wide) {
                assert_eq!(s.lanes(half).map(f32::to_bits), out.map(f32::to_bits));
            }
            out
        }
    }

    /// Largest relative error over -100..100 in fine steps and over all binary orders near 0.
    fn worst(level: Level, function: Function, exact: impl Fn(f64) -> f64) -> f64 {
        let mut worst = 0f64;
        let mut points: Vec<f32> = (-1_000_000..=1_000_000).map(|i| i as f32 * 1e-4).collect();
        for power in -60..7 {
            for step in 0..64 {
                let x = 2f32.powi(power) * (1.0 + step as f32 / 64.0);
                points.extend([x, -x]);
            }
        }
        points.resize(points.len().next_multiple_of(LANES), 0.0);
        for chunk in points.as_chunks::<LANES>().0 {
            for (x, y) in chunk.iter().zip(level.run(Apply(function, *chunk))) {
                let exact = exact(f64::from(*x));
                let normal = exact.abs() >= f64::from(f32::MIN_POSITIVE);
                if normal && exact < 1.6e38 {
                    worst = worst.max((f64::from(y) - exact).abs() / exact.abs());
                } else if exact < 1.0 {
                    // Too small for a normal number, or 0 itself.
                    assert!((f64::from(y) - exact).abs() < 2e-38, "{x} {y}");
                }
            }
        }
        worst
    }

    #[test]
    fn errors_are_within_the_stated_bounds() {
        for level in Level::all() {
            let exp = worst(level, Function::Exp, f64::exp);
            let sigmoid = worst(level, Function::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
            let tanh = worst(level, Function::Tanh, f64::tanh);
            assert!(exp < 4e-7, "exp {exp:e}");
            assert!(sigmoid < 3e-7, "sigmoid {sigmoid:e}");
            assert!(tanh < 5e-7, "tanh {tanh:e}");
        }
    }

    #[test]
    fn extremes_and_nan_come_through() {
        for level in Level::all() {
            let x = [
                f32::NAN,
                f32::INFINITY,
                f32::NEG_INFINITY,
                0.0,
                -0.0,
                1e30,
                -1e30,
                20.0,
            ];
            let exp = level.run(Apply(Function::Exp, x));
            let sigmoid = level.run(Apply(Function::Sigmoid, x));
            let tanh = level.run(Apply(Function::Tanh, x));
            assert!(exp[0].is_nan() && sigmoid[0].is_nan() && tanh[0].is_nan());
            assert!(exp[1] > 1e38 && exp[1].is_finite());
            assert_eq!([exp[2], exp[3], exp[6]], [0.0, 1.0, 0.0]);
            assert_eq!([sigmoid[1], sigmoid[3], sigmoid[5]], [1.0, 0.5, 1.0]);
            assert!((0.0..1e-38).contains(&sigmoid[2]));
            assert_eq!(
                [tanh[1], tanh[2], tanh[3], tanh[5], tanh[7]],
                [1.0, -1.0, 0.0, 1.0, 1.0]
            );
        }
    }
}
