//! Novelty of the set of calls that a stream makes.

use idiolect_detect::novelty::{CallSet, Distances, KnownSets};
use idiolect_detect::{Streams, Symbol, Token, Vocabulary};
use rayon::prelude::*;

use super::per_call::token_of;
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};

/// The Jaccard distance (1901) of the set of a stream's distinct calls to those of the training streams: to
/// the nearest, and to the k-th nearest with one k for every 200 streams, which holds better as normals grow
/// diverse. While a stream goes on, the least number of its calls so far that any one training stream lacks.
///
/// A profile's signals of these names are the same but for calls that training never made: here each of them is
/// an element of a stream's set, there they are one.
#[derive(Clone, Debug)]
pub(super) struct SetNovelty;

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
        "k = n / 200".to_owned()
    }

    fn readouts(&self) -> &[Readout] {
        &READOUTS
    }

    fn is_seeded(&self) -> bool {
        false
    }

    fn fit(&self, job: &Job<'_>, _progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let vocabulary = job.vocabulary();
        let token_of = token_of(job.streams, &vocabulary);
        let of = |symbols: &[Symbol]| {
            let tokens = symbols.iter().map(|&symbol| token_of[symbol as usize]);
            CallSet::of(vocabulary.len(), tokens)
        };
        let sets = KnownSets::of(job.streams.iter().map(|stream| of(&stream.symbols)))
            .ok_or_else(|| MethodError::unfit("there is no stream to learn from"))?;
        Ok(Fitted {
            bytes: sets.bytes() as u64,
            model: Box::new(Sets { vocabulary, sets }),
            held_out: None,
            is_fresh: true,
        })
    }
}

#[derive(Debug)]
struct Sets {
    vocabulary: Vocabulary,
    sets: KnownSets,
}

impl Sets {
    fn score(&self, symbols: &[Symbol], token_of: &[Token]) -> Score {
        let mut set = CallSet::empty(self.vocabulary.len());
        let mut unknown: Vec<Symbol> = Vec::new();
        let mut found: Option<Distances> = None;
        let mut after_each = Vec::with_capacity(symbols.len());
        for &symbol in symbols {
            let grew = match token_of[symbol as usize] {
                Vocabulary::UNKNOWN if unknown.contains(&symbol) => false,
                Vocabulary::UNKNOWN => {
                    unknown.push(symbol);
                    true
                }
                token => set.insert(token),
            };
            // Distances change only where the set does.
            if grew || found.is_none() {
                found = Some(self.sets.distances(&set, unknown.len() as u32));
            }
            after_each.push(found.map_or(0.0, |found| found.lacking as f32));
        }
        let found = found.unwrap_or_else(|| self.sets.distances(&set, 0));
        Score {
            whole: vec![found.nearest, found.kth],
            after_each: Some(after_each),
        }
    }
}

impl Model for Sets {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let token_of = token_of(streams, &self.vocabulary);
        super::on_threads(threads, || {
            let scored = places.par_iter();
            let scored = scored.map(|&place| self.score(&streams.get(place).symbols, &token_of));
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
