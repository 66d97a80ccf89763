//! Text like that of strace, read back by our reader of strace.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use idiolect_trace::read::{Format, ReadOptions, Sink, read_bytes};
use idiolect_trace::write::{StraceWriter, Unsaid};
use idiolect_trace::{
    Abi, Call, Errno, ExitStatus, Gap, GapCause, GapScope, Lifecycle, LifecycleKind, Outcome,
    Record, StreamId, table,
};

struct Collect(Vec<Record>);

impl Sink for Collect {
    fn record(&mut self, record: Record) -> ControlFlow<()> {
        self.0.push(record);
        ControlFlow::Continue(())
    }
}

fn read(name: &str, text: &[u8]) -> Vec<Record> {
    let options = ReadOptions {
        format: Some(Format::Strace),
        ..ReadOptions::default()
    };
    let mut sink = Collect(Vec::new());
    read_bytes(name, text, &options, &mut sink).unwrap();
    sink.0
}

fn write(records: &[Record]) -> (String, Unsaid) {
    let mut writer = StraceWriter::new(Vec::new());
    records
        .iter()
        .for_each(|record| writer.push(record).unwrap());
    let (bytes, unsaid) = writer.finish().unwrap();
    (String::from_utf8(bytes).unwrap(), unsaid)
}

/// What text can hold of each thread's records, in their order.
fn by_thread(records: &[Record]) -> BTreeMap<(Option<u32>, u32, u32), Vec<String>> {
    let mut threads: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for record in records {
        let (stream, text) = match record {
            Record::Call(call) => (
                &call.stream,
                format!(
                    "{:?} {}:{:?}:{} {:?}",
                    call.time_ns, call.abi, call.number, call.name, call.outcome
                ),
            ),
            Record::Lifecycle(life) => {
                let parent = life.parent.as_ref().map(|parent| parent.tid);
                let executable = &life.executable;
                (
                    &life.stream,
                    format!(
                        "{:?} {parent:?} {executable:?} {:?}",
                        life.kind, life.status
                    ),
                )
            }
            Record::Gap(_) => continue,
            other => panic!("{other:?}"),
        };
        let key = (stream.tid, stream.incarnation, stream.exec_generation);
        threads.entry(key).or_default().push(text);
    }
    threads
}

fn thread(tid: u32) -> StreamId {
    StreamId::thread(Arc::from("t"), tid)
}

fn call(time: u64, stream: &StreamId, name: &'static str, outcome: Option<Outcome>) -> Record {
    let name = table::canonical(name).unwrap();
    Record::Call(Call {
        time_ns: Some(1_700_000_000_000_000_000 + time),
        stream: stream.clone(),
        abi: Abi::X86_64,
        number: table::number(Abi::X86_64, &name),
        name,
        outcome,
    })
}

fn life(stream: &StreamId, kind: LifecycleKind, parent: Option<&StreamId>) -> Lifecycle {
    Lifecycle {
        time_ns: None,
        stream: stream.clone(),
        kind,
        parent: parent.cloned(),
        executable: None,
        uid: None,
        cgroup: None,
        status: None,
    }
}

#[test]
fn logs_of_strace_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/strace");
    let mut logs = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // Counts alone, and times of day that the text has without their date.
        if name == "summary.txt" {
            continue;
        }
        let records = read(&name, &fs::read(&path).unwrap());
        // A thread without a number gets one.
        let all_numbered = by_thread(&records).keys().all(|key| key.0.is_some());
        let (text, unsaid) = write(&records);
        let back = read("t", text.as_bytes());
        if !all_numbered {
            continue;
        }
        let (back, wanted) = (by_thread(&back), by_thread(&records));
        assert!(
            back.keys().eq(wanted.keys()),
            "{name}: {:?}, not {:?}",
            back.keys(),
            wanted.keys()
        );
        for (key, thread) in &wanted {
            assert_eq!(&back[key], thread, "{name} {key:?}");
        }
        assert_eq!(unsaid.numbers, 0, "{name}");
        logs += 1;
    }
    assert!(logs >= 4, "{logs}");
}

