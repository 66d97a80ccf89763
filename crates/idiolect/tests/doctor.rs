//! `idiolect doctor`, and what is said where recording is not allowed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod common;

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use common::{binary, succeed};

/// The binary under a tool that takes rights or sights away; none where the tool or our own rights do not suffice.
fn under(tool: &[&str], arguments: &[&str]) -> Option<Output> {
    // Where nobody but us may look, another user could not even execute it.
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let number = COPIES.fetch_add(1, Ordering::Relaxed);
    let copy = std::env::temp_dir().join(format!("idiolect-{}-{number}", std::process::id()));
    // A file that was just written is busy while a child of another test still has it open.
    std::fs::hard_link(binary(), &copy)
        .or_else(|_| std::fs::copy(binary(), &copy).map(drop))
        .unwrap();
    let ran = Command::new(tool[0])
        .args(&tool[1..])
        .arg(&copy)
        .args(arguments)
        .output();
    std::fs::remove_file(&copy).unwrap();
    let ran = ran.ok()?;
    let err = String::from_utf8_lossy(&ran.stderr);
    if err.starts_with(tool[0]) {
        println!("skipped: {err}");
        return None;
    }
    Some(ran)
}

const NOBODY: [&str; 6] = [
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
];
const OTHER_NAMESPACE: [&str; 4] = ["unshare", "-p", "-f", "--mount-proc"];

#[test]
fn text_and_json_say_the_same() {
    let text = succeed(&["doctor"]).out;
    let json = succeed(&["doctor", "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let backends = json["backends"].as_array().unwrap();
    assert_eq!(backends.len(), 3);
    for backend in backends {
        let verdict = if backend["works"] == true {
            "works"
        } else {
            "does not work"
        };
        let name = backend["backend"].as_str().unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        assert!(line.unwrap().contains(verdict), "{text}");
    }
    let machine = json["row"]["machine"].as_str().unwrap();
    let line = text.lines().find(|line| line.starts_with("this machine"));
    assert!(line.unwrap().contains(machine), "{text}");
    for name in ["btf", "lockdown", "cgroup", "io_uring", "ptrace_scope"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
    }
}

#[test]
fn without_rights_it_says_what_grants_them() {
    let Some(ran) = under(&NOBODY, &["doctor"]) else {
        return;
    };
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{text}");
    for said in [
        "none of the 5 that matter",
        "does not work:",
        "setcap cap_bpf,cap_perfmon",
    ] {
        assert!(text.contains(said), "{text}");
    }
    for (backend, said) in [("ebpf", "CAP_BPF and CAP_PERFMON"), ("perf", "perf")] {
        let ran = under(
            &NOBODY,
            &["record", "--backend", backend, "-o", "-", "--", "true"],
        );
        let ran = ran.unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{err}");
        assert!(
            err.contains("is not available") && err.contains(said),
            "{err}"
        );
    }
}

#[test]
fn without_rights_a_command_is_recorded_by_ptrace_and_why_is_said() {
    let Some(ran) = under(&NOBODY, &["record", "-o", "-", "--", "true"]) else {
        return;
    };
    let err = String::from_utf8(ran.stderr).unwrap();
    if err.contains("nothing on this machine") {
        return println!("skipped: {err}");
    }
    assert!(ran.status.success(), "{err}");
    assert!(
        err.contains("recording by ptrace: ebpf is not available"),
        "{err}"
    );
    assert!(
        String::from_utf8(ran.stdout)
            .unwrap()
            .contains("exit_group")
    );
}

#[test]
fn in_another_pid_namespace_numbers_are_those_of_the_recorder() {
    let Some(ran) = under(&OTHER_NAMESPACE, &["doctor"]) else {
        return;
    };
    let text = String::from_utf8(ran.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("pid namespace"));
    assert!(line.unwrap().contains("another"), "{text}");
    for backend in ["ebpf", "perf", "ptrace"] {
        let arguments = ["record", "--backend", backend, "-o", "-", "--", "true"];
        let ran = under(&OTHER_NAMESPACE, &arguments).unwrap();
        if !ran.status.success() {
            println!("skipped: {}", String::from_utf8_lossy(&ran.stderr));
            continue;
        }
        for line in String::from_utf8(ran.stdout).unwrap().lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            // The recorder is the first process there.
            let (tgid, tid) = (&record["stream"]["tgid"], &record["stream"]["tid"]);
            assert!(
                tgid == tid && (2..10).contains(&tgid.as_u64().unwrap()),
                "{line}"
            );
            assert!(record["parent"]["tid"].is_null() || &record["parent"]["tid"] == tid);
        }
    }
}
