//! Lookahead pairs: which call stood how far before which.

use idiolect_trace::StartKind;

use super::grams::{Short, TableError};
use super::in_turn;
use crate::detector::FOREIGN_STATE;
use crate::{Detector, DetectorState, Measure, Run, Token, Vocabulary};

/// The pairs of calls that stood 1 to `len - 1` places apart in normal streams (Forrest et al. 1996; the
/// profile of Somayaji's pH, 2002), and how many of a call's pairs with those before it were never
/// seen.
///
/// A call is given the share of its pairs that are new, 0 to 1; pH counts it as an anomaly where that is not 0.
/// Pairs reach neither over a stream's start nor over a gap, so nothing is said of a first call.
#[derive(Debug)]
pub struct LookaheadPairs {
    len: usize,
    /// Calls of the vocabulary.
    calls: usize,
    /// For each call, and each call before it: bit d - 1 where they stood d places apart.
    seen: Vec<u64>,
}

/// Pairs as they lie in a file: each call that stood before another, ascending by the later one and then by the
/// earlier one, with the bits of the distances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PairParts {
    pub(crate) later: Vec<Short>,
    pub(crate) earlier: Vec<Short>,
    /// Bits of distances up to 32.
    pub(crate) near: Vec<u32>,
    /// Bits of distances from 33 on.
    pub(crate) far: Vec<u32>,
}

/// Most bytes of the square of all calls: enough for 4,096 of them.
const MAX_BYTES: usize = 1 << 27;

impl LookaheadPairs {
    /// Most calls of a window: one bit for each distance.
    pub const MAX_LEN: usize = 65;

    /// Counts the pairs in sequences of tokens, of which each begins with the token of its start, of a vocabulary
    /// of this size.
    ///
    /// # Errors
    /// [`TableError`]: the length is out of range, or the vocabulary too large.
    pub fn count<S: IntoIterator<Item = Token>>(
        len: usize,
        vocab: usize,
        sequences: impl IntoIterator<Item = S>,
    ) -> Result<Self, TableError> {
        let mut pairs = LookaheadPairs::none(len, vocab)?;
        for sequence in sequences {
            let mut before: Vec<Token> = Vec::with_capacity(len);
            for token in sequence {
                if let Some(later) = pairs.index(token) {
                    for (distance, &earlier) in before.iter().rev().enumerate() {
                        if let Some(earlier) = pairs.index(earlier) {
                            pairs.seen[later * pairs.calls + earlier] |= 1 << distance;
                        }
                    }
                }
                pairs.push(&mut before, token);
            }
        }
        Ok(pairs)
    }

    fn none(len: usize, vocab: usize) -> Result<Self, TableError> {
        if !(2..=Self::MAX_LEN).contains(&len) {
            return Err(TableError::Malformed(
                "a window of lookahead pairs has 2 to 65 calls",
            ));
        }
        let calls = vocab.saturating_sub(Vocabulary::FIRST_CALL as usize);
        if calls * calls * size_of::<u64>() > MAX_BYTES {
            let limit = MAX_BYTES / size_of::<u64>();
            return Err(TableError::TooLarge { limit });
        }
        let seen = vec![0; calls * calls];
        Ok(LookaheadPairs { len, calls, seen })
    }

    /// Calls in a window.
    pub fn window(&self) -> usize {
        self.len
    }

    /// Different pairs, each at its distance.
    pub fn pairs(&self) -> u64 {
        self.seen
            .iter()
            .map(|bits| u64::from(bits.count_ones()))
            .sum()
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.seen[..])
    }

    fn index(&self, token: Token) -> Option<usize> {
        let call = token.checked_sub(Vocabulary::FIRST_CALL)? as usize;
        (call < self.calls).then_some(call)
    }

    fn push(&self, before: &mut Vec<Token>, token: Token) {
        // What is no call but the unknown one begins anew.
        if token < Vocabulary::FIRST_CALL && token != Vocabulary::UNKNOWN {
            before.clear();
            return;
        }
        if before.len() == self.len - 1 {
            before.remove(0);
        }
        before.push(token);
    }

    /// The share of the pairs with a call, after these, that were never seen.
    fn unseen(&self, before: &[Token], token: Token) -> f32 {
        if before.is_empty() {
            return 0.0;
        }
        let Some(later) = self.index(token) else {
            return 1.0;
        };
        let row = &self.seen[later * self.calls..(later + 1) * self.calls];
        let unseen = before
            .iter()
            .rev()
            .enumerate()
            .filter(|&(distance, &earlier)| {
                let bits = self.index(earlier).map_or(0, |earlier| row[earlier]);
                bits >> distance & 1 == 0
            });
        unseen.count() as f32 / before.len() as f32
    }

    pub(crate) fn parts(&self) -> PairParts {
        let mut parts = PairParts::default();
        for (place, &bits) in self.seen.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let first = Vocabulary::FIRST_CALL as usize;
            parts.later.push((place / self.calls + first) as Short);
            parts.earlier.push((place % self.calls + first) as Short);
            parts.near.push(bits as u32);
            parts.far.push((bits >> 32) as u32);
        }
        parts
    }

    /// The pairs that these arrays list, if they are pairs of a vocabulary of this size.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn from_parts(
        len: usize,
        vocab: usize,
        parts: &PairParts,
    ) -> Result<Self, TableError> {
        let mut pairs = LookaheadPairs::none(len, vocab)?;
        let count = parts.later.len();
        if [parts.earlier.len(), parts.near.len(), parts.far.len()] != [count; 3] {
            return Err(TableError::Malformed("lists of pairs differ in length"));
        }
        let allowed = u64::MAX >> (Self::MAX_LEN - len);
        let mut last = None;
        for place in 0..count {
            let later = pairs.index(Token::from(parts.later[place]));
            let earlier = pairs.index(Token::from(parts.earlier[place]));
            let bits = u64::from(parts.near[place]) | u64::from(parts.far[place]) << 32;
            let (Some(later), Some(earlier)) = (later, earlier) else {
                return Err(TableError::Malformed(
                    "a pair is not of calls of the vocabulary",
                ));
            };
            let index = later * pairs.calls + earlier;
            if last.is_some_and(|last| last >= index) || bits == 0 || bits & !allowed != 0 {
                return Err(TableError::Malformed(
                    "pairs do not ascend, or stand at distances that the window does not have",
                ));
            }
            pairs.seen[index] = bits;
            last = Some(index);
        }
        Ok(pairs)
    }
}

