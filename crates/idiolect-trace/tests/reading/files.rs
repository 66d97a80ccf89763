//! Files and folders, and what bad ones get.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use idiolect_trace::read::{FileSkip, Foreign, Format, Limits, ReadError, ReadOptions, SkipKind};
use tempfile::TempDir;

use crate::collect::{Collect, bytes, bytes_with, path, path_with};

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    folder
}

#[test]
fn no_such_path() {
    let error = path(Path::new("/no/such/\x1b[31mpath")).unwrap_err();
    assert!(matches!(error, ReadError::Open { .. }));
    let message = error.to_string();
    assert!(
        message.starts_with(r"/no/such/\u{1b}[31mpath: cannot open: "),
        "{message}"
    );
}

#[test]
fn no_permission() {
    let folder = folder(&[("a", b"read write")]);
    let file = folder.path().join("a");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&file).is_ok() {
        // The superuser may read everything, so there is nothing to see.
        return;
    }
    assert!(matches!(path(&file), Err(ReadError::Open { .. })));
    assert!(matches!(path(folder.path()), Err(ReadError::Open { .. })));
}

#[test]
fn a_file_named_itself_must_be_a_trace() {
    let folder = folder(&[
        ("empty", b""),
        ("blank", b" \n\n"),
        ("program", b"\x7fELF\x02\x01\x01\0"),
        ("noise", b"\x00\x01\x02\x03"),
        (
            "prose",
            b"This is a file about nothing that matters here.\n",
        ),
    ]);
    let error = |name: &str| path(&folder.path().join(name)).unwrap_err();
    assert!(matches!(error("empty"), ReadError::Empty { .. }));
    assert!(matches!(error("blank"), ReadError::Empty { .. }));
    assert!(
        error("program")
            .to_string()
            .contains("looks like a compiled program (ELF)")
    );
    assert!(
        error("noise")
            .to_string()
            .contains("looks like binary data")
    );
    let prose = error("prose").to_string();
    assert!(
        prose.contains("--format") && prose.contains("This is a file"),
        "{prose}"
    );

    let forced = ReadOptions {
        format: Some(Format::Adfa),
        ..ReadOptions::default()
    };
    let error = path_with(&folder.path().join("empty"), &forced).unwrap_err();
    assert!(matches!(error, ReadError::Empty { .. }));
}

#[test]
fn a_folder_is_read_in_order_and_tells_what_it_passes_over() {
    let folder = folder(&[
        ("b.txt", b"write\nread\n"),
        ("a/z.txt", b"close"),
        ("a/B.txt", b"open"),
        ("a/empty", b""),
        (".DS_Store", b"\0\0\0\x01Bud1"),
        ("__MACOSX/x", b"read"),
        ("b.txt~", b"read"),
        ("._b.txt", b"read"),
        ("notes.md", b"Some words about this folder.\n"),
        ("tool", b"\x7fELF"),
    ]);
    let (got, totals) = path(folder.path()).unwrap();
    assert_eq!(got.names(), ["open", "close", "write", "read"]);
    assert_eq!(
        (totals.sources, totals.calls, totals.skipped_files),
        (3, 4, 7)
    );
    let mut skipped: Vec<_> = got
        .skipped_files
        .iter()
        .map(|(origin, reason)| (origin.rsplit('/').next().unwrap(), reason.clone()))
        .collect();
    skipped.sort_by_key(|(name, _)| *name);
    assert_eq!(
        skipped,
        [
            (".DS_Store", FileSkip::LeftBehind),
            ("._b.txt", FileSkip::LeftBehind),
            ("__MACOSX", FileSkip::LeftBehind),
            ("b.txt~", FileSkip::LeftBehind),
            ("empty", FileSkip::Empty),
            ("notes.md", FileSkip::Unrecognised),
            ("tool", FileSkip::Foreign(Foreign::Elf)),
        ]
    );
}

#[test]
fn links_do_not_lead_round_in_circles() {
    let folder = folder(&[("a/t", b"read")]);
    let root = folder.path();
    symlink("..", root.join("a/up")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("a/t", root.join("to_file")).unwrap();
    let (got, totals) = path(root).unwrap();
    assert_eq!(got.names(), ["read", "read"]);
    assert_eq!(totals.skipped_files, 2);
    assert!(
        got.skipped_files
            .iter()
            .all(|(_, reason)| *reason == FileSkip::Link)
    );
}

#[test]
fn sockets_in_a_folder_are_passed_over() {
    let folder = folder(&[("t", b"read")]);
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
    let (got, _) = path(folder.path()).unwrap();
    assert_eq!(got.skipped_files[0].1, FileSkip::Special);
}

#[test]
fn folders_are_bounded() {
    let folder = folder(&[("a/b/c/t", b"read"), ("a/b/c/u", b"read")]);
    let with = |limits| {
        let options = ReadOptions {
            limits,
            ..ReadOptions::default()
        };
        path_with(folder.path(), &options)
    };
    let deep = with(Limits {
        depth: 2,
        ..Limits::default()
    })
    .unwrap_err();
    assert!(
        deep.to_string().contains("too deep (the bound is 2)"),
        "{deep}"
    );
    let many = with(Limits {
        entries: 4,
        ..Limits::default()
    })
    .unwrap_err();
    assert!(many.to_string().contains("too many files"), "{many}");
    assert!(
        with(Limits {
            entries: 5,
            depth: 3,
            ..Limits::default()
        })
        .is_ok()
    );
}

#[test]
fn a_folder_without_a_trace_is_an_error() {
    let folder = folder(&[("empty", b"")]);
    let error = path(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("no trace in it (1 files passed over)"),
        "{error}"
    );
}

#[test]
fn more_than_half_unparsed() {
    let plain = ReadOptions {
        format: Some(Format::Plain),
        ..ReadOptions::default()
    };
    let (_, totals) = bytes_with("t", b"read ! \x1b[1m write", &plain).unwrap();
    assert_eq!(totals.skipped(SkipKind::Unparsed), 2);
    assert_eq!(totals.skips[0].first_origin.as_ref(), "t");
    let error = bytes_with("t", b"read\n \x1b[1m ! Then", &plain).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t: 3 of 4 words are not in the form of plain; the first is on line 2: \
         \"\\\\u{1b}[1m\". Is it another format (--format)?"
    );
}

#[test]
fn the_sink_may_stop() {
    let mut sink = Collect {
        stop_after: Some(2),
        ..Collect::default()
    };
    let totals = idiolect_trace::read::read_bytes(
        "t",
        b"read write close",
        &ReadOptions::default(),
        &mut sink,
    )
    .unwrap();
    assert!(totals.stopped);
    assert_eq!((totals.calls, totals.sources), (2, 0));
    assert!(sink.reports.is_empty());
}

#[test]
fn lines_are_bounded_and_the_rest_is_read() {
    let mut text = br#"{"record":"call","stream":{},"abi":"x86_64","name":"read"}"#.to_vec();
    let line = text.clone();
    text.push(b'\n');
    text.extend(std::iter::repeat_n(b'x', 10 << 20));
    text.push(b'\n');
    text.extend(&line);
    let (got, totals) = bytes("t", &text).unwrap();
    assert_eq!(got.names(), ["read", "<gap>", "read"]);
    assert_eq!(totals.skipped(SkipKind::TooLong), 1);
}
