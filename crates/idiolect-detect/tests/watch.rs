//! Streams that are judged while they go on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{config, fitted, normal};
use idiolect_detect::{Judge, Profile, SignalKind, Stream, Streams, Verdict, Watcher};
use idiolect_trace::StartKind;

const ODD: [&str; 24] = ["ptrace"; 24];

fn profile() -> Profile {
    fitted(&normal(200, 3), &config()).profile
}

/// The places at which a stream crosses its threshold, its end last.
fn crossings(watcher: &Watcher<'_, '_>, start: StartKind, calls: &[&str]) -> (Vec<u64>, bool) {
    let mut watched = watcher.begin(start);
    let mut places = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        if let Some(crossing) = watcher.call(&mut watched, call, Some(place as u64)) {
            assert_eq!(crossing.time_ns, Some(place as u64));
            assert!(crossing.score > crossing.threshold);
            places.push(crossing.position);
        }
    }
    let (_, at_end) = watcher.end(watched);
    (places, at_end.is_some())
}

/// A long stream of the usual calls.
fn usual(streams: &Streams, calls: usize) -> Vec<&str> {
    let all = calls_of(streams, streams.get(0));
    // It opens with three calls that do not come again.
    let (opening, rest) = all.split_at(3);
    let mut usual = opening.to_vec();
    usual.extend(rest.iter().cycle().take(calls - opening.len()));
    usual
}

fn calls_of<'s>(streams: &'s Streams, stream: &Stream) -> Vec<&'s str> {
    let names = stream.symbols.iter().map(|&symbol| streams.name(symbol));
    names.collect()
}

#[test]
fn a_stream_crosses_exactly_when_its_whole_score_is_above() {
    let profile = profile();
    for signal in [SignalKind::Window, SignalKind::Cusum, SignalKind::Mean] {
        let judge = Judge::new(&profile, Some(signal), Some(0.2)).unwrap();
        let watcher = Watcher::new(&judge, 3);
        let streams = normal(120, 9);
        let mut anomalous = 0;
        for stream in streams.iter() {
            let calls = calls_of(&streams, stream);
            let mut state = judge.begin(stream.start);
            for call in &calls {
                judge.call(&mut state, profile.vocabulary.token(call));
            }
            let is_anomalous = judge.score(&state).verdict == Verdict::Anomalous;
            let (places, at_end) = crossings(&watcher, stream.start, &calls);
            assert_eq!(!places.is_empty() || at_end, is_anomalous, "{signal:?}");
            assert!(places.is_empty() || Watcher::is_running(signal));
            anomalous += u32::from(is_anomalous);
        }
        // Else it says nothing.
        assert!((1..100).contains(&anomalous), "{signal:?} {anomalous}");
    }
}

#[test]
fn a_call_that_every_training_stream_lacks_is_told_at_once() {
    let profile = profile();
    let judge = Judge::new(&profile, Some(SignalKind::Lacking), None).unwrap();
    assert!(Watcher::is_running(SignalKind::Lacking));
    let watcher = Watcher::new(&judge, 3);
    let streams = normal(1, 5);
    let mut calls = usual(&streams, 40);
    assert_eq!(
        crossings(&watcher, StartKind::Exec, &calls),
        (vec![], false)
    );
    calls.extend(ODD);
    // The first of them is new; that it goes on is not.
    assert_eq!(
        crossings(&watcher, StartKind::Exec, &calls),
        (vec![41], false)
    );
}

#[test]
fn it_is_told_while_the_stream_goes_on_and_again_only_for_as_much_more() {
    let profile = profile();
    let judge = Judge::new(&profile, Some(SignalKind::Window), None).unwrap();
    let watcher = Watcher::new(&judge, 3);
    let streams = normal(1, 5);
    let usual = usual(&streams, 400);
    let (places, at_end) = crossings(&watcher, StartKind::Exec, &usual);
    assert_eq!((places, at_end), (vec![], false));

    // Odd in two places.
    let mut calls = usual.clone();
    calls.extend(ODD);
    calls.extend(&usual[3..]);
    calls.extend(ODD);
    let (places, _) = crossings(&watcher, StartKind::Exec, &calls);
    let (first, second) = (usual.len() as u64, 2 * usual.len() as u64 + 24 - 3);
    assert!(places[0] > first && places[0] <= first + 20, "{places:?}");
    let between = places
        .iter()
        .filter(|&&place| place > first + 60 && place <= second);
    assert_eq!(between.count(), 0, "{places:?}");
    let last = *places.last().unwrap();
    assert!(last > second && last <= second + 24, "{places:?}");
}

#[test]
fn what_is_surprising_is_of_the_last_window() {
    let profile = profile();
    let judge = Judge::new(&profile, Some(SignalKind::Window), None).unwrap();
    let watcher = Watcher::new(&judge, 3);
    let streams = normal(1, 5);
    let usual = usual(&streams, 400);
    let mut watched = watcher.begin(StartKind::Exec);
    // Calls long ago that were odd, and more than those of now are.
    for call in usual.iter().chain(&["mmap"; 2]).chain(&usual[3..]) {
        watcher.call(&mut watched, call, None);
    }
    let before = watched.crossings();
    let mut found = None;
    for call in ODD {
        found = found.or(watcher.call(&mut watched, call, None));
    }
    let found = found.unwrap();
    assert!(watched.crossings() > before);
    assert_eq!(found.surprising.len(), 3);
    assert_eq!(found.surprising[0].call, "ptrace");
    assert!(found.surprising[0].unknown);
    for call in &found.surprising {
        assert!(!call.expected.is_empty());
        assert!(call.position + 20 > found.position, "{found:?}");
    }
}

#[test]
fn a_glimpse_of_a_stream_is_not_judged() {
    let profile = profile();
    let judge = Judge::new(&profile, Some(SignalKind::Window), None).unwrap();
    let watcher = Watcher::new(&judge, 3);
    for (start, calls, expected) in [
        (StartKind::Attach, 19, false),
        (StartKind::Attach, 20, true),
        (StartKind::Exec, 19, true),
    ] {
        let (places, at_end) = crossings(&watcher, start, &ODD[..calls]);
        assert_eq!(!places.is_empty() || at_end, expected, "{start:?} {calls}");
    }
}

#[test]
fn a_gap_is_no_crossing() {
    let profile = profile();
    let judge = Judge::new(&profile, Some(SignalKind::Window), None).unwrap();
    let watcher = Watcher::new(&judge, 3);
    let mut watched = watcher.begin(StartKind::Attach);
    for call in ODD {
        watcher.gap(&mut watched);
        assert_eq!(watcher.call(&mut watched, call, None), None);
    }
    assert_eq!(watched.state().gaps(), 24);
    assert_eq!(watched.state().unknown_calls(), 24);
}
