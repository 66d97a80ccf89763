//! Gradients against finite differences of the reference.

use super::reference::Reference;
use super::{assert_close, learn_chunks};
use crate::kernel::Level;
use crate::{Architecture, Corpus, Dropout, IGNORE, Objective, Rng, Scorer, TrainConfig, Weights};

/// Sequences in which some targets are to be ignored.
struct Sequences(Vec<(Vec<u32>, Vec<u32>)>);

impl Corpus for Sequences {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn size_hint(&self, index: usize) -> usize {
        self.0[index].0.len()
    }
    fn sequence(&self, index: usize, _: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        inputs.extend(&self.0[index].0);
        targets.extend(&self.0[index].1);
    }
}

fn sequences(lengths: &[usize], vocab: usize) -> Sequences {
    let mut rng = Rng::new(8);
    let mut draw = |len| {
        (0..len)
            .map(|_| rng.below(vocab) as u32)
            .collect::<Vec<_>>()
    };
    let mut sequences: Vec<_> = lengths.iter().map(|&n| (draw(n), draw(n))).collect();
    for (_, targets) in &mut sequences {
        targets
            .iter_mut()
            .skip(1)
            .step_by(4)
            .for_each(|t| *t = IGNORE);
    }
    Sequences(sequences)
}

fn weights(vocab: usize, embedding: Option<usize>, hidden: &[usize]) -> Weights {
    let hidden = hidden.to_vec();
    let architecture = Architecture {
        vocab,
        embedding,
        hidden,
    };
    Weights::init(&architecture, 21).unwrap()
}

fn config(batch: usize, bptt: usize) -> TrainConfig {
    TrainConfig {
        batch,
        bptt,
        ..TrainConfig::default()
    }
}

/// By cross-entropy, with some targets ignored.
fn check(
    vocab: usize,
    embedding: impl Into<Option<usize>>,
    hidden: &[usize],
    lengths: &[usize],
    steps: usize,
) {
    let weights = weights(vocab, embedding.into(), hidden);
    let corpus = sequences(lengths, vocab);
    check_corpus(&weights, &corpus, &config(lengths.len(), steps));
}

/// One lane a sequence, so the reference is easily written: each reads its sequence chunk by chunk, with
/// the state carried and no gradient flowing from one chunk to the one before.
fn check_corpus(weights: &Weights, corpus: &Sequences, config: &TrainConfig) {
    assert_eq!(config.batch, corpus.len());
    for level in Level::all() {
        check_at(level, weights, corpus, config);
    }
}

fn check_at(level: Level, weights: &Weights, corpus: &Sequences, config: &TrainConfig) {
    let (steps, objective) = (config.bptt, config.objective);
    let learned = learn_chunks(weights, corpus, config, level);
    let reference = Reference::new(weights);
    let mut states = vec![reference.state(); corpus.len()];
    let longest = corpus.0.iter().map(|(inputs, _)| inputs.len()).max();
    assert_eq!(learned.len(), longest.unwrap().div_ceil(steps));
    for (chunk, learned) in learned.iter().enumerate() {
        let part = |tokens: &[u32]| {
            let from = (chunk * steps).min(tokens.len());
            tokens[from..(from + steps).min(tokens.len())].to_vec()
        };
        let parts: Vec<_> = corpus.0.iter().map(|(i, t)| (part(i), part(t))).collect();
        let count = parts
            .iter()
            .flat_map(|(_, t)| t)
            .filter(|&&t| t != IGNORE)
            .count()
            .max(1) as f64;
        let loss = |reference: &Reference| {
            let of = parts.iter().zip(&states);
            let sum: f64 = of
                .map(|((i, t), s)| reference.loss(objective, &mut s.clone(), i, t))
                .sum();
            sum / count
        };
        assert!((learned.mean_loss - loss(&reference)).abs() < 1e-5);
        let slopes = reference.gradient(loss);
        for ((name, _, ours), theirs) in learned.gradient.tensors().zip(&slopes) {
            assert_close(name, ours, theirs);
        }
        for ((inputs, targets), state) in parts.iter().zip(&mut states) {
            reference.loss(objective, state, inputs, targets);
        }
    }
}

#[test]
fn one_layer_with_a_table() {
    check(7, 3, &[5], &[12, 9, 4], 6);
}

#[test]
fn several_layers_of_different_widths() {
    check(7, 3, &[5, 9, 4], &[10, 7, 7], 5);
}

#[test]
fn more_tokens_than_rows_so_without_a_table() {
    check(40, 5, &[6, 3], &[9, 4, 1], 4);
}

#[test]
fn widths_of_whole_vectors_and_many_lanes() {
    check(9, 8, &[8], &[3; 19], 2);
}

#[test]
fn one_lane() {
    check(6, 4, &[17], &[11], 11);
}

#[test]
fn one_hot_input() {
    check(7, None, &[5, 9, 4], &[10, 7, 7], 5);
    check(40, None, &[6], &[9, 4, 1], 4);
}

/// Windows as the original has them: only the last call of each is a target.
fn windows(count: usize, length: usize, vocab: usize) -> Sequences {
    let mut windows = sequences(&vec![length; count], vocab);
    for (_, targets) in &mut windows.0 {
        targets[..length - 1].fill(IGNORE);
        targets[length - 1] %= vocab as u32;
    }
    windows
}

