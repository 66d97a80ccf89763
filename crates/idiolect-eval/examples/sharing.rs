//! What windows of ADFA-LD share, and what computing it once is worth: the original's network (341 calls,
//! windows of 19 and the call after them, random weights) over the validation and the attack part, with a cold
//! table, on one processor. Prints a table.
//!
//! `cargo run --release -p idiolect-eval --example sharing ADFA-LD.zip`

use std::collections::HashSet;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use idiolect_nn::{Architecture, Form, Scorer, Weights};
use idiolect_trace::Record;
use idiolect_trace::read::{Part, ReadOptions, Sink, Source, read_path};

/// Calls of a window with the one that comes after them.
const WINDOW: usize = 20;
const VOCAB: usize = 341;
/// Windows that the plain path is timed on.
const SAMPLE: usize = 20_000;

/// The calls of each trace of one part.
struct Gather(Part, Vec<Vec<u32>>, bool);

impl Sink for Gather {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        self.2 = source
            .label
            .as_ref()
            .is_some_and(|label| label.part == self.0);
        if self.2 {
            self.1.push(Vec::new());
        }
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        if let (true, Record::Call(call), Some(calls)) = (self.2, record, self.1.last_mut()) {
            calls.extend(call.number.filter(|&number| number < VOCAB as u32));
        }
        ControlFlow::Continue(())
    }
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).map(PathBuf::from);
    let path = path.ok_or("usage: sharing ADFA-LD.zip")?;
    let architecture = Architecture {
        vocab: VOCAB,
        embedding: None,
        hidden: vec![64, 256, 100],
    };
    let weights = Weights::init(&architecture, 1)?;
    println!(
        "| part | windows | different | beginnings a window | each alone, windows/s | shared, windows/s | ratio | reduced | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, part) in [("validation", Part::Validation), ("attack", Part::Attack)] {
        let mut gather = Gather(part, Vec::new(), false);
        read_path(&path, &ReadOptions::default(), &mut gather)?;
        let windows: Vec<&[u32]> = gather
            .1
            .iter()
            .flat_map(|calls| calls.windows(WINDOW))
            .collect();
        let mut beginnings = HashSet::new();
        let different: HashSet<&[u32]> = windows.iter().copied().collect();
        for window in &different {
            beginnings.extend((1..WINDOW).map(|len| &window[..len]));
        }
        let steps = beginnings.len() as f64 / windows.len() as f64;

        let full = Scorer::new(&weights);
        let start = Instant::now();
        for window in windows.iter().step_by(windows.len().div_ceil(SAMPLE)) {
            let mut state = full.state();
            for &call in &window[..WINDOW - 1] {
                full.advance(&mut state, call);
            }
            std::hint::black_box(full.log_prob(&state, window[WINDOW - 1]));
        }
        let sampled = windows
            .iter()
            .step_by(windows.len().div_ceil(SAMPLE))
            .count();
        let alone = sampled as f64 / start.elapsed().as_secs_f64();

        let shared = |form: Form| {
            let scorer = Scorer::in_form(&weights, form);
            let start = Instant::now();
            let mut sorted = windows.clone();
            sorted.sort_unstable();
            sorted.dedup();
            std::hint::black_box(scorer.log_prob_of_last(&sorted));
            windows.len() as f64 / start.elapsed().as_secs_f64()
        };
        let (full, reduced) = (shared(Form::Full), shared(Form::Reduced));
        println!(
            "| {name} | {} | {} | {steps:.2} of 19 | {alone:.0} | {full:.0} | {:.1} | {reduced:.0} | {:.1} |",
            windows.len(),
            different.len(),
            full / alone,
            reduced / alone
        );
    }
    Ok(())
}
