//! Training as a whole: repeatable, resumable, stopping when it should.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::ops::ControlFlow;

mod common;

use common::{VOCAB, bits, go_on, streams, written_and_read};
use idiolect_nn::{
    Architecture, Checkpoint, CheckpointError, Corpus, Dropout, EpochEnd, Optimiser, Phase,
    Progress, Rng, RunEnd, Schedule, TrainConfig, TrainError, Trainer, Weights, mean_loss,
};
use proptest::collection::vec;
use proptest::test_runner::Config;
use proptest::{prop_assert, prop_assert_eq, proptest};

/// Streams that the corpus cuts short at random: an augmentation.
struct Cut(Vec<Vec<u32>>);

impl Corpus for Cut {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn size_hint(&self, index: usize) -> usize {
        self.0[index].len()
    }
    fn sequence(&self, index: usize, rng: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        let stream = &self.0[index];
        let from = rng.below(stream.len() / 2);
        inputs.extend(&stream[from..stream.len() - 1]);
        targets.extend(&stream[from + 1..]);
    }
}

fn weights() -> Weights {
    let architecture = Architecture {
        vocab: VOCAB,
        embedding: Some(6),
        hidden: vec![12, 7],
    };
    Weights::init(&architecture, 3).unwrap()
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 4,
        batch: 20,
        bptt: 16,
        optimiser: Optimiser::adam(0.02),
        dropout: Dropout {
            embedding: 0.1,
            between: 0.1,
            output: 0.2,
        },
        ..TrainConfig::default()
    }
}

