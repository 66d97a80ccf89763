//! `idiolect record` on real programs, by ptrace, which needs no rights.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Ran, idiolect_process, run};

/// `idiolect record -o OUT --backend ptrace` and these.
fn record(out: &str, args: &[&str]) -> Ran {
    let mut all = vec!["record", "-o", out, "--backend", "ptrace"];
    all.extend(args);
    run(&all)
}

fn refused(out: &str, args: &[&str], code: i32, message: &str) {
    let ran = record(out, args);
    assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    assert!(ran.err.contains(message), "{args:?}: {}", ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

fn records(text: &str) -> Vec<serde_json::Value> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// A process that goes on until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let child = Command::new("sh")
            .args(["-c", "while :; do sleep 0.01; done"])
            .stdout(Stdio::null())
            .spawn()
            .expect("there is a shell");
        Sleeper(child)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn is_traced(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        !status.expect("it runs").contains("TracerPid:\t0\n")
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kill(signal: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn the_exit_status_is_the_commands() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
    ] {
        for more in [&[] as &[&str], &["--fast"], &["--outcomes"]] {
            let args = [more, &["--", "sh", "-c", script]].concat();
            let ran = record("-", &args);
            assert_eq!(ran.code, code, "{args:?}: {ran:?}");
            let records = records(&ran.out);
            let first = &records[0];
            assert_eq!(
                (&first["record"], &first["kind"]),
                (&"lifecycle".into(), &"exec".into())
            );
            let last = records.last().unwrap();
            assert_eq!(last["kind"], "exit", "{last}");
            let calls: Vec<_> = records.iter().filter(|r| r["record"] == "call").collect();
            assert!(calls.len() > 10);
            let outcomes = calls.iter().filter(|call| !call["outcome"].is_null());
            assert_eq!(outcomes.count() > 0, more == ["--outcomes"]);
        }
    }
}

#[test]
fn what_a_command_prints_stays_apart_from_records() {
    let ran = record("-", &["--", "echo", "of the command"]);
    assert!(ran.err.contains("of the command\n"), "{ran:?}");
    assert!(records(&ran.out).len() > 10);

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.jsonl");
    let out = out.to_str().unwrap();
    let ran = record(out, &["--", "echo", "of the command"]);
    assert_eq!(ran.out, "of the command\n");
    let ran = record(out, &["--json", "--", "echo", "of the command"]);
    assert!(ran.err.contains("of the command\n"), "{ran:?}");
    let summary: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let records = records(&fs::read_to_string(out).unwrap());
    assert_eq!(summary["events"], records.len());
    assert_eq!(
        (&summary["backend"], &summary["streams"]),
        (&"ptrace".into(), &1.into())
    );
    assert_eq!(summary["lost"]["total"], 0);
    assert_eq!(summary["bytes"], fs::metadata(out).unwrap().len());
    refused("-", &["--json", "--", "true"], 1, "give one of them");
}

#[test]
fn limits_end_a_recording_and_what_was_started_with_it() {
    let ran = record(
        "-",
        &[
            "--max-events",
            "25",
            "--",
            "sh",
            "-c",
            "while :; do sleep 0.01; done",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(records(&ran.out).len(), 25);
    let ran = record(
        "-",
        &[
            "--for",
            "200ms",
            "--",
            "sh",
            "-c",
            "while :; do sleep 0.01; done",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(records(&ran.out).len() > 10);
}

#[test]
fn ctrl_c_lets_go_of_a_running_process() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    for signal in ["-INT", "-TERM", "-HUP"] {
        if signal == "-HUP" && ignored & 1 == 1 {
            println!("skipped: SIGHUP is ignored here, and stays so");
            continue;
        }
        lets_go_at(signal);
    }
}

/// A recording of a running process ends in good order by a signal, and the process goes on.
fn lets_go_at(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let sleeper = Sleeper::start();
    let out = folder.path().join("a.jsonl");
    let recorder = idiolect_process()
        .args([
            "record",
            "--backend",
            "ptrace",
            "--pid",
            &sleeper.pid(),
            "-o",
        ])
        .arg(&out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let partial = folder.path().join("a.jsonl.partial");
    while fs::metadata(&partial).map_or(0, |partial| partial.len()) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(sleeper.is_traced());
    kill(signal, recorder.id());
    let ended = recorder.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{err}");
    assert!(err.contains("lost none"), "{err}");
    assert!(!sleeper.is_traced());
    assert!(!partial.exists());
    let records = records(&fs::read_to_string(&out).unwrap());
    let children = records.iter().filter(|record| record["kind"] == "exec");
    assert!(children.count() > 0);
}

#[test]
fn a_closed_pipe_ends_a_recording_in_silence() {
    let mut recorder = idiolect_process()
        .args(["record", "--backend", "ptrace", "-o", "-", "--"])
        .args(["sh", "-c", "while :; do sleep 0.01; done"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(recorder.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let pid = records(&line)[0]["stream"]["tgid"].to_string();
    drop(lines);
    let mut err = String::new();
    recorder
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!(recorder.wait().unwrap().code(), Some(0), "{err}");
    assert!(!err.contains("rror"), "{err}");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn what_cannot_be_recorded_is_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let out = at("a.jsonl");
    let witness = at("witness");
    // The kernel's largest process number is 2^22.
    refused(
        &out,
        &["--pid", "8388608"],
        1,
        "there is no process 8388608",
    );
    refused(
        &out,
        &["--", "no-such-program-of-ours"],
        1,
        "command not found",
    );
    refused(&out, &["--", "/etc/passwd"], 1, "is it executable?");
    refused(&out, &["--all"], 1, "that needs eBPF or perf");
    refused(
        &out,
        &["--comm", "no-such-name"],
        1,
        "no process of the name",
    );
    refused(
        &out,
        &["--cgroup", "/no/such/group"],
        1,
        "no such control group",
    );
    refused(
        &out,
        &["--unit", "no-such-unit-of-ours"],
        1,
        "no such control group",
    );
    refused(
        &out,
        &["--fast", "--pid", "1"],
        1,
        "attach to a running process",
    );
    refused(&out, &["--pid", "1", "--all"], 2, "cannot be used with");
    refused(&out, &[], 2, "required");
    refused(&out, &["--for", "soon", "--", "true"], 2, "--for");
    let nowhere = at("no/such/folder/a.jsonl");
    refused(
        &nowhere,
        &["--", "touch", &witness],
        1,
        "there is no folder",
    );
    let full = folder.path().to_str().unwrap();
    fs::write(at("something"), "").unwrap();
    refused(
        full,
        &["--", "touch", &witness],
        1,
        "a new folder, or an empty one",
    );
    assert!(!Path::new(&witness).exists());
    assert!(!Path::new(&out).exists() && !Path::new(&at("a.jsonl.partial")).exists());
}

#[test]
fn another_users_process_is_refused_with_what_would_help() {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("idiolect");
    // Where the build lies others may not look.
    fs::copy(common::binary(), &copy).unwrap();
    let permissions = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(folder.path(), permissions).unwrap();
    let sleeper = Sleeper::start();
    let ran = Command::new(&copy)
        .args([
            "record",
            "-o",
            "-",
            "--backend",
            "ptrace",
            "--pid",
            &sleeper.pid(),
        ])
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    let Ok(ran) = ran else {
        return println!("skipped: only root can try what others may not");
    };
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{err}");
    assert!(
        err.contains("another user's") && err.contains("CAP_SYS_PTRACE"),
        "{err}"
    );
    // One's own programs need no rights.
    let ran = Command::new(&copy)
        .args(["record", "-o", "-", "--backend", "ptrace", "--", "true"])
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0));
    assert!(records(&String::from_utf8(ran.stdout).unwrap()).len() > 10);
}

/// A small file system of its own; none where we may not mount one.
struct Mount(tempfile::TempDir);

impl Mount {
    fn of_bytes(bytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(mounted) if mounted.status.success() => Some(Mount(folder)),
            _ => {
                println!("skipped: no small file system can be mounted here");
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_what_was_recorded_is_kept() {
    let Some(mount) = Mount::of_bytes(64 << 10) else {
        return;
    };
    let out = mount.0.path().join("a.jsonl");
    let script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); : </dev/null; done";
    let ran = record(out.to_str().unwrap(), &["--", "sh", "-c", script]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err
            .contains("a.jsonl.partial (what was recorded until then is in it): cannot write")
    );
    assert!(ran.err.contains("No space left on device"), "{}", ran.err);
    assert!(!out.exists());
    let partial = fs::read_to_string(mount.0.path().join("a.jsonl.partial")).unwrap();
    let whole = partial.rsplit_once('\n').unwrap().0;
    assert!(records(whole).len() > 100);
}

#[test]
fn a_unit_is_found_by_its_control_group() {
    // No systemd here: a folder of the name that it would make stands for the unit.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let name = format!("idiolect-test-{}", std::process::id());
    let group = mount
        .map(|line| Path::new(line.split(' ').nth(1).unwrap()).join(format!("{name}.service")));
    let Some(group) = group.filter(|group| fs::create_dir(group).is_ok()) else {
        return println!("skipped: no control group can be made here");
    };
    let sleeper = Sleeper::start();
    let joined = fs::write(group.join("cgroup.procs"), sleeper.pid());
    let by_unit = record("-", &["--unit", &name, "--max-events", "300"]);
    let by_path = record(
        "-",
        &["--cgroup", group.to_str().unwrap(), "--max-events", "300"],
    );
    drop(sleeper);
    // Its children leave the group when they end.
    while fs::remove_dir(&group).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    if joined.is_err() {
        return println!("skipped: no process can join a control group here");
    }
    for ran in [by_unit, by_path] {
        assert_eq!(ran.code, 0, "{ran:?}");
        let records = records(&ran.out);
        // Of some programs in a row, so that the beginning of one is among them.
        assert_eq!(records.len(), 300);
        let cgroup = records.iter().find_map(|record| record["cgroup"].as_str());
        assert_eq!(cgroup, Some(format!("/{name}.service").as_str()));
    }
}
