//! How sure a figure is: resampling over streams, over seeds and over folds.
//!
//! The bootstrap (Efron 1979) draws normal streams and attacks, each with replacement and as many as there
//! are, and measures again; the interval holds the middle 95 % of what it gets (the percentile method).
//! Every replicate has a generator of its own, by its number, so results do not depend on the number of
//! threads, and two detectors are measured on the very same draws.

use std::hash::Hash;

use idiolect_nn::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::metrics::{Measure, Ranked};

/// Replicates where nothing else is asked for.
pub const REPLICATES: usize = 1_000;

/// The middle 95 % of a bootstrap's replicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Between {
    /// 2.5 % of the replicates are lower.
    pub low: f64,
    /// 2.5 % are higher.
    pub high: f64,
}

/// A measure with how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Which.
    pub measure: Measure,
    /// Its value: the mean over runs.
    pub value: f64,
    /// Its interval over streams, all runs measured on the same draws.
    pub between: Option<Between>,
    /// Its standard deviation over seeds (n - 1), each the mean of its folds; where there are several.
    pub deviation: Option<f64>,
}

/// How two detectors differ in a measure on the same streams.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    pub measure: Measure,
    /// The first less the second.
    pub value: f64,
    /// The interval of that over streams.
    pub between: Option<Between>,
}

/// The scores of one run (a seed, a fold) of a detector on the streams of a data set.
#[derive(Clone, Debug)]
pub struct Scores {
    seed: u64,
    /// The stream of each score, by its place in the data set.
    streams: Vec<u32>,
    ranked: Ranked,
}

impl Scores {
    /// Of the run's seed and these streams, each with a score and whether it is an attack.
    ///
    /// # Errors
    /// [`NotANumber`](crate::metrics::NotANumber), with the place in the list.
    pub fn new(
        seed: u64,
        scores: impl IntoIterator<Item = (usize, f64, bool)>,
    ) -> Result<Self, crate::metrics::NotANumber> {
        let (mut streams, mut values, mut attack) = (Vec::new(), Vec::new(), Vec::new());
        for (stream, score, is_attack) in scores {
            streams.push(stream as u32);
            values.push(score);
            attack.push(is_attack);
        }
        let ranked = Ranked::new(&values, &attack)?;
        Ok(Scores {
            seed,
            streams,
            ranked,
        })
    }

    fn measure(&self, draw: Option<&[u32]>) -> Option<[f64; Measure::ALL.len()]> {
        let curve = match draw {
            None => self.ranked.curve(),
            Some(times) => self
                .ranked
                .curve_of(|place| times[self.streams[place] as usize]),
        }?;
        Some(Measure::ALL.map(|measure| curve.get(measure)))
    }
}

/// The mean of each measure over those runs that it can be measured on: a draw may leave a fold without
/// attacks.
fn mean_of(runs: &[Scores], draw: Option<&[u32]>) -> Option<[f64; Measure::ALL.len()]> {
    let measured: Vec<_> = runs.iter().filter_map(|run| run.measure(draw)).collect();
    let n = measured.len() as f64;
    (!measured.is_empty()).then(|| {
        std::array::from_fn(|place| measured.iter().map(|values| values[place]).sum::<f64>() / n)
    })
}

/// Which streams of a data set are normal ones to test on, and which are attacks.
#[derive(Clone, Debug)]
pub struct Strata {
    normal: Vec<u32>,
    attack: Vec<u32>,
    streams: usize,
}

impl Strata {
    /// Of those streams, among `streams` in all, that any of these runs scored.
    pub fn of(runs: &[Scores], attack: impl Fn(usize) -> bool, streams: usize) -> Self {
        let mut seen = vec![false; streams];
        for &stream in runs.iter().flat_map(|run| &run.streams) {
            seen[stream as usize] = true;
        }
        let (attack, normal) = (0..streams as u32)
            .filter(|&stream| seen[stream as usize])
            .partition(|&stream| attack(stream as usize));
        Strata {
            normal,
            attack,
            streams,
        }
    }

