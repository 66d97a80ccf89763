//! How well drawn streams resemble real ones.
//!
//! The n-grams of drawn streams are held against those of one half of the real streams, and two others
//! beside them: the other half, which shows how alike real streams are to each other (no sample can be
//! expected to do better), and calls drawn one by one from the real frequencies, which shows what
//! knowing nothing of order gives. All three are cut to the same number of calls, since the more there
//! are, the more of the reference they cover.

use std::collections::HashMap;

use idiolect_nn::Rng;
use serde::Serialize;

use crate::{Streams, Symbol};

/// The longest n-gram that is compared.
pub const LONGEST_NGRAM: usize = 5;
/// Different streams below which halves are made by time.
const MIN_STREAMS: usize = 20;
/// Share of streams that may be cut for lengths to be compared all the same.
const FEW_CUT: f64 = 0.05;

/// How real streams were halved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Halving {
    /// Different streams, by a hash of their content; copies are in one half.
    Content,
    /// Each stream in its middle, since there are few.
    Time,
}

/// Real streams, halved.
#[derive(Clone, Debug)]
pub struct Halves {
    halving: Halving,
    /// Stretches without gaps.
    reference: Vec<Vec<Symbol>>,
    other: Vec<Vec<Symbol>>,
    /// How often each symbol comes in both halves.
    frequencies: Vec<u64>,
}

/// There is too little to halve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {0} calls in the real streams, too few to be halved and compared")]
pub struct HalvesError(pub usize);

/// How the n-grams of one set lie in those of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// Share of the set's n-grams that occur in the reference, each counted as often as it comes.
    pub known: f64,
    /// Share of the reference's n-grams that occur in the set, each counted as often as it comes.
    pub covered: f64,
    /// As `known`, each different n-gram counted once.
    pub distinct_known: f64,
    /// As `covered`, each different n-gram counted once.
    pub distinct_covered: f64,
}

/// The shares of one length of n-gram. `None` where there are none so long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// Calls in an n-gram.
    pub n: usize,
    /// Of the drawn streams.
    pub samples: Option<Shares>,
    /// Of the other half of the real streams: the ceiling.
    pub real: Option<Shares>,
    /// Of calls drawn independently from the real frequencies: the floor.
    pub independent: Option<Shares>,
}

/// What the comparison gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resemblance {
    /// How the real streams were halved.
    pub halving: Halving,
    /// Calls in the reference.
    pub reference_calls: usize,
    /// Calls in each of the three that are held against it.
    pub compared_calls: usize,
    /// For n from 1 to [`LONGEST_NGRAM`].
    pub overlaps: Vec<Overlap>,
}

/// How long streams are, in calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lengths {
    /// Streams.
    pub streams: usize,
    /// Streams among them that do not end with a call that ends streams.
    pub cut: usize,
    /// First quartile.
    pub low: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub high: f64,
}

impl Halves {
    /// Halves these streams. Copies never straddle where there are enough different streams.
    ///
    /// # Errors
    /// [`HalvesError`] where a half has no call.
    pub fn of(real: &Streams) -> Result<Self, HalvesError> {
        let hashes = real.content_hashes();
        let mut distinct = hashes.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let mut halves = Halves {
            halving: Halving::Content,
            reference: Vec::new(),
            other: Vec::new(),
            frequencies: vec![0; real.names().len()],
        };
        if distinct.len() < MIN_STREAMS {
            halves.halving = Halving::Time;
        }
        for (stream, hash) in real.iter().zip(&hashes) {
            let symbols = stream.symbols.as_slice();
            let (first, second) = match halves.halving {
                Halving::Time => symbols.split_at(symbols.len().div_ceil(2)),
                // Ranks of hashes alternate, so that both halves have as many different streams.
                Halving::Content => match distinct.binary_search(hash) {
                    Ok(rank) if rank % 2 == 1 => (&[][..], symbols),
                    _ => (symbols, &[][..]),
                },
            };
            halves.reference.extend(stretches(first));
            halves.other.extend(stretches(second));
        }
        for &symbol in halves.reference.iter().chain(&halves.other).flatten() {
            halves.frequencies[symbol as usize] += 1;
        }
        if calls(&halves.reference) == 0 || calls(&halves.other) == 0 {
            return Err(HalvesError(real.calls()));
        }
        Ok(halves)
    }

    /// Calls in the half that is compared with the other: as many drawn ones are compared at most.
    pub fn calls(&self) -> usize {
        calls(&self.other)
    }

