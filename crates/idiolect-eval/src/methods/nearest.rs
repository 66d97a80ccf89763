//! Nearest neighbour on bags of n-grams.

use idiolect_detect::Streams;

use super::index::Index;
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
        let index = Index::of(job.streams, self.longest);
        Ok(Fitted {
            bytes: index.bytes(),
            model: Box::new(Neighbours(index)),
            held_out: None,
            is_fresh: true,
        })
    }
}

#[derive(Debug)]
struct Neighbours(Index);

impl Model for Neighbours {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let distance = |products: &[f32]| {
            let nearest = products.iter().copied().fold(0.0, f32::max);
            (1.0 - nearest).max(0.0)
        };
        self.0.score(streams, places, threads, distance)
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
