//! One side of `scripts/detectors.sh`: detectors timed on one thread, and what they come to. Into the folder it writes
//! what the other side is to work on: the streams as numbers, and what hidden Markov models begin with. Prints a JSON
//! object for each work: seconds to fit and to score, the AUC, and what else can be compared.
//!
//! `cargo run --release -p idiolect-eval --example detectors FOLDER ROUND [ADFA-LD.zip]`

#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use idiolect_detect::hmm::{BaumWelch, HmmConfig, HmmModel, HmmSequence};
use idiolect_detect::tables::{Smoothing, TableConfig};
use idiolect_detect::{Detector, DetectorState, Run, Streams, Token, Vocabulary};
use idiolect_eval::data::{DataSet, Reading, Round};
use idiolect_eval::methods::{Job, Method, whole_stream};
use idiolect_eval::metrics::{Measure, Ranked};
use idiolect_trace::StartKind;
use serde_json::json;

/// Hidden states, and iterations of Baum and Welch's algorithm.
const STATES: usize = 20;
const ITERATIONS: usize = 5;
/// What is held against scikit-learn's, by method.
const OF_BAGS: [&str; 5] = ["svm-1", "k-means", "isolation-forest", "bag-1", "bag-3"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(round)) = (args.next(), args.next()) else {
        return Err("usage: detectors FOLDER ROUND [ADFA-LD.zip]".into());
    };
    let round: u64 = round.parse()?;
    let set = match args.next() {
        Some(path) => DataSet::read("adfa-ld", Path::new(&path), &Reading::default())?.remove(0),
        None => DataSet::synthetic(1)?,
    };
    let work = Work::of(&set, round);
    work.write(Path::new(&folder))?;
    work.tables()?;
    work.hmm(Path::new(&folder))?;
    for method in whole_stream() {
        if OF_BAGS.contains(&method.name()) {
            work.of_bags(method.as_ref())?;
        }
    }
    Ok(())
}

struct Work<'s> {
    set: &'s DataSet,
    split: Round,
    seed: u64,
    train: Streams,
    vocabulary: Vocabulary,
    learned: Vec<Vec<Token>>,
    tested: Vec<Vec<Token>>,
    is_attack: Vec<bool>,
}

impl<'s> Work<'s> {
    fn of(set: &'s DataSet, seed: u64) -> Self {
        let split = set.rounds(5, 1).remove(0);
        let train = set.only(&split.train);
        let names = train.names().iter().skip(1);
        let vocabulary = Vocabulary::of_calls(names.map(String::as_str));
        let tokens = |&place: &usize| -> Vec<Token> {
            let symbols = set.streams.get(place).symbols.iter();
            symbols
                .map(|&symbol| vocabulary.token(set.streams.name(symbol)))
                .collect()
        };
        Work {
            set,
            seed,
            learned: split.train.iter().map(tokens).collect(),
            tested: split.test.iter().map(tokens).collect(),
            is_attack: split
                .test
                .iter()
                .map(|&place| set.is_attack(place))
                .collect(),
            train,
            vocabulary,
            split,
        }
    }

    /// A line for each stream: what it is, and its calls as numbers, those of training from 0.
    fn write(&self, folder: &Path) -> Outcome<()> {
        let mut out = fs::File::create(folder.join("streams"))?;
        let first = Vocabulary::FIRST_CALL;
        // Calls that training never made are told apart, as they are here by name.
        let mut others: HashMap<&str, Token> = HashMap::new();
        let known = self.vocabulary.len() as Token - first;
        let kinds = self.split.train.iter().map(|place| ("train", place));
        let tested = self.split.test.iter().zip(&self.is_attack);
        let tested =
            tested.map(|(place, &attack)| (if attack { "attack" } else { "normal" }, place));
        let mut lines = Vec::new();
        for (kind, &place) in kinds.chain(tested) {
            write!(lines, "{kind}")?;
            for &symbol in &self.set.streams.get(place).symbols {
                let name = self.set.streams.name(symbol);
                let number = match self.vocabulary.token(name) {
                    Vocabulary::UNKNOWN => {
                        let next = known + others.len() as Token;
                        *others.entry(name).or_insert(next)
                    }
                    token => token - first,
                };
                write!(lines, " {number}")?;
            }
            writeln!(lines)?;
        }
        out.write_all(&lines)?;
        Ok(())
    }

    fn auc(&self, scores: &[f32]) -> Outcome<f64> {
        let scores: Vec<f64> = scores.iter().map(|&score| f64::from(score)).collect();
        let curve = Ranked::new(&scores, &self.is_attack)?.curve();
        Ok(curve.ok_or("there are no attacks")?.get(Measure::Auc))
    }

