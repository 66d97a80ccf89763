//! The contexts of n-grams as an automaton that follows a stream call by call.

use super::grams::{Grams, Short, TableError};
use crate::Vocabulary;

/// Most successors of all contexts together. They take 10 to 14 bytes each, and 16 more while they are linked.
const MAX_EDGES: usize = 1 << 26;

/// The contexts of a table of n-grams, the empty one and those of every shorter order included, as the states
/// of an automaton. A stream's state is the longest context that ends where the stream is.
///
/// Each context has its successors as edges, and knows the one without its oldest token. A call that did not
/// follow a context is looked for after the next shorter one. A call makes the context at most one
/// token longer and each look-up that fails makes it one shorter, so a call costs O(1) look-ups on average,
/// whatever the order (as in Aho and Corasick 1975).
///
/// Contexts are numbered level by level: the empty one is 0, then come those of one token.
#[derive(Debug)]
pub(crate) struct Automaton {
    nodes: Vec<Node>,
    /// The call of each edge, ascending within a node.
    calls: Vec<Short>,
    /// The context that it leads to.
    next: Vec<u32>,
    /// The first context of `order - 1` tokens.
    first_full: u32,
    /// The context of each token that stands for no call, where there is one, the empty one otherwise.
    starts: [u32; Vocabulary::FIRST_CALL as usize],
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Its first edge. The last node is none, and only ends the edges of the one before.
    first_edge: u32,
    /// The context without its oldest token.
    shorter: u32,
}

/// An automaton with what its edges were counted from.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) automaton: Automaton,
    /// How often the call of each edge followed its context.
    pub(crate) counts: Vec<u32>,
    /// The edge of the same call from the shorter context; none (`u32::MAX`) from the empty one.
    pub(crate) shorter_edges: Vec<u32>,
    /// The oldest token of each context; 0 of the empty one.
    pub(crate) tokens: Vec<Short>,
    /// The first context of each number of tokens, and behind them their number.
    pub(crate) levels: Vec<usize>,
}

/// No edge.
const NONE: u32 = u32::MAX;
/// The empty context.
pub(crate) const EMPTY: u32 = 0;

impl Automaton {
    /// Its contexts.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// The context of a token that stands for no call.
    pub(crate) fn after_special(&self, token: Short) -> u32 {
        self.starts
            .get(usize::from(token))
            .copied()
            .unwrap_or(EMPTY)
    }

    /// Whether a context has `order - 1` tokens.
    pub(crate) fn is_full(&self, node: u32) -> bool {
        node >= self.first_full
    }

    /// The context without its oldest token; the empty one is its own.
    pub(crate) fn shorter(&self, node: u32) -> u32 {
        self.nodes[node as usize].shorter
    }

    /// The edges of a context.
    pub(crate) fn edges(&self, node: u32) -> std::ops::Range<usize> {
        let node = node as usize;
        self.nodes[node].first_edge as usize..self.nodes[node + 1].first_edge as usize
    }

    /// The call of an edge.
    pub(crate) fn call(&self, edge: usize) -> Short {
        self.calls[edge]
    }

    /// All edges.
    pub(crate) fn edge_count(&self) -> usize {
        self.calls.len()
    }

    /// The context that an edge leads to.
    pub(crate) fn next(&self, edge: usize) -> u32 {
        self.next[edge]
    }

    /// The edge of a call from a context.
    #[inline]
    pub(crate) fn edge(&self, node: u32, call: Short) -> Option<usize> {
        let edges = self.edges(node);
        let calls = &self.calls[edges.clone()];
        let place = if calls.len() <= FEW {
            calls.iter().position(|&other| other == call)
        } else {
            calls.binary_search(&call).ok()
        };
        place.map(|place| edges.start + place)
    }

    /// The edge of a call from the longest of the contexts that end here and were followed by it. Tells
    /// `escaped` of each longer one, the longest first.
    #[inline]
    pub(crate) fn find(
        &self,
        mut node: u32,
        call: Short,
        mut escaped: impl FnMut(u32),
    ) -> Option<usize> {
        loop {
            if let Some(edge) = self.edge(node, call) {
                return Some(edge);
            }
            escaped(node);
            if node == EMPTY {
                return None;
            }
            node = self.shorter(node);
        }
    }

    /// This context and all shorter ones, the longest first.
    pub(crate) fn longest_first(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let shorter = |&node: &u32| (node != EMPTY).then(|| self.shorter(node));
        std::iter::successors(Some(node), shorter)
    }

