//! Streams drawn from a profile.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::fs;

use common::{Workplace, fail, masked, normal_calls, strace_text, succeed};

fn trained() -> (Workplace, String) {
    let place = Workplace::new(200);
    let profile = place.train("app.idio", &[]);
    (place, profile)
}

#[test]
fn streams_are_drawn_repeated_and_read_back() {
    let (place, profile) = trained();
    let ran = succeed(&["sample", &profile, "-n", "20"]);
    let streams: Vec<Vec<&str>> = ran
        .out
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    assert_eq!(streams.len(), 20);
    // The program opens with this, and ends with its exit.
    let opening = |calls: &&Vec<&str>| calls[0] == "brk";
    assert!(streams.iter().filter(opening).count() > 10, "{}", ran.out);
    assert!(
        streams
            .iter()
            .all(|calls| calls.last() == Some(&"exit_group"))
    );
    assert!(!ran.out.contains('<'), "{}", ran.out);
    assert_ne!(streams[0], streams[1]);
    insta::assert_snapshot!(masked(&ran.err), @"drew # streams of # calls after <exec> with seed #: # ended with exit or exit_group, # cut at #; mean surprise # nats a call at temperature # (held out in training: #)");

    assert_eq!(succeed(&["sample", &profile, "-n", "20"]).out, ran.out);
    let other = succeed(&["sample", &profile, "-n", "20", "--seed", "2"]);
    assert_ne!(other.out, ran.out);

    let folder = place.path("drawn");
    let written = succeed(&["sample", &profile, "-n", "20", "--output", &folder]);
    assert_eq!(written.out, "");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 20);
    let first = fs::read_to_string(place.at("drawn/000001.txt")).unwrap();
    assert_eq!(first.lines().collect::<Vec<_>>(), streams[0]);
    // What was drawn reads back as traces, and in the program's own ears sounds normal.
    let scored = succeed(&["score", &profile, &folder, "--json"]);
    assert_eq!(scored.out.lines().count(), 20);
    assert!(!scored.err.contains("never seen"), "{}", scored.err);
    fail(
        &["sample", &profile, "--output", &folder],
        "cannot make this folder",
    );
}

#[test]
fn start_prefix_length_and_temperature_are_obeyed() {
    let (_place, profile) = trained();
    let args = [
        "sample",
        &profile,
        "--json",
        "--calls",
        "12",
        "--temperature",
        "0",
    ];
    let ran = succeed(&[&args[..], &["--prefix", "SYS_socket connect"]].concat());
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 10);
    let calls: Vec<&str> = lines[0]["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call.as_str().unwrap())
        .collect();
    // At the temperature of 0 each stream is the likeliest one, which goes on as the program does.
    assert_eq!(
        calls[..5],
        ["socket", "connect", "sendto", "recvfrom", "close"]
    );
    assert_eq!(calls.len(), 12);
    assert!(lines.iter().all(|line| line["calls"] == lines[0]["calls"]));
    assert!(
        lines
            .iter()
            .all(|line| line["ended"] == "cut" && line["start"] == "exec")
    );
    let surprise = lines[0]["mean_surprise"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&surprise), "{surprise}");

    let thread = succeed(&["sample", &profile, "--start", "thread", "-n", "1", "--json"]);
    assert!(thread.out.contains(r#""start":"thread""#), "{}", thread.out);
    let end = ["--end", "close", "-n", "5"];
    let ran = succeed(&[&["sample", &profile][..], &end[..]].concat());
    for line in ran.out.lines() {
        assert_eq!(line.matches("close").count(), 1, "{line}");
        assert!(line.ends_with("close"), "{line}");
    }

    fail(
        &["sample", &profile, "--prefix", "sendt"],
        "the profile never saw the call sendt; it knows sendto",
    );
    fail(
        &["sample", &profile, "--prefix", "<gap>"],
        "never saw the call <gap>",
    );
    fail(
        &["sample", &profile, "--calls", "2", "--prefix", "read read"],
        "the prefix has 2 calls, and a stream at most 2: ask for longer streams",
    );
}

#[test]
fn samples_are_held_against_real_streams() {
    let (place, profile) = trained();
    fs::create_dir(place.at("later")).unwrap();
    for seed in 1_000..1_080 {
        place.write(
            &format!("later/{seed}.strace"),
            strace_text(&normal_calls(seed)),
        );
    }
    let later = place.path("later");
    let ran = succeed(&["sample", &profile, "--against", &later]);
    insta::assert_snapshot!(masked(&ran.out), @r#"
    # drawn streams against # real ones that start with <exec>

               which occur in the real ones   which of the real ones occur
    n-grams                                   in them
                 drawn    real   independent    drawn    real   independent
    # call # % # % # % # % # % # %
    # calls # % # % # % # % # % # %
    # calls # % # % # % # % # % # %
    # calls # % # % # % # % # % # %
    # calls # % # % # % # % # % # %
    each set is cut to # calls and held against the first half of the real streams, # calls (halved by content, copies together);
    "real" is their second half, "independent" calls drawn from the real frequencies alone

    length drawn  median # (quartiles # and #); # of # streams without exit or exit_group at the end
    length real   median # (quartiles # and #); # of # streams without exit or exit_group at the end
    "#);

    let json = succeed(&["sample", &profile, "--json", "--against", &later]);
    let compared: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(compared["real_streams"], 80);
    assert_eq!(compared["lengths"]["comparable"], true);
    let overlaps = compared["resemblance"]["overlaps"].as_array().unwrap();
    assert_eq!(overlaps.len(), 5);
    for overlap in overlaps {
        let known = |set: &str| overlap[set]["known"].as_f64().unwrap();
        let order_matters = overlap["n"].as_u64().unwrap() > 1;
        assert!(known("real") > 0.9, "{overlap}");
        if order_matters {
            assert!(known("independent") + 0.2 < known("samples"), "{overlap}");
        }
    }

    let short = succeed(&["sample", &profile, "--calls", "9", "--against", &later]);
    assert!(
        short
            .out
            .contains("the lengths cannot be compared: drawn streams were cut at --calls 9\n"),
        "{}",
        short.out
    );
    fail(
        &["sample", &profile, "--start", "thread", "--against", &later],
        "no real stream starts with <thread>, as the drawn ones do; they start with <exec>",
    );
}
