//! Logs of other tools, from the command line: the list of formats, one audit log judged by another, tables
//! by a map, and logs that hold only some calls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;

use common::{Ran, Workplace, fail, normal_calls, odd_calls, strace_text, succeed};
use idiolect_trace::read::Format;
use idiolect_trace::{Abi, CallName, table};
use serde_json::Value;

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The audit log of these runs, one process after another.
fn audit_text(runs: &[Vec<&'static str>]) -> String {
    let mut text = String::new();
    let mut serial = 100;
    let mut write = |pid: usize, call: &str, more: &str| {
        serial += 1;
        let name = CallName::from_owned(call.to_owned());
        let number = table::number(Abi::X86_64, &name).unwrap();
        let ending = match call {
            "exit_group" => "",
            _ => "success=yes exit=0 ",
        };
        let _ = writeln!(
            text,
            "type=SYSCALL msg=audit(17000{:05}.{:03}:{serial}): arch=c000003e syscall={number} {ending}a0=0 \
             ppid=1 pid={pid} uid=33 comm=\"made-up\" exe=\"/usr/bin/made-up\" key=\"all\"{}",
            serial / 1_000,
            serial % 1_000,
            more.replace(
                "STAMP",
                &format!("17000{:05}.{:03}:{serial}", serial / 1_000, serial % 1_000)
            ),
        );
    };
    for (place, calls) in runs.iter().enumerate() {
        let pid = 1_000 + place;
        write(
            pid,
            "execve",
            "\ntype=PATH msg=audit(STAMP): item=0 name=\"/usr/bin/made-up\" inode=1 nametype=NORMAL",
        );
        for call in calls {
            write(pid, call, "");
        }
    }
    text
}

/// Trains a counted model, which is quick.
fn train(place: &Workplace, log: &str, name: &str) -> String {
    let profile = place.path(name);
    succeed(&[
        "train",
        log,
        "-o",
        &profile,
        "--model",
        "ngram",
        "--false-alarm-rate",
        "10%",
    ]);
    profile
}

fn normal(seeds: std::ops::Range<u64>) -> Vec<Vec<&'static str>> {
    seeds.map(normal_calls).collect()
}

