//! Plain counts that the tests hold tables against.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{Token, Vocabulary};

/// Tokens of the vocabulary that the tests have: four calls.
pub(crate) const VOCAB: usize = Vocabulary::FIRST_CALL as usize + 4;

/// Contexts from the oldest token to the latest, with how often each call followed them.
pub(crate) type Contexts = BTreeMap<Vec<Token>, BTreeMap<Token, u32>>;

/// Streams behind their start, with gaps.
pub(crate) fn sequence() -> impl Strategy<Value = Vec<Token>> {
    let token = prop_oneof![9 => 5..VOCAB as Token, 1 => Just(Vocabulary::GAP)];
    (1..3 as Token, prop::collection::vec(token, 1..40))
        .prop_map(|(start, rest)| std::iter::once(start).chain(rest).collect())
}

/// All contexts of up to `order - 1` tokens that were followed by a call.
pub(crate) fn contexts(order: usize, sequences: &[Vec<Token>]) -> Contexts {
    let mut all = Contexts::new();
    for sequence in sequences {
        for (place, &call) in sequence.iter().enumerate().skip(1) {
            if call < Vocabulary::FIRST_CALL {
                continue;
            }
            for len in 0..order.min(place + 1) {
                let context = &sequence[place - len..place];
                if len >= 2 && context[1..].iter().any(|&t| t < Vocabulary::FIRST_CALL) {
                    break;
                }
                let follows = all.entry(context.to_vec()).or_default();
                *follows.entry(call).or_default() += 1;
            }
        }
    }
    all
}

/// The longest of these contexts that ends where the stream is.
pub(crate) fn longest<'c>(all: &'c Contexts, stood: &[Token]) -> &'c [Token] {
    let mut suffixes = (0..=stood.len()).map(|from| &stood[from..]);
    let found = suffixes.find_map(|suffix| all.get_key_value(suffix));
    found.map_or(&[], |(context, _)| context)
}
