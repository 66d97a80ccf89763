//! The University of New Mexico's data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use idiolect_trace::assemble::{AssembleOptions, Assembler, StreamEvent};
use idiolect_trace::read::{Format, Numbering, ReadError, ReadOptions, SkipKind, Totals};
use idiolect_trace::{Abi, Record};

use crate::collect::{Collect, bytes, bytes_with, data, path_with};

fn by(numbering: Numbering) -> ReadOptions {
    ReadOptions {
        numbering: Some(numbering),
        ..ReadOptions::default()
    }
}

fn read(text: &str, numbering: Numbering) -> (Collect, Totals) {
    bytes_with("t", text.as_bytes(), &by(numbering)).unwrap()
}

/// The calls of each stream, in the order in which streams began.
fn streams(got: &Collect) -> Vec<(u32, Vec<&str>)> {
    let mut assembler = Assembler::new(AssembleOptions::default());
    let (mut of, mut streams) = (BTreeMap::new(), Vec::new());
    for record in &got.records {
        let name = match record {
            Record::Call(call) => call.name.as_str(),
            _ => "",
        };
        assembler.push(record.clone(), &mut |event| match event {
            StreamEvent::Start(start) => {
                of.insert(start.key, streams.len());
                streams.push((start.id.tid.unwrap(), Vec::new()));
            }
            StreamEvent::Call(call) => streams[of[&call.key]].1.push(name),
            _ => {}
        });
    }
    streams
}

#[test]
fn processes_are_told_apart() {
    let text = "551 4  \n552 2\r\n\n551 5\n552 0\n551 0\n";
    let (got, totals) = read(text, Numbering::Sunos0);
    assert_eq!(got.sources[0].format, Format::Unm);
    assert_eq!(
        streams(&got),
        [
            (551, vec!["open", "close", "exit"]),
            (552, vec!["read", "exit"])
        ]
    );
    assert_eq!((totals.calls, totals.skips.len()), (5, 0));
    let Record::Call(call) = &got.records[0] else {
        panic!()
    };
    assert_eq!((call.abi, call.number), (Abi::Sunos, Some(5)));
}

#[test]
fn the_same_run_by_each_table() {
    let names = ["open", "read", "close", "fork", "exit"];
    for (numbering, numbers, abi) in [
        (Numbering::Sunos0, [4, 2, 5, 1, 0], Abi::Sunos),
        (Numbering::Sunos1, [5, 3, 6, 2, 1], Abi::Sunos),
        (Numbering::I386, [5, 3, 6, 2, 1], Abi::I386),
    ] {
        let text: String = numbers.iter().map(|n| format!("9 {n}\n")).collect();
        let (got, _) = read(&text, numbering);
        assert_eq!(streams(&got), [(9, names.to_vec())], "{numbering}");
        assert!(
            got.records
                .iter()
                .all(|record| !matches!(record, Record::Call(call) if call.abi != abi))
        );
    }
}

#[test]
fn a_number_that_comes_back_after_its_exit_is_another_process() {
    let (got, _) = read("7 3\n7 1\n7 5\n8 3\n7 6\n7 1\n", Numbering::I386);
    assert_eq!(
        streams(&got),
        [
            (7, vec!["read", "exit"]),
            (7, vec!["open", "close", "exit"]),
            (8, vec!["read"])
        ]
    );
}

#[test]
fn a_separator_ends_all_processes_and_is_no_call() {
    let (got, totals) = read("7 3\n8 4\n0 0\n0 0\n7 5\n8 6\n", Numbering::I386);
    assert_eq!(
        streams(&got),
        [
            (7, vec!["read"]),
            (8, vec!["write"]),
            (7, vec!["open"]),
            (8, vec!["close"])
        ]
    );
    assert_eq!(totals.skipped(SkipKind::Separator), 2);
    assert!(!SkipKind::Separator.is_loss());
}

