//! What enters and exits make together: births, programs, ends, losses.

use idiolect_trace::read::{Format, SkipKind};
use idiolect_trace::{ExitStatus, GapCause, LifecycleKind};

use crate::story::{Story, tell, tell_as};

/// Lines of the bpftrace program; a process is its first thread.
fn bpftrace(lines: &[&str]) -> Story {
    let text: String = lines.iter().map(|line| format!("5 {line}\n")).collect();
    tell_as(&text, Format::Bpftrace)
}

#[test]
fn one_call_of_two_events() {
    let story = bpftrace(&["7 7 enter 0 x", "7 7 exit 0 -11", "7 7 enter 1 x"]);
    assert_eq!(story.lines(), ["7 read=EAGAIN", "7 write=?"]);
    assert_eq!(story.skipped(SkipKind::NeverResumed), 1);
    // Without an exit anywhere nothing is said of calls that did not return.
    let story = bpftrace(&["7 7 enter 0 x", "7 7 enter 1 x"]);
    assert_eq!(story.lines(), ["7 read=?", "7 write=?"]);
    assert_eq!(story.skipped(SkipKind::NeverResumed), 0);
}

#[test]
fn exits_without_enters() {
    let story = bpftrace(&["7 7 exit 232 1", "7 7 exit -1 5", "8 8 exit 59 0"]);
    assert_eq!(
        story.lines(),
        ["7 epoll_wait=1", "8 execve=0", "8 <exec of 8>"]
    );
    assert_eq!(story.skipped(SkipKind::OrphanResumed), 2);
    // An exit of another call than the open one: that one never returned.
    let story = bpftrace(&["7 7 enter 0 x", "7 7 exit 1 5"]);
    assert_eq!(story.lines(), ["7 read=?", "7 write=5"]);
}

#[test]
fn births_in_any_order() {
    let expected = ["7 clone=8", "8 <fork of 7>", "8 getpid=8"];
    let child = ["8 8 exit 56 0", "8 8 enter 39 x", "8 8 exit 39 8"];
    let parent = ["7 7 enter 56 x", "7 7 exit 56 8"];
    let after = [&parent[..], &child].concat();
    assert_eq!(bpftrace(&after).lines(), expected);
    let before = [&parent[..1], &child, &parent[1..]].concat();
    assert_eq!(
        bpftrace(&before).lines(),
        ["8 <fork of 7>", "8 getpid=8", "7 clone=8"]
    );
    let told = [&parent[..1], &["7 7 fork 8"], &parent[1..], &child].concat();
    assert_eq!(
        bpftrace(&told).lines(),
        ["7 clone=8", "8 <fork of 7>", "8 getpid=8"]
    );
}

#[test]
fn a_child_whose_process_is_not_told_is_born_all_the_same() {
    let text = "1 10:00:00.000000001 0 a (7) < execve res=0 exe=a tid=7(a) pid=7(a) \n\
                2 10:00:00.000000002 0 a (7) > clone3 \n\
                3 10:00:00.000000003 0 a (7) < clone3 res=8 \n\
                4 10:00:00.000000004 0 a (8) > read fd=3 \n\
                5 10:00:00.000000005 0 a (8) < read res=1 \n";
    assert_eq!(
        tell(text).lines(),
        [
            "7 execve=0",
            "7 <exec of 7>",
            "7 clone3=8",
            "8 <fork of 7>",
            "8 read=1"
        ]
    );
}

#[test]
fn a_number_of_another_namespace_is_not_the_child_s() {
    // In its container the child is 2; the events call it 8.
    let story = bpftrace(&[
        "7 7 enter 56 x",
        "7 7 fork 8",
        "7 7 exit 56 2",
        "8 8 exit 56 0",
        "8 8 enter 39 x",
    ]);
    assert_eq!(story.lines(), ["7 clone=2", "8 <fork of 7>", "8 getpid=?"]);
}

#[test]
fn a_number_that_comes_back_is_another_thread() {
    let story = bpftrace(&[
        "8 8 enter 39 x",
        "8 8 exit 39 8",
        "8 8 enter 231 x",
        "7 7 enter 57 x",
        "7 7 exit 57 8",
        "8 8 enter 39 x",
    ]);
    assert_eq!(
        story.lines(),
        [
            "8 getpid=8",
            "8 exit_group=?",
            "7 fork=8",
            "8 <exit>",
            "8 <fork of 7>",
            "8 getpid=?"
        ]
    );
    let incarnations: Vec<u32> = story
        .lives()
        .iter()
        .map(|life| life.stream.incarnation)
        .collect();
    assert_eq!(incarnations, [0, 1]);
}

