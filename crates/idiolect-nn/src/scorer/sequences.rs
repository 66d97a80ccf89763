//! Scoring many short sequences, each from the zero state, such as windows.

use super::{Scorer, State};

/// Sequences whose states are held at a time: with the original's three layers 2 MB of them, so that the
/// states stay in the cache.
const CHUNK: usize = 512;

impl Scorer {
    /// ln of the probability of the last token of each sequence after those before it, in nats. What
    /// neighbours have in common at their beginning is computed once, so that sorted sequences cost
    /// least; the order changes no result.
    ///
    /// # Panics
    /// If a sequence is empty or a token is not below the vocabulary.
    pub fn log_prob_of_last(&self, sequences: &[&[u32]]) -> Vec<f32> {
        let mut walk = Walk {
            scorer: self,
            at: Vec::new(),
            nodes: vec![self.state()],
            next: Vec::new(),
            tokens: Vec::new(),
        };
        let chunks = sequences.chunks(CHUNK);
        chunks.flat_map(|chunk| walk.chunk(chunk)).collect()
    }
}

/// Goes through the beginnings of some sequences, from shorter to longer: each that occurs is a node.
struct Walk<'a> {
    scorer: &'a Scorer,
    /// The node at which each sequence is.
    at: Vec<usize>,
    /// The states of the beginnings of this length, and room for more.
    nodes: Vec<State>,
    /// Those of the next.
    next: Vec<State>,
    /// The last token of each of the next.
    tokens: Vec<u32>,
}

impl Walk<'_> {
    fn chunk(&mut self, sequences: &[&[u32]]) -> Vec<f32> {
        let mut log_probs = vec![0.0; sequences.len()];
        let longest = sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        self.nodes[0].clear();
        self.at.clear();
        self.at.resize(sequences.len(), 0);
        for len in 0..longest {
            self.finish(sequences, len, &mut log_probs);
            self.step(sequences, len);
        }
        log_probs
    }

    /// ln p of the last token of the sequences of which only that is left.
    fn finish(&mut self, sequences: &[&[u32]], len: usize, log_probs: &mut [f32]) {
        let ends: Vec<usize> = (0..sequences.len())
            .filter(|&i| sequences[i].len() == len + 1)
            .collect();
        if ends.is_empty() {
            return;
        }
        // Two sequences may end in one node, by different tokens: each has a copy.
        self.room(ends.len());
        for (to, &i) in self.next.iter_mut().zip(&ends) {
            to.copy_from(&self.nodes[self.at[i]]);
        }
        let tokens: Vec<u32> = ends.iter().map(|&i| sequences[i][len]).collect();
        let states: Vec<&mut State> = self.next[..ends.len()].iter_mut().collect();
        let mut found = vec![0.0; ends.len()];
        self.scorer.log_prob_many(&states, &tokens, &mut found);
        for (i, found) in ends.into_iter().zip(found) {
            log_probs[i] = found;
        }
    }

    /// From the beginnings of this length to those of the next.
    fn step(&mut self, sequences: &[&[u32]], len: usize) {
        self.tokens.clear();
        let mut last = None;
        for (i, sequence) in sequences.iter().enumerate() {
            if sequence.len() < len + 2 {
                continue;
            }
            let node = (self.at[i], sequence[len]);
            if last != Some(node) {
                last = Some(node);
                self.room(self.tokens.len() + 1);
                self.next[self.tokens.len()].copy_from(&self.nodes[node.0]);
                self.tokens.push(node.1);
            }
            self.at[i] = self.tokens.len() - 1;
        }
        let mut states: Vec<&mut State> = self.next[..self.tokens.len()].iter_mut().collect();
        self.scorer.advance_many(&mut states, &self.tokens);
        std::mem::swap(&mut self.nodes, &mut self.next);
    }

    fn room(&mut self, len: usize) {
        while self.next.len() < len {
            self.next.push(self.scorer.state());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Weights};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_one_after_another(
            mut sequences in prop::collection::vec(prop::collection::vec(0u32..4, 1..9), 0..700),
            sorted: bool,
        ) {
            let architecture = Architecture {
                vocab: 4,
                embedding: None,
                hidden: vec![8, 16],
            };
            let scorer = Scorer::new(&Weights::init(&architecture, 3).unwrap());
            if sorted {
                sequences.sort();
            }
            let borrowed: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
            let together = scorer.log_prob_of_last(&borrowed);
            prop_assert_eq!(together.len(), sequences.len());
            for (sequence, log_prob) in sequences.iter().zip(together) {
                let (last, before) = sequence.split_last().unwrap();
                let mut state = scorer.state();
                for &token in before {
                    scorer.advance_many(&mut [&mut state], &[token]);
                }
                let mut alone = [0.0];
                scorer.log_prob_many(&[&mut state], &[*last], &mut alone);
                prop_assert_eq!(alone[0], log_prob);
            }
        }
    }
}