#[test]
fn names_need_no_table() {
    let (got, _) = bytes("t", b"7 open\n8 SYS_read\n7 close\n").unwrap();
    assert_eq!(
        streams(&got),
        [(7, vec!["open", "close"]), (8, vec!["read"])]
    );
    // Where numbers stand among them after all, they do.
    let forced = ReadOptions {
        format: Some(Format::Unm),
        ..ReadOptions::default()
    };
    let error = bytes_with("t", b"7 open\n7 6\n", &forced).unwrap_err();
    assert!(
        matches!(error, ReadError::Refused { line: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_table_that_nobody_named_is_asked_for() {
    let text = "7 4\n7 1\n7 5\n8 1\n8 2\n7 0\n8 0\n";
    let error = bytes("t", text.as_bytes()).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"t: pairs of a process number and a call number, as in UNM's data, and nothing in the file says by which table: name it, --numbering sunos0 (SunOS counted from 0: read 2, open 4), sunos1 (from 1: read 3, open 5) or i386 (Linux: read 3, mmap 90); not sunos1: 2 of 2 processes go on after their exit; not i386: 2 of 2 processes go on after their exit");
}

#[test]
fn a_table_that_cannot_be_is_refused() {
    let text = "7 4\n7 1\n7 5\n8 1\n8 2\n7 0\n8 0\n";
    let error = bytes_with("t", text.as_bytes(), &by(Numbering::Sunos1))
        .unwrap_err()
        .to_string();
    insta::assert_snapshot!(error, @"t: by the table sunos1, 2 of 2 processes go on after their exit; so the calls are numbered in another way (sunos0 fits): name the table that they are of, --numbering sunos0 (SunOS counted from 0: read 2, open 4), sunos1 (from 1: read 3, open 5) or i386 (Linux: read 3, mmap 90)");
}

#[test]
fn lines_in_another_form_leave_a_gap_and_are_counted() {
    let text =
        "7 3\n7 4 5\n7\n-7 3\n7 -3\n4294967296 3\n7 99999999999\n7 5\n7 5\n7 5\n7 5\n7 5\n7 5\n";
    let (got, totals) = read(text, Numbering::I386);
    assert_eq!(totals.skipped(SkipKind::Unparsed), 6, "{:?}", got.names());
    let gaps = got.names().iter().filter(|name| **name == "<gap>").count();
    assert_eq!(gaps, 6);
    // More than half of them, and it is another format.
    let error = bytes_with(
        "t",
        b"7 3\n7\n7\n7\n",
        &ReadOptions {
            format: Some(Format::Unm),
            ..by(Numbering::I386)
        },
    );
    assert!(error.is_err());
}

#[test]
fn processes_without_end_take_bounded_memory() {
    let mut options = by(Numbering::I386);
    options.limits.open_threads = 4;
    let text: String = (1..2000).map(|process| format!("{process} 3\n")).collect();
    let (got, totals) = bytes_with("t", text.as_bytes(), &options).unwrap();
    assert_eq!((got.records.len(), totals.calls), (1999, 1999));
}

/// The sets, each with the table that it is of (PROVENANCE.md of the data).
const SETS: [(&str, Numbering); 13] = [
    ("synth-sendmail", Numbering::Sunos0),
    ("cert-sendmail", Numbering::Sunos0),
    ("synth-lpr", Numbering::Sunos0),
    ("live-lpr-unm-old", Numbering::Sunos0),
    ("live-lpr-mit-old", Numbering::Sunos0),
    ("live-lpr-unm-new", Numbering::Sunos1),
    ("live-lpr-mit-new", Numbering::Sunos1),
    ("synth-ftp", Numbering::I386),
    ("xlock", Numbering::I386),
    ("live-named", Numbering::I386),
    ("login", Numbering::I386),
    ("ps", Numbering::I386),
    ("inetd", Numbering::I386),
];

#[test]
fn the_real_sets_are_read_by_their_own_table_and_no_other() {
    let Some(data) = data() else { return };
    let unpacked = tempfile::tempdir().unwrap();
    let packed = File::open(data.join("unm/unm.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(packed))
        .unpack(unpacked.path())
        .unwrap();
    let unm = unpacked.path().join("unm");
    for (set, right) in SETS {
        // As many of its files as make the case, in one folder.
        let part = unpacked.path().join(format!("part-of-{set}"));
        fs::create_dir(&part).unwrap();
        copy_some(&unm.join(set), &part);
        for numbering in Numbering::ALL {
            let result = path_with(&part, &by(numbering));
            match result {
                Ok((got, totals)) => {
                    assert_eq!(numbering, right, "{set}");
                    assert_eq!(totals.skipped(SkipKind::Unparsed), 0, "{set}");
                    assert!(totals.calls >= 1000, "{set}");
                    assert!(
                        got.sources
                            .iter()
                            .all(|source| source.format == Format::Unm)
                    );
                }
                Err(ReadError::WrongNumbering { fits, .. }) => {
                    assert_ne!(numbering, right, "{set}: {fits}");
                    assert!(fits.contains(right.as_str()), "{set}: {fits}");
                }
                Err(error) => panic!("{set} by {numbering}: {error}"),
            }
        }
    }
    // What stands between runs in stide's file.
    let (_, totals) = path_with(&unm.join("stide"), &by(Numbering::I386)).unwrap();
    assert_eq!(totals.skipped(SkipKind::Separator), 26);
    same_as_the_named_form(&unm);
}

/// Copies files of a folder until they are 400,000 bytes, and no more of a file than that.
fn copy_some(from: &Path, to: &Path) {
    const ENOUGH: usize = 400_000;
    let (mut folders, mut copied) = (vec![from.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if copied < ENOUGH {
                let mut bytes = fs::read(entry.path()).unwrap();
                if bytes.len() > ENOUGH {
                    bytes.truncate(ENOUGH);
                    let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap();
                    bytes.truncate(end + 1);
                }
                copied += bytes.len();
                fs::write(to.join(copied.to_string()), bytes).unwrap();
            }
        }
    }
}

/// The data have the same runs with the names of calls, by which a table is checked.
fn same_as_the_named_form(unm: &Path) {
    for (numbers, names) in [
        ("synth-sendmail/normal/bounce.int", "result-bounce.txt"),
        ("synth-sendmail/normal/bounce-1.int", "result-bounce-1.txt"),
        (
            "synth-sendmail/intrusion/sm-10763.int",
            "result-sm-10763.txt",
        ),
    ] {
        let (got, _) = path_with(&unm.join(numbers), &by(Numbering::Sunos0)).unwrap();
        let ours: Vec<String> = got
            .names()
            .iter()
            .filter(|name| **name != "<lifecycle>")
            .map(|name| (*name).to_owned())
            .collect();
        let text = fs::read_to_string(unm.join("named-form-examples").join(names)).unwrap();
        let theirs: Vec<String> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .map(|name| name.trim_start_matches("SYS_").to_owned())
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{names}");
        let other: BTreeSet<(&String, &String)> = ours
            .iter()
            .zip(&theirs)
            .filter(|(ours, theirs)| ours != theirs)
            .collect();
        assert!(other.is_empty(), "{names}: {other:?}");
    }
}
