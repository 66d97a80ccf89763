//! Streams as bags: what they hold, without the order.

use std::collections::HashMap;

use idiolect_detect::{Streams, Symbol};

/// Numbers of the calls that training streams make.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    of_name: HashMap<String, u32>,
}

impl Calls {
    /// Of these streams.
    pub(super) fn of(streams: &Streams) -> Self {
        // Symbol 0 is the gap.
        let names = streams.names().iter().skip(1).cloned();
        Calls {
            of_name: names.zip(0..).collect(),
        }
    }

    /// How many there are; calls that training never made have this number and higher ones.
    pub(super) fn len(&self) -> usize {
        self.of_name.len()
    }

    /// The number of each symbol of other streams; none for a gap.
    pub(super) fn translate(&self, streams: &Streams) -> Vec<Option<u32>> {
        let names = streams.names().iter().enumerate();
        names
            .map(|(symbol, name)| {
                let known = self.of_name.get(name).copied();
                (symbol as Symbol != Streams::GAP)
                    .then(|| known.unwrap_or((self.len() + symbol) as u32))
            })
            .collect()
    }
}

/// How often a stream makes each call, as a unit vector in the Euclidean norm over training's calls and, last,
/// all others together.
pub(super) fn unit_counts(symbols: &[Symbol], of: &[Option<u32>], known: usize) -> Vec<f32> {
    let mut counts = vec![0.0; known + 1];
    for call in symbols.iter().filter_map(|&symbol| of[symbol as usize]) {
        counts[(call as usize).min(known)] += 1.0;
    }
    let norm = counts.iter().map(|c| c * c).sum::<f32>().sqrt();
    counts.iter_mut().for_each(|count| *count /= norm.max(1.0));
    counts
}

/// The calls of training streams, and each of these as its [`unit_counts`].
pub(super) fn points(streams: &Streams) -> (Calls, Vec<Vec<f32>>) {
    let calls = Calls::of(streams);
    let of = calls.translate(streams);
    let points = streams
        .iter()
        .map(|stream| unit_counts(&stream.symbols, &of, calls.len()))
        .collect();
    (calls, points)
}

/// How often a stream makes each sequence of up to `longest` calls (at most 3), by a number that stands
/// for it, as a unit vector in the Euclidean norm. A sequence does not reach over a gap.
pub(super) fn unit_grams(
    symbols: &[Symbol],
    of: &[Option<u32>],
    longest: usize,
) -> Vec<(u64, f32)> {
    /// Bits of a call's number: no set has two million different calls.
    const BITS: u32 = 21;
    let mut grams: HashMap<u64, f32> = HashMap::new();
    for stretch in symbols.split(|&symbol| symbol == Streams::GAP) {
        for end in 1..=stretch.len() {
            let mut key = 0;
            for &symbol in stretch[..end].iter().rev().take(longest) {
                // From 1, so that a shorter sequence is another number.
                let call = of[symbol as usize].map_or(0, |call| u64::from(call) + 1);
                key = (key << BITS) | call;
                *grams.entry(key).or_default() += 1.0;
            }
        }
    }
    let mut grams: Vec<(u64, f32)> = grams.into_iter().collect();
    grams.sort_unstable_by_key(|&(key, _)| key);
    let norm = grams
        .iter()
        .map(|(_, count)| count * count)
        .sum::<f32>()
        .sqrt();
    grams
        .iter_mut()
        .for_each(|(_, count)| *count /= norm.max(1.0));
    grams
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::streams;

    #[test]
    fn grams_of_up_to_three_and_none_over_a_gap() {
        let train = streams(&["a b"]);
        let calls = Calls::of(&train);
        let test = streams(&["a b - a z"]);
        let of = calls.translate(&test);
        assert_eq!(of[0], None);
        let grams = unit_grams(&test.get(0).symbols, &of, 3);
        // a twice, b, z, ab, az.
        let squares: Vec<f32> = grams
            .iter()
            .map(|(_, weight)| weight * weight * 8.0)
            .collect();
        assert_eq!(
            squares.iter().filter(|s| (**s - 4.0).abs() < 1e-5).count(),
            1
        );
        assert_eq!(
            squares.iter().filter(|s| (**s - 1.0).abs() < 1e-5).count(),
            4
        );
        assert_eq!(unit_counts(&test.get(0).symbols, &of, 2).len(), 3);
    }
}
