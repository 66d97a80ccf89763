//! How many products a second the AVX-512 instructions do that a kernel could be made of, on one core:
//! what there is to win by narrower numbers. Prints `NAME PRODUCTS` (multiply-adds a second, in billions).
//!
//! `cargo bench -p idiolect-nn --bench instructions`

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;
    use std::hint::black_box;
    use std::time::Instant;

    /// Sums that do not wait for one another.
    const SUMS: usize = 16;
    /// Rounds between two looks at the sums, which go through memory then.
    const ROUNDS: usize = 64;
    const LOOKS: usize = 200_000;

    /// Does one instruction over and over.
    macro_rules! rate {
        ($name:ident, $features:literal, $zero:expr, $one:expr, $step:expr) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name() -> f64 {
                let mut sums = [$zero; SUMS];
                let one = black_box($one);
                let start = Instant::now();
                for _ in 0..LOOKS {
                    for _ in 0..ROUNDS {
                        for sum in &mut sums {
                            *sum = $step(*sum, one, one);
                        }
                    }
                    black_box(&sums);
                }
                (LOOKS * ROUNDS * SUMS) as f64 / start.elapsed().as_secs_f64() / 1e9
            }
        };
    }

    rate!(
        f32_fma,
        "avx512f",
        _mm512_set1_ps(0.0),
        _mm512_set1_ps(1.0),
        |sum, a, b| { _mm512_fmadd_ps(a, b, sum) }
    );
    rate!(
        i16_dot,
        "avx512f,avx512vnni",
        _mm512_set1_epi32(0),
        _mm512_set1_epi32(1),
        _mm512_dpwssd_epi32
    );
    rate!(
        i8_dot,
        "avx512f,avx512vnni",
        _mm512_set1_epi32(0),
        _mm512_set1_epi32(1),
        _mm512_dpbusd_epi32
    );
    rate!(
        bf16_dot,
        "avx512f,avx512bf16",
        _mm512_set1_ps(0.0),
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(1.0), _mm512_set1_ps(1.0)),
        _mm512_dpbf16_ps
    );
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::print_stdout)]
fn main() {
    let vnni = is_x86_feature_detected!("avx512vnni");
    let bf16 = is_x86_feature_detected!("avx512bf16");
    if !is_x86_feature_detected!("avx512f") {
        println!("skipped: this machine has no AVX-512");
        return;
    }
    // SAFETY: the machine has the feature, as seen above.
    println!("f32 {:.1}", 16.0 * unsafe { x86::f32_fma() });
    if vnni {
        // SAFETY: as above.
        let (i16, i8) = unsafe { (x86::i16_dot(), x86::i8_dot()) };
        println!("i16 {:.1}", 32.0 * i16);
        println!("i8 {:.1}", 64.0 * i8);
    }
    if bf16 {
        // SAFETY: as above.
        println!("bf16 {:.1}", 32.0 * unsafe { x86::bf16_dot() });
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[allow(clippy::print_stdout)]
fn main() {
    println!("skipped: this machine has no AVX-512");
}
