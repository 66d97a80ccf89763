//! Times the original's window network on windows of random calls: 341 calls one-hot, LSTM layers of 64,
//! 256 and 100, dropout of 0.2 after each, windows of 19 calls and the 20th to be predicted, batches of 50,
//! RMSprop. The counterpart of `parity/window_speed.py`.
//!
//! `cargo run --release -p idiolect-nn --example window [EPOCHS] [THREADS] [WINDOWS]`

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use idiolect_nn::{
    Architecture, Corpus, Dropout, EpochEnd, IGNORE, Init, Optimiser, Rng, Schedule, TrainConfig,
    Trainer, Weights,
};

/// Calls that the original counts on.
const VOCAB: usize = 341;
/// Calls of a window, without the one to be predicted.
const WINDOW: usize = 19;
/// Windows that the original trains on.
const WINDOWS: usize = 19_283;

/// One long stream, cut at each call.
struct Windows(Vec<u32>);

impl Corpus for Windows {
    fn len(&self) -> usize {
        self.0.len() - WINDOW
    }

    fn size_hint(&self, _: usize) -> usize {
        1
    }

    fn sequence(&self, index: usize, _: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        inputs.extend_from_slice(&self.0[index..][..WINDOW]);
        targets.resize(WINDOW - 1, IGNORE);
        targets.push(self.0[index + WINDOW]);
    }
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| args.get(index).map_or(Ok(default), |s| s.parse());
    let (epochs, threads, windows) = (number(0, 3)?, number(1, 0)?, number(2, WINDOWS)?);
    let mut rng = Rng::new(1);
    let calls = (0..windows + WINDOW).map(|_| rng.below(VOCAB) as u32);
    let corpus = Windows(calls.collect());
    let architecture = Architecture {
        vocab: VOCAB,
        embedding: None,
        hidden: vec![64, 256, 100],
    };
    let config = TrainConfig {
        epochs,
        batch: 50,
        bptt: WINDOW,
        optimiser: Optimiser::rms_prop(1e-3),
        schedule: Schedule::Constant,
        clip_norm: None,
        dropout: Dropout {
            embedding: 0.0,
            between: 0.2,
            output: 0.2,
        },
        ..TrainConfig::default()
    };
    let weights = Weights::init_with(&architecture, Init::Keras, 1)?;
    let mut trainer = Trainer::new(&weights, config, threads)?;
    while trainer.finished().is_none() {
        let start = Instant::now();
        let end = trainer.epoch(&corpus, None, &mut |_| ControlFlow::Continue(()))?;
        let seconds = start.elapsed().as_secs_f64();
        if let EpochEnd::Done(report) = end {
            println!(
                "epoch {}: loss {:.4}, {seconds:.2} s, {:.0} windows/s",
                report.epoch,
                report.train.mean_loss,
                windows as f64 / seconds
            );
        }
    }
    Ok(())
}
