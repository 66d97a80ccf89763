//! What `perf trace` prints: a line a call, as strace does.
//!
//! Written by perf (3.12 and later; 6.1 and 6.6 were read): `perf trace -o FILE PROGRAM`, with `-p PID`,
//! `-a`, `-T`, `-F all`, `--comm`, `-e CALLS`:
//!
//! ```text
//!      0.071 ( 0.020 ms): cat/3030 brk()                                       = 0x5647dc575000
//!      5.870 (         ): sh/3033 wait4(upid: 3036)                          ...
//!      5.870 ( 2.347 ms): sh/3033  ... [continued]: wait4())                  = 3036
//!          ? (         ): cat/3030  ... [continued]: execve())                = 0
//! ```
//!
//! # Traps
//! - Times are milliseconds since the trace began, with `-T` since boot.
//! - Program and thread are left out where one thread is traced alone: then neither is known.
//! - A line ending in `...` is a call that another thread's event interrupted, or that never returned.
//! - The return of a process number (`getppid`, a child's `clone`) is blank where perf does not know the
//!   process.
//! - A path is printed as its address unless perf was built with its BPF helper.
//! - Buffers are printed, so a line may hold `) = ` among its arguments: the last one counts.
//! - `LOST 12 events!` is a gap. `-s` alone writes a summary and no calls, which is no trace.
//! - With `-e` or `--max-events` it holds some calls only, and nothing in the text tells.

use std::ops::ControlFlow;

use crate::read::line::{Emitter, LineReader};
use crate::read::names::Names;
use crate::read::pairing::{CLONE_THREAD, Enter, Leave, Makes, Pairing, Who, is_exec};
use crate::read::text::{
    after, ascii, count_while, find, is_name_byte, parse_number, parse_signed, radix, rfind,
    skip_spaces, take_number, unquote, whole,
};
use crate::read::{ReadOptions, SkipKind, Source};
use crate::{Errno, GapCause, Outcome};

/// Nanoseconds of a millisecond.
const NS_PER_MS: u64 = 1_000_000;

/// Reads perf trace's text line by line.
#[derive(Debug)]
pub(crate) struct PerfTraceReader {
    pairing: Pairing,
    names: Names,
}

/// A line of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line<'a> {
    time_ns: Option<u64>,
    who: Who,
    part: Part<'a>,
}

/// What the line holds of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    /// `name(args) = value`
    Whole(&'a [u8], &'a [u8], &'a [u8]),
    /// `name(args) ...`
    Begun(&'a [u8], &'a [u8]),
    /// `... [continued]: name()) = value`
    Ended(&'a [u8], &'a [u8]),
    /// Another event: a page fault, a tracepoint.
    NoCall,
}

impl PerfTraceReader {
    /// A reader of one file.
    pub(crate) fn new(source: &Source, options: &ReadOptions) -> Self {
        PerfTraceReader {
            pairing: Pairing::new(source.origin.clone(), options.limits.open_threads),
            names: Names::new(options),
        }
    }

    fn call(&mut self, parsed: Line<'_>, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let (who, time_ns) = (parsed.who, parsed.time_ns);
        let (name, begun, ended) = match parsed.part {
            Part::Whole(name, args, value) => (name, Some(args), Some(value)),
            Part::Begun(name, args) => (name, Some(args), None),
            Part::Ended(name, value) => (name, None, Some(value)),
            Part::NoCall => {
                out.skip(SkipKind::NotACall, line);
                return ControlFlow::Continue(());
            }
        };
        let Some(named) = self.names.by_name(name) else {
            return self.pairing.unreadable(line, out);
        };
        let makes = Makes::of(named.name.as_str(), None);
        let outcome = ended.and_then(outcome);
        if let Some(args) = begun {
            let name = named.name.as_str();
            let enter = Enter {
                time_ns,
                abi: named.abi,
                number: named.number,
                makes: makes.and_then(|_| Makes::of(name, clone_flags(args))),
                executable: is_exec(name).then(|| path(args)).flatten(),
                name: named.name.clone(),
            };
            if who.tid.is_none() {
                return self.pairing.whole(who, enter, outcome, out);
            }
            self.pairing.enter(who, enter, out)?;
        }
        if ended.is_none() {
            return ControlFlow::Continue(());
        }
        if who.tid.is_none() {
            out.skip(SkipKind::OrphanResumed, line);
            let enter = Enter {
                time_ns: None,
                abi: named.abi,
                number: named.number,
                name: named.name,
                makes: None,
                executable: None,
            };
            return self.pairing.whole(who, enter, outcome, out);
        }
        let leave = Leave {
            time_ns,
            abi: named.abi,
            number: named.number,
            name: Some(named.name),
            outcome,
            parent: None,
            makes: None,
        };
        self.pairing.leave(who, leave, line, out)
    }
}

