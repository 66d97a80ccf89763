//! Nearest neighbour on bags of n-grams.

use std::collections::HashMap;

use idiolect_detect::Streams;
use rayon::prelude::*;

use super::bag::{Calls, unit_grams};
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};

/// A stream's cosine distance to the nearest training stream, as vectors of how often each sequence of up to
/// n calls occurs (Kim et al. 2016 compare with it; Liao and Vemuri 2002 for single calls).
#[derive(Clone, Debug)]
pub(super) struct Nearest {
    name: &'static str,
    longest: usize,
}

impl Nearest {
    /// Of sequences of up to so many calls, at most 3.
    pub(super) fn new(name: &'static str, longest: usize) -> Self {
        Nearest { name, longest }
    }
}

impl Method for Nearest {
    fn name(&self) -> &str {
        self.name
    }

    fn settings(&self) -> String {
        format!("cosine, sequences of up to {}", self.longest)
    }

    fn readouts(&self) -> &[Readout] {
        &[Readout::DISTANCE]
    }

    fn is_seeded(&self) -> bool {
        false
    }

    fn fit(&self, job: &Job<'_>, _progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let calls = Calls::of(job.streams);
        let of = calls.translate(job.streams);
        let mut occurs: HashMap<u64, Vec<(u32, f32)>> = HashMap::new();
        for (place, stream) in job.streams.iter().enumerate() {
            for (gram, weight) in unit_grams(&stream.symbols, &of, self.longest) {
                occurs.entry(gram).or_default().push((place as u32, weight));
            }
        }
        let entries: usize = occurs.values().map(Vec::len).sum();
        Ok(Fitted {
            bytes: (occurs.len() * size_of::<u64>() + entries * size_of::<(u32, f32)>()) as u64,
            model: Box::new(Index {
                calls,
                longest: self.longest,
                streams: job.streams.len(),
                occurs,
            }),
            held_out: None,
            is_fresh: true,
        })
    }
}

/// For each sequence the training streams that have it, with its weight in each.
#[derive(Debug)]
struct Index {
    calls: Calls,
    longest: usize,
    streams: usize,
    occurs: HashMap<u64, Vec<(u32, f32)>>,
}

impl Model for Index {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let of = self.calls.translate(streams);
        super::on_threads(threads, || {
            let scored = places.par_iter().map_init(
                || vec![0.0; self.streams],
                |products, &place| {
                    products.fill(0.0);
                    for (gram, weight) in unit_grams(&streams.get(place).symbols, &of, self.longest)
                    {
                        for &(other, of_other) in self.occurs.get(&gram).into_iter().flatten() {
                            products[other as usize] += weight * of_other;
                        }
                    }
                    let nearest = products.iter().copied().fold(0.0, f32::max);
                    Score {
                        whole: vec![(1.0 - nearest).max(0.0)],
                        after_each: None,
                    }
                },
            );
            scored.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::scores;

    #[test]
    fn distances_are_cosines() {
        let bag = Nearest::new("bag-1", 1);
        let got = scores(&bag, &["a b", "a a a"], &["b a", "a", "a a a b", "z"], 1);
        assert!(got[0].abs() < 1e-6 && got[1].abs() < 1e-6, "{got:?}");
        // (3, 1) against (1, 1): 4 / sqrt 20; against (1, 0): 3 / sqrt 10.
        assert!(
            (got[2] - (1.0 - 3.0 / 10f32.sqrt())).abs() < 1e-6,
            "{got:?}"
        );
        assert_eq!(got[3], 1.0);
        // Order counts from pairs on.
        let pairs = Nearest::new("bag-2", 2);
        assert!(scores(&pairs, &["a b"], &["b a"], 1)[0] > 0.1);
    }
}
