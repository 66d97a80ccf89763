//! Traces in another format, and UNM's tables from end to end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::fs;

use common::{Workplace, fail, normal_calls, odd_calls, run, strace_text, succeed};

/// What a profile says of traces, but for what streams are called.
fn verdicts(profile: &str, args: &[&str]) -> Vec<serde_json::Value> {
    let ran = succeed(&[&["score", profile, "--json"], args].concat());
    ran.out
        .lines()
        .map(|line| {
            let mut verdict: serde_json::Value = serde_json::from_str(line).unwrap();
            verdict.as_object_mut().unwrap().remove("stream");
            verdict
        })
        .collect()
}

#[test]
fn records_say_all_that_was_read() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let odd = place.write("odd.strace", strace_text(&odd_calls(7)));
    let records = place.path("odd.jsonl");
    let ran = succeed(&["convert", &odd, "-o", &records]);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("from 1 file to "), "{}", ran.err);
    assert_eq!(verdicts(&profile, &[&records]), verdicts(&profile, &[&odd]));
    let piped = succeed(&["convert", &odd, "-o", "-"]);
    assert_eq!(piped.out, fs::read_to_string(&records).unwrap());
}

#[test]
fn every_format_holds_the_same_calls() {
    let place = Workplace::new(9);
    let normal = place.path("normal");
    let calls_of = |path: &str, more: &[&str]| {
        let args = ["convert", path, "-o", "-"];
        let mut streams: Vec<(String, Vec<String>)> = Vec::new();
        for line in succeed(&[&args[..], more].concat()).out.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            if record["record"] == "call" {
                let stream = record["stream"].to_string();
                let name = record["name"].as_str().unwrap().to_owned();
                match streams.iter_mut().find(|(id, _)| *id == stream) {
                    Some((_, calls)) => calls.push(name),
                    None => streams.push((stream, vec![name])),
                }
            }
        }
        streams.into_iter().map(|(_, calls)| calls).collect()
    };
    // Of a program: execve is its predecessor's.
    let want: Vec<Vec<String>> = (0..9)
        .map(|seed| {
            let calls = normal_calls(seed);
            calls.into_iter().map(str::to_owned).collect()
        })
        .collect();
    for (to, more, reading) in [
        ("plain", vec![], vec!["--format", "plain"]),
        ("adfa", vec!["--drop"], vec!["--format", "adfa"]),
        ("unm", vec![], vec![]),
        (
            "unm",
            vec!["--to-numbering", "i386", "--drop"],
            vec!["--numbering", "i386"],
        ),
    ] {
        let to_path = place.path(&format!("{to}-{}", more.len()));
        succeed(&[&["convert", &normal, "-o", &to_path, "--to", to], &more[..]].concat());
        let mut got: Vec<Vec<String>> = calls_of(&to_path, &reading);
        got.retain(|calls| calls[0] != "execve");
        assert_eq!(got, want, "{to} {more:?}");
    }
}

