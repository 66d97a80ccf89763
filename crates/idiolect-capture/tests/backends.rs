//! All backends on real programs: what one sees the others see.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use common::{
    Idle, Stream, available, every_thread_ends_once, fixture, record, strace, streams_of, target,
    with,
};
use idiolect_capture::{Backend, CaptureError, Event, Options, State, Target, Thread, open};
use idiolect_trace::{Abi, ExitStatus, GapCause, StartKind};

const KERNEL: [Backend; 2] = [Backend::Ebpf, Backend::Perf];

const PLAIN: Options = Options {
    outcomes: false,
    fast: false,
    output_to_stderr: false,
};
const OUTCOMES: Options = Options {
    outcomes: true,
    ..PLAIN
};

/// The streams of a mode of the test program by a backend.
///
/// One difference is left out: a thread that is killed inside a call that could be restarted. The kernel's trace points
/// see that call end with one of its own numbers (ERESTARTNOHAND ...), and a tracer does not see it end.
fn streams(arguments: &[&str], backend: Backend, options: Options) -> Vec<Stream> {
    let (events, _) = record(arguments, backend, options);
    every_thread_ends_once(&events);
    let mut streams = streams_of(&events, options.outcomes);
    for last in streams.iter_mut().filter_map(|s| s.calls.last_mut()) {
        if let Some((call, "ERESTARTNOHAND")) = last.split_once('=') {
            *last = call.to_owned();
        }
    }
    streams
}

#[test]
fn all_give_the_same_streams_and_agree_with_strace() {
    let backends = available(&Backend::ALL);
    for options in [PLAIN, OUTCOMES] {
        let expected = strace(&["mixed"], options.outcomes);
        let expected = expected.unwrap_or_else(|| streams(&["mixed"], Backend::Ptrace, options));
        assert_eq!(expected.len(), 9);
        for &backend in &backends {
            let seen = streams(&["mixed"], backend, options);
            assert_eq!(seen, expected, "{backend} {options:?}");
        }
    }
}

#[test]
fn denied_calls_threads_that_execute_and_other_conventions() {
    for mode in ["denied", "int80", "exec-from-thread", "outlive"] {
        for options in [PLAIN, OUTCOMES] {
            let expected = streams(&[mode], Backend::Ptrace, options);
            for backend in available(&KERNEL) {
                let seen = streams(&[mode], backend, options);
                assert_eq!(seen, expected, "{mode} {backend} {options:?}");
            }
        }
    }
}

#[test]
fn a_daemon_is_followed_out_of_its_process_group() {
    for backend in available(&Backend::ALL) {
        let seen = streams(&["daemon"], backend, PLAIN);
        assert_eq!(seen.len(), 3, "{backend}");
        assert_eq!(with(&seen, "getppid").count("getppid"), 10, "{backend}");
    }
}

#[test]
fn denied_calls_are_in_them() {
    for backend in available(&KERNEL) {
        let seen = streams(&["denied"], backend, OUTCOMES);
        let counts = seen.iter().map(|stream| stream.count("getppid=EXDEV"));
        assert_eq!(counts.sum::<usize>(), 1001, "{backend}");
    }
}

#[test]
fn calls_by_the_32_bit_convention_are_marked() {
    for backend in available(&KERNEL) {
        let (events, status) = record(&["int80"], backend, PLAIN);
        if status == Some(ExitStatus::Code(77)) {
            return println!("skipped: not on this architecture");
        }
        let i386 = |event: &&Event| matches!(event, Event::Call { abi: Abi::I386, .. });
        assert_eq!(events.iter().filter(i386).count(), 2, "{backend}");
    }
}

#[test]
fn a_thread_that_executes_takes_the_number_of_its_process() {
    for backend in available(&KERNEL) {
        let (events, status) = record(&["exec-from-thread"], backend, PLAIN);
        assert_eq!(status, Some(ExitStatus::Code(3)));
        let mut execs = events.iter().filter_map(|event| match event {
            Event::Exec { before, after, .. } => Some((*before, *after)),
            _ => None,
        });
        let (before, after) = execs.next_back().unwrap();
        assert_ne!(before.tid, before.tgid);
        assert_eq!(after.tid, after.tgid);
        assert_eq!((before.tgid, before.start_ns), (after.tgid, after.start_ns));
        assert_eq!((before.exec_generation, after.exec_generation), (1, 2));
    }
}

#[test]
fn a_storm_of_processes_leaves_nothing_out() {
    const PROCESSES: usize = 20_000;
    for backend in available(&KERNEL) {
        let (events, status) = record(&["storm", &PROCESSES.to_string()], backend, PLAIN);
        assert_eq!(status, Some(ExitStatus::Code(0)));
        let forks = events.iter().filter(|e| matches!(e, Event::Fork { .. }));
        assert_eq!(forks.count(), PROCESSES, "{backend}");
        every_thread_ends_once(&events);
        let streams = streams_of(&events, false);
        let children: Vec<_> = streams
            .iter()
            .filter(|stream| stream.start == StartKind::Thread)
            .collect();
        assert_eq!(children.len(), PROCESSES);
        assert!(children.iter().all(|c| c.calls == children[0].calls));
    }
}

