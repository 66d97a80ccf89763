//! What the tests of training share.

use std::ops::ControlFlow;

use idiolect_nn::{Checkpoint, Progress, Rng, Weights};

/// Tokens of the tests' networks.
pub const VOCAB: usize = 13;

/// Streams with something to learn: each token mostly follows from the one before.
pub fn streams(count: usize, seed: u64, vocab: usize) -> Vec<Vec<u32>> {
    let mut rng = Rng::new(seed);
    let mut stream = || {
        let mut token = 0;
        let mut stream = vec![0];
        for _ in 0..20 + rng.below(120) {
            token = if rng.uniform() < 0.8 {
                (token * 3 + 1) % vocab
            } else {
                rng.below(vocab)
            };
            stream.push(token as u32);
        }
        stream
    };
    (0..count).map(|_| stream()).collect()
}

pub fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub fn bits(weights: &Weights) -> Vec<u32> {
    weights
        .tensors()
        .flat_map(|(_, _, data)| data)
        .map(|x| x.to_bits())
        .collect()
}

/// Through JSON and back, as a file would take it.
pub fn written_and_read(checkpoint: Checkpoint) -> Checkpoint {
    let json = serde_json::to_string(&checkpoint.metadata).unwrap();
    Checkpoint {
        metadata: serde_json::from_str(&json).unwrap(),
        tensors: checkpoint.tensors,
    }
}
