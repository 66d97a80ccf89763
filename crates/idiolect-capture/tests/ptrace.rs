//! The ptrace backend on real programs.

mod common;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use common::{Idle, every_thread_ends_once, fixture, record, strace, streams_of, target, with};
use idiolect_capture::{
    Backend, CaptureError, Event, Opened, Options, State, Target, Thread, open,
};
use idiolect_trace::{Abi, ExitStatus, StartKind};

const PLAIN: Options = Options {
    outcomes: false,
    fast: false,
    output_to_stderr: false,
};
const OUTCOMES: Options = Options {
    outcomes: true,
    ..PLAIN
};
const FAST: Options = Options {
    fast: true,
    ..PLAIN
};

fn trace(arguments: &[&str], options: Options) -> (Vec<Event>, Option<ExitStatus>) {
    record(arguments, Backend::Ptrace, options)
}

/// One test at a time: side by side in one process, what is stopped sometimes does not end within its five seconds.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn agrees_with_strace_for_each_thread() {
    let _alone = alone();
    for options in [PLAIN, FAST, OUTCOMES] {
        let Some(expected) = strace(&["mixed"], options.outcomes) else {
            return;
        };
        let (events, status) = trace(&["mixed"], options);
        assert_eq!(status, Some(ExitStatus::Code(7)));
        let streams = streams_of(&events, options.outcomes);
        // The program, 3 threads, a fork with a thread that executes a program, and a vfork that does.
        assert_eq!(streams.len(), 9);
        assert_eq!(streams, expected, "{options:?}");
    }
}

#[test]
fn calls_by_the_32_bit_convention_are_marked() {
    let _alone = alone();
    for options in [PLAIN, FAST] {
        let (events, status) = trace(&["int80"], options);
        match status {
            Some(ExitStatus::Code(77)) => return println!("skipped: not on this architecture"),
            status => assert_eq!(status, Some(ExitStatus::Code(0))),
        }
        let streams = streams_of(&events, false);
        let [stream] = &streams[..] else {
            panic!("{streams:?}")
        };
        assert_eq!(stream.count("i386:getpid"), 1, "{stream:?}");
        assert_eq!(stream.count("i386:execve"), 1);
        let i386 = |event: &&Event| matches!(event, Event::Call { abi: Abi::I386, .. });
        assert_eq!(events.iter().filter(i386).count(), 2);
        // A failed exec is none.
        let execs = events.iter().filter(|e| matches!(e, Event::Exec { .. }));
        assert_eq!(execs.count(), 1);
    }
}

#[test]
fn a_thread_that_executes_takes_the_number_of_its_process() {
    let _alone = alone();
    for options in [PLAIN, FAST, OUTCOMES] {
        let (events, status) = trace(&["exec-from-thread"], options);
        assert_eq!(status, Some(ExitStatus::Code(3)));
        let execs: Vec<(Thread, Thread)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Exec { before, after, .. } => Some((*before, *after)),
                _ => None,
            })
            .collect();
        let [_, (before, after)] = execs[..] else {
            panic!("{execs:?}")
        };
        assert_ne!(before.tid, before.tgid);
        assert_eq!(after.tid, after.tgid);
        assert_eq!((before.tgid, before.start_ns), (after.tgid, after.start_ns));
        assert_eq!((before.exec_generation, after.exec_generation), (1, 2));

        let streams = streams_of(&events, false);
        assert_eq!(streams.len(), 3);
        let thread = with(&streams, "execve");
        assert_eq!(thread.start, StartKind::Thread);
        assert_eq!(thread.calls.last().unwrap(), "execve");
        assert_eq!(with(&streams, "getsid").start, StartKind::Exec);
        every_thread_ends_once(&events);
    }
}

#[test]
fn a_thread_may_outlive_its_leader() {
    let _alone = alone();
    for options in [PLAIN, FAST] {
        let (events, status) = trace(&["outlive"], options);
        assert_eq!(status, Some(ExitStatus::Code(5)));
        let streams = streams_of(&events, false);
        assert_eq!(streams.len(), 2);
        assert_eq!(with(&streams, "getsid").calls.last().unwrap(), "exit");
        let thread = with(&streams, "getppid");
        assert_eq!(thread.start, StartKind::Thread);
        assert_eq!(thread.calls.last().unwrap(), "exit_group");
        every_thread_ends_once(&events);
    }
}

