use super::*;
use crate::{CallName, Errno};

const TID: u32 = 7;

fn origin() -> Arc<str> {
    "t".into()
}

fn thread(tid: u32, exec_generation: u32) -> StreamId {
    StreamId {
        exec_generation,
        ..StreamId::thread(origin(), tid)
    }
}

fn call(stream: &StreamId, name: &'static str) -> Record {
    call_in(stream, name, Abi::X86_64, Some(Outcome::Returned(0)))
}

fn call_in(stream: &StreamId, name: &'static str, abi: Abi, outcome: Option<Outcome>) -> Record {
    Record::Call(Call {
        time_ns: None,
        stream: stream.clone(),
        abi,
        number: None,
        name: CallName::from_static(name),
        outcome,
    })
}

fn lifecycle(kind: LifecycleKind, stream: &StreamId, parent: Option<&StreamId>) -> Record {
    Record::Lifecycle(Lifecycle {
        time_ns: None,
        stream: stream.clone(),
        kind,
        parent: parent.cloned(),
        executable: (kind == LifecycleKind::Exec).then(|| "/bin/true".to_owned()),
        uid: None,
        cgroup: None,
        status: None,
    })
}

fn gap(scope: GapScope) -> Record {
    Record::Gap(Gap {
        time_ns: None,
        scope,
        lost: Some(3),
        cause: GapCause::BufferFull,
    })
}

/// Each event as a word: `+0<exec>`, `0read`, `0gap`, `-0`.
fn assemble(options: AssembleOptions, records: &[Record]) -> (String, Counts) {
    let mut assembler = Assembler::new(options);
    let mut words = Vec::new();
    let mut emit = |event: StreamEvent| {
        words.push(match event {
            StreamEvent::Start(start) => format!("+{}{}", start.key, start.kind.token()),
            StreamEvent::Call(call) => format!("{}{}", call.key, call.token()),
            StreamEvent::Gap(gap) => format!("{}gap", gap.key),
            StreamEvent::End { key } => format!("-{key}"),
        });
    };
    for record in records {
        assembler.push(record.clone(), &mut emit);
    }
    assembler.end_source(&mut emit);
    assert!(assembler.open.is_empty() && assembler.members.is_empty());
    let counts = assembler.counts();
    (words.join(" "), counts)
}

fn grouped(grouping: Grouping, records: &[Record]) -> String {
    let options = AssembleOptions {
        grouping,
        ..AssembleOptions::default()
    };
    assemble(options, records).0
}

fn per_thread(records: &[Record]) -> String {
    grouped(Grouping::PerThread, records)
}

#[test]
fn launching_exec_is_no_stream() {
    let (a, b) = (thread(TID, 0), thread(TID, 1));
    let records = [
        call(&a, "execve"),
        lifecycle(LifecycleKind::Exec, &b, Some(&a)),
        call(&b, "brk"),
    ];
    let (words, counts) = assemble(AssembleOptions::default(), &records);
    assert_eq!(words, "+1<exec> 1brk -1");
    assert_eq!(
        (counts.launcher_calls, counts.calls, counts.streams),
        (1, 1, 1)
    );
    for grouping in [Grouping::PerProcess, Grouping::WholeFile] {
        assert_eq!(
            grouped(grouping, &records),
            "+1<exec> 1brk -1",
            "{grouping:?}"
        );
    }
}

#[test]
fn the_parent_of_an_exec_may_be_unnamed() {
    let (a, b) = (thread(TID, 0), thread(TID, 1));
    let records = [
        call(&a, "execve"),
        lifecycle(LifecycleKind::Exec, &b, None),
        call(&b, "brk"),
    ];
    assert_eq!(per_thread(&records), "+1<exec> 1brk -1");
}

#[test]
fn an_exec_later_on_ends_a_stream_and_starts_one() {
    let (a, b) = (thread(TID, 0), thread(TID, 1));
    let records = [
        call(&a, "dup2"),
        call(&a, "execve"),
        lifecycle(LifecycleKind::Exec, &b, Some(&a)),
        call(&b, "brk"),
    ];
    assert_eq!(
        per_thread(&records),
        "+0<attach> 0dup2 0execve -0 +1<exec> 1brk -1"
    );
    assert_eq!(
        grouped(Grouping::WholeFile, &records),
        "+0<attach> 0dup2 0execve 0brk -0"
    );
}

#[test]
fn a_first_exec_that_replaces_nothing_is_kept() {
    let a = thread(TID, 0);
    let failed = Some(Outcome::Failed(Errno(2)));
    assert_eq!(per_thread(&[call(&a, "execve")]), "+0<attach> 0execve -0");
    assert_eq!(
        per_thread(&[call(&a, "execve"), call(&a, "read")]),
        "+0<attach> 0execve 0read -0"
    );
    assert_eq!(
        per_thread(&[
            call_in(&a, "execve", Abi::X86_64, failed),
            call(&a, "exit_group")
        ]),
        "+0<attach> 0execve 0exit_group -0"
    );
    assert_eq!(
        per_thread(&[call(&a, "execve"), gap(GapScope::Origin(origin()))]),
        "+0<attach> 0execve 0gap -0"
    );
    assert_eq!(
        per_thread(&[call(&a, "execve"), lifecycle(LifecycleKind::Exit, &a, None)]),
        "+0<attach> 0execve -0"
    );
}

