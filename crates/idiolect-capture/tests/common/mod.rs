//! A program to trace, and the streams that come of tracing it.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use idiolect_capture::{
    Backend, CaptureError, Event, Options, Records, State, Target, Thread, open,
};
use idiolect_trace::assemble::{AssembleOptions, Assembler, StreamEvent};
use idiolect_trace::read::{Format, ReadOptions, Sink, read_bytes};
use idiolect_trace::{ExitStatus, Record, StartKind};

/// The built test program.
pub fn fixture() -> &'static Path {
    static FIXTURE: OnceLock<PathBuf> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("fixture-{}", env!("CARGO_CRATE_NAME")));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/fixture.c");
        // Built aside, since tests may run as processes side by side, and none can execute what another writes.
        let aside = path.with_extension(std::process::id().to_string());
        let built = Command::new("cc")
            .args(["-O1", "-pthread", "-o"])
            .arg(&aside)
            .arg(source)
            .status()
            .expect("a C compiler is there, as for building this program");
        assert!(built.success());
        std::fs::rename(&aside, &path).expect("it has a place");
        path
    })
}

/// The test program in this mode.
pub fn target(arguments: &[&str]) -> Target {
    let mut command = vec![OsString::from(fixture())];
    command.extend(arguments.iter().map(OsString::from));
    Target::Command(command)
}

/// Those of these backends that this machine lets us use; what is missing of the others is said.
pub fn available(backends: &[Backend]) -> Vec<Backend> {
    let usable = |backend: &&Backend| match open(
        &target(&["status", "0"]),
        Some(**backend),
        Options::default(),
    ) {
        Ok(_) => true,
        Err(error @ CaptureError::Unavailable { .. }) => {
            println!("skipped: {error}");
            false
        }
        Err(error) => panic!("{error}"),
    };
    backends.iter().filter(usable).copied().collect()
}

/// All events of a command, and how it ended.
pub fn record(
    arguments: &[&str],
    backend: Backend,
    options: Options,
) -> (Vec<Event>, Option<ExitStatus>) {
    let mut opened = open(&target(arguments), Some(backend), options).expect("it can be recorded");
    let mut events = Vec::new();
    loop {
        let state = opened.source.poll(&mut events, Duration::from_secs(1));
        if let State::Ended(status) = state.expect("it goes on") {
            assert_eq!(opened.source.losses().total(), 0);
            return (events, status);
        }
    }
}

/// A stream, without the numbers that differ from run to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    pub start: StartKind,
    pub executable: Option<String>,
    /// Tokens, or with outcomes `token=ok` and `token=ENOENT`.
    pub calls: Vec<String>,
}

impl Stream {
    pub fn count(&self, token: &str) -> usize {
        self.calls.iter().filter(|call| *call == token).count()
    }
}

/// Whether it is chance that a call is made: `futex`, where a thread has to wait for another; on aarch64 `munmap`, by
/// which the loader gives back what it took too much of so as to have a library begin at a multiple of 64 KiB.
fn is_chance(call: &str) -> bool {
    call == "futex" || cfg!(target_arch = "aarch64") && call == "munmap"
}

/// The streams of these records, sorted, without what is chance.
pub fn streams(records: impl IntoIterator<Item = Record>, outcomes: bool) -> Vec<Stream> {
    let mut assembler = Assembler::new(AssembleOptions::default());
    let mut streams = BTreeMap::new();
    let mut emit = |event: StreamEvent| match event {
        StreamEvent::Start(start) => {
            let stream = Stream {
                start: start.kind,
                executable: start.executable,
                calls: Vec::new(),
            };
            streams.insert(start.key, stream);
        }
        StreamEvent::Call(call) if !is_chance(call.name.as_str()) => {
            let token = call.token().into_owned();
            let said = match call.outcome {
                Some(outcome) if outcomes => match outcome.errno() {
                    Some(errno) => format!("{token}={errno}"),
                    None => format!("{token}=ok"),
                },
                _ => token,
            };
            streams
                .get_mut(&call.key)
                .expect("it was begun")
                .calls
                .push(said);
        }
        StreamEvent::Gap(gap) => panic!("{gap:?}"),
        _ => {}
    };
    for record in records {
        assembler.push(record, &mut emit);
    }
    assembler.end_source(&mut emit);
    let mut streams: Vec<Stream> = streams.into_values().collect();
    streams.sort();
    streams
}

/// The same of events.
pub fn streams_of(events: &[Event], outcomes: bool) -> Vec<Stream> {
    let records = Records::new("test");
    streams(
        events.iter().map(|event| records.record(event.clone())),
        outcomes,
    )
}

/// The one stream that makes this call.
pub fn with<'s>(streams: &'s [Stream], call: &str) -> &'s Stream {
    let found: Vec<_> = streams.iter().filter(|s| s.count(call) > 0).collect();
    match found[..] {
        [one] => one,
        _ => panic!("{call}: {found:?}"),
    }
}

/// The streams that strace sees of a command. None where there is no strace, said aloud.
pub fn strace(arguments: &[&str], outcomes: bool) -> Option<Vec<Stream>> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let log = folder.path().join("log");
    let ran = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&log)
        .arg(fixture())
        .args(arguments)
        .status();
    if ran.is_err() {
        assert!(
            std::env::var_os("IDIOLECT_REQUIRE_STRACE").is_none(),
            "strace is required and not there"
        );
        println!("skipped: strace is not installed");
        return None;
    }
    let options = ReadOptions {
        format: Some(Format::Strace),
        ..ReadOptions::default()
    };
    let mut all = All::default();
    read_bytes(
        "log",
        &std::fs::read(&log).expect("strace wrote it"),
        &options,
        &mut all,
    )
    .expect("it is strace's");
    Some(streams(all.0, outcomes))
}

#[derive(Default)]
struct All(Vec<Record>);

impl Sink for All {
    fn record(&mut self, record: Record) -> ControlFlow<()> {
        self.0.push(record);
        ControlFlow::Continue(())
    }
}

/// Each thread's events come between its start and its one end.
pub fn every_thread_ends_once(events: &[Event]) {
    let mut ended = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let key = |thread: &Thread| (thread.tgid, thread.tid, thread.exec_generation);
    for event in events {
        match event {
            Event::Call { thread, .. } => {
                assert!(!ended.contains_key(&key(thread)), "{thread:?}");
                seen.insert(key(thread));
            }
            Event::Exec { before, after, .. } => {
                // The stream before it ends by it.
                seen.remove(&key(before));
                seen.insert(key(after));
            }
            Event::Exit { thread, status, .. } => {
                let again = ended.insert(key(thread), *status);
                assert_eq!(again, None, "{thread:?}");
            }
            _ => {}
        }
    }
    let ended: BTreeSet<_> = ended.into_keys().collect();
    assert!(ended.is_superset(&seen), "{ended:?} {seen:?}");
}

/// A process that idles in so many threads, and ends with the test.
pub struct Idle(pub Child);

impl Idle {
    pub fn start(threads: u32) -> Self {
        Self::start_program(fixture(), threads)
    }

    /// The same of a copy of the test program.
    pub fn start_program(program: &Path, threads: u32) -> Self {
        let mut child = Command::new(program)
            .args(["idle", &threads.to_string()])
            // As what one attaches to is, of another process group.
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it writes");
        assert_eq!(line, "ready\n");
        Idle(child)
    }

    pub fn status(&self, field: &str) -> String {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let text = text.expect("it is there");
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.expect("the field is there").trim().to_owned()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
