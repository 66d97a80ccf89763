//! Tables, JSON objects and letters of any layout.

use std::sync::Arc;

use idiolect_trace::read::{Format, Map, ReadError, ReadOptions, SkipKind};
use idiolect_trace::{Abi, Call, Errno, LifecycleKind, Outcome, Record, StreamId};
use proptest::prelude::*;

use crate::collect::{Collect, bytes, bytes_with};

fn by(map: &str) -> ReadOptions {
    ReadOptions {
        map: Some(Arc::new(map.parse::<Map>().unwrap())),
        abi: Some(Abi::X86_64),
        ..ReadOptions::default()
    }
}

fn read(map: &str, text: &str) -> Collect {
    bytes_with("t", text.as_bytes(), &by(map)).unwrap().0
}

#[test]
fn a_table_by_titles() {
    let text = "ts,PID,thread,syscall,err\n\
                1.5,7,8,SYS_openat,ENOENT\n\
                2,7,8,\"read\",0\n\
                ,,,fstatat,\n";
    let got = read(
        "name=syscall,pid=PID,tid=thread,time=ts,errno=err,unit=ms",
        text,
    );
    assert_eq!(got.sources[0].format, Format::Csv);
    assert_eq!(got.names(), ["openat", "read", "newfstatat"]);
    let first = got.calls()[0];
    let stream = StreamId {
        tgid: Some(7),
        ..StreamId::thread("t".into(), 8)
    };
    assert_eq!(
        *first,
        Call {
            time_ns: Some(1_500_000),
            stream,
            abi: Abi::X86_64,
            number: Some(257),
            name: first.name.clone(),
            outcome: Some(Outcome::Failed(Errno(2))),
        }
    );
    // An error of 0 says nothing of the value.
    assert_eq!(got.calls()[1].outcome, None);
    let last = got.calls()[2];
    assert_eq!(
        (last.time_ns, &last.stream),
        (None, &StreamId::whole("t".into()))
    );
}

#[test]
fn a_table_by_numbers_with_titles_and_without() {
    for text in ["7\tread\n8\twrite\n", "pid\tname\n7\tread\n8\twrite\n"] {
        let got = read("pid=1,name=2", text);
        assert_eq!(got.names(), ["read", "write"], "{text:?}");
    }
    let got = read("name=1,header=no", "name\nread\n");
    assert_eq!(got.names(), ["name", "read"]);
    let got = read("name=2,separator=space,header=no", "a  read\nb write x\n");
    assert_eq!(got.names(), ["read", "write"]);
    // A call by number.
    let got = read("name=1,header=no", "0\n59\n");
    assert_eq!(got.names(), ["read", "execve"]);
}

#[test]
fn cells_over_lines_and_short_rows() {
    let text = "name;arg\nread;\"a\nb;c\"\nwrite\nclose;x\n\"open;y";
    let (got, totals) = bytes_with("t", text.as_bytes(), &by("name=name,result=arg"))
        .unwrap_or_else(|error| panic!("{error}"));
    // None of the arguments is a value, and a row is too short.
    assert_eq!(got.names(), ["<gap>"; 4]);
    assert_eq!(totals.skipped(SkipKind::CutOff), 1);
}

#[test]
fn json_by_pointers() {
    let text = r#"{"event":{"name":"openat"},"proc":{"pid":7,"tid":8},"at":"1970-01-01T00:00:02.5Z","ret":-2}
{"event":{"name":"exit_group"},"proc":{"pid":7,"tid":8},"at":null}
{"event":{"name":"read"},"proc":{"pid":7,"tid":8},"ret":5}
"#;
    let map = "name=/event/name,pid=/proc/pid,tid=/proc/tid,time=/at,result=ret";
    let got = read(map, text);
    assert_eq!(got.sources[0].format, Format::Json);
    assert_eq!(got.names(), ["openat", "exit_group", "<lifecycle>", "read"]);
    let got = got.calls().into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(got[0].time_ns, Some(2_500_000_000));
    assert_eq!(got[0].outcome, Some(Outcome::Failed(Errno(2))));
    assert_eq!(got[2].outcome, Some(Outcome::Returned(5)));
    assert_eq!(
        (got[1].stream.incarnation, got[2].stream.incarnation),
        (0, 1)
    );
}

#[test]
fn halves_are_one_call() {
    let text =
        "d,n,p,r\n>,read,1,\n>,write,2,\n<,read,1,5\n<,write,2,-9\n<,close,3,0\n>,futex,1,\n";
    let (got, totals) = bytes_with(
        "t",
        text.as_bytes(),
        &by("direction=d,name=n,pid=p,result=r"),
    )
    .unwrap();
    assert_eq!(got.names(), ["read", "write", "close", "futex"]);
    let outcomes: Vec<_> = got.calls().iter().map(|call| call.outcome).collect();
    let returned = |n| Some(Outcome::Returned(n));
    assert_eq!(
        outcomes,
        [
            returned(5),
            Some(Outcome::Failed(Errno(9))),
            returned(0),
            None
        ]
    );
    assert_eq!(totals.skipped(SkipKind::OrphanResumed), 1);
    assert_eq!(totals.skipped(SkipKind::NeverResumed), 1);
}