    /// The same, the empty one first.
    pub(crate) fn shortest_first(&self, node: u32) -> Vec<u32> {
        let mut chain: Vec<u32> = self.longest_first(node).collect();
        chain.reverse();
        chain
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.nodes[..]) + size_of_val(&self.calls[..]) + size_of_val(&self.next[..])
    }
}

/// Edges that are looked through one after another.
const FEW: usize = 8;

impl Counted {
    /// The automaton of these n-grams.
    ///
    /// # Errors
    /// [`TableError::TooLarge`].
    pub(crate) fn of(grams: &Grams) -> Result<Self, TableError> {
        let tree = Tree::of(grams);
        let (first_edges, calls, counts) = tree.edges(grams)?;
        let shorter = tree.parents.iter();
        let mut nodes: Vec<Node> = first_edges
            .iter()
            .zip(shorter.chain([&EMPTY]))
            .map(|(&first_edge, &shorter)| Node {
                first_edge,
                shorter,
            })
            .collect();
        nodes.shrink_to_fit();
        let first_full = tree.levels.get(grams.order() - 1);
        let mut counted = Counted {
            automaton: Automaton {
                first_full: first_full.map_or(u32::MAX, |&node| node as u32),
                starts: std::array::from_fn(|token| {
                    tree.child(EMPTY, token as Short).unwrap_or(EMPTY)
                }),
                next: vec![EMPTY; calls.len()],
                nodes,
                calls,
            },
            shorter_edges: vec![NONE; counts.len()],
            counts,
            tokens: Vec::new(),
            levels: Vec::new(),
        };
        counted.link(&tree);
        counted.tokens = tree.tokens;
        counted.levels = tree.levels;
        Ok(counted)
    }

    /// Finds for every edge that of the shorter context, and where it leads.
    fn link(&mut self, tree: &Tree) {
        for depth in 0..tree.levels.len() - 1 {
            for node in tree.levels[depth]..tree.levels[depth + 1] {
                let oldest = tree.tokens[node];
                let shorter = self.automaton.shorter(node as u32);
                for edge in self.automaton.edges(node as u32) {
                    let call = self.automaton.calls[edge];
                    // Where the call leads from the shorter context; its own child by the call from the
                    // empty one.
                    let target = if depth == 0 {
                        tree.child(EMPTY, call).unwrap_or(EMPTY)
                    } else {
                        let Some(shorter_edge) = self.automaton.edge(shorter, call) else {
                            // What followed a context followed every shorter one.
                            continue;
                        };
                        self.shorter_edges[edge] = shorter_edge as u32;
                        let target = self.automaton.next[shorter_edge];
                        // The target has all of the shorter context: one more token may stand before it.
                        let whole = (tree.levels[depth]..tree.levels[depth + 1])
                            .contains(&(target as usize));
                        let longer = whole.then(|| tree.child(target, oldest)).flatten();
                        longer.unwrap_or(target)
                    };
                    self.automaton.next[edge] = target;
                }
            }
        }
    }

    /// Whether a context has all the tokens that the order allows: no longer one was counted.
    pub(crate) fn is_whole(&self, node: u32) -> bool {
        let is_special = self.tokens[node as usize] < Vocabulary::FIRST_CALL as Short;
        self.automaton.is_full(node) || (node != EMPTY && is_special)
    }
}

/// The contexts, numbered level by level.
struct Tree {
    tokens: Vec<Short>,
    parents: Vec<u32>,
    /// The first child of each, and behind them the number of nodes.
    first_children: Vec<u32>,
    /// The first node of each depth, and behind them the number of nodes.
    levels: Vec<usize>,
    /// For a whole context the place of its first n-gram in the table.
    rows: Vec<u32>,
    /// How many it has.
    followers: Vec<Short>,
}

impl Tree {
    fn of(grams: &Grams) -> Self {
        let parts = grams.parts();
        let count = parts.tokens.len();
        let deepest = parts.depths.iter().copied().max().unwrap_or(0);
        let mut levels = vec![0usize; usize::from(deepest) + 2];
        for &depth in &parts.depths {
            levels[usize::from(depth) + 1] += 1;
        }
        for depth in 1..levels.len() {
            levels[depth] += levels[depth - 1];
        }
        let mut tree = Tree {
            tokens: vec![0; count],
            parents: vec![EMPTY; count],
            first_children: vec![0; count + 1],
            levels,
            rows: vec![0; count],
            followers: vec![0; count],
        };
        let mut place = tree.levels.clone();
        let mut path: Vec<u32> = Vec::new();
        let mut row = 0;
        for node in 0..count {
            let depth = usize::from(parts.depths[node]);
            let number = place[depth];
            place[depth] += 1;
            path.truncate(depth);
            if let Some(&parent) = path.last() {
                tree.parents[number] = parent;
                tree.first_children[parent as usize + 1] += 1;
            }
            path.push(number as u32);
            tree.tokens[number] = parts.tokens[node];
            tree.rows[number] = row;
            tree.followers[number] = parts.followers[node];
            row += u32::from(parts.followers[node]);
        }
        // Level by level the children of one node stand together, and behind those of the node before.
        tree.first_children[0] = 1;
        for node in 0..count {
            tree.first_children[node + 1] += tree.first_children[node];
        }
        tree
    }

