//! Prediction by partial matching.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::automaton::{Automaton, Counted, EMPTY};
use super::grams::{Grams, TableError, short};
use super::walk::Walk;
use crate::{Token, Vocabulary};

/// How PPM shares out probability between the calls that followed a context, of which call w did c(w) of N
/// times, T different ones in all, and the escape to a shorter context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// Method C (Moffat 1990): c(w) / (N + T), escape T / (N + T).
    C,
    /// Method D (Howard 1993): (2 c(w) - 1) / 2N, escape T / 2N.
    D,
}

impl Escape {
    /// Its name in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Escape::C => "c",
            Escape::D => "d",
        }
    }

    /// The weights of a call that followed so often, and of the escape where the calls that count followed
    /// `stood` times, `different` ones in all; the escape's weight and all of theirs sum to the last.
    fn weights(self, stood: f64, different: f64) -> (f64, f64) {
        match self {
            Escape::C => (different, stood + different),
            Escape::D => (different, 2.0 * stood),
        }
    }

    fn weight(self, count: u32) -> f64 {
        match self {
            Escape::C => f64::from(count),
            Escape::D => 2.0 * f64::from(count) - 1.0,
        }
    }
}

impl fmt::Display for Escape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Escape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "c" | "C" => Ok(Escape::C),
            "d" | "D" => Ok(Escape::D),
            _ => Err("an escape method of PPM is c or d".to_owned()),
        }
    }
}

/// Prediction by partial matching (Cleary and Witten 1984) with exclusion, learned once and then
/// fixed: a call is looked for after the longest context that was seen, then after shorter ones, each with
/// the probability of the escapes so far, and what followed a longer context no longer counts in a shorter one. The
/// last escape leads to the unknown call alone, since every call of the vocabulary has followed the
/// empty context.
///
/// What followed a context followed every shorter one too, so the calls that are excluded on the way from a
/// context to the next shorter one depend on that context alone, and their sums are kept with it: a
/// call costs no more than an n-gram model's.
#[derive(Debug)]
pub struct PpmModel {
    grams: Grams,
    escape: Escape,
    vocab: usize,
    automaton: Automaton,
    /// ln of each edge's weight.
    log_weights: Vec<f32>,
    /// How each context shares out where it is the longest.
    of_first: Vec<Logs>,
    /// How the context that is shorter than each shares out after an escape from there, where anything is left.
    of_shorter: Vec<Option<Logs>>,
}

/// Logarithms of sums of weights.
#[derive(Clone, Copy, Debug)]
struct Logs {
    /// ln of all weights with the escape's.
    total: f32,
    /// ln of the escape's share.
    escape: f32,
}

impl Logs {
    fn of(escape: Escape, stood: f64, different: f64) -> Self {
        let (weight, total) = escape.weights(stood, different);
        Logs {
            total: total.ln() as f32,
            escape: (weight / total).ln() as f32,
        }
    }
}

impl PpmModel {
    /// The model of these n-grams, whose tokens are those of a vocabulary of this size.
    ///
    /// # Errors
    /// [`TableError::TooLarge`], and [`TableError::Malformed`] where a call of the vocabulary is in none of
    /// them.
    pub fn new(grams: Grams, vocab: usize, escape: Escape) -> Result<Self, TableError> {
        let Counted {
            automaton,
            counts,
            shorter_edges,
            ..
        } = Counted::of(&grams)?;
        if automaton.edges(EMPTY).len() + Vocabulary::FIRST_CALL as usize != vocab {
            return Err(TableError::Malformed(
                "a call of the vocabulary never stands in it",
            ));
        }
        let sum = |counts: &mut dyn Iterator<Item = u32>| counts.map(f64::from).sum::<f64>();
        let stood = |node| sum(&mut counts[automaton.edges(node)].iter().copied());
        let mut of_first = Vec::with_capacity(automaton.len());
        let mut of_shorter = Vec::with_capacity(automaton.len());
        for node in EMPTY..automaton.len() as u32 {
            let edges = automaton.edges(node);
            of_first.push(Logs::of(escape, stood(node), edges.len() as f64));
            let shorter = automaton.shorter(node);
            let left = automaton.edges(shorter).len() - edges.len();
            of_shorter.push((node != EMPTY && left > 0).then(|| {
                let excluded = edges.map(|edge| counts[shorter_edges[edge] as usize]);
                let stood = stood(shorter) - sum(&mut excluded.into_iter());
                Logs::of(escape, stood, left as f64)
            }));
        }
        let log_weights = counts.iter().map(|&count| escape.weight(count).ln() as f32);
        Ok(PpmModel {
            log_weights: log_weights.collect(),
            grams,
            escape,
            vocab,
            automaton,
            of_first,
            of_shorter,
        })
    }

