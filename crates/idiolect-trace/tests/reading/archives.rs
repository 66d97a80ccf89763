//! Archives, whole and hostile.

use std::fs;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use idiolect_trace::read::{FileSkip, Limits, ReadError, ReadOptions};
use zip::write::SimpleFileOptions;

use crate::collect::{bytes, bytes_with, path};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if name.len() < 100 {
            // Written as it is, since the library refuses names that lead elsewhere.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        } else {
            builder.append_data(&mut header, name, *content).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const FILES: &[(&str, &[u8])] = &[
    ("a.txt", b"read write"),
    ("__MACOSX/._a.txt", b"\0\x05\x16\x07"),
    ("empty", b""),
    ("sub/b.txt", b"open close"),
];

#[test]
fn every_kind_gives_the_same_calls() {
    for (name, content) in [
        ("x.zip", zip(FILES)),
        ("x.tar", tar(FILES)),
        ("x.tar.gz", gzip(&tar(FILES))),
        ("by_content.txt", gzip(&tar(FILES))),
    ] {
        let (got, totals) = bytes(name, &content).unwrap();
        assert_eq!(got.names(), ["read", "write", "open", "close"], "{name}");
        assert_eq!(
            got.origins(),
            [format!("{name}:a.txt"), format!("{name}:sub/b.txt")]
        );
        assert_eq!(totals.skipped_files, 2);
        assert_eq!(got.skipped_files[0].1, FileSkip::LeftBehind);
        assert_eq!(
            got.skipped_files[1],
            (format!("{name}:empty"), FileSkip::Empty)
        );
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join(name), &content).unwrap();
        let (from_disk, _) = path(folder.path()).unwrap();
        assert_eq!(from_disk.names(), got.names());
    }
    let (got, _) = bytes("t.gz", &gzip(b"read write")).unwrap();
    assert_eq!(
        (got.names(), got.origins()),
        (vec!["read", "write"], vec!["t.gz"])
    );
    let two_members = [gzip(b"read "), gzip(b"write")].concat();
    assert_eq!(
        bytes("t.gz", &two_members).unwrap().0.names(),
        ["read", "write"]
    );
}

#[test]
fn names_are_never_followed_and_printed_safely() {
    let long = "d/".repeat(100) + "long";
    let files: &[(&str, &[u8])] = &[
        ("../../etc/passwd", b"read"),
        ("/etc/\x1b[2Jshadow", b"write"),
        (&long, b"close"),
    ];
    for (name, content) in [("x.tar", tar(files)), ("x.zip", zip(files))] {
        let (got, _) = bytes(name, &content).unwrap();
        assert_eq!(
            got.origins(),
            [
                format!("{name}:../../etc/passwd"),
                format!("{name}:/etc/\\u{{1b}}[2Jshadow"),
                format!("{name}:{long}")
            ]
        );
        assert_eq!(got.names(), ["read", "write", "close"]);
    }
}

#[test]
fn one_archive_in_another_is_passed_over_aloud() {
    let inner_tar = tar(FILES);
    let inner_zip = zip(FILES);
    let files: &[(&str, &[u8])] = &[
        ("a.tar", &inner_tar),
        ("b.zip", &inner_zip),
        ("c.tar.gz", &gzip(&inner_tar)),
        ("d.txt.gz", &gzip(b"read")),
    ];
    for content in [zip(files), tar(files), gzip(&tar(files))] {
        let (got, totals) = bytes("x", &content).unwrap();
        assert_eq!(got.origins(), ["x:d.txt.gz"]);
        assert_eq!(totals.skipped_files, 3);
        assert!(
            got.skipped_files
                .iter()
                .all(|(_, why)| *why == FileSkip::NestedArchive)
        );
    }
    for twice in [gzip(&gzip(b"read")), gzip(&inner_zip)] {
        assert!(matches!(bytes("x", &twice), Err(ReadError::Foreign { .. })));
    }
}