#[test]
fn signals_reach_the_program() {
    let _alone = alone();
    for options in [PLAIN, FAST] {
        let (events, status) = trace(&["signals"], options);
        assert_eq!(status, Some(ExitStatus::Signal(9)));
        every_thread_ends_once(&events);
    }
}

#[test]
fn calls_that_the_program_denies_itself_are_seen() {
    let _alone = alone();
    for options in [PLAIN, FAST, OUTCOMES] {
        let (events, status) = trace(&["denied"], options);
        assert_eq!(status, Some(ExitStatus::Code(0)), "{options:?}");
        let streams = streams_of(&events, true);
        let token = if options.outcomes {
            "getppid=EXDEV"
        } else {
            "getppid"
        };
        let counts: Vec<usize> = streams.iter().map(|s| s.count(token)).collect();
        assert_eq!(counts.iter().max(), Some(&1000), "{options:?}");
        // Its thread inherits the filter.
        assert_eq!(counts.iter().min(), Some(&1), "{options:?}");
    }
}

#[test]
fn a_storm_of_processes_leaves_nothing_out() {
    let _alone = alone();
    const PROCESSES: usize = 2_000;
    let (events, status) = trace(&["storm", &PROCESSES.to_string()], FAST);
    assert_eq!(status, Some(ExitStatus::Code(0)));
    let forks = events.iter().filter(|e| matches!(e, Event::Fork { .. }));
    assert_eq!(forks.count(), PROCESSES);
    let streams = streams_of(&events, false);
    let children: Vec<_> = streams
        .iter()
        .filter(|stream| stream.start == StartKind::Thread)
        .collect();
    assert_eq!(children.len(), PROCESSES);
    assert!(
        children
            .iter()
            .all(|child| child.calls == children[0].calls)
    );
    every_thread_ends_once(&events);
}

