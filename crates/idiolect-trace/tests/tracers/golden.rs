//! Recordings of one program by every tool, in the option sets that people use: each gives the same
//! streams of calls, which strace recorded too.
//!
//! `threads.c`, `done.c` and `copy.c` are the programs, built with `gcc -O1 -pthread -static` and run in
//! `/tmp/demo` on kernel 6.18 by perf 6.1, trace-cmd 3.1.6, bpftrace 0.17 and strace 6.1. sysdig has no
//! driver there: its text is what sysdig 0.29.3 prints of a capture that `tools/scap-of-perf.py` made of the
//! events in `perf-script/threads_raw_sched.txt`. LTTng's modules are not there either: `lttng` is written after the
//! documentation of LTTng 2.13 and babeltrace2 2.0, of the same events.
//!
//! The numbers of calls are counted by the mark of an enter, apart from the readers; the few exits without
//! one (of the `execve` that starts the program, and of what the recorder did before) come on top.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use idiolect_trace::read::{Format, SkipKind};
use idiolect_trace::{GapCause, LifecycleKind, Outcome, Record};

use crate::story::{Story, tell};

fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tracers");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// How many lines hold a mark.
fn lines_with(text: &str, mark: &str) -> u64 {
    text.lines().filter(|line| line.contains(mark)).count() as u64
}

fn assert_clean(story: &Story, name: &str) {
    use SkipKind::{CutOff, NeverResumed, OverBound, TooLong, Unparsed};
    let skips = &story.report.skips;
    for kind in [Unparsed, CutOff, TooLong, OverBound, NeverResumed] {
        assert_eq!(skips.count(kind), 0, "{name}: {skips:?}");
    }
}

/// The streams of the program, by strace.
fn of_strace(name: &str) -> Vec<Vec<String>> {
    let story = tell(&golden(name));
    assert_eq!(story.format, Format::Strace);
    story.streams()
}

/// Reads a recording of `threads`: checks format, number of calls (`enters` and so many exits without
/// one), lives, and that the streams are those of strace.
fn threads(name: &str, format: Format, enters: &str, lives: [usize; 4]) -> Story {
    let text = golden(name);
    let story = tell(&text);
    assert_eq!(story.format, format, "{name}");
    assert_clean(&story, name);
    let orphans = story.skipped(SkipKind::OrphanResumed);
    assert!(orphans <= 1, "{name}: {orphans}");
    let counted = lines_with(&text, enters) + orphans;
    assert_eq!(story.report.calls, counted, "{name}");
    assert_eq!(story.counts(), lives, "{name}");
    assert_eq!(story.streams(), of_strace("threads.strace"), "{name}");
    story
}

/// Whether the streams know their processes.
fn with_processes(story: &Story) {
    let lives = story.lives();
    let of = |kind| lives.iter().filter(move |life| life.kind == kind);
    let first = of(LifecycleKind::Exec).next().unwrap().stream.tid;
    for clone in of(LifecycleKind::Clone) {
        assert_eq!(clone.stream.tgid, first);
        assert_eq!(clone.parent.as_ref().unwrap().tid, first);
    }
    let fork = of(LifecycleKind::Fork).next().unwrap();
    assert_eq!(fork.stream.tgid, fork.stream.tid);
    assert_eq!(fork.parent.as_ref().unwrap().tid, first);
}

#[test]
fn perf_script() {
    let enters = "raw_syscalls:sys_enter:";
    for (file, lives) in [
        ("threads_raw", [3, 0, 2, 4]),
        ("threads_no_time", [3, 0, 2, 4]),
        ("threads_raw_sched", [3, 0, 2, 4]),
    ] {
        threads(
            &format!("perf-script/{file}.txt"),
            Format::PerfScript,
            enters,
            lives,
        );
    }
    // `clone3` hides its flags; with the process of each thread what it made is known all the same.
    for file in ["threads_pid_tid_ns", "threads_task_events"] {
        let file = format!("perf-script/{file}.txt");
        with_processes(&threads(&file, Format::PerfScript, enters, [1, 2, 2, 4]));
    }
    let sched = tell(&golden("perf-script/threads_raw_sched.txt"));
    let paths: Vec<_> = sched
        .lives()
        .iter()
        .filter_map(|life| life.executable.clone())
        .collect();
    assert_eq!(paths, ["./threads", "/tmp/demo/done"]);
}

