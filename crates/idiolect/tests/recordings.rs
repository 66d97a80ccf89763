//! Parquet files and recordings, from end to end.

#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;

use common::{Workplace, fail, odd_calls, run, strace_text, succeed};
use idiolect_record::{Recording, RecordingInfo, RecordingOptions};
use idiolect_trace::Record;

/// The records of a trace as JSON lines, each without where it was read.
fn records(path: &str) -> Vec<String> {
    let out = succeed(&["convert", path, "-o", "-"]).out;
    let origin = |line: &str| line.replace(&format!("\"origin\":\"{path}\""), "");
    out.lines().map(origin).collect()
}

/// A recording of the records in a file of JSON lines, left open.
fn begin(folder: &Path, jsonl: &str) -> Recording {
    let mut recording = Recording::create(
        folder,
        RecordingInfo::default(),
        RecordingOptions::default(),
    )
    .unwrap();
    for line in fs::read_to_string(jsonl).unwrap().lines() {
        let mut record: Record = serde_json::from_str(line).unwrap();
        let streams = match &mut record {
            Record::Call(call) => vec![&mut call.stream],
            Record::Lifecycle(life) => life.parent.iter_mut().chain([&mut life.stream]).collect(),
            _ => Vec::new(),
        };
        streams
            .into_iter()
            .for_each(|stream| stream.origin = "".into());
        recording.push(&record).unwrap();
    }
    recording
}

#[test]
fn parquet_holds_all_that_json_holds() {
    let place = Workplace::new(40);
    let profile = place.train("app.idio", &[]);
    let odd = place.write("odd.strace", strace_text(&odd_calls(7)));
    let parquet = place.path("odd.parquet");
    let ran = succeed(&["convert", &odd, "-o", &parquet]);
    assert!(
        ran.err.contains("wrote ") && ran.err.contains("odd.parquet"),
        "{}",
        ran.err
    );
    let json = |path: &str| succeed(&["convert", path, "-o", "-"]).out;
    // Its rows name the file that the records came from.
    assert_eq!(json(&parquet), json(&odd));
    let scores = |path: &str| succeed(&["score", &profile, "--json", path]).out;
    assert_eq!(scores(&parquet), scores(&odd));
    // By its name too, and not as something else.
    assert_eq!(
        scores(&parquet),
        succeed(&["score", &profile, "--json", &parquet, "--format", "parquet"]).out
    );
    fail(
        &["convert", &odd, "-o", "-", "--to", "parquet"],
        "name a file",
    );
    fail(
        &["convert", &odd, "-o", "-", "--format", "parquet"],
        "no whole Parquet file",
    );
    let piped = common::idiolect()
        .args(["convert", "-", "-o", "-"])
        .write_stdin(fs::read(&parquet).unwrap())
        .output()
        .unwrap();
    assert_eq!(piped.status.code(), Some(1));
    let text = String::from_utf8(piped.stderr).unwrap();
    assert!(text.contains("a Parquet file"), "{text}");
    let bytes = fs::read(&parquet).unwrap();
    let cut = place.path("cut.parquet");
    fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    fail(&["score", &profile, &cut], "its end is missing");
}

#[test]
fn a_recording_that_was_cut_off() {
    let place = Workplace::new(2);
    let odd = place.write("odd.strace", strace_text(&odd_calls(7)));
    let jsonl = place.path("odd.jsonl");
    succeed(&["convert", &odd, "-o", &jsonl]);
    let folder = place.path("runs/odd.rec");
    drop(begin(Path::new(&folder), &jsonl));
    // It reads as it is, by itself and in a folder of several.
    assert_eq!(records(&folder), records(&odd));
    let all = succeed(&["convert", &place.path("runs"), "-o", "-"]);
    assert!(all.err.contains("from 1 file "), "{}", all.err);
    let ran = succeed(&["repair", &folder, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let count = records(&odd).len();
    assert_eq!(report["records_rescued"], count);
    assert_eq!(
        (&report["cut_bytes"], &report["was_whole"]),
        (&0.into(), &false.into())
    );
    assert_eq!(records(&folder), records(&odd));
    let again = succeed(&["repair", &folder]);
    assert!(
        again.err.starts_with("the recording is whole: "),
        "{}",
        again.err
    );
    fail(&["repair", &place.path("runs")], "recording.json");
}

#[test]
fn a_recording_whose_journal_is_cut() {
    let place = Workplace::new(2);
    let odd = place.write("odd.strace", strace_text(&odd_calls(7)));
    let jsonl = place.path("odd.jsonl");
    succeed(&["convert", &odd, "-o", &jsonl]);
    let folder = place.path("odd.rec");
    drop(begin(Path::new(&folder), &jsonl));
    let journal = Path::new(&folder).join("journal-00001.bin");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.extend(b"\xf1JF\nand then the power failed");
    fs::write(&journal, bytes).unwrap();
    let read = run(&["convert", &folder, "-o", "-"]);
    assert!(read.err.contains("cut off by the end"), "{}", read.err);
    let repaired = succeed(&["repair", &folder]);
    assert!(
        repaired.err.contains("the last 29 bytes of the journal"),
        "{}",
        repaired.err
    );
    assert_eq!(records(&folder), records(&odd));
}

#[test]
fn text_like_that_of_strace() {
    let place = Workplace::new(2);
    let odd = place.write("odd.strace", strace_text(&odd_calls(7)));
    let text = place.path("again.strace");
    succeed(&["convert", &odd, "-o", &text]);
    // A thread without a number gets one.
    let calls = |path: &str| -> Vec<String> {
        records(path)
            .into_iter()
            .filter(|line| line.contains("\"call\""))
            .map(|line| line.replace(",\"tgid\":1", "").replace(",\"tid\":1", ""))
            .collect()
    };
    assert_eq!(calls(&text), calls(&odd));
}

#[test]
fn numbers_of_an_abi() {
    let place = Workplace::new(1);
    let odd = place.write("odd.strace", strace_text(&["read", "openat", "exit_group"]));
    let numbers = place.path("numbers");
    succeed(&[
        "convert", &odd, "-o", &numbers, "--to", "numbers", "--to-abi", "aarch64",
    ]);
    let texts: Vec<String> = fs::read_dir(&numbers)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert!(
        texts.iter().any(|text| text.ends_with("63\n56\n94\n")),
        "{texts:?}"
    );
    fail(
        &["convert", &odd, "-o", &numbers, "--to-abi", "arm"],
        "--to numbers",
    );
}
