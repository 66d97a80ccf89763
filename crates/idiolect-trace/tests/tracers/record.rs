//! Two tools at one run: strace inside of what perf records. Both must see the same streams.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

use idiolect_trace::read::Format;

use crate::story::{Story, try_tell};

/// A shell that forks, so that there are several streams.
const PROGRAM: [&str; 3] = ["/bin/sh", "-c", "/bin/cat /dev/null; (exit 3); /bin/true"];

/// Runs a command; says aloud, and gives nothing, where it cannot run here.
#[expect(
    clippy::print_stderr,
    reason = "a skipped test must not pass in silence"
)]
fn run(command: &mut Command) -> Option<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Some(output.stdout),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            eprintln!("skipped: {:?}: {why}", command.get_program());
            None
        }
        Err(error) => {
            eprintln!("skipped: {:?}: {error}", command.get_program());
            None
        }
    }
}

fn strace(perf: &mut Command, folder: &Path) -> Option<Story> {
    let trace = folder.join("strace.txt");
    // Only the return counts: without the right to trace there is nothing to compare.
    run(Command::new("strace").args(["-o", "/dev/null", "/bin/true"]))?;
    let perf = perf.arg("strace").arg("-f").arg("-o").arg(&trace);
    run(perf.args(PROGRAM))?;
    let text = std::fs::read(trace).unwrap();
    Some(try_tell(&text, Some(Format::Strace)).unwrap())
}

/// The streams of the threads that strace saw: it is itself a program that perf records, and so is its
/// child before it becomes the program.
///
/// A stopped `wait4` may be seen by one of them alone as a call that began anew, so calls that wait are
/// left out.
fn assert_same(strace: &Story, perf: &Story) {
    let tids: HashSet<_> = strace.lives().iter().map(|life| life.stream.tid).collect();
    let of = |story: &Story| -> Vec<Vec<String>> {
        let mut streams: Vec<_> = story
            .lives()
            .iter()
            .filter(|life| life.kind != idiolect_trace::LifecycleKind::Exit)
            .zip(story.streams())
            .filter(|(life, _)| tids.contains(&life.stream.tid))
            .map(|(life, stream)| {
                let key = (life.stream.tid, life.stream.exec_generation > 0);
                let waits = |name: &String| {
                    matches!(name.as_str(), "wait4" | "rt_sigreturn" | "restart_syscall")
                };
                (
                    key,
                    stream.into_iter().filter(|name| !waits(name)).collect(),
                )
            })
            .collect();
        streams.sort();
        // What strace's child does before it executes the program is no stream of strace's.
        let streams = streams.into_iter().map(|(_, stream)| stream);
        streams.collect()
    };
    let (strace, mut perf) = (of(strace), of(perf));
    perf.retain(|stream| !stream.iter().any(|name| name == "ptrace" || name == "kill"));
    assert!(strace.len() >= 4, "{strace:?}");
    assert_eq!(strace, perf);
}

#[test]
fn strace_and_perf_script() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("perf.data");
    let mut record = Command::new("perf");
    record
        .args([
            "record",
            "-q",
            "-e",
            "raw_syscalls:sys_enter,raw_syscalls:sys_exit",
            "-o",
        ])
        .arg(&data);
    let Some(strace) = strace(&mut record, folder.path()) else {
        return;
    };
    let mut script = Command::new("perf");
    script
        .args(["script", "-F", "comm,pid,tid,cpu,time,event,trace", "-i"])
        .arg(&data);
    let text = run(&mut script).unwrap();
    let perf = try_tell(&text, None).unwrap();
    assert_eq!(perf.format, Format::PerfScript);
    assert_same(&strace, &perf);
}

#[test]
fn strace_and_perf_trace() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("perf.txt");
    let mut perf = Command::new("perf");
    perf.args(["trace", "-o"]).arg(&trace);
    let Some(strace) = strace(&mut perf, folder.path()) else {
        return;
    };
    let perf = try_tell(&std::fs::read(trace).unwrap(), None).unwrap();
    assert_eq!(perf.format, Format::PerfTrace);
    assert_same(&strace, &perf);
}
