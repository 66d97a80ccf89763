//! Windows of calls that were or were not seen: STIDE and its kin.

use super::automaton::{Automaton, Counted, EMPTY};
use super::grams::{Grams, Short, TableError, short};
use super::walk::Walk;
use crate::{Measure, Token, Vocabulary};

/// What is said of a window of calls that was seen c times among the N of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WindowRule {
    /// Whether it was never seen: STIDE, sequence time-delay embedding (Forrest et al. 1996, Hofmeyr et al.
    /// 1998). 1 for a mismatch, 0 otherwise.
    Stide,
    /// The same, where rare windows count as never seen: t-STIDE, with a frequency threshold (Warrender et
    /// al. 1999). A mismatch where c is 0 or below `rare` N.
    TStide {
        /// The share of all windows, from 0 to below 1; they took 0.00001.
        rare: f64,
    },
    /// How rare it is, ln((N + 1) / (c + 1)) in nats: 0 where training knew no other window. Up to a constant
    /// the logarithm of Helman and Bhangoo's ratio (1997) between a uniform distribution of odd windows and
    /// the frequency of normal ones, with one more window of every kind.
    Frequency,
}

/// The windows of `len` consecutive calls of normal streams, and how odd those of another stream are.
///
/// There is one window for each call but the first `len - 1` of a stream, or after a gap, of which nothing
/// is said: windows hold calls alone, and reach neither over a stream's start nor over a gap. The mean over a stream
/// is the share of its windows that mismatch, Forrest's measure; the largest mean over 20 windows is
/// Hofmeyr's and Warrender's locality frame.
#[derive(Debug)]
pub struct WindowSet {
    grams: Grams,
    rule: WindowRule,
    vocab: usize,
    automaton: Automaton,
    /// First edge from a context of `len - 1` tokens: from here on an edge is a window.
    first_window: usize,
    /// How often each window was seen, by edge from the first one on.
    counts: Vec<u32>,
    /// Windows that were seen, copies included.
    total: f64,
    /// Different ones.
    different: usize,
}

impl WindowSet {
    /// The windows among these n-grams, whose order is their length and whose tokens are those of a
    /// vocabulary of this size.
    ///
    /// # Errors
    /// [`TableError::TooLarge`], and [`TableError::NoWindow`] where no stream was as long as a window.
    pub fn new(grams: Grams, vocab: usize, rule: WindowRule) -> Result<Self, TableError> {
        let Counted {
            automaton,
            mut counts,
            tokens,
            ..
        } = Counted::of(&grams)?;
        let full = (EMPTY..automaton.len() as u32).find(|&node| automaton.is_full(node));
        let first_window = full.map_or(counts.len(), |node| automaton.edges(node).start);
        let (mut total, mut different) = (0.0, 0);
        for node in full.unwrap_or(automaton.len() as u32)..automaton.len() as u32 {
            // A window holds calls alone.
            if node == EMPTY || tokens[node as usize] >= Vocabulary::FIRST_CALL as Short {
                let of_node = &counts[automaton.edges(node)];
                total += of_node.iter().map(|&count| f64::from(count)).sum::<f64>();
                different += of_node.len();
            }
        }
        if different == 0 {
            return Err(TableError::NoWindow { len: grams.order() });
        }
        counts.drain(..first_window);
        counts.shrink_to_fit();
        Ok(WindowSet {
            grams,
            rule,
            vocab,
            automaton,
            first_window,
            counts,
            total,
            different,
        })
    }

    /// What they were counted from.
    pub fn grams(&self) -> &Grams {
        &self.grams
    }

    /// What it says of a window.
    pub fn rule(&self) -> WindowRule {
        self.rule
    }

    /// Different windows.
    pub fn len(&self) -> usize {
        self.different
    }

    /// Never: there is a window at least.
    pub fn is_empty(&self) -> bool {
        self.different == 0
    }

    /// Bytes that it takes in memory, the counts included.
    pub fn bytes(&self) -> usize {
        self.grams.bytes() + self.automaton.bytes() + size_of_val(&self.counts[..])
    }

    /// What is said of a window that was seen so often.
    fn say(&self, count: u32) -> f32 {
        match self.rule {
            WindowRule::Stide => f32::from(u8::from(count == 0)),
            WindowRule::TStide { rare } => {
                let is_rare = count == 0 || f64::from(count) < rare * self.total;
                f32::from(u8::from(is_rare))
            }
            WindowRule::Frequency => ((self.total + 1.0) / (f64::from(count) + 1.0))
                .ln()
                .max(0.0) as f32,
        }
    }
}

impl Walk for WindowSet {
    fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    #[inline]
    fn step(&self, node: u32, token: Token) -> (f32, u32) {
        let call = short(token);
        if token < Vocabulary::FIRST_CALL {
            return (self.say(0), self.automaton.after_special(call));
        }
        match self.automaton.find(node, call, |_| {}) {
            Some(edge) => {
                let window = edge.checked_sub(self.first_window);
                let count = window.map_or(0, |window| self.counts[window]);
                (self.say(count), self.automaton.next(edge))
            }
            None => (self.say(0), EMPTY),
        }
    }

