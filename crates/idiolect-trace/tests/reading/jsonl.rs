//! JSON lines of records.

use std::sync::Arc;

use idiolect_trace::read::{Format, ReadOptions, SkipKind, write_jsonl};
use idiolect_trace::{
    Abi, Call, CallName, Errno, ExitStatus, Gap, GapCause, GapScope, Lifecycle, LifecycleKind,
    Outcome, Record, StreamId, table,
};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::collect::{bytes, bytes_with};

fn text() -> impl Strategy<Value = String> {
    ".{0,20}"
}

fn origin() -> impl Strategy<Value = Arc<str>> {
    select(vec!["t", "a.zip:b", "/var/log/é \"x\".txt"]).prop_map(Arc::from)
}

fn stream() -> impl Strategy<Value = StreamId> {
    let name = || of(text().prop_map(Arc::from));
    let known = (origin(), name(), name());
    let numbers = (
        of(any::<u32>()),
        of(any::<u64>()),
        of(any::<u32>()),
        any::<u32>(),
        any::<u32>(),
    );
    (known, numbers).prop_map(
        |((origin, host, boot), (tgid, start_ns, tid, incarnation, exec_generation))| StreamId {
            origin,
            host,
            boot,
            tgid,
            start_ns,
            tid,
            incarnation,
            exec_generation,
        },
    )
}

fn call() -> impl Strategy<Value = Record> {
    let outcome = prop_oneof![
        any::<i64>().prop_map(Outcome::Returned),
        (1..=4095_u16).prop_map(|errno| Outcome::Failed(Errno(errno))),
    ];
    let names = prop_oneof![
        any::<u16>().prop_map(|n| table::by_number(Abi::X86_64, n.into())),
        "[a-z][a-z_]{0,20}[a-z]".prop_map(|name| table::canonical(&name).unwrap()),
    ];
    (
        of(any::<u64>()),
        stream(),
        select(Abi::ALL.to_vec()),
        of(any::<u32>()),
        names,
        of(outcome),
    )
        .prop_map(|(time_ns, stream, abi, number, name, outcome)| {
            Record::Call(Call {
                time_ns,
                stream,
                abi,
                number,
                name,
                outcome,
            })
        })
}

fn lifecycle() -> impl Strategy<Value = Record> {
    use LifecycleKind::{Clone, Exec, Exit, Fork};
    let status = prop_oneof![
        any::<i32>().prop_map(ExitStatus::Code),
        any::<u8>().prop_map(ExitStatus::Signal),
    ];
    let texts = (of(text()), of(text()));
    (
        of(any::<u64>()),
        stream(),
        select(vec![Fork, Clone, Exec, Exit]),
        of(stream()),
        texts,
        of(any::<u32>()),
        of(status),
    )
        .prop_map(
            |(time_ns, stream, kind, parent, (executable, cgroup), uid, status)| {
                Record::Lifecycle(Lifecycle {
                    time_ns,
                    stream,
                    kind,
                    parent,
                    executable,
                    uid,
                    cgroup,
                    status,
                })
            },
        )
}

fn gap() -> impl Strategy<Value = Record> {
    use GapCause::{BufferFull, RateLimit, Unknown, Unreadable};
    let scope = prop_oneof![
        origin().prop_map(GapScope::Origin),
        (origin(), any::<u32>()).prop_map(|(origin, cpu)| GapScope::Cpu(origin, cpu)),
        stream().prop_map(GapScope::Stream),
    ];
    let cause = select(vec![BufferFull, RateLimit, Unreadable, Unknown]);
    (of(any::<u64>()), scope, of(any::<u64>()), cause).prop_map(|(time_ns, scope, lost, cause)| {
        Record::Gap(Gap {
            time_ns,
            scope,
            lost,
            cause,
        })
    })
}

proptest! {
    #[test]
    fn records_read_back(records in proptest::collection::vec(prop_oneof![call(), lifecycle(), gap()], 1..20)) {
        let mut written = Vec::new();
        for record in &records {
            write_jsonl(record, &mut written).unwrap();
        }
        let (got, totals) = bytes("t", &written).unwrap();
        prop_assert_eq!(got.sources[0].format, Format::Jsonl);
        prop_assert_eq!(got.records, records);
        prop_assert_eq!(totals.skips.len(), 0);
    }
}