impl LineReader for PerfTraceReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if let Some(parsed) = parse(line) {
            return self.call(parsed, line, out);
        }
        if let Some(lost) = lost(line) {
            out.skip(SkipKind::ToolMessage, line);
            return self
                .pairing
                .lost(None, lost, GapCause::BufferFull, None, out);
        }
        if is_message(line) {
            out.skip(SkipKind::ToolMessage, line);
            return ControlFlow::Continue(());
        }
        self.pairing.unreadable(line, out)
    }

    fn finish(&mut self, _: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.pairing.finish(out)
    }
}

/// Whether perf trace may have written a line.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    parse(line).is_some()
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let (time_ns, event) = head(line)?;
    let other = Line {
        time_ns,
        who: Who::default(),
        part: Part::NoCall,
    };
    if let Some((before, rest)) = continued(event) {
        let name = &rest[..count_while(rest, is_name_byte)];
        let value = after(rest, b"= ").unwrap_or_default().trim_ascii();
        if name.is_empty() || !rest[name.len()..].starts_with(b"()") {
            return None;
        }
        return Some(Line {
            who: who(before)?,
            part: Part::Ended(name, value),
            ..other
        });
    }
    let Some((before, name, rest)) = at_call(event) else {
        return Some(other);
    };
    let who = who(before)?;
    let part = if let Some(args) = rest.trim_ascii_end().strip_suffix(b"...") {
        Part::Begun(name, args)
    } else {
        let (args, value) = at_result(rest)?;
        Part::Whole(name, args, value)
    };
    Some(Line { time_ns, who, part })
}

/// `     0.071 ( 0.020 ms): `, `         ? (         ): `
fn head(line: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let text = skip_spaces(line);
    let (time, rest) = match text.strip_prefix(b"?") {
        Some(rest) => (None, rest),
        None => {
            let (ms, rest) = take_number(text)?;
            let fraction = rest.strip_prefix(b".")?;
            let (digits, rest) = fraction.split_at_checked(3)?;
            let micros = whole(take_number(digits))?;
            let ns = ms.checked_mul(NS_PER_MS)?.checked_add(micros * 1_000)?;
            (Some(ns), rest)
        }
    };
    let rest = skip_spaces(rest).strip_prefix(b"(")?;
    let close = find(&rest[..rest.len().min(24)], b"): ")?;
    let inside = rest[..close].trim_ascii();
    let is_duration = inside.is_empty()
        || inside
            .strip_suffix(b" ms")
            .is_some_and(|number| number.iter().all(|b| b.is_ascii_digit() || *b == b'.'));
    is_duration.then(|| (time, &rest[close + 3..]))
}

/// Splits at ` ... [continued]: `.
fn continued(event: &[u8]) -> Option<(&[u8], &[u8])> {
    const MARK: &[u8] = b" ... [continued]: ";
    let at = find(event, MARK)?;
    Some((&event[..at], &event[at + MARK.len()..]))
}

/// The longest name of a program with its thread and a call's name, in bytes, with room to spare.
const MAX_BEFORE: usize = 256;

