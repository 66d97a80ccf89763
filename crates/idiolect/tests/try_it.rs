//! `try`, for real, under the strace on this machine.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::process::{Command, Stdio};

use common::{fail, run, succeed};

/// Whether commands can be traced here; where the environment insists on it, that they cannot is a failure.
fn can_trace() -> bool {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !traced {
        assert!(
            std::env::var_os("IDIOLECT_REQUIRE_STRACE").is_none(),
            "strace does not work here"
        );
        println!("skipped: there is no strace that works here");
    }
    traced
}

#[test]
fn a_difference_is_found_and_sameness_too() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let kept_arg = kept.to_str().unwrap();
    let differs = succeed(&[
        "try",
        "--runs",
        "10",
        "--keep",
        kept_arg,
        "--",
        "ls",
        "/dev/null",
        "--then",
        "-lR",
        "/etc",
    ]);
    assert!(differs.out.contains("ran 10 times"), "{}", differs.out);
    assert!(differs.out.contains("once more, as: ls /dev/null -lR /etc"));
    assert!(differs.out.contains("ANOMALOUS"), "{}", differs.out);
    assert!(kept.join("profile.idio").is_file() && kept.join("run-010.strace").is_file());

    let same = succeed(&["try", "--runs", "10", "--", "ls", "/dev/null"]);
    assert!(same.out.contains("Nothing stands out"), "{}", same.out);
}

#[test]
fn a_command_that_is_not_there() {
    if !can_trace() {
        return;
    }
    fail(&["try", "--", "/nowhere/at/all"], "strace recorded nothing");
    fail(
        &["try", "--", "--then", "x"],
        "there is no command before --then",
    );
    assert_eq!(run(&["try"]).code, 2);
}

#[test]
fn without_strace_it_says_how_to_get_it() {
    let output = common::idiolect_process()
        .env("PATH", "/nowhere")
        .args(["try", "--", "true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("apt install strace"), "{said}");
}
