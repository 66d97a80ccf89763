//! Trains the default recipe on token sequences in text files and prints the tune loss of each epoch as a
//! JSON line: the counterpart of `parity/adfa_recipe.py`.
//!
//! `cargo run --release -p idiolect-nn --example recipe TRAIN TUNE VOCAB [SEED] [EPOCHS] [THREADS]`
//!
//! A line of a file is a stream: token numbers separated by spaces, the first being the start token.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use idiolect_nn::{Architecture, EpochEnd, TrainConfig, Trainer, Weights};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [train, tune, vocab, rest @ ..] = args.as_slice() else {
        return Err("usage: recipe TRAIN TUNE VOCAB [SEED] [EPOCHS] [THREADS]".into());
    };
    let number = |index: usize, default: u64| rest.get(index).map_or(Ok(default), |s| s.parse());
    let (seed, epochs, threads) = (
        number(0, 1)?,
        number(1, 20)? as usize,
        number(2, 0)? as usize,
    );
    let (train, tune) = (read(train)?, read(tune)?);
    let calls: usize = train.iter().map(|stream| stream.len() - 1).sum();
    let architecture = Architecture {
        vocab: vocab.parse()?,
        embedding: Some(64),
        hidden: vec![64],
    };
    let config = TrainConfig {
        epochs,
        seed,
        ..TrainConfig::default()
    };
    let weights = Weights::init(&architecture, seed)?;
    let mut trainer = Trainer::new(&weights, config, threads)?;
    while trainer.finished().is_none() {
        let start = Instant::now();
        let end = trainer.epoch(&train, Some(&tune), &mut |_| ControlFlow::Continue(()))?;
        let seconds = start.elapsed().as_secs_f64();
        if let EpochEnd::Done(report) = end {
            println!(
                "{{\"epoch\": {}, \"train_loss\": {:.5}, \"tune_loss\": {:.5}, \"seconds\": {seconds:.2}, \
                 \"calls_per_second\": {:.0}}}",
                report.epoch,
                report.train.mean_loss,
                report.tune.map_or(f64::NAN, |tune| tune.mean_loss),
                calls as f64 / seconds
            );
        }
    }
    Ok(())
}

fn read(path: &str) -> Result<Vec<Vec<u32>>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut streams = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let stream: Result<Vec<u32>, _> = line.split_whitespace().map(str::parse).collect();
        let stream = stream.map_err(|error| format!("{path}, line {}: {error}", index + 1))?;
        if stream.len() > 1 {
            streams.push(stream);
        }
    }
    Ok(streams)
}
