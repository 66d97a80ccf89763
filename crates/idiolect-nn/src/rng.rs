//! Seeded random numbers.

/// A seeded generator of random numbers: xoshiro256++ (Blackman and Vigna, 2021), its state filled by
/// SplitMix64. The same seed gives the same numbers on every machine and in every version of this crate.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator from one number.
    pub fn new(seed: u64) -> Self {
        Rng::from_parts(&[seed])
    }

    /// A generator from several numbers, each of which changes what comes out: (seed, epoch, sequence).
    pub fn from_parts(parts: &[u64]) -> Self {
        let mut key = 0;
        for &part in parts {
            key = splitmix(&mut (key ^ part)).rotate_left(17);
        }
        let mut state = [0; 4];
        for word in &mut state {
            *word = splitmix(&mut key);
        }
        Rng { state }
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`; 0 if `bound` is 0.
    ///
    /// By the high half of a product (Lemire 2019) without its rejection step: with a bound below 2^32
    /// no value's probability is off by more than one part in 2^32.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number in 0..1, on the grid of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number from the normal distribution with mean 0 and deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// One step of SplitMix64 (Steele, Lea and Flood 2014).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_all_matter_and_repeat() {
        let first = |parts: &[u64]| Rng::from_parts(parts).next_u64();
        assert_eq!(first(&[1, 2, 3]), first(&[1, 2, 3]));
        assert_ne!(first(&[1, 2, 3]), first(&[1, 3, 2]));
        assert_ne!(first(&[1, 2, 3]), first(&[1, 2, 4]));
        assert_ne!(first(&[1, 2]), first(&[1, 2, 0]));
        assert_ne!(first(&[0]), first(&[1]));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(7);
        let n = 200_000;
        let (mut uniform, mut normal, mut squares, mut below) = (0.0, 0.0, 0.0, [0; 5]);
        for _ in 0..n {
            uniform += rng.uniform();
            let x = rng.normal();
            normal += x;
            squares += x * x;
            below[rng.below(5)] += 1;
        }
        let n = f64::from(n);
        // Each within five standard errors.
        assert!((uniform / n - 0.5).abs() < 5.0 * 0.289 / n.sqrt());
        assert!((normal / n).abs() < 5.0 / n.sqrt());
        assert!((squares / n - 1.0).abs() < 5.0 * 1.415 / n.sqrt());
        for count in below {
            assert!((f64::from(count) / n - 0.2).abs() < 5.0 * 0.4 / n.sqrt());
        }
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::new(3).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