fn before_of(state: &mut DetectorState) -> &mut Vec<Token> {
    match state {
        DetectorState::Window(before) => before,
        _ => panic!("{FOREIGN_STATE}"),
    }
}

impl Detector for LookaheadPairs {
    fn kind(&self) -> &'static str {
        "lookahead"
    }

    fn measure(&self) -> Measure {
        Measure::UnseenPairs
    }

    fn silent(&self) -> usize {
        1
    }

    fn begin(&self, _: StartKind) -> DetectorState {
        DetectorState::Window(Vec::with_capacity(self.len))
    }

    fn observe(&self, state: &mut DetectorState, token: Token) -> f32 {
        let before = before_of(state);
        let unseen = self.unseen(before, token);
        self.push(before, token);
        unseen
    }

    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize) {
        in_turn(runs, threads, |run| {
            let tokens = run.tokens.iter();
            let said = tokens.map(|&token| self.observe(run.state, token));
            run.surprises.extend(said);
        });
    }

    fn gap(&self, state: &mut DetectorState) {
        before_of(state).clear();
    }

    /// The share of each call's pairs, with the calls before it, that were seen.
    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>) {
        let DetectorState::Window(before) = state else {
            panic!("{FOREIGN_STATE}");
        };
        probabilities.clear();
        probabilities.resize(Vocabulary::FIRST_CALL as usize + self.calls, 0.0);
        for token in Vocabulary::FIRST_CALL..probabilities.len() as Token {
            probabilities[token as usize] = 1.0 - self.unseen(before, token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VOCAB: usize = Vocabulary::FIRST_CALL as usize + 4;

    #[test]
    fn the_pairs_of_an_example() {
        // Forrest et al. 1996, figure 1: open read mmap mmap open read mmap, then with open in
        // place of read.
        let [open, read, mmap] = [5, 6, 7];
        let normal = [1, open, read, mmap, mmap, open, read, mmap];
        let pairs = LookaheadPairs::count(4, VOCAB, [normal]).unwrap();
        let mut state = pairs.begin(StartKind::Exec);
        let said: Vec<f32> = [open, read, mmap, open, open, mmap]
            .map(|call| pairs.observe(&mut state, call))
            .to_vec();
        assert_eq!(said[..3], [0.0, 0.0, 0.0]);
        // mmap..open at 1 was seen, read..open at 2 and open..open at 3 were not.
        assert_eq!(said[3], 2.0 / 3.0);
        // open..open at 1 is new, mmap..open at 2 is seen, read..open at 3 is seen.
        assert_eq!(said[4], 1.0 / 3.0);
    }

    proptest! {
        #[test]
        fn a_stream_that_was_counted_has_no_new_pair_and_lists_read_back(
            len in 2usize..=LookaheadPairs::MAX_LEN,
            calls in prop::collection::vec(5..VOCAB as Token, 1..60),
            damage in (0usize..4, any::<prop::sample::Index>(), any::<u32>()),
        ) {
            let sequence = std::iter::once(1).chain(calls.iter().copied());
            let pairs = LookaheadPairs::count(len, VOCAB, [sequence]).unwrap();
            let mut state = pairs.begin(StartKind::Thread);
            for &call in &calls {
                prop_assert_eq!(pairs.observe(&mut state, call), 0.0);
            }
            prop_assert_eq!(pairs.observe(&mut state, Vocabulary::UNKNOWN), 1.0);
            let mut parts = pairs.parts();
            let read = LookaheadPairs::from_parts(len, VOCAB, &parts).unwrap();
            prop_assert_eq!(&read.seen, &pairs.seen);
            if parts.later.is_empty() {
                return Ok(());
            }
            let (which, place, value) = damage;
            let at = place.index(parts.later.len());
            match which {
                0 => parts.later[at] = value as Short,
                1 => parts.earlier[at] = value as Short,
                2 => parts.near[at] = value,
                _ => parts.far[at] = value,
            }
            if let Ok(read) = LookaheadPairs::from_parts(len, VOCAB, &parts) {
                prop_assert_eq!(read.parts(), parts);
            }
        }
    }
}