#[test]
fn a_number_that_comes_back_is_another_process() {
    for backend in available(&KERNEL) {
        let (events, status) = record(&["reuse"], backend, PLAIN);
        if status == Some(ExitStatus::Code(77)) {
            return println!("skipped: choosing a process's number needs privileges");
        }
        let children: Vec<Thread> = events
            .iter()
            .filter_map(|event| match event {
                Event::Fork { child, .. } => Some(*child),
                _ => None,
            })
            .collect();
        let [first, second] = children[..] else {
            panic!("{children:?}")
        };
        assert_eq!(first.tid, second.tid);
        assert_ne!(first.start_ns, second.start_ns);
        let streams = streams_of(&events, false);
        assert_eq!(with(&streams, "getuid").start, StartKind::Thread);
        assert_eq!(with(&streams, "getsid").start, StartKind::Thread);
    }
}

/// Calls of each thread of a recording that goes on until each of so many threads has made a few, and then is stopped.
fn attached(target: &Target, backend: Backend, threads: usize) -> BTreeMap<Thread, usize> {
    let mut source = open(target, Some(backend), PLAIN).unwrap().source;
    let mut events = Vec::new();
    let calls = |events: &[Event]| {
        let mut calls = BTreeMap::new();
        for event in events {
            match event {
                // Each is introduced once, before its first call.
                Event::Attach { thread, .. } => assert_eq!(calls.insert(*thread, 0), None),
                Event::Call { thread, .. } => *calls.get_mut(thread).unwrap() += 1,
                other => panic!("{other:?}"),
            }
        }
        calls
    };
    loop {
        let state = source.poll(&mut events, Duration::from_secs(1)).unwrap();
        assert_eq!(state, State::Running);
        let calls: BTreeMap<Thread, usize> = calls(&events);
        if calls.len() >= threads && calls.values().all(|&calls| calls >= 5) {
            break;
        }
    }
    source.stop().unwrap();
    loop {
        match source.poll(&mut events, Duration::ZERO).unwrap() {
            State::Ended(status) => break assert_eq!(status, None),
            State::Running => {}
        }
    }
    let streams = streams_of(&events, false);
    assert!(streams.iter().all(|s| s.start == StartKind::Attach));
    let is_named = |s: &Stream| s.executable.as_ref().is_some_and(|e| e.starts_with('/'));
    assert!(streams.iter().all(is_named), "{streams:?}");
    calls(&events)
}

#[test]
fn all_threads_of_a_running_process_are_attached_to_and_let_go() {
    const THREADS: usize = 10;
    for backend in available(&KERNEL) {
        let idle = Idle::start(10);
        let pid = idle.0.id();
        let calls = attached(&Target::Pid(pid), backend, THREADS);
        assert_eq!(calls.len(), THREADS);
        assert!(
            calls
                .keys()
                .all(|t| (t.tgid, t.exec_generation) == (pid, 0))
        );
        assert_eq!(idle.status("Threads:"), THREADS.to_string());
        // It can be attached to again.
        assert_eq!(attached(&Target::Pid(pid), backend, THREADS).len(), THREADS);
    }
}

#[test]
fn a_name_is_that_of_the_process() {
    // One no other test has.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("named-by-the-test");
    fs::copy(fixture(), &program).unwrap();
    let idle = Idle::start_program(&program, 2);
    for backend in available(&KERNEL) {
        // The kernel keeps 15 bytes.
        for name in ["named-by-the-te", "named-by-the-test"] {
            let calls = attached(&Target::Comm(name.to_owned()), backend, 2);
            assert!(calls.keys().all(|thread| thread.tgid == idle.0.id()));
        }
    }
}

