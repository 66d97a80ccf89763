//! Streams of a made-up program, and profiles fitted on them.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::ops::ControlFlow;

use idiolect_detect::split::Policy;
use idiolect_detect::{
    Augmentation, FitConfig, FitOutcome, ModelConfig, Network, NetworkConfig, SignalKind, Stream,
    Streams, fit,
};
use idiolect_nn::{Init, Rng, TrainConfig};
use idiolect_trace::StartKind;

/// Streams that open, read a few times and close, over and over, as two programs do.
pub fn normal(streams: usize, seed: u64) -> Streams {
    let mut all = Streams::default();
    for number in 0..streams {
        let mut rng = Rng::from_parts(&[seed, number as u64]);
        let mut calls = vec!["brk", "mmap", "close"];
        for _ in 0..2 + rng.below(6) {
            calls.push("openat");
            calls.extend(std::iter::repeat_n("read", 1 + rng.below(4)));
            calls.push(if rng.below(3) == 0 { "write" } else { "fstat" });
            calls.push("close");
        }
        let start = if number % 2 == 0 {
            StartKind::Exec
        } else {
            StartKind::Thread
        };
        push(&mut all, start, &calls);
    }
    all
}

/// Adds a stream of these calls.
pub fn push(streams: &mut Streams, start: StartKind, calls: &[&str]) {
    let stream = Stream {
        name: format!("made-up {}", streams.len()),
        start,
        symbols: calls.iter().map(|call| streams.symbol(call)).collect(),
        executable: (start == StartKind::Exec).then(|| "/usr/bin/made-up".to_owned()),
    };
    streams.push(stream);
}

/// A small network that is trained in a moment.
pub fn config() -> FitConfig {
    FitConfig {
        model: ModelConfig::Network(Box::new(NetworkConfig {
            network: Network {
                embedding: Some(12),
                hidden: vec![16],
                init: Init::Usual,
            },
            windows: None,
            train: TrainConfig {
                epochs: 6,
                batch: 8,
                bptt: 40,
                ..TrainConfig::default()
            },
            augmentation: Augmentation::DEFAULT,
        })),
        policy: Policy::Content,
        signal: SignalKind::Mean,
        rate: None,
        cross_fit: None,
    }
}

/// The network of a configuration.
pub fn network(config: &mut FitConfig) -> &mut NetworkConfig {
    match &mut config.model {
        ModelConfig::Network(network) => network,
        other => panic!("{other:?}"),
    }
}

/// Fits without looking.
pub fn fitted(streams: &Streams, config: &FitConfig) -> FitOutcome {
    fit(streams, config, 2, None, &mut |_| ControlFlow::Continue(())).expect("it fits")
}
