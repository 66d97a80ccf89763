//! Logs of the audit system, recorded with auditd 3.0.9 on Linux 6.18 of a small program that makes a
//! thread, forks, vforks, executes itself, kills a child, and makes calls of i386 and of no table.
//!
//! Calls were counted with `grep -c type=SYSCALL` (`type=1300` in the kernel's own print), apart from this
//! reader; lives by looking.

use idiolect_trace::read::{Format, ReadError, ReadOptions, Selection, SkipKind};
use idiolect_trace::{Abi, ExitStatus, GapCause, LifecycleKind, Outcome, Record};

use crate::collect::{Collect, bytes, bytes_with, data};

const RAW: &str = include_str!("../data/auditd/raw.log");
const ENRICHED: &str = include_str!("../data/auditd/enriched.log");
const INTERPRETED: &str = include_str!("../data/auditd/interpreted.txt");
const KERNEL: &str = include_str!("../data/auditd/kernel.txt");
const LOST: &str = include_str!("../data/auditd/lost.log");
const RULE: &str = include_str!("../data/auditd/rule.log");

fn read(text: &str) -> Collect {
    let (got, totals) = bytes("t", text.as_bytes()).unwrap();
    assert_eq!(got.sources[0].format, Format::Auditd);
    assert_eq!(totals.skipped(SkipKind::Unparsed), 0, "{:?}", totals.skips);
    got
}

fn count(text: &str, mark: &str) -> usize {
    text.lines().filter(|line| line.contains(mark)).count()
}

#[test]
fn every_form_has_all_its_calls() {
    for (text, mark, expected) in [
        (RAW, "type=SYSCALL", 92),
        (ENRICHED, "type=SYSCALL", 45),
        (INTERPRETED, "type=SYSCALL", 92),
        (KERNEL, "type=1300", 7),
        (LOST, "type=SYSCALL", 7),
        (RULE, "type=SYSCALL", 19),
    ] {
        assert_eq!(count(text, mark), expected);
        assert_eq!(read(text).calls().len(), expected, "{mark}");
    }
}

#[test]
fn what_a_log_says_and_what_its_interpretation_says_agree() {
    let (raw, interpreted) = (read(RAW), read(INTERPRETED));
    let day = |ns: u64| ns % (24 * 3600 * 1_000_000_000);
    for (a, b) in raw.calls().into_iter().zip(interpreted.calls()) {
        assert_eq!(
            (&a.stream, a.abi, &a.name, a.number),
            (&b.stream, b.abi, &b.name, b.number)
        );
        assert_eq!(a.outcome, b.outcome, "{}", a.name);
        assert_eq!(a.time_ns.map(day), b.time_ns.map(day));
    }
    // What a program ended with is only interpreted where it has a name.
    let story = |got: &Collect| -> Vec<_> {
        got.lives()
            .into_iter()
            .map(|life| (life.kind, life.stream.clone(), life.executable.clone()))
            .collect()
    };
    assert_eq!(story(&raw), story(&interpreted));
}

#[test]
fn lives_are_known_as_far_as_the_log_knows_them() {
    let got = read(RAW);
    let kinds = |kind| got.lives().iter().filter(|life| life.kind == kind).count();
    // A fork, a vfork, and the fork of the child that is killed; the thread is no process.
    assert_eq!(kinds(LifecycleKind::Fork), 3);
    assert_eq!(kinds(LifecycleKind::Clone), 0);
    assert_eq!(kinds(LifecycleKind::Exec), 3);
    // The killed child's end is not in the log.
    assert_eq!(kinds(LifecycleKind::Exit), 3);
    let exits: Vec<_> = got.lives().iter().filter_map(|life| life.status).collect();
    assert_eq!(
        exits,
        [
            ExitStatus::Code(3),
            ExitStatus::Code(3),
            ExitStatus::Code(0)
        ]
    );
    for life in got.lives() {
        if life.kind == LifecycleKind::Exec {
            assert_eq!(life.executable.as_deref(), Some("/usr/local/bin/lives"));
            assert_eq!(life.uid, Some(4321));
        }
        assert!(life.stream.tid.is_none() && life.stream.tgid.is_some());
    }
    // The vforked child executes before its parent's call returns, and is begun all the same.
    for life in got
        .lives()
        .iter()
        .filter(|life| life.kind == LifecycleKind::Fork)
    {
        let first = got.records.iter().position(|record| match record {
            Record::Call(call) => call.stream == life.stream,
            _ => false,
        });
        let begins = got.records.iter().position(|record| match record {
            Record::Lifecycle(other) => other == *life,
            _ => false,
        });
        assert!(first > begins, "{life:?}");
    }
}

