//! Calls a second in training and in scoring one stream, for two sizes of network.
//!
//! `cargo run --release -p idiolect-nn --example throughput [THREADS]`

use std::ops::ControlFlow;
use std::time::Instant;

use idiolect_nn::{Architecture, Dropout, Rng, Scorer, TrainConfig, Trainer, Weights};

/// Tokens, as in ADFA-LD.
const VOCAB: usize = 180;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::env::args().nth(1).map_or(Ok(0), |n| n.parse())?;
    // Streams about as long as ADFA-LD's: 50 to 1,000 calls, most of them short.
    let mut rng = Rng::new(1);
    let corpus: Vec<Vec<u32>> = (0..800)
        .map(|_| {
            let len = 50 + (950.0 * rng.uniform().powi(3)) as usize;
            (0..len).map(|_| rng.below(VOCAB) as u32).collect()
        })
        .collect();
    let calls: usize = corpus.iter().map(|stream| stream.len() - 1).sum();
    println!(
        "threads: {threads} (0: all cores); {calls} calls in {} streams",
        corpus.len()
    );

    for (hidden, batch, dropout) in [(64, 16, 0.0), (64, 16, 0.2), (200, 32, 0.0), (200, 32, 0.2)] {
        let architecture = Architecture {
            vocab: VOCAB,
            embedding: Some(hidden),
            hidden: vec![hidden],
        };
        let weights = Weights::init(&architecture, 1)?;
        let config = TrainConfig {
            batch,
            dropout: Dropout {
                embedding: dropout,
                between: dropout,
                output: dropout,
            },
            ..TrainConfig::default()
        };
        let mut trainer = Trainer::new(&weights, config, threads)?;
        let mut best = f64::MAX;
        for _ in 0..2 {
            let start = Instant::now();
            trainer.epoch(&corpus, None, &mut |_| ControlFlow::Continue(()))?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!(
            "1x{hidden} training, batch {batch}, dropout {dropout}: {:.0} calls/s",
            calls as f64 / best
        );
        if dropout > 0.0 {
            continue;
        }
        let start = Instant::now();
        idiolect_nn::mean_loss(&trainer.weights(), &corpus, 0, threads)?;
        println!(
            "1x{hidden} measuring: {:.0} calls/s",
            calls as f64 / start.elapsed().as_secs_f64()
        );
        let scorer = Scorer::new(&trainer.weights());
        let mut best = f64::MAX;
        let mut sum = 0.0;
        for _ in 0..3 {
            let start = Instant::now();
            for stream in &corpus {
                let mut state = scorer.state();
                for pair in stream.windows(2) {
                    scorer.advance(&mut state, pair[0]);
                    sum -= f64::from(scorer.log_prob(&state, pair[1]));
                }
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!(
            "1x{hidden} scoring, one stream, one core: {:.0} calls/s (mean surprise {:.3})",
            calls as f64 / best,
            sum / (3 * calls) as f64
        );
    }
    Ok(())
}
