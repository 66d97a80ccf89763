//! LTTng's kernel traces as babeltrace prints them.
//!
//! Recorded by LTTng 2.6 and later, printed by babeltrace 1.5 or babeltrace2 2.0:
//!
//! ```text
//! lttng create demo; lttng enable-event -k --syscall --all; lttng enable-event -k sched_process_fork,sched_process_exec,sched_process_exit
//! lttng add-context -k -t pid -t tid -t procname; lttng start; PROGRAM; lttng destroy
//! babeltrace2 ~/lttng-traces/demo-* > trace.txt
//! ```
//!
//! ```text
//! [09:40:47.791447541] (+0.000011100) host syscall_entry_recvfrom: { cpu_id = 2 }, { procname = "nginx", pid = 32240, tid = 32240 }, { fd = 10, size = 1024 }
//! [09:40:47.791451860] (+0.000004319) host syscall_exit_recvfrom: { cpu_id = 2 }, { procname = "nginx", pid = 32240, tid = 32240 }, { ret = 325 }
//! ```
//!
//! Times: of the day, or since the epoch (`--clock-seconds`), or with a date (`--clock-date`, which is left
//! out here). `compat_syscall_entry_` is a call of the second ABI, i386 on x86-64.
//!
//! # Traps
//! - Without the context `tid` no event says whose it is: enters are yielded as one stream, without
//!   outcomes, since exits cannot be matched.
//! - `vtid` and `vpid` are numbers in a container; `tid` and `pid` are those that count here.
//! - The kernel's names of calls are used: `newfstat`, `newuname`.
//! - `Tracer discarded 12 events` is a gap; babeltrace prints it to its standard error.
//! - Strings may hold what looks like a field: they are passed over whole.

use std::ops::ControlFlow;

use crate::read::clock::{Clock, Stamp};
use crate::read::line::{Emitter, LineReader};
use crate::read::names::Names;
use crate::read::pairing::{CLONE_THREAD, Enter, Leave, Makes, Pairing, Who, is_exec};
use crate::read::text::{
    after, count_while, find, is_name_byte, quoted_len, radix, rfind, seconds, take_number,
    time_of_day, unquote, whole,
};
use crate::read::{ReadOptions, SkipKind, Source};
use crate::{Abi, GapCause, Outcome};

/// Seconds below this do not count from the epoch (this is in 1973).
const MIN_EPOCH_NS: u64 = 100_000_000 * 1_000_000_000;

/// Reads babeltrace's text line by line.
#[derive(Debug)]
pub(crate) struct LttngReader {
    pairing: Pairing,
    names: Names,
    /// Those of the second ABI.
    compat: Names,
    clock: Clock,
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event<'a> {
    stamp: Option<Stamp>,
    name: &'a [u8],
    /// The contexts and the event's own fields.
    context: &'a [u8],
    fields: &'a [u8],
}

impl LttngReader {
    /// A reader of one file.
    pub(crate) fn new(source: &Source, options: &ReadOptions) -> Self {
        let names = Names::new(options);
        let second = match names.abi() {
            Abi::X86_64 => Abi::I386,
            Abi::Aarch64 => Abi::Arm,
            other => other,
        };
        LttngReader {
            pairing: Pairing::new(source.origin.clone(), options.limits.open_threads),
            names,
            compat: Names::of(second),
            clock: Clock::default(),
        }
    }