    /// Holds drawn streams, in the symbols of the real ones, against them.
    pub fn compare(&self, samples: &[Vec<Symbol>], seed: u64) -> Resemblance {
        let compared = self.calls().min(calls(samples));
        let samples = first_calls(samples, compared);
        let real = first_calls(&self.other, compared);
        let independent = self.independent(&real, seed);
        let overlaps = (1..=LONGEST_NGRAM).map(|n| {
            let reference = ngrams(&self.reference, n);
            Overlap {
                n,
                samples: shares(&reference, &ngrams(&samples, n)),
                real: shares(&reference, &ngrams(&real, n)),
                independent: shares(&reference, &ngrams(&independent, n)),
            }
        });
        Resemblance {
            halving: self.halving,
            reference_calls: calls(&self.reference),
            compared_calls: compared,
            overlaps: overlaps.collect(),
        }
    }

    /// Stretches as long as these, each call drawn by its frequency alone.
    fn independent(&self, like: &[&[Symbol]], seed: u64) -> Vec<Vec<Symbol>> {
        let mut ends = Vec::with_capacity(self.frequencies.len());
        let mut total = 0;
        for &frequency in &self.frequencies {
            total += frequency as usize;
            ends.push(total);
        }
        let mut rng = Rng::new(seed);
        let mut call = |_| {
            let place = rng.below(total);
            ends.partition_point(|&end| end <= place) as Symbol
        };
        like.iter()
            .map(|stretch| (0..stretch.len()).map(&mut call).collect())
            .collect()
    }
}

impl Lengths {
    /// Of streams with so many calls, and whether each was cut; `None` of no stream.
    pub fn of(streams: impl IntoIterator<Item = (usize, bool)>) -> Option<Self> {
        let (mut lengths, mut cut) = (Vec::new(), 0);
        for (length, was_cut) in streams {
            lengths.push(length);
            cut += usize::from(was_cut);
        }
        lengths.sort_unstable();
        let last = lengths.len().checked_sub(1)?;
        let quantile = |share: f64| {
            let place = share * last as f64;
            let (low, high) = (lengths[place as usize], lengths[place.ceil() as usize]);
            low as f64 + (high - low) as f64 * place.fract()
        };
        Some(Lengths {
            streams: lengths.len(),
            cut,
            low: quantile(0.25),
            median: quantile(0.5),
            high: quantile(0.75),
        })
    }

    /// Whether so few were cut that the lengths are those of whole streams.
    pub fn are_whole(&self) -> bool {
        self.cut as f64 <= FEW_CUT * self.streams as f64
    }
}

/// The stretches between gaps.
fn stretches(symbols: &[Symbol]) -> impl Iterator<Item = Vec<Symbol>> {
    symbols
        .split(|&symbol| symbol == Streams::GAP)
        .filter(|stretch| !stretch.is_empty())
        .map(<[Symbol]>::to_vec)
}

fn calls(stretches: &[Vec<Symbol>]) -> usize {
    stretches.iter().map(Vec::len).sum()
}

/// The first so many calls.
fn first_calls(stretches: &[Vec<Symbol>], mut calls: usize) -> Vec<&[Symbol]> {
    let mut first = Vec::new();
    for stretch in stretches {
        let taken = &stretch[..stretch.len().min(calls)];
        calls -= taken.len();
        if !taken.is_empty() {
            first.push(taken);
        }
    }
    first
}

