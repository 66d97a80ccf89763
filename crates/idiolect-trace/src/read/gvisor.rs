//! The log of gVisor's `runsc` with `--strace`: calls that a program made into the sandbox's own kernel.
//!
//! ```text
//! I0521 14:33:13.906902       1 strace.go:567] [   1:   1] sh E write(0x1 host:[1], 0x55ff8db9a6c0 "Hello\n", 0x6)
//! I0521 14:33:13.906917       1 strace.go:605] [   1:   1] sh X write(0x1 host:[1], ..., 0x6) = 6 (0x6) (5.25µs)
//! D0521 14:33:13.906950       1 strace.go:608] [   1:   1] sh X openat(...) = 0 (0x0) errno=2 (no such file or directory) (2.1µs)
//! ```
//!
//! Level, month and day, time, the sandbox's own thread, the place in its source, process and thread inside of
//! the sandbox, the program's name, `E` for entry or `X` for return, and the call. Releases before 2020
//! print the value in hexadecimal alone (`= 0x6 (5.25µs)`). Record it with
//! `runsc --debug --strace --debug-log=/tmp/runsc/ run CONTAINER`; the calls are in the file that ends in
//! `.boot` (`.boot.txt`). Lines that grep has put a file's name before are read too.
//!
//! Traps: the same file holds gVisor's other messages. There is no year, so times count from midnight. The ABI
//! is not named. `--strace-syscalls` chooses calls. `exit_group` has no return. Numbers of processes are the
//! sandbox's own, and several containers of one pod share a log. A program's name may hold spaces. Messages
//! that the log dropped (`*** Dropped 12 log messages ***`) are a gap.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::read::clock::{Clock, Stamp};
use crate::read::drive::unreadable;
use crate::read::events::{abi_or_native, gap};
use crate::read::line::{Emitter, LineReader};
use crate::read::lives::{Lives, Who};
use crate::read::text::{find, parse_number, parse_signed};
use crate::read::time::{NS_PER_SECOND, decimal_fraction};
use crate::read::{ReadOptions, SkipKind};
use crate::{
    Abi, Call, CallName, Errno, ExitStatus, GapCause, LifecycleKind, Outcome, Record, table,
};

/// What stands before the line number in gVisor's source.
const MARK: &[u8] = b" strace.go:";

/// Longest path that is kept (Linux's `PATH_MAX`), in bytes.
const MAX_PATH: usize = 4096;

/// Reads the log line by line.
pub(crate) struct GvisorReader {
    abi: Abi,
    lives: Lives,
    clock: Clock,
}

/// A line about a call.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    of_day_ns: Option<u64>,
    tgid: u32,
    tid: u32,
    enters: bool,
    name: &'a str,
    args: &'a [u8],
    outcome: Option<Outcome>,
}

impl GvisorReader {
    pub(crate) fn new(origin: Arc<str>, options: &ReadOptions) -> Self {
        GvisorReader {
            abi: abi_or_native(options.abi),
            lives: Lives::new(origin, options.limits.open_threads),
            clock: Clock::default(),
        }
    }

