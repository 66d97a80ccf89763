//! Single forms of lines, and what becomes of lines that are none.

use idiolect_trace::read::{Format, ReadError, ReadOptions, SkipKind, read_bytes};
use idiolect_trace::{Abi, Outcome, Record};

use crate::read::{Read, read, read_named, try_read};

const NS: u64 = 1_000_000_000;

fn times(read: &Read) -> Vec<Option<u64>> {
    read.calls().iter().map(|call| call.time_ns).collect()
}

#[test]
fn unfinished_and_resumed_are_one_call_with_the_time_of_its_entry() {
    let read = read(
        "7 10:00:00 read(3,  <unfinished ...>\n\
         8 10:00:01 getpid() = 8\n\
         7 10:00:02 <... read resumed>\"x\", 1) = 1\n",
    );
    assert_eq!(read.story(), ["8 getpid=8", "7 read=1"]);
    assert_eq!(times(&read), [Some(36_001 * NS), Some(36_000 * NS)]);
    assert_eq!(read.report.skips.iter().count(), 0);
}

#[test]
fn a_call_that_is_left_and_ended_at_once() {
    let read = read(
        "7 getppid( <unfinished ...>\n)           = 1\n\
         7 nanosleep(0x1,  <unfinished ...>\nNULL)           = 0\n",
    );
    assert_eq!(read.story(), ["7 getppid=1", "7 nanosleep=0"]);
    assert_eq!(read.report.skips.iter().count(), 0);
}

#[test]
fn resumed_twice_is_one_call() {
    let read = read(
        "7 read(3,  <unfinished ...>\n\
         7 <... read resumed> <unfinished ...>\n\
         7 <... read resumed>) = 1\n\
         7 pause( <unfinished ...>\n\
         7 <... pause resumed> <unfinished ...>) = ?\n",
    );
    assert_eq!(read.story(), ["7 read=1", "7 pause=?"]);
    assert_eq!(read.report.skips.iter().count(), 0);
}

#[test]
fn halves_that_are_missing() {
    let read = read(
        "7 <... futex resumed>) = 0\n\
         7 read(3,  <unfinished ...>\n\
         7 <... write resumed>) = 1\n\
         8 pause( <unfinished ...>\n\
         9 poll( <unfinished ...>\n\
         9 getpid() = 9\n",
    );
    assert_eq!(
        read.story(),
        [
            "7 futex=0",
            "7 read=?",
            "7 write=1",
            "9 poll=?",
            "9 getpid=9",
            "8 pause=?"
        ]
    );
    assert_eq!(read.skipped(SkipKind::OrphanResumed), 2);
    assert_eq!(read.skipped(SkipKind::NeverResumed), 3);
}

#[test]
fn output_in_the_middle_of_a_call() {
    let read = read(
        "write(1, \"one\\ntwo(3) = 4\\n\", 16one\n\
         two\n\
         \n\
         last) = 16\n\
         write(1, \"Hello) = 5!\", 11Hello) = 5!)             = 11\n\
         getpid() = 7\n",
    );
    assert_eq!(read.story(), ["- write=16", "- write=11", "- getpid=7"]);
    assert_eq!(read.skipped(SkipKind::ProgramOutput), 1);
}

#[test]
fn output_before_and_between_calls() {
    let read = read(
        "getpid() = 7\n\
         Hello!getppid() = 6\n\
         just words\n\
         Hello[pid 8] gettid() = 8\n",
    );
    assert_eq!(read.story(), ["- getpid=7", "- getppid=6", "- gettid=8"]);
    assert_eq!(read.skipped(SkipKind::ProgramOutput), 3);
}

#[test]
fn an_interrupted_line_that_is_never_finished() {
    let cut = read("getpid() = 7\nwrite(1, \"abc");
    assert_eq!(cut.story(), ["- getpid=7", "- write=?"]);
    assert_eq!(cut.skipped(SkipKind::CutOff), 1);
    let left = read("read(0, strace: Process 7 detached\n <detached ...>\n");
    assert_eq!(left.story(), ["- read=?"]);
}

#[test]
fn notes_signals_and_annotations_are_no_calls() {
    let read = read(
        "strace: deprecated option -F ignored\n\
         write(1, \"x\", 1) = 1\n \
         > /lib/libc.so.6(write+0x14) [0x114a87]\n \
         | 00000  78                                                x                |\n\
         --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---\n\
         --- stopped by SIGSTOP ---\n\
         +++ exited with 0 +++\n",
    );
    assert_eq!(read.story(), ["- write=1", "- <exit>"]);
    assert_eq!(read.skipped(SkipKind::ToolMessage), 3);
    assert_eq!(read.skipped(SkipKind::NotACall), 2);
}

#[test]
fn damaged_lines_are_counted_and_leave_a_gap() {
    let read = read(
        "[pid 7] getpid() = 7\n[pid 7] <... \n[pid 7] getpid() = 7\n\
         [pid 7] getpid() = 7\n",
    );
    let gaps = |record: &&Record| matches!(record, Record::Gap(_));
    assert_eq!(read.records.iter().filter(gaps).count(), 1);
    assert_eq!(read.skipped(SkipKind::Unparsed), 1);
    assert_eq!(read.report.calls, 3);
}

