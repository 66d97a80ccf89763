//! Scores of several detectors made into one.
//!
//! Every rule goes by normal streams alone: those that were learned from, and those held out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The scores of a detector in one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Of the streams that it is tested on, in the round's order.
    pub test: Vec<f32>,
    /// Of the streams that it learned from, by the model that learned from them, in the round's order.
    pub train: Vec<f32>,
    /// Of streams of the training part by a model that did not learn from them, with their places among the
    /// round's.
    pub held_out: Vec<(u32, f32)>,
}

/// How scores are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Sum of ln(1 + s / (median + floor)), the median over held-out streams, copies left out: each part
    /// counts by how many times its usual size it is.
    Sum,
    /// The greatest of what [`Rule::Sum`] adds up: odd is what is odd in any respect.
    Max,
    /// Sum of leakyReLU(s - b) / m with slope 0.001, b the median over the streams that were learned from
    /// (Kim et al. 2016).
    Relu,
    /// The mean: for scores of one unit (Kim et al. compare with it).
    Mean,
    /// Majority: what more than half of the detectors call anomalous at one false alarm rate each, as -ln of
    /// the smallest rate at which they do.
    Vote,
    /// The greatest -ln p of calibrated ranks (Tippett 1931).
    Tippett,
    /// Sum of -ln p over calibrated ranks (Fisher 1932): p is the share of held-out streams that score as
    /// high, the stream itself counted in.
    Ranks,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 7] = [
        Rule::Sum,
        Rule::Max,
        Rule::Relu,
        Rule::Mean,
        Rule::Vote,
        Rule::Tippett,
        Rule::Ranks,
    ];

    /// What is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Sum => "sum",
            Rule::Max => "max",
            Rule::Relu => "relu",
            Rule::Mean => "mean",
            Rule::Vote => "vote",
            Rule::Tippett => "tippett",
            Rule::Ranks => "ranks",
        }
    }
}

/// A detector among those combined.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its scores.
    pub scored: &'a Scored,
    /// Its readout's floor.
    pub floor: f64,
}

/// No stream was held out by every member: nothing can be calibrated on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no stream of the training part was held out by every one of them: more normal streams are needed"
)]
pub struct NothingHeldOut;

/// The slope of a leaky ReLU below zero, as in the paper.
const SLOPE: f64 = 0.001;