    fn event(&mut self, event: Event<'_>, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let time_ns = event.stamp.map(|stamp| self.clock.read(stamp));
        let fields = event.fields;
        let who = Who {
            tid: number(event.context, b"tid"),
            tgid: number(event.context, b"pid"),
        };
        let (compat, name) = match event.name.strip_prefix(b"compat_") {
            Some(name) => (true, name),
            None => (false, event.name),
        };
        let names = if compat {
            &mut self.compat
        } else {
            &mut self.names
        };
        if let Some(call) = name.strip_prefix(b"syscall_entry_") {
            let Some(named) = names.by_name(call) else {
                return self.pairing.unreadable(line, out);
            };
            let name = named.name.as_str();
            let enter = Enter {
                time_ns,
                abi: named.abi,
                number: named.number,
                makes: Makes::of(name, clone_flags(fields)),
                executable: is_exec(name).then(|| string(fields, b"filename")).flatten(),
                name: named.name,
            };
            return self.pairing.enter(who, enter, out);
        }
        if let Some(call) = name.strip_prefix(b"syscall_exit_") {
            let Some(named) = names.by_name(call) else {
                return self.pairing.unreadable(line, out);
            };
            let leave = Leave {
                time_ns,
                abi: named.abi,
                number: named.number,
                name: Some(named.name),
                outcome: value(fields, b"ret").map(Outcome::from_raw),
                parent: None,
                makes: None,
            };
            return self.pairing.leave(who, leave, line, out);
        }
        out.skip(SkipKind::NotACall, line);
        match name {
            b"sched_process_fork" => {
                let child = Who {
                    tid: number(fields, b"child_tid"),
                    tgid: number(fields, b"child_pid"),
                };
                let parent = number(fields, b"parent_tid").or(who.tid);
                self.pairing.forked(parent, child, time_ns, out)
            }
            b"sched_process_exec" => {
                let tid = number(fields, b"tid").or(who.tid);
                let old = number(fields, b"old_tid");
                let path = string(fields, b"filename");
                let who = Who { tid, ..who };
                self.pairing.executed(who, old, path, time_ns, out)
            }
            b"sched_process_exit" => match number(fields, b"tid").or(who.tid) {
                Some(tid) => self.pairing.ended(tid, time_ns, None, out),
                None => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}

impl LineReader for LttngReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if let Some(event) = parse(line) {
            return self.event(event, line, out);
        }
        if let Some(lost) = lost(line) {
            out.skip(SkipKind::ToolMessage, line);
            return self
                .pairing
                .lost(None, lost, GapCause::BufferFull, None, out);
        }
        self.pairing.unreadable(line, out)
    }

    fn finish(&mut self, _: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.pairing.finish(out)
    }
}

/// Whether babeltrace may have written a line, of a kernel's trace.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    parse(line).is_some_and(|event| find(event.context, b"cpu_id = ").is_some())
}

/// `[09:40:47.791447541] (+0.000011100) host name: { cpu_id = 2 }, { ... }, { ... }`
fn parse(line: &[u8]) -> Option<Event<'_>> {
    let rest = line.strip_prefix(b"[")?;
    let (time, rest) = rest.split_at(rest.iter().position(|b| *b == b']')?);
    let braces = find(rest, b": { ")?;
    let before = &rest[..braces];
    let name = before
        .iter()
        .rev()
        .take_while(|byte| is_name_byte(**byte))
        .count();
    let name = &before[before.len() - name..];
    if name.is_empty() {
        return None;
    }
    let body = rest[braces + 2..].trim_ascii();
    // The last braces hold the event's own fields; what is before them is the context.
    let split = top_level(body)?;
    Some(Event {
        stamp: stamp(time),
        name,
        context: &body[..split],
        fields: &body[split..],
    })
}

/// Where the last group of braces at the top begins.
fn top_level(body: &[u8]) -> Option<usize> {
    let (mut depth, mut last, mut at) = (0_usize, None, 0);
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => {
                at += quoted_len(&body[at..])?;
                continue;
            }
            b'{' => {
                if depth == 0 {
                    last = Some(at);
                }
                depth += 1;
            }
            b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
    last.filter(|_| depth == 0)
}

fn stamp(time: &[u8]) -> Option<Stamp> {
    // With a date the time is the second word.
    let time = match rfind(time, b" ") {
        Some(at) => &time[at + 1..],
        None => time,
    };
    if let Some(ns) = whole(time_of_day(time)) {
        return Some(Stamp::Day(ns));
    }
    let ns = whole(seconds(time)).filter(|_| time.contains(&b'.'))?;
    (ns >= MIN_EPOCH_NS).then_some(Stamp::Epoch(ns))
}

