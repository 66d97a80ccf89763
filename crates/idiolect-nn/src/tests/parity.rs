//! Against PyTorch, by the vectors that `parity/make_vectors.py` wrote.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::{assert_close, learn_chunks};
use crate::kernel::Level;
use crate::{Architecture, Optimiser, Schedule, Scorer, TrainConfig, Trainer, Weights};

type Tensors = BTreeMap<String, Vec<f64>>;

#[derive(Deserialize)]
struct Vectors {
    vocab: usize,
    embedding: usize,
    hidden: Vec<usize>,
    bptt: usize,
    clip_norm: f64,
    epochs: usize,
    streams: Vec<Vec<u32>>,
    weights: Tensors,
    /// ln p of every token, for each step of each stream.
    log_probs: Vec<Vec<f64>>,
    chunks: Vec<Chunk>,
    optimisers: BTreeMap<String, Optimised>,
}

#[derive(Deserialize)]
struct Chunk {
    loss: f64,
    gradients: Tensors,
}

#[derive(Deserialize)]
struct Optimised {
    lr: f64,
    weight_decay: f64,
    losses: Vec<f64>,
    weights: Tensors,
}

fn vectors() -> (Vectors, Weights) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../parity/vectors.json");
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let architecture = Architecture {
        vocab: vectors.vocab,
        embedding: Some(vectors.embedding),
        hidden: vectors.hidden.clone(),
    };
    let tensors = architecture
        .tensor_shapes()
        .into_iter()
        .map(|(name, shape)| {
            let data = vectors.weights[&name].iter().map(|&x| x as f32).collect();
            (name, shape, data)
        });
    let weights = Weights::from_tensors(&architecture, tensors).unwrap();
    (vectors, weights)
}

fn assert_tensors(what: &str, ours: &Weights, theirs: &Tensors) {
    assert_eq!(ours.tensors().len(), theirs.len());
    for (name, _, data) in ours.tensors() {
        assert_close(&format!("{what} {name}"), data, &theirs[name]);
    }
}

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs()
}

#[test]
fn forward() {
    let (vectors, weights) = vectors();
    let scorer = Scorer::new(&weights);
    let mut all = vec![0.0; vectors.vocab];
    for (stream, expected) in vectors.streams.iter().zip(&vectors.log_probs) {
        let mut state = scorer.state();
        assert_eq!(expected.len(), (stream.len() - 1) * vectors.vocab);
        for (pair, expected) in stream.windows(2).zip(expected.chunks(vectors.vocab)) {
            scorer.advance(&mut state, pair[0]);
            scorer.log_probs(&state, &mut all);
            assert_close("log-probabilities", &all, expected);
            let seen = f64::from(scorer.log_prob(&state, pair[1]));
            assert!(relative(seen, expected[pair[1] as usize]) < 1e-4);
        }
    }
}

#[test]
fn losses_and_gradients() {
    let (vectors, weights) = vectors();
    let lanes = vectors.streams.len();
    let learned = learn_chunks(
        &weights,
        &vectors.streams,
        &TrainConfig {
            batch: lanes,
            bptt: vectors.bptt,
            ..TrainConfig::default()
        },
        Level::detect(),
    );
    assert_eq!(learned.len(), vectors.chunks.len());
    for (index, (ours, theirs)) in learned.iter().zip(&vectors.chunks).enumerate() {
        assert!(relative(ours.mean_loss, theirs.loss) < 1e-4);
        assert_tensors(
            &format!("gradient of chunk {index}"),
            &ours.gradient,
            &theirs.gradients,
        );
    }
}

#[test]
fn ten_steps_of_each_optimiser() {
    let (vectors, weights) = vectors();
    let lanes = vectors.streams.len();
    assert_eq!(vectors.optimisers.len(), 2);
    for (name, theirs) in &vectors.optimisers {
        assert_eq!(theirs.losses.len(), 10);
        let base = match name.as_str() {
            "adam" => Optimiser::adam(theirs.lr),
            "adamw" => Optimiser::adam_w(theirs.lr),
            other => panic!("an optimiser {other}"),
        };
        let config = TrainConfig {
            epochs: vectors.epochs,
            batch: lanes,
            bptt: vectors.bptt,
            optimiser: Optimiser {
                weight_decay: theirs.weight_decay,
                ..base
            },
            schedule: Schedule::Constant,
            clip_norm: Some(vectors.clip_norm),
            ..TrainConfig::default()
        };
        // Every stream has a lane, so the order in which an epoch takes them changes nothing.
        let mut trainer = Trainer::new(&weights, config, 1).unwrap();
        let (mut losses, mut before) = (Vec::new(), (0.0, 0));
        let mut observe = |progress: &crate::Progress| {
            if progress.targets_done < before.1 {
                before = (0.0, 0);
            }
            let sum = progress.loss * progress.targets_done as f64;
            losses.push((sum - before.0) / (progress.targets_done - before.1) as f64);
            before = (sum, progress.targets_done);
            ControlFlow::Continue(())
        };
        trainer.run(&vectors.streams, None, &mut observe).unwrap();
        assert_eq!(losses.len(), theirs.losses.len());
        for (ours, theirs) in losses.iter().zip(&theirs.losses) {
            assert!(
                relative(*ours, *theirs) < 1e-4,
                "{name}: loss {ours} against {theirs}"
            );
        }
        assert_tensors(name, &trainer.weights(), &theirs.weights);
    }
}
