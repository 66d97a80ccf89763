//! From counts to probabilities: two interpolated smoothings of n-gram models.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::automaton::{Counted, EMPTY};

/// How an n-gram model shares out probability among calls that did and did not follow a context.
///
/// Both mix what followed a context h with the model of the next shorter one h':
/// p(w | h) = a(w, h) + g(h) p(w | h'), and the empty context with a uniform distribution over all calls
/// of the vocabulary and the unknown call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smoothing {
    /// Witten and Bell 1991, their method C, interpolated: of a context that stood N times and was followed
    /// by T different calls, a = c(w) / (N + T) and g = T / (N + T).
    WittenBell,
    /// Modified Kneser-Ney, interpolated (Chen and Goodman 1999): from each count a discount is taken that
    /// depends on whether it is 1, 2 or more, estimated for each order from how many n-grams were seen
    /// once to four times. Counts of lower orders are the numbers of different tokens before an n-gram; those
    /// that begin with a stream's start, before which nothing stands, are counted as they are. Where
    /// an order has too few n-grams for an estimate between 0 and the count, its discounts are 1/2, 1
    /// and 3/2.
    KneserNey,
}

impl Smoothing {
    /// Its name in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Smoothing::WittenBell => "witten-bell",
            Smoothing::KneserNey => "kneser-ney",
        }
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Smoothing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "witten-bell" | "wb" => Ok(Smoothing::WittenBell),
            "kneser-ney" | "kn" => Ok(Smoothing::KneserNey),
            _ => Err("a smoothing is witten-bell (wb) or kneser-ney (kn)".to_owned()),
        }
    }
}

/// Probabilities by edge and by context.
pub(crate) struct Smoothed {
    /// p of each edge's call after its context.
    pub(crate) probabilities: Vec<f64>,
    /// The share g that each context leaves to the next shorter one.
    pub(crate) left: Vec<f64>,
}

/// The probabilities of an automaton's edges; `uniform` is that of each call after nothing at all.
pub(crate) fn smooth(counted: &Counted, smoothing: Smoothing, uniform: f64) -> Smoothed {
    match smoothing {
        Smoothing::WittenBell => {
            let of_node = |_: usize, counts: &[u32]| {
                let stood: f64 = counts.iter().map(|&count| f64::from(count)).sum();
                let different = counts.len() as f64;
                Shares {
                    total: stood + different,
                    discounts: [0.0; 4],
                    left: different / (stood + different),
                }
            };
            mix(counted, &counted.counts, uniform, of_node)
        }
        Smoothing::KneserNey => {
            let adjusted = adjusted_counts(counted);
            let discounts = discounts(counted, &adjusted);
            let of_node = |depth: usize, counts: &[u32]| {
                let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
                let discounts = discounts[depth];
                let taken: f64 = counts.iter().map(|&count| of(&discounts, count)).sum();
                Shares {
                    total,
                    discounts,
                    left: taken / total,
                }
            };
            mix(counted, &adjusted, uniform, of_node)
        }
    }
}

/// How one context shares out its probability.
struct Shares {
    /// What counts are divided by.
    total: f64,
    /// What is taken from counts of 0, 1, 2 and more.
    discounts: [f64; 4],
    /// What is left to the next shorter context.
    left: f64,
}

fn of(discounts: &[f64; 4], count: u32) -> f64 {
    discounts[count.min(3) as usize]
}

fn mix(
    counted: &Counted,
    counts: &[u32],
    uniform: f64,
    of_node: impl Fn(usize, &[u32]) -> Shares,
) -> Smoothed {
    let automaton = &counted.automaton;
    let mut smoothed = Smoothed {
        probabilities: vec![0.0; counts.len()],
        left: vec![0.0; automaton.len()],
    };
    for depth in 0..counted.levels.len() - 1 {
        for node in counted.levels[depth]..counted.levels[depth + 1] {
            let edges = automaton.edges(node as u32);
            let shares = of_node(depth, &counts[edges.clone()]);
            smoothed.left[node] = shares.left;
            for edge in edges {
                let shorter = counted.shorter_edges[edge] as usize;
                let below = smoothed.probabilities.get(shorter).copied();
                let count = f64::from(counts[edge]) - of(&shares.discounts, counts[edge]);
                smoothed.probabilities[edge] =
                    count / shares.total + shares.left * below.unwrap_or(uniform);
            }
        }
    }
    smoothed
}

/// Kneser and Ney's counts: those of whole contexts as they are, of others how many different tokens stood
/// before the n-gram.
fn adjusted_counts(counted: &Counted) -> Vec<u32> {
    let automaton = &counted.automaton;
    let mut adjusted = vec![0u32; counted.counts.len()];
    for node in 0..automaton.len() as u32 {
        for edge in automaton.edges(node) {
            if counted.is_whole(node) {
                adjusted[edge] = counted.counts[edge];
            }
            if node != EMPTY {
                adjusted[counted.shorter_edges[edge] as usize] += 1;
            }
        }
    }
    adjusted
}

/// Chen and Goodman's three discounts for the n-grams of each order: by contexts of each depth.
fn discounts(counted: &Counted, adjusted: &[u32]) -> Vec<[f64; 4]> {
    let depths = 0..counted.levels.len() - 1;
    let of_depth = |depth: usize| {
        // n[k]: n-grams that count k.
        let mut n = [0f64; 5];
        for node in counted.levels[depth]..counted.levels[depth + 1] {
            for &count in &adjusted[counted.automaton.edges(node as u32)] {
                if let Some(n) = n.get_mut(count as usize) {
                    *n += 1.0;
                }
            }
        }
        let y = n[1] / (n[1] + 2.0 * n[2]);
        let estimate = |k: usize| k as f64 - (k as f64 + 1.0) * y * n[k + 1] / n[k];
        let estimates = [0.0, estimate(1), estimate(2), estimate(3)];
        let sound = (1..=3).all(|k| estimates[k] > 0.0 && estimates[k] <= k as f64);
        if sound {
            estimates
        } else {
            [0.0, 0.5, 1.0, 1.5]
        }
    };
    depths.map(of_depth).collect()
}
