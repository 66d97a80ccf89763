//! ftrace and eBPF record one run together, and give the same streams of calls.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use common::{Workplace, run};
use idiolect_trace::Record;
use idiolect_trace::read::{ReadOptions, Sink, read_bytes};

/// A trace buffer of our own beside the kernel's, gone when it is dropped.
struct Instance(PathBuf);

impl Instance {
    /// Records calls of the whole machine from now on; none where that is not allowed.
    fn begin() -> Option<Self> {
        let name = format!("idiolect-{}", std::process::id());
        let tracing = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
            .map(|place| PathBuf::from(place).join("instances").join(&name));
        let folder = tracing
            .into_iter()
            .find(|folder| fs::create_dir(folder).is_ok())?;
        let instance = Instance(folder);
        for (file, value) in [
            ("buffer_size_kb", "32768"),
            ("options/record-tgid", "1"),
            ("events/raw_syscalls/enable", "1"),
            ("events/sched/sched_process_fork/enable", "1"),
        ] {
            fs::write(instance.0.join(file), value).ok()?;
        }
        Some(instance)
    }

    fn end(self) -> String {
        fs::write(self.0.join("tracing_on"), "0").unwrap();
        fs::read_to_string(self.0.join("trace")).unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("events/enable"), "0");
        let _ = fs::remove_dir(&self.0);
    }
}

/// The names of each thread's calls.
#[derive(Default)]
struct Threads(BTreeMap<u32, Vec<String>>);

impl Sink for Threads {
    fn record(&mut self, record: Record) -> ControlFlow<()> {
        if let Record::Call(call) = record {
            let calls = self.0.entry(call.stream.tid.unwrap()).or_default();
            calls.push(call.name.to_string());
        }
        ControlFlow::Continue(())
    }
}

fn threads(text: &[u8]) -> BTreeMap<u32, Vec<String>> {
    let mut threads = Threads::default();
    read_bytes("t", text, &ReadOptions::default(), &mut threads).unwrap();
    threads.0
}

#[test]
fn ftrace_and_ebpf_see_the_same_run() {
    let Some(instance) = Instance::begin() else {
        println!("skipped: this machine does not let us trace by ftrace");
        return;
    };
    let place = Workplace::new(0);
    let out = place.path("run.jsonl");
    let script = "ls /usr >/dev/null; (cd /; true); echo x | cat >/dev/null; exec sort /dev/null";
    let ran = run(&[
        "record",
        "--backend",
        "ebpf",
        "-o",
        &out,
        "--",
        "sh",
        "-c",
        script,
    ]);
    let trace = instance.end();
    if ran.code != 0 {
        assert!(ran.err.contains("ebpf is not available"), "{ran:?}");
        println!("skipped: {}", ran.err);
        return;
    }
    let by_ebpf = threads(&fs::read(&out).unwrap());
    let by_ftrace = threads(trace.as_bytes());
    assert!(by_ebpf.len() >= 5, "{by_ebpf:?}");
    for (tid, calls) in &by_ebpf {
        let all = by_ftrace.get(tid).expect("it saw the whole machine");
        // What came before the command's own exec is the recorder's, and the recorder does not tell it.
        assert!(
            all.ends_with(calls),
            "{tid}:\n{calls:?}\nby ftrace:\n{all:?}"
        );
        assert!(calls.len() > 2, "{tid}: {calls:?}");
    }
}
