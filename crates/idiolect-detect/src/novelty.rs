//! Novelty of the set of calls that a stream makes: not in which order, but which at all.
//!
//! Training streams are remembered as sets of calls, a bit for each call of the vocabulary: exact, and at 200
//! calls a quarter of what a MinHash of 64 numbers of 16 bits takes, whose estimate is off by 0.06. Equal sets
//! are kept once, so memory grows with how different streams are, and is bounded ([`KnownSets::MOST`]).

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::{Token, Vocabulary};

/// The set of calls of a stream, as far as it has come.
///
/// Calls that training never saw are one element, however many they are: they are one token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallSet {
    words: Box<[u64]>,
    size: u32,
}

/// Bits of a word.
const BITS: usize = u64::BITS as usize;

impl CallSet {
    /// No call, of a vocabulary of so many tokens.
    pub fn empty(vocabulary: usize) -> Self {
        CallSet {
            words: vec![0; vocabulary.div_ceil(BITS)].into(),
            size: 0,
        }
    }

    /// Of these tokens; gaps are passed over.
    pub fn of(vocabulary: usize, tokens: impl Iterator<Item = Token>) -> Self {
        let mut set = CallSet::empty(vocabulary);
        for token in tokens {
            set.insert(token);
        }
        set
    }

    /// Adds a call. Returns whether the set has grown; tokens that are no calls, or none of the vocabulary, do
    /// not grow it.
    pub fn insert(&mut self, token: Token) -> bool {
        let is_call = token == Vocabulary::UNKNOWN || token >= Vocabulary::FIRST_CALL;
        let (word, bit) = (token as usize / BITS, 1 << (token as usize % BITS));
        match self.words.get_mut(word) {
            Some(word) if is_call && *word & bit == 0 => {
                *word |= bit;
                self.size += 1;
                true
            }
            _ => false,
        }
    }

    /// How many calls.
    pub fn len(&self) -> u32 {
        self.size
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Its calls, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Token> + '_ {
        bits(self.words.iter().copied())
    }

    /// The calls of it that another lacks, ascending.
    pub fn without<'a>(&'a self, other: &'a CallSet) -> impl Iterator<Item = Token> + 'a {
        bits(self.words.iter().zip(&other.words).map(|(a, b)| a & !b))
    }
}

/// The places of the ones in these words.
fn bits(words: impl Iterator<Item = u64>) -> impl Iterator<Item = Token> {
    words.enumerate().flat_map(|(place, word)| {
        let ones = (0..BITS).filter(move |bit| word >> bit & 1 == 1);
        ones.map(move |bit| (place * BITS + bit) as Token)
    })
}

/// The sets of calls of training streams, smallest first.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownSets {
    /// Words of one set.
    stride: usize,
    words: Vec<u64>,
    sizes: Vec<u32>,
    /// How many streams have each.
    times: Vec<u32>,
    /// Which nearest stream is meant.
    neighbours: u32,
}

/// How far a set of calls is from what training streams made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    /// Jaccard distance (1901) to the nearest training stream's, from 0 to 1.
    pub nearest: f32,
    /// The same to the k-th nearest stream's ([`KnownSets::neighbours`]).
    pub kth: f32,
    /// The fewest of its calls that any one training stream lacks. It only grows while a stream goes on.
    pub lacking: u32,
    /// The place of the nearest set among those kept.
    pub place: usize,
}

impl KnownSets {
    /// Most different sets that are kept. Where there are more, those of most streams are, and of two of as
    /// many streams the one that came first.
    pub const MOST: usize = 16_384;
    /// Training streams for each of k, the neighbour that distances are taken to: one stream more or less that
    /// is like nothing else must not decide.
    const STREAMS_A_NEIGHBOUR: usize = 200;

    /// Of the sets of training streams; none where there is no stream.
    pub fn of(sets: impl Iterator<Item = CallSet>) -> Option<Self> {
        let mut times: HashMap<CallSet, (u32, usize)> = HashMap::new();
        let mut streams = 0;
        for set in sets {
            let entry = times.entry(set).or_insert((0, streams));
            entry.0 = entry.0.saturating_add(1);
            streams += 1;
        }
        let mut kept: Vec<(CallSet, (u32, usize))> = times.into_iter().collect();
        kept.sort_unstable_by_key(|(_, (times, first))| (Reverse(*times), *first));
        kept.truncate(Self::MOST);
        let kept = kept.into_iter().map(|(set, (times, _))| (set, times));
        let neighbours = (streams + Self::STREAMS_A_NEIGHBOUR / 2) / Self::STREAMS_A_NEIGHBOUR;
        let neighbours = u32::try_from(neighbours.max(1)).unwrap_or(u32::MAX);
        Self::of_counted(kept.collect(), neighbours)
    }

