//! Streams of a made-up program with known truth.
//!
//! A probabilistic automaton draws normal streams: a state's arcs have different calls, so the calls tell the
//! state, and the true probability of each call is known ([`Truth::surprises`]). A stream has four sessions, two
//! that begin with `mode_a` and end with `end_a`, two that do so with `b`, in random order; between a session's
//! beginning and its end lie 10 to 16 calls in the automaton. Attacks are planted deviations, a family each:
//!
//! | family | what | who can see it |
//! |---|---|---|
//! | `order` | neighbouring calls exchanged, three times, to what the automaton cannot make | who knows the order |
//! | `unseen` | one call that no normal stream makes | who knows the set of calls |
//! | `long-range` | each session ends as one of the other kind; every call comes as often as it should | who remembers a session's beginning for 10 calls or more |
//! | `mix` | every state's likely and unlikely arcs exchanged: nothing impossible, but other proportions | who counts, or knows how likely calls are |
//!
//! Of the normal streams the family `rare` makes a legal call of a probability of 0.01: it must not be found.

mod limits;

use idiolect_detect::{Stream, Streams};
use idiolect_nn::Rng;
use idiolect_trace::StartKind;

use super::{About, DataError, DataSet, Role};

pub(super) use limits::read as read_limits;

/// States of the automaton.
const STATES: usize = 10;
/// Calls that its arcs are named after.
const CALLS: usize = 14;
/// Probabilities of a state's arcs.
const LIKELY: [f64; 3] = [0.65, 0.25, 0.1];
/// States that have a rare arc besides, and its probability.
const RARE_STATES: usize = 3;
const RARE: f64 = 0.01;
/// Calls of a session in the automaton: the fewest, and so many lengths.
const SESSION: (usize, usize) = (10, 7);
/// Sessions of each of two kinds.
const OF_A_KIND: usize = 2;
/// Streams to learn from, normal ones to test on (plain, and with a rare call), attacks of each family.
const TRAIN: usize = 300;
const NORMAL: usize = 250;
const WITH_RARE: usize = 50;
const EACH: usize = 50;
/// Exchanges of neighbours in a stream of the family `order`.
const EXCHANGES: usize = 3;

/// Draws a set by a seed, which settles the automaton too.
///
/// # Errors
/// None: there are always normal streams and attacks.
pub(super) fn read(seed: u64) -> Result<DataSet, DataError> {
    let mut maker = Maker {
        truth: Truth::new(seed),
        rng: Rng::from_parts(&[seed, u64::from_le_bytes(*b"streams\0")]),
        made: Made::default(),
    };
    for _ in 0..TRAIN {
        let calls = maker.normal();
        maker.made.push(Role::Train, None, &calls);
    }
    for _ in 0..NORMAL {
        let calls = maker.until(|calls| !calls.iter().any(|call| call.starts_with("rare")));
        maker.made.push(Role::Normal, None, &calls);
    }
    for _ in 0..WITH_RARE {
        let calls = maker.until(|calls| calls.iter().any(|call| call.starts_with("rare")));
        maker.made.push(Role::Normal, Some("rare"), &calls);
    }
    for _ in 0..EACH {
        let calls = maker.disordered();
        maker.made.push(Role::Attack, Some("order"), &calls);
    }
    for _ in 0..EACH {
        let mut calls = maker.normal();
        let place = 1 + maker.rng.below(calls.len() - 2);
        calls.insert(place, "unseen".to_owned());
        maker.made.push(Role::Attack, Some("unseen"), &calls);
    }
    for _ in 0..EACH {
        let mut calls = maker.normal();
        for call in &mut calls {
            match call.as_str() {
                "end_a" => "end_b".clone_into(call),
                "end_b" => "end_a".clone_into(call),
                _ => {}
            }
        }
        maker.made.push(Role::Attack, Some("long-range"), &calls);
    }
    for _ in 0..EACH {
        let calls = maker.truth.draw(&mut maker.rng, true);
        maker.made.push(Role::Attack, Some("mix"), &calls);
    }
    maker.made.named(format!("synthetic/{seed}"))
}

