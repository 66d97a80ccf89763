//! ADFA-LD and plain text.

use idiolect_trace::read::{Format, ReadOptions, SkipKind};
use idiolect_trace::{Abi, Record, StreamId};

use crate::collect::{bytes, bytes_with};

fn plain(abi: Option<Abi>) -> ReadOptions {
    ReadOptions {
        format: Some(Format::Plain),
        abi,
        ..ReadOptions::default()
    }
}

#[test]
fn adfa_numbers_are_those_of_i386() {
    let (got, totals) = bytes("t", b"\xef\xbb\xbf6 6 63 11\r\n195 300").unwrap();
    assert_eq!(
        got.sources[0].format,
        Format::Plain,
        "two lines are no trace of ADFA-LD"
    );
    assert_eq!(totals.lines, 2);
    let (got, _) = bytes("t", b"6 6 63 11 195 300 467 1000 ").unwrap();
    assert_eq!(got.sources[0].format, Format::Adfa);
    assert_eq!(
        got.names(),
        [
            "close",
            "close",
            "dup2",
            "execve",
            "stat64",
            "newfstatat",
            "open_tree_attr",
            "syscall_1000"
        ]
    );
    let Record::Call(call) = &got.records[0] else {
        panic!()
    };
    assert_eq!((call.abi, call.number), (Abi::I386, Some(6)));
    assert_eq!(call.stream, StreamId::whole("t".into()));
    assert_eq!((call.time_ns, call.outcome), (None, None));
}

#[test]
fn a_number_beyond_any_table_is_counted_and_leaves_a_gap() {
    let adfa = ReadOptions {
        format: Some(Format::Adfa),
        ..ReadOptions::default()
    };
    let text = b"3 1048576 1048577\n99999999999999 3 4 5 -6 7";
    let (got, totals) = bytes_with("t", text, &adfa).unwrap();
    assert_eq!(
        got.names(),
        [
            "read",
            "syscall_1048576",
            "<gap>",
            "<gap>",
            "read",
            "write",
            "open",
            "<gap>",
            "waitpid"
        ]
    );
    assert_eq!(totals.skipped(SkipKind::Unparsed), 3);
    assert_eq!(totals.skips[0].skip.excerpt, "1048577");
    assert_eq!(totals.skips[0].skip.first_line, 1);
}

#[test]
fn plain_names_and_numbers() {
    let text =
        b"# recorded by hand\nread SYS_write\t0x3c # exit\nfstatat64 syscall_2000 a_new_call\n231";
    let (got, totals) = bytes_with("t", text, &plain(Some(Abi::X86_64))).unwrap();
    assert_eq!(
        got.names(),
        [
            "read",
            "write",
            "exit",
            "newfstatat",
            "syscall_2000",
            "a_new_call",
            "exit_group"
        ]
    );
    assert_eq!((totals.lines, totals.calls), (4, 7));
    let Record::Call(call) = &got.records[1] else {
        panic!()
    };
    assert_eq!((call.abi, call.number), (Abi::X86_64, Some(1)));
}

#[test]
fn a_word_of_any_length_takes_no_memory() {
    let mut text = b"read write ".to_vec();
    text.extend(std::iter::repeat_n(b'x', 10 << 20));
    text.extend(b" close");
    let (got, totals) = bytes_with("t", &text, &plain(None)).unwrap();
    assert_eq!(got.names(), ["read", "write", "<gap>", "close"]);
    let skip = &totals.skips[0].skip;
    assert_eq!((skip.kind, skip.excerpt.len()), (SkipKind::TooLong, 81));
}

#[test]
fn a_trace_may_be_one_line_longer_than_the_bound_on_lines() {
    let text = "read ".repeat(2 << 20);
    let (_, totals) = bytes("t", text.as_bytes()).unwrap();
    assert_eq!((totals.calls, totals.skips.len()), (2 << 20, 0));
}