    /// What it was counted from.
    pub fn grams(&self) -> &Grams {
        &self.grams
    }

    /// How it escapes.
    pub fn escape(&self) -> Escape {
        self.escape
    }

    /// Contexts of all lengths, and the calls that followed them.
    pub fn size(&self) -> (usize, usize) {
        (self.automaton.len(), self.automaton.edge_count())
    }

    /// Bytes that it takes in memory, the counts included.
    pub fn bytes(&self) -> usize {
        let of_nodes = size_of_val(&self.of_first[..]) + size_of_val(&self.of_shorter[..]);
        self.grams.bytes() + self.automaton.bytes() + size_of_val(&self.log_weights[..]) + of_nodes
    }
}

impl Walk for PpmModel {
    fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    #[inline]
    fn step(&self, node: u32, token: Token) -> (f32, u32) {
        let call = short(token);
        let mut log_prob = 0.0;
        let mut shares = Some(self.of_first[node as usize]);
        let mut escape = |escaped: u32| {
            log_prob += shares.map_or(0.0, |shares| shares.escape);
            shares = self.of_shorter[escaped as usize];
        };
        if token < Vocabulary::FIRST_CALL {
            self.automaton.longest_first(node).for_each(&mut escape);
            return (-log_prob, self.automaton.after_special(call));
        }
        match self.automaton.find(node, call, &mut escape) {
            Some(edge) => {
                let total = shares.map_or(0.0, |shares| shares.total);
                let surprise = total - self.log_weights[edge] - log_prob;
                (surprise.max(0.0), self.automaton.next(edge))
            }
            None => (-log_prob, EMPTY),
        }
    }

    fn name(&self) -> &'static str {
        "ppm"
    }

    fn predict_after(&self, node: u32, probabilities: &mut Vec<f32>) {
        probabilities.clear();
        probabilities.extend((0..self.vocab as Token).map(|token| match token {
            1..Vocabulary::FIRST_CALL => 0.0,
            _ => (-self.step(node, token).0).exp(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::grams::Short;
    use super::super::plain::{Contexts, VOCAB, contexts, longest, sequence};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// PPM with exclusion, by the definition.
    fn plainly(all: &Contexts, context: &[Token], call: Token, escape: Escape) -> f64 {
        let mut excluded = BTreeSet::new();
        let mut p = 1.0;
        for from in 0..=context.len() {
            let follows = &all[&context[from..]];
            let left: Vec<(Token, u32)> = follows
                .iter()
                .filter(|(call, _)| !excluded.contains(*call))
                .map(|(&call, &count)| (call, count))
                .collect();
            let n: u32 = left.iter().map(|(_, count)| count).sum();
            let (n, t) = (f64::from(n), left.len() as f64);
            if let Some(&(_, count)) = left.iter().find(|(other, _)| *other == call) {
                return p * match escape {
                    Escape::C => f64::from(count) / (n + t),
                    Escape::D => (2.0 * f64::from(count) - 1.0) / (2.0 * n),
                };
            }
            if !left.is_empty() {
                p *= match escape {
                    Escape::C => t / (n + t),
                    Escape::D => t / (2.0 * n),
                };
            }
            excluded.extend(follows.keys().copied());
        }
        p
    }

    proptest! {
        #[test]
        fn probabilities_are_those_of_the_definition(
            order in 1usize..6,
            mut counted in prop::collection::vec(sequence(), 1..5),
            followed in sequence(),
        ) {
            // Every call of the vocabulary.
            counted.push(std::iter::once(1).chain(5..VOCAB as Token).collect());
            let all = contexts(order, &counted);
            for escape in [Escape::C, Escape::D] {
                let grams = Grams::count(order, counted.iter().cloned()).unwrap();
                let model = PpmModel::new(grams, VOCAB, escape).unwrap();
                let mut node = model.automaton.after_special(followed[0] as Short);
                for (place, &token) in followed.iter().enumerate().skip(1) {
                    let context = longest(&all, &followed[..place]);
                    for token in [token, Vocabulary::UNKNOWN] {
                        let p = plainly(&all, context, token, escape);
                        let (surprise, _) = model.step(node, token);
                        prop_assert!((f64::from(surprise) + p.ln()).abs() < 1e-4, "{surprise} {p}");
                    }
                    let mut predicted = Vec::new();
                    model.predict_after(node, &mut predicted);
                    let sum: f32 = predicted.iter().sum();
                    prop_assert!((sum - 1.0).abs() < 1e-4, "{sum}");
                    node = model.step(node, token).1;
                }
            }
        }
    }

    #[test]
    fn a_vocabulary_of_more_calls_than_stand_in_it_is_refused() {
        let grams = Grams::count(3, [[1, 5, 6]]).unwrap();
        assert!(PpmModel::new(grams, VOCAB, Escape::C).is_err());
    }
}