#[test]
fn text_that_is_no_trace_is_an_error() {
    let error = try_read("t", b"once upon\na time\n", &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, ReadError::MostlyUnparsed { .. }), "{error}");
}

#[test]
fn a_summary_alone_is_refused() {
    let summary = include_str!("../data/strace/summary.txt");
    let table = &summary[summary.find("% time").unwrap()..];
    for (summary, format) in [(table, None), (summary, Some(Format::Strace))] {
        let options = ReadOptions {
            format,
            ..ReadOptions::default()
        };
        let error =
            read_bytes("s.txt", summary.as_bytes(), &options, &mut Read::default()).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("strace -c") && message.contains("-C"),
            "{message}"
        );
        assert!(message.contains("s.txt"), "{message}");
    }
}

#[test]
fn clocks() {
    let day = read("23:59:59.5 getpid() = 7\n00:00:00.25 getpid() = 7\n");
    assert_eq!(
        times(&day),
        [Some(86_399 * NS + NS / 2), Some(86_400 * NS + NS / 4)]
    );
    let steps = read(
        "     0.000000 getpid() = 7\n     0.000003 --- SIGALRM {} ---\n     \
         0.000004 getpid() = 7\n",
    );
    assert_eq!(times(&steps), [Some(0), Some(7_000)]);
    let none = read("getpid() = 7\n");
    assert_eq!(times(&none), [None]);
}

#[test]
fn the_abi_and_the_number() {
    let given = ReadOptions {
        abi: Some(Abi::Riscv64),
        ..ReadOptions::default()
    };
    let read = try_read("t", b"getpid() = 7\n", &given).unwrap();
    assert_eq!(
        (read.calls()[0].abi, read.calls()[0].number),
        (Abi::Riscv64, Some(172))
    );
    // By -n, in an ABI that has the number for another call.
    let text = "mmap(NULL, 9) = 0x7f7d17e5a000\n[  20] getpid() = 7\n[1073741863] getpid() = 7\n\
         [  39] getpid() = 7\n";
    let conventions: Vec<_> = crate::read::read(text)
        .calls()
        .iter()
        .map(|call| (call.abi, call.number))
        .collect();
    assert_eq!(
        conventions,
        [
            (Abi::X86_64, Some(9)),
            (Abi::I386, Some(20)),
            (Abi::X32, Some(39)),
            (Abi::X86_64, Some(39))
        ]
    );
}

#[test]
fn the_abi_changes_where_strace_says_so() {
    let read = read(
        "brk(NULL) = 0x7f7d17e5a000\nmmap(NULL, 1) = 0x7f7d17e5a000\n\
         [ Process PID=7 runs in 32 bit mode. ]\n\
         getpid() = 7\n\
         strace: [ Process PID=7 runs in 64 bit mode. ]\n\
         getpid() = 7\n\
         fork() = 8\n\
         [ Process PID=7 runs in x32 mode. ]\n\
         [pid 8] getpid() = 8\n\
         [pid 7] getpid() = 7\n",
    );
    let abis: Vec<_> = read.calls().iter().map(|call| call.abi).collect();
    use Abi::{I386, X32, X86_64};
    assert_eq!(abis, [X86_64, X86_64, I386, X86_64, X86_64, X86_64, X32]);
}

#[test]
fn names_are_canonical_and_bounded() {
    let long = "a".repeat(70);
    let text = format!(
        "SYS_467() = 0\nsyscall_0x1d3(1) = -1 ENOSYS (no)\numount(\"/\") = 0\n{long}(1) = 2\nfuture_call(1) = 2\n"
    );
    let read = read(&text);
    let names: Vec<_> = read.calls().iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names[..2], ["syscall_467", "syscall_467"]);
    assert_eq!(names[names.len() - 1], "future_call");
    assert_eq!(names.len(), 4);
}

#[test]
fn outcomes() {
    let read = read(
        "umask(022) = 022\npause() = ? ERESTARTNOHAND (To be restarted if no handler)\n\
         restart_syscall(<... resuming interrupted read ...>) = 0\nexit_group(0) = ?\n",
    );
    assert_eq!(
        read.story(),
        [
            "- umask=18",
            "- pause=ERESTARTNOHAND",
            "- restart_syscall=0",
            "- exit_group=?"
        ]
    );
    assert_eq!(read.calls()[0].outcome, Some(Outcome::Returned(0o22)));
}

#[test]
fn a_file_name_gives_the_process() {
    for (name, tid) in [
        ("trace.1234", Some(1234)),
        ("trace.1234.gz", Some(1234)),
        ("a.zip:trace.1234", Some(1234)),
        ("trace.txt", None),
        ("trace.0123", None),
        (".123", None),
        ("trace.", None),
    ] {
        let read = read_named(name, "getpid() = 7\n");
        assert_eq!(read.calls()[0].stream.tid, tid, "{name}");
    }
}
