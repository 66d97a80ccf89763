//! Recordings: whole ones, and what is left of one that was killed, cut, damaged or has no room.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a child process tells its parent")]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use idiolect_record::{
    Batch, Damage, ParquetFile, RecordError, Recording, RecordingInfo, RecordingOptions, State,
    Summary, read_journal, repair,
};
use idiolect_trace::Record;
use proptest::prelude::*;
use tempfile::TempDir;

/// Small segments, so that there are several; times do not count.
fn options() -> RecordingOptions {
    let never = Duration::from_secs(3_600);
    RecordingOptions {
        segment_records: 5_000,
        segment_time: never,
        unwritten_records: 100,
        unwritten_time: never,
        sync_time: never,
    }
}

fn begin(folder: &Path) -> Recording {
    let info = RecordingInfo {
        origin: "run".to_owned(),
        ..RecordingInfo::default()
    };
    Recording::create(folder, info, options()).unwrap()
}

/// What the records are once their own origin has been left out.
fn without_origin(records: impl Iterator<Item = Record>) -> Vec<Record> {
    records
        .map(|mut record| {
            if let Record::Call(call) = &mut record {
                call.stream.origin = "".into();
            }
            record
        })
        .collect()
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(end));
    files.sort();
    files
}

/// The records of all segments.
fn segments(folder: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    for path in files(folder, ".parquet") {
        let mut file = ParquetFile::open(&path).unwrap();
        while let Some(batch) = file.next_batch().unwrap() {
            records.extend(batch.records());
        }
    }
    records
}

fn journal(path: &Path) -> (Vec<Record>, Damage) {
    let mut records = Vec::new();
    let damage = read_journal(path, &mut |batch: Batch| {
        records.extend(batch.records());
        std::ops::ControlFlow::Continue(())
    });
    (records, damage.unwrap())
}

#[test]
fn a_whole_recording() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("rec");
    let mut recording = begin(&folder);
    for record in common::plain_calls(12_345) {
        recording.push(&record).unwrap();
    }
    let locked = repair(&folder).unwrap_err().to_string();
    assert!(locked.contains("another process"), "{locked}");
    let summary = Summary {
        lost: [("buffer_full".to_owned(), 7)].into(),
        ..Summary::default()
    };
    let finished = recording.finish(summary).unwrap();
    assert_eq!((finished.records, finished.segments), (12_345, 3));
    assert_eq!(
        segments(&folder),
        without_origin(common::plain_calls(12_345))
    );
    let info = RecordingInfo::load(&folder).unwrap();
    assert_eq!(info, finished.info);
    assert_eq!(info.state, Some(State::Finished));
    assert_eq!(info.summary.unwrap().calls, 12_345);
    assert!(files(&folder, ".bin").is_empty());
    let sizes: u64 = files(&folder, ".parquet")
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert_eq!(finished.bytes, sizes);
    let again = repair(&folder).unwrap();
    assert!(again.was_whole);
    assert_eq!(
        (again.segments, again.records_before, again.calls),
        (3, 12_345, 12_345)
    );
    let refused = Recording::create(&folder, RecordingInfo::default(), options()).unwrap_err();
    assert!(refused.to_string().contains("not empty"), "{refused}");
}

#[test]
fn a_recording_that_was_dropped() {
    let place = TempDir::new().unwrap();
    let mut recording = begin(place.path());
    common::plain_calls(7_050).for_each(|record| recording.push(&record).unwrap());
    drop(recording);
    assert_eq!(files(place.path(), ".bin").len(), 1);
    let repaired = repair(place.path()).unwrap();
    assert!(!repaired.was_whole);
    assert_eq!((repaired.segments, repaired.records_before), (1, 5_000));
    assert_eq!((repaired.records_rescued, repaired.calls), (2_050, 7_050));
    assert_eq!(repaired.damage, Damage::default());
    assert_eq!(
        segments(place.path()),
        without_origin(common::plain_calls(7_050))
    );
    let info = RecordingInfo::load(place.path()).unwrap();
    assert_eq!(info.state, Some(State::Repaired));
    assert!(repair(place.path()).unwrap().was_whole);
}

#[test]
fn repair_goes_on_where_a_crash_left_it() {
    let place = TempDir::new().unwrap();
    let mut recording = begin(place.path());
    common::plain_calls(4_000).for_each(|record| recording.push(&record).unwrap());
    drop(recording);
    let journal = &files(place.path(), ".bin")[0];
    let bytes = fs::read(journal).unwrap();
    repair(place.path()).unwrap();
    // As if the power had failed before the journal was removed, and in the middle of another segment.
    fs::write(journal, bytes).unwrap();
    fs::write(place.path().join(".segment.parquet.part"), "PAR1").unwrap();
    let json = place.path().join("recording.json");
    let text = fs::read_to_string(&json)
        .unwrap()
        .replace("repaired", "open");
    fs::write(&json, text).unwrap();
    let repaired = repair(place.path()).unwrap();
    assert_eq!(
        (repaired.records_before, repaired.records_rescued),
        (4_000, 0)
    );
    assert_eq!(
        segments(place.path()),
        without_origin(common::plain_calls(4_000))
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

/// Not a test of its own: what [`child`] starts.
#[test]
fn recorder() {
    let Ok(folder) = std::env::var("RECORD_INTO") else {
        return;
    };
    let mut recording = begin(Path::new(&folder));
    for record in common::plain_calls(u64::MAX) {
        if let Err(error) = recording.push(&record) {
            let RecordError::Stopped { kept, unkept, .. } = error else {
                panic!("{error}");
            };
            let accepted = recording.records();
            let again = recording.push(&record).unwrap_err().to_string();
            assert!(again.contains("stopped before"), "{again}");
            println!("kept {kept} unkept {unkept} accepted {accepted}: {error}");
            return;
        }
    }
}

/// This very test binary as a process that records until it cannot.
fn child(folder: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("{shell} exec \"$0\" --exact recorder --nocapture"),
        ])
        .arg(std::env::current_exe().unwrap())
        .env("RECORD_INTO", folder)
        .stdout(Stdio::piped());
    command
}

