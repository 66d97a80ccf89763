//! Which stream an event belongs to, and how streams begin and end.

use idiolect_trace::read::{Limits, ReadOptions, SkipKind};
use idiolect_trace::{ExitStatus, LifecycleKind, StreamId};

use crate::read::{read, read_named, try_read};

#[test]
fn exec_begins_a_stream() {
    let read = read(
        "7 execve(\"/bin/l\\x73\", [\"ls\"], 0x1 /* 2 vars */) = 0\n\
         7 execve(\"/no\", [], 0x1) = -1 ENOENT (No such file or directory)\n\
         7 execveat(3</a>, \"b\", [], 0x1, 0) = 0\n\
         7 getpid() = 7\n",
    );
    assert_eq!(
        read.story(),
        [
            "7 execve=0",
            "7 <exec of 7>",
            "7 execve=ENOENT",
            "7 execveat=0",
            "7 <exec of 7>",
            "7 getpid=7"
        ]
    );
    let generations: Vec<_> = read
        .calls()
        .iter()
        .map(|call| call.stream.exec_generation)
        .collect();
    assert_eq!(generations, [0, 1, 1, 2]);
    let lives = read.lives();
    assert_eq!(lives[0].executable.as_deref(), Some("/bin/ls"));
    assert_eq!(lives[1].executable.as_deref(), Some("b"));
    assert_eq!(lives[1].parent.as_ref(), Some(&lives[0].stream));
    assert_eq!(lives[1].stream.tgid, Some(7));
}

#[test]
fn children_are_known_by_their_parents_result() {
    let read = read(
        "7 execve(\"/a\", [], 0x1) = 0\n\
         7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 8\n\
         7 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0} => {parent_tid=[9]}, 88) = 9\n\
         7 clone(child_stack=0x1, flags=0x3d0f00) = 10\n\
         7 clone(0x3d0f00, 0x1) = 11\n\
         7 fork() = -1 EAGAIN (Resource temporarily unavailable)\n\
         9 getpid() = 7\n\
         8 getpid() = 8\n",
    );
    assert_eq!(
        read.story()[2..],
        [
            "7 clone=8",
            "8 <fork of 7>",
            "7 clone3=9",
            "9 <clone of 7>",
            "7 clone=10",
            "10 <clone of 7>",
            "7 clone=11",
            "11 <clone of 7>",
            "7 fork=EAGAIN",
            "9 getpid=7",
            "8 getpid=8"
        ]
    );
    let lives = read.lives();
    let of = |i: usize| (lives[i].stream.tgid, lives[i].stream.exec_generation);
    assert_eq!(of(1), (Some(8), 0));
    assert_eq!(of(2), (Some(7), 1));
}

#[test]
fn children_that_come_before_the_result() {
    // On a terminal strace says that it attached; in a file it does not.
    for note in ["strace: Process 8 attached\n", ""] {
        let read = read(&format!(
            "[pid 7] getpid() = 7\n[pid 7] vfork( <unfinished ...>\n{note}[pid 8] getpid() = 8\n\
             [pid 7] <... vfork resumed>) = 8\n[pid 8] getppid() = 7\n"
        ));
        assert_eq!(
            read.story(),
            [
                "7 getpid=7",
                "8 <fork of 7>",
                "8 getpid=8",
                "7 vfork=8",
                "8 getppid=7"
            ]
        );
    }
}

#[test]
fn a_child_in_another_namespace_has_straces_number() {
    let read = read(
        "7 clone(flags=SIGCHLDstrace: Process 1008 attached\n\
         ) = 2\n\
         1008 getpid() = 2\n\
         7 clone(flags=SIGCHLD) = 3 /* 1009 in strace's PID NS */\n",
    );
    assert_eq!(
        read.story(),
        [
            "1008 <fork of 7>",
            "7 clone=2",
            "1008 getpid=2",
            "7 clone=3",
            "1009 <fork of 7>"
        ]
    );
}

#[test]
fn of_several_open_forks_the_last_is_taken() {
    let read = read(
        "7 fork( <unfinished ...>\n\
         6 fork( <unfinished ...>\n\
         8 getpid() = 8\n\
         9 getpid() = 9\n\
         7 <... fork resumed>) = 8\n\
         6 <... fork resumed>) = 9\n\
         8 getpid() = 8\n",
    );
    // `6` itself is taken for a child of `7`, so that `7` has no more to give.
    assert_eq!(
        read.story(),
        [
            "6 <fork of 7>",
            "8 <fork of 6>",
            "8 getpid=8",
            "9 getpid=9",
            "7 fork=8",
            "6 fork=9",
            "8 getpid=8"
        ]
    );
}

