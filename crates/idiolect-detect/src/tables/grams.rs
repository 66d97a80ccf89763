//! How often each call followed each context, counted and kept compactly.

use std::cmp::Ordering;

use super::parts::Parts;
use crate::{Token, Vocabulary};

/// A call, or what a stream starts with, in two bytes: a vocabulary has at most
/// [`Vocabulary::MAX_TOKENS`] tokens.
pub(crate) type Short = u16;

pub(super) const FIRST_CALL: Short = Vocabulary::FIRST_CALL as Short;

/// Longest n-gram that is counted, in calls.
pub const MAX_ORDER: usize = 64;

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The order is none.
    #[error("an n-gram has {least} to {MAX_ORDER} calls here, and not {order}")]
    Order {
        /// The one asked for.
        order: usize,
        /// The lowest that this model has.
        least: usize,
    },
    /// The table would not fit into memory.
    #[error("the table would have more than {limit} entries: take a lower order")]
    TooLarge {
        /// Most entries.
        limit: usize,
    },
    /// Counts are of 32 bits.
    #[error("there are more than 4,294,967,295 calls to count")]
    TooManyCalls,
    /// There was no call to count.
    #[error("there is no call to learn from")]
    Empty,
    /// Every stream is shorter than a window.
    #[error("no stream is as long as a window of {len} calls: take a shorter one")]
    NoWindow {
        /// Calls in a window.
        len: usize,
    },
    /// What a file holds is no table.
    #[error("{0}")]
    Malformed(&'static str),
}

/// The n-grams of some sequences with their counts: how often each call followed each *context*, the
/// `order - 1` tokens before it, or all of them back to the last token that is no call (the stream's start, or
/// `<gap>`) where that is nearer.
///
/// Contexts are kept as a trie over their tokens from the latest to the oldest, its nodes in preorder, so that
/// contexts with the same latest tokens share them. Lower orders are sums of these counts. It takes 5 bytes
/// for each node and 6 for each different n-gram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grams {
    order: usize,
    parts: Parts,
}

impl Grams {
    /// Counts the n-grams of this order (1 to [`MAX_ORDER`]) in sequences of tokens, of which each begins
    /// with the token of its start.
    ///
    /// Sequences are taken up in portions that are sorted and merged with what has been counted, so that they
    /// need not be in memory together.
    ///
    /// # Errors
    /// [`TableError::Order`]; [`TableError::Empty`] where there is no call in them, and
    /// [`TableError::TooManyCalls`] where there are more than fit.
    pub fn count<S: IntoIterator<Item = Token>>(
        order: usize,
        sequences: impl IntoIterator<Item = S>,
    ) -> Result<Self, TableError> {
        if !(1..=MAX_ORDER).contains(&order) {
            return Err(TableError::Order { order, least: 1 });
        }
        let mut counted = Grams::none(order);
        let mut waiting: Vec<Short> = Vec::new();
        for sequence in sequences {
            waiting.extend(sequence.into_iter().map(short));
            if waiting.len() >= PORTION.max(counted.parts.calls.len()) {
                counted = counted.merged(Grams::of_portion(order, &waiting));
                waiting.clear();
            }
        }
        counted = counted.merged(Grams::of_portion(order, &waiting));
        if counted.parts.calls.is_empty() {
            return Err(TableError::Empty);
        }
        let total: u64 = counted
            .parts
            .counts
            .iter()
            .map(|&count| u64::from(count))
            .sum();
        if u32::try_from(total).is_err() {
            return Err(TableError::TooManyCalls);
        }
        Ok(counted)
    }

    fn none(order: usize) -> Self {
        let parts = Parts {
            tokens: vec![0],
            depths: vec![0],
            followers: vec![0],
            ..Parts::default()
        };
        Grams { order, parts }
    }

    /// The n-grams of sequences that stand one after another, each behind its start.
    fn of_portion(order: usize, tokens: &[Short]) -> Self {
        let places = (0..tokens.len()).filter(|&place| tokens[place] >= FIRST_CALL);
        let mut keyed: Vec<(u128, usize)> = places
            .map(|place| (key(order, tokens, place), place))
            .collect();
        keyed.sort_unstable_by(|a, b| {
            let by_rest = || match order {
                ..=KEY_TOKENS => Ordering::Equal,
                _ => compare(order, tokens, a.1, b.1),
            };
            a.0.cmp(&b.0).then_with(by_rest)
        });
        let mut writer = Writer::new(order);
        let mut context: Vec<Short> = Vec::with_capacity(order);
        for (_, place) in keyed {
            context.clear();
            context.extend(context_of(order, tokens, place));
            writer.add(&context, tokens[place], 1);
        }
        writer.grams
    }

