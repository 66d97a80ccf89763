//! A table of transitions: the plainest model of what comes next.

use std::collections::{BTreeMap, HashMap};

/// Share of the second list of (context, call) that a table counted on the first gets right: it answers
/// with the call that came most often after the context, the lowest number where several did, and is wrong
/// where it never saw the context.
pub fn table_accuracy(train: &[(Vec<u32>, u32)], validate: &[(Vec<u32>, u32)]) -> f64 {
    let mut counts: HashMap<&[u32], BTreeMap<u32, u64>> = HashMap::new();
    for (context, call) in train {
        *counts.entry(context).or_default().entry(*call).or_default() += 1;
    }
    let answer = |context: &[u32]| {
        let seen = counts.get(context)?.iter();
        seen.max_by_key(|&(call, count)| (count, std::cmp::Reverse(call)))
            .map(|(&call, _)| call)
    };
    let right = validate
        .iter()
        .filter(|(context, call)| answer(context) == Some(*call))
        .count();
    right as f64 / validate.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_call_is_the_answer() {
        let step = |context: u32, call| (vec![context], call);
        let train = [step(1, 2), step(1, 2), step(1, 3), step(2, 9), step(2, 8)];
        assert_eq!(table_accuracy(&train, &[step(1, 2), step(1, 3)]), 0.5);
        // A tie goes to the lower number; a new context is a miss.
        assert_eq!(table_accuracy(&train, &[step(2, 8), step(3, 8)]), 0.5);
        assert_eq!(table_accuracy(&train, &[]), 0.0);
    }
}
