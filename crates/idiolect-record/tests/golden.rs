//! Files of every version that was released stay readable.
//!
//! `GOLDEN_WRITE=1 cargo test -p idiolect-record --test golden` writes those of this version anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use idiolect_record::{
    Batch, ParquetFile, ParquetWriter, Recording, RecordingInfo, RecordingOptions, read_journal,
};
use idiolect_trace::{
    Abi, Call, Errno, ExitStatus, Gap, GapCause, GapScope, Lifecycle, LifecycleKind, Outcome,
    Record, StreamId, table,
};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// Every kind of record, and every column in use.
fn records() -> Vec<Record> {
    let origin: Arc<str> = "golden".into();
    let parent = StreamId {
        host: Some("host".into()),
        boot: Some("0d7b".into()),
        tgid: Some(100),
        start_ns: Some(5_000_000_000),
        ..StreamId::thread(origin.clone(), 100)
    };
    let child = StreamId {
        tgid: Some(101),
        start_ns: Some(6_000_000_000),
        exec_generation: 1,
        ..StreamId::thread(origin.clone(), 101)
    };
    let call = |n: u64, stream: &StreamId, abi, number, outcome| {
        Record::Call(Call {
            time_ns: Some(1_700_000_000_000_000_000 + n * 1_234),
            stream: stream.clone(),
            abi,
            number: Some(number),
            name: table::by_number(abi, number),
            outcome,
        })
    };
    let mut records: Vec<Record> = (0..40)
        .map(|n| {
            let outcome = match n % 4 {
                0 => None,
                1 => Some(Outcome::Failed(Errno(2))),
                _ => Some(Outcome::Returned(n as i64 * 4_096)),
            };
            call(n, &parent, Abi::X86_64, (n * n % 11) as u32, outcome)
        })
        .collect();
    records.push(call(41, &child, Abi::I386, 11, None));
    records.push(call(
        42,
        &child,
        Abi::X86_64,
        9_999,
        Some(Outcome::Returned(-5_000)),
    ));
    let life = |kind, status| {
        Record::Lifecycle(Lifecycle {
            time_ns: Some(1_700_000_000_000_100_000),
            stream: child.clone(),
            kind,
            parent: (kind != LifecycleKind::Exit).then(|| parent.clone()),
            executable: (kind == LifecycleKind::Exec).then(|| "/usr/bin/env".to_owned()),
            uid: Some(33),
            cgroup: Some("/system.slice/web.service".to_owned()),
            status,
        })
    };
    records.push(life(LifecycleKind::Fork, None));
    records.push(life(LifecycleKind::Clone, None));
    records.push(life(LifecycleKind::Exec, None));
    records.push(life(LifecycleKind::Exit, Some(ExitStatus::Code(-1))));
    records.push(life(LifecycleKind::Exit, Some(ExitStatus::Signal(9))));
    let returning = StreamId {
        incarnation: 3,
        ..StreamId::whole("elsewhere".into())
    };
    for (scope, cause) in [
        (GapScope::Origin(origin.clone()), GapCause::Unknown),
        (GapScope::Cpu(origin, 3), GapCause::BufferFull),
        (GapScope::Stream(parent), GapCause::RateLimit),
        (GapScope::Stream(returning), GapCause::Unreadable),
    ] {
        records.push(Record::Gap(Gap {
            time_ns: None,
            scope,
            lost: (cause == GapCause::BufferFull).then_some(u64::MAX),
            cause,
        }));
    }
    records
}

fn info() -> RecordingInfo {
    RecordingInfo {
        writer: "idiolect 0.1.0".to_owned(),
        origin: String::new(),
        host: Some("host".to_owned()),
        source: "golden".to_owned(),
        ..RecordingInfo::default()
    }
}

fn write() {
    let file = fs::File::create(data("golden-1.parquet")).unwrap();
    let mut writer = ParquetWriter::new(file, "golden", info()).unwrap();
    records()
        .iter()
        .for_each(|record| writer.push(record).unwrap());
    writer.finish().unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut recording =
        Recording::create(place.path(), info(), RecordingOptions::default()).unwrap();
    records()
        .iter()
        .for_each(|record| recording.push(record).unwrap());
    drop(recording);
    fs::copy(
        place.path().join("journal-00001.bin"),
        data("golden-1.journal"),
    )
    .unwrap();
}

#[test]
fn files_of_format_1() {
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        write();
    }
    let mut file = ParquetFile::open(&data("golden-1.parquet")).unwrap();
    assert_eq!(file.info(), Some(&info()));
    let batch = file.next_batch().unwrap().unwrap();
    assert_eq!(batch.records().collect::<Vec<_>>(), records());
    assert_eq!(file.next_batch().unwrap(), None);
    let mut found = Vec::new();
    let damage = read_journal(&data("golden-1.journal"), &mut |batch: Batch| {
        found.extend(batch.records());
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(damage.unwrap(), idiolect_record::Damage::default());
    assert_eq!(found, records());
}

#[test]
fn a_later_format_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let json = br#"{"format": 2, "writer": "idiolect 9"}"#;
    fs::write(place.path().join("recording.json"), json).unwrap();
    let error = RecordingInfo::load(place.path()).unwrap_err().to_string();
    assert!(error.contains("take a later version"), "{error}");
}
