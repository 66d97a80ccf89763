//! Baum and Welch's algorithm: expectation and maximisation over many sequences.

use idiolect_nn::Rng;

use super::sequence::HmmSequence;
use super::{FLOOR, HmmConfig, HmmModel, HmmParameters, STARTS};
use crate::detector::threads_or_all;

/// Parts that sequences are dealt to, whatever the number of threads, so that sums are taken in one order.
const SHARDS: usize = 16;

/// What an iteration came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iteration {
    /// Which it was, from 1.
    pub number: usize,
    /// Mean surprise of the training calls by the parameters before it, in nats a call.
    pub surprise: f64,
}

/// Parameters in training.
#[derive(Clone, Debug)]
pub struct BaumWelch {
    states: usize,
    calls: usize,
    initial: Vec<f64>,
    transition: Vec<f64>,
    /// [V, S].
    emission: Vec<f64>,
    done: usize,
}

/// Expected counts.
struct Expected {
    initial: Vec<f64>,
    transition: Vec<f64>,
    emission: Vec<f64>,
    log_prob: f64,
}

impl Expected {
    fn none(states: usize, calls: usize) -> Self {
        Expected {
            initial: vec![0.0; STARTS * states],
            transition: vec![0.0; states * states],
            emission: vec![0.0; calls * states],
            log_prob: 0.0,
        }
    }

    fn add(&mut self, other: &Expected) {
        let pairs = [
            (&mut self.initial, &other.initial),
            (&mut self.transition, &other.transition),
            (&mut self.emission, &other.emission),
        ];
        for (sums, more) in pairs {
            sums.iter_mut()
                .zip(more)
                .for_each(|(sum, more)| *sum += more);
        }
        self.log_prob += other.log_prob;
    }
}

/// What is kept of one sequence while it is learned from.
#[derive(Default)]
struct Scratch {
    /// Probability of each state given the calls so far: [T, S].
    forward: Vec<f64>,
    /// Probability of each call given those before it: [T].
    scale: Vec<f64>,
    /// Of the calls after, given each state, over that without it: [S].
    backward: Vec<f64>,
    /// The same times the probability of the call: [S].
    seen: Vec<f64>,
}

