//! Falco, Tracee, Tetragon, gVisor and dtruss, which do not run where these tests were made: the files in
//! `tests/data` are written by hand after their documentation and the excerpts in it. Calls were counted by
//! looking, and with regular expressions in real logs.

use idiolect_trace::read::{Format, ReadError, ReadOptions, Selection, SkipKind};
use idiolect_trace::{Abi, Errno, ExitStatus, Gap, GapCause, LifecycleKind, Outcome};

use crate::collect::{Collect, bytes, bytes_with, data};

fn read(format: Format, text: &str) -> Collect {
    let (got, totals) = bytes("t", text.as_bytes()).unwrap();
    assert_eq!(got.sources[0].format, format);
    assert_eq!(totals.skipped(SkipKind::Unparsed), 0, "{:?}", totals.skips);
    got
}

fn by(abi: Abi) -> ReadOptions {
    ReadOptions {
        abi: Some(abi),
        ..ReadOptions::default()
    }
}

fn losses(got: &Collect) -> Vec<(Option<u64>, GapCause)> {
    let loss = |gap: &&Gap| (gap.lost, gap.cause);
    got.gaps().iter().map(loss).collect()
}

fn failed(errno: u16) -> Option<Outcome> {
    Some(Outcome::Failed(Errno(errno)))
}

fn returned(value: i64) -> Option<Outcome> {
    Some(Outcome::Returned(value))
}

const FALCO: &str = include_str!("../data/falco/alerts.jsonl");

#[test]
fn falco() {
    let got = read(Format::Falco, FALCO);
    assert_eq!(
        got.names(),
        [
            "openat",
            "unlink",
            "connect",
            "<gap>",
            "execve",
            "<lifecycle>",
            "pread64",
            "<lifecycle>"
        ]
    );
    let outcomes: Vec<_> = got.calls().iter().map(|call| call.outcome).collect();
    assert_eq!(
        outcomes,
        [
            returned(3),
            failed(2),
            failed(115),
            returned(0),
            returned(16)
        ]
    );
    let connect = got.calls()[2];
    assert_eq!(connect.time_ns, Some(1_672_650_000_000_000_003));
    assert_eq!(
        (connect.stream.tgid, connect.stream.tid),
        (Some(70), Some(71))
    );
    assert_eq!(connect.stream.host.as_deref(), Some("node-1"));
    assert_eq!(losses(&got), [(Some(2), GapCause::BufferFull)]);
    let exec = got.lives()[0];
    assert_eq!(
        (exec.executable.as_deref(), exec.uid),
        (Some("/usr/bin/cat"), Some(0))
    );
    assert_eq!(got.calls()[4].stream, exec.stream);
    assert_eq!(
        got.reports[0].selection,
        Some(Selection::Format(Format::Falco))
    );
}

#[test]
fn falco_without_calls_says_what_to_print() {
    let alert =
        r#"{"output":"x","rule":"r","time":"2022-07-27T07:13:19Z","output_fields":{"evt.time":1}}"#;
    let error = bytes("t", alert.as_bytes()).unwrap_err();
    assert!(matches!(error, ReadError::Refused { .. }));
    assert!(error.to_string().contains("%evt.type"), "{error}");
}

const TRACEE: &str = include_str!("../data/tracee/events.jsonl");

#[test]
fn tracee() {
    let got = read(Format::Tracee, TRACEE);
    assert_eq!(
        got.names(),
        [
            "clone",
            "<lifecycle>",
            "execve",
            "<lifecycle>",
            "openat",
            "getpid",
            "<gap>",
            "<lifecycle>",
            "openat",
            "newfstatat"
        ]
    );
    let kinds: Vec<_> = got.lives().iter().map(|life| life.kind).collect();
    assert_eq!(
        kinds,
        [
            LifecycleKind::Fork,
            LifecycleKind::Exec,
            LifecycleKind::Exit
        ]
    );
    let exec = got.lives()[1];
    assert_eq!(exec.executable.as_deref(), Some("/usr/bin/cat"));
    let all = got.calls();
    assert_eq!(exec.parent.as_ref(), Some(&all[1].stream));
    assert_eq!(all[2].stream, exec.stream);
    assert_eq!(all[2].outcome, failed(13));
    assert_eq!((all[2].abi, all[3].abi), (Abi::X86_64, Abi::I386));
    assert_eq!(
        (all[3].stream.tgid, all[3].stream.tid),
        (Some(1011), Some(1011))
    );
    assert_eq!(losses(&got), [(Some(12), GapCause::BufferFull)]);
    assert_eq!(all[4].time_ns, Some(1_732_454_400_123_456_789));
    assert_eq!(
        (all[4].stream.tgid, all[4].stream.tid),
        (Some(2001), Some(2002))
    );
    assert_eq!((all[4].outcome, all[5].outcome), (returned(3), None));
}

