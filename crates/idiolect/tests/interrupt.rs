//! Ctrl-C while training, and going on afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Workplace, run, succeed};

#[test]
fn an_interrupted_training_goes_on_to_the_same_profile() {
    let place = Workplace::new(200);
    let normal = place.path("normal");
    let (whole, broken) = (place.path("whole.idio"), place.path("broken.idio"));
    let args = |profile: &str, more: &[&str]| -> Vec<String> {
        let args = [
            "train",
            &normal,
            "-o",
            profile,
            "--epochs",
            "60",
            "--threads",
            "1",
        ];
        args.iter().chain(more).map(|&arg| arg.to_owned()).collect()
    };
    let as_str = |args: &[String]| -> Vec<String> { args.to_vec() };
    let run_args = |args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        succeed(&args)
    };
    run_args(as_str(&args(&whole, &[])));

    // The moment at which the signal comes is not ours to choose, so it is tried until it came between
    // the first epoch and the last; by small steps, lest they leap over it to and fro.
    let checkpoint = place.at("broken.idio.checkpoint");
    let mut wait = Duration::from_millis(400);
    let deadline = Instant::now() + Duration::from_secs(120);
    while !checkpoint.exists() {
        assert!(
            Instant::now() < deadline,
            "no interruption came at the right moment"
        );
        let child = common::idiolect_process()
            .args(args(&broken, &[]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        let id = child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(130) if said.contains("nothing to keep yet") => wait = wait * 3 / 2,
            Some(130) => assert!(said.contains("--resume"), "{said}"),
            Some(0) => wait = wait * 2 / 3,
            // So early that nobody listens for the signal yet.
            None => wait = wait * 3 / 2,
            code => panic!("{code:?}: {said}"),
        }
    }
    assert!(!place.at("broken.idio").exists() || checkpoint.exists());
    run_args(args(&broken, &["--resume"]));
    assert!(fs::read(&whole).unwrap() == fs::read(&broken).unwrap());
    assert!(
        !checkpoint.exists(),
        "a finished training leaves no checkpoint"
    );
}

#[test]
fn without_a_checkpoint_there_is_nothing_to_resume() {
    let place = Workplace::new(80);
    let ran = run(&[
        "train",
        &place.path("normal"),
        "-o",
        &place.path("a.idio"),
        "--resume",
    ]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("a.idio.checkpoint"), "{}", ran.err);
}

#[test]
fn an_interrupted_conversion_leaves_nothing() {
    let place = Workplace::new(1);
    let out = place.path("out.jsonl");
    let mut child = common::idiolect_process()
        .args(["convert", "-", "--format", "plain", "-o", &out])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // Records come until after the signal, whenever it is listened for.
    let deadline = Instant::now() + Duration::from_secs(60);
    let id = child.id().to_string();
    let hidden = || {
        let left = fs::read_dir(place.folder.path()).unwrap();
        left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.as_encoded_bytes().starts_with(b".idiolect-")
        })
        .count()
    };
    while hidden() == 0 {
        assert!(Instant::now() < deadline, "nothing is made aside");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The file aside is there before anybody listens: wait for what comes after.
    std::thread::sleep(Duration::from_millis(200));
    Command::new("kill").args(["-INT", &id]).status().unwrap();
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it goes on");
        let _ = input.write_all(&b"read write close\n".repeat(5_000));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing was written"), "{said}");
    assert!(!place.at("out.jsonl").exists());
    assert_eq!(hidden(), 0);
}