    fn children(&self, node: u32) -> std::ops::Range<usize> {
        let node = node as usize;
        self.first_children[node] as usize..self.first_children[node + 1] as usize
    }

    fn child(&self, node: u32, token: Short) -> Option<u32> {
        let children = self.children(node);
        let place = self.tokens[children.clone()].binary_search(&token).ok()?;
        Some((children.start + place) as u32)
    }

    /// The first edge of each node, and for each edge its call and how often it followed: a whole context's
    /// as they were counted, another's the sum of its children's.
    #[allow(clippy::type_complexity)]
    fn edges(&self, grams: &Grams) -> Result<(Vec<u32>, Vec<Short>, Vec<u32>), TableError> {
        let parts = grams.parts();
        let most = parts.calls.iter().copied().max().unwrap_or(0);
        let mut sums = vec![0u32; usize::from(most) + 1];
        let mut met: Vec<Short> = Vec::new();
        // From the last node and the last edge to the first, so that children come before parents.
        let (mut calls, mut counts) = (Vec::new(), Vec::new());
        let mut ends = vec![0usize; self.tokens.len() + 1];
        for node in (0..self.tokens.len()).rev() {
            let row = self.rows[node] as usize;
            for place in (row..row + usize::from(self.followers[node])).rev() {
                calls.push(parts.calls[place]);
                counts.push(parts.counts[place]);
            }
            for child in self.children(node as u32) {
                for edge in ends[child + 1]..ends[child] {
                    let call = calls[edge];
                    let sum = &mut sums[usize::from(call)];
                    if *sum == 0 {
                        met.push(call);
                    }
                    *sum = sum.saturating_add(counts[edge]);
                }
            }
            met.sort_unstable_by(|a, b| b.cmp(a));
            for call in met.drain(..) {
                calls.push(call);
                counts.push(std::mem::take(&mut sums[usize::from(call)]));
            }
            if calls.len() > MAX_EDGES {
                return Err(TableError::TooLarge { limit: MAX_EDGES });
            }
            ends[node] = calls.len();
        }
        calls.reverse();
        counts.reverse();
        let first_edges = ends.iter().map(|&end| (calls.len() - end) as u32);
        Ok((first_edges.collect(), calls, counts))
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::{contexts, longest, sequence};
    use super::*;
    use crate::Token;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, HashSet};

    proptest! {
        /// Follows sequences that were not counted, and finds in each state the longest context that was.
        #[test]
        fn its_states_are_the_longest_contexts(
            order in 1usize..8,
            counted in prop::collection::vec(sequence(), 1..5),
            followed in sequence(),
        ) {
            let Ok(grams) = Grams::count(order, counted.iter().cloned()) else { return Ok(()) };
            let table = Counted::of(&grams).unwrap();
            let automaton = &table.automaton;
            let all = contexts(order, &counted);
            prop_assert_eq!(automaton.len(), all.len());

            let mut node = EMPTY;
            for (place, &token) in followed.iter().enumerate() {
                if token < Vocabulary::FIRST_CALL {
                    node = automaton.after_special(token as Short);
                } else {
                    let mut longer = 0;
                    let edge = automaton.find(node, token as Short, |_| longer += 1);
                    prop_assert!(longer <= order);
                    node = edge.map_or(EMPTY, |edge| automaton.next(edge));
                }
                let context = longest(&all, &followed[..=place]);
                let found: BTreeMap<Token, u32> = automaton
                    .edges(node)
                    .map(|edge| (Token::from(automaton.call(edge)), table.counts[edge]))
                    .collect();
                prop_assert_eq!(&found, &all[context]);
                prop_assert_eq!(automaton.is_full(node), context.len() + 1 == order);
                let chain = automaton.shortest_first(node);
                prop_assert_eq!(chain.len(), context.len() + 1);
                prop_assert_eq!(chain.iter().collect::<HashSet<_>>().len(), chain.len());
            }
        }
    }
}
