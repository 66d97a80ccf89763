//! Which call follows which: the probability of the next call given the last few.
//!
//! A context is what stood last: up to `order` calls, and the start of the stream or a gap before them
//! where that is no further back. Counted probabilities are plain shares (maximum likelihood) with the
//! number of times the context stood beside them; of a context that never stood nothing is known, which
//! is not a probability of 0. Modelled ones are the mean of a model's predictions over the places at
//! which the context stood, each made from all that came before in its stream.
//!
//! # Bounds
//! Memory does not grow with the length of a trace, only with what is different in it, up to
//! [`MAX_TRANSITIONS`] transitions (some 100 MB), [`MAX_PREDICTIONS`] probabilities of models (128 MB)
//! and [`Vocabulary::MAX_TOKENS`] names; what comes beyond is counted in [`Transitions::left_out`]. A
//! table takes what its rows take: all of a million is several hundred MB, and pruned it is little.

mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use idiolect_trace::StartKind;

pub use table::{Column, Context, Likelihood, Next, Pruning};

use crate::{Detector, DetectorState, Vocabulary};

/// Longest context, in calls.
pub const MAX_ORDER: usize = 4;
/// Most different transitions that are counted.
pub const MAX_TRANSITIONS: usize = 1 << 20;
/// Most probabilities of a model that are summed: one for each context and token of its vocabulary.
pub const MAX_PREDICTIONS: usize = 1 << 24;

/// Index of a name: those of the special tokens first, as in a vocabulary.
type Name = u16;
/// Stands in the places of a context that nothing fills.
const NOTHING: Name = Name::MAX;
/// Stands for a name that was never counted.
const NEVER: Name = Name::MAX - 1;
/// What stood last, the latest last, filled up with [`NOTHING`] behind.
type Last = [Name; MAX_ORDER];

/// Counts transitions, and sums what a model predicts at them.
#[derive(Debug)]
pub struct Transitions<'m> {
    order: usize,
    model: Option<(&'m dyn Detector, &'m Vocabulary)>,
    names: Vec<String>,
    index: HashMap<String, Name>,
    contexts: HashMap<Last, u32>,
    rows: Vec<Row>,
    /// By row and name.
    counts: HashMap<(u32, Name), u64>,
    left_out: LeftOut,
    calls: u64,
    room: Room,
    /// What the model predicts here; kept to be filled anew.
    prediction: Vec<f32>,
}

/// What no room was left for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// Calls whose transition was not counted.
    pub transitions: u64,
    /// Calls at which the model was not asked.
    pub predictions: u64,
    /// Calls under a name of their own that are counted as `<unk>`.
    pub names: u64,
}

/// A stream on its way: what stood last.
#[derive(Clone, Debug)]
pub struct Walk {
    last: Last,
    len: usize,
    detector: Option<DetectorState>,
}

/// A context.
#[derive(Debug)]
struct Row {
    last: Last,
    times: u64,
    /// Sum of the model's predictions, by token.
    predicted: Option<Box<[f64]>>,
}

/// How much there is room for.
#[derive(Clone, Copy, Debug)]
struct Room {
    transitions: usize,
    predictions: usize,
    names: usize,
}

impl<'m> Transitions<'m> {
    /// With contexts of so many calls (1 to [`MAX_ORDER`]; others are brought within), and a model with
    /// its vocabulary if it is to be asked.
    pub fn new(order: usize, model: Option<(&'m dyn Detector, &'m Vocabulary)>) -> Self {
        let room = Room {
            transitions: MAX_TRANSITIONS,
            predictions: MAX_PREDICTIONS,
            names: Vocabulary::MAX_TOKENS,
        };
        Self::with_room(order, model, room)
    }

    fn with_room(
        order: usize,
        model: Option<(&'m dyn Detector, &'m Vocabulary)>,
        room: Room,
    ) -> Self {
        let special = Vocabulary::of_calls([]);
        let names = (0..Vocabulary::FIRST_CALL).map(|token| special.name(token).to_owned());
        Transitions {
            order: order.clamp(1, MAX_ORDER),
            model,
            names: names.collect(),
            index: HashMap::new(),
            contexts: HashMap::new(),
            rows: Vec::new(),
            counts: HashMap::new(),
            left_out: LeftOut::default(),
            calls: 0,
            room,
            prediction: Vec::new(),
        }
    }