/// Splits at the call's name, which follows a thread's number or begins the event.
fn at_call(event: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let head = &event[..event.len().min(MAX_BEFORE)];
    let mut from = 0;
    loop {
        let open = from + memchr::memchr(b'(', &head[from..])?;
        from = open + 1;
        let name = event[..open]
            .iter()
            .rev()
            .take_while(|byte| is_name_byte(**byte))
            .count();
        let (before, name) = event[..open].split_at(open - name);
        let starts = before.is_empty() || who(before).is_some_and(|who| who.tid.is_some());
        if starts && name.first().is_some_and(|b| !b.is_ascii_digit()) {
            return Some((before, name, &event[open + 1..]));
        }
    }
}

/// The thread of `cat/3030 `; nobody where nothing stands there.
fn who(before: &[u8]) -> Option<Who> {
    let before = before.trim_ascii_end();
    if before.is_empty() {
        return Some(Who::default());
    }
    let slash = before.iter().rposition(|byte| *byte == b'/')?;
    let tid = Some(parse_number::<u32>(&before[slash + 1..])?);
    Some(Who { tid, tgid: None })
}

/// Splits what follows a call's bracket into arguments and result: the last `)   = `.
fn at_result(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = rest.len();
    loop {
        let equals = rfind(&rest[..end], b"= ").or_else(|| {
            // A blank result may have lost its space.
            rest[..end].ends_with(b"=").then(|| end - 1)
        })?;
        let args = rest[..equals].trim_ascii_end();
        if let Some(args) = args.strip_suffix(b")") {
            return Some((args, rest[equals + 1..].trim_ascii()));
        }
        end = equals;
    }
}

/// How a call ended: `0`, `0x7eff`, `-1 ENOENT (No such file or directory)`, `3034 (cat)`; nothing of `?`.
fn outcome(value: &[u8]) -> Option<Outcome> {
    let end = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
    let (number, rest) = value.split_at(end);
    if let Some(hex) = number.strip_prefix(b"0x") {
        return radix(hex, 16).map(|value| Outcome::from_raw(value.cast_signed()));
    }
    let number = parse_signed(number)?;
    if number == -1 {
        let rest = skip_spaces(rest);
        let name = &rest[..count_while(rest, |b| b.is_ascii_alphanumeric() || b == b'_')];
        if let Some(errno) = ascii(name).and_then(Errno::from_name) {
            return Some(Outcome::Failed(errno));
        }
    }
    Some(Outcome::from_raw(number))
}

/// The flags of a clone as far as they say what it makes: names without `CLONE_`, or a number.
fn clone_flags(args: &[u8]) -> Option<u64> {
    let flags = after(args, b"clone_flags: ")?;
    let flags = &flags[..flags.iter().position(|b| *b == b',').unwrap_or(flags.len())];
    if let Some(hex) = flags.strip_prefix(b"0x") {
        return radix(hex, 16);
    }
    let thread = flags.split(|b| *b == b'|').any(|flag| flag == b"THREAD");
    Some(if thread { CLONE_THREAD } else { 0 })
}

/// The path of an `execve`, where it is there and not its address.
fn path(args: &[u8]) -> Option<String> {
    let path = after(args, b"filename: ")?;
    if path.starts_with(b"\"") {
        return unquote(path);
    }
    let end = find(path, b", ").unwrap_or(path.len());
    let path = &path[..end];
    path.starts_with(b"/")
        .then(|| String::from_utf8_lossy(path).into_owned())
}

/// `LOST 12 events!`
fn lost(line: &[u8]) -> Option<Option<u64>> {
    // perf colours it.
    let rest = after(line, b"LOST ")?;
    let (number, rest) = take_number(rest)?;
    rest.starts_with(b" events").then_some(Some(number))
}