#[test]
fn a_program_that_is_known_to_have_begun() {
    let got = read(
        "name=n,pid=p,result=r",
        "n,p,r\nexecve,1,0\nread,1,1\nexecve,1,-2\n",
    );
    assert_eq!(got.names(), ["execve", "<lifecycle>", "read", "execve"]);
    let Record::Lifecycle(life) = &got.records[1] else {
        panic!("{:?}", got.records[1]);
    };
    assert_eq!(
        (life.kind, life.executable.as_deref()),
        (LifecycleKind::Exec, None)
    );
    assert_eq!(got.calls()[1].stream, life.stream);
}

#[test]
fn what_cannot_be_read_is_counted_and_leaves_a_gap() {
    for row in [
        "re ad,1",
        "read,x",
        "read,-1",
        "read,4294967296",
        "\u{1b}[2J,1",
        "read",
    ] {
        let text = format!("n,p\nread,1\n{row}\nread,1\nread,1\n");
        let (got, totals) = bytes_with("t", text.as_bytes(), &by("name=n,pid=p")).unwrap();
        assert_eq!(got.names(), ["read", "<gap>", "read", "read"], "{row}");
        assert_eq!(totals.skipped(SkipKind::Unparsed), 1);
    }
    let deep = format!("{{\"n\":\"read\",\"x\":{}", "[".repeat(100_000));
    let text = format!("{{\"n\":\"read\"}}\n{{\"n\":\"read\"}}\n{deep}\n");
    let (got, totals) = bytes_with("t", text.as_bytes(), &by("name=n")).unwrap();
    assert_eq!(got.names(), ["read", "read", "<gap>"]);
    assert_eq!(totals.skipped(SkipKind::CutOff), 1);
    let deep = format!(
        "{{\"n\":\"read\",\"x\":{}{}}}",
        "[".repeat(1_000),
        "]".repeat(1_000)
    );
    let text = format!("{{\"n\":\"read\"}}\n{{\"n\":\"read\"}}\n{deep}\n");
    let (_, totals) = bytes_with("t", text.as_bytes(), &by("name=n")).unwrap();
    assert_eq!(totals.skipped(SkipKind::Unparsed), 1);
}

#[test]
fn what_is_missing_is_said() {
    let message = |options: &ReadOptions, text: &str| {
        bytes_with("t", text.as_bytes(), options)
            .unwrap_err()
            .to_string()
    };
    let error = message(&by("name=call"), "name,pid\nread,1\n");
    assert!(
        error.contains("no column \"call\" (the first row has name, pid)"),
        "{error}"
    );
    let error = message(&by("name=n,time=t"), "n,t\nread,12\n");
    assert!(error.contains("unit=s, ms, us or ns"), "{error}");
    for (format, option) in [
        (Format::Csv, "--map"),
        (Format::Json, "--map"),
        (Format::Letters, "--alphabet"),
    ] {
        let options = ReadOptions {
            format: Some(format),
            ..ReadOptions::default()
        };
        let error = bytes_with("t", b"x", &options).unwrap_err();
        assert!(matches!(error, ReadError::Needs { .. }));
        assert!(error.to_string().contains(option), "{error}");
    }
    let error = bytes("t", b"{\"a\": 1}").unwrap_err().to_string();
    assert!(error.contains("--map name=/POINTER"), "{error}");
}

#[test]
fn letters() {
    let options = ReadOptions {
        alphabet: Some(Arc::new("r read\nw SYS_pwrite\né 59\n".parse().unwrap())),
        abi: Some(Abi::X86_64),
        ..ReadOptions::default()
    };
    let (got, totals) = bytes_with("t", "rrw é\nwxr".as_bytes(), &options).unwrap();
    assert_eq!(got.sources[0].format, Format::Letters);
    assert_eq!(
        got.names(),
        [
            "read", "read", "pwrite64", "execve", "pwrite64", "<gap>", "read"
        ]
    );
    assert_eq!((totals.lines, totals.skipped(SkipKind::Unparsed)), (2, 1));
    // Over more than one chunk, and cut in the middle of a character.
    let long = format!("r{}", "é".repeat(100_000));
    let (got, _) = bytes_with("t", long.as_bytes(), &options).unwrap();
    assert_eq!(got.records.len(), 100_001);
    // What is another format stays so.
    let (got, _) = bytes_with("t", b"brk(NULL) = 0x1\n", &options).unwrap();
    assert_eq!(got.sources[0].format, Format::Strace);
}

proptest! {
    #[test]
    fn tables_that_are_written_are_read(
        rows in proptest::collection::vec(("[a-z][a-z_]{1,9}", any::<u32>(), any::<u32>(), -4095_i64..100_000), 1..20),
        separator in "[,;\t|]",
        quote in any::<bool>(),
    ) {
        let q = if quote { "\"" } else { "" };
        let mut text = ["when", "who", "what", "ret"].join(&separator);
        for (name, pid, time, result) in &rows {
            let cells = [time.to_string(), pid.to_string(), format!("{q}{name}{q}"), result.to_string()];
            text = format!("{text}\r\n{}", cells.join(&separator));
        }
        let got = read("name=what,pid=who,time=when,unit=us,result=ret", &text);
        let got: Vec<_> = got.calls()
            .into_iter()
            .map(|call| (call.name.to_string(), call.stream.tgid.unwrap(), call.time_ns.unwrap(), call.outcome))
            .collect();
        let expected: Vec<_> = rows
            .iter()
            .map(|(name, pid, time, result)| {
                let name = idiolect_trace::table::canonical(name).unwrap().to_string();
                (name, *pid, u64::from(*time) * 1_000, Some(Outcome::from_raw(*result)))
            })
            .collect();
        prop_assert_eq!(got, expected);
    }
}
