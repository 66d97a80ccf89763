//! The mix of calls as a signal of a profile.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;

use idiolect_detect::profile::Profile;
use idiolect_detect::tables::{Smoothing, TableConfig};
use idiolect_detect::{
    Explainer, Explanation, FitConfig, Judge, ModelConfig, RateError, SignalKind, Streams, Unit,
};
use idiolect_trace::StartKind;

fn config(signal: SignalKind) -> FitConfig {
    let table = TableConfig::Ngram {
        order: 3,
        smoothing: Smoothing::WittenBell,
    };
    FitConfig {
        model: ModelConfig::Table(table),
        signal,
        ..common::config()
    }
}

/// Two kinds of streams that never mix: readers and writers.
fn readers_and_writers() -> Streams {
    let mut streams = Streams::default();
    for number in 0..400 {
        let middle: &[&str] = if number % 2 == 0 {
            &["openat", "read", "close"]
        } else {
            &["socket", "sendto", "close"]
        };
        let mut calls = vec!["brk"];
        for _ in 0..1 + number / 2 % 60 {
            calls.extend(middle);
        }
        common::push(&mut streams, StartKind::Exec, &calls);
    }
    streams
}

fn explained(profile: &Profile, calls: &[&str]) -> Explanation {
    let judge = Judge::new(profile, None, None).unwrap();
    let explainer = Explainer::new(&judge, 3);
    let mut track = explainer.begin(StartKind::Exec);
    for call in calls {
        explainer.call(&mut track, call, None);
    }
    explainer.explain(&track)
}

#[test]
fn a_mix_of_usual_calls_is_found_and_named() {
    let profile = common::fitted(&readers_and_writers(), &config(SignalKind::Sum)).profile;
    let usual = explained(&profile, &["brk", "openat", "read", "close"]);
    let signals = usual.score.signals.unwrap();
    assert_eq!((signals.novelty, signals.lacking), (Some(0.0), Some(0.0)));
    assert_eq!(usual.odd_mix, Some(false));
    let mix = usual.mix.unwrap();
    assert_eq!((mix.distance, mix.of_streams), (0.0, 271));
    assert!(mix.new.is_empty() && mix.missing.is_empty());

    // Each call follows as it may, but no program makes all of them.
    let mut both = vec!["brk"];
    both.extend(["openat", "read", "close"].repeat(20));
    both.extend(["socket", "sendto", "close"].repeat(20));
    let both = explained(&profile, &both);
    let signals = both.score.signals.unwrap();
    // Of the 6 calls a training stream has 4.
    assert_eq!(signals.lacking, Some(2.0));
    assert_eq!(signals.novelty, Some(2.0 / 6.0));
    assert_eq!(both.odd_mix, Some(true));
    assert_eq!(both.mix.unwrap().new.len(), 2);
}

#[test]
fn blocks_have_sets_of_their_own() {
    let mut streams = Streams::default();
    let calls = ["openat", "read", "read", "close"].repeat(4_000);
    common::push(&mut streams, StartKind::Exec, &calls);
    let profile = common::fitted(&streams, &config(SignalKind::Novelty)).profile;
    let Unit::Block(len) = profile.unit() else {
        panic!("one stream is cut into blocks");
    };
    let mut odd = ["openat", "read", "read", "close"].repeat(len);
    odd[2 * len + 5] = "close";
    odd[2 * len + 6] = "ptrace";
    let explained = explained(&profile, &odd);
    assert_eq!(explained.score.signals.unwrap().novelty, Some(0.25));
    assert_eq!(explained.mix.unwrap().new, ["<unk>"]);
    assert_eq!(explained.score.blocks.unwrap().anomalous, 1);
}

#[test]
fn the_threshold_is_of_the_scores_that_a_judge_gives() {
    let streams = readers_and_writers();
    for cross_fit in [None, Some(3)] {
        let config = FitConfig {
            cross_fit,
            ..config(SignalKind::Sum)
        };
        let profile = common::fitted(&streams, &config).profile;
        for signal in [SignalKind::Novelty, SignalKind::Lacking, SignalKind::Sum] {
            let judge = Judge::new(&profile, Some(signal), Some(0.2)).unwrap();
            let mut above = 0;
            for stream in streams.iter() {
                let mut state = judge.begin(stream.start);
                for &symbol in stream.symbols.iter() {
                    judge.call(&mut state, profile.vocabulary.token(streams.name(symbol)));
                }
                let score = judge.score(&state);
                above += usize::from(score.score.unwrap() > score.threshold);
            }
            assert!(above <= streams.len() / 4, "{signal:?}: {above}");
        }
    }
}

/// What the golden profile said of a stream when it was made.
const GOLDEN_SUM: f32 = 9.550_379;

#[test]
fn the_golden_profile_of_format_4() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-4-sum.idio");
    if std::env::var_os("IDIOLECT_MAKE_GOLDEN").is_some() {
        let profile = common::fitted(&readers_and_writers(), &config(SignalKind::Sum)).profile;
        profile.save(&path).unwrap();
    }
    let golden = Profile::from_bytes(&fs::read(&path).unwrap()).unwrap();
    let said = explained(&golden, &["brk", "openat", "read", "sendto", "ptrace"]);
    let sum = said.score.score.unwrap();
    assert!((sum - GOLDEN_SUM).abs() < 1e-4, "{sum}");
    let again = Profile::from_bytes(&golden.to_bytes().unwrap()).unwrap();
    assert_eq!(again.sets, golden.sets);
}

#[test]
fn a_profile_without_sets_says_so() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-3-ngram.idio");
    let older = Profile::from_bytes(&fs::read(&path).unwrap()).unwrap();
    let refused = Judge::new(&older, Some(SignalKind::Sum), None).unwrap_err();
    assert_eq!(refused, RateError::NoSuchSignal("sum"));
    assert!(refused.to_string().contains("train it again"));
    let judge = Judge::new(&older, None, None).unwrap();
    let state = judge.begin(StartKind::Exec);
    assert_eq!(judge.score(&state).signals, None);
}
