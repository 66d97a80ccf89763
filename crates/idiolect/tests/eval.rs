//! `idiolect eval` on one's own two folders.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it compares"
)]

mod common;

use std::fs;

use common::{Workplace, fail, normal_calls, odd_calls, run, strace_text, succeed};

/// A folder with so many normal logs and attacks of two families.
fn workplace(normal: u64) -> Workplace {
    let workplace = Workplace::new(normal);
    fs::create_dir_all(workplace.at("attack/odd")).unwrap();
    fs::create_dir_all(workplace.at("attack/strange")).unwrap();
    for seed in 0..8 {
        workplace.write(
            &format!("attack/odd/{seed}.strace"),
            strace_text(&odd_calls(seed)),
        );
        let mut reversed = normal_calls(seed);
        reversed.reverse();
        workplace.write(
            &format!("attack/strange/{seed}.strace"),
            strace_text(&reversed),
        );
    }
    workplace
}

#[test]
fn two_folders_in_one_command() {
    let workplace = workplace(150);
    let data = format!("mine={}", workplace.folder.path().display());
    let (results, results_path) = (workplace.at("results"), workplace.path("results"));
    let detectors = ["--detectors", "lstm,novelty,sum:lstm+novelty"];
    let mut args = vec![
        "eval",
        "--data",
        &data,
        "--seeds",
        "1",
        "--folds",
        "2",
        "-o",
        &results_path,
    ];
    args.extend(detectors);
    let ran = succeed(&args);
    assert!(ran.out.contains("150 normal and 16 attacks"), "{}", ran.out);
    let row = ran
        .out
        .lines()
        .find(|line| line.starts_with("sum:lstm+novelty"))
        .unwrap();
    let auc: f64 = row.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(auc > 0.9, "{row}");
    for file in ["results.json", "results.csv", "table.md"] {
        assert!(
            fs::metadata(results.join(file)).unwrap().len() > 200,
            "{file}"
        );
    }
    let csv = fs::read_to_string(results.join("results.csv")).unwrap();
    assert!(csv.contains("mine,lstm,attack strange,auc,"), "{csv}");
    // Nothing is done again, so that times are the same too.
    assert_eq!(succeed(&args).out, ran.out);
}

#[test]
fn a_set_is_tested_by_what_another_taught() {
    let workplace = workplace(60);
    let data = format!("mine={}", workplace.folder.path().display());
    let learn = [
        "--learn-from",
        "synthetic=2",
        "--detectors",
        "stide,novelty",
    ];
    let mut args = vec!["eval", "--data", &data, "--seeds", "1", "--json"];
    args.extend(learn);
    let results: serde_json::Value = serde_json::from_str(&succeed(&args).out).unwrap();
    let set = &results["sets"][0];
    assert_eq!(set["name"], "mine from synthetic/2");
    // What the other program never does is odd all through, so nothing is told apart by it.
    assert_eq!(set["tested"], serde_json::json!([60, 16]));
    let note = set["notes"].to_string();
    assert!(note.contains("of the calls that are tested"), "{note}");
    let args = ["eval", "--data", &data, "--learn-from", "unm=/nowhere"];
    fail(&args, "/nowhere");
}

#[test]
fn the_made_up_set_as_json() {
    let args = [
        "eval",
        "--data",
        "synthetic=3",
        "--detectors",
        "novelty/kth,bag-1",
        "--seeds",
        "1",
        "--json",
    ];
    let json: serde_json::Value = serde_json::from_str(&succeed(&args).out).unwrap();
    let row = &json["sets"][0]["rows"][1];
    assert_eq!(row["detector"], "bag-1");
    assert_eq!(row["variants"][0]["variant"], "all");
    assert!(
        row["variants"][0]["estimates"][0]["between"]["low"]
            .as_f64()
            .unwrap()
            > 0.3
    );
    assert!(
        row["families"]
            .as_array()
            .unwrap()
            .iter()
            .any(|family| family["name"] == "long-range")
    );
}

#[test]
fn what_is_wrong_is_said() {
    let workplace = workplace(1);
    let folder = workplace.folder.path().display().to_string();
    fail(&["eval"], "no data set");
    fail(&["eval", &folder], "a data set has a name");
    fail(&["eval", "--data", &folder], "NAME=PATH");
    fail(&["eval", "--data", "synthetic=x"], "it is a seed");
    fail(
        &["eval", "--data", "synthetic", "--detectors", "nosuch"],
        "isolation-forest",
    );
    fail(
        &["eval", "--suite", "paper", "--data", "synthetic"],
        "adfa-ld=",
    );
    fail(&["eval", "--suite", "seed"], "wants the data set alone");
    fail(
        &["eval", "--data", &format!("mine={folder}/normal")],
        "attack/ (folders below",
    );
    fail(
        &["eval", "--data", "synthetic", "--data", "synthetic"],
        "two data sets",
    );
    fail(
        &["eval", "--data", "synthetic", "--part", "attack"],
        "parts have their roles",
    );
    // Too little to learn from is a row without figures, not an end.
    let data = format!("mine={folder}");
    let few = run(&[
        "eval",
        "--data",
        &data,
        "--detectors",
        "novelty,lstm",
        "--seeds",
        "1",
    ]);
    assert_eq!(few.code, 0, "{few:?}");
    assert!(few.out.contains("lstm: not everywhere: "), "{}", few.out);
}