/// Combines detectors of one round, of which the same streams are tested. `is_copy` says whether a
/// training stream, by its place, copies one before it.
///
/// # Errors
/// [`NothingHeldOut`] for rules that need such streams.
pub fn combine(
    rule: Rule,
    members: &[Member<'_>],
    is_copy: &dyn Fn(u32) -> bool,
) -> Result<Scored, NothingHeldOut> {
    let parts: Vec<Part> = members
        .iter()
        .map(|member| Part::new(rule, *member, is_copy))
        .collect();
    let needs_held_out = !matches!(rule, Rule::Relu | Rule::Mean);
    if needs_held_out && parts.iter().any(|part| part.sorted.is_empty()) {
        return Err(NothingHeldOut);
    }
    let tests = members
        .iter()
        .map(|member| member.scored.test.len())
        .min()
        .unwrap_or(0);
    let test = (0..tests).map(|place| {
        let own = parts.iter().zip(members);
        merge(
            rule,
            own.map(|(part, member)| part.apply(member.scored.test[place], false)),
        )
    });
    let test = test.collect();
    let mut by_place: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (part, member) in parts.iter().zip(members) {
        for &(place, score) in &member.scored.held_out {
            by_place
                .entry(place)
                .or_default()
                .push(part.apply(score, true));
        }
    }
    let held_out = by_place
        .into_iter()
        .filter(|(_, values)| values.len() == members.len())
        .map(|(place, values)| (place, merge(rule, values.into_iter())));
    Ok(Scored {
        test,
        train: Vec::new(),
        held_out: held_out.collect(),
    })
}

/// What one member's scores are turned into.
struct Part {
    rule: Rule,
    /// What a score is measured against: the rule's median.
    reference: f64,
    /// Scores of held-out streams, ascending.
    sorted: Vec<f32>,
}

impl Part {
    fn new(rule: Rule, member: Member<'_>, is_copy: &dyn Fn(u32) -> bool) -> Self {
        let held_out = &member.scored.held_out;
        let mut sorted: Vec<f32> = held_out.iter().map(|&(_, score)| score).collect();
        sorted.sort_by(f32::total_cmp);
        let reference = match rule {
            Rule::Sum | Rule::Max => {
                let distinct = held_out.iter().filter(|&&(place, _)| !is_copy(place));
                median(distinct.map(|&(_, score)| score)) + member.floor
            }
            Rule::Relu => median(member.scored.train.iter().copied()),
            _ => 0.0,
        };
        Part {
            rule,
            reference,
            sorted,
        }
    }

    /// A score's part; `held_out` where it is one of those that `sorted` holds.
    fn apply(&self, score: f32, held_out: bool) -> f64 {
        let value = f64::from(score);
        match self.rule {
            Rule::Sum | Rule::Max => (value / self.reference).ln_1p(),
            Rule::Relu => {
                let over = value - self.reference;
                if over > 0.0 { over } else { SLOPE * over }
            }
            Rule::Mean => value,
            Rule::Vote | Rule::Tippett | Rule::Ranks => {
                let below = self.sorted.partition_point(|&normal| normal < score);
                let others = usize::from(!held_out);
                let as_high = self.sorted.len() - below + others;
                let p = as_high as f64 / (self.sorted.len() + others) as f64;
                -p.ln()
            }
        }
    }
}

fn merge(rule: Rule, parts: impl Iterator<Item = f64>) -> f32 {
    let mut parts: Vec<f64> = parts.collect();
    let m = parts.len().max(1);
    let merged = match rule {
        Rule::Sum | Rule::Ranks => parts.iter().sum(),
        Rule::Max | Rule::Tippett => parts.into_iter().fold(0.0, f64::max),
        Rule::Relu | Rule::Mean => parts.iter().sum::<f64>() / m as f64,
        Rule::Vote => {
            parts.sort_by(|a, b| b.total_cmp(a));
            parts.get(m / 2).copied().unwrap_or(0.0)
        }
    };
    merged as f32
}

/// The middle of some values, of an even number the mean of the two in the middle; 0 of none.
fn median(values: impl Iterator<Item = f32>) -> f64 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    match values.len() {
        0 => 0.0,
        n => (f64::from(values[(n - 1) / 2]) + f64::from(values[n / 2])) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(test: &[f32], train: &[f32], held_out: &[f32]) -> Scored {
        Scored {
            test: test.to_vec(),
            train: train.to_vec(),
            held_out: (0..).zip(held_out.iter().copied()).collect(),
        }
    }

    fn combined(rule: Rule, of: &[&Scored], floor: f64) -> Scored {
        let members: Vec<Member<'_>> = of.iter().map(|scored| Member { scored, floor }).collect();
        combine(rule, &members, &|place| place == 3).unwrap()
    }

    #[test]
    fn the_sum_of_logarithms() {
        // The fourth is a copy, so the median is of 1, 2, 3.
        let one = scored(&[4.0, 0.0], &[], &[1.0, 2.0, 3.0, 9.0]);
        let both = combined(Rule::Sum, &[&one, &one], 0.0);
        assert!((both.test[0] - 2.0 * 3f32.ln()).abs() < 1e-6 && both.test[1] == 0.0);
        assert_eq!(both.held_out.len(), 4);
    }

    #[test]
    fn the_paper_s_ensemble() {
        let one = scored(&[5.0, 1.0], &[1.0, 2.0, 3.0], &[]);
        let two = scored(&[2.0, 4.0], &[3.0, 4.0], &[]);
        let got = combined(Rule::Relu, &[&one, &two], 0.0).test;
        assert!((got[0] - (3.0 - 0.0015) / 2.0).abs() < 1e-6, "{got:?}");
        assert!((got[1] - (-0.001 + 0.5) / 2.0).abs() < 1e-6, "{got:?}");
        assert_eq!(combined(Rule::Mean, &[&one, &two], 0.0).test, [3.5, 2.5]);
    }

    #[test]
    fn ranks_and_votes_are_by_p_values() {
        let normal: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let high = scored(&[100.0], &[], &normal);
        let low = scored(&[-1.0], &[], &normal);
        // p of 1/10 and of 1.
        let ranks = combined(Rule::Ranks, &[&high, &low], 0.0);
        assert!((ranks.test[0] - 10f32.ln()).abs() < 1e-6);
        // Held-out streams are ranked among each other: the highest of nine has a p of 1/9.
        let highest = ranks.held_out[8].1;
        assert!((highest - 2.0 * 9f32.ln()).abs() < 1e-5, "{highest}");
        let two_of_three = combined(Rule::Vote, &[&high, &low, &high], 0.0).test[0];
        assert!((two_of_three - 10f32.ln()).abs() < 1e-6);
        assert_eq!(combined(Rule::Vote, &[&high, &low, &low], 0.0).test, [0.0]);
        let nothing = scored(&[1.0], &[1.0], &[]);
        let member = Member {
            scored: &nothing,
            floor: 0.0,
        };
        assert_eq!(
            combine(Rule::Ranks, &[member], &|_| false),
            Err(NothingHeldOut)
        );
        assert!(combine(Rule::Relu, &[member], &|_| false).is_ok());
    }
}