    /// Of different sets of one vocabulary, and how many streams have each; none where there is no set or more
    /// than [`MOST`](KnownSets::MOST), where a set is of no stream, or there is no such neighbour.
    pub fn of_counted(mut sets: Vec<(CallSet, u32)>, neighbours: u32) -> Option<Self> {
        let stride = sets.first()?.0.words.len();
        let is_wrong = |(set, times): &(CallSet, u32)| set.words.len() != stride || *times == 0;
        if sets.len() > Self::MOST || neighbours == 0 || sets.iter().any(is_wrong) {
            return None;
        }
        sets.sort_unstable_by(|(a, _), (b, _)| (a.size, &a.words).cmp(&(b.size, &b.words)));
        Some(KnownSets {
            stride,
            words: sets
                .iter()
                .flat_map(|(set, _)| set.words.iter().copied())
                .collect(),
            sizes: sets.iter().map(|(set, _)| set.size).collect(),
            times: sets.iter().map(|&(_, times)| times).collect(),
            neighbours,
        })
    }

    /// Different sets kept.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there are none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// How many training streams have one.
    pub fn times(&self, place: usize) -> u32 {
        self.times[place]
    }

    /// Each set, and how many training streams have it.
    pub fn iter(&self) -> impl Iterator<Item = (CallSet, u32)> + '_ {
        (0..self.len()).map(|place| (self.get(place), self.times[place]))
    }

    /// Tokens that a set of them has room for: at least those of their vocabulary.
    pub(crate) fn vocabulary(&self) -> usize {
        self.stride * BITS
    }

    /// How many training streams there were, of the sets that are kept.
    pub fn streams(&self) -> u64 {
        self.times.iter().map(|&times| u64::from(times)).sum()
    }

    /// Which nearest training stream distances are taken to, from 1.
    pub fn neighbours(&self) -> u32 {
        self.neighbours
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(self.words.as_slice())
            + size_of_val(self.sizes.as_slice())
            + size_of_val(self.times.as_slice())
    }

    /// One of them.
    pub fn get(&self, place: usize) -> CallSet {
        CallSet {
            words: self.words[place * self.stride..][..self.stride].into(),
            size: self.sizes[place],
        }
    }

    /// How far a set is from them. `more` is how many calls it has besides those that it holds.
    pub fn distances(&self, set: &CallSet, more: u32) -> Distances {
        let size = set.len() + more;
        let (mut nearest, mut most_shared) = ((f32::INFINITY, 0), 0);
        let mut near: Vec<(f32, u32)> = Vec::new();
        for (place, known) in self.words.chunks(self.stride).enumerate() {
            let both = known.iter().zip(&set.words).map(|(a, b)| a & b);
            let shared = both.map(u64::count_ones).sum::<u32>();
            let all = size + self.sizes[place] - shared;
            let distance = (all - shared) as f32 / all.max(1) as f32;
            most_shared = most_shared.max(shared);
            if distance < nearest.0 {
                nearest = (distance, place);
            }
            if self.neighbours > 1 {
                near.push((distance, self.times[place]));
            }
        }
        Distances {
            nearest: nearest.0,
            kth: self.kth(near).unwrap_or(nearest.0),
            lacking: size - most_shared,
            place: nearest.1,
        }
    }

    /// The distance to the k-th nearest stream, or to the farthest where there are fewer.
    fn kth(&self, mut near: Vec<(f32, u32)>) -> Option<f32> {
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut streams = 0u32;
        let kth = near.iter().find(|(_, times)| {
            streams = streams.saturating_add(*times);
            streams >= self.neighbours
        });
        kth.or(near.last()).map(|&(distance, _)| distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VOCABULARY: usize = 80;

    fn set(calls: &[Token]) -> CallSet {
        let tokens = calls.iter().map(|call| Vocabulary::FIRST_CALL + call);
        CallSet::of(VOCABULARY, tokens)
    }

    #[test]
    fn distances_by_hand() {
        let known = KnownSets::of([set(&[0, 1, 70]), set(&[2])].into_iter()).unwrap();
        let same = known.distances(&set(&[70, 1, 0]), 0);
        assert_eq!((same.nearest, same.kth, same.lacking), (0.0, 0.0, 0));
        assert_eq!(known.get(same.place), set(&[0, 1, 70]));
        let two_more = known.distances(&set(&[0, 1, 5, 6]), 0);
        assert_eq!((two_more.nearest, two_more.lacking), (3.0 / 5.0, 2));
        // Calls that no vocabulary holds count too.
        let unheard = known.distances(&set(&[0, 1]), 2);
        assert_eq!((unheard.nearest, unheard.lacking), (3.0 / 5.0, 2));
        let new = set(&[0, 5, 6]);
        let lacks: Vec<Token> = new.without(&set(&[0, 1, 70])).collect();
        assert_eq!(lacks, [5, 6].map(|call| Vocabulary::FIRST_CALL + call));
    }

    #[test]
    fn what_is_no_call_is_no_element() {
        let mut set = CallSet::empty(VOCABULARY);
        assert!(!set.insert(Vocabulary::GAP) && !set.insert(VOCABULARY as Token + 100));
        assert!(set.insert(Vocabulary::UNKNOWN) && !set.insert(Vocabulary::UNKNOWN));
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn the_kth_neighbour_counts_streams() {
        // 400 streams, so the second nearest: one stream alone does not decide.
        let sets = (0..400).map(|i| if i == 0 { set(&[1, 2]) } else { set(&[1]) });
        let known = KnownSets::of(sets).unwrap();
        assert_eq!((known.neighbours(), known.len()), (2, 2));
        let found = known.distances(&set(&[1, 2]), 0);
        assert_eq!((found.nearest, found.kth), (0.0, 0.5));
    }

    #[test]
    fn memory_is_bounded() {
        // Sets of the bits of a number; those of most streams stay.
        let many = (0..2 * KnownSets::MOST).flat_map(|i| {
            let calls: Vec<Token> = (0..16).filter(|bit| i >> bit & 1 == 1).collect();
            vec![set(&calls); if i == 7 { 3 } else { 1 }]
        });
        let known = KnownSets::of(many).unwrap();
        assert_eq!(known.len(), KnownSets::MOST);
        assert_eq!(known.distances(&set(&[0, 1, 2]), 0).nearest, 0.0);
    }

    #[test]
    fn sets_that_do_not_fit_are_refused() {
        let of = KnownSets::of_counted;
        assert!(of(vec![(set(&[1]), 1)], 1).is_some());
        assert!(of(vec![(set(&[1]), 0)], 1).is_none());
        assert!(of(vec![(set(&[1]), 1)], 0).is_none());
        assert!(of(Vec::new(), 1).is_none());
        let other = CallSet::empty(1_000);
        assert!(of(vec![(set(&[1]), 1), (other, 1)], 1).is_none());
    }

    proptest! {
        #[test]
        fn agrees_with_plain_sets(
            known in prop::collection::vec(prop::collection::btree_set(0u32..70, 0..12), 1..20),
            new in prop::collection::btree_set(0u32..70, 0..12),
        ) {
            let of = |calls: &std::collections::BTreeSet<u32>| {
                set(&calls.iter().copied().collect::<Vec<_>>())
            };
            let sets = KnownSets::of(known.iter().map(of)).unwrap();
            let found = sets.distances(&of(&new), 0);
            let distance = |other: &std::collections::BTreeSet<u32>| {
                let all = new.union(other).count();
                (all - new.intersection(other).count()) as f32 / all.max(1) as f32
            };
            let nearest = known.iter().map(distance).fold(f32::INFINITY, f32::min);
            let lacking = known.iter().map(|other| new.difference(other).count()).min();
            prop_assert_eq!(found.nearest, nearest);
            prop_assert_eq!(Some(found.lacking as usize), lacking);
            let again = KnownSets::of_counted(sets.iter().collect(), sets.neighbours());
            prop_assert_eq!(again, Some(sets));
        }
    }
}