/// The automaton that normal streams come from.
#[derive(Clone, Debug)]
pub struct Truth {
    /// For each state its arcs: the call, the probability, the probability in the family `mix`, and the next
    /// state.
    states: Vec<Vec<Arc>>,
}

#[derive(Clone, Debug)]
struct Arc {
    call: String,
    probability: f64,
    of_mix: f64,
    to: usize,
}

impl Truth {
    /// The automaton of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::from_parts(&[seed, u64::from_le_bytes(*b"automato")]);
        let states = (0..STATES).map(|state| {
            let mut calls: Vec<usize> = (0..CALLS).collect();
            rng.shuffle(&mut calls);
            let mut arcs: Vec<Arc> = LIKELY
                .iter()
                .enumerate()
                .map(|(place, &probability)| Arc {
                    call: format!("call_{:02}", calls[place]),
                    probability,
                    of_mix: LIKELY[LIKELY.len() - 1 - place],
                    // One arc leads on, so that every state is reached.
                    to: if place == 0 {
                        (state + 1) % STATES
                    } else {
                        rng.below(STATES)
                    },
                })
                .collect();
            if state < RARE_STATES {
                arcs.iter_mut()
                    .for_each(|arc| arc.probability *= 1.0 - RARE);
                arcs.push(Arc {
                    call: format!("rare_{state}"),
                    probability: RARE,
                    of_mix: 0.0,
                    to: rng.below(STATES),
                });
            }
            arcs
        });
        Truth {
            states: states.collect(),
        }
    }

    /// The surprise of each call, -ln of its true probability given all before it, in nats; none where the
    /// automaton cannot make it, and from there on. Where sessions begin and end is taken as given.
    pub fn surprises<'c>(&self, calls: &[&'c str]) -> Vec<Option<f64>> {
        let mut state = Some(0);
        let mut begun: Vec<&str> = Vec::new();
        let mut open = None;
        let mut of = |call: &'c str| {
            let at = state?;
            let surprise = match call.split_once('_') {
                Some(("mode", mode)) => {
                    let of_kind = begun.iter().filter(|&&other| other == mode).count();
                    let left = OF_A_KIND.saturating_sub(of_kind) as f64;
                    let all = (2 * OF_A_KIND - begun.len().min(2 * OF_A_KIND)) as f64;
                    begun.push(mode);
                    open = Some(mode);
                    (left > 0.0).then(|| (all / left).ln())
                }
                Some(("end", mode)) => (open.take() == Some(mode)).then_some(0.0),
                _ => {
                    let arc = self.states[at].iter().find(|arc| arc.call == call);
                    state = arc.map(|arc| arc.to);
                    return arc.map(|arc| -arc.probability.ln());
                }
            };
            if surprise.is_none() {
                state = None;
            }
            surprise
        };
        calls.iter().map(|call| of(call)).collect()
    }

    fn draw(&self, rng: &mut Rng, mix: bool) -> Vec<String> {
        let mut modes = ["a", "b"].repeat(OF_A_KIND);
        rng.shuffle(&mut modes);
        let mut calls = Vec::new();
        let mut state = 0;
        for mode in modes {
            calls.push(format!("mode_{mode}"));
            for _ in 0..SESSION.0 + rng.below(SESSION.1) {
                let mut rest = rng.uniform();
                let arcs = &self.states[state];
                let chosen = arcs.iter().find(|arc| {
                    rest -= if mix { arc.of_mix } else { arc.probability };
                    rest < 0.0
                });
                // Rounding can leave a crumb behind the last arc.
                let arc = chosen.unwrap_or(&arcs[0]);
                calls.push(arc.call.clone());
                state = arc.to;
            }
            calls.push(format!("end_{mode}"));
        }
        calls
    }

    fn is_legal(&self, calls: &[String]) -> bool {
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        self.surprises(&calls).iter().all(Option::is_some)
    }
}

