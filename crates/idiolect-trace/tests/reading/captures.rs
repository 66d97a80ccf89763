//! Real logs of many tools: each is found out for what it is.

use std::fs;
use std::path::Path;

use idiolect_trace::read::{Format, ReadError, ReadOptions, read_bytes};

use crate::collect::{Collect, data};

/// What the formats of the captures' folders are told to be that are not read.
const LOOKS: &[(&str, &str)] = &[];

#[test]
fn foreign_formats_are_named() {
    let Some(data) = data() else { return };
    for (folder, look) in LOOKS {
        for file in files(&data.join("captures").join(folder)) {
            let content = fs::read(&file).unwrap();
            let error = read_bytes(
                "t",
                &content,
                &ReadOptions::default(),
                &mut Collect::default(),
            )
            .expect_err(&file.display().to_string());
            let message = error.to_string();
            assert!(
                matches!(error, ReadError::Foreign { .. }),
                "{}: {message}",
                file.display()
            );
            assert!(message.contains(look), "{}: {message}", file.display());
        }
    }
}

#[test]
fn strace_files_are_found_by_content() {
    let Some(data) = data() else { return };
    for file in files(&data.join("captures/strace")) {
        let content = fs::read(&file).unwrap();
        // The beginning alone: the whole of it is for the tests of the strace reader.
        let mut sink = Collect {
            stop_after: Some(1),
            ..Collect::default()
        };
        let totals = read_bytes("t", &content, &ReadOptions::default(), &mut sink).unwrap();
        assert_eq!(sink.sources[0].format, Format::Strace, "{}", file.display());
        assert!(totals.stopped);
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn pairs_of_numbers_are_not_taken_for_calls() {
    let Some(data) = data() else { return };
    match crate::collect::path(&data.join("unm/unm.tar.gz")) {
        Ok((got, _)) => {
            for origin in got.origins() {
                let with_names = origin.contains("named-form") || origin.ends_with("calls.txt.sun");
                assert!(with_names, "read as a trace: {origin}");
            }
        }
        Err(error) => panic!("{error}"),
    }
}