    /// What both have counted.
    fn merged(self, other: Grams) -> Self {
        if self.parts.calls.is_empty() {
            return other;
        }
        let mut writer = Writer::new(self.order);
        let (mut ours, mut theirs) = (Rows::new(&self.parts), Rows::new(&other.parts));
        loop {
            let order = match (&ours.row, &theirs.row) {
                (None, None) => return writer.grams,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => (&ours.context, a.0).cmp(&(&theirs.context, b.0)),
            };
            let from = match order {
                Ordering::Greater => &mut theirs,
                _ => &mut ours,
            };
            if let Some((call, count)) = from.row {
                writer.add(&from.context, call, count);
            }
            from.next();
        }
    }

    /// Most calls of an n-gram, the last one included.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Different n-grams.
    pub fn len(&self) -> usize {
        self.parts.calls.len()
    }

    /// Never: tables are made of at least one call.
    pub fn is_empty(&self) -> bool {
        self.parts.calls.is_empty()
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let parts = &self.parts;
        let of_nodes = size_of_val(&parts.tokens[..]) + size_of_val(&parts.depths[..]);
        let of_grams = size_of_val(&parts.calls[..]) + size_of_val(&parts.counts[..]);
        of_nodes + size_of_val(&parts.followers[..]) + of_grams
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The table that consists of these arrays, if they are one: contexts in preorder with ascending tokens,
    /// each as long as the order or back to a token that is no call, followed by ascending calls of a
    /// vocabulary of this size, and all counts together no more than fits in 32 bits.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn from_parts(order: usize, vocab: usize, parts: Parts) -> Result<Self, TableError> {
        if !(1..=MAX_ORDER).contains(&order) {
            return Err(TableError::Order { order, least: 1 });
        }
        parts.check(order, vocab).map_err(TableError::Malformed)?;
        Ok(Grams { order, parts })
    }
}

/// Calls that are counted at a time while there are few n-grams: 32 MB while they are sorted.
const PORTION: usize = 1 << 20;
/// Tokens in a key to sort by.
const KEY_TOKENS: usize = 8;

/// Every token of a vocabulary fits.
pub(crate) fn short(token: Token) -> Short {
    Short::try_from(token).unwrap_or(Vocabulary::UNKNOWN as Short)
}

/// The context of the call at a place, from the latest token to the oldest.
fn context_of(
    order: usize,
    tokens: &[Short],
    place: usize,
) -> impl Iterator<Item = Short> + Clone + '_ {
    let before = tokens[..place].iter().rev().copied().take(order - 1);
    let mut ended = false;
    before.take_while(move |&token| !std::mem::replace(&mut ended, token < FIRST_CALL))
}

/// What an n-gram is sorted by: its context, then the call, as far as they go.
fn key(order: usize, tokens: &[Short], place: usize) -> u128 {
    let mut key = 0;
    let mut slots = 0;
    for token in context_of(order, tokens, place).take(KEY_TOKENS) {
        key = key << 16 | u128::from(token);
        slots += 1;
    }
    if order <= KEY_TOKENS {
        key <<= 16 * (KEY_TOKENS - 1 - slots);
        key << 16 | u128::from(tokens[place])
    } else {
        key << (16 * (KEY_TOKENS - slots))
    }
}

fn compare(order: usize, tokens: &[Short], a: usize, b: usize) -> Ordering {
    context_of(order, tokens, a)
        .cmp(context_of(order, tokens, b))
        .then_with(|| tokens[a].cmp(&tokens[b]))
}

/// Writes n-grams that come in order.
struct Writer {
    grams: Grams,
    /// The last context.
    context: Vec<Short>,
}

impl Writer {
    fn new(order: usize) -> Self {
        Writer {
            grams: Grams::none(order),
            context: Vec::new(),
        }
    }

    /// Adds an n-gram that comes after the last one or is the same.
    fn add(&mut self, context: &[Short], call: Short, count: u32) {
        let parts = &mut self.grams.parts;
        let shared = self.context.iter().zip(context).take_while(|(a, b)| a == b);
        let shared = shared.count();
        let is_same = shared == context.len() && !parts.calls.is_empty();
        if let (true, Some(&last), Some(sum)) =
            (is_same, parts.calls.last(), parts.counts.last_mut())
            && last == call
        {
            *sum = sum.saturating_add(count);
            return;
        }
        for (depth, &token) in context.iter().enumerate().skip(shared) {
            parts.tokens.push(token);
            parts.depths.push(depth as u8 + 1);
            parts.followers.push(0);
        }
        self.context.truncate(shared);
        self.context.extend_from_slice(&context[shared..]);
        if let Some(followers) = parts.followers.last_mut() {
            *followers += 1;
        }
        parts.calls.push(call);
        parts.counts.push(count);
    }
}

/// Reads n-grams in order.
struct Rows<'p> {
    parts: &'p Parts,
    node: usize,
    /// Calls of this node that are still to come.
    left: Short,
    place: usize,
    /// The context of the present n-gram.
    context: Vec<Short>,
    /// Its call and its count; none after the last.
    row: Option<(Short, u32)>,
}

