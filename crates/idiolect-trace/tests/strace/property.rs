//! Whatever strace may have written in whatever style reads back as the calls that were made.

use idiolect_trace::read::{Format, ReadOptions, SkipKind, read_bytes};
use idiolect_trace::{Abi, CallName, Errno, Outcome, table};
use proptest::prelude::*;

use crate::read::{Read, try_read};

/// One call as it was made.
#[derive(Clone, Debug)]
struct Made {
    thread: usize,
    name: &'static str,
    args: String,
    outcome: Option<Outcome>,
    /// Whether another thread's line comes between its halves, and how many.
    split: bool,
}

/// Which options strace was given.
#[derive(Clone, Debug)]
struct Style {
    pid: Pid,
    time: Time,
    number: bool,
    pointer: bool,
    spent: bool,
    /// Whether results stand in a column.
    column: bool,
}

#[derive(Clone, Copy, Debug)]
enum Pid {
    Bare,
    Bracketed,
    WithName,
}

#[derive(Clone, Copy, Debug)]
enum Time {
    None,
    Day,
    Epoch,
    EpochAndStep,
    Step,
}

const PIDS: [u32; 3] = [7, 1234, 4_194_303];
const START_NS: u64 = 1_795_583_123_000_000_000;
const STEP_NS: u64 = 1_001_000;

impl Style {
    fn prefix(&self, pid: u32, name: &str, line: u64) -> String {
        let mut out = match self.pid {
            Pid::Bare => format!("{pid:<5} "),
            Pid::Bracketed => format!("[pid {pid:>5}] "),
            Pid::WithName => format!("{pid}<a(b> "),
        };
        let step = (if line == 0 { 0 } else { STEP_NS }) / 1000;
        let us = (START_NS + line * STEP_NS) / 1000;
        let (seconds, micros) = (us / 1_000_000, us % 1_000_000);
        match self.time {
            Time::None => {}
            Time::Day => {
                let s = seconds % 86_400;
                let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
                out += &format!("{h:02}:{m:02}:{s:02}.{micros:06} ");
            }
            Time::Epoch => out += &format!("{seconds}.{micros:06} "),
            Time::EpochAndStep => out += &format!("{seconds}.{micros:06} (+     0.{step:06}) "),
            Time::Step => out += &format!("     0.{step:06} "),
        }
        if self.number {
            let number = table::number(Abi::X86_64, &CallName::from_owned(name.to_owned()));
            out += &format!("[{:>4}] ", number.unwrap());
        }
        if self.pointer {
            out += "[00007f7797717ad7] ";
        }
        out
    }

    fn time(&self, line: u64) -> Option<u64> {
        let whole = START_NS + line * STEP_NS;
        match self.time {
            Time::None => None,
            Time::Day => Some(whole - START_NS / 86_400_000_000_000 * 86_400_000_000_000),
            Time::Epoch | Time::EpochAndStep => Some(whole),
            Time::Step => Some(line * STEP_NS),
        }
    }

    fn result(&self, outcome: Option<Outcome>) -> String {
        let mut out = match outcome {
            None => "?".to_owned(),
            Some(Outcome::Returned(value)) if value > 9 => format!("{value:#x}"),
            Some(Outcome::Returned(value)) => format!("{value}"),
            Some(failed) => format!("-1 {failed} (Whatever (it) is)"),
        };
        if self.spent {
            out += " <0.000012>";
        }
        let column = if self.column { "           " } else { " " };
        format!("){column}= {out}")
    }
}

/// Strings as strace quotes them, with what could mislead a reader.
fn args() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\") = 5\"".to_owned()),
        Just("\"<unfinished ...>\"".to_owned()),
        Just("\"a \\\" ) = -1 ENOENT (x)\"...".to_owned()),
        Just("0x3001 /* it's ) = 3 \" */".to_owned()),
        Just("{st_rdev=makedev(0x1, 0x3), ...}".to_owned()),
        Just("[{fd=4, events=POLLIN}]".to_owned()),
        Just("3</tmp/a b>".to_owned()),
        Just("WIFEXITED(s) && WEXITSTATUS(s) == 3".to_owned()),
        "\"([ -!#-\\[\\]-~]|\\\\n|\\\\\"|\\\\\\\\){0,12}\"",
        "[0-9A-Z_|]{1,8}",
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.join(", "))
}

