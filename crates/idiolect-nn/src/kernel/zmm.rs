//! x86-64 with AVX-512 and VNNI (Intel servers since 2019, AMD since 2022).

use core::arch::x86_64::*;

use super::ymm::{Avx2, Ymm};
use super::{Kernel, LANES, Simd, Vector, WIDE, Wide};

/// Sixteen lanes, and the proof that this machine has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zmm(());

/// The proof that this machine has AVX2, FMA, AVX-512 (F, BW, DQ, VL) and VNNI: only [`Avx512::detect`]
/// makes one.
pub(crate) type Avx512 = Ymm<Zmm>;

impl Avx512 {
    /// The proof, where it holds.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let has = Avx2::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        has.then_some(Ymm(Zmm(())))
    }

    /// Runs a kernel compiled for these features.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves that the machine has the features that `run_with_features` asks for.
        unsafe { run_with_features(self, kernel) }
    }
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn run_with_features<K: Kernel>(avx512: Avx512, kernel: K) -> K::Output {
    kernel.run(avx512)
}

// SAFETY of every block below: a value of `Zmm` exists only where the machine has what `Avx512` is the proof
// of, which is all that these instructions ask for; those that touch memory get a reference to as many
// numbers as they take, and do not ask for its alignment.
impl Vector for Zmm {
    type F = __m512;
    type Lanes = [f32; WIDE];

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; WIDE]) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32; WIDE]) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_sqrt_ps(a) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn copysign(self, size: __m512, sign: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe {
            let sign_bit = _mm512_set1_ps(-0.0);
            _mm512_or_ps(
                _mm512_and_ps(sign_bit, sign),
                _mm512_andnot_ps(sign_bit, size),
            )
        }
    }

    #[inline(always)]
    fn exp2_whole(self, n: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }

    #[inline(always)]
    fn zero_where_less(self, a: __m512, b: __m512, x: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_maskz_mov_ps(!_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), x) }
    }

    #[inline(always)]
    fn any_less(self, a: __m512, b: __m512) -> bool {
        // SAFETY: see above.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) != 0 }
    }
}

impl Simd for Avx512 {
    type Wide = Zmm;
    // 16 sums, twice what two units that take 4 cycles for each need, and 8 factors and 2 weights.
    const ROWS: usize = 8;
    const ABREAST: usize = 4;
    const PAIR_ROWS: usize = 8;

    #[inline(always)]
    fn wide(self) -> Zmm {
        self.0
    }

    #[inline(always)]
    fn join(self, low: __m256, high: __m256) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high) }
    }

    #[inline(always)]
    fn halves(self, x: __m512) -> [__m256; 2] {
        // SAFETY: see above.
        unsafe { [_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x)] }
    }

    #[inline(always)]
    fn deal(self, a: __m512, b: __m512) -> [__m512; 2] {
        // SAFETY: see above.
        unsafe {
            [
                _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b),
                _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b),
            ]
        }
    }

    type I = __m512i;

    #[inline(always)]
    fn splat_pair(self, pair: i32) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(pair) }
    }

    #[inline(always)]
    fn load_pairs(self, from: &[i32; WIDE]) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn dot_add(self, a: __m512i, b: __m512i, sum: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_dpwssd_epi32(sum, a, b) }
    }

    #[inline(always)]
    fn whole(self, x: __m512i) -> Wide<Self> {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(x) }
    }

    #[inline(always)]
    fn narrow(self, x: __m512) -> [i32; LANES] {
        let mut pairs = [0; LANES];
        // SAFETY: see above.
        unsafe {
            let packed = _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x));
            _mm256_storeu_si256(pairs.as_mut_ptr().cast(), packed);
        }
        pairs
    }
}
