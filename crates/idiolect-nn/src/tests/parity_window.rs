//! Against Keras, by the vectors that `parity/make_window_vectors.py` wrote.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::{assert_close, learn_chunks};
use crate::kernel::Level;
use crate::{
    Architecture, Corpus, IGNORE, Init, Objective, Optimiser, OptimiserKind, Rng, Schedule, Scorer,
    TrainConfig, Trainer, Weights,
};

type Tensors = BTreeMap<String, Vec<f64>>;

#[derive(Deserialize)]
struct Vectors {
    vocab: usize,
    hidden: Vec<usize>,
    /// What goes in, and the call to be predicted.
    windows: Vec<Vec<u32>>,
    weights: Tensors,
    /// Of every token, for each window.
    probabilities: Vec<f64>,
    objectives: BTreeMap<String, Gradient>,
    optimisers: Vec<Optimised>,
    fresh: Fresh,
}

#[derive(Deserialize)]
struct Gradient {
    loss: f64,
    gradients: Tensors,
}

#[derive(Deserialize)]
struct Optimised {
    optimiser: OptimiserKind,
    objective: Objective,
    learning_rate: f64,
    losses: Vec<f64>,
    /// How far each weight has come.
    moved: Tensors,
}

#[derive(Deserialize)]
struct Fresh {
    vocab: usize,
    hidden: Vec<usize>,
    /// Least, greatest, standard deviation.
    moments: BTreeMap<String, [f64; 3]>,
    orthonormal: Vec<String>,
}

struct Windows(Vec<Vec<u32>>);

impl Corpus for Windows {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn size_hint(&self, _: usize) -> usize {
        1
    }
    fn sequence(&self, index: usize, _: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        let [before @ .., target] = self.0[index].as_slice() else {
            panic!("an empty window")
        };
        inputs.extend(before);
        targets.resize(before.len() - 1, IGNORE);
        targets.push(*target);
    }
}

fn vectors() -> (Vectors, Weights) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../parity/window_vectors.json"
    );
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let architecture = Architecture {
        vocab: vectors.vocab,
        embedding: None,
        hidden: vectors.hidden.clone(),
    };
    let shapes = architecture.tensor_shapes().into_iter();
    let tensors = shapes.map(|(name, shape)| {
        let data = vectors.weights[&name].iter().map(|&x| x as f32).collect();
        (name, shape, data)
    });
    let weights = Weights::from_tensors(&architecture, tensors).unwrap();
    (vectors, weights)
}

/// All windows in one chunk.
fn config(vectors: &Vectors, objective: Objective) -> TrainConfig {
    TrainConfig {
        batch: vectors.windows.len(),
        bptt: vectors.windows[0].len() - 1,
        objective,
        ..TrainConfig::default()
    }
}

fn objective(name: &str) -> Objective {
    serde_json::from_value(name.into()).unwrap()
}

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs()
}

#[test]
fn probabilities() {
    let (vectors, weights) = vectors();
    let scorer = Scorer::new(&weights);
    let mut all = vec![0.0; vectors.vocab];
    let expected = vectors.probabilities.chunks(vectors.vocab);
    assert_eq!(expected.len(), vectors.windows.len());
    for (window, expected) in vectors.windows.iter().zip(expected) {
        let mut state = scorer.state();
        for &token in &window[..window.len() - 1] {
            scorer.advance(&mut state, token);
        }
        scorer.log_probs(&state, &mut all);
        let probabilities: Vec<f32> = all.iter().map(|x| x.exp()).collect();
        assert_close("probabilities", &probabilities, expected);
    }
}

#[test]
fn losses_and_gradients_of_each_objective() {
    let (vectors, weights) = vectors();
    assert_eq!(vectors.objectives.len(), 3);
    for (name, theirs) in &vectors.objectives {
        let config = config(&vectors, objective(name));
        let windows = Windows(vectors.windows.clone());
        for level in Level::all() {
            let learned = learn_chunks(&weights, &windows, &config, level);
            let [ours] = learned.as_slice() else {
                panic!("one chunk")
            };
            let (loss, expected) = (ours.mean_loss, theirs.loss);
            assert!(
                relative(loss, expected) < 1e-5,
                "{name}: {loss} against {expected}"
            );
            assert_eq!(ours.gradient.tensors().len(), theirs.gradients.len());
            for (tensor, _, data) in ours.gradient.tensors() {
                assert_close(&format!("{name} {tensor}"), data, &theirs.gradients[tensor]);
            }
        }
    }
}