fn jsonl(text: &str) -> (Vec<Record>, Vec<(SkipKind, u64, u64)>) {
    let options = ReadOptions {
        format: Some(Format::Jsonl),
        ..ReadOptions::default()
    };
    let (got, totals) = bytes_with("t", text.as_bytes(), &options).unwrap();
    let skips = totals
        .skips
        .iter()
        .map(|total| (total.skip.kind, total.skip.count, total.skip.first_line))
        .collect();
    (got.records, skips)
}

const READ: &str = r#"{"record":"call","stream":{},"abi":"x86_64","name":"read"}"#;

#[test]
fn what_a_line_may_leave_out_or_add() {
    let line = r#"{"record":"call","stream":{"tid":3,"later":1},"abi":"arm","name":"SYS_fstatat64","mood":"good"}"#;
    let (records, skips) = jsonl(line);
    assert_eq!(
        records,
        [Record::Call(Call {
            time_ns: None,
            stream: StreamId::thread("t".into(), 3),
            abi: Abi::Arm,
            number: None,
            name: CallName::from_static("newfstatat"),
            outcome: None,
        })]
    );
    assert_eq!(skips, []);
}

#[test]
fn hostile_lines_are_counted() {
    let long = "x".repeat(5_000);
    let bad = [
        r#"{"record":"call","stream":{},"abi":"x86_64","name":"re ad"}"#.to_owned(),
        r#"{"record":"call","stream":{},"abi":"x86_64","name":""}"#.to_owned(),
        r#"{"record":"call","stream":{},"abi":"vax","name":"read"}"#.to_owned(),
        r#"{"record":"call","stream":{},"abi":"arm","name":"read","outcome":{"failed":0}}"#
            .to_owned(),
        r#"{"record":"call","stream":{},"abi":"arm","name":"read","outcome":{"failed":4096}}"#
            .to_owned(),
        format!(r#"{{"record":"call","stream":{{"origin":"{long}"}},"abi":"arm","name":"read"}}"#),
        format!(r#"{{"record":"call","stream":{{"host":"{long}"}},"abi":"arm","name":"read"}}"#),
        format!(r#"{{"record":"lifecycle","stream":{{}},"kind":"exec","executable":"{long}"}}"#),
        "[".repeat(100_000),
        "not json".to_owned(),
    ];
    for line in bad {
        let (records, skips) = jsonl(&format!("{READ}\n{line}\n{READ}\n"));
        assert_eq!(records.len(), 3, "{line:.80}");
        assert!(matches!(records[1], Record::Gap(_)));
        assert_eq!(skips, [(SkipKind::Unparsed, 1, 2)]);
    }
}

#[test]
fn a_later_kind_of_record_is_no_gap() {
    let (records, skips) = jsonl(&format!(
        "{READ}\n{{\"record\":\"mood\",\"x\":1}}\n{READ}\n"
    ));
    assert_eq!(records.len(), 2);
    assert_eq!(skips, [(SkipKind::Unparsed, 1, 2)]);
}

#[test]
fn a_last_line_without_its_end_is_cut_off() {
    let (records, skips) = jsonl(&format!("{READ}\n{}", &READ[..20]));
    assert!(matches!(records[1], Record::Gap(_)));
    assert_eq!(skips, [(SkipKind::CutOff, 1, 2)]);
    assert_eq!(jsonl(READ).1, []);
}

/// Every example of the format's description is one that is read.
#[test]
fn the_documented_examples_are_read() {
    let page = include_str!("../../../../docs/record-format.md");
    let examples: String = page
        .lines()
        .filter(|line| line.starts_with("{\"record\""))
        .map(|line| format!("{line}\n"))
        .collect();
    let (records, skips) = jsonl(&examples);
    assert_eq!(records.len(), examples.lines().count());
    assert!(records.len() >= 7);
    assert_eq!(skips, []);
    let (scopes, _) = jsonl(
        r#"{"record":"gap","scope":{"cpu":["web.log",3]},"cause":"unknown"}
{"record":"gap","scope":{"stream":{"tid":1}},"cause":"rate_limit"}"#,
    );
    assert_eq!(scopes.len(), 2);
}