#[test]
fn it_learns() {
    let (train, tune) = (streams(300, 1, VOCAB), streams(20, 2, VOCAB));
    let config = TrainConfig {
        epochs: 8,
        dropout: Dropout::default(),
        ..config()
    };
    let mut trainer = Trainer::new(&weights(), config, 0).unwrap();
    let before = mean_loss(&weights(), &tune, 0, 0).unwrap();
    let end = trainer.run(&train, Some(&tune), &mut go_on).unwrap();
    assert_eq!(end, RunEnd::AllEpochs);
    let after = mean_loss(&trainer.best_weights(), &tune, 0, 0).unwrap();
    // The entropy of these streams: a token that follows has 0.8 + 0.2/13, each other one 0.2/13.
    let (likely, other) = (0.8 + 0.2 / 13.0, 0.2 / 13.0f64);
    let entropy = -(likely * f64::ln(likely) + 12.0 * other * other.ln());
    assert!(before.mean_loss > 2.4, "{before:?}");
    assert!(
        after.mean_loss < entropy * 1.25,
        "{after:?}, entropy {entropy}"
    );
    assert!(after.accuracy > 0.75);
    let best = trainer.history().iter().rfind(|r| r.best).unwrap();
    assert_eq!(
        best.tune.unwrap(),
        mean_loss(&trainer.best_weights(), &tune, 1, 3).unwrap()
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (train, tune) = (Cut(streams(50, 1, VOCAB)), streams(20, 2, VOCAB));
    for dropout in [config().dropout, Dropout::default()] {
        let result = |threads| {
            let config = TrainConfig {
                epochs: 2,
                dropout,
                ..config()
            };
            let mut trainer = Trainer::new(&weights(), config, threads).unwrap();
            trainer.run(&train, Some(&tune), &mut go_on).unwrap();
            (bits(&trainer.weights()), trainer.history().to_vec())
        };
        let one = result(1);
        for threads in 2..=4 {
            assert_eq!(result(threads), one, "{threads} threads");
        }
    }
}

#[test]
fn another_seed_gives_another_result() {
    let train = streams(30, 1, VOCAB);
    let result = |seed| {
        let config = TrainConfig {
            seed,
            epochs: 1,
            ..config()
        };
        let mut trainer = Trainer::new(&weights(), config, 0).unwrap();
        trainer.run(&train, None, &mut go_on).unwrap();
        bits(&trainer.weights())
    };
    assert_eq!(result(1), result(1));
    assert_ne!(result(1), result(2));
}

#[test]
fn a_resumed_training_is_the_uninterrupted_one() {
    let (train, tune) = (Cut(streams(50, 1, VOCAB)), streams(20, 2, VOCAB));
    let plateau = Schedule::Plateau {
        factor: 0.5,
        patience: 0,
        floor: 0.1,
    };
    for schedule in [Schedule::Cosine { floor: 0.0 }, plateau] {
        let config = TrainConfig {
            schedule,
            ..config()
        };
        let mut whole = Trainer::new(&weights(), config.clone(), 2).unwrap();
        whole.run(&train, Some(&tune), &mut go_on).unwrap();

        // Broken off in the middle of the third epoch, in training or in measuring.
        for phase in [Phase::Train, Phase::Tune] {
            let mut part = Trainer::new(&weights(), config.clone(), 1).unwrap();
            let mut chunks = 0;
            let mut stop = |progress: &Progress| {
                if progress.epoch == 2 && progress.phase == phase {
                    chunks += 1;
                    if chunks == 3 {
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            };
            let end = part.run(&train, Some(&tune), &mut stop).unwrap();
            assert_eq!((end, part.epochs_done()), (RunEnd::Stopped, 2));

            // Both from a checkpoint and by the trainer itself going on.
            let checkpoint = written_and_read(part.checkpoint());
            assert_eq!(checkpoint, part.checkpoint());
            let resumed = Trainer::from_checkpoint(checkpoint, 3).unwrap();
            for mut trainer in [resumed, part] {
                let end = trainer.run(&train, Some(&tune), &mut go_on).unwrap();
                assert_eq!(end, RunEnd::AllEpochs);
                assert_eq!(trainer.checkpoint(), whole.checkpoint());
                assert_eq!(bits(&trainer.weights()), bits(&whole.weights()));
                assert_eq!(bits(&trainer.best_weights()), bits(&whole.best_weights()));
            }
        }
    }
}

#[test]
fn it_stops_when_the_tune_loss_no_longer_falls_and_keeps_the_best() {
    let (train, tune) = (streams(6, 1, VOCAB), streams(20, 2, VOCAB));
    let config = TrainConfig {
        epochs: 200,
        batch: 2,
        patience: Some(3),
        dropout: Dropout::default(),
        schedule: Schedule::Constant,
        ..config()
    };
    let mut trainer = Trainer::new(&weights(), config, 0).unwrap();
    let end = trainer.run(&train, Some(&tune), &mut go_on).unwrap();
    assert_eq!(end, RunEnd::NoImprovement);
    assert_eq!(trainer.finished(), Some(RunEnd::NoImprovement));
    let history = trainer.history();
    let (last, waited) = history.split_at(history.len() - 3);
    assert!(last.last().unwrap().best && waited.iter().all(|report| !report.best));
    let lowest = last.last().unwrap().tune.unwrap();
    assert!(
        history
            .iter()
            .all(|r| r.tune.unwrap().mean_loss >= lowest.mean_loss)
    );
    assert_eq!(
        mean_loss(&trainer.best_weights(), &tune, 1, 1).unwrap(),
        lowest
    );
}

#[test]
fn a_training_that_diverges_stops_and_keeps_the_last_epoch() {
    let train = streams(40, 1, VOCAB);
    let mut trainer = Trainer::new(&weights(), config(), 0).unwrap();
    trainer.epoch(&train, None, &mut go_on).unwrap();
    let mut checkpoint = trainer.checkpoint();
    checkpoint.metadata.config.optimiser.learning_rate = 1e38;
    checkpoint.metadata.config.clip_norm = None;
    let mut trainer = Trainer::from_checkpoint(checkpoint, 2).unwrap();
    let before = trainer.checkpoint();
    let error = trainer.epoch(&train, None, &mut go_on).unwrap_err();
    assert!(
        matches!(error, TrainError::NotFinite { epoch: 1, step } if step > 0),
        "{error}"
    );
    assert_eq!(trainer.checkpoint(), before);
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let mut trainer = Trainer::new(&weights(), config(), 1).unwrap();
    let before = trainer.checkpoint();
    let mut fails = |corpus: Vec<Vec<u32>>| trainer.epoch(&corpus, None, &mut go_on).unwrap_err();
    assert_eq!(fails(vec![]), TrainError::NothingToLearn);
    assert_eq!(fails(vec![vec![], vec![0]]), TrainError::NothingToLearn);
    assert_eq!(
        fails(vec![vec![0, 1], vec![0, 13, 2]]),
        TrainError::BadSequence(1)
    );
    assert_eq!(trainer.checkpoint(), before);

    struct Uneven;
    impl Corpus for Uneven {
        fn len(&self) -> usize {
            1
        }
        fn size_hint(&self, _: usize) -> usize {
            2
        }
        fn sequence(&self, _: usize, _: &mut Rng, i: &mut Vec<u32>, t: &mut Vec<u32>) {
            i.extend([0, 1]);
            t.extend([0]);
        }
    }
    let error = trainer.epoch(&Uneven, None, &mut go_on).unwrap_err();
    assert_eq!(error, TrainError::BadSequence(0));
    // And it still works afterwards.
    trainer
        .epoch(&streams(3, 1, VOCAB), None, &mut go_on)
        .unwrap();
}

#[test]
fn damaged_checkpoints_are_refused() {
    let train = streams(10, 1, VOCAB);
    let mut trainer = Trainer::new(&weights(), config(), 1).unwrap();
    trainer.epoch(&train, None, &mut go_on).unwrap();
    let refused = |change: fn(&mut Checkpoint)| {
        let mut checkpoint = trainer.checkpoint();
        change(&mut checkpoint);
        Trainer::from_checkpoint(checkpoint, 1).unwrap_err()
    };
    use CheckpointError as E;
    assert_eq!(refused(|c| c.metadata.format = 2), E::Format(2));
    assert!(matches!(
        refused(|c| c.metadata.architecture.vocab = 0),
        E::Architecture(_)
    ));
    assert!(matches!(
        refused(|c| c.metadata.config.batch = 0),
        E::Config(_)
    ));
    assert!(matches!(
        refused(|c| c.metadata.epochs_done = 3),
        E::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|c| c.metadata.best_epoch = Some(9)),
        E::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|c| c.metadata.best_epoch = None),
        E::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|c| c.metadata.best_loss = f64::NAN),
        E::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|c| c.metadata.plateau = 2.0),
        E::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|c| c.tensors[0].0.push('x')),
        E::Tensors {
            part: "weights.",
            ..
        }
    ));
    assert!(matches!(
        refused(|c| c.tensors[0].0.insert(0, 'x')),
        E::Unknown(_)
    ));
    assert!(matches!(
        refused(|c| drop(c.tensors.pop())),
        E::Tensors { part: "best.", .. }
    ));
    assert!(matches!(
        refused(|c| c.tensors[3].2[0] = f32::NAN),
        E::Tensors { .. }
    ));
    let negative = refused(|c| {
        let square = c
            .tensors
            .iter_mut()
            .find(|t| t.0.starts_with("adam.square."));
        square.unwrap().2[0] = -1.0;
    });
    assert!(matches!(negative, E::Inconsistent(_)));
}