#[test]
fn windows_with_each_objective() {
    for objective in [
        Objective::CrossEntropy,
        Objective::MeanSquared,
        Objective::UnnormalisedCrossEntropy,
    ] {
        let mut weights = weights(11, None, &[5, 9, 4]);
        if objective == Objective::UnnormalisedCrossEntropy {
            weights = with_output_bias(&weights, |token| 0.5 + 0.25 * token as f32);
        }
        let config = TrainConfig {
            objective,
            ..config(10, 6)
        };
        check_corpus(&weights, &windows(10, 6, 11), &config);
        let mut early = sequences(&[6; 10], 11);
        for (_, targets) in &mut early.0 {
            targets[3..].fill(IGNORE);
        }
        // Chunks without a target, before and after one with, and every row a target.
        let config = TrainConfig { bptt: 3, ..config };
        check_corpus(&weights, &early, &config);
        check_corpus(&weights, &windows(10, 6, 11), &config);
        let mut all = sequences(&[6; 10], 11);
        for (inputs, targets) in &mut all.0 {
            targets.clone_from(inputs);
        }
        check_corpus(&weights, &all, &config);
    }
}

fn with_output_bias(weights: &Weights, bias: impl Fn(usize) -> f32) -> Weights {
    let tensors = weights.tensors().map(|(name, shape, data)| {
        let data = match name {
            "output.bias" => (0..data.len()).map(&bias).collect(),
            _ => data.to_vec(),
        };
        (name.to_owned(), shape.to_vec(), data)
    });
    Weights::from_tensors(weights.architecture(), tensors).unwrap()
}

#[test]
fn dropout_with_its_masks_held_fixed() {
    let dropout = Dropout {
        embedding: 0.25,
        between: 0.375,
        output: 0.5,
    };
    let weights = weights(7, Some(5), &[6, 9]);
    let corpus = sequences(&[10], 7);
    let config = TrainConfig {
        dropout,
        ..config(1, 10)
    };
    let learned = learn_chunks(&weights, &corpus, &config, Level::detect());
    let [learned] = learned.as_slice() else {
        panic!("one chunk")
    };
    // One lane: the rows are the steps. Widths are padded to whole vectors.
    let masks = &learned.masks[0];
    for (mask, width) in masks.iter().zip([8, 8, 16]) {
        assert_eq!(mask.len(), 10 * width);
        assert!(mask.contains(&0.0) && mask.iter().any(|&m| m > 1.0));
    }
    let (inputs, targets) = &corpus.0[0];
    let count = targets.iter().filter(|&&t| t != IGNORE).count() as f64;
    let loss = |reference: &Reference| {
        let mut state = reference.state();
        let mut sum = 0.0;
        for (step, (&input, &target)) in inputs.iter().zip(targets).enumerate() {
            let at_step = [8, 8, 16].into_iter().zip(masks);
            let at_step: Vec<_> = at_step.map(|(w, m)| &m[step * w..][..w]).collect();
            let log_probs = reference.step(&mut state, input, &at_step);
            if target != IGNORE {
                sum -= log_probs[target as usize];
            }
        }
        sum / count
    };
    let reference = Reference::new(&weights);
    assert!((learned.mean_loss - loss(&reference)).abs() < 1e-5);
    for ((name, _, ours), theirs) in learned.gradient.tensors().zip(reference.gradient(loss)) {
        assert_close(name, ours, &theirs);
    }
}

#[test]
fn the_scorer_agrees_with_the_reference() {
    for (embedding, hidden) in [
        (Some(16), vec![64]),
        (Some(16), vec![20, 33]),
        (Some(16), vec![3]),
        (None, vec![20, 33]),
    ] {
        let weights = weights(50, embedding, &hidden);
        let reference = Reference::new(&weights);
        let scorer = Scorer::new(&weights);
        let (mut theirs, mut ours) = (reference.state(), scorer.state());
        let mut rng = Rng::new(4);
        let mut log_probs = vec![0.0; 50];
        for _ in 0..200 {
            let token = rng.below(50) as u32;
            let expected = reference.step(&mut theirs, token, &[]);
            scorer.advance(&mut ours, token);
            scorer.log_probs(&ours, &mut log_probs);
            for (layer, (h, c)) in theirs.iter().enumerate() {
                for (ours, theirs) in [(ours.hidden(layer), h), (ours.cell(layer), c)] {
                    assert_eq!(ours.len(), theirs.len());
                    let pairs = ours.iter().zip(theirs);
                    assert!(
                        pairs.fold(0.0, |m: f64, (a, b)| m.max((f64::from(*a) - b).abs())) < 1e-4
                    );
                }
            }
            for (token, (a, b)) in log_probs.iter().zip(&expected).enumerate() {
                assert!((f64::from(*a) - b).abs() < 1e-4);
                let one = f64::from(scorer.log_prob(&ours, token as u32));
                assert!((one - b).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn the_scorer_agrees_with_what_training_measures() {
    let weights = weights(30, Some(12), &[24, 16]);
    let streams: Vec<Vec<u32>> = sequences(&[300, 120, 7, 45], 30)
        .0
        .into_iter()
        .map(|s| s.0)
        .collect();
    let measured = crate::mean_loss(&weights, &streams, 0, 1).unwrap();
    let scorer = Scorer::new(&weights);
    let (mut sum, mut count, mut correct) = (0.0, 0, 0);
    let mut all = vec![0.0; 30];
    for stream in &streams {
        let mut state = scorer.state();
        for pair in stream.windows(2) {
            scorer.advance(&mut state, pair[0]);
            scorer.log_probs(&state, &mut all);
            let seen = all[pair[1] as usize];
            sum -= f64::from(seen);
            count += 1;
            correct += u64::from(all.iter().all(|&other| other <= seen));
        }
    }
    assert_eq!(measured.targets, count);
    assert!((measured.mean_loss - sum / count as f64).abs() < 1e-4);
    assert!((measured.accuracy - correct as f64 / count as f64).abs() < 1e-9);
}
