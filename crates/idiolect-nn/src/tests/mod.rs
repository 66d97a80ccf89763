//! Tests that need to see inside: the kernels against a plain reference, PyTorch and Keras.

mod gradient;
mod parity;
mod parity_window;
mod reference;

use crate::kernel::Level;
use crate::layout::Layout;
use crate::train::inside::{Engine, Feeder};
use crate::{Corpus, TrainConfig, Weights};

/// Loss and gradient of each chunk of a pass over a corpus in its own order, the weights staying as they
/// are.
struct Learned {
    mean_loss: f64,
    gradient: Weights,
    /// For each shard, the mask of each site.
    masks: Vec<Vec<Vec<f32>>>,
}

fn learn_chunks(
    weights: &Weights,
    corpus: &dyn Corpus,
    config: &TrainConfig,
    level: Level,
) -> Vec<Learned> {
    let architecture = weights.architecture();
    let layout = Layout::new(architecture);
    let flat = layout.flatten(weights);
    let mut engine = Engine::learning(layout, config);
    engine.level = level;
    let order = (0..corpus.len() as u32).collect();
    let mut feeder = Feeder::new(corpus, order, [1, 2], architecture.vocab);
    let mut learned = Vec::new();
    while let Some(targets) = feeder.feed(&mut engine.shards, config.bptt).unwrap() {
        engine.prepare(&flat);
        let tally = engine.learn(&flat, targets, [3, 4, 5, learned.len() as u64]);
        assert_eq!(tally.targets, targets);
        learned.push(Learned {
            mean_loss: tally.loss / targets.max(1) as f64,
            gradient: engine.layout.unflatten(architecture, &engine.gradient),
            masks: engine.shards.iter().map(|shard| shard.masks()).collect(),
        });
    }
    learned
}

/// Asserts that two tensors agree to 1e-4 of the larger one's greatest number.
fn assert_close(what: &str, ours: &[f32], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let size = theirs.iter().fold(0f64, |m, x| m.max(x.abs()));
    for (at, (&ours, &theirs)) in ours.iter().zip(theirs).enumerate() {
        let error = (f64::from(ours) - theirs).abs();
        assert!(
            error <= 1e-4 * size + 1e-9,
            "{what}, number {at}: {ours} against {theirs}"
        );
    }
}
