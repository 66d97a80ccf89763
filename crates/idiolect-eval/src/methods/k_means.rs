//! k-means on bags of calls.

use idiolect_detect::Streams;
use idiolect_nn::Rng;
use rayon::prelude::*;

use super::bag::{Calls, points, unit_counts};
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};

/// A stream's distance to the nearest of k centres of the training streams, as unit vectors of how often each
/// call occurs: Lloyd's algorithm (1982) begun by k-means++ (Arthur and Vassilvitskii 2007), with the square
/// root of half the number of streams for k.
#[derive(Clone, Debug)]
pub(super) struct KMeans;

/// Most rounds; few need more than twenty.
const ROUNDS: usize = 100;

impl Method for KMeans {
    fn name(&self) -> &str {
        "k-means"
    }

    fn settings(&self) -> String {
        format!("k = sqrt(n / 2), at most {ROUNDS} rounds")
    }

    fn readouts(&self) -> &[Readout] {
        &[Readout::DISTANCE]
    }

    fn is_seeded(&self) -> bool {
        true
    }

    fn fit(&self, job: &Job<'_>, progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let (calls, points) = points(job.streams);
        let k = ((points.len() as f64 / 2.0).sqrt().round() as usize).max(1);
        let mut centres = begin(&points, k, &mut Rng::from_parts(&[job.seed, k as u64]));
        let mut before = Vec::new();
        for round in 0..ROUNDS {
            if progress(round as f64 / ROUNDS as f64).is_break() {
                return Err(MethodError::Interrupted);
            }
            let belongs: Vec<usize> = points
                .iter()
                .map(|point| nearest(point, &centres).0)
                .collect();
            if belongs == before {
                break;
            }
            for (place, centre) in centres.iter_mut().enumerate() {
                let own = points.iter().zip(&belongs).filter(|&(_, &of)| of == place);
                let own: Vec<&Vec<f32>> = own.map(|(point, _)| point).collect();
                // A centre that nobody is near to stays where it is.
                if !own.is_empty() {
                    for (dimension, value) in centre.iter_mut().enumerate() {
                        *value = own.iter().map(|p| p[dimension]).sum::<f32>() / own.len() as f32;
                    }
                }
            }
            before = belongs;
        }
        Ok(Fitted {
            bytes: (centres.len() * (calls.len() + 1) * size_of::<f32>()) as u64,
            model: Box::new(Centres { calls, centres }),
            held_out: None,
            is_fresh: true,
        })
    }
}

/// Each next centre is a point, chosen in proportion to its squared distance to the centres so far.
fn begin(points: &[Vec<f32>], k: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
    let mut centres: Vec<Vec<f32>> = points
        .get(rng.below(points.len()))
        .cloned()
        .into_iter()
        .collect();
    let mut squares = vec![f64::INFINITY; points.len()];
    while centres.len() < k {
        let newest = &centres[centres.len() - 1..];
        for (square, point) in squares.iter_mut().zip(points) {
            *square = square.min(f64::from(nearest(point, newest).1));
        }
        let mut rest = rng.uniform() * squares.iter().sum::<f64>();
        let chosen = squares.iter().position(|square| {
            rest -= square;
            rest < 0.0
        });
        // None where every point is a centre already.
        match chosen {
            Some(place) => centres.push(points[place].clone()),
            None => break,
        }
    }
    centres
}

/// The nearest centre and the squared distance to it.
fn nearest(point: &[f32], centres: &[Vec<f32>]) -> (usize, f32) {
    let squares = centres.iter().map(|centre| {
        let differences = point.iter().zip(centre);
        differences.map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
    });
    let nearest = squares.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    nearest.unwrap_or((0, f32::INFINITY))
}

#[derive(Debug)]
struct Centres {
    calls: Calls,
    centres: Vec<Vec<f32>>,
}

impl Model for Centres {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let of = self.calls.translate(streams);
        super::on_threads(threads, || {
            let scored = places.par_iter().map(|&place| {
                let point = unit_counts(&streams.get(place).symbols, &of, self.calls.len());
                Score {
                    whole: vec![nearest(&point, &self.centres).1.sqrt()],
                    after_each: None,
                }
            });
            scored.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::scores;

    #[test]
    fn two_groups_get_a_centre_each() {
        // Eight streams: two centres.
        let train = ["a a", "a", "a a a", "a", "b", "b b", "b b b", "b"];
        for seed in 0..5 {
            let got = scores(&KMeans, &train, &["a", "b b", "a b"], seed);
            assert!(got[0] < 1e-3 && got[1] < 1e-3, "{got:?}");
            // From (1, 1) / sqrt 2 to (1, 0).
            assert!(
                (got[2] - (2.0 - 2f32.sqrt()).sqrt()).abs() < 1e-5,
                "{got:?}"
            );
        }
    }
}