/// A line of the summary (`-s`, `-S`) or a note of perf.
fn is_message(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    line.starts_with(b" ")
        || text.starts_with(b"[")
        || [&b"Warning:"[..], b"Summary of events", b"syscall "]
            .iter()
            .any(|head| text.starts_with(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(line: &str) -> Option<(Option<u64>, Option<u32>, Part<'_>)> {
        parse(line.as_bytes()).map(|line| (line.time_ns, line.who.tid, line.part))
    }

    #[test]
    fn lines() {
        use Part::{Begun, Ended, NoCall, Whole};
        for (line, expected) in [
            (
                "     0.071 ( 0.020 ms): cat/3030 brk()      = 0x5647dc575000",
                (
                    Some(71_000),
                    Some(3030),
                    Whole(b"brk", b"", b"0x5647dc575000"),
                ),
            ),
            (
                "         ? (         ): cat/3030  ... [continued]: execve())    = 0",
                (None, Some(3030), Ended(b"execve", b"0")),
            ),
            (
                "     0.103 (         ): tmux: server/7 write(fd: 2, buf: write(fd: 4, buf: \\17, count: 31)      ...",
                (
                    Some(103_000),
                    Some(7),
                    Begun(
                        b"write",
                        b"fd: 2, buf: write(fd: 4, buf: \\17, count: 31)      ",
                    ),
                ),
            ),
            (
                "11715726.959 ( 0.1 ms): (sd-pam)/9 read(fd: 3, buf: a) = b, count: 9) = 9 (x)",
                (
                    Some(11_715_726_959_000),
                    Some(9),
                    Whole(b"read", b"fd: 3, buf: a) = b, count: 9", b"9 (x)"),
                ),
            ),
            (
                "     3.493 ( 0.018 ms): threads/3034 getppid()           = ",
                (Some(3_493_000), Some(3034), Whole(b"getppid", b"", b"")),
            ),
            ("     0.5000 ( 0.018 ms): x", (Some(0), None, NoCall)),
            (
                "     0.500 ( 0.018 ms): getpid() = 3",
                (Some(500_000), None, Whole(b"getpid", b"", b"3")),
            ),
            (
                "     0.500 ( 0.000 ms): cat/9 majfault [_start+0x0] => /lib/ld.so@0x1 (d.)",
                (Some(500_000), None, NoCall),
            ),
        ] {
            if line.contains("0.5000") {
                assert_eq!(part(line), None, "{line}");
            } else {
                assert_eq!(part(line), Some(expected), "{line}");
            }
        }
        for line in [
            "",
            "0.1 ( 0.2 ms): x/1 read(",
            "read() = 0",
            "0.100 (x): a/1 read() = 0",
        ] {
            assert_eq!(part(line), None, "{line}");
        }
    }

    #[test]
    fn results() {
        for (text, expected) in [
            ("0", Some(Outcome::Returned(0))),
            ("0 Timeout", Some(Outcome::Returned(0))),
            ("0x7eff48ae5000", Some(Outcome::Returned(0x7eff_48ae_5000))),
            ("3034 (threads)", Some(Outcome::Returned(3034))),
            (
                "-1 ENOENT (No such file or directory)",
                Some(Outcome::Failed(Errno(2))),
            ),
            ("-38", Some(Outcome::Failed(Errno(38)))),
            ("-1", Some(Outcome::Failed(Errno(1)))),
            ("", None),
            ("?", None),
        ] {
            assert_eq!(outcome(text.as_bytes()), expected, "{text}");
        }
        let flags = |args: &str| Makes::of("clone", clone_flags(args.as_bytes()));
        assert_eq!(
            flags("clone_flags: VM|FS|THREAD, newsp: 0"),
            Some(Makes::Thread)
        );
        assert_eq!(
            flags("clone_flags: CHILD_SETTID|0x11, child"),
            Some(Makes::Process)
        );
        assert_eq!(flags("clone_flags: 0x3d0f00"), Some(Makes::Thread));
        assert_eq!(flags("uargs: 0x7ffe"), Some(Makes::Either));
        assert_eq!(
            path(b"filename: \"/bin/a\", argv").as_deref(),
            Some("/bin/a")
        );
        assert_eq!(path(b"filename: /bin/a, argv").as_deref(), Some("/bin/a"));
        assert_eq!(path(b"filename: 0x1580010, argv"), None);
        assert_eq!(lost(b"\x1b[31mLOST 12 events!"), Some(Some(12)));
    }
}
