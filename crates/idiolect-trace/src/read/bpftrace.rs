//! What bpftrace prints of a program that this module names.
//!
//! bpftrace prints what its program says, so there is one to print a trace that can be read back (bpftrace
//! 0.17 to 0.23, as root; `-c COMMAND` traces only until COMMAND ends, `-p PID` and a filter
//! `/comm == "cat"/` before each `{` take some processes only):
//!
//! ```text
//! bpftrace -o trace.txt -e '
//! tracepoint:raw_syscalls:sys_enter { printf("%llu %d %d enter %ld %s\n", nsecs, pid, tid, args->id, comm); }
//! tracepoint:raw_syscalls:sys_exit { printf("%llu %d %d exit %ld %ld\n", nsecs, pid, tid, args->id, args->ret); }
//! tracepoint:sched:sched_process_fork { printf("%llu %d %d fork %d\n", nsecs, pid, tid, args->child_pid); }
//! tracepoint:sched:sched_process_exec { printf("%llu %d %d exec %d %s\n", nsecs, pid, tid, args->old_pid, str(args->filename)); }
//! tracepoint:sched:sched_process_exit { printf("%llu %d %d end\n", nsecs, pid, tid); }'
//! ```
//!
//! A line is `TIME PROCESS THREAD WHAT ...`, the time in nanoseconds since boot. The three of `sched` may be
//! left out: then births and programs are told from what the calls return. `args.id` is the spelling of
//! `args->id` from 0.19 on; both are taken there.
//!
//! # Traps
//! - Numbers are read in the machine's own ABI, or that of `--abi`; 32-bit programs have their own.
//! - Lines of several processors may come out of order in time, not those of one thread.
//! - `Lost 12 events` is a gap.
//! - A name (`comm`, path) may hold a line feed, and its rest is then a line of its own that is no event.

use std::ops::ControlFlow;

use crate::read::line::{Emitter, LineReader};
use crate::read::names::Names;
use crate::read::pairing::{Enter, Leave, Makes, Pairing, Who};
use crate::read::text::{parse_number, parse_signed, take_number, whole, word};
use crate::read::{ReadOptions, SkipKind, Source};
use crate::{GapCause, Outcome};

/// Reads the lines of the program above.
#[derive(Debug)]
pub(crate) struct BpftraceReader {
    pairing: Pairing,
    names: Names,
}

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line<'a> {
    time_ns: u64,
    who: Who,
    what: What<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What<'a> {
    Enter(u32),
    Exit(Option<u32>, i64),
    Fork(u32),
    Exec(u32, &'a [u8]),
    End,
    /// A call whose number was taken away.
    NoCall,
}

impl BpftraceReader {
    /// A reader of one file.
    pub(crate) fn new(source: &Source, options: &ReadOptions) -> Self {
        BpftraceReader {
            pairing: Pairing::new(source.origin.clone(), options.limits.open_threads),
            names: Names::new(options),
        }
    }
}