fn made() -> impl Strategy<Value = Made> {
    let outcome = prop_oneof![
        Just(None),
        (0_i64..1 << 47).prop_map(|value| Some(Outcome::Returned(value))),
        (0_i64..10).prop_map(|value| Some(Outcome::Returned(value))),
        (1_u16..40).prop_map(|errno| Some(Outcome::Failed(Errno(errno)))),
    ];
    let name = prop::sample::select(&["read", "openat", "futex", "ppoll", "fstat", "madvise"][..]);
    (0..PIDS.len(), name, args(), outcome, any::<bool>()).prop_map(
        |(thread, name, args, outcome, split)| Made {
            thread,
            name,
            args,
            outcome,
            split,
        },
    )
}

fn style() -> impl Strategy<Value = Style> {
    let pid = prop::sample::select(&[Pid::Bare, Pid::Bracketed, Pid::WithName][..]);
    let time = prop::sample::select(
        &[
            Time::None,
            Time::Day,
            Time::Epoch,
            Time::EpochAndStep,
            Time::Step,
        ][..],
    );
    (pid, time, any::<[bool; 4]>()).prop_map(|(pid, time, flags)| Style {
        pid,
        time,
        number: flags[0],
        pointer: flags[1],
        spent: flags[2],
        column: flags[3],
    })
}

type Told = (u32, String, Option<Outcome>, Option<u64>);

/// The trace, and what its calls are, thread by thread.
fn write(calls: &[Made], style: &Style) -> (String, Vec<Told>) {
    let (mut text, mut told) = (String::new(), Vec::new());
    let mut line = 0;
    // What remains of the calls that are open.
    let mut open: [Option<&Made>; PIDS.len()] = [None; PIDS.len()];
    let resume = |made: &Made, line: u64, text: &mut String| {
        *text += &style.prefix(PIDS[made.thread], made.name, line);
        *text += &format!(
            "<... {} resumed>{}\n",
            made.name,
            style.result(made.outcome)
        );
    };
    for made in calls {
        if let Some(before) = open[made.thread].take() {
            resume(before, line, &mut text);
            line += 1;
        }
        let pid = PIDS[made.thread];
        told.push((pid, made.name.to_owned(), made.outcome, style.time(line)));
        text += &style.prefix(pid, made.name, line);
        line += 1;
        text += &format!("{}({}", made.name, made.args);
        if made.split {
            text += " <unfinished ...>\n";
            open[made.thread] = Some(made);
        } else {
            text += &format!("{}\n", style.result(made.outcome));
        }
    }
    for made in open.into_iter().flatten() {
        resume(made, line, &mut text);
        line += 1;
    }
    told.sort_by_key(|told| told.0);
    (text, told)
}

proptest! {
    #[test]
    fn reads_back(calls in proptest::collection::vec(made(), 1..40), style in style()) {
        let (text, told) = write(&calls, &style);
        let options = ReadOptions { abi: Some(Abi::X86_64), ..ReadOptions::default() };
        let read = try_read("t.txt", text.as_bytes(), &options).unwrap();
        let mut found: Vec<Told> = read
            .calls()
            .iter()
            .map(|call| (call.stream.tid.unwrap(), call.name.to_string(), call.outcome, call.time_ns))
            .collect();
        found.sort_by_key(|told| told.0);
        prop_assert_eq!(found, told, "{}", text);
        prop_assert_eq!(read.report.skips.iter().count(), 0, "{:?}\n{}", read.report.skips, text);
    }

    /// Lines of anything, in any order: no panic, and every call that is told of is counted.
    #[test]
    fn takes_anything(lines in proptest::collection::vec(prop_oneof![
        "([0-9]{1,3} |\\[pid [0-9]\\] )?(clone|execve|read|fork)\\((flags=CLONE_THREAD)?( <unfinished ...>|\\) = [0-9]{1,2})",
        "([0-9]{1,3} |\\[pid [0-9]\\] )?<... (clone|execve|read|fork) resumed>( <unfinished ...>|\\) = [0-9]{1,2})?",
        "([0-9]{1,3} )?\\+\\+\\+ (exited with 0|killed by SIGKILL|superseded by execve in pid [0-9]) \\+\\+\\+",
        "(strace: )?Process [0-9] (at|de)tached",
        "\\[ Process PID=[0-9] runs in (32 bit|x32) mode. \\]",
        ".{0,40}",
    ], 0..60)) {
        let mut read = Read::default();
        let options = ReadOptions { format: Some(Format::Strace), ..ReadOptions::default() };
        if let Ok(totals) = read_bytes("t", lines.join("\n").as_bytes(), &options, &mut read) {
            prop_assert_eq!(read.calls().len() as u64, totals.calls);
            prop_assert!(read.skipped(SkipKind::OverBound) == 0);
        }
    }
}
