//! Profiles whose model is counted, or a hidden Markov model: fitted, saved, loaded and judged by like any other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use idiolect_detect::hmm::HmmConfig;
use idiolect_detect::profile::Profile;
use idiolect_detect::split::Policy;
use idiolect_detect::tables::{Escape, Smoothing, TableConfig};
use idiolect_detect::{
    Checkpoint, CoderConfig, Explainer, FitConfig, FitError, FitEvent, Judge, Measure, ModelConfig,
    SignalKind, Streams, Verdict, Vocabulary, fit,
};
use idiolect_nn::one_hot::{AutoencoderConfig, MapConfig};
use idiolect_trace::StartKind;
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::LazyLock;

use common::{config, fitted, normal};

fn models() -> Vec<ModelConfig> {
    let smoothings = [Smoothing::WittenBell, Smoothing::KneserNey];
    let mut tables = smoothings
        .map(|smoothing| TableConfig::Ngram {
            order: 4,
            smoothing,
        })
        .to_vec();
    tables.extend([
        TableConfig::Ppm {
            order: 4,
            escape: Escape::D,
        },
        TableConfig::Stide { len: 4 },
        TableConfig::TStide { len: 4, rare: 1e-3 },
        TableConfig::Frequency { len: 4 },
        TableConfig::Lookahead { len: 5 },
    ]);
    let hmm = HmmConfig {
        states: 6,
        iterations: 15,
        tolerance: 1e-4,
        seed: 3,
    };
    let som = CoderConfig::Som {
        len: 4,
        map: MapConfig {
            side: 6,
            steps: 10_000,
            seed: 3,
        },
    };
    let autoencoder = CoderConfig::Autoencoder {
        len: 4,
        network: AutoencoderConfig {
            hidden: 24,
            code: 6,
            steps: 800,
            seed: 3,
        },
    };
    let coders = [som, autoencoder].map(ModelConfig::Coder);
    let tables = tables.into_iter().map(ModelConfig::Table);
    tables
        .chain([ModelConfig::Hmm(hmm)])
        .chain(coders)
        .collect()
}

fn with(model: ModelConfig) -> FitConfig {
    FitConfig { model, ..config() }
}

/// The bytes of a small profile of each.
static PROFILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let streams = normal(120, 1);
    let models = models().into_iter();
    models
        .map(|model| fitted(&streams, &with(model)).profile.to_bytes().unwrap())
        .collect()
});