impl BaumWelch {
    /// First parameters: each distribution drawn at random about the uniform one, emissions about the calls'
    /// own frequencies in the sequences.
    ///
    /// # Errors
    /// The number of states is out of range.
    pub fn begin(
        config: &HmmConfig,
        calls: usize,
        sequences: &[HmmSequence],
    ) -> Result<Self, &'static str> {
        let states = config.states;
        if !(1..=HmmModel::MAX_STATES).contains(&states) {
            return Err("a hidden Markov model has 1 to 1024 states");
        }
        let mut rng = Rng::from_parts(&[config.seed, states as u64]);
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| 0.5 + rng.uniform()).collect() };
        let mut frequency = vec![1.0; calls];
        for &call in sequences.iter().flat_map(|sequence| &sequence.calls) {
            frequency[usize::from(call)] += 1.0;
        }
        let mut drawn = BaumWelch {
            states,
            calls,
            initial: draw(STARTS * states),
            transition: draw(states * states),
            emission: draw(calls * states),
            done: 0,
        };
        for (row, frequency) in drawn.emission.chunks_mut(states).zip(&frequency) {
            row.iter_mut().for_each(|p| *p *= frequency);
        }
        normalise_rows(&mut drawn.initial, states);
        normalise_rows(&mut drawn.transition, states);
        normalise_columns(&mut drawn.emission, states);
        Ok(drawn)
    }

    /// One step of expectation and maximisation, on so many threads (0 for all cores); the result does not
    /// depend on their number. The likelihood of the sequences never falls.
    pub fn iterate(&mut self, sequences: &[HmmSequence], threads: usize) -> Iteration {
        let expected = self.expect(sequences, threads);
        let calls: usize = sequences.iter().map(|sequence| sequence.calls.len()).sum();
        self.maximise(expected.initial, expected.transition, expected.emission);
        self.done += 1;
        Iteration {
            number: self.done,
            surprise: -expected.log_prob / calls.max(1) as f64,
        }
    }

    /// ln of the probability of these sequences together.
    pub fn log_likelihood(&self, sequences: &[HmmSequence], threads: usize) -> f64 {
        self.expect(sequences, threads).log_prob
    }

    /// The parameters, none of which is 0.
    pub fn parameters(&self) -> HmmParameters {
        let floored = |values: &[f64], outcomes: usize| -> Vec<f32> {
            let floor = FLOOR / outcomes as f64;
            values
                .iter()
                .map(|p| ((1.0 - FLOOR) * p + floor) as f32)
                .collect()
        };
        HmmParameters {
            states: self.states,
            calls: self.calls,
            initial: floored(&self.initial, self.states),
            transition: floored(&self.transition, self.states),
            emission: floored(&self.emission, self.calls),
        }
    }

    fn expect(&self, sequences: &[HmmSequence], threads: usize) -> Expected {
        let shards: Vec<usize> = (0..SHARDS).collect();
        let threads = threads_or_all(threads).min(SHARDS);
        let of_shard = |shard: usize| {
            let mut expected = Expected::none(self.states, self.calls);
            let mut scratch = Scratch::default();
            for sequence in sequences.iter().skip(shard).step_by(SHARDS) {
                self.learn_from(sequence, &mut expected, &mut scratch);
            }
            expected
        };
        let of_shards: Vec<Expected> = std::thread::scope(|scope| {
            let workers: Vec<_> = shards
                .chunks(SHARDS.div_ceil(threads))
                .map(|part| scope.spawn(|| part.iter().map(|&s| of_shard(s)).collect::<Vec<_>>()))
                .collect();
            let of_workers = workers.into_iter().flat_map(|worker| match worker.join() {
                Ok(expected) => expected,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            of_workers.collect()
        });
        let mut sum = Expected::none(self.states, self.calls);
        of_shards.iter().for_each(|expected| sum.add(expected));
        sum
    }

    fn emission_of(&self, call: u16) -> &[f64] {
        let row = usize::from(call) * self.states;
        &self.emission[row..row + self.states]
    }

    /// The scaled forward and backward recursions of Rabiner 1989, and what they add to the counts.
    fn learn_from(&self, sequence: &HmmSequence, expected: &mut Expected, scratch: &mut Scratch) {
        let states = self.states;
        let calls = &sequence.calls;
        let Scratch {
            forward,
            scale,
            backward,
            seen,
        } = scratch;
        forward.clear();
        forward.resize(calls.len() * states, 0.0);
        scale.clear();
        let first = sequence.start * states..(sequence.start + 1) * states;
        for (place, &call) in calls.iter().enumerate() {
            let (before, now) = forward.split_at_mut(place * states);
            let now = &mut now[..states];
            match before.len().checked_sub(states) {
                None => now.copy_from_slice(&self.initial[first.clone()]),
                Some(last) => {
                    let rows = self.transition.chunks_exact(states);
                    for (&state, row) in before[last..].iter().zip(rows) {
                        axpy(now, state, row);
                    }
                }
            }
            multiply(now, self.emission_of(call));
            let sum = now.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            now.iter_mut().for_each(|state| *state /= sum);
            scale.push(sum);
            expected.log_prob += sum.ln();
        }

        backward.clear();
        backward.resize(states, 1.0);
        for (place, &call) in calls.iter().enumerate().rev() {
            let now = &forward[place * states..(place + 1) * states];
            let row = usize::from(call) * states;
            let counts = &mut expected.emission[row..row + states];
            for ((count, &state), &after) in counts.iter_mut().zip(now).zip(&*backward) {
                *count += state * after;
            }
            seen.clear();
            seen.extend_from_slice(backward);
            multiply(seen, self.emission_of(call));
            seen.iter_mut().for_each(|state| *state /= scale[place]);
            if place == 0 {
                let counts = expected.initial[first.clone()].iter_mut();
                let first = self.initial[first].iter().zip(&*seen);
                counts
                    .zip(first)
                    .for_each(|(count, (p, seen))| *count += p * seen);
                break;
            }
            let before = &forward[(place - 1) * states..place * states];
            let rows = self.transition.chunks_exact(states);
            let counts = expected.transition.chunks_exact_mut(states);
            for (((&state, row), counts), backward) in
                before.iter().zip(rows).zip(counts).zip(backward.iter_mut())
            {
                // The transition's own probability is left for the maximisation to multiply by.
                axpy(counts, state, seen);
                *backward = dot(row, seen);
            }
        }
    }

    fn maximise(&mut self, initial: Vec<f64>, mut transition: Vec<f64>, emission: Vec<f64>) {
        multiply(&mut transition, &self.transition);
        let states = self.states;
        // Starts that no sequence has begin as a stream that is met at any place: by how often states
        // are visited.
        let mut visited = vec![0.0; states];
        emission
            .chunks_exact(states)
            .for_each(|row| axpy(&mut visited, 1.0, row));
        self.initial = initial;
        for row in self.initial.chunks_exact_mut(states) {
            if row.iter().sum::<f64>() <= 0.0 {
                row.copy_from_slice(&visited);
            }
        }
        // A state that is never left, or never visited, keeps what it had.
        let left = transition
            .chunks_exact(states)
            .zip(self.transition.chunks_exact_mut(states));
        for (counts, row) in left {
            if counts.iter().sum::<f64>() > 0.0 {
                row.copy_from_slice(counts);
            }
        }
        for (state, &visited) in visited.iter().enumerate() {
            if visited > 0.0 {
                let column = self.emission.iter_mut().skip(state).step_by(states);
                let counts = emission.iter().skip(state).step_by(states);
                column.zip(counts).for_each(|(p, count)| *p = *count);
            }
        }
        normalise_rows(&mut self.initial, states);
        normalise_rows(&mut self.transition, states);
        normalise_columns(&mut self.emission, states);
    }
}

fn normalise_rows(rows: &mut [f64], len: usize) {
    for row in rows.chunks_exact_mut(len) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
    }
}

