//! What tables of calls and hidden Markov models tell of ADFA-LD, and what they cost: each learned from all 833 training traces, each
//! trace of the validation and the attack part scored by the mean over its calls (for windows, the share of them
//! that was never seen), on one processor; hidden Markov models learn on all of them. Prints a table. Times are
//! the best of three, but for learning a hidden Markov model.
//!
//! `cargo run --release -p idiolect-eval --example tables ADFA-LD.zip`

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use idiolect_detect::hmm::{BaumWelch, HmmConfig, HmmModel, HmmSequence};
use idiolect_detect::tables::{Escape, Smoothing, TableConfig, TableModel};
use idiolect_detect::{Detector, DetectorState, Run, Token, Vocabulary};
use idiolect_eval::metrics::detection;
use idiolect_trace::read::{Part, ReadOptions, Sink, Source, read_path};
use idiolect_trace::{Record, StartKind};

/// The calls of each trace of the three parts, by number.
#[derive(Default)]
struct Gather {
    parts: [Vec<Vec<u32>>; 3],
    part: Option<usize>,
}

const PARTS: [Part; 3] = [Part::Training, Part::Validation, Part::Attack];

impl Sink for Gather {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        let label = source.label.as_ref();
        self.part = label.and_then(|label| PARTS.iter().position(|&part| part == label.part));
        if let Some(part) = self.part {
            self.parts[part].push(Vec::new());
        }
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        if let (Some(part), Record::Call(call)) = (self.part, record)
            && let Some(calls) = self.parts[part].last_mut()
        {
            calls.extend(call.number);
        }
        ControlFlow::Continue(())
    }
}

/// The mean of what a detector says of each trace, and seconds.
fn score(detector: &dyn Detector, traces: &[Vec<Token>]) -> (Vec<f32>, f64) {
    let mut states: Vec<DetectorState> = traces
        .iter()
        .map(|_| detector.begin(StartKind::Exec))
        .collect();
    let mut runs: Vec<Run<'_>> = states
        .iter_mut()
        .zip(traces)
        .map(|(state, calls)| Run::new(state, calls))
        .collect();
    let start = Instant::now();
    detector.observe_runs(&mut runs, 1);
    let seconds = start.elapsed().as_secs_f64();
    let means = runs.iter().map(|run| {
        let said = &run.surprises[detector.silent().min(run.surprises.len())..];
        let sum: f64 = said.iter().map(|&said| f64::from(said)).sum();
        (sum / said.len().max(1) as f64) as f32
    });
    (means.collect(), seconds)
}

