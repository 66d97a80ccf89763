//! The main job on a made-up program: learn, score, explain, inspect.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::fs;

use common::{Workplace, normal_calls, odd_calls, run, strace_text, succeed};
use idiolect_trace::Record;
use idiolect_trace::read::{ReadOptions, Sink, read_path, write_jsonl};

fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect()
}

#[test]
fn it_learns_scores_and_explains() {
    let place = Workplace::new(300);
    let profile = place.train("app.idio", &[]);
    fs::create_dir(place.at("later")).unwrap();
    for seed in 1_000..1_100 {
        place.write(
            &format!("later/{seed}.strace"),
            strace_text(&normal_calls(seed)),
        );
    }
    let odd = place.write("odd.strace", strace_text(&odd_calls(5_000)));

    let later = succeed(&["score", &profile, &place.path("later"), "--json"]);
    let lines = json_lines(&later.out);
    assert_eq!(lines.len(), 100);
    let anomalous = lines.iter().filter(|l| l["verdict"] == "anomalous").count();
    assert!(anomalous <= 6, "{anomalous} of 100 normal runs at 1.6 %");
    assert!(
        lines
            .iter()
            .all(|l| l["start"] == "exec" && l["program"] == "/usr/bin/made-up")
    );
    assert!(
        lines
            .iter()
            .all(|l| l["score"].is_f64() && l["new_program"] == false)
    );

    let ran = run(&["score", &profile, &odd, "--fail-on-anomaly"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.out.contains("ANOMALOUS") && ran.out.contains("odd.strace"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("1 of 1 stream anomalous"), "{}", ran.err);

    let explained = succeed(&["explain", &profile, &odd, "--calls", "3", "--json"]);
    let lines = json_lines(&explained.out);
    let surprising = lines[0]["surprising"].as_array().unwrap();
    assert_eq!(surprising.len(), 3);
    let calls: Vec<_> = surprising
        .iter()
        .map(|s| s["call"].as_str().unwrap())
        .collect();
    let odd_ones = ["dup2", "setuid", "execveat", "ptrace"];
    assert!(
        calls.iter().all(|call| odd_ones.contains(call)),
        "{calls:?}"
    );
    assert!(
        surprising
            .iter()
            .all(|s| s["unknown"] == true && s["time_ns"].is_u64())
    );

    let inspected = succeed(&["inspect", &profile, "--json"]);
    let seen: serde_json::Value = serde_json::from_str(&inspected.out).unwrap();
    assert_eq!(seen["programs"], serde_json::json!(["/usr/bin/made-up"]));
    assert_eq!(seen["provenance"]["streams"], 300);
}

#[test]
fn strace_text_and_our_own_records_score_the_same() {
    struct Writer(Vec<u8>);
    impl Sink for Writer {
        fn record(&mut self, record: Record) -> std::ops::ControlFlow<()> {
            write_jsonl(&record, &mut self.0).expect("memory is writable");
            std::ops::ControlFlow::Continue(())
        }
    }

    let place = Workplace::new(150);
    let profile = place.train("app.idio", &[]);
    let text = place.write("run.strace", strace_text(&odd_calls(77)));
    let mut writer = Writer(Vec::new());
    read_path(text.as_ref(), &ReadOptions::default(), &mut writer).unwrap();
    let records = place.write("run.jsonl", writer.0);

    let score = |path: &str| {
        let lines = json_lines(&succeed(&["score", &profile, path, "--json"]).out);
        assert_eq!(lines.len(), 1);
        let signals = lines[0]["signals"].clone();
        (lines[0]["calls"].clone(), signals)
    };
    let (from_text, from_records) = (score(&text), score(&records));
    assert_eq!(from_text.0, from_records.0);
    for signal in ["mean", "quantile", "window", "cusum", "combined"] {
        let (a, b) = (&from_text.1[signal], &from_records.1[signal]);
        let difference = a.as_f64().unwrap() - b.as_f64().unwrap();
        assert!(difference.abs() < 1e-6, "{signal}: {a} {b}");
    }
}

/// Without options it is the language model and the signal that RESULTS.md gives the evidence for.
#[test]
fn the_default_model() {
    let place = Workplace::new(120);
    let (normal, profile) = (place.path("normal"), place.path("app.idio"));
    let trained = succeed(&["train", &normal, "-o", &profile]);
    assert!(
        trained.out.contains("threshold: distinct"),
        "{}",
        trained.out
    );
    let inspected = succeed(&["inspect", &profile]).out;
    assert!(inspected.contains("n-gram model of order 8"), "{inspected}");
    let odd = place.write("odd.strace", strace_text(&odd_calls(1)));
    let explained = succeed(&["explain", &profile, &odd]).out;
    assert!(explained.contains("ANOMALOUS: distinct"), "{explained}");
    assert!(explained.contains("order of calls: unusual"), "{explained}");
    assert!(explained.contains("mix of calls:   new"), "{explained}");
    let scored = succeed(&["score", &profile, &odd, "--json"]).out;
    for signal in ["novelty", "lacking", "sum", "distinct"] {
        assert!(scored.contains(&format!("\"{signal}\":")), "{scored}");
    }
}

#[test]
fn one_seed_gives_one_file_whatever_the_threads() {
    let place = Workplace::new(120);
    let bytes = |name: &str, threads: &str, seed: &str| {
        let profile = place.train(name, &["--threads", threads, "--seed", seed]);
        fs::read(profile).unwrap()
    };
    let first = bytes("a.idio", "1", "3");
    assert!(
        first == bytes("b.idio", "2", "3"),
        "another number of threads"
    );
    assert!(first != bytes("c.idio", "2", "4"), "another seed");
}

/// A trace of one's own in a name that a terminal would obey.
#[test]
fn what_a_trace_says_is_escaped() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let text = strace_text(&odd_calls(1)).replace("/usr/bin/made-up", "/tmp/\\33[31mred\\nline");
    let odd = place.write("\u{1b}[2Jodd\n.strace", text);
    for command in ["score", "explain"] {
        let ran = succeed(&[command, &profile, &odd]);
        for printed in [&ran.out, &ran.err] {
            let controls = printed.chars().filter(|c| c.is_control() && *c != '\n');
            assert_eq!(controls.count(), 0, "{printed:?}");
        }
        assert!(ran.out.contains("\\u{1b}[2Jodd\\n.strace"), "{}", ran.out);
        assert!(ran.out.contains("\\u{1b}[31mred\\nline"), "{}", ran.out);
    }
}

#[test]
fn a_program_that_training_never_executed_is_a_finding() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let text = strace_text(&normal_calls(3)).replace("/usr/bin/made-up", "/tmp/other");
    let other = place.write("other.strace", text);
    let ran = run(&["score", &profile, &other, "--fail-on-anomaly"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("NEW PROGRAM"), "{}", ran.out);
    assert!(
        ran.err
            .contains("1 by a program that training never executed"),
        "{}",
        ran.err
    );
}

#[test]
fn traces_come_from_standard_input_too() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let output = common::idiolect()
        .args(["score", &profile, "-"])
        .write_stdin(strace_text(&normal_calls(9)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("normal"));
}

/// ADFA-LD as distributed, end to end, at the size that a test can afford.
#[test]
fn adfa_ld() {
    let Some(zip) = common::public_data("adfa-ld/ADFA-LD.zip") else {
        return;
    };
    let place = Workplace::new(0);
    let profile = place.path("adfa.idio");
    let zip = zip.to_str().unwrap();
    let trained = succeed(&["train", zip, "-o", &profile, "--epochs", "8", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&trained.out).unwrap();
    assert_eq!(summary["provenance"]["streams"], 833);
    assert_eq!(summary["provenance"]["distinct_streams"], 780);
    assert_eq!(summary["provenance"]["calls"], 308_077);
    assert!(
        trained
            .err
            .contains("not used: 4,372 traces of the validation part")
    );
    assert!(trained.err.contains("passed over") && trained.err.contains("__MACOSX"));

    let scored = succeed(&["score", &profile, zip, "--signal", "mean"]);
    assert_eq!(scored.out.lines().count(), 1 + 4_372 + 746);
    let auc = scored
        .err
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("mean")?
                .trim()
                .strip_prefix("AUC ")
        })
        .and_then(|rest| rest.split(';').next()?.parse::<f64>().ok())
        .expect("the labels allow an AUC");
    assert!(
        auc > 0.80,
        "{auc} after eight epochs: below 0.80 means a bug"
    );
    assert!(
        scored.err.contains("without copies: 2,420 normal"),
        "{}",
        scored.err
    );
}
