//! Scoring many streams together as they are read.

use std::collections::HashMap;

use idiolect_trace::StartKind;

use crate::{Judge, StreamScore, StreamState, Token};

/// Streams that are scored together, by one or more profiles. Calls are held until there are enough of
/// them to follow many streams in step; the scores are those of each stream alone.
#[derive(Debug)]
pub struct Pool<'j, 'p, T> {
    judges: &'j [Judge<'p>],
    open: HashMap<u64, Held<T>>,
    /// Streams that have ended, in that order.
    ended: Vec<Held<T>>,
    /// Calls that are held, and one a stream.
    waiting: usize,
}

/// Calls to hold, over all streams: at 4 bytes each half a megabyte for each profile.
const ENOUGH: usize = 1 << 17;

/// A stream, what its owner keeps of it, and its calls that have not been heard.
#[derive(Debug)]
struct Held<T> {
    about: T,
    /// By profile.
    of: Vec<(StreamState, Vec<Token>)>,
}

/// What comes next in a stream.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// The call of this name.
    Call(&'a str),
    /// Calls are missing here.
    Gap,
}

impl<'j, 'p, T> Pool<'j, 'p, T> {
    /// Without streams yet.
    pub fn new(judges: &'j [Judge<'p>]) -> Self {
        Pool {
            judges,
            open: HashMap::new(),
            ended: Vec::new(),
            waiting: 0,
        }
    }

    /// A stream begins. The key is no other open stream's.
    pub fn begin(&mut self, key: u64, start: StartKind, about: T) {
        let of = self
            .judges
            .iter()
            .map(|judge| (judge.begin(start), Vec::new()));
        let of = of.collect();
        self.open.insert(key, Held { about, of });
        self.waiting += 1;
    }

    /// What comes next in it. Gives what its owner keeps of it; none where there is no such stream.
    pub fn next(&mut self, key: u64, next: Next<'_>) -> Option<&mut T> {
        let held = self.open.get_mut(&key)?;
        for (judge, (_, tokens)) in self.judges.iter().zip(&mut held.of) {
            tokens.push(match next {
                Next::Call(name) => judge.profile().vocabulary.token(name),
                Next::Gap => crate::Vocabulary::GAP,
            });
        }
        self.waiting += 1;
        Some(&mut held.about)
    }

    /// It ends.
    pub fn end(&mut self, key: u64) {
        self.ended.extend(self.open.remove(&key));
    }

    /// Whether there is enough to be worth [`score`](Pool::score).
    pub fn is_full(&self) -> bool {
        self.waiting >= ENOUGH
    }

    /// Hears what has been held. Gives the streams that have ended, in that order, each with its scores
    /// by the profiles in theirs.
    pub fn score(&mut self) -> Vec<(T, Vec<StreamScore>)> {
        for (place, judge) in self.judges.iter().enumerate() {
            let held = self.open.values_mut().chain(&mut self.ended);
            let runs = held.map(|held| {
                let (state, tokens) = &mut held.of[place];
                (state, tokens.as_slice())
            });
            let mut runs: Vec<_> = runs.filter(|(_, tokens)| !tokens.is_empty()).collect();
            judge.follow(&mut runs, 0);
        }
        self.waiting = 0;
        for held in self.open.values_mut() {
            for (_, tokens) in &mut held.of {
                tokens.clear();
            }
        }
        let ended = self.ended.drain(..).map(|held| {
            let states = self.judges.iter().zip(&held.of);
            let scores = states.map(|(judge, (state, _))| judge.score(state));
            (held.about, scores.collect())
        });
        ended.collect()
    }
}