struct Maker {
    truth: Truth,
    rng: Rng,
    made: Made,
}

/// Streams that were made, each a recording of its own.
#[derive(Default)]
struct Made {
    streams: Streams,
    about: Vec<About>,
}

impl Maker {
    fn normal(&mut self) -> Vec<String> {
        self.truth.draw(&mut self.rng, false)
    }

    fn until(&mut self, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        loop {
            let calls = self.normal();
            if wanted(&calls) {
                return calls;
            }
        }
    }

    /// A normal stream with neighbours exchanged where that makes what cannot be.
    fn disordered(&mut self) -> Vec<String> {
        loop {
            let mut calls = self.normal();
            let third = (calls.len() - 3) / EXCHANGES;
            for part in 0..EXCHANGES {
                let place = 1 + part * third + self.rng.below(third);
                calls.swap(place, place + 1);
            }
            if !self.truth.is_legal(&calls) {
                return calls;
            }
        }
    }
}

impl Made {
    fn push(&mut self, role: Role, family: Option<&str>, calls: &[String]) {
        let recording = self.about.len() as u32;
        let symbols = calls.iter().map(|call| self.streams.symbol(call));
        let symbols = symbols.collect();
        self.streams.push(Stream {
            name: format!("{recording}"),
            start: StartKind::Exec,
            symbols,
            executable: None,
        });
        self.about.push(About {
            role,
            family: family.map(str::to_owned),
            recording,
            times: None,
            exploit_ns: None,
        });
    }

    fn named(self, name: String) -> Result<DataSet, DataError> {
        DataSet::new(name, self.streams, self.about, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_knows_every_family() {
        let (set, truth) = (read(3).unwrap(), Truth::new(3));
        let mut seen = 0;
        for (stream, about) in set.streams.iter().zip(&set.about) {
            let calls: Vec<&str> = stream
                .symbols
                .iter()
                .map(|&s| set.streams.name(s))
                .collect();
            let surprises = truth.surprises(&calls);
            let impossible = surprises.iter().filter(|s| s.is_none()).count();
            let known: Vec<f64> = surprises.iter().flatten().copied().collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            match about.family.as_deref() {
                Some("order" | "unseen") => assert!(impossible > 0),
                Some("long-range") => {
                    // All is well until the first session ends.
                    let end = calls
                        .iter()
                        .position(|call| call.starts_with("end"))
                        .unwrap();
                    assert!(end > SESSION.0 && surprises[..end].iter().all(Option::is_some));
                    assert_eq!(surprises[end], None);
                }
                Some("mix") => assert!(impossible == 0 && mean > 1.2, "{mean}"),
                Some("rare") => assert!(impossible == 0 && mean < 2.0, "{mean}"),
                _ => assert_eq!(impossible, 0),
            }
            seen += 1;
        }
        assert_eq!(seen, TRAIN + NORMAL + WITH_RARE + 4 * EACH);
        // Rare calls are among what is learned from: they are legal, not new.
        let learned = set.only(&set.rounds(1, 1)[0].train);
        assert!(learned.names().iter().any(|name| name.starts_with("rare")));
    }

    #[test]
    fn calls_come_as_often_as_the_automaton_says() {
        let truth = Truth::new(1);
        let mut rng = Rng::new(9);
        let (mut first, n) = (0, 4_000u32);
        for _ in 0..n {
            let calls = truth.draw(&mut rng, false);
            first += u32::from(calls[1] == truth.states[0][0].call);
        }
        let (share, p) = (
            f64::from(first) / f64::from(n),
            truth.states[0][0].probability,
        );
        // Five standard errors.
        assert!(
            (share - p).abs() < 5.0 * (p * (1.0 - p) / f64::from(n)).sqrt(),
            "{share} {p}"
        );
        for arcs in &truth.states {
            let all: f64 = arcs.iter().map(|arc| arc.probability).sum();
            assert!((all - 1.0).abs() < 1e-12);
        }
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