#[test]
fn a_truncated_archive_says_how_far_it_got() {
    // Names that do not repeat, so that the packed form is long enough to cut anywhere.
    let text: String = (0..4_000_u32)
        .map(|n| format!("call_{}\n", n.wrapping_mul(2_654_435_761)))
        .collect();
    let text = format!("{}{text}", "read\n".repeat(20_000));
    let packed = gzip(text.as_bytes());
    let whole = bytes("x.gz", &packed).unwrap().1.calls;
    let mut errors = 0;
    for cut in [packed.len() - 1, packed.len() - 8, packed.len() / 2, 30, 12] {
        let error = bytes("x.gz", &packed[..cut]).unwrap_err();
        let ReadError::Truncated { origin, calls, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(&**origin, "x.gz");
        assert!(*calls <= whole);
        assert!(cut < 100 || *calls > 1_000, "{calls} calls of {cut} bytes");
        assert!(
            error
                .to_string()
                .starts_with("x.gz: truncated: it ends after "),
            "{error}"
        );
        errors += 1;
    }
    assert_eq!(errors, 5);

    let archive = tar(FILES);
    let end = archive.len();
    // In the marks of the end; at the border of an entry; in a content; in a header.
    for cut in [end - 1_024, end - 1_536, 512 + 4, 700, 512 * 3 + 100] {
        let error = bytes("x.tar", &archive[..cut]).unwrap_err();
        assert!(
            matches!(error, ReadError::Truncated { .. }),
            "{cut}: {error}"
        );
        let error = bytes("x.tgz", &gzip(&archive[..cut])).unwrap_err();
        assert!(
            matches!(error, ReadError::Truncated { .. }),
            "{cut}: {error}"
        );
    }
    let archive = zip(FILES);
    for cut in [archive.len() - 1, archive.len() / 2, 30] {
        let error = bytes("x.zip", &archive[..cut]).unwrap_err().to_string();
        assert!(
            error.starts_with("x.zip: ") && error.contains("truncated"),
            "{error}"
        );
    }
}

#[test]
fn a_damaged_archive_is_an_error() {
    let mut packed = gzip("read write close ".repeat(500).as_bytes());
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    let error = bytes("x.gz", &packed).unwrap_err();
    assert!(matches!(error, ReadError::Archive { .. }), "{error}");

    let mut archive = zip(&[("a", b"read write close")]);
    let at = archive.windows(4).position(|w| w == b"PK\x01\x02").unwrap() + 16;
    archive[at] ^= 1;
    let error = bytes("x.zip", &archive).unwrap_err();
    assert!(error.to_string().starts_with("x.zip:a: "), "{error}");

    let mut archive = tar(FILES);
    archive[1024] ^= 1;
    let error = bytes("x.tar", &archive).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn bombs_are_defused() {
    // In a comment, so that it is no million records; more than the 64 MiB that are free.
    let big = format!("read write # {}", "x".repeat(70 << 20));
    let limits = Limits {
        unpack_ratio: 100,
        ..Limits::default()
    };
    let options = ReadOptions {
        limits,
        ..ReadOptions::default()
    };
    for content in [gzip(big.as_bytes()), zip(&[("a", big.as_bytes())])] {
        let error = bytes_with("bomb", &content, &options).unwrap_err();
        assert!(
            error.to_string().contains("too many times its packed size"),
            "{error}"
        );
    }
    let limits = Limits {
        unpacked_bytes: 1 << 20,
        ..Limits::default()
    };
    let options = ReadOptions {
        limits,
        ..ReadOptions::default()
    };
    let half = "read ".repeat(120_000);
    let halves: &[(&str, &[u8])] = &[("a", half.as_bytes()), ("b", half.as_bytes())];
    for content in [zip(halves), gzip(&tar(halves))] {
        let error = bytes_with("bomb", &content, &options).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("too many bytes (the bound is 1048576)"),
            "{error}"
        );
    }
    let limits = Limits {
        entries: 1,
        ..Limits::default()
    };
    let options = ReadOptions {
        limits,
        ..ReadOptions::default()
    };
    for content in [zip(halves), tar(halves)] {
        let error = bytes_with("many", &content, &options).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("too many entries (the bound is 1)"),
            "{error}"
        );
    }
}

#[test]
fn a_name_of_any_size_takes_no_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    let error = bytes("x.tar", header.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("name is too long"), "{error}");
}

#[test]
fn an_archive_without_a_trace_is_an_error() {
    for content in [zip(&[]), zip(&[("empty", b"")]), tar(&[("empty", b"")])] {
        assert!(matches!(
            bytes("x", &content),
            Err(ReadError::NoTrace { .. })
        ));
    }
}