    fn name(&self) -> &'static str {
        match self.rule {
            WindowRule::Stide => "stide",
            WindowRule::TStide { .. } => "t-stide",
            WindowRule::Frequency => "frequency",
        }
    }

    fn measured_in(&self) -> Measure {
        match self.rule {
            WindowRule::Stide => Measure::UnseenWindows,
            WindowRule::TStide { .. } => Measure::RareWindows,
            WindowRule::Frequency => Measure::Rarity,
        }
    }

    fn silent_calls(&self) -> usize {
        self.grams.order() - 1
    }

    /// The share of each call among the windows of training that begin with the last `len - 1` calls; of
    /// calls that would make a window that counts as odd, 0.
    fn predict_after(&self, node: u32, probabilities: &mut Vec<f32>) {
        probabilities.clear();
        probabilities.resize(self.vocab, 0.0);
        if !self.automaton.is_full(node) {
            return;
        }
        let edges = self.automaton.edges(node);
        let counts = &self.counts[edges.start - self.first_window..edges.end - self.first_window];
        let sum: f64 = counts.iter().map(|&count| f64::from(count)).sum();
        let is_odd = |count| match self.rule {
            WindowRule::Frequency => false,
            _ => self.say(count) > 0.0,
        };
        for (edge, &count) in edges.zip(counts) {
            if !is_odd(count) {
                let call = usize::from(self.automaton.call(edge));
                probabilities[call] = (f64::from(count) / sum) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::{VOCAB, sequence};
    use super::*;
    use crate::Detector;
    use idiolect_trace::StartKind;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// The windows of a stream with the places of their last calls: calls alone.
    fn windows(len: usize, sequence: &[Token]) -> Vec<(usize, &[Token])> {
        let windows = sequence.windows(len).enumerate();
        let of_calls =
            windows.filter(|(_, window)| window.iter().all(|&t| t >= Vocabulary::FIRST_CALL));
        of_calls
            .map(|(place, window)| (place + len - 1, window))
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_said_is_what_a_map_of_windows_says(
            len in 1usize..8,
            counted in prop::collection::vec(sequence(), 1..5),
            mut followed in sequence(),
            unknown in any::<prop::sample::Index>(),
            rare in 0.0f64..0.5,
        ) {
            let Ok(grams) = Grams::count(len, counted.iter().cloned()) else { return Ok(()) };
            let mut counts: HashMap<&[Token], u32> = HashMap::new();
            for (_, window) in counted.iter().flat_map(|sequence| windows(len, sequence)) {
                *counts.entry(window).or_default() += 1;
            }
            let total = f64::from(counts.values().sum::<u32>());
            let different = counts.len();
            let place = unknown.index(followed.len());
            if followed[place] >= Vocabulary::FIRST_CALL {
                followed[place] = Vocabulary::UNKNOWN;
            }
            let rules = [WindowRule::Stide, WindowRule::TStide { rare }, WindowRule::Frequency];
            for rule in rules {
                let Ok(set) = WindowSet::new(grams.clone(), VOCAB, rule) else {
                    prop_assert_eq!(different, 0);
                    continue;
                };
                prop_assert_eq!(set.len(), different);
                let mut node = set.automaton.after_special(followed[0] as Short);
                let mut silent = set.silent_calls();
                for (place, &token) in followed.iter().enumerate().skip(1) {
                    let (said, next) = set.step(node, token);
                    node = next;
                    if token == Vocabulary::GAP {
                        silent = set.silent_calls();
                        continue;
                    }
                    if silent > 0 {
                        silent -= 1;
                        continue;
                    }
                    let window = &followed[place + 1 - len..=place];
                    let count = counts.get(window).copied().unwrap_or(0);
                    let expected = match rule {
                        WindowRule::Stide => f64::from(u8::from(count == 0)),
                        WindowRule::TStide { rare } => {
                            f64::from(u8::from(count == 0 || f64::from(count) < rare * total))
                        }
                        WindowRule::Frequency => {
                            ((total + 1.0) / (f64::from(count) + 1.0)).ln()
                        }
                    };
                    prop_assert!((f64::from(said) - expected).abs() < 1e-5, "{rule:?} {window:?}");
                }
            }
        }
    }

    #[test]
    fn it_expects_the_calls_that_would_fit_by_how_often_they_came() {
        let counted = [vec![1, 5, 6, 7, 5, 6, 8, 5, 6, 7]];
        let set = |rule| {
            let grams = Grams::count(3, counted.clone()).unwrap();
            WindowSet::new(grams, VOCAB, rule).unwrap()
        };
        let expected = |set: &WindowSet, calls: &[Token]| {
            let mut state = set.begin(StartKind::Thread);
            for &call in calls {
                set.observe(&mut state, call);
            }
            let mut expected = Vec::new();
            set.predict(&state, &mut expected);
            expected[Vocabulary::FIRST_CALL as usize..].to_vec()
        };
        let stide = set(WindowRule::Stide);
        assert_eq!(expected(&stide, &[5, 6]), [0.0, 0.0, 2.0 / 3.0, 1.0 / 3.0]);
        assert_eq!(expected(&stide, &[6, 6]), [0.0; 4]);
        // 2 of 7 windows are enough, 1 is not.
        let rare = set(WindowRule::TStide { rare: 0.2 });
        assert_eq!(expected(&rare, &[5, 6]), [0.0, 0.0, 2.0 / 3.0, 0.0]);
    }
}
