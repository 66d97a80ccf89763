//! What was counted and predicted, as a table.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{Last, NEVER, NOTHING, Name, Row, Transitions, Walk};
use crate::Vocabulary;

/// Which probability decides what is shown, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    /// The counted one.
    Counted,
    /// The modelled one.
    Modelled,
}

/// What is left out of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pruning {
    /// Which probability decides; the other is shown beside it.
    pub by: Column,
    /// Steps less probable than this by both columns.
    pub min_probability: f64,
    /// Contexts that stood less often.
    pub min_times: u64,
    /// All but so many contexts, those that stood most often.
    pub top: Option<usize>,
}

/// A context and what follows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Context {
    /// What stood last, the latest last: calls, behind `<exec>`, `<thread>`, `<attach>` or `<gap>` where
    /// that is no further back.
    pub after: Vec<String>,
    /// How often it stood, followed by a call.
    pub times: u64,
    /// The calls that follow, the likeliest first.
    pub next: Vec<Next>,
}

/// A call that follows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Next {
    /// The call.
    pub call: String,
    /// How often it followed.
    pub times: u64,
    /// Its share of the times that its context stood.
    pub counted: f64,
    /// The mean of the model's probabilities for it, where a model was asked; for a call that the model
    /// does not know, of an unknown call.
    pub modelled: Option<f64>,
}

/// How likely a step of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// The context never stood where it was counted: nothing is known of what follows it.
    UnseenContext,
    /// It stood.
    Seen {
        /// How often.
        context_times: u64,
        /// How often this call followed.
        times: u64,
        /// Its share of those times.
        counted: f64,
        /// As [`Next::modelled`].
        modelled: Option<f64>,
    },
}

impl Likelihood {
    /// The probability of this column, where there is one.
    pub fn probability(&self, column: Column) -> Option<f64> {
        match (self, column) {
            (Likelihood::UnseenContext, _) => None,
            (Likelihood::Seen { counted, .. }, Column::Counted) => Some(*counted),
            (Likelihood::Seen { modelled, .. }, Column::Modelled) => *modelled,
        }
    }
}

impl Next {
    /// The probability of this column, where there is one.
    pub fn probability(&self, column: Column) -> Option<f64> {
        match column {
            Column::Counted => Some(self.counted),
            Column::Modelled => self.modelled,
        }
    }
}

impl Transitions<'_> {
    /// The contexts that stood most often first, each with what follows it. Equal ones stand in the order
    /// of their names.
    pub fn table(&self, pruning: &Pruning) -> Vec<Context> {
        let chosen = self.chosen(pruning);
        let mut next: HashMap<u32, Vec<(Name, u64)>> =
            chosen.iter().map(|&row| (row, Vec::new())).collect();
        for (&(row, name), &times) in &self.counts {
            if let Some(next) = next.get_mut(&row) {
                next.push((name, times));
            }
        }
        let context = |place: u32| {
            let row = &self.rows[place as usize];
            Context {
                after: self.names_of(&row.last),
                times: row.times,
                next: self.next(row, &next[&place], pruning),
            }
        };
        chosen.into_iter().map(context).collect()
    }

    /// The rows of a table, in its order.
    fn chosen(&self, pruning: &Pruning) -> Vec<u32> {
        let mut names: Vec<usize> = (0..self.names.len()).collect();
        names.sort_unstable_by_key(|&name| &self.names[name]);
        let mut ranks = vec![0; names.len()];
        for (rank, &name) in names.iter().enumerate() {
            ranks[name] = rank + 1;
        }
        // What nothing fills comes before any name, so that a shorter context comes before a longer one.
        let by_name = |row: &Row| {
            let rank = |name: Name| ranks.get(usize::from(name)).copied().unwrap_or(0);
            row.last.map(rank)
        };
        let mut rows: Vec<u32> = (0..self.rows.len() as u32).collect();
        let of = |place: u32| &self.rows[place as usize];
        rows.retain(|&place| of(place).times >= pruning.min_times.max(1));
        rows.sort_unstable_by(|&a, &b| {
            let (a, b) = (of(a), of(b));
            b.times
                .cmp(&a.times)
                .then_with(|| by_name(a).cmp(&by_name(b)))
        });
        rows.truncate(pruning.top.unwrap_or(usize::MAX));
        rows
    }

    /// How likely this call is after what stood last.
    pub fn likelihood(&self, walk: &Walk, call: &str) -> Likelihood {
        let Some(&place) = self.contexts.get(&walk.last) else {
            return Likelihood::UnseenContext;
        };
        let row = &self.rows[place as usize];
        let name = self.index.get(call).copied().unwrap_or(NEVER);
        let times = self.counts.get(&(place, name)).copied().unwrap_or(0);
        Likelihood::Seen {
            context_times: row.times,
            times,
            counted: times as f64 / row.times as f64,
            modelled: self.modelled(row, call),
        }
    }

    /// What stands last once this call has followed a context.
    pub fn then(&self, after: &[String], call: &str) -> Vec<String> {
        let skipped = (after.len() + 1).saturating_sub(self.order);
        let mut then = after[skipped.min(after.len())..].to_vec();
        then.push(call.to_owned());
        then
    }

    fn next(&self, row: &Row, counted: &[(Name, u64)], pruning: &Pruning) -> Vec<Next> {
        let one = |call: &str, times: u64| Next {
            call: call.to_owned(),
            times,
            counted: times as f64 / row.times as f64,
            modelled: self.modelled(row, call),
        };
        let mut next: Vec<Next> = counted
            .iter()
            .map(|&(name, times)| one(&self.names[usize::from(name)], times))
            .collect();
        // What the model expects and nobody counted. Of an unknown call nothing was predicted by name.
        if let (Some((_, vocabulary)), Some(_)) = (self.model, &row.predicted) {
            let counted: HashSet<Name> = counted.iter().map(|&(name, _)| name).collect();
            let was_counted = |call: &str| {
                let name = self.index.get(call);
                name.is_some_and(|name| counted.contains(name))
            };
            let never = vocabulary.calls().filter(|call| !was_counted(call));
            next.extend(never.map(|call| one(call, 0)));
        }
        next.retain(|next| {
            let reaches = |p: f64| p >= pruning.min_probability;
            reaches(next.counted) || next.modelled.is_some_and(reaches)
        });
        let key = |next: &Next| next.probability(pruning.by).unwrap_or(next.counted);
        next.sort_by(|a, b| {
            let by_probability = key(b).total_cmp(&key(a));
            by_probability.then_with(|| a.call.cmp(&b.call))
        });
        next
    }

    /// The model's mean probability of a call in a context.
    fn modelled(&self, row: &Row, call: &str) -> Option<f64> {
        let (_, vocabulary) = self.model?;
        let predicted = row.predicted.as_ref()?;
        Some(predicted[vocabulary.token(call) as usize] / row.times as f64)
    }

    fn names_of(&self, last: &Last) -> Vec<String> {
        let filled = last.iter().take_while(|&&name| name != NOTHING);
        filled
            .map(|&name| self.names[usize::from(name)].clone())
            .collect()
    }
}

// A vocabulary has no more tokens than there are numbers for names.
const _: () = assert!(Vocabulary::MAX_TOKENS < NEVER as usize);
