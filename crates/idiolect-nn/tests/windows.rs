//! Window networks: one-hot calls in, the call after the last out, by each objective and optimiser.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{VOCAB, bits, go_on, streams, written_and_read};
use idiolect_nn::{
    Architecture, CheckpointError, Corpus, Dropout, IGNORE, Init, Objective, Optimiser, Rng,
    Schedule, Scorer, TrainConfig, Trainer, Weights, mean_loss, mean_objective,
};

/// Windows of ten calls and the one that comes next, the only target.
struct Windows(Vec<Vec<u32>>);

impl Windows {
    const LEN: usize = 10;

    fn of(streams: Vec<Vec<u32>>) -> Self {
        let windows = streams.iter().flat_map(|s| s.windows(Self::LEN + 1));
        Windows(windows.map(<[u32]>::to_vec).collect())
    }
}

impl Corpus for Windows {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn size_hint(&self, _: usize) -> usize {
        1
    }
    fn sequence(&self, index: usize, _: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        let (before, last) = self.0[index].split_at(Self::LEN);
        inputs.extend(before);
        targets.resize(Self::LEN - 1, IGNORE);
        targets.extend(last);
    }
}

/// A window network made small, and how the original trains it.
fn window_network() -> (Weights, TrainConfig) {
    let architecture = Architecture {
        vocab: VOCAB,
        embedding: None,
        hidden: vec![9, 20, 12],
    };
    let config = TrainConfig {
        epochs: 3,
        batch: 50,
        bptt: Windows::LEN,
        optimiser: Optimiser::rms_prop(0.01),
        schedule: Schedule::Constant,
        clip_norm: None,
        dropout: Dropout {
            embedding: 0.0,
            between: 0.2,
            output: 0.2,
        },
        ..TrainConfig::default()
    };
    let weights = Weights::init_with(&architecture, Init::Keras, 5).unwrap();
    (weights, config)
}

#[test]
fn windows_are_learned_from_their_last_call() {
    let (train, tune) = (
        Windows::of(streams(40, 1, VOCAB)),
        Windows::of(streams(5, 2, VOCAB)),
    );
    let (weights, config) = window_network();
    let epochs = config.epochs;
    let mut trainer = Trainer::new(&weights, config, 0).unwrap();
    let before = mean_loss(&weights, &tune, 0, 0).unwrap();
    trainer.run(&train, Some(&tune), &mut go_on).unwrap();
    let last = *trainer.history().last().unwrap().tune.as_ref().unwrap();
    assert_eq!(last.targets, tune.len() as u64);
    assert!(before.mean_loss > 2.4 && last.mean_loss < 1.5, "{last:?}");
    assert_eq!(trainer.history().len(), epochs);

    // The same by following each window, one call at a time.
    let scorer = Scorer::new(&trainer.weights());
    let mut sum = 0.0;
    for window in &tune.0 {
        let mut state = scorer.state();
        for &token in &window[..Windows::LEN] {
            scorer.advance(&mut state, token);
        }
        sum -= f64::from(scorer.log_prob(&state, window[Windows::LEN]));
    }
    let mean = sum / tune.len() as f64;
    assert!((mean - last.mean_loss).abs() < 1e-4, "{mean} {last:?}");
}