    /// How many normal streams and how many attacks.
    pub fn counts(&self) -> [usize; 2] {
        [self.normal.len(), self.attack.len()]
    }

    /// How often each stream is drawn in a replicate.
    fn draw(&self, seed: u64, replicate: usize) -> Vec<u32> {
        let mut rng = Rng::from_parts(&[seed, replicate as u64]);
        let mut times = vec![0; self.streams];
        for part in [&self.normal, &self.attack] {
            for _ in 0..part.len() {
                times[part[rng.below(part.len())] as usize] += 1;
            }
        }
        times
    }

    /// Each replicate through a function, in their order whatever the number of threads.
    fn replicates<T: Send>(
        &self,
        seed: u64,
        replicates: usize,
        measure: impl Fn(&[u32]) -> Option<T> + Sync,
    ) -> Vec<T> {
        let all = (0..replicates).into_par_iter();
        all.filter_map(|replicate| measure(&self.draw(seed, replicate)))
            .collect()
    }
}

/// Every measure of a detector over its runs, in the order of their seeds, with intervals; none where normal streams or attacks are
/// lacking.
pub fn estimate(
    runs: &[Scores],
    strata: &Strata,
    seed: u64,
    replicates: usize,
) -> Option<Vec<Estimate>> {
    let values = mean_of(runs, None)?;
    let by_seed: Vec<_> = runs
        .chunk_by(|a, b| a.seed == b.seed)
        .filter_map(|folds| mean_of(folds, None))
        .collect();
    let drawn = strata.replicates(seed, replicates, |draw| mean_of(runs, Some(draw)));
    let of = |(place, measure): (usize, Measure)| Estimate {
        measure,
        value: values[place],
        between: middle(drawn.iter().map(|values| values[place])),
        deviation: deviation(by_seed.iter().map(|values| values[place])),
    };
    Some(Measure::ALL.into_iter().enumerate().map(of).collect())
}

/// How two detectors differ in every measure, by the paired bootstrap: each replicate draws streams once
/// and measures both on them.
pub fn compare(
    first: &[Scores],
    second: &[Scores],
    strata: &Strata,
    seed: u64,
    replicates: usize,
) -> Option<Vec<Difference>> {
    let difference = |draw: Option<&[u32]>| {
        let (a, b) = (mean_of(first, draw)?, mean_of(second, draw)?);
        Some(std::array::from_fn::<_, { Measure::ALL.len() }, _>(|i| {
            a[i] - b[i]
        }))
    };
    let values = difference(None)?;
    let drawn = strata.replicates(seed, replicates, |draw| difference(Some(draw)));
    let of = |(place, measure): (usize, Measure)| Difference {
        measure,
        value: values[place],
        between: middle(drawn.iter().map(|values| values[place])),
    };
    Some(Measure::ALL.into_iter().enumerate().map(of).collect())
}

/// The middle 95 % of some values, quantiles interpolated between order statistics; none of fewer than 2.
pub fn middle(values: impl Iterator<Item = f64>) -> Option<Between> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    if values.len() < 2 {
        return None;
    }
    let at = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        values[low] + (values[high] - values[low]) * place.fract()
    };
    Some(Between {
        low: at(0.025),
        high: at(0.975),
    })
}

/// The standard deviation (n - 1) of some values; none of fewer than 2.
pub fn deviation(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
}

