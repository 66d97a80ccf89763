//! The surprise of what a stream says, each thing counted once however often it is said.

use std::collections::HashMap;

use crate::{Token, Vocabulary};

/// Mean, over the distinct 3-grams of a stream, of the mean surprise at their occurrences. A loop counts once,
/// so that neither padding nor a program's own busy loops drown what is said beside them.
///
/// At most [`MOST`](DistinctGrams::MOST) are kept: later ones count for nothing.
#[derive(Clone, Debug)]
pub(crate) struct DistinctGrams {
    /// The last three tokens, a gap among them; no token stands before the first.
    gram: [Token; 3],
    /// Sum of the surprises of each, and how many.
    of: HashMap<[Token; 3], (f32, u32)>,
    /// Sum of their means.
    total: f64,
}

impl DistinctGrams {
    /// Grams kept: programs have some hundreds.
    pub(crate) const MOST: usize = 4_096;
    /// Before a stream's first call.
    const NOTHING: Token = Token::MAX;

    /// Of a stream, or a block of it, that begins.
    pub(crate) fn new() -> Self {
        DistinctGrams {
            gram: [Self::NOTHING; 3],
            of: HashMap::new(),
            total: 0.0,
        }
    }

    /// Takes the next call.
    pub(crate) fn call(&mut self, token: Token) {
        self.gram = [self.gram[1], self.gram[2], token];
    }

    /// Calls are missing here.
    pub(crate) fn gap(&mut self) {
        self.call(Vocabulary::GAP);
    }

    /// The surprise of the call that was taken last, where it counts.
    pub(crate) fn observe(&mut self, surprise: f32) {
        let kept = self.of.len();
        let entry = match self.of.entry(self.gram) {
            std::collections::hash_map::Entry::Vacant(_) if kept >= Self::MOST => return,
            entry => entry.or_default(),
        };
        let mean = |(sum, times): (f32, u32)| f64::from(sum) / f64::from(times.max(1));
        let before = mean(*entry);
        *entry = (entry.0 + surprise, entry.1.saturating_add(1));
        self.total += mean(*entry) - before;
    }

    /// The mean; 0 before the first.
    pub(crate) fn mean(&self) -> f32 {
        (self.total / self.of.len().max(1) as f64).max(0.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gram_counts_once_however_often_it_comes() {
        let mut grams = DistinctGrams::new();
        assert_eq!(grams.mean(), 0.0);
        // 1 2 1 2 1 2: the grams ..1, .12, 121, 212, and the last two come twice.
        for (token, surprise) in [1, 2, 1, 2, 1, 2]
            .into_iter()
            .zip([6.0, 5.0, 1.0, 2.0, 3.0, 4.0])
        {
            grams.call(token);
            grams.observe(surprise);
        }
        assert_eq!(grams.mean(), (6.0 + 5.0 + 2.0 + 3.0) / 4.0);
    }

    #[test]
    fn memory_is_bounded_and_gaps_part_grams() {
        let mut grams = DistinctGrams::new();
        for token in 0..2 * DistinctGrams::MOST as Token {
            grams.call(token);
            grams.observe(1.0);
        }
        assert_eq!((grams.of.len(), grams.mean()), (DistinctGrams::MOST, 1.0));
        let mut apart = DistinctGrams::new();
        for _ in 0..2 {
            apart.gap();
            apart.call(9);
            apart.observe(2.0);
        }
        // Before the first gap there is nothing, before the second a call.
        assert_eq!(apart.of.len(), 2);
    }
}