    fn take(&mut self, line: &Line<'_>, name: CallName, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let who = Who {
            host: None,
            tgid: Some(line.tgid),
            tid: Some(line.tid),
        };
        let time_ns = line.of_day_ns.map(|ns| self.clock.read(Stamp::Day(ns)));
        let call = Call {
            time_ns,
            stream: self.lives.stream(&who, out),
            abi: self.abi,
            number: table::number(self.abi, &name),
            name,
            outcome: line.outcome,
        };
        let ends = matches!(call.name.as_str(), "exit" | "exit_group");
        if !line.enters {
            return self.returned(&who, call, line, out);
        }
        if !ends {
            return self.lives.enter(&who, call, out);
        }
        self.lives.close(&who, out)?;
        out.record(Record::Call(call))?;
        let code = line.args.strip_prefix(b"0x").unwrap_or(line.args);
        let code = std::str::from_utf8(code).ok();
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        let status = code.map(|code| ExitStatus::Code((code & 0xff) as i32));
        self.lives.exit(&who, time_ns, status, out)
    }

    fn returned(
        &mut self,
        who: &Who,
        call: Call,
        line: &Line<'_>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let (name, time_ns) = (call.name.clone(), call.time_ns);
        let value = match call.outcome {
            Some(Outcome::Returned(value)) => Some(value),
            _ => None,
        };
        self.lives.leave(who, call, out)?;
        let Some(value) = value else {
            return ControlFlow::Continue(());
        };
        let kind = match name.as_str() {
            "execve" | "execveat" => {
                let program = (executable(line.args), None);
                return self.lives.exec(who, time_ns, program, out);
            }
            "fork" | "vfork" => LifecycleKind::Fork,
            "clone" if find(line.args, b"CLONE_THREAD").is_some() => LifecycleKind::Clone,
            "clone" if find(line.args, b"CLONE_").is_some() => LifecycleKind::Fork,
            _ => return ControlFlow::Continue(()),
        };
        let Some(child) = u32::try_from(value).ok().filter(|child| *child > 0) else {
            return ControlFlow::Continue(());
        };
        let child = Who {
            host: None,
            tgid: match kind {
                LifecycleKind::Clone => who.tgid,
                _ => Some(child),
            },
            tid: Some(child),
        };
        self.lives.begin(kind, Some(who), &child, time_ns, out)
    }
}

impl LineReader for GvisorReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if let Some(dropped) = dropped(line) {
            out.skip(SkipKind::ToolMessage, line);
            return out.record(gap(&self.lives, None, Some(dropped), GapCause::BufferFull));
        }
        let Some(at) = find(line, MARK) else {
            // Other messages begin as these do.
            let kind = match of_day(line).is_some() {
                true => SkipKind::ToolMessage,
                false => SkipKind::Unparsed,
            };
            out.skip(kind, line);
            return ControlFlow::Continue(());
        };
        let parsed = parse(line, at);
        let name = parsed.as_ref().and_then(|line| table::canonical(line.name));
        match (parsed, name) {
            (Some(line), Some(name)) => self.take(&line, name, out),
            _ => {
                out.skip(SkipKind::Unparsed, line);
                out.record(unreadable(self.lives.origin()))
            }
        }
    }

    fn finish(&mut self, _cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.lives.close_all(out)
    }
}

/// Takes a line apart whose [`MARK`] is at `at`.
fn parse(line: &[u8], at: usize) -> Option<Line<'_>> {
    let rest = &line[at + MARK.len()..];
    let open = find(rest, b"] [")?;
    let rest = &rest[open + b"] [".len()..];
    let close = rest.iter().position(|b| *b == b']')?;
    let colon = rest[..close].iter().position(|b| *b == b':')?;
    let tgid = first_number(&rest[..colon])?;
    let tid = first_number(&rest[colon + 1..close])?;
    let rest = &rest[close + 1..];
    let (enters, call) = call_in(rest)?;
    let bracket = call.iter().position(|b| *b == b'(')?;
    let name = std::str::from_utf8(&call[..bracket]).ok()?;
    let inside = &call[bracket + 1..];
    let (args, outcome) = if enters {
        (inside.strip_suffix(b")").unwrap_or(inside), None)
    } else {
        let end = rfind(inside, b") = ")?;
        (&inside[..end], outcome(&inside[end + b") = ".len()..]))
    };
    Some(Line {
        of_day_ns: of_day(line),
        tgid,
        tid,
        enters,
        name,
        args,
        outcome,
    })
}

/// The first `E name(` or `X name(` after a program's name, and what follows its letter.
fn call_in(text: &[u8]) -> Option<(bool, &[u8])> {
    (0..text.len()).find_map(|at| {
        let (enters, rest) = match &text[at..] {
            [b' ', b'E', b' ', rest @ ..] => (true, rest),
            [b' ', b'X', b' ', rest @ ..] => (false, rest),
            _ => return None,
        };
        let word = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        (word > 0 && rest.get(word) == Some(&b'(')).then_some((enters, rest))
    })
}