#[test]
fn forked_streams_are_threads_and_end_with_exit() {
    let (a, child) = (thread(TID, 0), thread(8, 0));
    let records = [
        call(&a, "clone"),
        lifecycle(LifecycleKind::Fork, &child, Some(&a)),
        call(&child, "read"),
        call(&a, "wait4"),
        lifecycle(LifecycleKind::Exit, &child, None),
        call(&child, "write"),
    ];
    assert_eq!(
        per_thread(&records),
        "+0<attach> 0clone +1<thread> 1read 0wait4 -1 +2<attach> 2write -0 -2"
    );
}

#[test]
fn a_fork_that_is_told_late_changes_nothing() {
    let (a, child) = (thread(TID, 0), thread(8, 0));
    let records = [
        call(&child, "read"),
        lifecycle(LifecycleKind::Fork, &child, Some(&a)),
        call(&child, "write"),
    ];
    assert_eq!(per_thread(&records), "+0<attach> 0read 0write -0");
}

#[test]
fn who_was_there_before_says_what_it_runs() {
    let (a, sibling) = (thread(TID, 0), thread(8, 0));
    let mut attach = lifecycle(LifecycleKind::Attach, &a, None);
    let Record::Lifecycle(life) = &mut attach else {
        unreachable!()
    };
    life.executable = Some("/usr/bin/server".to_owned());
    let mut assembler = Assembler::new(AssembleOptions::default());
    let mut starts = Vec::new();
    for record in [attach.clone(), call(&a, "execve"), call(&sibling, "read")] {
        assembler.push(record, &mut |event| {
            if let StreamEvent::Start(start) = event {
                starts.push((start.kind, start.executable));
            }
        });
    }
    let server = Some("/usr/bin/server".to_owned());
    let expected = [(StartKind::Attach, server), (StartKind::Attach, None)];
    assert_eq!(starts, expected);
    // Told again or late it changes nothing.
    let records = [call(&a, "read"), attach.clone(), call(&a, "write")];
    assert_eq!(per_thread(&records), "+0<attach> 0read 0write -0");
    let records = [attach.clone(), call(&a, "read"), attach];
    assert_eq!(
        grouped(Grouping::PerProcess, &records),
        "+0<attach> 0read -0"
    );
}

#[test]
fn the_threads_of_a_process_can_be_one_stream() {
    let (a, sibling) = (thread(TID, 0), thread(8, 0));
    let by_clone = [
        call(&a, "clone"),
        lifecycle(LifecycleKind::Clone, &sibling, Some(&a)),
        call(&sibling, "read"),
        lifecycle(LifecycleKind::Exit, &sibling, None),
        call(&a, "write"),
        lifecycle(LifecycleKind::Exit, &a, None),
    ];
    assert_eq!(
        grouped(Grouping::PerProcess, &by_clone),
        "+0<attach> 0clone 0read 0write -0"
    );

    let of = |tid| StreamId {
        tgid: Some(TID),
        ..thread(tid, 0)
    };
    let by_tgid = [
        call(&of(TID), "clone"),
        call(&of(8), "read"),
        lifecycle(LifecycleKind::Exit, &of(8), None),
        call(&of(TID), "write"),
    ];
    assert_eq!(
        grouped(Grouping::PerProcess, &by_tgid),
        "+0<attach> 0clone 0read 0write -0"
    );
}

#[test]
fn another_abi_is_another_token() {
    let a = thread(TID, 0);
    let records = [
        call(&a, "read"),
        call_in(&a, "execve", Abi::I386, None),
        call(&a, "write"),
    ];
    assert_eq!(
        per_thread(&records),
        "+0<attach> 0read 0i386:execve 0write -0"
    );
}

#[test]
fn gaps_reach_the_streams_they_concern() {
    let (a, b) = (thread(TID, 0), thread(8, 0));
    let records = [
        call(&a, "read"),
        call(&b, "read"),
        gap(GapScope::Origin(origin())),
        gap(GapScope::Cpu(origin(), 1)),
        gap(GapScope::Stream(b.clone())),
        gap(GapScope::Origin("other".into())),
        gap(GapScope::Stream(thread(9, 0))),
    ];
    assert_eq!(
        per_thread(&records),
        "+0<attach> 0read +1<attach> 1read 0gap 1gap 0gap 1gap 1gap -0 -1"
    );
}

#[test]
fn what_could_not_be_read_concerns_every_stream_of_the_file() {
    let unreadable = Record::Gap(Gap {
        time_ns: None,
        scope: GapScope::Origin("copy-of-t".into()),
        lost: None,
        cause: GapCause::Unreadable,
    });
    assert_eq!(
        per_thread(&[call(&thread(TID, 0), "read"), unreadable]),
        "+0<attach> 0read 0gap -0"
    );
}

#[test]
fn the_idle_end_first_where_too_many_are_open() {
    let options = AssembleOptions {
        open_streams: 2,
        ..AssembleOptions::default()
    };
    let (a, b, c) = (thread(1, 0), thread(2, 0), thread(3, 0));
    let records = [
        call(&a, "read"),
        call(&b, "read"),
        call(&a, "write"),
        call(&c, "read"),
    ];
    let (words, counts) = assemble(options, &records);
    assert_eq!(
        words,
        "+0<attach> 0read +1<attach> 1read 0write +2<attach> 2read -1 -0 -2"
    );
    assert_eq!(counts.evicted, 1);
}

#[test]
fn keys_are_never_used_twice() {
    let a = thread(TID, 0);
    let mut assembler = Assembler::new(AssembleOptions::default());
    let mut starts = Vec::new();
    for _ in 0..3 {
        let mut emit = |event: StreamEvent| {
            if let StreamEvent::Start(start) = &event {
                starts.push(start.key);
            }
        };
        assembler.push(call(&a, "read"), &mut emit);
        assembler.end_source(&mut emit);
    }
    assert_eq!(starts, [0, 1, 2]);
}