#[test]
fn a_recorder_that_was_killed() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("rec");
    let mut child = child(&folder, "").spawn().unwrap();
    while !folder.exists() || files(&folder, ".parquet").len() < 3 {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut whole, journals) = (0, files(&folder, ".bin"));
    for path in &journals {
        // One that is closed is in its segment too.
        let number = path.file_name().unwrap().to_str().unwrap()[8..13].to_owned();
        if !folder.join(format!("segment-{number}.parquet")).exists() {
            whole += journal(path).0.len() as u64;
        }
    }
    let closed = segments(&folder).len() as u64;
    let repaired = repair(&folder).unwrap();
    assert_eq!(repaired.records_before, closed);
    assert_eq!(repaired.records_rescued, whole);
    assert!(closed >= 15_000, "{repaired:?}");
    // All of it, in order, from the first record on.
    let records = segments(&folder);
    assert_eq!(records.len() as u64, closed + whole);
    assert_eq!(records, without_origin(common::plain_calls(closed + whole)));
}

/// Writing fails as on a full disk, by a bound on the size of files.
#[test]
fn a_recorder_without_room() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("rec");
    let output = child(&folder, "trap '' XFSZ; ulimit -f 20;")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.split_once("kept "))
        .unwrap()
        .1;
    let words: Vec<&str> = line.split_whitespace().collect();
    let [kept, unkept, accepted] =
        [0, 2, 4].map(|place| words[place].trim_end_matches(':').parse::<u64>().unwrap());
    assert!(
        line.contains("recording stopped: ") && line.contains("File too large"),
        "{line}"
    );
    assert!(kept > 0 && unkept > 0, "{line}");
    assert_eq!(
        kept, accepted,
        "what waited is unkept and not counted twice: {line}"
    );
    let repaired = repair(&folder).unwrap();
    assert_eq!(repaired.records_before + repaired.records_rescued, kept);
    assert_eq!(segments(&folder), without_origin(common::plain_calls(kept)));
}

/// A journal of `count` records in frames of a hundred.
fn journal_of(records: impl Iterator<Item = Record>) -> Vec<u8> {
    let place = TempDir::new().unwrap();
    let mut recording = begin(place.path());
    records.for_each(|record| recording.push(&record).unwrap());
    drop(recording);
    fs::read(&files(place.path(), ".bin")[0]).unwrap()
}

fn read_bytes(bytes: &[u8]) -> (Vec<Record>, Damage) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    journal(file.path())
}

#[test]
fn a_journal_with_a_broken_place() {
    let mut bytes = journal_of(common::plain_calls(1_000));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let (records, damage) = read_bytes(&bytes);
    assert_eq!((damage.broken_places, damage.cut_bytes), (1, 0));
    assert!(damage.broken_bytes > 0);
    let gaps = records
        .iter()
        .filter(|record| matches!(record, Record::Gap(_)));
    assert_eq!((gaps.count(), records.len()), (1, 901));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn records_read_back(records in prop::collection::vec(common::record(), 1..300)) {
        prop_assert_eq!(read_bytes(&journal_of(records.iter().cloned())), (records, Damage::default()));
    }

    #[test]
    fn a_cut_journal_keeps_its_whole_frames(cut in 0_usize..10_000) {
        let bytes = journal_of(common::plain_calls(500));
        let (records, damage) = read_bytes(&bytes[..cut % bytes.len()]);
        let whole = records.len() as u64;
        prop_assert_eq!(whole % 100, 0);
        prop_assert_eq!(records, common::plain_calls(whole).collect::<Vec<_>>());
        prop_assert_eq!(damage.broken_places, 0);
        prop_assert!(damage.cut_bytes < 4_000);
    }

    #[test]
    fn a_damaged_journal_loses_what_is_damaged(
        damage in prop::collection::vec((0_usize..10_000, any::<u8>()), 1..4),
    ) {
        let mut bytes = journal_of(common::plain_calls(500));
        let length = bytes.len() - 8;
        damage.iter().for_each(|(at, byte)| bytes[8 + at % length] = *byte);
        let (records, _) = read_bytes(&bytes);
        let calls: Vec<Record> = records.into_iter().filter(|r| matches!(r, Record::Call(_))).collect();
        prop_assert!(calls.len() >= 500 - 100 * damage.len());
        let all: Vec<Record> = common::plain_calls(500).collect();
        prop_assert!(calls.iter().all(|call| all.contains(call)));
    }
}
