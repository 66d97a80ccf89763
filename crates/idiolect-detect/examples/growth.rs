//! What scoring costs as its input grows: time and memory for 1, 10 and 100 times the calls, the streams that
//! are live and the vocabulary, with a language model of one layer of 64 on one processor. Prints a table.
//! A stream's bytes are its network's state (h and c) and its signals.
//!
//! `cargo run --release -p idiolect-detect --example growth`

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::time::Instant;

use idiolect_detect::split::Policy;
use idiolect_detect::{
    Augmentation, FitConfig, Judge, ModelConfig, Network, NetworkConfig, Profile, SignalKind,
    Stream, StreamState, Streams, fit,
};
use idiolect_nn::{Init, Rng, TrainConfig};
use idiolect_trace::StartKind;

/// A profile of made-up streams over so many call names.
fn profile(names: usize) -> Result<Profile, Box<dyn Error>> {
    let mut rng = Rng::new(1);
    let mut streams = Streams::default();
    for number in 0..200 {
        let calls = (0..names.max(50)).map(|_| rng.below(names));
        let symbols = calls
            .map(|call| streams.symbol(&format!("call{call}")))
            .collect();
        streams.push(Stream {
            name: number.to_string(),
            start: StartKind::Exec,
            symbols,
            executable: None,
        });
    }
    let config = FitConfig {
        model: ModelConfig::Network(Box::new(NetworkConfig {
            network: Network {
                embedding: Some(64),
                hidden: vec![64],
                init: Init::Usual,
            },
            windows: None,
            train: TrainConfig {
                epochs: 1,
                ..TrainConfig::default()
            },
            augmentation: Augmentation::DEFAULT,
        })),
        policy: Policy::Content,
        signal: SignalKind::Mean,
        rate: None,
        cross_fit: None,
    };
    let outcome = fit(&streams, &config, 0, None, &mut |_| {
        ControlFlow::Continue(())
    })?;
    Ok(outcome.profile)
}

/// Bytes that are resident.
fn resident() -> Result<u64, Box<dyn Error>> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages = pages.split(' ').nth(1).ok_or("statm has two numbers")?;
    Ok(pages.parse::<u64>()? * 4096)
}

/// Live streams that take calls in turn until there were so many; gives seconds and bytes a stream.
fn follow(profile: &Profile, live: usize, calls: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let judge = Judge::new(profile, None, None)?;
    let names: Vec<&str> = profile.vocabulary.calls().collect();
    let mut rng = Rng::new(2);
    let before = resident()?;
    let mut states: Vec<StreamState> = (0..live).map(|_| judge.begin(StartKind::Exec)).collect();
    let start = Instant::now();
    for call in 0..calls {
        let token = profile.vocabulary.token(names[rng.below(names.len())]);
        judge.call(&mut states[call % live], token);
    }
    let seconds = start.elapsed().as_secs_f64();
    let bytes = resident()?.saturating_sub(before) as f64 / live as f64;
    Ok((seconds, bytes))
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("| live streams | calls | call names | seconds | calls/s | bytes a stream |");
    println!("|---|---|---|---|---|---|");
    let row = |live: usize, calls: usize, names: usize| -> Result<(), Box<dyn Error>> {
        let profile = profile(names)?;
        let (seconds, bytes) = follow(&profile, live, calls)?;
        let rate = calls as f64 / seconds;
        println!("| {live} | {calls} | {names} | {seconds:.3} | {rate:.0} | {bytes:.0} |");
        Ok(())
    };
    for calls in [100_000, 1_000_000, 10_000_000] {
        row(1, calls, 60)?;
    }
    for live in [1_000, 10_000, 100_000] {
        row(live, 3_000_000, 60)?;
    }
    for names in [60, 600, 6_000] {
        row(100, 100_000, names)?;
    }
    Ok(())
}