#[test]
fn the_first_thread_gets_its_number_later() {
    let read = read(
        "getpid() = 7\n\
         clone(flags=SIGCHLDstrace: Process 8 attached\n\
         , child_tidptr=0x1) = 8\n\
         [pid 8] getpid() = 8\n\
         [pid 7] wait4(8,  <unfinished ...>\n\
         [pid 8] exit_group(3) = ?\n\
         [pid 8] +++ exited with 3 +++\n\
         <... wait4 resumed>[], 0, NULL) = 8\n\
         getppid() = 1\n",
    );
    assert_eq!(
        read.story(),
        [
            "- getpid=7",
            "8 <fork of ->",
            "- clone=8",
            "8 getpid=8",
            "8 exit_group=?",
            "8 <exit>",
            "- wait4=8",
            "- getppid=1"
        ]
    );
    assert_eq!(read.lives()[1].status, Some(ExitStatus::Code(3)));
    assert_eq!(read.skipped(SkipKind::NeverResumed), 0);
}

#[test]
fn lines_without_a_number_belong_to_who_is_left() {
    let read = read(
        "strace: Process 5 attached\n\
         fork() = 6\n\
         strace: Process 6 attached\n\
         [pid 5] exit_group(0) = ?\n\
         [pid 5] +++ killed by SIGKILL +++\n\
         getpid() = 6\n",
    );
    assert_eq!(
        read.story(),
        [
            "5 fork=6",
            "6 <fork of 5>",
            "5 exit_group=?",
            "5 <exit>",
            "6 getpid=6"
        ]
    );
    assert_eq!(read.lives()[1].status, Some(ExitStatus::Signal(9)));
}

#[test]
fn a_number_that_comes_back_is_another_stream() {
    let read = read(
        "7 getpid() = 7\n7 +++ exited with 0 +++\n7 getpid() = 7\n\
         6 fork() = 7\n7 getpid() = 7\n",
    );
    let incarnations: Vec<_> = read
        .calls()
        .iter()
        .filter(|call| call.stream.tid == Some(7))
        .map(|call| call.stream.incarnation)
        .collect();
    assert_eq!(incarnations, [0, 1, 2]);
}

#[test]
fn exec_by_another_thread_takes_the_processs_number() {
    let read = read(
        "7 execve(\"/a\", [], 0x1) = 0\n\
         7 clone(flags=CLONE_THREAD) = 8\n\
         7 pause( <unfinished ...>\n\
         8 execve(\"/b\", [], 0x1 <unfinished ...>\n\
         7 <... pause resumed>) = ?\n\
         7 +++ superseded by execve in pid 8 +++\n\
         7 <... execve resumed>) = 0\n\
         7 getpid() = 7\n",
    );
    assert_eq!(
        read.story()[2..],
        [
            "7 clone=8",
            "8 <clone of 7>",
            "7 pause=?",
            "7 <exit>",
            "8 execve=0",
            "7 <exec of 8>",
            "7 getpid=7"
        ]
    );
    let last = &read.calls()[4].stream;
    let expected = StreamId {
        tgid: Some(7),
        exec_generation: 2,
        ..StreamId::thread("trace.txt".into(), 7)
    };
    assert_eq!(*last, expected);
    assert_eq!(read.lives()[3].kind, LifecycleKind::Exec);
    assert_eq!(read.lives()[3].executable.as_deref(), Some("/b"));
}

#[test]
fn exec_by_another_thread_in_files_of_their_own_counts_once() {
    let caller = read_named(
        "t.8",
        "getpid() = 7\nexecve(\"/b\", [], 0x1 <unfinished ...>",
    );
    let leader = read_named(
        "t.7",
        "pause( <unfinished ...>) = ?\n\
         +++ superseded by execve in pid 8 +++\n\
         <... execve resumed>) = 0\n\
         getpid() = 7\n",
    );
    assert_eq!(caller.story(), ["8 getpid=7", "8 execve=?"]);
    assert_eq!(leader.story(), ["7 pause=?", "7 <exec of 7>", "7 getpid=7"]);
    assert_eq!(leader.skipped(SkipKind::OrphanResumed), 0);
}

#[test]
fn memory_is_bounded_and_what_is_dropped_is_counted() {
    let options = ReadOptions {
        limits: Limits {
            open_threads: 8,
            ..Limits::default()
        },
        ..ReadOptions::default()
    };
    let text: String = (1..=100)
        .map(|pid| format!("{pid} read(3 <unfinished ...>\n"))
        .collect();
    let read = try_read("t", text.as_bytes(), &options).unwrap();
    assert_eq!(read.report.calls, 100);
    assert_eq!(read.skipped(SkipKind::NeverResumed), 100);
    assert_eq!(read.skipped(SkipKind::OverBound), 96);
    // A forgotten number does not come back as the stream it was.
    let text = format!("{text}1 getpid() = 1\n");
    let read = try_read("t", text.as_bytes(), &options).unwrap();
    let calls = read.calls();
    let last = calls
        .iter()
        .filter(|call| call.stream.tid == Some(1))
        .map(|call| &call.stream);
    let streams: Vec<_> = last.collect();
    assert_ne!(streams[0], streams[1]);
}
