//! Novelty of the set of calls that a stream makes.

use std::collections::HashMap;

use idiolect_detect::{Streams, Symbol};
use rayon::prelude::*;

use super::bag::Calls;
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};

/// The Jaccard distance (1901) of the set of a stream's distinct calls to those of the training streams: to
/// the nearest, and to the k-th nearest with one k for every 200 streams, which holds better as normals grow
/// diverse. While a stream goes on, the least number of its calls so far that any one training stream lacks.
#[derive(Clone, Debug)]
pub(super) struct SetNovelty;

/// Training streams for each of k.
const STREAMS_A_NEIGHBOUR: usize = 200;

const READOUTS: [Readout; 2] = [
    Readout::DISTANCE,
    Readout {
        name: "kth",
        ..Readout::DISTANCE
    },
];

impl Method for SetNovelty {
    fn name(&self) -> &str {
        "novelty"
    }

    fn settings(&self) -> String {
        format!("k = n / {STREAMS_A_NEIGHBOUR}")
    }

    fn readouts(&self) -> &[Readout] {
        &READOUTS
    }

    fn is_seeded(&self) -> bool {
        false
    }

    fn fit(&self, job: &Job<'_>, _progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let calls = Calls::of(job.streams);
        let of = calls.translate(job.streams);
        let mut times: HashMap<Vec<u64>, usize> = HashMap::new();
        for stream in job.streams.iter() {
            let mut set = CallSet::empty(calls.len());
            stream
                .symbols
                .iter()
                .for_each(|&symbol| set.insert(symbol, &of));
            *times.entry(set.known).or_default() += 1;
        }
        let mut sets: Vec<Known> = times
            .into_iter()
            .map(|(words, times)| Known {
                size: words.iter().map(|word| word.count_ones()).sum(),
                words,
                times,
            })
            .collect();
        sets.sort_unstable_by(|a, b| a.words.cmp(&b.words));
        let bytes = sets.len() * (calls.len().div_ceil(64) * 8 + size_of::<usize>());
        let neighbours = (job.streams.len() as f64 / STREAMS_A_NEIGHBOUR as f64).round() as usize;
        Ok(Fitted {
            bytes: bytes as u64,
            model: Box::new(Sets {
                calls,
                sets,
                neighbours: neighbours.max(1),
            }),
            held_out: None,
            is_fresh: true,
        })
    }
}

/// A set of calls: one bit for each that training knows, and the others.
#[derive(Clone, Debug)]
struct CallSet {
    known: Vec<u64>,
    unknown: Vec<u32>,
}

impl CallSet {
    fn empty(known: usize) -> Self {
        CallSet {
            known: vec![0; known.div_ceil(64)],
            unknown: Vec::new(),
        }
    }

    /// Adds a symbol's call.
    fn insert(&mut self, symbol: Symbol, of: &[Option<u32>]) {
        let Some(call) = of[symbol as usize] else {
            return;
        };
        match self.known.get_mut(call as usize / 64) {
            Some(word) => *word |= 1 << (call % 64),
            None if !self.unknown.contains(&call) => self.unknown.push(call),
            None => {}
        }
    }

    fn len(&self) -> u32 {
        let known: u32 = self.known.iter().map(|word| word.count_ones()).sum();
        known + self.unknown.len() as u32
    }

    /// How many calls it shares with a training stream's.
    fn shared(&self, other: &Known) -> u32 {
        let words = self.known.iter().zip(&other.words);
        words.map(|(a, b)| (a & b).count_ones()).sum()
    }
}

/// The set of some training streams.
#[derive(Debug)]
struct Known {
    words: Vec<u64>,
    size: u32,
    /// How many streams have it.
    times: usize,
}

#[derive(Debug)]
struct Sets {
    calls: Calls,
    sets: Vec<Known>,
    neighbours: usize,
}

impl Sets {
    /// Distances to the nearest and to the k-th nearest training stream.
    fn distances(&self, set: &CallSet) -> [f32; 2] {
        let size = set.len();
        let mut distances: Vec<(f32, usize)> = self
            .sets
            .iter()
            .map(|known| {
                let shared = set.shared(known);
                let all = size + known.size - shared;
                ((all - shared) as f32 / all.max(1) as f32, known.times)
            })
            .collect();
        distances.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut streams = 0;
        let kth = distances.iter().find(|(_, times)| {
            streams += times;
            streams >= self.neighbours
        });
        let of = |found: Option<&(f32, usize)>| found.map_or(1.0, |&(distance, _)| distance);
        [of(distances.first()), of(kth)]
    }

    /// The fewest of its calls that a training stream lacks.
    fn lacking(&self, set: &CallSet) -> f32 {
        let shared = self.sets.iter().map(|known| set.shared(known)).max();
        (set.len() - shared.unwrap_or(0)) as f32
    }
}

impl Model for Sets {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let of = self.calls.translate(streams);
        super::on_threads(threads, || {
            let scored = places.par_iter().map(|&place| {
                let mut set = CallSet::empty(self.calls.len());
                let (mut size, mut lacking) = (0, 0.0);
                let after_each = streams.get(place).symbols.iter().map(|&symbol| {
                    set.insert(symbol, &of);
                    // It changes only where the set does.
                    if set.len() != size {
                        (size, lacking) = (set.len(), self.lacking(&set));
                    }
                    lacking
                });
                let after_each = Some(after_each.collect());
                Score {
                    whole: self.distances(&set).to_vec(),
                    after_each,
                }
            });
            scored.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::{scores, streams};
    use std::ops::ControlFlow;

    #[test]
    fn jaccard_distances_and_unknown_calls() {
        let got = scores(
            &SetNovelty,
            &["a b c", "d"],
            &["c b a a", "a b", "a b z y", "z", "d - d"],
            1,
        );
        assert_eq!(got, [0.0, 1.0 / 3.0, 3.0 / 5.0, 1.0, 0.0]);
    }

    #[test]
    fn the_kth_neighbour_counts_streams_and_the_streaming_form_what_is_lacking() {
        // 400 streams, so the second nearest.
        let mut of = vec!["a b"; 399];
        of.push("c d");
        let train = streams(&of);
        let job = Job {
            streams: &train,
            seed: 1,
            threads: 1,
            scratch: None,
        };
        let go_on = &mut |_| ControlFlow::Continue(());
        let model = SetNovelty.fit(&job, go_on).unwrap().model;
        let test = streams(&["c a b d x"]);
        let score = &model.score(&test, &[0], 1)[0];
        // Shares two of five with either.
        assert_eq!(score.whole, [0.6, 0.6]);
        assert_eq!(score.after_each, Some(vec![0.0, 1.0, 1.0, 2.0, 3.0]));
        let lone = &model.score(&streams(&["c d"]), &[0], 1)[0];
        assert_eq!(lone.whole, [0.0, 1.0]);
    }
}