#[test]
fn each_objective_and_optimiser_resumes_and_needs_no_number_of_threads() {
    let (train, tune) = (
        Windows::of(streams(6, 1, VOCAB)),
        Windows::of(streams(2, 2, VOCAB)),
    );
    let (weights, base) = window_network();
    let trained = |objective, optimiser, sets: &[&str]| {
        let config = TrainConfig {
            objective,
            optimiser,
            ..base.clone()
        };
        let mut whole = Trainer::new(&weights, config.clone(), 1).unwrap();
        whole.run(&train, Some(&tune), &mut go_on).unwrap();
        let mut part = Trainer::new(&weights, config, 2).unwrap();
        part.epoch(&train, Some(&tune), &mut go_on).unwrap();
        let checkpoint = written_and_read(part.checkpoint());
        let kept = checkpoint.tensors.iter().map(|(name, _, _)| name.as_str());
        let kept: Vec<&str> = kept.filter(|name| name.ends_with("output.bias")).collect();
        assert_eq!(kept, sets);
        let mut resumed = Trainer::from_checkpoint(checkpoint, 3).unwrap();
        resumed.run(&train, Some(&tune), &mut go_on).unwrap();
        assert_eq!(resumed.checkpoint(), whole.checkpoint());
        assert_eq!(bits(&resumed.weights()), bits(&whole.weights()));

        // What it reports is its objective, measured anew.
        let history = whole.history();
        let [first, .., last] = history else {
            panic!("three epochs")
        };
        let anew = mean_objective(&whole.weights(), &tune, objective, 0, 2).unwrap();
        assert_eq!(Some(anew), last.tune);
        assert!(last.train.mean_loss < first.train.mean_loss, "{history:?}");
        last.train.mean_loss
    };
    let rms_prop = [
        "weights.output.bias",
        "rmsprop.square.output.bias",
        "best.output.bias",
    ];
    let sgd = ["weights.output.bias", "best.output.bias"];
    let (rms_prop_kept, sgd_kept) = (&rms_prop[..], &sgd[..]);
    // Squares over many tokens have small gradients.
    let objectives = [
        (Objective::CrossEntropy, 0.1),
        (Objective::MeanSquared, 10.0),
    ];
    let losses = objectives.map(|(objective, rate)| {
        trained(objective, Optimiser::sgd(rate), sgd_kept);
        trained(objective, Optimiser::rms_prop(0.005), rms_prop_kept)
    });
    // One that answers nothing has ln 13 nats, and 12/13 of 1/13 in squares.
    let nothing = [f64::from(VOCAB as u32).ln(), 12.0 / 169.0];
    assert!(
        losses[0] < nothing[0] && losses[1] < nothing[1],
        "{losses:?}"
    );
}

/// Without a softmax, shares of a sum of outputs of both signs: what the original saw first.
#[test]
fn without_a_softmax_the_loss_stays_high_and_the_training_whole() {
    let train = Windows::of(streams(6, 1, VOCAB));
    let (weights, base) = window_network();
    let config = TrainConfig {
        objective: Objective::UnnormalisedCrossEntropy,
        ..base
    };
    let mut whole = Trainer::new(&weights, config.clone(), 1).unwrap();
    whole.run(&train, None, &mut go_on).unwrap();
    let last = whole.history().last().unwrap().train.mean_loss;
    assert!(last > f64::from(VOCAB as u32).ln() && last < 16.2, "{last}");
    let mut part = Trainer::new(&weights, config, 3).unwrap();
    part.epoch(&train, None, &mut go_on).unwrap();
    let mut resumed = Trainer::from_checkpoint(written_and_read(part.checkpoint()), 2).unwrap();
    resumed.run(&train, None, &mut go_on).unwrap();
    assert_eq!(resumed.checkpoint(), whole.checkpoint());
}

#[test]
fn a_checkpoint_of_another_optimiser_is_refused() {
    let train = Windows::of(streams(2, 1, VOCAB));
    let (weights, config) = window_network();
    let mut trainer = Trainer::new(&weights, config, 1).unwrap();
    trainer.epoch(&train, None, &mut go_on).unwrap();
    let mut checkpoint = trainer.checkpoint();
    checkpoint.metadata.config.optimiser = Optimiser::sgd(0.1);
    let error = Trainer::from_checkpoint(checkpoint, 1).unwrap_err();
    assert!(matches!(error, CheckpointError::Unknown(name) if name.starts_with("rmsprop.square.")));
    let mut checkpoint = trainer.checkpoint();
    checkpoint.metadata.config.optimiser = Optimiser::adam(0.1);
    let error = Trainer::from_checkpoint(checkpoint, 1).unwrap_err();
    assert!(matches!(error, CheckpointError::Unknown(_)), "{error}");
    let mut checkpoint = trainer.checkpoint();
    checkpoint.metadata.config.dropout.embedding = 0.1;
    let error = Trainer::from_checkpoint(checkpoint, 1).unwrap_err();
    assert!(matches!(error, CheckpointError::Config(_)), "{error}");
}