/// `3 (0x3) (2.1µs)`, `0x3 (2.1µs)`, `0 (0x0) errno=2 (no such file or directory) (2.1µs)`.
fn outcome(text: &[u8]) -> Option<Outcome> {
    if let Some(at) = find(text, b" errno=") {
        let rest = &text[at + b" errno=".len()..];
        let errno = first_number(rest).and_then(|errno| u16::try_from(errno).ok())?;
        return (1..=Errno::MAX)
            .contains(&errno)
            .then_some(Outcome::Failed(Errno(errno)));
    }
    let word = text.split(|b| *b == b' ').next()?;
    if let Some(digits) = word.strip_prefix(b"0x") {
        let digits = std::str::from_utf8(digits).ok()?;
        let bits = u64::from_str_radix(digits, 16).ok()?;
        return Some(Outcome::Returned(bits.cast_signed()));
    }
    parse_signed(word).map(Outcome::Returned)
}

/// Nanoseconds since midnight of `I0521 14:33:13.906902`, wherever it stands in the line.
fn of_day(line: &[u8]) -> Option<u64> {
    // A file's name may stand before it.
    let from = line.iter().position(|b| *b == b' ')?;
    let stamp = line.get(from + 1..from + 16)?;
    let is_level = |b: &u8| matches!(b, b'D' | b'I' | b'W' | b'E' | b'F');
    if !line.get(from.checked_sub(5)?).is_some_and(is_level) {
        return None;
    }
    let digits = |from: usize| parse_number::<u64>(&stamp[from..from + 2]);
    let (hours, minutes, seconds) = (digits(0)?, digits(3)?, digits(6)?);
    let colons = stamp[2] == b':' && stamp[5] == b':' && stamp[8] == b'.';
    if !colons || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let fraction = decimal_fraction(&stamp[9..])?;
    Some((hours * 3_600 + minutes * 60 + seconds) * NS_PER_SECOND + fraction)
}

/// The first number in a text such as `   1` or `1(7)`.
fn first_number(text: &[u8]) -> Option<u32> {
    let text = text.trim_ascii_start();
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    parse_number(&text[..digits])
}

/// `/bin/cat` of `0x522f90 /bin/cat, 0x522ed0 ["cat"]`.
fn executable(args: &[u8]) -> Option<String> {
    let first = &args[..find(args, b", ")?];
    let path = &first[first.iter().position(|b| *b == b' ')? + 1..];
    let path = &path[..path.len().min(MAX_PATH)];
    Some(String::from_utf8_lossy(path).into_owned())
}

/// How many messages the log says that it has dropped.
fn dropped(line: &[u8]) -> Option<u64> {
    let at = find(line, b"*** Dropped ")?;
    first_number(&line[at + b"*** Dropped ".len()..]).map(u64::from)
}

fn rfind(text: &[u8], piece: &[u8]) -> Option<usize> {
    text.windows(piece.len())
        .rposition(|window| window == piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<Line<'_>> {
        parse(text.as_bytes(), find(text.as_bytes(), MARK)?)
    }

    #[test]
    fn entries_and_returns() {
        let entry =
            line("I0521 14:33:13.906902       1 strace.go:567] [   1:   2] my X E write(0x1, 0x6)")
                .unwrap();
        assert_eq!(
            (entry.tgid, entry.tid, entry.enters, entry.name),
            (1, 2, true, "write")
        );
        assert_eq!(entry.args, b"0x1, 0x6");
        assert_eq!(
            entry.of_day_ns,
            Some((14 * 3600 + 33 * 60 + 13) * NS_PER_SECOND + 906_902_000)
        );
        let of = |tail: &str| {
            let text = format!(
                "x.boot:D0521 14:33:13.906902 1 strace.go:608] [ 1(7): 2(8)] sh X read(0x1 a) = b) = {tail}"
            );
            let line = line(&text)?;
            assert!(line.of_day_ns.is_some());
            line.outcome
        };
        assert_eq!(
            of("19 (0x13) (11m46.592876238s)"),
            Some(Outcome::Returned(19))
        );
        assert_eq!(of("0x13 (12µs)"), Some(Outcome::Returned(19)));
        assert_eq!(
            of("0 (0x0) errno=2 (no such file or directory) (2.1µs)"),
            Some(Outcome::Failed(Errno(2)))
        );
        assert_eq!(of("0 (0x0) errno=0 (none)"), None);
        assert_eq!(
            line("I0521 14:33:13.906902 1 strace.go:567] [ a: 2] sh E read()"),
            None
        );
    }
}
