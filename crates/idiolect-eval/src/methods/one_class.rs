//! One-class support vector machine on bags of n-grams.

mod smo;

use std::collections::BTreeMap;

use idiolect_detect::Streams;

use super::bag::Calls;
use super::index::{Bag, Index, bags};
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};
use smo::{Kernel, solve};

/// How far a stream lies outside of what holds most training streams (Schoelkopf et al. 2001), as vectors of
/// how often each sequence of up to n calls occurs, of unit length: 1 - sum_i a_i k(x_i, x) / sum_i a_i, which
/// lies in 0 to 1 and orders streams as the decision function does. The kernel is exp(-g |x - y|^2), and 1 / g
/// the mean squared distance of training streams from their mean.
#[derive(Clone, Debug)]
pub(super) struct OneClass {
    name: &'static str,
    longest: usize,
}

/// At most this share of the training streams lies outside, and at least this share supports.
const NU: f64 = 0.1;

impl OneClass {
    /// Of sequences of up to so many calls, at most 3.
    pub(super) fn new(name: &'static str, longest: usize) -> Self {
        OneClass { name, longest }
    }
}

impl Method for OneClass {
    fn name(&self) -> &str {
        self.name
    }

    fn settings(&self) -> String {
        let (longest, tolerance) = (self.longest, smo::TOLERANCE);
        format!("RBF, nu {NU}, sequences of up to {longest}, to {tolerance}")
    }

    fn readouts(&self) -> &[Readout] {
        &[Readout::DISTANCE]
    }

    fn is_seeded(&self) -> bool {
        false
    }

    fn fit(&self, job: &Job<'_>, progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let calls = Calls::of(job.streams);
        let all = bags(job.streams, &calls, self.longest);
        let gamma = gamma(&all);
        let (points, times) = different(all);
        let index = Index::of_bags(calls.clone(), self.longest, &points);
        let kernel = Kernel::new(gamma, &points, &index);
        let total = times.iter().sum::<f64>() * NU;
        let weights = solve(&kernel, &times, total, progress)?;

        let supports = points.into_iter().zip(weights).filter(|&(_, a)| a > 0.0);
        let (supports, weights): (Vec<Bag>, Vec<f64>) = supports.unzip();
        let model = Supports {
            index: Index::of_bags(calls, self.longest, &supports),
            weights: weights.iter().map(|a| a / total).collect(),
            gamma,
        };
        Ok(Fitted {
            bytes: model.index.bytes() + size_of_val(&model.weights[..]) as u64,
            model: Box::new(model),
            held_out: None,
            is_fresh: true,
        })
    }
}

/// 1 / the mean squared distance from the mean; 1 where all are the same.
fn gamma(bags: &[Bag]) -> f64 {
    let n = bags.len().max(1) as f64;
    let mut mean: BTreeMap<u64, f64> = BTreeMap::new();
    for &(gram, weight) in bags.iter().flatten() {
        *mean.entry(gram).or_default() += f64::from(weight) / n;
    }
    let variance = 1.0 - mean.values().map(|m| m * m).sum::<f64>();
    // Below that there is nothing but rounding.
    if variance > 1e-6 { 1.0 / variance } else { 1.0 }
}

/// The bags without copies, and how often each comes: copies share one weight, which may be as large as
/// theirs together.
fn different(mut bags: Vec<Bag>) -> (Vec<Bag>, Vec<f64>) {
    let order = |a: &Bag, b: &Bag| {
        let entry = |&(gram, weight): &(u64, f32)| (gram, weight.to_bits());
        a.iter().map(entry).cmp(b.iter().map(entry))
    };
    bags.sort_by(order);
    let mut points: Vec<Bag> = Vec::new();
    let mut times = Vec::new();
    for bag in bags {
        match times.last_mut() {
            Some(times) if points.last() == Some(&bag) => *times += 1.0,
            _ => {
                points.push(bag);
                times.push(1.0);
            }
        }
    }
    (points, times)
}

/// exp(-g |x - y|^2) of two bags by their product; both are of unit length, since no stream is without calls.
fn rbf(gamma: f64, product: f32) -> f64 {
    (-gamma * 2.0 * (1.0 - f64::from(product)).max(0.0)).exp()
}

/// Streams that support, with their weights, which sum to 1.
#[derive(Debug)]
struct Supports {
    index: Index,
    weights: Vec<f64>,
    gamma: f64,
}

impl Model for Supports {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        let outside = |products: &[f32]| {
            let supports = self.weights.iter().zip(products);
            let inside = supports.map(|(weight, &product)| weight * rbf(self.gamma, product));
            (1.0 - inside.sum::<f64>()).clamp(0.0, 1.0) as f32
        };
        self.index.score(streams, places, threads, outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::scores;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        longest: usize,
        gamma: f64,
        train: Vec<String>,
        test: Vec<String>,
        /// 1 - score_samples / (nu n)
        outside: Vec<f64>,
    }

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let vectors = include_str!("../../../../parity/one_class_vectors.json");
        let vectors: Vectors = serde_json::from_str(vectors).unwrap();
        assert!(!vectors.cases.is_empty());
        for case in &vectors.cases {
            let [train, test] = [&case.train, &case.test]
                .map(|streams| streams.iter().map(String::as_str).collect::<Vec<_>>());
            let svm = OneClass::new("svm", case.longest);
            let streams = crate::methods::tests::streams(&train);
            let all = bags(&streams, &Calls::of(&streams), case.longest);
            assert!(
                (gamma(&all) / case.gamma - 1.0).abs() < 1e-4,
                "{}",
                gamma(&all)
            );
            for (ours, theirs) in scores(&svm, &train, &test, 1).iter().zip(&case.outside) {
                assert!((f64::from(*ours) - theirs).abs() < 2e-5, "{ours} {theirs}");
            }
        }
    }

    #[test]
    fn copies_share_a_weight() {
        let bag = |gram| vec![(gram, 1.0)];
        let (points, times) = different(vec![bag(2), bag(1), bag(2), bag(2)]);
        assert_eq!((points, times), (vec![bag(1), bag(2)], vec![1.0, 3.0]));
    }

    #[test]
    fn streams_that_are_all_alike_are_one_point() {
        let svm = OneClass::new("svm", 1);
        let got = scores(&svm, &["a b", "a b", "a b"], &["a b", "z"], 1);
        assert!(got[0] < 1e-6, "{got:?}");
        // At a squared distance of 2 from the only point.
        assert!((got[1] - (1.0 - (-2.0f32).exp())).abs() < 1e-6, "{got:?}");
    }
}