#[test]
fn each_is_fitted_saved_and_tells_odd_from_normal() {
    let streams = normal(400, 1);
    for model in models() {
        let is_language_model = model.is_language_model();
        let config = with(model.clone());
        let profile = fitted(&streams, &config).profile;
        let bytes = profile.to_bytes().unwrap();
        let again = fit(&streams, &config, 1, None, &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(
            again.unwrap().profile.to_bytes().unwrap() == bytes,
            "{model:?}"
        );
        let loaded = Profile::from_bytes(&bytes).unwrap();
        assert!(loaded.to_bytes().unwrap() == bytes, "{model:?}");
        assert_eq!(loaded.calibrations, profile.calibrations);

        let judge = Judge::new(&loaded, None, None).unwrap();
        assert_eq!(judge.measure().is_surprise(), is_language_model);
        let score = |streams: &Streams| -> Vec<_> {
            let of_stream = |stream: &idiolect_detect::Stream| {
                let mut state = judge.begin(stream.start);
                for &symbol in &stream.symbols {
                    judge.call(&mut state, loaded.vocabulary.token(streams.name(symbol)));
                }
                judge.score(&state)
            };
            streams.iter().map(of_stream).collect()
        };
        let later = score(&normal(300, 99));
        let alarms = later
            .iter()
            .filter(|score| score.verdict == Verdict::Anomalous);
        let alarms = alarms.count();
        assert!(
            alarms < 20,
            "{model:?}: {alarms} of 300 at {}",
            profile.decision.rate
        );

        let mut odd = Streams::default();
        common::push(
            &mut odd,
            StartKind::Exec,
            &[
                "brk", "mmap", "close", "openat", "close", "brk", "ptrace", "mmap", "brk", "close",
            ],
        );
        assert_eq!(score(&odd)[0].verdict, Verdict::Anomalous, "{model:?}");
    }
}

#[test]
fn windows_say_nothing_of_a_streams_first_calls_and_explain_what_they_do_not_know() {
    let model = ModelConfig::Table(TableConfig::Stide { len: 4 });
    let profile = fitted(&normal(400, 1), &with(model)).profile;
    let judge = Judge::new(&profile, None, None).unwrap();
    assert_eq!(judge.measure(), Measure::UnseenWindows);
    assert_eq!(judge.unit(), "share of windows unseen");
    let explainer = Explainer::new(&judge, 9);
    let explain = |calls: &[&str]| {
        let mut track = explainer.begin(StartKind::Exec);
        for call in calls {
            match *call {
                "<gap>" => explainer.gap(&mut track),
                call => explainer.call(&mut track, call, None),
            }
        }
        explainer.explain(&track)
    };

    let short = explain(&["close", "brk", "ptrace"]);
    assert_eq!(short.score.verdict, Verdict::Withheld);
    assert_eq!(short.score.score, None);
    assert_eq!(short.score.unknown_calls, 1);
    assert!(short.surprising.is_empty());
    assert_eq!(short.curve, [0.0; 3]);

    // Windows end at the 4th to the 9th call; the 7th to the 9th hold the call that is new there.
    let calls = [
        "brk", "mmap", "close", "openat", "read", "fstat", "brk", "close", "openat",
    ];
    let one = explain(&calls);
    assert_eq!(one.score.signals.map(|signals| signals.mean), Some(0.5));
    let places: Vec<u64> = one.surprising.iter().map(|found| found.position).collect();
    assert_eq!(places, [7, 8, 9]);
    assert_eq!(one.surprising[0].probability, None);
    let expected: Vec<&str> = one.surprising[0]
        .expected
        .iter()
        .map(|(call, _)| call.as_str())
        .collect();
    assert_eq!(expected, ["close"]);
    assert!(one.surprising[1].expected.is_empty());

    // No window reaches over a gap.
    let mut gapped = calls.to_vec();
    gapped.insert(6, "<gap>");
    let gapped = explain(&gapped);
    assert_eq!(gapped.score.signals.map(|signals| signals.mean), Some(0.0));
}

#[test]
fn calibration_counts_what_judging_counts() {
    // Every stream has a gap; what calibrated it scores the same when it is judged.
    let mut streams = Streams::default();
    for stream in normal(150, 5).iter() {
        let mut stream = stream.clone();
        stream
            .symbols
            .insert(stream.symbols.len() / 2, Streams::GAP);
        streams.push(stream);
    }
    let named = normal(150, 5);
    for name in named.names().iter().skip(1) {
        streams.symbol(name);
    }
    for model in models() {
        let mut config = with(model.clone());
        config.cross_fit = None;
        let profile = fitted(&streams, &config).profile;
        let judge = Judge::new(&profile, Some(SignalKind::Mean), None).unwrap();
        let mut scores: Vec<f32> = Vec::new();
        for stream in streams.iter() {
            let mut state = judge.begin(stream.start);
            for &symbol in &stream.symbols {
                if symbol == Streams::GAP {
                    judge.gap(&mut state);
                } else {
                    judge.call(&mut state, profile.vocabulary.token(streams.name(symbol)));
                }
            }
            scores.extend(judge.score(&state).score);
        }
        let pooled = profile
            .calibrations
            .iter()
            .rev()
            .find(|c| c.signal == SignalKind::Mean);
        for calibrated in pooled.unwrap().scores() {
            assert!(scores.contains(calibrated), "{model:?}: {calibrated}");
        }
    }
}

#[test]
fn cross_fitting_and_blocks_work_for_tables() {
    for model in models() {
        let crossed = FitConfig {
            cross_fit: Some(3),
            ..with(model.clone())
        };
        let profile = fitted(&normal(100, 1), &crossed).profile;
        assert_eq!(profile.provenance.split[2], 100, "{model:?}");
        let by_time = FitConfig {
            policy: Policy::Time,
            ..with(model)
        };
        let blocks = fitted(&normal(100, 1), &by_time).profile;
        assert!(matches!(blocks.unit(), idiolect_detect::Unit::Block(_)));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let streams = normal(120, 1);
    let refused = |model: TableConfig| {
        let config = with(ModelConfig::Table(model));
        fit(&streams, &config, 1, None, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap_err()
    };
    for order in [0, 65] {
        let error = refused(TableConfig::Ngram {
            order,
            smoothing: Smoothing::KneserNey,
        });
        assert!(matches!(error, FitError::Table(_)), "{error}");
    }
    assert!(matches!(
        refused(TableConfig::Lookahead { len: 1 }),
        FitError::Table(_)
    ));
    let hmm = HmmConfig {
        states: 0,
        iterations: 1,
        tolerance: 0.0,
        seed: 1,
    };
    let config = with(ModelConfig::Hmm(hmm));
    let error = fit(&streams, &config, 1, None, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(error, Err(FitError::Hmm(_))));

    // A checkpoint is a network's.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.checkpoint");
    let stopped = fit(&streams, &common::config(), 1, None, &mut |event| {
        if let FitEvent::Epoch {
            checkpoint: Some(unsaved),
            ..
        } = event
        {
            unsaved.checkpoint().save(&path).unwrap();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    assert!(stopped.is_err());
    let checkpoint = Checkpoint::load(&path).unwrap();
    let config = with(ModelConfig::Table(TableConfig::Stide { len: 3 }));
    let error = fit(&streams, &config, 1, Some(checkpoint), &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(error, Err(FitError::OtherRun(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Whatever byte is changed, and wherever the file is cut: an error, or a profile that scores.
    #[test]
    fn damaged_files_are_refused_or_score(
        which in 0usize..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        in_tensors in any::<bool>(),
    ) {
        let mut bytes = PROFILES[which].clone();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let from = if in_tensors { header } else { 8 };
        let len = bytes.len() - from;
        for (place, value) in changes {
            bytes[from + place.index(len)] = value;
        }
        let Ok(profile) = Profile::from_bytes(&bytes) else { return Ok(()) };
        let Ok(judge) = Judge::new(&profile, None, None) else { return Ok(()) };
        let mut state = judge.begin(StartKind::Exec);
        for token in (Vocabulary::UNKNOWN..profile.vocabulary.len() as u32).cycle().take(100) {
            match token {
                Vocabulary::GAP => judge.gap(&mut state),
                _ => {
                    let said = judge.call(&mut state, token);
                    prop_assert!(said.is_finite() && said >= 0.0, "{said}");
                }
            }
        }
        judge.score(&state);
        prop_assert!(profile.to_bytes().is_ok());
    }
}

/// Golden profiles, and the score of [`GOLDEN_CALLS`] when they were made, in each one's own unit.
const GOLDEN: [(&str, usize, f32); 6] = [
    ("golden-3-ngram.idio", 1, 1.8333),
    ("golden-3-stide.idio", 3, 0.8333333),
    ("golden-3-lookahead.idio", 6, 0.375),
    ("golden-3-hmm.idio", 7, 3.1039786),
    ("golden-4-som.idio", 8, 0.44209215),
    ("golden-4-autoencoder.idio", 9, 0.48769894),
];
const GOLDEN_CALLS: [&str; 9] = [
    "brk", "mmap", "close", "openat", "socket", "read", "read", "close", "dup2",
];

/// They stay loadable, and say what they said when they were made.
#[test]
fn the_golden_profiles() {
    for (name, which, value) in GOLDEN {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(name);
        if std::env::var_os("IDIOLECT_MAKE_GOLDEN")
            .is_some_and(|made| name.contains(made.to_str().unwrap()))
        {
            std::fs::write(&path, &PROFILES[which]).unwrap();
        }
        let golden = Profile::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
        let judge = Judge::new(&golden, None, None).unwrap();
        let mut state = judge.begin(StartKind::Exec);
        for call in GOLDEN_CALLS {
            judge.call(&mut state, golden.vocabulary.token(call));
        }
        let score = judge.score(&state).score.unwrap();
        assert!((score - value).abs() < 1e-4, "{name}: {score}");
    }
}
