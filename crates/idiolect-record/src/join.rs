//! Several columns of codes as one.

use std::collections::HashMap;

use crate::columns::NONE;
use crate::decode::Codes;

/// Largest product of two dictionaries that is looked up in a table.
const TABLE: usize = 1 << 16;

/// The different pairs of two columns' codes in order of first occurrence, and each row's place among
/// them. Both have the same number of rows; `entries` are the sizes of their dictionaries.
pub(crate) fn join(
    left: &Codes,
    right: &Codes,
    entries: (usize, usize),
) -> (Codes, Vec<(u32, u32)>) {
    match (left, right) {
        (&Codes::Constant(l, rows), &Codes::Constant(r, _)) => {
            (Codes::Constant(0, rows), vec![(l, r)])
        }
        (Codes::Each(each), &Codes::Constant(r, _)) => renumber(each, entries.0, |l| (l, r)),
        (&Codes::Constant(l, _), Codes::Each(each)) => renumber(each, entries.1, |r| (l, r)),
        (Codes::Each(lefts), Codes::Each(rights)) => {
            // What is absent has a number of its own.
            let (rows, columns) = (entries.0 + 1, entries.1 + 1);
            let mut pairs = Vec::new();
            let both = lefts.iter().copied().zip(rights.iter().copied());
            let codes = if rows.saturating_mul(columns) <= TABLE {
                let mut table = vec![NONE; rows * columns];
                let place = |code: u32, entries: usize| (code as usize).min(entries);
                both.map(|(l, r)| {
                    let slot = place(l, entries.0) * columns + place(r, entries.1);
                    number(&mut table[slot], (l, r), &mut pairs)
                })
                .collect()
            } else {
                let mut table = HashMap::new();
                let mut last = ((NONE, NONE), NONE);
                both.map(|pair| {
                    if last.1 == NONE || last.0 != pair {
                        let slot = table.entry(pair).or_insert(NONE);
                        last = (pair, number(slot, pair, &mut pairs));
                    }
                    last.1
                })
                .collect()
            };
            (Codes::Each(codes), pairs)
        }
    }
}

/// One column beside a constant one.
fn renumber(
    codes: &[u32],
    entries: usize,
    pair: impl Fn(u32) -> (u32, u32),
) -> (Codes, Vec<(u32, u32)>) {
    let mut table = vec![NONE; entries + 1];
    let mut pairs = Vec::new();
    let codes = codes
        .iter()
        .map(|&code| {
            let slot = (code as usize).min(entries);
            number(&mut table[slot], pair(code), &mut pairs)
        })
        .collect();
    (Codes::Each(codes), pairs)
}

/// The number in a slot, which is the next one where there is none.
fn number(slot: &mut u32, pair: (u32, u32), pairs: &mut Vec<(u32, u32)>) -> u32 {
    if *slot == NONE {
        // There are fewer pairs than rows, and no group has 2^32.
        *slot = pairs.len() as u32;
        pairs.push(pair);
    }
    *slot
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(entries: u32) -> impl Strategy<Value = u32> {
        prop_oneof![4 => 0..entries, 1 => Just(NONE)]
    }

    proptest! {
        #[test]
        fn pairs_are_those_of_the_rows(
            rows in prop::collection::vec((code(5), code(400)), 0..300),
            large: bool,
        ) {
            let (lefts, rights): (Vec<u32>, Vec<u32>) = rows.iter().copied().unzip();
            let entries = if large { (5, 1 << 20) } else { (5, 400) };
            let (codes, pairs) = join(&Codes::Each(lefts.clone()), &Codes::Each(rights), entries);
            let back: Vec<(u32, u32)> = (0..rows.len()).map(|row| pairs[codes.get(row) as usize]).collect();
            prop_assert_eq!(&back, &rows);
            let constant = Codes::Constant(3, rows.len());
            let (codes, pairs) = join(&Codes::Each(lefts.clone()), &constant, (5, 4));
            for (row, left) in lefts.into_iter().enumerate() {
                prop_assert_eq!(pairs[codes.get(row) as usize], (left, 3));
            }
        }
    }
}
