//! A fixed number of scoring steps, to count instructions of: see `scripts/instructions.sh`.
//!
//! `cargo run --release -p idiolect-nn --example steps WORK STEPS`, where WORK is `one`, `many` or `reduced`,
//! by AVX2, or with `-plain` behind it by what every machine has.

use std::error::Error;

use idiolect_nn::{Architecture, Form, Instructions, Scorer, State, Weights};

/// Streams in step.
const STREAMS: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [work, steps] = args.as_slice() else {
        return Err("usage: steps WORK STEPS".into());
    };
    let steps: u32 = steps.parse()?;
    let architecture = Architecture {
        vocab: 180,
        embedding: Some(64),
        hidden: vec![64],
    };
    let weights = Weights::init(&architecture, 1)?;
    let (kind, plain) = match work.strip_suffix("-plain") {
        Some(kind) => (kind, true),
        None => (work.as_str(), false),
    };
    let form = if kind == "reduced" {
        Form::Reduced
    } else {
        Form::Full
    };
    let instructions = if plain {
        Instructions::Plain
    } else {
        Instructions::Avx2
    };
    let scorer = Scorer::with_instructions(&weights, form, instructions)
        .ok_or("this machine has not these instructions")?;
    let streams = if kind == "one" { 1 } else { STREAMS };
    let mut states: Vec<State> = (0..streams).map(|_| scorer.state()).collect();
    let mut states: Vec<&mut State> = states.iter_mut().collect();
    let mut log_probs = vec![0.0; streams];
    for step in 0..steps {
        let tokens: Vec<u32> = (0..streams as u32)
            .map(|i| (step * 7 + i * 31) % 180)
            .collect();
        if kind == "one" {
            std::hint::black_box(scorer.log_prob(states[0], tokens[0]));
            scorer.advance(states[0], tokens[0]);
        } else {
            scorer.log_prob_many(&states, &tokens, &mut log_probs);
            std::hint::black_box(&log_probs);
            scorer.advance_many(&mut states, &tokens);
        }
    }
    Ok(())
}
