//! Records of every shape, for round trips.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::sync::Arc;

use idiolect_trace::{
    Abi, Call, CallName, Errno, ExitStatus, Gap, GapCause, GapScope, Lifecycle, LifecycleKind,
    Outcome, Record, StreamId, table,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        Just("a.log"),
        Just("/usr/sbin/ngin\u{e9}"),
        Just(" "),
        Just("\u{1b}\n")
    ]
    .prop_map(Arc::from)
}

/// A few threads that come again, and now and then one of any numbers.
pub fn stream() -> impl Strategy<Value = StreamId> {
    let few = (0_u32..4, 0_u32..3).prop_map(|(tid, generation)| StreamId {
        host: Some("h".into()),
        boot: Some("b".into()),
        tgid: Some(7),
        start_ns: Some(1 << 40),
        exec_generation: generation,
        ..StreamId::thread("a.log".into(), tid)
    });
    let any = (
        prop_oneof![Just(Arc::from("")), text()],
        prop::option::of(text()),
        prop::option::of(text()),
        any::<(Option<u32>, Option<u64>, Option<u32>, u32, u32)>(),
    )
        .prop_map(|(origin, host, boot, numbers)| StreamId {
            origin,
            host,
            boot,
            tgid: numbers.0,
            start_ns: numbers.1,
            tid: numbers.2,
            incarnation: numbers.3,
            exec_generation: numbers.4,
        });
    prop_oneof![6 => few, 1 => any]
}

fn time() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        6 => (0_u64..1 << 40).prop_map(|ns| Some((1 << 60) + ns)),
        1 => any::<Option<u64>>()
    ]
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        Just(None),
        (0_i64..9).prop_map(|value| Some(Outcome::Returned(value))),
        any::<i64>().prop_map(|value| Some(Outcome::Returned(value))),
        (1_u16..=4095).prop_map(|errno| Some(Outcome::Failed(Errno(errno)))),
    ]
}

fn call() -> impl Strategy<Value = Record> {
    let known = (prop::sample::select(&Abi::ALL[..]), 0_u32..600)
        .prop_map(|(abi, number)| (abi, Some(number), table::by_number(abi, number)));
    let named = Just((
        Abi::Arm,
        None,
        CallName::from_owned("brand_new_call".to_owned()),
    ));
    (
        time(),
        stream(),
        prop_oneof![5 => known, 1 => named],
        outcome(),
    )
        .prop_map(|(time_ns, stream, (abi, number, name), outcome)| {
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
        Just(None),
        any::<i32>().prop_map(|code| Some(ExitStatus::Code(code))),
        any::<u8>().prop_map(|signal| Some(ExitStatus::Signal(signal))),
    ];
    let path = || prop::option::of(text().prop_map(|text| text.to_string()));
    (
        time(),
        stream(),
        prop::sample::select(&[Fork, Clone, Exec, Exit][..]),
        prop::option::of(stream()),
        path(),
        any::<Option<u32>>(),
        path(),
        status,
    )
        .prop_map(
            |(time_ns, stream, kind, parent, executable, uid, cgroup, status)| {
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
        text().prop_map(GapScope::Origin),
        (text(), any::<u32>()).prop_map(|(origin, cpu)| GapScope::Cpu(origin, cpu)),
        stream().prop_map(GapScope::Stream),
    ];
    (
        time(),
        scope,
        any::<Option<u64>>(),
        prop::sample::select(&[BufferFull, RateLimit, Unknown, Unreadable][..]),
    )
        .prop_map(|(time_ns, scope, lost, cause)| {
            Record::Gap(Gap {
                time_ns,
                scope,
                lost,
                cause,
            })
        })
}

/// Mostly calls.
pub fn record() -> impl Strategy<Value = Record> {
    prop_oneof![8 => call(), 1 => lifecycle(), 1 => gap()]
}

/// A thread's calls, one every microsecond.
pub fn plain_calls(count: u64) -> impl Iterator<Item = Record> {
    (0..count).map(|n| {
        let number = (n * n % 7) as u32;
        Record::Call(Call {
            time_ns: Some(1_700_000_000_000_000_000 + n * 1_000),
            stream: StreamId {
                tgid: Some(100),
                ..StreamId::thread("run".into(), 100 + (n / 50 % 3) as u32)
            },
            abi: Abi::X86_64,
            number: Some(number),
            name: table::by_number(Abi::X86_64, number),
            outcome: Some(Outcome::Returned(n as i64 % 5)),
        })
    })
}