/// Live sources tell a call at its entry, before what it makes, and may not know its outcome.
#[test]
fn calls_before_what_they_make() {
    let (parent, child, worker) = (thread(10), thread(11), thread(12));
    let exec = StreamId {
        exec_generation: 1,
        ..child.clone()
    };
    let failed = Some(Outcome::Failed(Errno(2)));
    let returned = |value| Some(Outcome::Returned(value));
    let records = [
        call(1, &parent, "openat", failed),
        call(2, &parent, "clone", None),
        Record::Lifecycle(life(&child, LifecycleKind::Fork, Some(&parent))),
        call(3, &child, "close", returned(0)),
        call(4, &parent, "clone3", returned(12)),
        Record::Lifecycle(life(&worker, LifecycleKind::Clone, Some(&parent))),
        call(5, &child, "execve", returned(0)),
        Record::Lifecycle(Lifecycle {
            executable: Some("/bin/s\"h\n\u{e9}".to_owned()),
            ..life(&exec, LifecycleKind::Exec, Some(&child))
        }),
        call(6, &worker, "mmap", returned(0x7fff_0000_0000)),
        call(7, &exec, "lseek", returned(-5_000)),
        call(8, &parent, "read", Some(Outcome::Failed(Errno(512)))),
        call(9, &parent, "nanosleep", Some(Outcome::Failed(Errno(777)))),
        Record::Lifecycle(Lifecycle {
            status: Some(ExitStatus::Code(3)),
            ..life(&worker, LifecycleKind::Exit, None)
        }),
        Record::Lifecycle(Lifecycle {
            status: Some(ExitStatus::Signal(11)),
            ..life(&exec, LifecycleKind::Exit, None)
        }),
        Record::Lifecycle(Lifecycle {
            status: Some(ExitStatus::Signal(37)),
            ..life(&parent, LifecycleKind::Exit, None)
        }),
    ];
    let (text, unsaid) = write(&records);
    assert_eq!(unsaid, Unsaid::default(), "{text}");
    assert_eq!(
        by_thread(&read("t", text.as_bytes())),
        by_thread(&records),
        "{text}"
    );
}

#[test]
fn conventions_by_their_numbers() {
    let stream = thread(7);
    let records: Vec<Record> = [
        (Abi::X86_64, 257),
        (Abi::I386, 11),
        (Abi::X32, 0),
        (Abi::X86_64, 231),
    ]
    .into_iter()
    .map(|(abi, number)| {
        Record::Call(Call {
            time_ns: None,
            stream: stream.clone(),
            abi,
            number: Some(number),
            name: table::by_number(abi, number),
            outcome: None,
        })
    })
    .collect();
    let (text, unsaid) = write(&records);
    assert_eq!(unsaid, Unsaid::default());
    let options = ReadOptions {
        format: Some(Format::Strace),
        ..ReadOptions::default()
    };
    let mut sink = Collect(Vec::new());
    read_bytes("t", text.as_bytes(), &options, &mut sink).unwrap();
    if Abi::native() == Some(Abi::X86_64) {
        assert_eq!(by_thread(&sink.0), by_thread(&records), "{text}");
    }
}

#[test]
fn what_text_cannot_say_is_counted() {
    let (parent, child) = (thread(10), thread(11));
    let records = [
        call(1, &parent, "read", None),
        Record::Lifecycle(life(&child, LifecycleKind::Fork, Some(&parent))),
        call(2, &child, "write", None),
        Record::Gap(Gap {
            time_ns: None,
            scope: GapScope::Stream(child.clone()),
            lost: Some(9),
            cause: GapCause::BufferFull,
        }),
        call(3, &parent, "read", None),
        Record::Lifecycle(life(&parent, LifecycleKind::Exec, Some(&parent))),
    ];
    let (text, unsaid) = write(&records);
    assert_eq!((unsaid.gaps, unsaid.lifecycles), (1, 2), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}