#[test]
fn tracee_on_arm_by_the_numbers_of_its_events() {
    let event = |name: &str, id: u32| {
        format!(
            r#"{{"timestamp":1,"eventId":"{id}","eventName":"{name}","hostProcessId":1,"hostThreadId":1,"returnValue":0,"args":[]}}"#
        )
    };
    let got = read(
        Format::Tracee,
        &[event("openat", 56), event("read", 63)].join("\n"),
    );
    assert_eq!(got.calls()[0].abi, Abi::Aarch64);
    assert_eq!(got.reports[0].selection, None);
    let got = read(Format::Tracee, &event("openat", 257));
    assert_eq!(got.calls()[0].abi, Abi::X86_64);
    assert_eq!(got.reports[0].selection, Some(Selection::Rules));
}

#[test]
fn tracee_s_generic_events_are_halves() {
    let event = |name: &str, value: &str| {
        format!(
            r#"{{"timestamp":1,"eventName":"{name}","hostProcessId":1,"hostThreadId":1,"returnValue":7,"args":[{{"name":"syscall","type":"int","value":{value}}}]}}"#
        )
    };
    let text = [event("sys_enter", "0"), event("sys_exit", "\"read\"")].join("\n");
    let (got, _) = bytes_with("t", text.as_bytes(), &by(Abi::X86_64)).unwrap();
    assert_eq!(got.names(), ["read"]);
    assert_eq!(got.calls()[0].outcome, returned(7));
}

const TETRAGON: &str = include_str!("../data/tetragon/events.jsonl");

#[test]
fn tetragon() {
    let got = read(Format::Tetragon, TETRAGON);
    assert_eq!(
        got.names(),
        [
            "<lifecycle>",
            "<lifecycle>",
            "openat",
            "pread64",
            "read",
            "<gap>",
            "umount2",
            "<lifecycle>",
            "<lifecycle>"
        ]
    );
    let all = got.calls();
    assert_eq!(all[0].outcome, failed(2));
    assert_eq!((all[0].abi, all[1].abi), (Abi::X86_64, Abi::I386));
    assert_eq!(
        (all[1].stream.tgid, all[1].stream.tid),
        (Some(100), Some(101))
    );
    assert_eq!(
        (all[2].outcome, all[2].time_ns),
        (returned(512), Some(1_682_931_601_000_000_005))
    );
    assert_eq!(losses(&got), [(Some(31), GapCause::RateLimit)]);
    let kinds: Vec<_> = got
        .lives()
        .iter()
        .map(|life| (life.kind, life.status))
        .collect();
    assert_eq!(
        kinds,
        [
            (LifecycleKind::Fork, None),
            (LifecycleKind::Exec, None),
            (LifecycleKind::Exit, Some(ExitStatus::Signal(9))),
            (LifecycleKind::Exit, Some(ExitStatus::Code(3))),
        ]
    );
    let exec = got.lives()[1];
    assert_eq!(
        (exec.executable.as_deref(), exec.uid),
        (Some("/usr/bin/cat"), Some(1000))
    );
    assert_eq!(got.lives()[0].parent.as_ref().unwrap().tgid, Some(90));
    assert_eq!(
        got.reports[0].selection,
        Some(Selection::Format(Format::Tetragon))
    );
}

const GVISOR: &str = include_str!("../data/gvisor/runsc.log.boot");

#[test]
fn gvisor() {
    let got = read(Format::Gvisor, GVISOR);
    assert_eq!(
        got.names(),
        [
            "clone",
            "<lifecycle>",
            "execve",
            "<lifecycle>",
            "openat",
            "syscall_999",
            "<gap>",
            "wait4",
            "fstat",
            "exit_group",
            "<lifecycle>"
        ]
    );
    let all = got.calls();
    assert_eq!(
        (all[0].outcome, all[2].outcome, all[3].outcome),
        (returned(2), failed(2), failed(38))
    );
    assert_eq!(all[4].outcome, returned(2));
    assert_eq!((all[5].outcome, all[6].outcome), (None, None));
    // Past midnight.
    assert_eq!(
        all[5].time_ns,
        Some((24 * 3600 + 2) * 1_000_000_000 + 1_000)
    );
    assert_eq!(all[4].time_ns, None);
    let exec = got.lives()[1];
    assert_eq!(exec.executable.as_deref(), Some("/bin/cat"));
    assert_eq!(got.lives()[0].stream.tgid, Some(2));
    assert_eq!(got.lives()[2].status, Some(ExitStatus::Code(1)));
    assert_eq!(losses(&got), [(Some(7), GapCause::BufferFull)]);
}

const DTRUSS: &str = include_str!("../data/dtruss/run.dtruss");

#[test]
fn dtruss_keeps_the_names_of_another_kernel() {
    let got = read(Format::Dtruss, DTRUSS);
    assert_eq!(
        got.names(),
        [
            "<lifecycle>",
            "fork",
            "open",
            "csrctl",
            "read_nocancel",
            "connect",
            "mmap",
            "<gap>",
            "getattrlist"
        ]
    );
    let all = got.calls();
    assert!(
        all.iter()
            .all(|call| call.abi == Abi::Darwin && call.number.is_none() && call.time_ns.is_none())
    );
    // EINPROGRESS is 36 there; 93 has no counterpart.
    assert_eq!(
        (all[1].outcome, all[4].outcome, all[6].outcome),
        (failed(2), failed(115), None)
    );
    assert_eq!(all[5].outcome, returned(0x1_024c_8000));
    assert_eq!(
        (all[4].stream.tgid, all[4].stream.tid),
        (Some(4966), Some(0x54c9))
    );
    assert_eq!(losses(&got), [(Some(12), GapCause::BufferFull)]);
    assert_eq!(got.reports[0].skips.count(SkipKind::ProgramOutput), 1);
}

