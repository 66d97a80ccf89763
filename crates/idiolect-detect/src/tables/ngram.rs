//! n-gram language models of calls.

use super::automaton::{Automaton, Counted, EMPTY};
use super::grams::{Grams, TableError, short};
use super::smoothing::{self, Smoothing};
use super::walk::Walk;
use crate::{Token, Vocabulary};

/// An n-gram language model: the probability of a call given the `order - 1` tokens before it, of which
/// the stream's start is the first.
///
/// Calls never seen in training get their probability from the smoothing: they share the uniform
/// distribution that the empty context is mixed with, as one more call. So an unknown call surprises more
/// where the calls that may come are few. The probabilities of all calls and the unknown one sum to 1.
/// After a gap, as after an unknown call, the context begins anew.
#[derive(Debug)]
pub struct NgramModel {
    grams: Grams,
    smoothing: Smoothing,
    vocab: usize,
    automaton: Automaton,
    /// ln p of each edge's call after its context.
    log_probs: Vec<f32>,
    /// ln of the share that each context leaves to the next shorter one, in which a call that did not follow
    /// it is looked for.
    log_left: Vec<f32>,
    /// ln of the uniform distribution's probability.
    log_uniform: f32,
}

impl NgramModel {
    /// The model of these n-grams, whose tokens are those of a vocabulary of this size.
    ///
    /// # Errors
    /// [`TableError::TooLarge`].
    pub fn new(grams: Grams, vocab: usize, smoothing: Smoothing) -> Result<Self, TableError> {
        let counted = Counted::of(&grams)?;
        let calls = vocab.saturating_sub(Vocabulary::FIRST_CALL as usize) + 1;
        let uniform = 1.0 / calls as f64;
        let smoothed = smoothing::smooth(&counted, smoothing, uniform);
        let logs = |values: Vec<f64>| values.into_iter().map(|value| value.ln() as f32).collect();
        Ok(NgramModel {
            automaton: counted.automaton,
            log_probs: logs(smoothed.probabilities),
            log_left: logs(smoothed.left),
            log_uniform: uniform.ln() as f32,
            grams,
            smoothing,
            vocab,
        })
    }

    /// What it was counted from.
    pub fn grams(&self) -> &Grams {
        &self.grams
    }

    /// How it treats what it has not seen.
    pub fn smoothing(&self) -> Smoothing {
        self.smoothing
    }

    /// Contexts of all lengths, and the probabilities that are kept of what followed them.
    pub fn size(&self) -> (usize, usize) {
        (self.automaton.len(), self.automaton.edge_count())
    }

    /// Bytes that it takes in memory, the counts included.
    pub fn bytes(&self) -> usize {
        self.grams.bytes()
            + self.automaton.bytes()
            + size_of_val(&self.log_probs[..])
            + size_of_val(&self.log_left[..])
    }
}

impl Walk for NgramModel {
    fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    #[inline]
    fn step(&self, node: u32, token: Token) -> (f32, u32) {
        let call = short(token);
        if token < Vocabulary::FIRST_CALL {
            let mut log_prob = self.log_uniform;
            for node in self.automaton.longest_first(node) {
                log_prob += self.log_left[node as usize];
            }
            return (-log_prob, self.automaton.after_special(call));
        }
        let mut log_prob = 0.0;
        let found = self.automaton.find(node, call, |escaped| {
            log_prob += self.log_left[escaped as usize];
        });
        match found {
            Some(edge) => (
                (-log_prob - self.log_probs[edge]).max(0.0),
                self.automaton.next(edge),
            ),
            // A call of the vocabulary that these n-grams do not have.
            None => (-log_prob - self.log_uniform, EMPTY),
        }
    }