#[test]
fn ends() {
    let story = bpftrace(&[
        "7 7 enter 231 x",
        "7 7 end",
        "8 8 enter 0 x",
        "8 8 end",
        "9 9 end",
    ]);
    assert_eq!(
        story.lines(),
        ["7 exit_group=?", "7 <exit>", "8 read=?", "8 <exit>"]
    );
    // Without an event of it, the call that does not return shows the end, once.
    let story = bpftrace(&["7 7 enter 60 x", "8 8 enter 0 x"]);
    assert_eq!(story.lines(), ["7 exit=?", "8 read=?", "7 <exit>"]);
}

#[test]
fn programs() {
    let exec = [
        "7 7 enter 59 x",
        "7 7 exec 7 /bin/a b",
        "7 7 exit 59 0",
        "7 7 enter 0 x",
    ];
    let expected = ["7 execve=0", "7 <exec of 7>", "7 read=?"];
    let story = bpftrace(&exec);
    assert_eq!(story.lines(), expected);
    let life = story.lives()[0];
    assert_eq!(life.executable.as_deref(), Some("/bin/a b"));
    assert_eq!(life.stream.exec_generation, 1);
    // The event alone shows that the call succeeded.
    let enters = [exec[0], exec[1], exec[3]];
    assert_eq!(bpftrace(&enters).lines(), expected);
    let failed = bpftrace(&["7 7 enter 59 x", "7 7 exit 59 -2", "7 7 enter 0 x"]);
    assert_eq!(failed.lines(), ["7 execve=ENOENT", "7 read=?"]);
}

#[test]
fn another_thread_than_the_first_executes() {
    let events = [
        "7 7 enter 202 x",
        "7 8 enter 59 x",
        "7 7 exec 8 /bin/a",
        "7 7 exit 59 0",
        "7 7 enter 0 x",
    ];
    let expected = ["7 <exit>", "8 execve=0", "7 <exec of 8>", "7 read=?"];
    let told = bpftrace(&events);
    assert_eq!(told.lines()[1..], expected);
    assert_eq!(told.lines()[0], "7 futex=?");
    // Without the event the exit shows it, where the processes are known.
    let untold = [events[0], events[1], events[3], events[4]];
    assert_eq!(bpftrace(&untold).lines()[1..], expected);
}

#[test]
fn losses() {
    let text = "cat-7 [000] 5.000001: sys_enter: NR 0 (3)\n\
                CPU:1 [LOST 12 EVENTS]\n\
                cat-7 [000] 5.000002: sys_exit: NR 0 = 5\n\
                cat-7 [000] 5.000003: sys_enter: NR 1 (3)\n\
                CPU:1 [4 EVENTS DROPPED]\n\
                cat-7 [000] 5.000004: sys_exit: NR 3 = 0\n\
                CPU:0 [EVENTS DROPPED]\n";
    let story = tell(text);
    assert_eq!(
        story.lines(),
        [
            "7 read=?",
            "<gap>",
            "7 write=?",
            "<gap>",
            "7 close=0",
            "<gap>"
        ]
    );
    let full = GapCause::BufferFull;
    assert_eq!(
        story.gaps(),
        [(full, Some(12)), (full, Some(4)), (full, None)]
    );
    for (text, lost) in [
        ("5 7 7 enter 0 x\nLost 3 events\n5 7 7 enter 1 x\n", 3),
        (
            "     0.071 ( 0.020 ms): cat/7 brk()  = 0\nLOST 9 events!\n     0.071 ( 0.020 ms): cat/7 brk()  = 0\n",
            9,
        ),
        (
            "cat 7 [0] 5.000001: raw_syscalls:sys_enter: NR 0 (3)\ncat 7 [0] 5.000001: PERF_RECORD_LOST lost 8\n",
            8,
        ),
        (
            "[09:40:47.5] (+0.1) h syscall_entry_brk: { cpu_id = 2 }, { tid = 7 }, { }\nWARNING: Tracer discarded 5 events between [1] and [2]\n[09:40:47.5] (+0.1) h syscall_exit_brk: { cpu_id = 2 }, { tid = 7 }, { ret = 1 }\n",
            5,
        ),
    ] {
        assert_eq!(tell(text).gaps(), [(full, Some(lost))], "{text}");
    }
}

