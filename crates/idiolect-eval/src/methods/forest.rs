//! Isolation forest on bags of calls.

use idiolect_detect::Streams;
use idiolect_nn::Rng;
use rayon::prelude::*;

use super::bag::{Calls, points, unit_counts};
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};

/// How soon random cuts isolate a stream, as a unit vector of how often each call occurs (Liu, Ting and Zhou
/// 2008): 2^(-E/c) for the mean depth E over 100 trees of 256 streams each, and c the mean depth of an
/// unsuccessful search in a tree of as many.
#[derive(Clone, Debug)]
pub(super) struct IsolationForest;

/// Trees, and streams in each: the paper's.
const TREES: usize = 100;
const SAMPLE: usize = 256;

impl Method for IsolationForest {
    fn name(&self) -> &str {
        "isolation-forest"
    }

    fn settings(&self) -> String {
        format!("{TREES} trees of {SAMPLE}")
    }

    fn readouts(&self) -> &[Readout] {
        &[Readout::DISTANCE]
    }

    fn is_seeded(&self) -> bool {
        true
    }

    fn fit(&self, job: &Job<'_>, _progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let (calls, points) = points(job.streams);
        let sample = SAMPLE.min(points.len());
        let deepest = (sample.max(2) as f64).log2().ceil() as usize;
        let trees: Vec<Node> = (0..TREES)
            .map(|tree| {
                let mut rng = Rng::from_parts(&[job.seed, tree as u64]);
                let mut chosen: Vec<&[f32]> = points.iter().map(Vec::as_slice).collect();
                rng.shuffle(&mut chosen);
                chosen.truncate(sample);
                Node::grow(&chosen, deepest, &mut rng)
            })
            .collect();
        let nodes: usize = trees.iter().map(Node::count).sum();
        Ok(Fitted {
            bytes: (nodes * size_of::<Node>()) as u64,
            model: Box::new(Forest {
                calls,
                trees,
                usual: usual_depth(sample),
            }),
            held_out: None,
            is_fresh: true,
        })
    }
}

/// Mean depth of an unsuccessful search in a binary tree of so many points.
fn usual_depth(points: usize) -> f32 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let n = points as f64;
    match points {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => (2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n) as f32,
    }
}

#[derive(Debug)]
enum Node {
    /// So many points that are not told apart.
    Leaf(usize),
    /// Below the cut, and from it on.
    Cut {
        dimension: usize,
        at: f32,
        sides: Box<[Node; 2]>,
    },
}

impl Node {
    fn grow(points: &[&[f32]], deepest: usize, rng: &mut Rng) -> Self {
        let dimensions = points.first().map_or(0, |point| point.len());
        let range = |dimension: usize| {
            let values = points.iter().map(|point| point[dimension]);
            values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let varied: Vec<usize> = (0..dimensions)
            .filter(|&d| range(d).0 < range(d).1)
            .collect();
        if deepest == 0 || points.len() < 2 || varied.is_empty() {
            return Node::Leaf(points.len());
        }
        let dimension = varied[rng.below(varied.len())];
        let (low, high) = range(dimension);
        let at = low + (high - low) * rng.uniform() as f32;
        let (below, above): (Vec<&[f32]>, Vec<&[f32]>) =
            points.iter().partition(|point| point[dimension] < at);
        let sides = [below, above].map(|side| Node::grow(&side, deepest - 1, rng));
        Node::Cut {
            dimension,
            at,
            sides: Box::new(sides),
        }
    }

    fn depth(&self, point: &[f32]) -> f32 {
        match self {
            Node::Leaf(points) => usual_depth(*points),
            Node::Cut {
                dimension,
                at,
                sides,
            } => 1.0 + sides[usize::from(point[*dimension] >= *at)].depth(point),
        }
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(_) => 1,
            Node::Cut { sides, .. } => 1 + sides.iter().map(Node::count).sum::<usize>(),
        }
    }
}

#[derive(Debug)]
struct Forest {
    calls: Calls,
    trees: Vec<Node>,
    usual: f32,
}

impl Model for Forest {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let of = self.calls.translate(streams);
        super::on_threads(threads, || {
            let scored = places.par_iter().map(|&place| {
                let point = unit_counts(&streams.get(place).symbols, &of, self.calls.len());
                let depths = self.trees.iter().map(|tree| tree.depth(&point));
                let mean = depths.sum::<f32>() / self.trees.len() as f32;
                Score {
                    whole: vec![(-mean / self.usual.max(1.0)).exp2()],
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

    #[test]
    fn what_lies_apart_is_isolated_soon() {
        let mut rng = Rng::new(1);
        let mut points: Vec<Vec<f32>> = (0..255)
            .map(|_| vec![rng.normal() as f32, rng.normal() as f32])
            .collect();
        points.push(vec![9.0, 9.0]);
        let all: Vec<&[f32]> = points.iter().map(Vec::as_slice).collect();
        let trees: Vec<Node> = (0..50).map(|_| Node::grow(&all, 8, &mut rng)).collect();
        let mean = |point: &[f32]| trees.iter().map(|tree| tree.depth(point)).sum::<f32>() / 50.0;
        assert!(mean(&[9.0, 9.0]) < 0.6 * mean(&[0.0, 0.0]));
        // As Liu et al. give it: c(256) = 10.24.
        assert!((usual_depth(256) - 10.244_77).abs() < 1e-3);
    }
}
