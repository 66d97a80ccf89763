//! What tables of calls tell of ADFA-LD, and what they cost: each learned from all 833 training traces, each
//! trace of the validation and the attack part scored by the mean over its calls (for windows, the share of them
//! that was never seen), on one processor. Prints a table. Times are the best of three.
//!
//! `cargo run --release -p idiolect-eval --example tables ADFA-LD.zip`

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use idiolect_detect::tables::{Escape, Smoothing, TableConfig, TableModel};
use idiolect_detect::{Detector, DetectorState, Run, Token, Vocabulary, detection};
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
    let learned: usize = training.iter().map(Vec::len).sum();
    let scored: usize = validation.iter().chain(&attack).map(Vec::len).sum();
    println!(
        "{} training traces of {learned} calls, {} validation and {} attack traces of {scored} calls, {} calls known\n",
        training.len(),
        validation.len(),
        attack.len(),
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
            let sequences = training.iter().map(|calls| {
                let start = Vocabulary::start(StartKind::Exec);
                std::iter::once(start).chain(calls.iter().copied())
            });
            let model = config.count(vocabulary.len(), sequences)?;
            Ok((model, start.elapsed().as_secs_f64()))
        })?;
        let detector = model.detector();
        let ((normal, odd), seconds) = best(|| {
            let (normal, of_normal) = score(detector, &validation);
            let (odd, of_odd) = score(detector, &attack);
            Ok(((normal, odd), of_normal + of_odd))
        })?;
        let told = detection(&normal, &odd).ok_or("there are no traces")?;
        println!(
            "| {config:?} | {:.4} | {:.3} / {:.3} | {:.3} | {} | {:.1} | {:.1} | {:.1} |",
            told.auc,
            told.detected_at_1_percent,
            told.detected_at_5_percent,
            told.false_alarms_at_90_percent,
            model.entries(),
            model.bytes() as f64 / learned as f64,
            learned as f64 / learning / 1e6,
            scored as f64 / seconds / 1e6,
        );
    }
    Ok(())
}