#[test]
fn sysdig_s_own_events() {
    let text = "1 10:00:00.000000001 0 cat (7) > read fd=3 size=5 \n\
                2 10:00:00.000000002 0 cat (7) > switch next=0 \n\
                3 10:00:00.000000003 0 cat (7) < read res=5 data=a > b \n\
                4 10:00:00.000000004 0 cat (7) > <unknown> \n\
                5 10:00:00.000000005 0 cat (7) < <unknown> \n\
                6 10:00:00.000000006 0 cat (7) > drop ratio=2 \n\
                7 10:00:00.000000007 0 cat (7) > procexit status=256 \n";
    let story = tell(text);
    assert_eq!(story.lines(), ["7 read=5", "<gap>", "<gap>", "7 <exit>"]);
    assert_eq!(
        story.gaps(),
        [(GapCause::Unknown, Some(1)), (GapCause::RateLimit, None)]
    );
    assert_eq!(story.lives()[0].status, Some(ExitStatus::Code(1)));
    assert_eq!(story.skipped(SkipKind::Unparsed), 0);
}

#[test]
fn a_program_s_name_may_hold_anything() {
    let name = "my > (cat) 9";
    let text = format!(
        "1 10:00:00.000000001 0 {name} (7) > read fd=3 \n\
         2 10:00:00.000000002 0 x (8) > read fd=3 \n\
         3 10:00:00.000000003 0 x (8) < read res=3 \n"
    );
    // A name that looks like a direction cannot be told from one; the line is then another call's or none.
    let story = tell(&text);
    assert_eq!(story.lines().last().unwrap(), "8 read=3");
    let text = "1470327477881753570 33 7 php fpm 5 8 read > fd=1 \n1470327477881753571 33 7 php fpm 5 8 read < res=1 \n";
    let story = tell(text);
    assert_eq!(story.lines(), ["8 read=1"]);
    let perf = "my prog: 5.5 x  7 [000] 5.000001: raw_syscalls:sys_enter: NR 0 (3)\n";
    assert_eq!(tell(perf).lines(), ["7 read=?"]);
}

#[test]
fn i386_calls_of_lttng_are_of_their_own_abi() {
    let line = |name: &str| {
        format!("[09:40:47.5] (+0.1) h {name}: {{ cpu_id = 2 }}, {{ tid = 7 }}, {{ }}\n")
    };
    let text = line("syscall_entry_read")
        + &line("syscall_exit_read")
        + &line("compat_syscall_entry_mmap_pgoff");
    let story = tell(&text);
    let abis: Vec<_> = story
        .records
        .iter()
        .filter_map(|record| match record {
            idiolect_trace::Record::Call(call) => {
                Some((call.name.to_string(), call.abi.to_string()))
            }
            _ => None,
        })
        .collect();
    let pair = |name: &str, abi: &str| (name.to_owned(), abi.to_owned());
    assert_eq!(abis, [pair("read", "x86_64"), pair("mmap2", "i386")]);
}

#[test]
fn a_clone_s_flags_tell_threads_from_processes() {
    use LifecycleKind::{Clone, Fork};
    for (text, kind) in [
        (
            "cat 7 [0] 5.000001: raw_syscalls:sys_enter: NR 56 (3d0f00, 0)\ncat 7 [0] 5.000002: raw_syscalls:sys_exit: NR 56 = 8\n",
            Clone,
        ),
        (
            "cat 7 [0] 5.000001: raw_syscalls:sys_enter: NR 56 (1200011, 0)\ncat 7 [0] 5.000002: raw_syscalls:sys_exit: NR 56 = 8\n",
            Fork,
        ),
        (
            "     0.071 ( 0.020 ms): a/7 clone(clone_flags: VM|THREAD, x: 0)  = 8 (a)\n",
            Clone,
        ),
        (
            "     0.071 ( 0.020 ms): a/7 clone(clone_flags: CHILD_SETTID|0x11, x: 0)  = 8 (a)\n",
            Fork,
        ),
        (
            "1 10:00:00.000000001 0 a (7) > clone \n2 10:00:00.000000002 0 a (7) < clone res=8(a) exe=a flags=9(CLONE_FILES|CLONE_THREAD) uid=0 \n",
            Clone,
        ),
        (
            "1 10:00:00.000000001 0 a (7) > clone \n2 10:00:00.000000002 0 a (7) < clone res=8(a) exe=a flags=9(CLONE_CHILD_SETTID) uid=0 \n",
            Fork,
        ),
    ] {
        assert_eq!(tell(text).lives()[0].kind, kind, "{text}");
    }
}
