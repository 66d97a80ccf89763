//! Recordings made with strace 6.1 of small programs that use threads, forks, exec by another thread,
//! signals, unknown calls, and calls of other ABIs.
//!
//! The numbers of calls were counted with a regular expression for a name and a bracket after the
//! prefixes, apart from this reader; those of the lives by looking.

use idiolect_trace::read::SkipKind;
use idiolect_trace::{Abi, LifecycleKind};

use crate::read::{Read, read, read_named};

/// Forks, clones, execs and exits.
fn lives(read: &Read) -> [usize; 4] {
    [
        LifecycleKind::Fork,
        LifecycleKind::Clone,
        LifecycleKind::Exec,
        LifecycleKind::Exit,
    ]
    .map(|kind| read.lives().iter().filter(|life| life.kind == kind).count())
}

fn assert_clean(read: &Read, calls: u64) {
    assert_eq!(read.report.calls, calls);
    let skips = &read.report.skips;
    for kind in [
        SkipKind::Unparsed,
        SkipKind::OrphanResumed,
        SkipKind::NeverResumed,
        SkipKind::CutOff,
        SkipKind::OverBound,
    ] {
        assert_eq!(skips.count(kind), 0, "{skips:?}");
    }
}

#[test]
fn threads_into_a_file() {
    let read = read(include_str!("../data/strace/threads_o_ttt.txt"));
    assert_clean(&read, 166);
    assert_eq!(lives(&read), [3, 4, 3, 8]);
    // Of every thread but the first the first record says where it comes from.
    let mut seen = vec![Some(4107)];
    for record in &read.records {
        match record {
            idiolect_trace::Record::Call(call) => assert!(seen.contains(&call.stream.tid)),
            idiolect_trace::Record::Lifecycle(life) if life.parent.is_some() => {
                seen.push(life.stream.tid);
            }
            _ => {}
        }
    }
    let times: Vec<_> = read
        .calls()
        .iter()
        .filter(|call| call.stream.tid == Some(4107))
        .map(|call| call.time_ns.unwrap())
        .collect();
    assert!(times.is_sorted());
    let exec = read
        .lives()
        .into_iter()
        .rfind(|life| life.kind == LifecycleKind::Exec)
        .unwrap();
    assert_eq!(exec.executable.as_deref(), Some("/bin/echo"));
    assert_eq!(
        (exec.stream.tid, exec.stream.exec_generation),
        (Some(4107), 2)
    );
    assert_eq!(exec.parent.as_ref().unwrap().tid, Some(4115));
}

#[test]
fn threads_on_a_terminal() {
    let read = read(include_str!("../data/strace/threads_terminal.txt"));
    assert_clean(&read, 165);
    assert_eq!(lives(&read), [3, 4, 3, 8]);
}

#[test]
fn threads_with_every_prefix() {
    let read = read(include_str!("../data/strace/threads_n_i_Y_r_T.txt"));
    assert_clean(&read, 119);
    assert_eq!(lives(&read), [3, 3, 2, 7]);
    assert!(read.calls().iter().all(|call| call.abi == Abi::X86_64));
    assert!(read.calls().iter().all(|call| call.number.is_some()));
    let times: Vec<_> = read
        .calls()
        .iter()
        .map(|call| call.time_ns.unwrap())
        .collect();
    // The program sleeps for a second.
    assert!(times.iter().max() > Some(&1_000_000_000));
}

#[test]
fn modes() {
    for text in [
        include_str!("../data/strace/modes_terminal.txt"),
        include_str!("../data/strace/modes_n.txt"),
    ] {
        let read = read(text);
        assert_clean(&read, 21);
        let abis: Vec<_> = read.calls()[14..].iter().map(|call| call.abi).collect();
        use Abi::{I386, X32, X86_64};
        assert_eq!(abis, [I386, X86_64, I386, X86_64, X32, X86_64, X86_64]);
        let numbers: Vec<_> = read.calls()[14..]
            .iter()
            .map(|call| call.number.unwrap())
            .collect();
        assert_eq!(numbers, [20, 110, 64, 110, 39, 110, 231]);
    }
}

#[test]
fn counts_after_calls() {
    let read = read(include_str!("../data/strace/counts_after_calls.txt"));
    assert_clean(&read, 21);
    assert!(read.skipped(SkipKind::ToolMessage) > 10);
    assert_eq!(read.skipped(SkipKind::ProgramOutput), 0);
}

#[test]
fn one_file_a_thread() {
    let parent = read_named("forked.4201", include_str!("../data/strace/forked.4201"));
    assert_clean(&parent, 51);
    assert_eq!(lives(&parent), [3, 3, 1, 1]);
    let child = read_named("forked.4205", include_str!("../data/strace/forked.4205"));
    assert_clean(&child, 3);
    assert!(
        child
            .calls()
            .iter()
            .all(|call| call.stream.tid == Some(4205))
    );
}

#[test]
fn detached() {
    for text in [
        include_str!("../data/strace/detach_terminal.txt"),
        include_str!("../data/strace/detach_o.txt"),
    ] {
        let read = read(text);
        assert_eq!(read.story(), ["2310 restart_syscall=?"]);
        assert_eq!(read.skipped(SkipKind::NeverResumed), 1);
        assert_eq!(read.skipped(SkipKind::Unparsed), 0);
    }
}
