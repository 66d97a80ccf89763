//! What a table of n-grams consists of, and whether what a file holds is one.

use super::grams::{FIRST_CALL, Short};
use crate::Vocabulary;

/// The arrays that a table of n-grams consists of, as they lie in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The oldest token of each context; the root, which comes first, has none (0).
    pub(crate) tokens: Vec<Short>,
    /// Tokens in each context; 0 for the root.
    pub(crate) depths: Vec<u8>,
    /// How many different calls followed each as a whole context.
    pub(crate) followers: Vec<Short>,
    /// Those calls, context by context, ascending.
    pub(crate) calls: Vec<Short>,
    /// How often each of them followed.
    pub(crate) counts: Vec<u32>,
}

impl Parts {
    /// Whether these arrays are a table of this order, of a vocabulary of this size, and what is wrong with them
    /// if not.
    pub(super) fn check(&self, order: usize, vocab: usize) -> Result<(), &'static str> {
        let parts = self;
        let nodes = parts.tokens.len();
        if parts.depths.len() != nodes || parts.followers.len() != nodes || nodes == 0 {
            return Err("contexts have not as many tokens as depths and numbers of calls");
        }
        if parts.depths[0] != 0 || parts.tokens[0] != 0 {
            return Err("the first context is not the empty one");
        }
        let followers: usize = parts.followers.iter().map(|&n| usize::from(n)).sum();
        if followers != parts.calls.len() || followers != parts.counts.len() || followers == 0 {
            return Err("there are not as many calls and counts as contexts say");
        }
        let mut total = 0u32;
        for &count in &parts.counts {
            total = match total.checked_add(count) {
                Some(total) if count > 0 => total,
                _ => return Err("a count is 0, or all of them together are too many"),
            };
        }
        let mut context: Vec<Short> = Vec::with_capacity(order);
        let mut calls = parts.calls.as_slice();
        for node in 0..nodes {
            let (token, depth) = (parts.tokens[node], usize::from(parts.depths[node]));
            if node > 0 {
                if depth == 0 || depth > context.len() + 1 {
                    return Err("a context has no parent");
                }
                if depth <= context.len() && token <= context[depth - 1] {
                    return Err("contexts do not ascend");
                }
                if depth >= 2 && context[depth - 2] < FIRST_CALL {
                    return Err("a context reaches back over the start of a stream");
                }
                let stands = token != Vocabulary::UNKNOWN as Short && usize::from(token) < vocab;
                if !stands {
                    return Err("a context holds a token that is not in the vocabulary");
                }
                context.truncate(depth - 1);
                context.push(token);
            }
            // Whole contexts, and they alone, are followed by calls; no node is without a whole one below it.
            let is_whole = depth + 1 == order || (node > 0 && token < FIRST_CALL);
            let is_leaf = parts
                .depths
                .get(node + 1)
                .is_none_or(|&next| usize::from(next) <= depth);
            let own = usize::from(parts.followers[node]);
            if depth + 1 > order || is_whole != is_leaf || is_whole != (own > 0) {
                return Err("a context is longer or shorter than the order says");
            }
            let (of_node, rest) = calls.split_at(own);
            calls = rest;
            let are_calls = of_node.first().is_none_or(|&call| call >= FIRST_CALL)
                && of_node.last().is_none_or(|&call| usize::from(call) < vocab);
            if !are_calls || !of_node.is_sorted_by(|a, b| a < b) {
                return Err("what follows a context are not ascending calls of the vocabulary");
            }
        }
        Ok(())
    }
}