#[test]
fn six_steps_of_each_optimiser() {
    let (vectors, weights) = vectors();
    assert_eq!(vectors.optimisers.len(), 4);
    for theirs in &vectors.optimisers {
        let what = format!("{:?}, {:?}", theirs.optimiser, theirs.objective);
        assert_eq!(theirs.losses.len(), 6);
        let optimiser = match theirs.optimiser {
            OptimiserKind::RmsProp => Optimiser::rms_prop(theirs.learning_rate),
            OptimiserKind::Sgd => Optimiser::sgd(theirs.learning_rate),
            other => panic!("no vectors of {other:?}"),
        };
        let config = TrainConfig {
            epochs: theirs.losses.len(),
            optimiser,
            schedule: Schedule::Constant,
            clip_norm: None,
            ..config(&vectors, theirs.objective)
        };
        let mut trainer = Trainer::new(&weights, config, 1).unwrap();
        let windows = Windows(vectors.windows.clone());
        let mut go_on = |_: &crate::Progress| ControlFlow::Continue(());
        trainer.run(&windows, None, &mut go_on).unwrap();
        assert_eq!(trainer.history().len(), theirs.losses.len());
        for (report, expected) in trainer.history().iter().zip(&theirs.losses) {
            let loss = report.train.mean_loss;
            assert!(
                relative(loss, *expected) < 1e-5,
                "{what}: loss {loss} against {expected}"
            );
        }
        let after = trainer.weights();
        for ((name, _, after), (_, _, before)) in after.tensors().zip(weights.tensors()) {
            let expected = &theirs.moved[name];
            assert_eq!(after.len(), expected.len());
            let farthest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
            assert!(farthest > 1e-3, "{what} {name} has hardly moved");
            for ((after, before), expected) in after.iter().zip(before).zip(expected) {
                let moved = f64::from(*after) - f64::from(*before);
                // Weights below 2 are rounded to 2^-23.
                let allowed = 2e-4 * farthest + 2.0 / f64::from(1 << 23);
                assert!(
                    (moved - expected).abs() < allowed,
                    "{what} {name}: moved {moved}, in Keras {expected}"
                );
            }
        }
    }
}

#[test]
fn fresh_weights_are_drawn_as_keras_draws_them() {
    let (vectors, _) = vectors();
    let fresh = vectors.fresh;
    let architecture = Architecture {
        vocab: fresh.vocab,
        embedding: None,
        hidden: fresh.hidden,
    };
    let weights = Weights::init_with(&architecture, Init::Keras, 1).unwrap();
    assert_eq!(weights.tensors().len(), fresh.moments.len());
    for (name, shape, data) in weights.tensors() {
        let [least, greatest, deviation] = fresh.moments[name];
        let n = data.len() as f64;
        let mean = data.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let squares = data.iter().map(|&x| (f64::from(x) - mean).powi(2));
        let ours = (squares.sum::<f64>() / n).sqrt();
        assert!(
            (ours - deviation).abs() <= 0.04 * deviation,
            "{name}: {ours} against {deviation}"
        );
        let orthonormal = fresh.orthonormal.iter().any(|other| other == name);
        assert_eq!(orthonormal, name.ends_with("weight_hh"), "{name}");
        if orthonormal {
            let column = |c: usize| data.iter().skip(c).step_by(shape[1]);
            for other in 0..shape[1] {
                let dot: f32 = column(3).zip(column(other)).map(|(x, y)| x * y).sum();
                let expected = f32::from(u8::from(other == 3));
                assert!((dot - expected).abs() < 1e-5, "{name}: {dot}");
            }
            continue;
        }
        // The bounds of a uniform distribution are all but reached by thousands of numbers.
        let fold = |f: fn(f32, f32) -> f32| f64::from(data.iter().copied().reduce(f).unwrap());
        for (ours, theirs) in [(fold(f32::min), least), (fold(f32::max), greatest)] {
            let size = greatest - least;
            assert!(
                (ours - theirs).abs() <= 0.02 * size,
                "{name}: {ours} against {theirs}"
            );
        }
    }
}