/// The fold of each stream, from 0, by what must not be torn apart (its content, its recording): different ones
/// are shuffled by the seed and dealt in turn, so folds are even in them, and streams of one share a fold.
pub fn folds<K: Ord + Hash>(of: &[K], folds: usize, seed: u64) -> Vec<usize> {
    /// Tells these draws from others of the seed.
    const FOLDS: u64 = u64::from_le_bytes(*b"folds\0\0\0");
    let mut distinct: Vec<&K> = of.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    Rng::from_parts(&[seed, FOLDS]).shuffle(&mut distinct);
    let fold_of: std::collections::HashMap<_, _> = distinct
        .into_iter()
        .enumerate()
        .map(|(place, one)| (one, place % folds.max(1)))
        .collect();
    of.iter().map(|one| fold_of[one]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of `n` normal streams and `n` attacks, normally distributed, the attacks `shift` higher.
    fn drawn(n: usize, shift: f64, seed: u64) -> Scores {
        let mut rng = Rng::new(seed);
        let of = |stream: usize| {
            let attack = stream >= n;
            (
                stream,
                rng.normal() + if attack { shift } else { 0.0 },
                attack,
            )
        };
        Scores::new(seed, (0..2 * n).map(of)).unwrap()
    }

    fn strata(runs: &[Scores], n: usize) -> Strata {
        Strata::of(runs, |stream| stream >= n, 2 * n)
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        // The AUC of two normal distributions one deviation apart is Phi(1 / sqrt 2).
        let truth = 0.760_249_938_906_524;
        let trials = 200;
        let held = (0..trials).filter(|&trial| {
            let runs = [drawn(60, 1.0, trial)];
            let estimates = estimate(&runs, &strata(&runs, 60), 1, 200).unwrap();
            let between = estimates[0].between.unwrap();
            between.low <= truth && truth <= between.high
        });
        let share = held.count() as f64 / trials as f64;
        assert!((0.9..=0.99).contains(&share), "{share}");
    }

    #[test]
    fn a_pair_is_surer_than_its_parts() {
        // The second is the first with a little noise: their difference is far surer than either.
        let n = 100;
        let mut rng = Rng::new(5);
        let mut two = [Vec::new(), Vec::new()];
        for stream in 0..2 * n {
            let attack = stream >= n;
            let score = rng.normal() + if attack { 1.0 } else { 0.0 };
            two[0].push((stream, score, attack));
            two[1].push((stream, score + 0.05 * rng.normal(), attack));
        }
        let [first, second] = two.map(|scores| [Scores::new(1, scores).unwrap()]);
        let strata = strata(&first, n);
        let width = |between: Option<Between>| between.map_or(f64::NAN, |b| b.high - b.low);
        let alone = width(estimate(&first, &strata, 1, 300).unwrap()[0].between);
        let pair = compare(&first, &second, &strata, 1, 300).unwrap()[0];
        assert!(width(pair.between) < 0.3 * alone, "{pair:?}, {alone}");
        let same = compare(&first, &first, &strata, 1, 50).unwrap();
        assert!(same.iter().all(|d| d.between
            == Some(Between {
                low: 0.0,
                high: 0.0
            })));
    }

    #[test]
    fn threads_change_nothing_and_seeds_do() {
        let runs = [drawn(50, 1.0, 1), drawn(50, 1.0, 2)];
        let strata = strata(&runs, 50);
        let on = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| estimate(&runs, &strata, seed, 100).unwrap())
        };
        assert_eq!(on(1, 3), on(2, 3));
        assert_ne!(on(1, 3), on(1, 4));
        let deviation = on(1, 3)[0].deviation.unwrap();
        let [a, b] = [0, 1].map(|run| runs[run].measure(None).unwrap()[0]);
        assert!((deviation - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn folds_are_even_and_keep_copies_together() {
        let content = |n: usize| [(n / 3) as u8; 32];
        let contents: Vec<[u8; 32]> = (0..90).map(content).collect();
        let folds = folds(&contents, 5, 1);
        for fold in 0..5 {
            assert_eq!(folds.iter().filter(|&&f| f == fold).count(), 18);
        }
        assert!((0..90).all(|i| folds[i] == folds[i / 3 * 3]));
        assert_ne!(folds, super::folds(&contents, 5, 2));
    }

    #[test]
    fn quantiles_are_interpolated() {
        let between = middle((0..41).map(f64::from)).unwrap();
        assert_eq!((between.low, between.high), (1.0, 39.0));
        assert_eq!(middle([1.0].into_iter()), None);
        assert_eq!(deviation([1.0, 3.0].into_iter()), Some(2f64.sqrt()));
    }
}