#[test]
fn ftrace_and_trace_cmd() {
    let raw = "sys_enter: ";
    for file in [
        "threads_trace-cmd",
        "threads_trace-cmd_l",
        "threads_trace-cmd_R",
        "threads_trace_latency",
        "threads_trace_raw",
    ] {
        threads(
            &format!("ftrace/{file}.txt"),
            Format::Ftrace,
            raw,
            [3, 0, 2, 4],
        );
    }
    // With `record-tgid`.
    for file in ["threads_trace_tgid", "threads_trace_pipe"] {
        let file = format!("ftrace/{file}.txt");
        with_processes(&threads(&file, Format::Ftrace, raw, [1, 2, 2, 4]));
    }
    let file = "ftrace/threads_trace-cmd_syscalls.txt";
    threads(file, Format::Ftrace, "sys_enter_", [3, 0, 2, 4]);
    threads(
        "ftrace/threads_trace_syscalls.txt",
        Format::Ftrace,
        "(",
        [3, 0, 2, 4],
    );
}

#[test]
fn lost_events_of_ftrace() {
    let text = golden("ftrace/threads_lost_pipe.txt");
    let story = tell(&text);
    let marks = lines_with(&text, "EVENTS]") as usize;
    let gaps = story.gaps();
    assert_eq!(gaps.len(), marks);
    assert!(marks > 0 && gaps.iter().all(|gap| gap.0 == GapCause::BufferFull));
    let first = text
        .split("[LOST ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert_eq!(gaps[0].1, first.parse().ok());
    // No call is counted twice: each has an enter, or lost it.
    let orphans = story.skipped(SkipKind::OrphanResumed);
    assert_eq!(
        story.report.calls,
        lines_with(&text, "sys_enter: ") + orphans
    );
}

#[test]
fn bpftrace() {
    let story = threads(
        "bpftrace/threads.txt",
        Format::Bpftrace,
        " enter ",
        [1, 2, 2, 4],
    );
    let first = story.lives()[0];
    assert_eq!(first.executable.as_deref(), Some("./threads"));
}

#[test]
fn lttng() {
    for file in ["threads_context", "threads_clock_seconds"] {
        let file = format!("lttng/{file}.txt");
        with_processes(&threads(
            &file,
            Format::Lttng,
            "syscall_entry_",
            [1, 2, 2, 4],
        ));
    }
    // Nothing says whose a call is: one stream, nothing matched.
    let text = golden("lttng/threads_no_context.txt");
    let story = tell(&text);
    assert_eq!(story.report.calls, lines_with(&text, "syscall_entry_"));
    let whole = |record: &Record| match record {
        Record::Call(call) => call.stream.tid.is_none() && call.outcome.is_none(),
        _ => true,
    };
    assert!(story.records.iter().all(whole));
}

#[test]
fn perf_trace() {
    let text = golden("perf-trace/threads.txt");
    let story = tell(&text);
    assert_eq!(story.format, Format::PerfTrace);
    assert_clean(&story, "perf-trace/threads.txt");
    // A line a call, but for the second lines of calls that were interrupted and of births.
    let (lines, second) = (lines_with(&text, "): "), lines_with(&text, "[continued]: "));
    let orphans = story.skipped(SkipKind::OrphanResumed);
    assert_eq!(orphans, 1);
    assert_eq!(story.report.calls, lines - second + orphans);
    assert_eq!(story.counts(), [3, 0, 2, 4]);
    assert_eq!(story.streams(), of_strace("threads.strace"));

    let copy = of_strace("copy.strace");
    for file in ["copy_T", "copy_S", "copy_comm", "copy_F_all_syscalls"] {
        let text = golden(&format!("perf-trace/{file}.txt"));
        let story = tell(&text);
        assert_eq!(story.format, Format::PerfTrace, "{file}");
        assert_clean(&story, file);
        assert_eq!(story.streams(), copy, "{file}");
        let calls = lines_with(&text, "): ") - lines_with(&text, "fault [");
        assert_eq!(story.report.calls, calls, "{file}");
    }
    // What `-S` sums up agrees.
    let text = golden("perf-trace/copy_S.txt");
    let sums = text.lines().skip_while(|line| !line.contains("------"));
    let sums = sums.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let exit_group = 1;
    assert_eq!(tell(&text).report.calls, sums.sum::<u64>() + exit_group);
    let some = tell(&golden("perf-trace/copy_e.txt"));
    assert_eq!(some.lines().len(), some.report.calls as usize);
}

#[test]
fn perf_trace_of_one_thread_that_is_not_named() {
    let story = tell(&golden("perf-trace/one_p.txt"));
    assert_eq!(
        story.lines(),
        [
            "- clock_nanosleep=0",
            "- close=0",
            "- close=0",
            "- exit_group=?"
        ]
    );
}

#[test]
fn perf_script_of_a_program_of_one_thread() {
    let copy = of_strace("copy.strace");
    for (file, enters, orphans) in [
        ("copy_g", "raw_syscalls:sys_enter:", 1),
        ("copy_syscalls", "syscalls:sys_enter_", 1),
    ] {
        let text = golden(&format!("perf-script/{file}.txt"));
        let story = tell(&text);
        assert_clean(&story, file);
        assert_eq!(
            story.report.calls,
            lines_with(&text, enters) + orphans,
            "{file}"
        );
        assert_eq!(story.streams(), copy, "{file}");
    }
    // Enters alone: nothing shows the program's beginning, and no outcome.
    let text = golden("perf-script/copy_enters.txt");
    let story = tell(&text);
    assert_clean(&story, "copy_enters");
    assert_eq!(story.report.calls, text.lines().count() as u64);
    let call = |record: &Record| match record {
        Record::Call(call) => call.outcome.is_none() && call.time_ns.is_some(),
        _ => true,
    };
    assert!(story.records.iter().all(call));
}

/// What sysdig 0.29 does not know the name of.
fn without_rseq(streams: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let without = |stream: Vec<String>| stream.into_iter().filter(|name| name != "rseq").collect();
    streams.into_iter().map(without).collect()
}

#[test]
fn sysdig() {
    let truth = without_rseq(of_strace("threads.strace"));
    for (file, format, enters) in [
        ("threads_default.txt", Format::Sysdig, " > "),
        ("threads_X.txt", Format::Sysdig, " > "),
        ("threads_A.txt", Format::Sysdig, " > "),
        ("threads_t_a.txt", Format::Sysdig, " > "),
        ("threads_t_r.txt", Format::Sysdig, " > "),
        ("threads_t_d.txt", Format::Sysdig, " > "),
        ("threads_t_D.txt", Format::Sysdig, " > "),
        ("threads_pc.txt", Format::Sysdig, " > "),
        ("threads_lid-ds_2019.txt", Format::Sysdig, " > "),
        ("threads_lid-ds_2021.sc", Format::Sysdig, " > "),
        ("threads_j.json", Format::SysdigJson, "\"evt.dir\":\">\""),
        ("threads_j_p.json", Format::SysdigJson, "\"evt.dir\":\">\""),
    ] {
        let text = golden(&format!("sysdig/{file}"));
        let story = tell(&text);
        assert_eq!(story.format, format, "{file}");
        assert_clean(&story, file);
        let orphans = story.skipped(SkipKind::OrphanResumed);
        assert_eq!(orphans, 1, "{file}");
        let (no_calls, unknown) = (
            lines_with(&text, "procexit"),
            lines_with(&text, "<unknown>"),
        );
        let counted = lines_with(&text, enters) - no_calls - unknown / 2 + orphans;
        assert_eq!(story.report.calls, counted, "{file}");
        assert_eq!(story.gaps().len() as u64, unknown / 2, "{file}");
        assert_eq!(story.streams(), truth, "{file}");
        let [forks, clones, execs, exits] = story.counts();
        assert_eq!((forks + clones, execs, exits), (3, 2, 4), "{file}");
        with_processes(&story);
        assert_eq!(clones, 2, "{file}");
    }
    // Thread, direction and name alone: nothing tells how a call ended, so no program is told either.
    let text = golden("sysdig/threads_short.txt");
    let story = tell(&text);
    assert_clean(&story, "threads_short.txt");
    let counts = (story.report.calls, story.counts());
    let all = tell(&golden("sysdig/threads_default.txt"));
    assert_eq!(counts, (all.report.calls, [3, 0, 0, 4]));
}

#[test]
fn sysdig_without_directions() {
    let truth = without_rseq(of_strace("threads.strace"));
    let both = tell(&golden("sysdig/threads_no_direction.txt"));
    assert_eq!(both.streams(), truth);
    let with = tell(&golden("sysdig/threads_default.txt"));
    assert_eq!(both.report.calls, with.report.calls);

    // What newer versions write: returns alone. Those calls that do not return are not in it.
    let text = golden("sysdig/threads_exits_no_direction.txt");
    let once = tell(&text);
    let (births, unknown) = (
        lines_with(&text, " clone3 res=0") + lines_with(&text, " clone res=0"),
        lines_with(&text, "<unknown>"),
    );
    assert_eq!(
        once.report.calls,
        text.lines().count() as u64 - births - unknown
    );
    let no_end = |stream: &Vec<String>| -> Vec<String> {
        stream
            .iter()
            .filter(|name| !name.starts_with("exit"))
            .cloned()
            .collect()
    };
    let truth: Vec<_> = truth.iter().map(no_end).collect();
    assert_eq!(once.streams(), truth);
}

#[test]
fn times_of_sysdig() {
    let times = |file: &str| -> Vec<Option<u64>> {
        let story = tell(&golden(&format!("sysdig/{file}")));
        let time = |record: &Record| match record {
            Record::Call(call) => Some(call.time_ns),
            _ => None,
        };
        // The first has no enter, so no time.
        story.records.iter().filter_map(time).skip(1).collect()
    };
    let epoch = times("threads_j.json");
    assert!(epoch.iter().all(Option::is_some));
    for same in [
        "threads_t_a.txt",
        "threads_lid-ds_2021.sc",
        "threads_j_p.json",
    ] {
        assert_eq!(times(same), epoch, "{same}");
    }
    let start = 1_700_000_000_000_003_000;
    let since_start: Vec<_> = epoch.iter().map(|time| time.map(|ns| ns - start)).collect();
    assert_eq!(times("threads_t_r.txt"), since_start);
    assert_eq!(times("threads_t_D.txt"), since_start);
    let day = 86_400_000_000_000;
    let of_day: Vec<_> = epoch.iter().map(|time| time.map(|ns| ns % day)).collect();
    assert_eq!(times("threads_default.txt"), of_day);
    assert_eq!(times("threads_lid-ds_2019.txt"), of_day);
    assert!(times("threads_t_d.txt").iter().all(Option::is_none));
    assert!(times("threads_short.txt").iter().all(Option::is_none));
}

#[test]
fn outcomes_agree_between_sysdig_and_perf() {
    let outcomes = |name: &str| -> Vec<(String, Option<Outcome>)> {
        let story = tell(&golden(name));
        let call = |record: &Record| match record {
            Record::Call(call) if call.name.as_str() != "rseq" => {
                Some((call.name.to_string(), call.outcome))
            }
            _ => None,
        };
        story.records.iter().filter_map(call).collect()
    };
    // sysdig's events of calls without parameters say nothing of how they ended.
    let sysdig = outcomes("sysdig/threads_default.txt");
    let perf = outcomes("perf-script/threads_raw_sched.txt");
    assert_eq!(sysdig.len(), perf.len());
    let told = sysdig.iter().zip(&perf).filter(|(a, _)| a.1.is_some());
    assert!(told.clone().count() * 2 > perf.len());
    for (sysdig, perf) in told {
        assert_eq!(sysdig, perf);
    }
}

#[test]
fn a_recording_of_lid_ds_as_it_is_shipped() {
    // An archive of the text, its labels and its measurements.
    let text = golden("sysdig/threads_lid-ds_2021.sc");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [
        ("r.sc", text.as_str()),
        (
            "r.json",
            "{\n    \"exploit\": false,\n    \"time\": {}\n}\n",
        ),
        ("r.res", "timestamp,cpu_usage\r\n1631078867.045,0.09\r\n"),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let archive = zip.finish().unwrap().into_inner();
    let (got, totals) = crate::collect::bytes("r.zip", &archive).unwrap();
    assert_eq!(got.origins(), ["r.zip:r.sc"]);
    assert_eq!(totals.calls, tell(&text).report.calls);
    assert_eq!(totals.skipped_files, 2);
}