fn only_some(runs: &[Vec<&'static str>]) -> Vec<Vec<&'static str>> {
    let chosen =
        |call: &&'static str| matches!(*call, "openat" | "connect" | "exit_group" | "dup2");
    let of = |calls: &Vec<&'static str>| calls.iter().copied().filter(chosen).collect();
    runs.iter().map(of).collect()
}

#[test]
fn every_format_is_listed() {
    let listed = succeed(&["formats"]);
    let lines = json_lines(&succeed(&["formats", "--json"]).out);
    assert_eq!(lines.len(), Format::ALL.len());
    for (format, line) in Format::ALL.into_iter().zip(&lines) {
        assert_eq!(line["format"], format.as_str());
        assert!(
            line["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        assert!(
            listed.out.contains(&format!("\n{:<9} ", format.as_str())),
            "{format}"
        );
        for column in [
            "time",
            "process",
            "thread",
            "abi",
            "outcome",
            "lifecycles",
            "loss",
        ] {
            assert!(["yes", "some", "no"].contains(&line[column].as_str().unwrap()));
        }
    }
    let of = |name: &str| lines.iter().find(|line| line["format"] == name).unwrap();
    assert_eq!(
        (
            of("auditd")["thread"].as_str(),
            of("falco")["calls"].as_str()
        ),
        (Some("no"), Some("some"))
    );
}

#[test]
fn what_is_odd_in_an_audit_log() {
    let place = Workplace::new(0);
    let monday = place.write("monday.log", audit_text(&normal(0..200)));
    let profile = train(&place, &monday, "made-up.idio");

    let mut runs = normal(1_000..1_030);
    runs.push(odd_calls(5_000));
    let tuesday = place.write("tuesday.log", audit_text(&runs));
    let scored = succeed(&["score", &profile, &tuesday, "--json"]);
    assert!(!scored.err.contains("warning"), "{}", scored.err);
    let lines = json_lines(&scored.out);
    // The odd run executes something in its middle, and is two streams.
    assert_eq!(lines.len(), 32);
    assert!(
        lines
            .iter()
            .all(|line| line["program"] == "/usr/bin/made-up" && line["start"] == "exec")
    );
    let odd: Vec<&Value> = lines
        .iter()
        .filter(|line| line["verdict"] == "anomalous")
        .collect();
    assert!(
        odd.iter()
            .any(|line| line["stream"] == format!("{tuesday}[1030]")),
        "{odd:?}"
    );
    assert!(odd.len() <= 8, "{} of 32 streams", odd.len());
    let explained = succeed(&["explain", &profile, &tuesday, "--streams-shown", "1"]);
    assert!(
        explained.out.contains("setuid  never seen in training"),
        "{}",
        explained.out
    );

    // The same program's recording by another tool.
    let strace = place.write("odd.strace", strace_text(&odd_calls(5_001)));
    let lines = json_lines(&succeed(&["score", &profile, &strace, "--json"]).out);
    assert_eq!(
        (
            lines[0]["verdict"].as_str(),
            lines[0]["new_program"].as_bool()
        ),
        (Some("anomalous"), Some(false))
    );
    let strace = place.write("usual.strace", strace_text(&normal_calls(3)));
    let lines = json_lines(&succeed(&["score", &profile, &strace, "--json"]).out);
    assert_eq!(lines[0]["verdict"], "normal");
}

#[test]
fn some_calls_are_not_judged_by_all_in_silence() {
    let place = Workplace::new(0);
    let warned = |ran: &Ran| ran.err.contains("warning: ");
    let all = place.write("all.log", audit_text(&normal(0..100)));
    let some = place.write("some.log", audit_text(&only_some(&normal(0..100))));
    let of_all = train(&place, &all, "all.idio");
    let of_some = train(&place, &some, "some.idio");
    let scored = succeed(&["score", &of_all, &some]);
    assert!(
        scored.err.contains("some.log holds only some calls"),
        "{}",
        scored.err
    );
    assert!(warned(&succeed(&["explain", &of_all, &some])));
    assert!(!warned(&succeed(&["score", &of_all, &all])));
    assert!(!warned(&succeed(&["score", &of_some, &some])));
    assert!(warned(&succeed(&["score", &of_some, &all])));
    let inspected = succeed(&["inspect", &of_some]);
    assert!(
        inspected.out.contains("only calls that were chosen"),
        "{}",
        inspected.out
    );
    // A filter of strace is seen too.
    let strace: String = strace_text(&only_some(&normal(7..8))[0]);
    let strace = place.write("filtered.strace", strace);
    assert!(warned(&succeed(&["score", &of_all, &strace])));
}

#[test]
fn tables_by_a_map_wherever_traces_are_read() {
    let place = Workplace::new(0);
    let mut table = String::from("when,proc,what\n");
    for (place, calls) in normal(0..100).iter().enumerate() {
        for (call, number) in calls.iter().zip(0..) {
            let _ = writeln!(table, "{}.{number:03},{},{call}", 100 + place, 500 + place);
        }
    }
    let table = place.write("calls.csv", table);
    let map = "name=what,pid=proc,time=when,unit=s";
    let profile = place.path("csv.idio");
    let model = ["--model", "ngram", "--false-alarm-rate", "10%"];
    succeed(&[&["train", &table, "-o", &profile, "--map", map][..], &model].concat());
    let lines = json_lines(&succeed(&["score", &profile, &table, "--map", map, "--json"]).out);
    assert_eq!(lines.len(), 100);
    let converted = succeed(&["convert", &table, "--map", map, "-o", "-"]);
    let first = &json_lines(&converted.out)[0];
    assert_eq!(
        (first["name"].as_str(), first["time_ns"].as_u64()),
        (Some("brk"), Some(100_000_000_000))
    );
    assert_eq!(first["stream"]["tgid"], 500);

    fail(&["score", &profile, &table], "--map");
    fail(
        &["score", &profile, &table, "--map", "name=nowhere"],
        "no column \"nowhere\"",
    );
    for (map, message) in [
        ("pid=proc", "neither name nor number"),
        ("name=what,unit=h", "s, ms, us or ns"),
    ] {
        let ran = common::run(&["score", &profile, &table, "--map", map]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(message), "{}", ran.err);
    }
}

#[test]
fn letters_by_an_alphabet() {
    let place = Workplace::new(0);
    let alphabet = place.write("alphabet", "r read\nw write\nc SYS_close\n");
    let text = place.write("run.txt", "rrwc\n");
    let converted = succeed(&["convert", &text, "--alphabet", &alphabet, "-o", "-"]);
    let names: Vec<_> = json_lines(&converted.out)
        .iter()
        .map(|line| line["name"].to_string())
        .collect();
    assert_eq!(names, ["\"read\"", "\"read\"", "\"write\"", "\"close\""]);
    let bad = place.write("bad", "rr read\n");
    let ran = common::run(&["convert", &text, "--alphabet", &bad, "-o", "-"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("line 1: it is not a character"),
        "{}",
        ran.err
    );
}