/// What follows ` name = ` in a group of fields.
fn field<'a>(fields: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut at = 0;
    while let Some(byte) = fields.get(at) {
        if *byte == b'"' {
            at += quoted_len(&fields[at..])?;
            continue;
        }
        at += 1;
        if *byte == b' '
            && let Some(value) = fields[at..].strip_prefix(name)
            && let Some(value) = value.strip_prefix(b" = ")
        {
            return Some(value);
        }
    }
    None
}

fn number(fields: &[u8], name: &[u8]) -> Option<u32> {
    u32::try_from(value(fields, name)?).ok()
}

/// A number in decimal or hexadecimal.
fn value(fields: &[u8], name: &[u8]) -> Option<i64> {
    let text = field(fields, name)?;
    if let Some(hex) = text.strip_prefix(b"0x") {
        let digits = count_while(hex, |b| b.is_ascii_hexdigit());
        return radix(&hex[..digits], 16).map(u64::cast_signed);
    }
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = i64::try_from(take_number(digits)?.0).ok()?;
    Some(if negative { -value } else { value })
}

fn string(fields: &[u8], name: &[u8]) -> Option<String> {
    unquote(field(fields, name)?)
}

/// The flags of a clone as far as they say what it makes: a number, or named bits.
fn clone_flags(fields: &[u8]) -> Option<u64> {
    if let Some(flags) = value(fields, b"clone_flags") {
        return Some(flags.cast_unsigned());
    }
    let flags = field(fields, b"clone_flags")?;
    let flags = &flags[..find(flags, b" )").unwrap_or(flags.len())];
    let thread = find(flags, b"CLONE_THREAD").is_some();
    Some(if thread { CLONE_THREAD } else { 0 })
}

/// `Tracer discarded 12 events between ...`
fn lost(line: &[u8]) -> Option<Option<u64>> {
    let rest = after(line, b"racer discarded ")?;
    Some(take_number(rest).map(|(lost, _)| lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events() {
        let line = br#"[09:40:47.5] (+0.1) my-host syscall_entry_open: { cpu_id = 2 }, { procname = "a } tid = 9", pid = 7, vtid = 1, tid = 8 }, { filename = "/a", mode = -2, addr = 0x10 }"#;
        let event = parse(line).unwrap();
        let ns = (9 * 3600 + 40 * 60 + 47) * 1_000_000_000 + 500_000_000;
        assert_eq!(event.stamp, Some(Stamp::Day(ns)));
        assert_eq!(event.name, b"syscall_entry_open");
        assert_eq!(number(event.context, b"pid"), Some(7));
        assert_eq!(string(event.fields, b"filename").as_deref(), Some("/a"));
        assert_eq!(value(event.fields, b"mode"), Some(-2));
        assert_eq!(value(event.fields, b"addr"), Some(16));
        assert_eq!(value(event.fields, b"filename"), None);
        assert!(looks_like(line));
        let seconds = b"[1634121765.422781123] (+?.?) x: { cpu_id = 0 }, { }";
        let event = parse(seconds).unwrap();
        assert_eq!(event.stamp, Some(Stamp::Epoch(1_634_121_765_422_781_123)));
        for line in [
            "",
            "[1] x",
            "[1] x: { cpu_id = 2",
            "[1] : { cpu_id = 2 }",
            "[1] x: { } }",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn clones_and_losses() {
        let makes = |fields: &str| Makes::of("clone", clone_flags(fields.as_bytes()));
        assert_eq!(
            makes("{ clone_flags = 0x3D0F00, newsp = 1 }"),
            Some(Makes::Thread)
        );
        assert_eq!(
            makes("{ clone_flags = ( \"CLONE_VM\" | \"CLONE_THREAD\" : container = 1 ), x = 1 }"),
            Some(Makes::Thread)
        );
        assert_eq!(
            makes("{ clone_flags = ( \"SIGCHLD\" : container = 17 ) }"),
            Some(Makes::Process)
        );
        assert_eq!(makes("{ }"), Some(Makes::Either));
        assert_eq!(
            lost(b"WARNING: Tracer discarded 12 events between [..]"),
            Some(Some(12))
        );
    }
}
