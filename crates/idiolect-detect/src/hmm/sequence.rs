//! What a hidden Markov model learns from.

use super::AFTER_GAP;
use crate::{Token, Vocabulary};

/// Calls in a row, and what stands before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmmSequence {
    /// 0 to 3: `<exec>`, `<thread>`, `<attach>`, `<gap>`.
    pub(super) start: usize,
    /// Calls, from 0.
    pub(super) calls: Vec<u16>,
}

impl HmmSequence {
    /// The calls of a stream's tokens, of which the first is that of its start, cut at gaps and unknown calls.
    /// Rows longer than 32,768 calls are cut as well, so that what is kept of each call while
    /// it is learned from stays small.
    pub fn of_stream(tokens: impl IntoIterator<Item = Token>) -> Vec<HmmSequence> {
        let mut all: Vec<HmmSequence> = Vec::new();
        let mut start = AFTER_GAP;
        let mut calls = Vec::new();
        let mut end = |start: usize, calls: &mut Vec<u16>| {
            if !calls.is_empty() {
                let calls = std::mem::take(calls);
                all.push(HmmSequence { start, calls });
            }
        };
        for token in tokens {
            if let Some(call) = token.checked_sub(Vocabulary::FIRST_CALL) {
                if calls.len() == LONGEST {
                    end(start, &mut calls);
                    start = AFTER_GAP;
                }
                calls.push(call as u16);
                continue;
            }
            end(start, &mut calls);
            start = match token {
                Vocabulary::UNKNOWN => AFTER_GAP,
                token => token as usize - 1,
            };
        }
        end(start, &mut calls);
        all
    }
}

/// Most calls of a row.
const LONGEST: usize = 1 << 15;