    /// The tables that calls a second are asked of, learned and walked as `train` and `score` do.
    fn tables(&self) -> Outcome<()> {
        let ngram = TableConfig::Ngram {
            order: 8,
            smoothing: Smoothing::WittenBell,
        };
        for (name, config) in [("stide", TableConfig::Stide { len: 6 }), ("ngram", ngram)] {
            let began = Instant::now();
            let model = config.count(self.vocabulary.len(), behind_start(&self.learned))?;
            let fit = began.elapsed().as_secs_f64();
            let began = Instant::now();
            let scores = means(model.detector(), &self.tested);
            let score = began.elapsed().as_secs_f64();
            // The walk alone: what is said of each call.
            let mut states = states(model.detector(), &self.tested);
            let mut runs = runs(&mut states, &self.tested);
            let began = Instant::now();
            model.detector().observe_runs(&mut runs, 1);
            let walk = began.elapsed().as_secs_f64();
            let calls: usize = self.tested.iter().map(Vec::len).sum();
            let auc = self.auc(&scores)?;
            println!(
                "{}",
                json!({"work": name, "fit": fit, "score": score, "auc": auc,
                    "million_calls_per_second": calls as f64 / walk / 1e6})
            );
        }
        Ok(())
    }

    fn hmm(&self, folder: &Path) -> Outcome<()> {
        let sequences: Vec<HmmSequence> = behind_start(&self.learned)
            .flat_map(HmmSequence::of_stream)
            .collect();
        let config = HmmConfig {
            states: STATES,
            iterations: ITERATIONS,
            tolerance: 0.0,
            seed: 1,
        };
        let calls = self.vocabulary.calls().count();
        let mut trained = BaumWelch::begin(&config, calls, &sequences)?;
        let begun = trained.parameters();
        let [initial, transition, emission] = [&begun.initial, &begun.transition, &begun.emission];
        let begins = json!({"states": STATES, "iterations": ITERATIONS, "initial": initial[..STATES],
            "transition": transition, "emission": emission});
        fs::write(folder.join("hmm.json"), begins.to_string())?;

        let began = Instant::now();
        for _ in 0..ITERATIONS {
            trained.iterate(&sequences, 1);
        }
        let fit = began.elapsed().as_secs_f64();
        // What the parameters come to: the next iteration tells, before it changes them.
        let learned: usize = self.learned.iter().map(Vec::len).sum();
        let model = HmmModel::new(trained.parameters(), 0.5 / (learned as f64 + 1.0))?;
        let surprise = trained.iterate(&sequences, 1).surprise;
        // Streams that only make calls which training made, as the other side can score no others.
        let known = |calls: &&Vec<Token>| !calls.contains(&Vocabulary::UNKNOWN);
        let scored: Vec<Vec<Token>> = self.tested.iter().filter(known).cloned().collect();
        let began = Instant::now();
        let means = means(&model, &scored);
        let score = began.elapsed().as_secs_f64();
        let mean = means.iter().map(|&mean| f64::from(mean)).sum::<f64>() / means.len() as f64;
        println!(
            "{}",
            json!({"work": "hmm", "fit": fit, "score": score, "nats_a_training_call": surprise,
                "mean_nats_of_tested": mean, "streams": scored.len()})
        );
        Ok(())
    }

    fn of_bags(&self, method: &dyn Method) -> Outcome<()> {
        let job = Job {
            streams: &self.train,
            seed: self.seed,
            threads: 1,
            scratch: None,
        };
        let began = Instant::now();
        let fitted = method.fit(&job, &mut |_| ControlFlow::Continue(()))?;
        let fit = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let scores = fitted.model.score(&self.set.streams, &self.split.test, 1);
        let score = began.elapsed().as_secs_f64();
        let scores: Vec<f32> = scores.iter().map(|score| score.whole[0]).collect();
        let auc = self.auc(&scores)?;
        println!(
            "{}",
            json!({"work": method.name(), "fit": fit, "score": score, "auc": auc})
        );
        Ok(())
    }
}

/// Streams behind their start.
fn behind_start(streams: &[Vec<Token>]) -> impl Iterator<Item = impl Iterator<Item = Token> + '_> {
    streams.iter().map(|calls| {
        let start = Vocabulary::start(StartKind::Exec);
        std::iter::once(start).chain(calls.iter().copied())
    })
}

fn states(detector: &dyn Detector, streams: &[Vec<Token>]) -> Vec<DetectorState> {
    streams
        .iter()
        .map(|_| detector.begin(StartKind::Exec))
        .collect()
}

fn runs<'r>(states: &'r mut [DetectorState], streams: &'r [Vec<Token>]) -> Vec<Run<'r>> {
    let pairs = states.iter_mut().zip(streams);
    pairs.map(|(state, calls)| Run::new(state, calls)).collect()
}

/// The mean of what a detector says of each stream.
fn means(detector: &dyn Detector, streams: &[Vec<Token>]) -> Vec<f32> {
    let mut states = states(detector, streams);
    let mut runs = runs(&mut states, streams);
    detector.observe_runs(&mut runs, 1);
    let means = runs.iter().map(|run| {
        let said = &run.surprises[detector.silent().min(run.surprises.len())..];
        let sum: f64 = said.iter().map(|&said| f64::from(said)).sum();
        (sum / said.len().max(1) as f64) as f32
    });
    means.collect()
}
