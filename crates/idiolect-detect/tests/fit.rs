//! Fitting: repeatable, honest about what the data support, and able to go on after an interruption.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::ops::ControlFlow;

use idiolect_detect::{
    Checkpoint, Explainer, FitConfig, FitError, FitEvent, Judge, SignalKind, Streams, Unit,
    Verdict, fit,
};
use idiolect_trace::StartKind;

use common::{config, fitted, network, normal};

#[test]
fn one_seed_gives_one_profile_whatever_the_threads() {
    let streams = normal(120, 1);
    let bytes = |threads, seed| {
        let mut config = config();
        network(&mut config).train.seed = seed;
        let outcome = fit(&streams, &config, threads, None, &mut |_| {
            ControlFlow::Continue(())
        });
        outcome.unwrap().profile.to_bytes().unwrap()
    };
    let first = bytes(1, 7);
    assert!(first == bytes(3, 7));
    assert!(first != bytes(1, 8));
}

#[test]
fn an_interrupted_fit_goes_on_to_the_same_profile() {
    let streams = normal(120, 1);
    let config = config();
    let whole = fitted(&streams, &config).profile.to_bytes().unwrap();

    let mut epochs = 0;
    let stopped = fit(&streams, &config, 2, None, &mut |event| {
        epochs += usize::from(matches!(event, FitEvent::Epoch { .. }));
        match event {
            // In the middle of the fourth epoch.
            FitEvent::Progress { progress, .. } if epochs == 3 && progress.targets_done > 0 => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    });
    let Err(FitError::Interrupted {
        checkpoint: Some(checkpoint),
    }) = stopped
    else {
        panic!("{stopped:?}");
    };
    assert_eq!(checkpoint.epochs(), 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.idio.checkpoint");
    checkpoint.save(&path).unwrap();
    let load = || Checkpoint::load(&path).unwrap();
    let resume = |streams: &Streams, config: &FitConfig| {
        fit(streams, config, 1, Some(load()), &mut |_| {
            ControlFlow::Continue(())
        })
    };
    let resumed = resume(&streams, &config)
        .unwrap()
        .profile
        .to_bytes()
        .unwrap();
    assert!(resumed == whole);

    let mut other = config.clone();
    network(&mut other).network.embedding = Some(13);
    for result in [resume(&normal(120, 2), &config), resume(&streams, &other)] {
        assert!(matches!(result, Err(FitError::OtherRun(_))));
    }
    std::fs::write(&path, b"not a checkpoint at all").unwrap();
    assert!(Checkpoint::load(&path).is_err());
}

#[test]
fn it_tells_odd_from_normal_and_explains() {
    let profile = fitted(&normal(400, 1), &config()).profile;
    let judge = Judge::new(&profile, None, None).unwrap();
    let later = normal(300, 99);
    let mut false_alarms = 0;
    for stream in later.iter() {
        let mut state = judge.begin(stream.start);
        for &symbol in &stream.symbols {
            judge.call(&mut state, profile.vocabulary.token(later.name(symbol)));
        }
        false_alarms += usize::from(judge.score(&state).verdict == Verdict::Anomalous);
    }
    assert!(false_alarms < 15, "{false_alarms} of 300 at 1.2 %");

    let explainer = Explainer::new(&judge, 2);
    let mut track = explainer.begin(StartKind::Exec);
    let calls = [
        "brk", "mmap", "close", "openat", "read", "ptrace", "mmap", "brk", "close",
    ];
    for (at, call) in calls.iter().enumerate() {
        explainer.call(&mut track, call, Some(at as u64));
    }
    let explanation = explainer.explain(&track);
    assert_eq!(explanation.score.verdict, Verdict::Anomalous);
    assert_eq!(explanation.score.unknown_calls, 1);
    let threshold = profile
        .threshold(
            SignalKind::Mean,
            Some(StartKind::Exec),
            profile.decision.rate,
        )
        .unwrap();
    assert_eq!(explanation.score.threshold, threshold.value);
    let n = threshold.calibration.scores().len() as f64;
    assert_eq!(explanation.score.p_value, Some(1.0 / (n + 1.0)));
    assert_eq!(explanation.surprising.len(), 2);
    let worst = explanation
        .surprising
        .iter()
        .find(|s| s.call == "ptrace")
        .unwrap();
    assert!(worst.unknown && worst.position == 6 && worst.time_ns == Some(5));
    assert_eq!(worst.before, calls[..5]);
    let expected: Vec<&str> = worst
        .expected
        .iter()
        .map(|(call, _)| call.as_str())
        .collect();
    assert_eq!(expected.len(), 3);
    assert!(
        ["read", "fstat", "write"].contains(&expected[0]),
        "{expected:?}"
    );
    let p: f64 = worst.expected.iter().map(|(_, p)| p).sum();
    assert!(p > 0.9 && p <= 1.0 + 1e-6, "{p}");
    assert_eq!(explanation.curve.len(), calls.len());
}

#[test]
fn a_rate_that_the_data_cannot_support_is_refused_before_training() {
    let config = FitConfig {
        rate: Some(0.001),
        ..config()
    };
    let result = fit(&normal(120, 1), &config, 1, None, &mut |event| {
        panic!("nothing was to happen, but {event:?}")
    });
    let error = result.unwrap_err().to_string();
    assert!(
        error.contains("cannot support a false alarm rate of 0.10 %"),
        "{error}"
    );
    assert!(error.contains("--cross-fit"), "{error}");
}

#[test]
fn without_a_rate_the_lowest_that_the_data_support_is_taken_and_said() {
    let outcome = fitted(&normal(120, 1), &config());
    let raised = outcome.raised_rate.expect("too few streams for 1 %");
    assert!(raised > 0.01 && raised == outcome.profile.decision.rate);
    assert!(Judge::new(&outcome.profile, None, None).is_ok());
    assert!(Judge::new(&outcome.profile, None, Some(raised / 2.0)).is_err());
}

#[test]
fn cross_fitting_calibrates_on_every_stream() {
    let config = FitConfig {
        rate: Some(0.01),
        cross_fit: Some(3),
        ..config()
    };
    let streams = normal(130, 1);
    let profile = fitted(&streams, &config).profile;
    assert_eq!(profile.provenance.split[2], 130);
    let pooled = profile.threshold(SignalKind::Mean, None, 0.01).unwrap();
    assert_eq!(pooled.calibration.scores().len(), 130);
    // Held-out scores: a model that had seen these streams would be less surprised.
    let judge = Judge::new(&profile, None, None).unwrap();
    let mut seen: Vec<f32> = streams
        .iter()
        .map(|stream| {
            let mut state = judge.begin(stream.start);
            for &symbol in &stream.symbols {
                judge.call(&mut state, profile.vocabulary.token(streams.name(symbol)));
            }
            judge.score(&state).score.unwrap()
        })
        .collect();
    seen.sort_by(f32::total_cmp);
    let mean = |scores: &[f32]| scores.iter().sum::<f32>() / scores.len() as f32;
    assert!(mean(&seen) <= mean(pooled.calibration.scores()) + 0.02);
}

#[test]
fn few_long_streams_are_judged_in_blocks() {
    let mut streams = Streams::default();
    let source = normal(600, 5);
    for part in 0..3 {
        let calls: Vec<String> = (0..source.len())
            .filter(|i| i % 3 == part)
            .flat_map(|i| {
                source
                    .get(i)
                    .symbols
                    .iter()
                    .map(|&s| source.name(s).to_owned())
                    .collect::<Vec<_>>()
            })
            .collect();
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        common::push(&mut streams, StartKind::Attach, &calls);
    }
    let crossed = FitConfig {
        cross_fit: Some(3),
        ..config()
    };
    let refused = fit(&streams, &crossed, 1, None, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(refused, Err(FitError::TooFewToCrossFit)));
    let profile = fitted(&streams, &config()).profile;
    let Unit::Block(len) = profile.unit() else {
        panic!("{:?}", profile.unit())
    };
    assert!(profile.provenance.calibrated_by.contains("blocks of"));
    let judge = Judge::new(&profile, None, None).unwrap();
    let mut state = judge.begin(StartKind::Attach);
    let usual = profile.vocabulary.token("read");
    for at in 0..4 * len {
        let odd = (2 * len..3 * len).contains(&at);
        let token = if odd { 0 } else { usual };
        judge.call(&mut state, token);
    }
    let score = judge.score(&state);
    let blocks = score.blocks.unwrap();
    assert_eq!(blocks.scored, 4);
    assert!(blocks.anomalous >= 1 && score.verdict == Verdict::Anomalous);
}

#[test]
fn a_gap_withholds_and_never_wipes() {
    let profile = fitted(&normal(120, 1), &config()).profile;
    let judge = Judge::new(&profile, Some(SignalKind::Cusum), None).unwrap();
    let mut state = judge.begin(StartKind::Thread);
    judge.gap(&mut state);
    for call in ["read", "ptrace", "mount"] {
        judge.call(&mut state, profile.vocabulary.token(call));
    }
    assert_eq!(judge.score(&state).verdict, Verdict::Withheld);
    for _ in 0..40 {
        judge.call(&mut state, 0);
    }
    let before = judge.score(&state).score.unwrap();
    judge.gap(&mut state);
    let after = judge.score(&state);
    assert_eq!(after.score, Some(before));
    assert_eq!((after.gaps, after.verdict), (2, Verdict::Anomalous));
}