/// How often each n-gram comes.
fn ngrams<S: AsRef<[Symbol]>>(stretches: &[S], n: usize) -> HashMap<&[Symbol], u64> {
    let mut counts = HashMap::new();
    for ngram in stretches.iter().flat_map(|s| s.as_ref().windows(n)) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

fn shares(reference: &HashMap<&[Symbol], u64>, other: &HashMap<&[Symbol], u64>) -> Option<Shares> {
    let of = |set: &HashMap<&[Symbol], u64>, within: &HashMap<&[Symbol], u64>| {
        let (mut shared, mut all, mut distinct) = (0, 0, 0u64);
        for (ngram, &times) in set {
            all += times;
            if within.contains_key(ngram) {
                shared += times;
                distinct += 1;
            }
        }
        let share = shared as f64 / all as f64;
        (all > 0).then_some((share, distinct as f64 / set.len() as f64))
    };
    let (known, distinct_known) = of(other, reference)?;
    let (covered, distinct_covered) = of(reference, other)?;
    Some(Shares {
        known,
        covered,
        distinct_known,
        distinct_covered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::tests::stream;
    use idiolect_trace::StartKind;
    use proptest::prelude::*;

    fn real(streams: &[&[&str]]) -> Streams {
        let mut real = Streams::default();
        for calls in streams {
            let one = stream(&mut real, StartKind::Exec, calls);
            real.push(one);
        }
        real
    }

    #[test]
    fn shares_by_hand() {
        let (a, b) = ([vec![1, 2, 1, 2, 3]], [vec![1, 2, 2, 2]]);
        let shares = shares(&ngrams(&a, 2), &ngrams(&b, 2)).unwrap();
        // Reference: 12 twice, 21, 23. Other: 12, 22 twice.
        assert_eq!(shares.known, 1.0 / 3.0);
        assert_eq!(shares.covered, 0.5);
        assert_eq!(shares.distinct_known, 0.5);
        assert_eq!(shares.distinct_covered, 1.0 / 3.0);
    }

    #[test]
    fn few_streams_are_halved_by_time_and_never_across_a_gap() {
        let mut one = real(&[&["a", "b", "c", "d", "e", "f"]]);
        let mut with_gap = one.get(0).clone();
        with_gap.symbols[1] = Streams::GAP;
        one.push(with_gap);
        let halves = Halves::of(&one).unwrap();
        assert_eq!(halves.halving, Halving::Time);
        assert_eq!(halves.reference, [vec![1, 2, 3], vec![1], vec![3]]);
        assert_eq!(halves.other, [vec![4, 5, 6], vec![4, 5, 6]]);
        assert_eq!(halves.calls(), 6);
        assert_eq!(Halves::of(&real(&[&["a"]])).unwrap_err(), HalvesError(1));
        assert_eq!(Halves::of(&Streams::default()).unwrap_err(), HalvesError(0));
    }

    #[test]
    fn copies_never_straddle() {
        let names: Vec<String> = (0..40).map(|i| format!("c{i}")).collect();
        let streams: Vec<Vec<&str>> = (0..120).map(|i| vec![names[i % 40].as_str(); 3]).collect();
        let streams: Vec<&[&str]> = streams.iter().map(Vec::as_slice).collect();
        let halves = Halves::of(&real(&streams)).unwrap();
        assert_eq!(halves.halving, Halving::Content);
        assert_eq!((halves.reference.len(), halves.other.len()), (60, 60));
        assert!(
            !halves
                .other
                .iter()
                .any(|other| halves.reference.contains(other))
        );
    }

    #[test]
    fn a_copy_of_the_other_half_reaches_the_ceiling_and_order_is_told_from_frequency() {
        let calls = ["a", "b", "c", "d", "e"].repeat(200);
        let halves = Halves::of(&real(&[&calls])).unwrap();
        let compared = halves.compare(&halves.other.clone(), 1);
        assert_eq!(
            (compared.reference_calls, compared.compared_calls),
            (500, 500)
        );
        for overlap in &compared.overlaps {
            assert_eq!(overlap.samples, overlap.real);
            assert_eq!(overlap.real.unwrap().known, 1.0);
            let floor = overlap.independent.unwrap();
            // Of 5^n sequences that frequency allows, five are real.
            let expected = 5f64.powi(1 - overlap.n as i32);
            assert!((floor.known - expected).abs() < 0.06, "{overlap:?}");
        }
        // A single call has no longer n-gram.
        let compared = halves.compare(&[vec![1]], 1);
        assert_eq!(compared.compared_calls, 1);
        assert_eq!(compared.overlaps[0].samples.unwrap().known, 1.0);
        assert_eq!(compared.overlaps[0].samples.unwrap().covered, 0.2);
        assert_eq!(compared.overlaps[1].samples, None);
    }

    #[test]
    fn quartiles() {
        let lengths = Lengths::of((1..=101).map(|n| (n, n > 99))).unwrap();
        assert_eq!(
            (lengths.low, lengths.median, lengths.high),
            (26.0, 51.0, 76.0)
        );
        assert!(lengths.are_whole() && lengths.cut == 2);
        let lengths = Lengths::of([(10, true), (20, false)]).unwrap();
        assert_eq!((lengths.low, lengths.median), (12.5, 15.0));
        assert!(!lengths.are_whole());
        assert_eq!(Lengths::of([]), None);
    }

    proptest! {
        #[test]
        fn shares_are_shares(
            a in prop::collection::vec(1u32..6, 0..60),
            b in prop::collection::vec(1u32..6, 0..60),
            n in 1usize..=LONGEST_NGRAM,
        ) {
            let (a, b) = ([a], [b]);
            let (a, b) = (ngrams(&a, n), ngrams(&b, n));
            let there = shares(&a, &b);
            prop_assert_eq!(there.is_some(), !a.is_empty() && !b.is_empty());
            if let Some(there) = there {
                let back = shares(&b, &a).unwrap();
                prop_assert_eq!(there.known, back.covered);
                prop_assert_eq!(there.distinct_covered, back.distinct_known);
                for share in [there.known, there.covered, there.distinct_known, there.distinct_covered] {
                    prop_assert!((0.0..=1.0).contains(&share));
                }
            }
        }
    }
}
