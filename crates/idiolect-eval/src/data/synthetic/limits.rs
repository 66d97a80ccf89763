//! Streams that show what each kind of detector cannot see.
//!
//! A stream is five to eight sessions with the same twelve calls between two of them, `idle_0` to `idle_11`, so
//! that no window of up to 13 calls has to do with two sessions. A session is one of
//!
//! - a copy: `in_left` or `in_right`, ten calls that are always the same, and `out_left` or `out_right` to match;
//! - a job: a walk of 9 to 14 calls on a ring of five states that takes a step of one (with probability 0.85) or of two,
//!   each state with a call of its own (`job1_0`). There are three jobs, and a stream has one of them.
//!
//! | family | what | who sees it | who is blind |
//! |---|---|---|---|
//! | `memory` | every copy ends as one of the other kind should | a memory of 12 calls or more | windows and n-grams of up to 11 calls, bags, sets |
//! | `mix` | half of the jobs are another stream's: each call in its usual order | sets of calls, bags | windows and n-grams that are shorter than `idle` |
//! | `share` | six copies to one job, where two to four copies are normal | bags | sets |
//! | `burst` | a job of 12 calls in random order | who knows the order | sets |
//! | `padded` | a burst among 60 normal sessions | the largest mean over 20 calls | the mean over all |
//!
//! Of the normal streams, the family `rare` has three sessions that one in 20 training streams has one of (frequencies
//! take them for odd; whether something was ever seen does not tell them from others), and `long` 60 normal sessions (the largest
//! of many means is larger than that of few).

use idiolect_nn::Rng;

use super::super::{DataError, DataSet, Role};
use super::Made;

/// Calls between sessions, and within a copy.
const IDLE: usize = 12;
const COPIED: usize = 10;
/// Jobs, states of each, and the probability of a step of two.
const JOBS: usize = 3;
const STATES: usize = 5;
const TWO: f64 = 0.15;
/// Sessions of a long stream.
const LONG: usize = 60;
/// The share of training streams that have a rare session.
const RARE: f64 = 0.05;
/// Streams to learn from, plain normal ones to test on, and those of each family.
const TRAIN: usize = 300;
const NORMAL: usize = 200;
const EACH: usize = 50;

/// A session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    /// Its beginning and its end, from the left (0) or from the right.
    Copy([usize; 2]),
    Job(usize),
    /// A job's calls in random order.
    Burst(usize),
    Rare,
}

/// Draws a set by a seed.
///
/// # Errors
/// None: there are always normal streams and attacks.
pub(in super::super) fn read(seed: u64) -> Result<DataSet, DataError> {
    let mut maker = Maker {
        rng: Rng::from_parts(&[seed, u64::from_le_bytes(*b"limits\0\0")]),
        made: Made::default(),
    };
    for _ in 0..TRAIN {
        let mut sessions = maker.normal();
        if maker.rng.uniform() < RARE {
            maker.insert(&mut sessions, Session::Rare);
        }
        maker.push(Role::Train, None, &sessions);
    }
    for _ in 0..NORMAL {
        let sessions = maker.normal();
        maker.push(Role::Normal, None, &sessions);
    }
    for _ in 0..EACH {
        let mut rare = maker.normal();
        for _ in 0..3 {
            maker.insert(&mut rare, Session::Rare);
        }
        maker.push(Role::Normal, Some("rare"), &rare);
        let long = maker.long();
        maker.push(Role::Normal, Some("long"), &long);

        let mut memory = maker.normal();
        for session in &mut memory {
            if let Session::Copy([_, end]) = session {
                *end = 1 - *end;
            }
        }
        maker.push(Role::Attack, Some("memory"), &memory);
        let mut mix = maker.normal();
        let jobs = mix.iter_mut().filter_map(|session| match session {
            Session::Job(job) => Some(job),
            _ => None,
        });
        jobs.step_by(2).for_each(|job| *job = (*job + 1) % JOBS);
        maker.push(Role::Attack, Some("mix"), &mix);
        let share = maker.sessions(6, 1);
        maker.push(Role::Attack, Some("share"), &share);
        let mut burst = maker.normal();
        maker.insert_burst(&mut burst);
        maker.push(Role::Attack, Some("burst"), &burst);
        let mut padded = maker.long();
        maker.insert_burst(&mut padded);
        maker.push(Role::Attack, Some("padded"), &padded);
    }
    maker.made.named(format!("synthetic/limits/{seed}"))
}

struct Maker {
    rng: Rng,
    made: Made,
}

impl Maker {
    fn normal(&mut self) -> Vec<Session> {
        let [copies, jobs] = [2 + self.rng.below(3), 3 + self.rng.below(2)];
        self.sessions(copies, jobs)
    }

    fn long(&mut self) -> Vec<Session> {
        let copies = LONG * 3 / 7;
        self.sessions(copies, LONG - copies)
    }