#[test]
fn progress_counts_every_target_and_reaches_one() {
    let train = streams(30, 1, VOCAB);
    let total: u64 = train.iter().map(|s| s.len() as u64 - 1).sum();
    let mut trainer = Trainer::new(&weights(), config(), 0).unwrap();
    let mut last: Option<Progress> = None;
    let mut observe = |now: &Progress| {
        if let Some(last) = last {
            assert!(now.fraction >= last.fraction);
            assert!(now.learning_rate <= last.learning_rate);
        }
        assert_eq!(now.targets_total, total);
        last = Some(*now);
        ControlFlow::Continue(())
    };
    trainer.run(&train, None, &mut observe).unwrap();
    let last = last.unwrap();
    assert_eq!(
        (last.fraction, last.targets_done, last.epoch),
        (1.0, total, 3)
    );
}

proptest! {
    #![proptest_config(Config::with_cases(24))]

    /// Whatever the batch and the chunks, every target is met once, and measuring does not change.
    #[test]
    fn every_target_is_met_once(
        lengths in vec(0usize..40, 1..12),
        batch in 1usize..20,
        bptt in 1usize..30,
        hidden in 1usize..20,
    ) {
        let mut rng = Rng::new(lengths.len() as u64);
        let corpus: Vec<Vec<u32>> =
            lengths.iter().map(|&n| (0..n).map(|_| rng.below(5) as u32).collect()).collect();
        let targets: usize = lengths.iter().map(|n| n.saturating_sub(1)).sum();
        let architecture = Architecture { vocab: 5, embedding: Some(3), hidden: vec![hidden] };
        let weights = Weights::init(&architecture, 1).unwrap();
        let config = TrainConfig { epochs: 1, batch, bptt, ..TrainConfig::default() };
        let mut trainer = Trainer::new(&weights, config, 2).unwrap();
        match trainer.epoch(&corpus, Some(&corpus), &mut go_on) {
            Ok(EpochEnd::Done(report)) => {
                prop_assert_eq!(report.train.targets, targets as u64);
                prop_assert_eq!(report.tune.unwrap().targets, targets as u64);
                prop_assert!(report.tune.unwrap().mean_loss.is_finite());
            }
            Err(TrainError::NothingToLearn) => prop_assert_eq!(targets, 0),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