/// One spelling of a call in each format, that of another tool.
#[test]
fn names_by_the_alias_table() {
    let falco = FALCO.lines().next().unwrap().replace("openat", "fstatat");
    let tracee = TRACEE
        .lines()
        .nth(5)
        .unwrap()
        .replace("\"eventName\":\"openat\"", "\"eventName\":\"fstatat64\"");
    let tetragon = TETRAGON
        .lines()
        .nth(2)
        .unwrap()
        .replace("sys_openat", "sys_newstat");
    let gvisor = GVISOR.lines().nth(9).unwrap().replace("fstat(", "pwrite(");
    let dtruss = "SYSCALL(args) \t\t = return\npread(0x3)\t\t = 3 0".to_owned();
    for (text, name) in [
        (falco, "newfstatat"),
        (tracee, "newfstatat"),
        (tetragon, "stat"),
        (gvisor, "pwrite64"),
        (dtruss, "pread64"),
    ] {
        let (got, _) = bytes("t", text.as_bytes()).unwrap();
        assert_eq!(got.names(), [name], "{text}");
    }
}

#[test]
fn hostile_events_are_counted() {
    let deep = format!(
        "{{\"output_fields\":{}{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let never = format!("{{\"output_fields\":{}", "{\"a\":".repeat(5_000));
    for bad in [
        deep.as_str(),
        never.as_str(),
        "{\"output_fields\":{\"evt.type\":\"re\\u001bad\"}}",
        "{\"output_fields\":{\"evt.type\":\"\"}}",
        "{\"output_fields\": \u{0}}",
    ] {
        let text = format!("{FALCO}{bad}\n");
        let (got, totals) = bytes("t", text.as_bytes()).unwrap();
        let lost = totals.skipped(SkipKind::Unparsed) + totals.skipped(SkipKind::CutOff);
        assert_eq!((lost, losses(&got).len()), (1, 2), "{bad:.60}");
    }
    for odd in [
        "{\"output_fields\":7}",
        "{\"output_fields\":{\"evt.type\":7}}",
        "{}",
    ] {
        let (got, _) = bytes("t", format!("{FALCO}{odd}\n").as_bytes()).unwrap();
        assert_eq!(got.calls().len(), 5, "{odd}");
    }
    let long = format!(
        "{GVISOR}D0522 00:00:05.000001 1 strace.go:567] [ 1: 1] sh E {}(0x1)\n",
        "a".repeat(100)
    );
    let (_, totals) = bytes("t", long.as_bytes()).unwrap();
    assert_eq!(totals.skipped(SkipKind::Unparsed), 1);
}

/// Events in the documentation of their tools.
#[test]
fn captures() {
    let Some(data) = data() else { return };
    let files = |folder: &str| {
        let folder = data.join("captures").join(folder);
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    };
    let all = |folder: &str, format: Format| {
        let mut records = (0, 0);
        let mut text = String::new();
        for file in files(folder) {
            let content = std::fs::read(&file).unwrap();
            let (got, totals) =
                bytes("t", &content).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert_eq!(got.sources[0].format, format, "{}", file.display());
            assert_eq!(
                totals.skipped(SkipKind::Unparsed),
                0,
                "{}: {:?}",
                file.display(),
                totals.skips
            );
            records.0 += got.calls().len();
            records.1 += got.lives().len();
            text += &String::from_utf8_lossy(&content);
        }
        (records, text)
    };
    let ((of_tracee, _), text) = all("tracee", Format::Tracee);
    // Its numbers below 700 are those of calls.
    let expected = text
        .split("\"eventId\":\"")
        .skip(1)
        .filter(|rest| rest.split('"').next().unwrap().parse::<u32>().unwrap() < 700)
        .count();
    assert_eq!((of_tracee, expected), (4, 4));
    let ((of_tetragon, lives_of_tetragon), text) = all("tetragon", Format::Tetragon);
    assert_eq!(of_tetragon, text.matches("\"function_name\"").count());
    let ends = text.matches("\"process_exit\"").count();
    let begins = text.matches("\"process_exec\"").count();
    let forks = text.matches("\"flags\":\"execve clone\"").count();
    assert!(lives_of_tetragon >= begins + ends && lives_of_tetragon <= begins + ends + forks);
    for file in files("falco") {
        let content = std::fs::read(&file).unwrap();
        // Their rules print no call.
        assert!(!String::from_utf8_lossy(&content).contains("evt.type"));
        let error = bytes("t", &content).unwrap_err();
        assert!(matches!(error, ReadError::Refused { .. }), "{error}");
    }
}