#[test]
fn abis_numbers_and_outcomes() {
    let got = read(RAW);
    let of = |name: &str| {
        got.calls()
            .into_iter()
            .find(|call| call.name.as_str() == name && call.stream.tgid != Some(15_945))
            .unwrap()
    };
    let getpid = of("getpid");
    assert_eq!((getpid.abi, getpid.number), (Abi::I386, Some(20)));
    let unknown = of("open_tree_attr");
    assert_eq!(unknown.number, Some(467));
    assert_eq!(of("exit_group").outcome, None);
    let failed = got
        .calls()
        .into_iter()
        .filter(|call| call.outcome.is_some_and(|outcome| !outcome.is_ok()))
        .count();
    assert_eq!(failed, count(RAW, "success=no"));
}

#[test]
fn the_same_program_under_strace_makes_the_same_calls() {
    let audit = read(RAW);
    let strace = include_str!("../data/auditd/lives.strace");
    let (strace, _) = bytes("t", strace.as_bytes()).unwrap();
    // The program that executes itself with an argument has one thread.
    let story = |got: &Collect| -> Vec<Vec<String>> {
        let begun = got
            .lives()
            .into_iter()
            .filter(|life| life.kind == LifecycleKind::Exec)
            .map(|life| life.stream.clone());
        let of = |stream| {
            let own = got.calls().into_iter().filter(|call| call.stream == stream);
            own.map(|call| format!("{} {:?}", call.name, call.outcome.map(Outcome::is_ok)))
                .collect()
        };
        begun
            .map(of)
            .filter(|calls: &Vec<String>| calls.len() < 20)
            .collect()
    };
    let (audit, strace) = (story(&audit), story(&strace));
    assert_eq!(audit.len(), 2);
    assert_eq!(audit, strace);
}

#[test]
fn what_the_kernel_dropped_is_a_gap() {
    let got = read(LOST);
    let lost: Vec<_> = got.gaps().iter().map(|gap| (gap.lost, gap.cause)).collect();
    assert_eq!(lost, [(Some(5202), GapCause::BufferFull)]);
    let got = read(KERNEL);
    assert!(
        got.gaps()
            .iter()
            .any(|gap| gap.cause == GapCause::BufferFull && gap.lost == Some(1))
    );
}

#[test]
fn a_rule_for_some_calls_shows() {
    assert_eq!(read(RAW).reports[0].selection, None);
    assert_eq!(read(RULE).reports[0].selection, Some(Selection::NoMemory));
    // No program begins in it.
    let connects =
        "type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=42 success=yes exit=0 pid=7\n";
    assert_eq!(read(connects).reports[0].selection, Some(Selection::Rules));
}

fn event(serial: u64, rest: &str) -> String {
    format!(
        "type=SYSCALL msg=audit(10.{:03}:{serial}): arch=c000003e {rest}\n",
        serial % 1_000
    )
}

#[test]
fn lines_out_of_order_are_sorted_and_numbers_wrap() {
    let one = |serial: u64, call: u32| {
        event(
            serial,
            &format!("syscall={call} success=yes exit=0 pid=7 comm=\"x\""),
        )
    };
    let text = [
        one(4_294_967_294, 0),
        one(0, 3),
        one(4_294_967_295, 1),
        one(1, 2),
    ]
    .concat();
    let got = read(&text);
    assert_eq!(got.names(), ["read", "write", "close", "open"]);
}

#[test]
fn missing_numbers_are_a_gap_unless_they_are_missing_throughout() {
    let one = |serial: u64| event(serial, "syscall=0 success=yes exit=0 pid=7");
    let got = read(&[one(1), one(2), one(9)].concat());
    assert_eq!(got.names(), ["read", "read", "<gap>", "read"]);
    assert_eq!(got.gaps()[0].lost, Some(6));
    let chosen: String = (0..500).map(|n| one(n * 3)).collect();
    let got = read(&chosen);
    assert_eq!(got.reports[0].selection, Some(Selection::Numbers));
    assert_eq!(got.calls().len(), 500);
    assert!(got.gaps().len() < 64);
}

#[test]
fn a_restart_begins_everything_anew() {
    let one = |serial: u64| event(serial, "syscall=0 success=yes exit=0 pid=7");
    let got = read(&[one(50_000), one(50_001), one(3), one(4)].concat());
    assert_eq!(got.names(), ["read"; 4]);
    let incarnations: Vec<_> = got
        .calls()
        .iter()
        .map(|call| call.stream.incarnation)
        .collect();
    assert_eq!(incarnations, [0, 0, 1, 1]);
}

#[test]
fn hosts_are_told_apart() {
    let line = |node: &str| {
        format!(
            "node={node} {}",
            event(5, "syscall=0 success=yes exit=0 pid=7")
        )
    };
    let got = read(&[line("a"), line("b")].concat());
    let hosts: Vec<_> = got
        .calls()
        .iter()
        .map(|call| call.stream.host.as_deref())
        .collect();
    assert_eq!(hosts, [Some("a"), Some("b")]);
}