    /// So many copies, from the left and from the right by turns, and sessions of one job, in random order.
    fn sessions(&mut self, copies: usize, jobs: usize) -> Vec<Session> {
        let job = self.rng.below(JOBS);
        let copies = (0..copies).map(|copy| Session::Copy([copy % 2; 2]));
        let mut sessions: Vec<Session> = copies
            .chain(std::iter::repeat_n(Session::Job(job), jobs))
            .collect();
        self.rng.shuffle(&mut sessions);
        sessions
    }

    fn insert(&mut self, sessions: &mut Vec<Session>, session: Session) {
        let place = self.rng.below(sessions.len() + 1);
        sessions.insert(place, session);
    }

    /// Of the job that the others are of.
    fn insert_burst(&mut self, sessions: &mut Vec<Session>) {
        let job = sessions.iter().find_map(|session| match session {
            Session::Job(job) => Some(*job),
            _ => None,
        });
        self.insert(sessions, Session::Burst(job.unwrap_or(0)));
    }

    fn push(&mut self, role: Role, family: Option<&str>, sessions: &[Session]) {
        let mut calls = Vec::new();
        for (place, &session) in sessions.iter().enumerate() {
            if place > 0 {
                calls.extend((0..IDLE).map(|call| format!("idle_{call}")));
            }
            self.write(session, &mut calls);
        }
        self.made.push(role, family, &calls);
    }

    fn write(&mut self, session: Session, calls: &mut Vec<String>) {
        let job_call = |job, state| format!("job{job}_{state}");
        match session {
            Session::Copy([from, to]) => {
                let side = |side| ["left", "right"][side];
                calls.push(format!("in_{}", side(from)));
                calls.extend((0..COPIED).map(|call| format!("copy_{call}")));
                calls.push(format!("out_{}", side(to)));
            }
            Session::Job(job) => {
                let mut state = 0;
                for _ in 0..9 + self.rng.below(6) {
                    calls.push(job_call(job, state));
                    let step = 1 + usize::from(self.rng.uniform() < TWO);
                    state = (state + step) % STATES;
                }
            }
            Session::Burst(job) => {
                for _ in 0..12 {
                    calls.push(job_call(job, self.rng.below(STATES)));
                }
            }
            Session::Rare => calls.extend((0..6).map(|call| format!("rare_{call}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashSet};

    /// The calls of the streams of a family, or of all that train.
    fn streams<'s>(set: &'s DataSet, role: Role, family: &str) -> Vec<Vec<&'s str>> {
        let of = set.about.iter().zip(set.streams.iter());
        let of = of.filter(|(about, _)| {
            about.role == role && about.family.as_deref().unwrap_or("") == family
        });
        of.map(|(_, stream)| {
            stream
                .symbols
                .iter()
                .map(|&s| set.streams.name(s))
                .collect()
        })
        .collect()
    }

    /// The share of streams that have a window of so many calls, one of them of this kind, that no training
    /// stream has.
    fn with_new(set: &DataSet, len: usize, role: Role, family: &str, kind: &str) -> f64 {
        let train = streams(set, Role::Train, "");
        let known: HashSet<&[&str]> = train.iter().flat_map(|calls| calls.windows(len)).collect();
        let is_new = |window: &[&str]| {
            window.iter().any(|call| call.starts_with(kind)) && !known.contains(window)
        };
        let of = streams(set, role, family);
        let new = of.iter().filter(|calls| calls.windows(len).any(is_new));
        new.count() as f64 / of.len() as f64
    }

    #[test]
    fn each_family_is_what_it_says() {
        let set = read(1).unwrap();
        assert_eq!(set.streams.len(), TRAIN + NORMAL + 7 * EACH);
        let attack = |len, family, kind| with_new(&set, len, Role::Attack, family, kind);
        assert_eq!(attack(11, "memory", "out"), 0.0);
        assert_eq!(attack(12, "memory", "out"), 1.0);
        assert_eq!(with_new(&set, 13, Role::Normal, "rare", "rare"), 0.0);
        let usual = with_new(&set, 6, Role::Normal, "", "");
        for family in ["mix", "share"] {
            let new = attack(6, family, "");
            assert!(new < usual + 0.15, "{family}: {new} {usual}");
        }
        assert!(attack(6, "burst", "") > 0.95);
        // Sets: of `mix` new, of the others not.
        let sets = |role, family| -> Vec<BTreeSet<&str>> {
            let of = streams(&set, role, family).into_iter();
            of.map(|calls| calls.into_iter().collect()).collect()
        };
        let known: HashSet<BTreeSet<&str>> = sets(Role::Train, "").into_iter().collect();
        let new = |role, family| {
            let of = sets(role, family);
            of.iter().filter(|calls| !known.contains(calls)).count()
        };
        assert_eq!(new(Role::Attack, "mix"), EACH);
        for family in ["memory", "share", "burst", "padded"] {
            // A short walk may leave a state out.
            assert!(new(Role::Attack, family) <= 2, "{family}");
        }
        assert_eq!(new(Role::Normal, "rare"), 0);
    }

    #[test]
    fn a_seed_settles_everything() {
        let hash = |seed| {
            let set = read(seed).unwrap();
            set.hash(&(0..set.streams.len()).collect::<Vec<_>>())
        };
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }
}
