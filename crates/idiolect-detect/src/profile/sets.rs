//! The sets of calls of training streams as tensors, and back.

use std::collections::BTreeMap;

use super::container::{Tensor, Whole};
use super::error::Problem;
use crate::novelty::{CallSet, KnownSets};
use crate::{Token, Vocabulary};

/// The calls of every set, one set after another, each ascending.
const CALLS: &str = "sets.calls";
/// How many calls each set has.
const SIZES: &str = "sets.sizes";
/// How many streams have it.
const TIMES: &str = "sets.times";

// A token fits 16 bits.
const _: () = assert!(Vocabulary::MAX_TOKENS <= 1 << 16);

/// The tensors of some sets, by name.
pub(super) fn tensors_of(sets: &KnownSets) -> Vec<(String, Tensor<'static>)> {
    let (mut calls, mut sizes, mut times): (Vec<u16>, Vec<u32>, Vec<u32>) = Default::default();
    for (set, of) in sets.iter() {
        calls.extend(set.iter().map(|token| token as u16));
        sizes.push(set.len());
        times.push(of);
    }
    vec![
        (CALLS.to_owned(), Tensor::list(calls)),
        (SIZES.to_owned(), Tensor::list(sizes)),
        (TIMES.to_owned(), Tensor::list(times)),
    ]
}

/// The sets that these tensors say, which are taken out, for a vocabulary of this size.
pub(super) fn of_tensors(
    neighbours: u32,
    vocabulary: usize,
    tensors: &mut BTreeMap<String, Tensor<'static>>,
) -> Result<KnownSets, Problem> {
    let calls: Vec<u16> = list(CALLS, tensors)?;
    let sizes: Vec<u32> = list(SIZES, tensors)?;
    let times: Vec<u32> = list(TIMES, tensors)?;
    let wrong = |what: &str| Problem::Shape(format!("the sets of calls {what}"));
    if sizes.len() != times.len() || sizes.len() > KnownSets::MOST {
        return Err(wrong("are not as many as their numbers of streams"));
    }
    let mut left = calls.as_slice();
    let mut sets = Vec::with_capacity(sizes.len());
    for (size, times) in sizes.into_iter().zip(times) {
        let (own, after) = left
            .split_at_checked(size as usize)
            .ok_or_else(|| wrong("end too early"))?;
        left = after;
        let mut set = CallSet::empty(vocabulary);
        let in_vocabulary = |call: u16| (call as usize) < vocabulary;
        if !own
            .iter()
            .all(|&call| in_vocabulary(call) && set.insert(Token::from(call)))
        {
            return Err(wrong("hold what is no call, or one twice"));
        }
        sets.push((set, times));
    }
    if !left.is_empty() {
        return Err(wrong("have more calls than they should"));
    }
    KnownSets::of_counted(sets, neighbours).ok_or_else(|| wrong("make no sense"))
}

fn list<T: Whole>(
    name: &str,
    tensors: &mut BTreeMap<String, Tensor<'static>>,
) -> Result<Vec<T>, Problem> {
    let tensor = tensors
        .remove(name)
        .ok_or_else(|| Problem::Shape(format!("{name:?} is missing")))?;
    tensor.into_list(name)
}