fn best<T>(
    mut work: impl FnMut() -> Result<(T, f64), Box<dyn Error>>,
) -> Result<(T, f64), Box<dyn Error>> {
    let mut best = work()?;
    for _ in 0..2 {
        let again = work()?;
        if again.1 < best.1 {
            best = again;
        }
    }
    Ok(best)
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).map(PathBuf::from);
    let path = path.ok_or("usage: tables ADFA-LD.zip")?;
    let mut gather = Gather::default();
    read_path(&path, &ReadOptions::default(), &mut gather)?;
    let names: Vec<String> = gather.parts[0]
        .iter()
        .flatten()
        .map(u32::to_string)
        .collect();
    let vocabulary = Vocabulary::of_calls(names.iter().map(String::as_str));
    let [training, validation, attack] = gather.parts.map(|traces| -> Vec<Vec<Token>> {
        let tokens = |calls: Vec<u32>| {
            calls
                .iter()
                .map(|n| vocabulary.token(&n.to_string()))
                .collect()
        };
        traces.into_iter().map(tokens).collect()
    });
    let traces = Traces {
        learned: training.iter().map(Vec::len).sum(),
        scored: validation.iter().chain(&attack).map(Vec::len).sum(),
        validation,
        attack,
    };
    println!(
        "{} training traces of {} calls, {} validation and {} attack traces of {} calls, {} calls known\n",
        training.len(),
        traces.learned,
        traces.validation.len(),
        traces.attack.len(),
        traces.scored,
        vocabulary.calls().count()
    );
    println!(
        "| table | AUC | detected at 1 % / 5 % | false alarms at 90 % | entries | bytes a training call | learned, M calls/s | scored, M calls/s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let ngram = |order, smoothing| TableConfig::Ngram { order, smoothing };
    let ppm = |order, escape| TableConfig::Ppm { order, escape };
    let mut configs = vec![
        TableConfig::Stide { len: 3 },
        TableConfig::Stide { len: 6 },
        TableConfig::Stide { len: 10 },
        TableConfig::TStide { len: 6, rare: 1e-5 },
        TableConfig::Frequency { len: 6 },
        TableConfig::Lookahead { len: 9 },
    ];
    configs.extend([2, 3, 5, 8, 12, 20, 64].map(|order| ngram(order, Smoothing::WittenBell)));
    configs.extend([3, 5, 8, 10, 12].map(|order| ngram(order, Smoothing::KneserNey)));
    configs.extend([
        ppm(5, Escape::C),
        ppm(8, Escape::C),
        ppm(5, Escape::D),
        ppm(8, Escape::D),
    ]);
    for config in configs {
        let (model, learning): (TableModel, f64) = best(|| {
            let start = Instant::now();
            let model = config.count(vocabulary.len(), behind_start(&training))?;
            Ok((model, start.elapsed().as_secs_f64()))
        })?;
        let row = Row {
            name: format!("{config:?}"),
            entries: model.entries(),
            bytes: model.bytes(),
            learning,
        };
        row.print(model.detector(), &traces)?;
    }
    for states in [20, 40, 60] {
        let start = Instant::now();
        let sequences: Vec<HmmSequence> = behind_start(&training)
            .flat_map(HmmSequence::of_stream)
            .collect();
        let config = HmmConfig {
            states,
            iterations: 50,
            tolerance: 1e-4,
            seed: 1,
        };
        let mut trained = BaumWelch::begin(&config, vocabulary.calls().count(), &sequences)?;
        let (mut last, mut iterations) = (f64::INFINITY, 0);
        while iterations < config.iterations {
            let surprise = trained.iterate(&sequences, 0).surprise;
            iterations += 1;
            if last - surprise < config.tolerance {
                break;
            }
            last = surprise;
        }
        let model = HmmModel::new(trained.parameters(), 0.5 / (traces.learned as f64 + 1.0))?;
        let parameters = model.parameters();
        let numbers = states * (states + parameters.calls + 4);
        let row = Row {
            name: format!("HMM of {states} states, {iterations} iterations to {last:.3} nats"),
            entries: numbers as u64,
            bytes: 4 * numbers,
            learning: start.elapsed().as_secs_f64(),
        };
        row.print(&model, &traces)?;
    }
    Ok(())
}

/// Traces behind their start.
fn behind_start(traces: &[Vec<Token>]) -> impl Iterator<Item = impl Iterator<Item = Token> + '_> {
    traces.iter().map(|calls| {
        let start = Vocabulary::start(StartKind::Exec);
        std::iter::once(start).chain(calls.iter().copied())
    })
}

/// What is scored.
struct Traces {
    validation: Vec<Vec<Token>>,
    attack: Vec<Vec<Token>>,
    /// Calls that were learned from.
    learned: usize,
    /// Calls that are scored.
    scored: usize,
}

/// What is known of a model before it scores.
struct Row {
    name: String,
    entries: u64,
    bytes: usize,
    /// Seconds.
    learning: f64,
}

impl Row {
    #[allow(clippy::print_stdout)]
    fn print(&self, detector: &dyn Detector, traces: &Traces) -> Result<(), Box<dyn Error>> {
        let ((normal, odd), seconds) = best(|| {
            let (normal, of_normal) = score(detector, &traces.validation);
            let (odd, of_odd) = score(detector, &traces.attack);
            Ok(((normal, odd), of_normal + of_odd))
        })?;
        let told = detection(&normal, &odd).ok_or("there are no traces")?;
        println!(
            "| {} | {:.4} | {:.3} / {:.3} | {:.3} | {} | {:.1} | {:.2} | {:.1} |",
            self.name,
            told.auc,
            told.detected_at_1_percent,
            told.detected_at_5_percent,
            told.false_alarms_at_90_percent,
            self.entries,
            self.bytes as f64 / traces.learned as f64,
            traces.learned as f64 / self.learning / 1e6,
            traces.scored as f64 / seconds / 1e6,
        );
        Ok(())
    }
}