    fn name(&self) -> &'static str {
        "ngram"
    }

    fn predict_after(&self, node: u32, probabilities: &mut Vec<f32>) {
        probabilities.clear();
        probabilities.resize(self.vocab, self.log_uniform.exp());
        for token in 1..Vocabulary::FIRST_CALL {
            probabilities[token as usize] = 0.0;
        }
        for node in self.automaton.shortest_first(node) {
            let left = self.log_left[node as usize].exp();
            for probability in probabilities.iter_mut() {
                *probability *= left;
            }
            for edge in self.automaton.edges(node) {
                let call = usize::from(self.automaton.call(edge));
                probabilities[call] = self.log_probs[edge].exp();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::grams::Short;
    use super::super::plain::{Contexts, VOCAB, contexts, longest, sequence};
    use super::*;
    use crate::Detector;
    use idiolect_trace::StartKind;
    use proptest::prelude::*;

    const UNIFORM: f64 = 0.2;

    /// Witten and Bell's p(w | h), by the definition.
    fn witten_bell(all: &Contexts, context: &[Token], call: Token) -> f64 {
        let below = match context {
            [] => UNIFORM,
            [_, shorter @ ..] => witten_bell(all, shorter, call),
        };
        let follows = &all[context];
        let stood: u32 = follows.values().sum();
        let different = follows.len() as f64;
        let count = f64::from(follows.get(&call).copied().unwrap_or(0));
        (count + different * below) / (f64::from(stood) + different)
    }

    /// Kneser and Ney's counts, by the definition.
    fn adjusted(order: usize, all: &Contexts) -> Contexts {
        let mut adjusted = all.clone();
        for (context, follows) in &mut adjusted {
            let at_start = context.first().is_some_and(|&t| t < Vocabulary::FIRST_CALL);
            if context.len() + 1 == order || at_start {
                continue;
            }
            for (call, count) in follows {
                let longer = all.iter().filter(|(longer, follows)| {
                    longer.len() == context.len() + 1
                        && longer[1..] == context[..]
                        && follows.contains_key(call)
                });
                *count = longer.count() as u32;
            }
        }
        adjusted
    }

    fn kneser_ney(adjusted: &Contexts, context: &[Token], call: Token) -> f64 {
        let of_order = adjusted
            .iter()
            .filter(|(other, _)| other.len() == context.len());
        let counts: Vec<u32> = of_order
            .flat_map(|(_, follows)| follows.values().copied())
            .collect();
        let n = |k: u32| counts.iter().filter(|&&count| count == k).count() as f64;
        let y = n(1) / (n(1) + 2.0 * n(2));
        let estimates = [
            1.0 - 2.0 * y * n(2) / n(1),
            2.0 - 3.0 * y * n(3) / n(2),
            3.0 - 4.0 * y * n(4) / n(3),
        ];
        let sound = (1..)
            .zip(estimates)
            .all(|(k, d)| d > 0.0 && d <= f64::from(k));
        let discounts = if sound { estimates } else { [0.5, 1.0, 1.5] };
        let discount = |count: u32| match count {
            0 => 0.0,
            _ => discounts[count.min(3) as usize - 1],
        };
        let below = match context {
            [] => UNIFORM,
            [_, shorter @ ..] => kneser_ney(adjusted, shorter, call),
        };
        let follows = &adjusted[context];
        let total: f64 = follows.values().map(|&count| f64::from(count)).sum();
        let left: f64 = follows.values().map(|&count| discount(count)).sum();
        let count = follows.get(&call).copied().unwrap_or(0);
        (f64::from(count) - discount(count) + left * below) / total
    }

    proptest! {
        #[test]
        fn probabilities_are_those_of_the_definitions(
            order in 1usize..6,
            counted in prop::collection::vec(sequence(), 1..5),
            followed in sequence(),
        ) {
            let Ok(grams) = Grams::count(order, counted.iter().cloned()) else { return Ok(()) };
            let all = contexts(order, &counted);
            let adjusted = adjusted(order, &all);
            for smoothing in [Smoothing::WittenBell, Smoothing::KneserNey] {
                let model = NgramModel::new(grams.clone(), VOCAB, smoothing).unwrap();
                let mut node = model.automaton.after_special(followed[0] as Short);
                for (place, &token) in followed.iter().enumerate().skip(1) {
                    let (surprise, next) = model.step(node, token);
                    node = next;
                    // A gap is as the unknown call, and is not asked for.
                    let context = longest(&all, &followed[..place]);
                    let p = match smoothing {
                        Smoothing::WittenBell => witten_bell(&all, context, token),
                        Smoothing::KneserNey => kneser_ney(&adjusted, context, token),
                    };
                    prop_assert!(
                        (f64::from(surprise) + p.ln()).abs() < 1e-4,
                        "{smoothing}: {surprise} and {} of {token} after {context:?}", -p.ln()
                    );
                }
            }
        }
    }

    #[test]
    fn a_longer_memory_expects_what_a_shorter_one_cannot() {
        // After 5 6 comes 7, after 7 6 comes 8: what follows 6 is seen from two calls back only.
        let sequence = || std::iter::once(1).chain([5, 6, 7, 6, 8].into_iter().cycle().take(500));
        let said = |order| {
            let grams = Grams::count(order, [sequence()]).unwrap();
            let model = NgramModel::new(grams, VOCAB, Smoothing::WittenBell).unwrap();
            let mut state = model.begin(StartKind::Exec);
            for call in [5, 6, 7, 6, 8, 5, 6] {
                model.observe(&mut state, call);
            }
            model.observe(&mut state, 7)
        };
        assert!(said(2) > 0.6, "{}", said(2));
        assert!(said(3) < 0.1, "{}", said(3));
    }
}
