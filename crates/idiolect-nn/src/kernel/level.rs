//! What the machine can do.

use super::Simd;
use super::plain::Plain;
#[cfg(target_arch = "x86_64")]
use super::{ymm::Avx2, zmm::Avx512};

/// A computation that is compiled once for each kind of machine.
///
/// `run` and what it calls must be `#[inline(always)]`, or they are not compiled with the features of the
/// machine: then each vector operation is a call. A closure cannot be marked so, and
/// `std::array::from_fn` does not promise to inline one: kernels use loops.
pub(crate) trait Kernel {
    /// What it yields.
    type Output;
    /// Does it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// A set of instructions that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// What every machine of its kind has. Other sets are tested against it.
    Plain,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI.
    Avx512,
}

impl Instructions {
    /// Those that this machine has, the fastest last.
    pub fn available() -> Vec<Instructions> {
        let all = [Self::Plain, Self::Avx2, Self::Avx512];
        let had = all.into_iter().filter(|&set| Level::of(set).is_some());
        had.collect()
    }

    /// The name by which programs ask for it: `plain`, `avx2`, `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Instructions::Plain => "plain",
            Instructions::Avx2 => "avx2",
            Instructions::Avx512 => "avx512",
        }
    }
}

/// A set of instructions that this machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Level {
    /// The fastest that this machine has. The standard library remembers the answer, so it is cheap.
    #[inline]
    pub(crate) fn detect() -> Self {
        Level::of(Instructions::Avx512)
            .or_else(|| Level::of(Instructions::Avx2))
            .unwrap_or_else(Level::plain)
    }

    /// What every machine can do.
    pub(crate) fn plain() -> Self {
        Level(Kind::Plain)
    }

    /// This one, where the machine has it.
    #[inline]
    pub(crate) fn of(instructions: Instructions) -> Option<Self> {
        match instructions {
            Instructions::Plain => Some(Level::plain()),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => Avx2::detect().map(|avx2| Level(Kind::Avx2(avx2))),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => Avx512::detect().map(|avx512| Level(Kind::Avx512(avx512))),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Avx512 => None,
        }
    }

    /// All that this machine has, plain code first.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Level> {
        Instructions::available().into_iter().filter_map(Level::of)
    }

    /// Runs a kernel at this level.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Plain => kernel.run(Plain),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(avx2) => avx2.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(avx512) => avx512.run(kernel),
        }
    }
}
