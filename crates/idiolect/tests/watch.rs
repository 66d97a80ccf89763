//! From a recording to a profile to verdicts on running programs.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Workplace, run, succeed};
use serde_json::Value;

/// What the guarded program does: the shell is its main program, and starts two others.
const USUAL: &str = "cat /etc/hostname; uname; cat /etc/hostname";

/// A profile of it, by a few recordings.
fn profile(place: &Workplace) -> String {
    for number in 0..25 {
        let out = place.path(&format!("normal/{number}.jsonl"));
        succeed(&[
            "record",
            "-o",
            &out,
            "--backend",
            "ptrace",
            "--",
            "sh",
            "-c",
            USUAL,
        ]);
    }
    let profile = place.path("shell.idio");
    let normal = place.path("normal");
    succeed(&[
        "train", &normal, "-o", &profile, "--model", "ngram", "--signal", "window",
    ]);
    profile
}

fn watch(profile: &str, script: &str, more: &[&str]) -> (Vec<Value>, common::Ran) {
    let mut args = vec!["watch", profile, "--json", "--backend", "ptrace"];
    args.extend(more);
    args.extend(["--", "sh", "-c", script]);
    let ran = run(&args);
    let findings = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (findings.collect(), ran)
}

#[test]
fn a_misused_program_is_told_of_while_it_runs() {
    let place = Workplace::new(0);
    let profile = profile(&place);

    let (findings, ran) = watch(&profile, USUAL, &["--fail-on-anomaly"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let [end] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (&end["finding"], &end["incidents"]),
        (&"end".into(), &0.into())
    );
    // The shell, and three programs from their fork on.
    assert_eq!(end["streams"], 7);
    assert_eq!(
        (&end["calls"], &end["lost"]["total"]),
        (&end["calls_scored"], &0.into())
    );

    // A program that it never executed, which starts one that it does.
    let script = format!("{USUAL}; env uname; env uname; exit 4");
    let (findings, ran) = watch(&profile, &script, &[]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let [opened, closed, end] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (&opened["finding"], &opened["kind"]),
        (&"opened".into(), &"new_program".into())
    );
    let env = opened["program"].as_str().unwrap();
    assert!(env.ends_with("/env"), "{env}");
    assert!(opened["by"]["program"].as_str().unwrap().ends_with("sh"));
    assert_eq!(
        (&closed["finding"], &closed["incident"]),
        (&"closed".into(), &1.into())
    );
    assert!(closed["signs"].as_u64().unwrap() >= 2, "{closed}");
    assert_eq!(closed["programs"], serde_json::json!([env]));
    assert_eq!(closed["streams"], 4, "env, and uname below it, twice");
    assert_eq!(end["incidents"], 1);

    // Programs that it does execute, in ways in which it never does.
    let odd = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); : </etc/hostname; done";
    let script = format!("{USUAL}; {odd}");
    let (findings, ran) = watch(&profile, &script, &["--fail-on-anomaly"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let opened = &findings[0];
    assert_eq!(
        (&opened["finding"], &opened["kind"]),
        (&"opened".into(), &"calls".into())
    );
    assert!(opened["program"].as_str().unwrap().ends_with("sh"));
    assert!(opened["score"].as_f64() > opened["threshold"].as_f64());
    let surprising = &opened["surprising"][0];
    assert!(
        surprising["call"].is_string() && surprising["expected"].is_array(),
        "{opened}"
    );
    assert_eq!(findings.last().unwrap()["incidents"], 1);
    // Once, however much of it there is.
    let closed = findings.iter().find(|f| f["finding"] == "closed").unwrap();
    assert!(closed["signs"].as_u64().unwrap() > 3, "{closed}");

    let text = run(&[
        "watch",
        &profile,
        "--backend",
        "ptrace",
        "--",
        "sh",
        "-c",
        "env true",
    ]);
    let line = text.out.lines().next().unwrap();
    assert!(line.contains("incident 1  NEW PROGRAM"), "{text:?}");
    assert!(line.ends_with("training never executed it"), "{text:?}");
    assert!(text.err.contains("; lost none; scored "), "{text:?}");
    assert!(text.err.contains("; 1 incident\n"), "{text:?}");
}

#[test]
fn what_cannot_be_watched_is_said() {
    let place = Workplace::new(60);
    let profile = place.train("strace.idio", &[]);
    common::fail(&["watch", "no-such.idio", "--", "true"], "no-such.idio");
    common::fail(
        &["watch", &profile, "--pid", "8388608"],
        "there is no process",
    );
    let ran = run(&[
        "watch",
        &profile,
        "--false-alarm-rate",
        "0.0001%",
        "--",
        "true",
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    // A whole stream's signal is judged all the same, at its end.
    let ran = run(&[
        "watch",
        &profile,
        "--backend",
        "ptrace",
        "--signal",
        "mean",
        "--",
        "true",
    ]);
    assert!(ran.err.contains("each is judged when it ends"), "{ran:?}");
    assert!(ran.out.contains("incident 1"), "{ran:?}");
}
