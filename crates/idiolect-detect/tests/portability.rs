//! Profiles on streams of others, and on their own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{config, fitted, normal, push};
use idiolect_detect::portability::{Kinship, acquaintance, kinship, whole};
use idiolect_detect::split::{Policy, split};
use idiolect_detect::{FitConfig, Judge, Streams, Unit, Verdict};
use idiolect_nn::Rng;
use idiolect_trace::StartKind;

/// Streams of another program, of whose calls the first knows two.
fn foreign(count: usize) -> Streams {
    let mut streams = Streams::default();
    for number in 0..count {
        let mut rng = Rng::new(number as u64);
        let calls: Vec<&str> = (0..20 + rng.below(20))
            .map(|_| ["read", "close", "futex", "epoll_wait"][rng.below(4)])
            .collect();
        push(&mut streams, StartKind::Thread, &calls);
    }
    streams
}

#[test]
fn a_profile_knows_its_own_held_out_part_and_nothing_of_others() {
    let streams = normal(300, 1);
    let profile = fitted(&streams, &config()).profile;
    let held_out = split(&streams, Policy::Content, None).unwrap().calibrate;
    assert_eq!(
        kinship(&profile, &streams, 2),
        Kinship::Own(held_out.clone())
    );
    assert_eq!(kinship(&profile, &normal(300, 2), 2), Kinship::Other);
    // One stream more is other data.
    let mut more = streams.clone();
    push(&mut more, StartKind::Exec, &["read"]);
    assert_eq!(kinship(&profile, &more, 2), Kinship::Other);

    let judge = Judge::new(&profile, None, None).unwrap();
    let own = acquaintance(&judge, &streams, &held_out, 2).unwrap();
    assert_eq!(own.streams, held_out.len() as u64);
    assert_eq!((own.share_of_names(), own.share_of_calls()), (1.0, 1.0));
    // The threshold comes from these very streams.
    assert!(own.share_anomalous() <= profile.decision.rate);

    let foreign = foreign(50);
    let pieces = whole(&foreign);
    let theirs = acquaintance(&judge, &foreign, &pieces, 1).unwrap();
    assert_eq!((theirs.names, theirs.known_names), (4, 2));
    assert_eq!(
        (theirs.streams, theirs.judged, theirs.anomalous),
        (50, 50, 50)
    );
    assert!((0.4..0.6).contains(&theirs.share_of_calls()), "{theirs:?}");
    assert!(theirs.mean_surprise > 4.0 * own.mean_surprise, "{theirs:?}");
    for threads in [0, 3, 64] {
        let again = acquaintance(&judge, &foreign, &pieces, threads).unwrap();
        assert_eq!(again, theirs);
    }
    assert_eq!(acquaintance(&judge, &foreign, &[], 1), None);
}

/// Splits in turn may have as many units in each part as splits by content: the scores tell them apart.
#[test]
fn what_was_held_out_is_told_by_its_scores() {
    let streams = normal(300, 6);
    let config = FitConfig {
        policy: Policy::InTurn,
        ..config()
    };
    let profile = fitted(&streams, &config).profile;
    let held_out = split(&streams, Policy::InTurn, None).unwrap().calibrate;
    assert_eq!(kinship(&profile, &streams, 2), Kinship::Own(held_out));
    let by_content = split(&streams, Policy::Content, None).unwrap().calibrate;
    assert_ne!(kinship(&profile, &streams, 2), Kinship::Own(by_content));
}

#[test]
fn a_cross_fitted_profile_has_nothing_of_its_own_left() {
    let streams = normal(120, 4);
    let config = FitConfig {
        cross_fit: Some(2),
        ..config()
    };
    let profile = fitted(&streams, &config).profile;
    assert_eq!(kinship(&profile, &streams, 2), Kinship::OwnWhole);
}

#[test]
fn it_counts_what_the_judge_says() {
    let profile = fitted(&normal(300, 1), &config()).profile;
    let judge = Judge::new(&profile, None, None).unwrap();
    let mut later = normal(40, 9);
    let mut gapped = later.get(0).clone();
    gapped.symbols[2] = Streams::GAP;
    later.push(gapped);
    let (mut anomalous, mut surprise, mut calls) = (0, 0.0, 0);
    for stream in later.iter() {
        let mut state = judge.begin(stream.start);
        for &symbol in &stream.symbols {
            if symbol == Streams::GAP {
                judge.gap(&mut state);
                continue;
            }
            let token = profile.vocabulary.token(later.name(symbol));
            surprise += f64::from(judge.call(&mut state, token));
            calls += 1;
        }
        anomalous += u64::from(judge.score(&state).verdict == Verdict::Anomalous);
    }
    let counted = acquaintance(&judge, &later, &whole(&later), 2).unwrap();
    assert_eq!((counted.calls, counted.anomalous), (calls, anomalous));
    assert!((counted.mean_surprise - surprise / calls as f64).abs() < 1e-9);
}

/// Few long streams are judged by blocks, and what comes before the held-out end is heard.
#[test]
fn blocks_are_judged_where_blocks_are_the_unit() {
    let mut streams = Streams::default();
    for seed in 0..4 {
        let mut rng = Rng::new(seed);
        let mut calls = Vec::new();
        while calls.len() < 1_500 {
            calls.push("openat");
            calls.extend(std::iter::repeat_n("read", 1 + rng.below(3)));
            calls.push("close");
        }
        push(&mut streams, StartKind::Exec, &calls);
    }
    let profile = fitted(&streams, &config()).profile;
    assert!(matches!(profile.unit(), Unit::Block(_)));
    let Kinship::Own(pieces) = kinship(&profile, &streams, 2) else {
        panic!("not recognised");
    };
    assert!(pieces.iter().all(|piece| piece.range.start > 0));
    let judge = Judge::new(&profile, None, None).unwrap();
    let own = acquaintance(&judge, &streams, &pieces, 2).unwrap();
    assert_eq!(own.judged as usize, profile.provenance.split[2]);
    let calls: usize = pieces.iter().map(|piece| piece.range.len()).sum();
    assert_eq!(own.calls as usize, calls);
    assert!(own.share_anomalous() <= profile.decision.rate + 1e-9);
}