#[test]
fn a_control_group_and_what_is_below_it() {
    let Some(group) = Group::make() else {
        return println!("skipped: no control group of the unified hierarchy can be made");
    };
    let below = group.0.join("below");
    fs::create_dir(&below).unwrap();
    let idle = Idle::start(2);
    let outside = Idle::start(2);
    fs::write(below.join("cgroup.procs"), idle.0.id().to_string()).unwrap();
    for backend in available(&KERNEL) {
        let calls = attached(&Target::Cgroup(group.0.clone()), backend, 2);
        assert!(
            calls.keys().all(|thread| thread.tgid == idle.0.id()),
            "{backend}"
        );
    }
    drop((idle, outside));
    // It can be removed once its last process is gone for good.
    while fs::remove_dir(&below).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A control group of ours, removed in the end.
struct Group(std::path::PathBuf);

impl Group {
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
        let name = format!("idiolect-test-{}", std::process::id());
        let folder = std::path::Path::new(line.split(' ').nth(4)?).join(name);
        fs::create_dir(&folder).ok()?;
        Some(Group(folder))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn what_a_starved_reader_loses_is_counted_exactly() {
    if available(&[Backend::Ebpf]).is_empty() {
        return;
    }
    const FEW: usize = 1000;
    // More than there is room for.
    const MANY: usize = 1_500_000;
    let (events, _) = record(&["loop", &FEW.to_string()], Backend::Ebpf, PLAIN);
    let sent = events.len() - FEW + MANY;

    let mut source = open(
        &target(&["loop", &MANY.to_string()]),
        Some(Backend::Ebpf),
        PLAIN,
    )
    .unwrap()
    .source;
    let pid = pid_of(&["loop", &MANY.to_string()]);
    while !fs::read_to_string(format!("/proc/{pid}/stat"))
        .unwrap()
        .contains(") Z ")
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut events = Vec::new();
    while source.poll(&mut events, Duration::from_secs(1)).unwrap() == State::Running {}
    let (mut received, mut told) = (0, 0);
    for event in &events {
        match event {
            Event::Lost { count, cause, .. } => {
                assert_eq!(*cause, GapCause::BufferFull);
                told += count.unwrap();
            }
            _ => received += 1,
        }
    }
    let lost = source.losses();
    assert!(lost.buffer_full > 0);
    assert_eq!((lost.total(), lost.buffer_full), (told, told));
    assert_eq!(received + usize::try_from(told).unwrap(), sent);
    // What came in order before the loss stands before it.
    assert!(matches!(events[0], Event::Exec { .. }));
}

#[test]
fn what_cannot_be_recorded_is_said() {
    for backend in available(&KERNEL) {
        let refused = |target: &Target, options| match open(target, Some(backend), options) {
            Ok(opened) => panic!("{target:?}: {opened:?}"),
            Err(error) => error,
        };
        let command = |name: &str| Target::Command(vec![name.into()]);
        // The kernel's largest process number is 2^22.
        let error = refused(&Target::Pid(1 << 23), PLAIN);
        assert!(matches!(error, CaptureError::NoSuchProcess(_)), "{error}");
        let error = refused(&Target::Pid(std::process::id()), PLAIN);
        assert!(matches!(error, CaptureError::Itself(_)), "{error}");
        let error = refused(&command("no-such-program-of-ours"), PLAIN);
        assert!(error.to_string().contains("command not found"), "{error}");
        let error = refused(&command("/etc/passwd"), PLAIN);
        assert!(error.to_string().contains("is it executable?"), "{error}");
        let error = refused(&Target::Cgroup("/no/such/group".into()), PLAIN);
        assert!(error.to_string().contains("/no/such/group"), "{error}");
        let fast = Options {
            fast: true,
            ..PLAIN
        };
        let error = refused(&command("true"), fast);
        assert!(matches!(error, CaptureError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn a_program_that_ends_at_once_has_its_status() {
    for backend in available(&KERNEL) {
        for (status, expected) in [("0", 0), ("42", 42)] {
            let (events, ended) = record(&["status", status], backend, PLAIN);
            assert_eq!(ended, Some(ExitStatus::Code(expected)));
            let Some(Event::Exit { status, .. }) = events.last() else {
                panic!("{:?}", events.last())
            };
            // Only eBPF sees how a thread ends.
            let told = (backend == Backend::Ebpf).then_some(ExitStatus::Code(expected));
            assert_eq!(*status, told);
            let streams = streams_of(&events, false);
            assert_eq!(streams.len(), 1);
            assert_eq!(streams[0].executable.as_deref(), fixture().to_str());
        }
    }
}

#[test]
fn a_program_that_was_started_ends_with_its_recording() {
    for backend in available(&KERNEL) {
        let mut source = open(&target(&["idle", "3"]), Some(backend), PLAIN)
            .unwrap()
            .source;
        let mut events = Vec::new();
        // Until it has made its threads.
        let forks = |events: &[Event]| {
            let is_fork = |event: &&Event| matches!(event, Event::Fork { .. });
            events.iter().filter(is_fork).count()
        };
        while forks(&events) < 2 {
            source.poll(&mut events, Duration::from_secs(1)).unwrap();
        }
        let Some(Event::Exec { after, .. }) = events.first() else {
            panic!("{:?}", events.first())
        };
        source.stop().unwrap();
        // Twice is no error.
        source.stop().unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{}", after.tgid)).exists());
        while source.poll(&mut events, Duration::ZERO).unwrap() == State::Running {}
        every_thread_ends_once(&events);
        let ends = events.iter().filter(|e| matches!(e, Event::Exit { .. }));
        assert_eq!(ends.count(), 3);
    }
}

/// The process that runs the test program with these arguments.
fn pid_of(arguments: &[&str]) -> u32 {
    let wanted = format!("\0{}\0", arguments.join("\0"));
    let runs = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(&wanted))
    };
    let numbers = fs::read_dir("/proc").unwrap();
    numbers
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .find(runs)
        .expect("it runs")
}