impl LineReader for BpftraceReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        let Some(Line { time_ns, who, what }) = parse(line) else {
            if let Some(lost) = lost(line) {
                out.skip(SkipKind::ToolMessage, line);
                return self
                    .pairing
                    .lost(None, Some(lost), GapCause::BufferFull, None, out);
            }
            if is_message(line) {
                out.skip(SkipKind::ToolMessage, line);
                return ControlFlow::Continue(());
            }
            return self.pairing.unreadable(line, out);
        };
        let time_ns = Some(time_ns);
        match what {
            What::Enter(number) => {
                let named = self.names.by_number(number);
                let enter = Enter {
                    time_ns,
                    abi: named.abi,
                    number: named.number,
                    makes: Makes::of(named.name.as_str(), None),
                    name: named.name,
                    executable: None,
                };
                self.pairing.enter(who, enter, out)
            }
            What::Exit(number, value) => {
                let named = number.map(|number| self.names.by_number(number));
                let leave = Leave {
                    time_ns,
                    abi: named.as_ref().map_or(self.names.abi(), |named| named.abi),
                    number: named.as_ref().and_then(|named| named.number),
                    name: named.map(|named| named.name),
                    outcome: Some(Outcome::from_raw(value)),
                    parent: None,
                    makes: None,
                };
                self.pairing.leave(who, leave, line, out)
            }
            What::Fork(child) => {
                out.skip(SkipKind::NotACall, line);
                let child = Who {
                    tid: Some(child),
                    tgid: None,
                };
                self.pairing.forked(who.tid, child, time_ns, out)
            }
            What::Exec(old, path) => {
                out.skip(SkipKind::NotACall, line);
                let path = String::from_utf8_lossy(path).into_owned();
                self.pairing
                    .executed(who, Some(old), Some(path), time_ns, out)
            }
            What::End => {
                out.skip(SkipKind::NotACall, line);
                match who.tid {
                    Some(tid) => self.pairing.ended(tid, time_ns, None, out),
                    None => ControlFlow::Continue(()),
                }
            }
            What::NoCall => {
                out.skip(SkipKind::NotACall, line);
                ControlFlow::Continue(())
            }
        }
    }

    fn finish(&mut self, _: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.pairing.finish(out)
    }
}

/// Whether the program above may have printed a line.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    parse(line).is_some()
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let (time, rest) = word(line);
    let (pid, rest) = word(rest);
    let (tid, rest) = word(rest);
    let (what, rest) = word(rest);
    let number = |text: &[u8]| parse_signed(text).map(|number| u32::try_from(number).ok());
    let what = match what {
        b"enter" => match number(word(rest).0)? {
            Some(number) => What::Enter(number),
            None => What::NoCall,
        },
        b"exit" => {
            let (id, value) = word(rest);
            What::Exit(number(id)?, parse_signed(value)?)
        }
        b"fork" => What::Fork(parse_number::<u32>(rest)?),
        b"exec" => {
            let (old, path) = word(rest);
            What::Exec(parse_number::<u32>(old)?, path)
        }
        b"end" if rest.is_empty() => What::End,
        _ => return None,
    };
    Some(Line {
        time_ns: whole(take_number(time))?,
        who: Who {
            tid: Some(parse_number::<u32>(tid)?),
            tgid: Some(parse_number::<u32>(pid)?),
        },
        what,
    })
}

/// `Lost 12 events`
fn lost(line: &[u8]) -> Option<u64> {
    let (number, rest) = take_number(line.strip_prefix(b"Lost ")?)?;
    (rest == b" events").then_some(number)
}

/// What bpftrace says of itself, and the maps that it prints at the end.
fn is_message(line: &[u8]) -> bool {
    line.starts_with(b"Attaching ") || line.starts_with(b"Attached ") || line.starts_with(b"@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let who = Who {
            tid: Some(8),
            tgid: Some(7),
        };
        for (line, what) in [
            ("5 7 8 enter 59 my cat", What::Enter(59)),
            ("5 7 8 enter 59 ", What::Enter(59)),
            ("5 7 8 enter -1 x", What::NoCall),
            ("5 7 8 exit 1 -2", What::Exit(Some(1), -2)),
            ("5 7 8 exit -1 8", What::Exit(None, 8)),
            ("5 7 8 fork 9", What::Fork(9)),
            ("5 7 8 exec 8 /bin/my cat", What::Exec(8, b"/bin/my cat")),
            ("5 7 8 end", What::End),
        ] {
            let expected = Line {
                time_ns: 5,
                who,
                what,
            };
            assert_eq!(parse(line.as_bytes()), Some(expected), "{line}");
        }
        for line in [
            "",
            "5 7 8",
            "5 7 8 enter",
            "5 7 8 exit 1",
            "x 7 8 end",
            "5 7 99999999999 end",
            "5 7 8 end 1",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(lost(b"Lost 12 events"), Some(12));
    }
}
