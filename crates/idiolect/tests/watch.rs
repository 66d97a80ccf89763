//! From a recording to a profile to verdicts on running programs.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Dice, Ran, Workplace, run, succeed};
use serde_json::Value;

/// What the guarded program does, each time a little otherwise: the shell is its main program, and starts two others.
fn usual(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut script = String::new();
    let mut steps = |script: &mut String| {
        for _ in 0..5 + dice.roll(12) {
            let steps = [
                ": </etc/hostname; ",
                "cd /; ",
                "kill -0 $$; ",
                "umask 022; ",
            ];
            script.push_str(steps[dice.roll(4) as usize]);
        }
        1 + dice.roll(5) as usize
    };
    let shown = steps(&mut script);
    script += &format!("cat {}; uname; ", "/etc/hostname ".repeat(shown));
    steps(&mut script);
    script.trim_end_matches("; ").to_owned()
}

/// Runs the binary, and what it starts, without cargo's long search path for libraries.
fn idiolect(args: &[&str]) -> Ran {
    let mut command = common::idiolect_process();
    let output = command
        .args(args)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

/// A profile of it, by a few recordings.
fn profile(place: &Workplace) -> String {
    for number in 0..60 {
        let script = usual(number);
        let out = place.path(&format!("normal/{number}.jsonl"));
        let ran = idiolect(&[
            "record",
            "-o",
            &out,
            "--backend",
            "ptrace",
            "--",
            "sh",
            "-c",
            &script,
        ]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let profile = place.path("shell.idio");
    let normal = place.path("normal");
    succeed(&["train", &normal, "-o", &profile, "--signal", "window"]);
    profile
}

fn watch(profile: &str, script: &str, more: &[&str]) -> (Vec<Value>, Ran) {
    let mut args = vec!["watch", profile, "--json", "--backend", "ptrace"];
    args.extend(more);
    args.extend(["--", "sh", "-c", script]);
    let ran = idiolect(&args);
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
    // Some of what is normal is odd enough to be told of, and chance decides in which order signals come.
    let mut quiet = 0;
    for seed in 1_000..1_005 {
        let (findings, ran) = watch(&profile, &usual(seed), &["--fail-on-anomaly"]);
        let end = findings.last().unwrap();
        assert_eq!(end["finding"], "end");
        // The shell, and two programs from their fork on.
        assert_eq!(end["streams"], 5);
        assert_eq!(
            (&end["calls"], &end["lost"]["total"]),
            (&end["calls_scored"], &0.into())
        );
        assert!(findings.iter().all(|f| f["kind"] != "new_program"));
        let is_quiet = end["incidents"] == 0;
        assert_eq!(ran.code, if is_quiet { 0 } else { 3 }, "{ran:?}");
        assert_eq!(findings.len() == 1, is_quiet, "{findings:?}");
        quiet += u32::from(is_quiet);
    }
    assert!(quiet >= 3, "{quiet} of 5");

    // A program that it never executed, which starts one that it does.
    let usual = usual(1_000);
    let script = format!("{usual}; env uname; env uname; exit 4");
    let (findings, ran) = watch(&profile, &script, &[]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let opened: Vec<_> = findings
        .iter()
        .filter(|f| f["kind"] == "new_program")
        .collect();
    let [opened] = opened[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(opened["finding"], "opened");
    let env = opened["program"].as_str().unwrap();
    assert!(env.ends_with("/env"), "{env}");
    assert!(opened["by"]["program"].as_str().unwrap().ends_with("sh"));
    let number = &opened["incident"];
    let closed = findings
        .iter()
        .find(|f| f["finding"] == "closed" && f["incident"] == *number)
        .unwrap();
    assert!(closed["signs"].as_u64().unwrap() >= 2, "{closed}");
    assert_eq!(closed["programs"], serde_json::json!([env]));
    assert_eq!(closed["streams"], 4, "env, and uname as it, twice");

    // Programs that it does execute, in ways in which it never does.
    let odd = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); times >/dev/null; done";
    let (findings, ran) = watch(&profile, odd, &["--fail-on-anomaly"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let opened = findings
        .iter()
        .find(|f| f["kind"] == "calls" && f["surprising"][0]["call"] == "times")
        .unwrap();
    assert!(opened["program"].as_str().unwrap().ends_with("sh"));
    assert!(opened["score"].as_f64() > opened["threshold"].as_f64());
    assert_eq!(opened["surprising"][0]["unknown"], true);
    assert!(opened["surprising"][0]["expected"].is_array());
    // Once, however much of it there is.
    let closed = findings
        .iter()
        .find(|f| f["finding"] == "closed" && f["incident"] == opened["incident"])
        .unwrap();
    assert!(closed["signs"].as_u64().unwrap() > 3, "{closed}");

    let text = idiolect(&[
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
    assert!(text.err.contains(" incident"), "{text:?}");
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