#[test]
fn a_number_that_comes_back_is_another_process() {
    let _alone = alone();
    let (events, status) = trace(&["reuse"], PLAIN);
    if status == Some(ExitStatus::Code(77)) {
        return println!("skipped: choosing a process's number needs privileges");
    }
    assert_eq!(status, Some(ExitStatus::Code(0)));
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

#[test]
fn all_threads_of_a_running_process_are_attached_to_and_let_go() {
    let _alone = alone();
    const THREADS: u32 = 10;
    let idle = Idle::start(THREADS);
    let pid = idle.0.id();
    let Opened { mut source, choice } = open(&Target::Pid(pid), None, PLAIN).unwrap();
    if choice.backend != Backend::Ptrace {
        let opened = open(&Target::Pid(pid), Some(Backend::Ptrace), PLAIN);
        source = opened.unwrap().source;
    }
    let mut events = Vec::new();
    let calls_of = |events: &[Event]| {
        let mut calls: BTreeMap<u32, usize> = BTreeMap::new();
        for event in events {
            match event {
                Event::Attach { executable, .. } => {
                    assert_eq!(Some(executable.as_str()), fixture().to_str());
                }
                Event::Call { thread, .. } => {
                    assert_eq!((thread.tgid, thread.exec_generation), (pid, 0));
                    *calls.entry(thread.tid).or_default() += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        calls
    };
    // Until each thread has made a few.
    loop {
        let state = source.poll(&mut events, Duration::from_secs(1)).unwrap();
        assert_eq!(state, State::Running);
        let calls = calls_of(&events);
        if calls.len() == THREADS as usize && calls.values().all(|&calls| calls >= 5) {
            break;
        }
    }
    let streams = streams_of(&events, false);
    assert!(streams.iter().all(|s| s.start == StartKind::Attach));
    // Each sleeps when we come; that its sleep goes on is our doing and not its call.
    let restarted = streams.iter().filter(|s| s.count("restart_syscall") > 0);
    assert_eq!(restarted.count(), 0);

    source.stop().unwrap();
    loop {
        if let State::Ended(status) = source.poll(&mut events, Duration::ZERO).unwrap() {
            assert_eq!(status, None);
            break;
        }
    }
    drop(source);
    assert_eq!(idle.status("TracerPid:"), "0");
    assert!(
        idle.status("State:").starts_with(['S', 'R']),
        "{}",
        idle.status("State:")
    );
    assert_eq!(idle.status("Threads:"), THREADS.to_string());
    // It can be attached to again.
    let mut again = open(&Target::Pid(pid), Some(Backend::Ptrace), PLAIN).unwrap();
    let mut events = Vec::new();
    while events.is_empty() {
        again
            .source
            .poll(&mut events, Duration::from_secs(1))
            .unwrap();
    }
}

#[test]
fn a_stopped_process_stays_stopped_when_it_is_let_go() {
    let _alone = alone();
    let idle = Idle::start(2);
    let kill = |signal: &str| {
        let pid = idle.0.id().to_string();
        let killed = Command::new("kill").args([signal, &pid]).status();
        assert!(killed.unwrap().success());
    };
    kill("-STOP");
    let mut opened = open(&Target::Pid(idle.0.id()), Some(Backend::Ptrace), PLAIN).unwrap();
    let mut events = Vec::new();
    opened
        .source
        .poll(&mut events, Duration::from_millis(50))
        .unwrap();
    assert_eq!(events, []);
    opened.source.stop().unwrap();
    drop(opened);
    assert!(
        idle.status("State:").starts_with('T'),
        "{}",
        idle.status("State:")
    );
    kill("-CONT");
    while idle.status("State:").starts_with('T') {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_program_that_was_started_ends_with_its_recording() {
    let _alone = alone();
    for options in [PLAIN, FAST] {
        let mut opened = open(&target(&["idle", "3"]), Some(Backend::Ptrace), options).unwrap();
        let mut events = Vec::new();
        while events.len() < 100 {
            opened
                .source
                .poll(&mut events, Duration::from_secs(1))
                .unwrap();
        }
        let Some(Event::Exec { after, .. }) = events.first() else {
            panic!("{:?}", events.first())
        };
        let pid = after.tgid;
        opened.source.stop().unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let _alone = alone();
    let refused = |target: &Target, options| match open(target, Some(Backend::Ptrace), options) {
        Ok(opened) => panic!("{target:?}: {opened:?}"),
        Err(error) => error,
    };
    let command = |name: &str| Target::Command(vec![name.into()]);
    // The kernel's largest process number is 2^22.
    let error = refused(&Target::Pid(1 << 23), PLAIN);
    assert!(matches!(error, CaptureError::NoSuchProcess(_)), "{error}");
    let error = refused(&Target::Pid(std::process::id()), PLAIN);
    assert!(matches!(error, CaptureError::Itself(_)), "{error}");
    for options in [PLAIN, FAST] {
        let error = refused(&command("no-such-program-of-ours"), options);
        assert_eq!(
            error.to_string(),
            "no-such-program-of-ours: cannot be started: command not found"
        );
        let error = refused(&command("/etc/passwd"), options);
        assert!(error.to_string().contains("is it executable?"), "{error}");
    }
    let error = refused(&command("with a \0 in it"), PLAIN);
    assert!(error.to_string().contains("cannot be started"), "{error}");
    for target in [Target::All, Target::Comm("no-such-name".to_owned())] {
        let error = refused(&target, PLAIN);
        assert!(!error.to_string().is_empty());
    }
    // Process 2 is the kernel's thread of threads, where there is one in our namespace.
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm == "kthreadd\n") {
        let error = refused(&Target::Pid(2), PLAIN);
        assert!(
            matches!(error, CaptureError::NotPermitted { .. }),
            "{error}"
        );
    }
    // It has ended, and nobody has waited for it.
    let mut zombie = Command::new("true").spawn().unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", zombie.id())).unwrap();
    while !state().contains(") Z ") {
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = refused(&Target::Pid(zombie.id()), PLAIN);
    assert!(matches!(error, CaptureError::NoSuchProcess(_)), "{error}");
    zombie.wait().unwrap();
    // One that is traced already says by whom.
    let idle = Idle::start(1);
    let _first = open(&Target::Pid(idle.0.id()), Some(Backend::Ptrace), PLAIN).unwrap();
    let error = refused(&Target::Pid(idle.0.id()), PLAIN);
    assert!(
        error.to_string().contains("is traced by process"),
        "{error}"
    );
    let error = refused(&Target::Pid(idle.0.id()), FAST);
    assert!(matches!(error, CaptureError::Unsupported { .. }), "{error}");
}

#[test]
fn a_program_that_ends_at_once_has_its_status() {
    let _alone = alone();
    for (status, expected) in [("0", 0), ("42", 42)] {
        let (events, ended) = trace(&["status", status], PLAIN);
        assert_eq!(ended, Some(ExitStatus::Code(expected)));
        let streams = streams_of(&events, false);
        assert_eq!(streams.len(), 1);
        let executable = streams[0].executable.as_deref();
        assert_eq!(executable, fixture().to_str());
    }
}