#[test]
fn a_number_that_comes_back_is_another_process() {
    let text = [
        event(1, "syscall=0 success=yes exit=0 pid=7"),
        event(2, "syscall=231 a0=0 pid=7"),
        // The child is faster than the return of the call that made it.
        event(3, "syscall=0 success=yes exit=0 pid=7"),
        event(4, "syscall=57 success=yes exit=7 pid=1"),
        event(5, "syscall=0 success=yes exit=0 pid=7"),
        // Its death is not seen, and the number is given anew, which takes a while.
        (6..206).map(|n| event(n, "syscall=0 success=yes exit=0 pid=1")).collect(),
        event(206, "syscall=57 success=yes exit=7 pid=1"),
        event(207, "syscall=0 success=yes exit=0 pid=7"),
        "type=ANOM_ABEND msg=audit(10.208:208): auid=1 uid=1 gid=1 ses=1 pid=7 comm=\"x\" sig=11 res=1\n"
            .to_owned(),
    ]
    .concat();
    let got = read(&text);
    let incarnations: Vec<_> = got
        .calls()
        .iter()
        .filter(|call| call.stream.tgid == Some(7))
        .map(|call| call.stream.incarnation)
        .collect();
    assert_eq!(incarnations, [0, 0, 1, 1, 2]);
    let last = got.lives().last().copied().unwrap();
    assert_eq!(last.status, Some(ExitStatus::Signal(11)));
}

#[test]
fn clone3_made_a_process_if_its_child_speaks_for_itself() {
    let text = [
        event(1, "syscall=435 success=yes exit=8 ppid=1 pid=7"),
        event(2, "syscall=0 success=yes exit=0 ppid=7 pid=8"),
        event(3, "syscall=435 success=yes exit=9 ppid=1 pid=7"),
        event(4, "syscall=0 success=yes exit=0 ppid=1 pid=9"),
    ]
    .concat();
    let got = read(&text);
    let children: Vec<_> = got.lives().iter().map(|life| life.stream.tgid).collect();
    assert_eq!(children, [Some(8)]);
}

#[test]
fn names_by_the_alias_table() {
    for (spelling, name) in [
        ("pread", "pread64"),
        ("umount", "umount2"),
        ("fstatat64", "newfstatat"),
    ] {
        let line = format!(
            "type=SYSCALL msg=audit(04/12/17 22:48:09.295:58) : arch=i386 syscall={spelling} success=yes exit=0 pid=1 \n"
        );
        assert_eq!(read(&line).names(), [name]);
    }
}

#[test]
fn hostile_records_are_counted() {
    let good = event(1, "syscall=0 success=yes exit=0 pid=7").repeat(3);
    for bad in [
        "type=SYSCALL msg=audit(1.000:2): arch=c000003e syscall=99999999999 pid=7",
        "type=SYSCALL msg=audit(1.000:2): arch=c000003e syscall=0",
        "type=SYSCALL msg=audit(1.000:2): arch=c000003e syscall=re\u{1b}ad pid=7",
        "type=SYSCALL msg=audit(1.000:2): arch=40000016 syscall=1 pid=7",
        "type=SYSCALL msg=audit(1.000): arch=c000003e syscall=0 pid=7",
    ] {
        let (got, totals) = bytes("t", format!("{good}{bad}\n").as_bytes()).unwrap();
        assert_eq!(totals.skipped(SkipKind::Unparsed), 1, "{bad}");
        assert_eq!(got.gaps().len(), 1, "{bad}");
    }
    let other = "type=SYSCALL msg=audit(1.000:2): arch=80000016 syscall=1 pid=7\n";
    let cwd = "type=CWD msg=audit(1.000:2): cwd=\"/\"\n";
    let error = bytes("t", [other, cwd, cwd].concat().as_bytes()).unwrap_err();
    assert!(matches!(error, ReadError::Refused { .. }));
    assert!(
        error.to_string().contains("architecture 80000016"),
        "{error}"
    );
}

#[test]
fn the_table_of_ausearch_is_no_trace() {
    let table = "NODE,EVENT,DATE,TIME,SERIAL_NUM,EVENT_KIND,SESSION,SUBJ_PRIME,SUBJ_SEC,SUBJ_KIND,ACTION,RESULT,OBJ_PRIME,OBJ_SEC,OBJ_KIND,HOW
,SYSCALL,11/26/26,04:28:09,60138,audit-rule,unset,system,unknown(4321),user-acct,executed,failed,,,file,/usr/bin/setpriv
";
    let error = bytes("t", table.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("ausearch --raw"), "{error}");
}

#[test]
fn captures_hold_what_grep_counts() {
    let Some(data) = data() else { return };
    let mut files = 0;
    for entry in std::fs::read_dir(data.join("captures/auditd")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let options = ReadOptions {
            format: Some(Format::Auditd),
            ..ReadOptions::default()
        };
        let (got, totals) = bytes_with("t", &text, &options).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(
            got.calls().len(),
            count(&text, "type=SYSCALL"),
            "{}",
            path.display()
        );
        // `type=UNKNOWN[1329] msg=?` is no record.
        let odd = count(&text, "msg=?") as u64;
        assert_eq!(
            totals.skipped(SkipKind::Unparsed),
            odd,
            "{}",
            path.display()
        );
        files += 1;
    }
    assert!(files >= 13);
}