impl<'p> Rows<'p> {
    fn new(parts: &'p Parts) -> Self {
        let mut rows = Rows {
            parts,
            node: 0,
            left: parts.followers[0],
            place: 0,
            context: Vec::new(),
            row: None,
        };
        rows.next();
        rows
    }

    fn next(&mut self) {
        let parts = self.parts;
        self.row = None;
        if self.place == parts.calls.len() {
            return;
        }
        while self.left == 0 {
            self.node += 1;
            self.context
                .truncate(usize::from(parts.depths[self.node]) - 1);
            self.context.push(parts.tokens[self.node]);
            self.left = parts.followers[self.node];
        }
        self.row = Some((parts.calls[self.place], parts.counts[self.place]));
        self.place += 1;
        self.left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const VOCAB: usize = FIRST_CALL as usize + 4;

    fn sequence() -> impl Strategy<Value = Vec<Token>> {
        let token = prop_oneof![8 => 5..VOCAB as Token, 1 => Just(Vocabulary::GAP)];
        (1..4 as Token, prop::collection::vec(token, 0..30))
            .prop_map(|(start, rest)| std::iter::once(start).chain(rest).collect())
    }

    /// The same by a map from context and call.
    fn plainly(order: usize, sequences: &[Vec<Token>]) -> BTreeMap<(Vec<Short>, Short), u32> {
        let mut counts = BTreeMap::new();
        for sequence in sequences {
            for (place, &call) in sequence.iter().enumerate() {
                if call < Vocabulary::FIRST_CALL {
                    continue;
                }
                let mut context = Vec::new();
                for &token in sequence[..place].iter().rev().take(order - 1) {
                    context.push(token as Short);
                    if token < Vocabulary::FIRST_CALL {
                        break;
                    }
                }
                *counts.entry((context, call as Short)).or_default() += 1;
            }
        }
        counts
    }

    fn rows(grams: &Grams) -> BTreeMap<(Vec<Short>, Short), u32> {
        let mut rows = Rows::new(&grams.parts);
        let mut all = BTreeMap::new();
        while let Some((call, count)) = rows.row {
            all.insert((rows.context.clone(), call), count);
            rows.next();
        }
        all
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_map(
            order in 1usize..14,
            first in prop::collection::vec(sequence(), 1..6),
            second in prop::collection::vec(sequence(), 1..6),
        ) {
            let flat = |sequences: &[Vec<Token>]| -> Vec<Short> {
                sequences.iter().flatten().map(|&token| token as Short).collect()
            };
            let all: Vec<Vec<Token>> = first.iter().chain(&second).cloned().collect();
            let merged = Grams::of_portion(order, &flat(&first))
                .merged(Grams::of_portion(order, &flat(&second)));
            prop_assert_eq!(&rows(&merged), &plainly(order, &all));
            match Grams::count(order, all) {
                Ok(at_once) => {
                    prop_assert_eq!(&at_once, &merged);
                    let parts = at_once.parts.clone();
                    prop_assert_eq!(Grams::from_parts(order, VOCAB, parts), Ok(at_once));
                }
                Err(error) => {
                    prop_assert_eq!(error, TableError::Empty);
                    prop_assert!(merged.is_empty());
                }
            }
        }

        /// Whatever the arrays hold: an error, or a table that is written as it was read.
        #[test]
        fn damaged_arrays_are_refused_or_a_table(
            order in 1usize..5,
            sequences in prop::collection::vec(sequence(), 1..4),
            (which, place, value) in (0usize..5, any::<prop::sample::Index>(), 0u16..12),
        ) {
            let Ok(grams) = Grams::count(order, sequences) else { return Ok(()) };
            let mut parts = grams.parts;
            let place = |len: usize| place.index(len);
            match which {
                0 => { let at = place(parts.tokens.len()); parts.tokens[at] = value; }
                1 => { let at = place(parts.depths.len()); parts.depths[at] = value as u8; }
                2 => { let at = place(parts.followers.len()); parts.followers[at] = value; }
                3 => { let at = place(parts.calls.len()); parts.calls[at] = value; }
                _ => { let at = place(parts.counts.len()); parts.counts[at] = u32::from(value); }
            }
            if let Ok(read) = Grams::from_parts(order, VOCAB, parts.clone()) {
                prop_assert_eq!(&read.parts, &parts);
                prop_assert_eq!(rows(&read).len(), read.len());
            }
        }
    }

    #[test]
    fn an_order_out_of_range_is_refused() {
        for order in [0, MAX_ORDER + 1] {
            let error = Grams::count(order, [vec![1, 5]]).unwrap_err();
            assert_eq!(error, TableError::Order { order, least: 1 });
        }
        assert!(Grams::count(MAX_ORDER, [vec![1, 5]]).is_ok());
    }
}
