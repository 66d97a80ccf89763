//! Streams as they go by: counted, or held against what was counted.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use idiolect_detect::transitions::{Column, Likelihood, Transitions, Walk};
use serde::Serialize;

use crate::input::{Begun, Handler};

/// Counts.
pub(super) struct Counting<'t, 'm> {
    transitions: &'t mut Transitions<'m>,
    open: HashMap<u64, Walk>,
    pub(super) streams: u64,
}

impl<'t, 'm> Counting<'t, 'm> {
    pub(super) fn new(transitions: &'t mut Transitions<'m>) -> Self {
        Counting {
            transitions,
            open: HashMap::new(),
            streams: 0,
        }
    }
}

impl Handler for Counting<'_, '_> {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        self.streams += 1;
        self.open.insert(key, self.transitions.begin(begun.start));
        Ok(())
    }

    fn call(&mut self, key: u64, name: &str, _time_ns: Option<u64>) -> Result<()> {
        if let Some(walk) = self.open.get_mut(&key) {
            self.transitions.count(walk, name);
        }
        Ok(())
    }

    fn gap(&mut self, key: u64) -> Result<()> {
        if let Some(walk) = self.open.get_mut(&key) {
            self.transitions.gap(walk);
        }
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        self.open.remove(&key);
        Ok(())
    }
}

/// An unlikely step of a stream.
#[derive(Debug, Serialize)]
pub(super) struct Mark {
    pub(super) stream: String,
    /// The call's place in its stream, from 1.
    pub(super) position: u64,
    pub(super) after: Vec<String>,
    pub(super) call: String,
    pub(super) likelihood: Likelihood,
}

/// The unlikely steps of streams.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The first of them.
    pub(super) list: Vec<Mark>,
    pub(super) streams: u64,
    pub(super) calls: u64,
    /// Steps below the threshold.
    pub(super) unlikely: u64,
    /// Steps from a context that never stood.
    pub(super) unseen: u64,
    /// The different ones among both: from a context to a call, how often, and how likely it is.
    pub(super) steps: BTreeMap<(Vec<String>, String), (u64, Likelihood)>,
}

/// Most different steps that are kept for pictures and CSV.
const MOST_STEPS: usize = 10_000;

/// Holds streams against what was counted.
pub(super) struct Marking<'t, 'm> {
    transitions: &'t Transitions<'m>,
    by: Column,
    unlikely: f64,
    most: usize,
    open: HashMap<u64, Followed>,
    pub(super) marks: Marks,
}

/// An open stream.
struct Followed {
    name: String,
    walk: Walk,
    /// What stood last, by name: also calls that were never counted.
    after: Vec<String>,
    position: u64,
}

impl<'t, 'm> Marking<'t, 'm> {
    /// Marks steps whose probability is below `unlikely`, and keeps the first `most`.
    pub(super) fn new(
        transitions: &'t Transitions<'m>,
        by: Column,
        unlikely: f64,
        most: usize,
    ) -> Self {
        Marking {
            transitions,
            by,
            unlikely,
            most,
            open: HashMap::new(),
            marks: Marks::default(),
        }
    }
}

impl Handler for Marking<'_, '_> {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        self.marks.streams += 1;
        let followed = Followed {
            name: begun.name(),
            walk: self.transitions.begin_apart(begun.start),
            after: vec![begun.start.token().to_owned()],
            position: 0,
        };
        self.open.insert(key, followed);
        Ok(())
    }

    fn call(&mut self, key: u64, name: &str, _time_ns: Option<u64>) -> Result<()> {
        let Some(followed) = self.open.get_mut(&key) else {
            return Ok(());
        };
        followed.position += 1;
        self.marks.calls += 1;
        let likelihood = self.transitions.likelihood(&followed.walk, name);
        let is_marked = match likelihood {
            Likelihood::UnseenContext => {
                self.marks.unseen += 1;
                true
            }
            Likelihood::Seen { .. } => {
                let probability = likelihood.probability(self.by);
                let unlikely = probability.is_some_and(|p| p < self.unlikely);
                self.marks.unlikely += u64::from(unlikely);
                unlikely
            }
        };
        if is_marked {
            let step = (followed.after.clone(), name.to_owned());
            if self.marks.steps.len() < MOST_STEPS || self.marks.steps.contains_key(&step) {
                self.marks.steps.entry(step).or_insert((0, likelihood)).0 += 1;
            }
            if self.marks.list.len() < self.most {
                self.marks.list.push(Mark {
                    stream: followed.name.clone(),
                    position: followed.position,
                    after: followed.after.clone(),
                    call: name.to_owned(),
                    likelihood,
                });
            }
        }
        self.transitions.follow(&mut followed.walk, name);
        followed.after = self.transitions.then(&followed.after, name);
        Ok(())
    }

    fn gap(&mut self, key: u64) -> Result<()> {
        if let Some(followed) = self.open.get_mut(&key) {
            self.transitions.gap(&mut followed.walk);
            followed.after = vec!["<gap>".to_owned()];
        }
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        self.open.remove(&key);
        Ok(())
    }
}
