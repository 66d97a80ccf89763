//! Models that rebuild windows of tokens: a self-organising map and an autoencoder.
//!
//! A window of n tokens is a vector of n x V numbers, of which n are 1: at place i the one of the token that
//! stands there, so its row is `i * V + token`. How far a window is from what a model makes of it is told as
//! a share of the distance, sqrt(2n), between two windows that have no token in common.

mod autoencoder;
mod map;

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::Rng;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use map::{Map, MapConfig};

/// Different windows of streams, and how often each came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowCounts {
    shape: Shape,
    /// Their tokens, window after window, in ascending order.
    tokens: Vec<u32>,
    counts: Vec<u32>,
}

/// Windows of so many tokens of a vocabulary of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    len: usize,
    vocab: usize,
}

/// Why there is no such model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OneHotError {
    /// The length of windows is out of range.
    #[error("windows have 1 to {max} calls here, not {0}", max = WindowCounts::MAX_LEN)]
    Length(usize),
    /// A setting of the model is out of range.
    #[error("{0}")]
    Setting(&'static str),
    /// No stream was as long as a window.
    #[error("no stream has {0} calls, which is a window")]
    NoWindow(usize),
    /// The model would have too many numbers.
    #[error("{numbers} numbers are more than the {MOST} that such a model may have")]
    TooLarge {
        /// How many it would have.
        numbers: usize,
    },
    /// Numbers that are not those of such a model.
    #[error("{0}")]
    Malformed(&'static str),
    /// The observer stopped it.
    #[error("interrupted")]
    Stopped,
}

/// Most numbers of a model: 256 MiB.
const MOST: usize = 1 << 26;

/// Is told how far a training is, from 0 to 1, and may stop it.
pub type TrainObserver<'a> = dyn FnMut(f64) -> ControlFlow<()> + 'a;

impl WindowCounts {
    /// Most tokens of a window.
    pub const MAX_LEN: usize = 64;

    /// The windows in stretches of tokens, each below `vocab`; a window does not reach from one stretch into
    /// the next.
    ///
    /// # Errors
    /// [`OneHotError`]: the length is out of range, or there is no window.
    pub fn of<S: AsRef<[u32]>>(
        len: usize,
        vocab: usize,
        stretches: impl IntoIterator<Item = S>,
    ) -> Result<Self, OneHotError> {
        let shape = Shape::new(len, vocab)?;
        let mut counted: HashMap<Box<[u32]>, u32> = HashMap::new();
        for stretch in stretches {
            for window in stretch.as_ref().windows(len) {
                match counted.get_mut(window) {
                    Some(count) => *count = count.saturating_add(1),
                    None => {
                        counted.insert(window.into(), 1);
                    }
                }
            }
        }
        if counted.is_empty() {
            return Err(OneHotError::NoWindow(len));
        }
        if counted
            .keys()
            .flatten()
            .any(|&token| token as usize >= vocab)
        {
            return Err(OneHotError::Malformed("a token is not in the vocabulary"));
        }
        let mut sorted: Vec<(Box<[u32]>, u32)> = counted.into_iter().collect();
        sorted.sort_unstable();
        Ok(WindowCounts {
            shape,
            tokens: sorted
                .iter()
                .flat_map(|(window, _)| window)
                .copied()
                .collect(),
            counts: sorted.iter().map(|&(_, count)| count).collect(),
        })
    }

    /// How many different ones there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Never: there is a window at least.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The running sum of how often they came.
    fn ends(&self) -> Vec<u64> {
        let mut sum = 0;
        let counts = self.counts.iter();
        counts
            .map(|&count| {
                sum += u64::from(count);
                sum
            })
            .collect()
    }

    /// One of them, each as likely as it is frequent, by their running sum.
    fn draw(&self, ends: &[u64], rng: &mut Rng) -> &[u32] {
        let drawn = rng.below(ends.last().map_or(0, |&all| all as usize)) as u64;
        self.window(ends.partition_point(|&end| end <= drawn))
    }

    fn window(&self, place: usize) -> &[u32] {
        let len = self.shape.len;
        &self.tokens[place * len..(place + 1) * len]
    }
}

impl Shape {
    fn new(len: usize, vocab: usize) -> Result<Self, OneHotError> {
        match len {
            1..=WindowCounts::MAX_LEN => Ok(Shape { len, vocab }),
            _ => Err(OneHotError::Length(len)),
        }
    }

    /// n x V.
    fn rows(self) -> usize {
        self.len * self.vocab
    }

    /// The rows in which a window has a 1.
    fn rows_of(self, window: &[u32]) -> impl Iterator<Item = usize> + '_ {
        let places = window.iter().enumerate();
        places.map(move |(place, &token)| place * self.vocab + token as usize)
    }

    /// A squared distance as a share of the largest, its root.
    fn share(self, square: f32) -> f32 {
        (square.max(0.0) / (2 * self.len) as f32).sqrt()
    }

    /// Whether a model of so many numbers a row is small enough.
    fn check(self, width: usize) -> Result<(), OneHotError> {
        let numbers = self.rows().saturating_mul(width);
        match numbers {
            0..=MOST => Ok(()),
            _ => Err(OneHotError::TooLarge { numbers }),
        }
    }
}

/// Whether numbers read from a file can be a model's.
fn all_finite(numbers: &[f32]) -> Result<(), OneHotError> {
    // What is larger overflows where it is squared and summed.
    match numbers.iter().all(|number| number.abs() < 1e6) {
        true => Ok(()),
        false => Err(OneHotError::Malformed(
            "a number is not finite, or far too large",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_within_stretches() {
        let counts = WindowCounts::of(2, 9, [vec![5, 6, 5, 6], vec![6, 5], vec![7]]).unwrap();
        assert_eq!(counts.tokens, [5, 6, 6, 5]);
        assert_eq!(counts.counts, [2, 2]);
        let rows: Vec<usize> = counts.shape.rows_of(counts.window(1)).collect();
        assert_eq!(rows, [6, 9 + 5]);
        assert_eq!(
            WindowCounts::of(3, 9, [vec![1, 2]]),
            Err(OneHotError::NoWindow(3))
        );
        assert_eq!(
            WindowCounts::of(0, 9, [vec![1]]),
            Err(OneHotError::Length(0))
        );
        assert!(WindowCounts::of(1, 9, [vec![9]]).is_err());
    }
}