fn normalise_columns(rows: &mut [f64], len: usize) {
    let mut sums = vec![0.0; len];
    rows.chunks_exact(len)
        .for_each(|row| axpy(&mut sums, 1.0, row));
    for row in rows.chunks_exact_mut(len) {
        row.iter_mut().zip(&sums).for_each(|(p, sum)| *p /= sum);
    }
}

/// Adds a multiple.
fn axpy(to: &mut [f64], factor: f64, row: &[f64]) {
    to.iter_mut().zip(row).for_each(|(to, p)| *to += factor * p);
}

fn multiply(values: &mut [f64], by: &[f64]) {
    values
        .iter_mut()
        .zip(by)
        .for_each(|(value, by)| *value *= by);
}

/// The sum of products, in four sums that are added in the end.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<4>();
    let (b, b_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums[0] + sums[1] + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Detector, Token};
    use idiolect_trace::StartKind;
    use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert, prop_assume, proptest};

    const CALLS: usize = 4;

    fn config(states: usize, seed: u64) -> HmmConfig {
        HmmConfig {
            states,
            iterations: 10,
            tolerance: 0.0,
            seed,
        }
    }

    fn sequences() -> impl Strategy<Value = Vec<HmmSequence>> {
        let stream = (1..4 as Token, prop::collection::vec(4..9 as Token, 0..30));
        prop::collection::vec(stream, 1..6).prop_map(|streams| {
            let of = |(start, rest): (Token, Vec<Token>)| {
                HmmSequence::of_stream(std::iter::once(start).chain(rest))
            };
            streams.into_iter().flat_map(of).collect()
        })
    }

    /// The probability of a sequence as a sum over all paths through the states.
    fn by_paths(model: &BaumWelch, sequence: &HmmSequence) -> f64 {
        let states = model.states;
        let paths = states.pow(sequence.calls.len() as u32);
        let of_path = |mut path: usize| {
            let mut before = None;
            let mut p = 1.0;
            for &call in &sequence.calls {
                let state = path % states;
                path /= states;
                p *= match before {
                    None => model.initial[sequence.start * states + state],
                    Some(before) => model.transition[before * states + state],
                };
                p *= model.emission_of(call)[state];
                before = Some(state);
            }
            p
        };
        (0..paths).map(of_path).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_likelihood_is_the_sum_over_all_paths(
            states in 1usize..4,
            seed in 0u64..1000,
            calls in prop::collection::vec(5..9 as Token, 1..8),
        ) {
            let stream = std::iter::once(2).chain(calls.iter().copied());
            let sequence = HmmSequence::of_stream(stream);
            let mut model = BaumWelch::begin(&config(states, seed), CALLS, &sequence).unwrap();
            for _ in 0..3 {
                let expected = by_paths(&model, &sequence[0]).ln();
                let found = model.log_likelihood(&sequence, 1);
                prop_assert!((expected - found).abs() < 1e-9, "{expected} {found}");
                model.iterate(&sequence, 1);
            }
            // The streaming score is the same, but for the floor and the share of unknown calls.
            let detector = HmmModel::new(model.parameters(), 0.25).unwrap();
            let mut state = detector.begin(StartKind::Thread);
            let said: f32 = calls.iter().map(|&call| detector.observe(&mut state, call)).sum();
            let known = calls.len() as f64 * -0.75f64.ln();
            let expected = -by_paths(&model, &sequence[0]).ln() + known;
            prop_assert!((f64::from(said) - expected).abs() < 1e-2, "{said} {expected}");
        }

        #[test]
        fn no_iteration_lowers_the_likelihood(
            sequences in sequences(),
            states in 1usize..6,
            seed in 0u64..1000,
        ) {
            prop_assume!(!sequences.is_empty());
            let mut model = BaumWelch::begin(&config(states, seed), CALLS, &sequences).unwrap();
            let mut last = f64::INFINITY;
            for _ in 0..12 {
                let surprise = model.iterate(&sequences, 1).surprise;
                prop_assert!(surprise <= last + 1e-9, "{surprise} after {last}");
                last = surprise;
            }
            prop_assert!(HmmModel::new(model.parameters(), 0.1).is_ok());
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let sequences: Vec<HmmSequence> = (0..40)
            .flat_map(|n| HmmSequence::of_stream([1, 5, 6 + n % 3, 7, 5, 6 + n % 2, 8]))
            .collect();
        let trained = |threads| {
            let mut model = BaumWelch::begin(&config(5, 1), CALLS, &sequences).unwrap();
            for _ in 0..5 {
                model.iterate(&sequences, threads);
            }
            model.parameters()
        };
        assert_eq!(trained(1), trained(3));
    }

    #[test]
    fn it_finds_the_states_of_a_known_automaton() {
        // Two states that take turns, each with two calls of its own: half a bit less than ln 2 a call is
        // not possible, and a model without memory needs 2 ln 2.
        let mut rng = Rng::new(3);
        let stream: Vec<Token> = std::iter::once(1)
            .chain((0..4_000).map(|n| 5 + 2 * (n % 2) + rng.below(2) as Token))
            .collect();
        let sequences = HmmSequence::of_stream(stream);
        let mut model = BaumWelch::begin(&config(2, 1), CALLS, &sequences).unwrap();
        let mut last = 0.0;
        for _ in 0..40 {
            last = model.iterate(&sequences, 2).surprise;
        }
        assert!((last - 2f64.ln()).abs() < 0.01, "{last}");
    }
}