#[test]
fn a_call_without_a_number_is_not_lost_in_silence() {
    let place = Workplace::new(1);
    let trace = place.write("t", "read openat read statx close\n");
    let to = ["--to", "unm", "--to-numbering", "sunos0"];
    let out = place.path("t.int");
    let args = |more: &[&'static str]| {
        let mut args = vec!["convert", &trace, "-o", &out];
        args.extend(to);
        args.extend(more);
        run(&args)
    };
    let ran = args(&[]);
    assert_eq!(ran.code, 1);
    let message = "2 of 5 calls are of 2 names that have no number on sunos (openat 1, statx 1): leave \
                   them out with --drop, or write --to jsonl or names";
    assert!(ran.err.contains(message), "{}", ran.err);
    assert!(!place.at("t.int").exists());
    let ran = args(&["--drop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("left out: 2 of 5 calls"), "{}", ran.err);
    assert_eq!(fs::read_to_string(&out).unwrap(), "1 2\n1 2\n1 5\n");
    // Nothing of a run that failed is left.
    let left = fs::read_dir(place.folder.path()).unwrap();
    let hidden = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
}

#[test]
fn what_is_there_is_not_mixed_with() {
    let place = Workplace::new(2);
    let normal = place.path("normal");
    fail(
        &["convert", &normal, "-o", &normal, "--to", "plain"],
        "the folder is not empty",
    );
    fail(&["convert", &normal, "-o", &normal], "it is a folder");
    fail(
        &["convert", &normal, "-o", "-", "--to", "adfa"],
        "name a folder",
    );
    fail(
        &["convert", &normal, "-o", "/nowhere/out.jsonl"],
        "/nowhere/out.jsonl: cannot write",
    );
    fail(
        &["convert", &normal, "-o", "x", "--to-numbering", "i386"],
        "give --to unm with it",
    );
    let file = place.write("file", "x");
    fail(
        &["convert", &normal, "-o", &file, "--to", "plain"],
        "it is a file",
    );
    // An empty folder is as good as a new one.
    fs::create_dir(place.at("empty")).unwrap();
    succeed(&[
        "convert",
        &normal,
        "-o",
        &place.path("empty"),
        "--to",
        "plain",
    ]);
    assert!(fs::read_dir(place.at("empty")).unwrap().count() >= 2);
}

/// Runs of a small server as pairs by a table.
fn pairs(runs: u64, open: u32, read: u32, close: u32, exit: u32) -> String {
    let mut text = String::new();
    for run in 0..runs {
        let process = 100 + run;
        for _ in 0..3 + run % 7 {
            for call in [open, read, read, close] {
                let _ = writeln!(text, "{process} {call}");
            }
        }
        let _ = writeln!(text, "{process} {exit}");
    }
    text
}

#[test]
fn tables_meet_by_names_and_are_not_mixed_otherwise() {
    let place = Workplace::new(1);
    let zero = place.write("zero.int", pairs(300, 4, 2, 5, 0));
    let one = place.write("one.int", pairs(40, 5, 3, 6, 1));
    let profile = place.path("zero.idio");
    let folder = place.path("unm");
    fs::create_dir(&folder).unwrap();
    fs::copy(&zero, place.at("unm/zero.int")).unwrap();

    fail(&["train", &zero, "-o", &profile], "name it, --numbering");
    fail(
        &["train", &folder, "-o", &profile],
        "Name the table of its call numbers (--numbering)",
    );
    let train = ["train", &zero, "-o", &profile, "--split", "in-turn"];
    succeed(&[&train[..], &["--epochs", "4", "--numbering", "sunos0"]].concat());

    // The same calls by the other count of SunOS are the same names.
    let score =
        |path: &str, numbering: &str| run(&["score", &profile, path, "--numbering", numbering]);
    let ran = score(&one, "sunos1");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.err.contains("compared by"), "{}", ran.err);
    // By Linux's table they are another system's, of which every name is known.
    let ran = score(&one, "i386");
    assert_eq!(ran.code, 0, "{ran:?}");
    let said = "the profile learned calls of sunos and these are of i386: compared by their names, of which \
                it knows those of 100 %";
    assert!(ran.err.contains(said), "{}", ran.err);
    // By a table that cannot be, nothing is said of the trace.
    let ran = score(&zero, "i386");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("(sunos0 or sunos1 fits)"), "{}", ran.err);
    // Another system's own calls are not judged.
    let foreign: String = (0..50)
        .map(|process| {
            format!("{process} 90\n{process} 125\n{process} 3\n{process} 45\n{process} 1\n")
        })
        .collect();
    let ran = score(&place.write("linux.int", foreign), "i386");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err
            .contains("it knows the names of only 40 % of 250 calls"),
        "{}",
        ran.err
    );
    for command in ["explain", "score"] {
        let args = [
            command,
            &profile,
            &place.path("linux.int"),
            "--numbering",
            "i386",
        ];
        assert_eq!(run(&args).code, 1);
    }
}