    /// Calls in a context, at most.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Calls counted.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Different contexts.
    pub fn contexts(&self) -> usize {
        self.rows.len()
    }

    /// What no room was left for.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// A stream that is counted begins.
    pub fn begin(&self, start: StartKind) -> Walk {
        Walk {
            detector: self.model.map(|(detector, _)| detector.begin(start)),
            ..self.begin_apart(start)
        }
    }

    /// Its next call.
    pub fn count(&mut self, walk: &mut Walk, call: &str) {
        self.calls += 1;
        let name = self.learn(call);
        if let Some(row) = self.row(walk.last) {
            self.rows[row as usize].times += 1;
            self.count_next(row, name);
            self.ask(row, walk);
        } else {
            self.left_out.transitions += 1;
        }
        if let (Some((detector, vocabulary)), Some(state)) = (self.model, &mut walk.detector) {
            detector.observe(state, vocabulary.token(call));
        }
        walk.push(name, self.order);
    }

    /// Calls of it are missing here: what comes next follows the gap and nothing before it.
    pub fn gap(&self, walk: &mut Walk) {
        if let (Some((detector, _)), Some(state)) = (self.model, &mut walk.detector) {
            detector.gap(state);
        }
        *walk = Walk {
            detector: walk.detector.take(),
            ..Walk::new(Vocabulary::GAP)
        };
    }

    /// A stream begins that is not counted, only held against what was.
    pub fn begin_apart(&self, start: StartKind) -> Walk {
        Walk::new(Vocabulary::start(start))
    }

    /// Its next call.
    pub fn follow(&self, walk: &mut Walk, call: &str) {
        let name = self.index.get(call).copied().unwrap_or(NEVER);
        walk.push(name, self.order);
    }

    fn learn(&mut self, call: &str) -> Name {
        if let Some(&name) = self.index.get(call) {
            return name;
        }
        // Two numbers are taken for what is no name.
        if self.names.len() >= self.room.names.min(usize::from(NEVER)) {
            self.left_out.names += 1;
            return Vocabulary::UNKNOWN as Name;
        }
        let name = self.names.len() as Name;
        self.names.push(call.to_owned());
        self.index.insert(call.to_owned(), name);
        name
    }

    /// The row of a context, a new one where there is room.
    fn row(&mut self, last: Last) -> Option<u32> {
        if let Some(&row) = self.contexts.get(&last) {
            return Some(row);
        }
        if self.counts.len() >= self.room.transitions {
            return None;
        }
        let row = self.rows.len() as u32;
        self.contexts.insert(last, row);
        self.rows.push(Row {
            last,
            times: 0,
            predicted: None,
        });
        Some(row)
    }

    fn count_next(&mut self, row: u32, name: Name) {
        let full = self.counts.len() >= self.room.transitions;
        match self.counts.get_mut(&(row, name)) {
            Some(count) => *count += 1,
            None if full => self.left_out.transitions += 1,
            None => {
                self.counts.insert((row, name), 1);
            }
        }
    }

    /// Adds what the model predicts here.
    fn ask(&mut self, row: u32, walk: &Walk) {
        let (Some((detector, vocabulary)), Some(state)) = (self.model, &walk.detector) else {
            return;
        };
        let predicted = &mut self.rows[row as usize].predicted;
        if predicted.is_none() {
            if self.room.predictions < vocabulary.len() {
                self.left_out.predictions += 1;
                return;
            }
            // Whether the model is asked is decided at a context's first time, since room never comes
            // back: its sum is over all of its times or there is none.
            self.room.predictions -= vocabulary.len();
            *predicted = Some(vec![0.0; vocabulary.len()].into_boxed_slice());
        }
        detector.predict(state, &mut self.prediction);
        for (sum, &p) in predicted.iter_mut().flatten().zip(&self.prediction) {
            *sum += f64::from(p);
        }
    }
}

impl Walk {
    fn new(first: crate::Token) -> Self {
        let mut last = [NOTHING; MAX_ORDER];
        last[0] = first as Name;
        Walk {
            last,
            len: 1,
            detector: None,
        }
    }

    fn push(&mut self, name: Name, order: usize) {
        if self.len == order {
            self.last.copy_within(1..order, 0);
            self.len -= 1;
        }
        self.last[self.len] = name;
        self.len += 1;
    }
}
