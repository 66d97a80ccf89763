//! Text that nobody meant well with.

use idiolect_trace::read::{Format, Limits, ReadOptions, SkipKind};
use idiolect_trace::{GapCause, Record};
use proptest::prelude::*;

use crate::collect::bytes_with;
use crate::story::try_tell;

const FORMATS: [Format; 7] = [
    Format::Sysdig,
    Format::SysdigJson,
    Format::PerfTrace,
    Format::PerfScript,
    Format::Ftrace,
    Format::Bpftrace,
    Format::Lttng,
];

/// A good line of each.
fn good(format: Format) -> &'static str {
    match format {
        Format::Sysdig => "132 16:17:57.881753570 0 cat (7) > brk addr=0 \n",
        Format::SysdigJson => "{\"evt.dir\":\">\",\"evt.type\":\"brk\",\"thread.tid\":7}\n",
        Format::PerfTrace => "     0.071 ( 0.020 ms): cat/7 brk()  = 0\n",
        Format::PerfScript => "cat 7 [000] 5.000001: raw_syscalls:sys_enter: NR 12 (0)\n",
        Format::Ftrace => "cat-7 [000] ..... 5.000001: sys_enter: NR 12 (0)\n",
        Format::Bpftrace => "5 7 7 enter 12 cat\n",
        _ => "[09:40:47.5] (+0.1) h syscall_entry_brk: { cpu_id = 2 }, { tid = 7 }, { }\n",
    }
}

#[test]
fn a_broken_line_is_counted_and_leaves_a_gap() {
    for format in FORMATS {
        let line = good(format);
        for bad in [
            "\x1b[31m broken",
            "\u{202e}x",
            "{ } { :",
            "999999999999999999999 x",
        ] {
            let text = [line, line, line, bad, "\n", line].concat();
            let story = try_tell(text.as_bytes(), Some(format)).unwrap();
            assert_eq!(story.report.calls, 4, "{format} {bad:?}");
            let lost = story.skipped(SkipKind::Unparsed);
            let told = story
                .report
                .skips
                .iter()
                .map(|skip| skip.count)
                .sum::<u64>();
            assert!(told > 0, "{format} {bad:?}");
            let gaps = story.gaps();
            assert_eq!(gaps.len() as u64, lost, "{format} {bad:?}");
            assert!(gaps.iter().all(|gap| gap.0 == GapCause::Unreadable));
            for skip in story.report.skips.iter() {
                assert!(!skip.excerpt.chars().any(char::is_control));
            }
        }
    }
}

#[test]
fn no_text_of_another_format_is_read_as_one() {
    for format in FORMATS {
        let text = "This is prose, and no trace at all.\nNor is this.\n";
        let story = try_tell(text.as_bytes(), Some(format));
        assert!(
            story.is_err() || story.unwrap().report.calls == 0,
            "{format}"
        );
    }
}

#[test]
fn deep_json_and_long_names() {
    let deep = format!("{{\"evt.type\":\"brk\",\"x\":{}\n", "[".repeat(100_000));
    let text = [good(Format::SysdigJson), good(Format::SysdigJson), &deep].concat();
    let story = try_tell(text.as_bytes(), Some(Format::SysdigJson)).unwrap();
    assert_eq!(
        (story.report.calls, story.skipped(SkipKind::Unparsed)),
        (2, 1)
    );
    let braces = format!(
        "[09:40:47.5] (+0.1) h syscall_entry_brk: {}\n",
        "{ ".repeat(100_000)
    );
    let text = [good(Format::Lttng), good(Format::Lttng), &braces].concat();
    let story = try_tell(text.as_bytes(), Some(Format::Lttng)).unwrap();
    assert_eq!(story.skipped(SkipKind::Unparsed), 1);
    for format in FORMATS {
        let long = good(format).replace("brk", &"a".repeat(100));
        let text = [good(format), good(format), good(format), &long].concat();
        let story = try_tell(text.as_bytes(), Some(format)).unwrap();
        let name = |record: &Record| match record {
            Record::Call(call) => call.name.as_str().len() <= 64,
            _ => true,
        };
        assert!(story.records.iter().all(name), "{format}");
    }
}

#[test]
fn more_threads_than_the_bound() {
    let options = ReadOptions {
        format: Some(Format::Bpftrace),
        limits: Limits {
            open_threads: 10,
            ..Limits::default()
        },
        ..ReadOptions::default()
    };
    let line = |tid: u32| format!("5 {tid} {tid} enter 0 x\n");
    let text: String = (1..=1_000).map(line).collect();
    let (got, totals) = bytes_with("t", text.as_bytes(), &options).unwrap();
    assert_eq!(totals.calls, 1_000);
    assert!(totals.skipped(SkipKind::OverBound) >= 900);
    assert_eq!(got.records.len(), 1_000);
}

proptest! {
    /// Whatever is mixed, each enter is one call at most, and nothing panics.
    #[test]
    fn any_order_of_lines(picks in prop::collection::vec((0_usize..12, 1_u32..4), 0..60)) {
        let line = |(what, tid): (usize, u32)| {
            let what = [
                "enter 0 x", "exit 0 1", "enter 56 x", "exit 56 2", "exit 56 0", "enter 59 x",
                "exit 59 0", "enter 231 x", "fork 3", "exec 2 /bin/x", "end", "exit -1 0",
            ][what];
            format!("5 {tid} {tid} {what}\n")
        };
        let text: String = picks.iter().copied().map(line).collect();
        if picks.is_empty() {
            return Ok(());
        }
        let story = try_tell(text.as_bytes(), Some(Format::Bpftrace)).unwrap();
        let enters = text.lines().filter(|line| line.contains("enter")).count() as u64;
        let orphans = story.skipped(SkipKind::OrphanResumed);
        prop_assert_eq!(story.report.calls, enters + orphans);
    }

    /// The same where only some lines tell the process.
    #[test]
    fn any_order_of_lines_with_and_without_processes(
        picks in prop::collection::vec((0_usize..12, 1_u32..4, 0_u32..4), 1..60),
    ) {
        let line = |(what, tid, process): (usize, u32, u32)| {
            let what = [
                "sys_enter: NR 0 (3)", "sys_exit: NR 0 = 1", "sys_enter: NR 56 (11)",
                "sys_enter: NR 435 (7f)", "sys_exit: NR 435 = 2", "sys_exit: NR 56 = 0",
                "sys_enter: NR 59 (7f)", "sys_exit: NR 59 = 0", "sys_enter: NR 60 (0)",
                "sys_exit: NR 435 = 3", "sys_exit: NR 435 = 0", "sys_exit: NR -1 = 0",
            ][what];
            let process = match process {
                0 => String::new(),
                known => format!("{known}/"),
            };
            format!("x {process}{tid} [000] 5.000001: raw_syscalls:{what}\n")
        };
        let text: String = picks.iter().copied().map(line).collect();
        let story = try_tell(text.as_bytes(), Some(Format::PerfScript)).unwrap();
        let enters = text.lines().filter(|line| line.contains("sys_enter")).count() as u64;
        let orphans = story.skipped(SkipKind::OrphanResumed);
        prop_assert_eq!(story.report.calls, enters + orphans);
    }

    #[test]
    fn no_bytes_break_it(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..60,
        which in 0_usize..7,
    ) {
        let format = FORMATS[which];
        let mut text = good(format).repeat(3).into_bytes();
        let at = at.min(text.len());
        text.splice(at..at, noise);
        let _ = try_tell(&text, Some(format));
        let _ = try_tell(&text, None);
    }
}
