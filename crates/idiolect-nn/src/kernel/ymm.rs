//! x86-64 with AVX2 and FMA (Intel since 2013, AMD since 2015).

use core::arch::x86_64::*;

use super::twice::Twice;
use super::{Kernel, LANES, Simd, Vector, WIDE};

/// Eight lanes, and the proof that the machine has them and what `W` stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ymm<W>(pub(super) W);

/// The proof that this machine has AVX2 and FMA: only [`Avx2::detect`] makes one.
pub(crate) type Avx2 = Ymm<()>;

impl Avx2 {
    /// The proof, where it holds.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Ymm(()))
    }

    /// Runs a kernel compiled for these features.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves that the machine has the features that `run_with_features` asks for.
        unsafe { run_with_features(self, kernel) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn run_with_features<K: Kernel>(avx2: Avx2, kernel: K) -> K::Output {
    kernel.run(avx2)
}

// SAFETY of every block below: a value of `Ymm` exists only where the machine has AVX2 and FMA, which is
// all that these instructions ask for; those that touch memory get a reference to as many numbers as they
// take, and do not ask for its alignment.
impl<W: Copy> Vector for Ymm<W> {
    type F = __m256;
    type Lanes = [f32; LANES];

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m256, to: &mut [f32; LANES]) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_sqrt_ps(a) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn copysign(self, size: __m256, sign: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe {
            let sign_bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(
                _mm256_and_ps(sign_bit, sign),
                _mm256_andnot_ps(sign_bit, size),
            )
        }
    }

    #[inline(always)]
    fn exp2_whole(self, n: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }

    #[inline(always)]
    fn zero_where_less(self, a: __m256, b: __m256, x: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b), x) }
    }

    #[inline(always)]
    fn any_less(self, a: __m256, b: __m256) -> bool {
        // SAFETY: see above.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) != 0 }
    }
}

impl Simd for Avx2 {
    type Wide = Twice<Avx2>;
    // 12 sums, 3 factors and a weight fill the 16 registers. With the weights loaded first they do not fit,
    // and 64 streams in step take twice as long.
    const ROWS: usize = 3;
    const ABREAST: usize = 3;
    // 8 sums, 2 factors, a weight and a product. Three rows would not leave a register for the product.
    const PAIR_ROWS: usize = 2;

    #[inline(always)]
    fn wide(self) -> Self::Wide {
        Twice(self)
    }

    #[inline(always)]
    fn join(self, low: __m256, high: __m256) -> [__m256; 2] {
        [low, high]
    }

    #[inline(always)]
    fn halves(self, x: [__m256; 2]) -> [__m256; 2] {
        x
    }

    #[inline(always)]
    fn deal(self, a: [__m256; 2], b: [__m256; 2]) -> [[__m256; 2]; 2] {
        [[a[0], b[0]], [a[1], b[1]]]
    }

    type I = [__m256i; 2];

    #[inline(always)]
    fn splat_pair(self, pair: i32) -> Self::I {
        // SAFETY: see above.
        unsafe { [_mm256_set1_epi32(pair); 2] }
    }

    #[inline(always)]
    fn load_pairs(self, from: &[i32; WIDE]) -> Self::I {
        let (halves, _) = from.as_chunks::<LANES>();
        // SAFETY: see above.
        unsafe {
            [
                _mm256_loadu_si256(halves[0].as_ptr().cast()),
                _mm256_loadu_si256(halves[1].as_ptr().cast()),
            ]
        }
    }

    #[inline(always)]
    fn dot_add(self, a: Self::I, b: Self::I, sum: Self::I) -> Self::I {
        // SAFETY: see above.
        unsafe {
            [
                _mm256_add_epi32(sum[0], _mm256_madd_epi16(a[0], b[0])),
                _mm256_add_epi32(sum[1], _mm256_madd_epi16(a[1], b[1])),
            ]
        }
    }

    #[inline(always)]
    fn whole(self, x: Self::I) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm256_cvtepi32_ps(x[0]), _mm256_cvtepi32_ps(x[1])] }
    }

    #[inline(always)]
    fn narrow(self, x: [__m256; 2]) -> [i32; LANES] {
        let mut pairs = [0; LANES];
        // SAFETY: see above.
        unsafe {
            // Packing takes the lower halves of both first, then the upper ones.
            let packed = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1]));
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            _mm256_storeu_si256(pairs.as_mut_ptr().cast(), packed);
        }
        pairs
    }
}
