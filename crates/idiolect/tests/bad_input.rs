//! What bad input gets: a clear error, a way out, and no half result.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{Workplace, fail, normal_calls, run, strace_text, succeed};

#[test]
fn paths_and_files_that_cannot_be_read() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let train = |path: &str, message: &str| {
        fail(&["train", path, "-o", &place.path("new.idio")], message);
        fail(&["score", &profile, path], message);
        assert!(!place.at("new.idio").exists());
    };
    train(&place.path("nowhere"), "cannot open");
    train(&place.write("empty", ""), "the file is empty");
    train(
        &place.write("picture", b"\x89PNG\r\n\x1a\n and so on"),
        "looks like a PNG",
    );
    train(
        &place.write("prose", "It was a dark and stormy night.\nThe end.\n"),
        "cannot tell",
    );
    let folder = place.at("folder");
    fs::create_dir(&folder).unwrap();
    train(folder.to_str().unwrap(), "no trace in it");
    train(&profile, "profile");
    train(&place.write("summary", STRACE_C), "-c");
}

/// As `strace -c` writes it.
const STRACE_C: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000060          10         6           read
 40.00    0.000040          20         2         1 openat
------ ----------- ----------- --------- --------- ----------------
100.00    0.000100                     8         1 total
";

#[test]
fn a_number_beyond_the_table_is_counted_and_shown() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let numbers = place.write("numbers", "0 1 2 3 0 1 99999999999 2 3 467 3 0\n");
    let ran = run(&[
        "score", &profile, &numbers, "--abi", "x86_64", "--format", "plain",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("passed over 1 line") && ran.err.contains("99999999999"),
        "{}",
        ran.err
    );
}

#[test]
fn lines_that_do_not_parse() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let mut text = strace_text(&normal_calls(1));
    text.insert_str(0, "what is this\n");
    let some = place.write("some", &text);
    let ran = succeed(&["score", &profile, &some, "--format", "strace"]);
    assert!(ran.err.contains("line 1: what is this"), "{}", ran.err);

    let mostly = place.write("mostly", "read\n???\n!!!\n((\n)\n");
    fail(
        &["score", &profile, &mostly, "--format", "plain"],
        "are not in the form of plain",
    );
}

#[test]
fn a_truncated_archive_gives_no_result() {
    let place = Workplace::new(120);
    let packed = place.path("logs.tar.gz");
    let status = Command::new("tar")
        .args(["-C", &place.path(""), "-czf", &packed, "normal"])
        .status()
        .unwrap();
    assert!(status.success());
    let whole = fs::read(&packed).unwrap();
    succeed(&[
        "train",
        &packed,
        "-o",
        &place.path("whole.idio"),
        "--epochs",
        "1",
    ]);
    let cut = place.write("cut.tar.gz", &whole[..whole.len() / 2]);
    fail(&["train", &cut, "-o", &place.path("cut.idio")], "truncated");
    assert!(!place.at("cut.idio").exists());
    // To score, what came before the fault is good, and the fault is said.
    let ran = run(&["score", &place.path("whole.idio"), &cut]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("truncated"), "{}", ran.err);
    assert!(ran.out.lines().count() > 10, "{}", ran.out);
}

#[test]
fn too_little_data_says_how_to_go_on() {
    let place = Workplace::new(12);
    let normal = place.path("normal");
    fail(
        &["train", &normal, "-o", &place.path("new.idio")],
        "you have 12 streams (12 different)",
    );
    let place = Workplace::new(100);
    let normal = place.path("normal");
    let args = [
        "train",
        &normal,
        "-o",
        &place.path("new.idio"),
        "--false-alarm-rate",
        "0.1%",
    ];
    fail(
        &args,
        "cannot support a false alarm rate of 0.10 %; the lowest is",
    );
}

#[test]
fn a_profile_that_knows_none_of_the_calls() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let other = place.write("other", "futex nanosleep futex nanosleep futex\n");
    fail(&["score", &profile, &other], "knows none of the 5 calls");
    fail(&["explain", &profile, &other], "knows none of the 5 calls");
}

#[test]
fn damaged_profiles() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let bytes = fs::read(&profile).unwrap();
    let trace = place.write("run", strace_text(&normal_calls(1)));
    let cut = place.write("cut.idio", &bytes[..bytes.len() - 10]);
    for command in ["score", "explain"] {
        fail(&[command, &cut, &trace], "cut off");
        fail(&[command, &trace, &trace], "not a profile");
        fail(
            &[command, &place.path("none"), &trace],
            "cannot read the profile",
        );
    }
    fail(&["inspect", &cut], "cut off");
}

#[test]
fn a_full_disk_is_said_and_the_old_profile_stays_whole() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let trace = place.write("run", strace_text(&normal_calls(1)));
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = common::idiolect_process()
        .args(["score", &profile, &trace])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"));

    let before = fs::read(&profile).unwrap();
    // A limit on file sizes stands for the full disk: the save fails in the middle.
    let script = format!(
        "ulimit -f 8; trap '' XFSZ; exec {} train {} -o {profile} --epochs 1",
        common::binary().display(),
        place.path("normal"),
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot save the profile"), "{said}");
    assert!(fs::read(&profile).unwrap() == before);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let script = format!(
        "set -o pipefail; {} score {profile} {} {} {} | head -n 1",
        common::binary().display(),
        place.path("normal"),
        place.path("normal"),
        place.path("normal"),
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn where_the_profile_goes_is_checked_before_training() {
    let place = Workplace::new(120);
    let normal = place.path("normal");
    fail(&["train", &normal, "-o", &place.path("")], "it is a folder");
    fail(
        &["train", &normal, "-o", &place.path("none/app.idio")],
        "cannot write there",
    );
}

#[test]
fn a_wrong_command_line_is_2() {
    for args in [
        &["train"][..],
        &["score", "x"],
        &["train", "x", "-o", "y", "--false-alarm-rate", "2"],
    ] {
        assert_eq!(run(args).code, 2, "{args:?}");
    }
}
