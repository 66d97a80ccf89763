//! What stands before an event: program, thread, processor, time.
//!
//! A program's name may hold anything, so these are read from the right: the time, which ends in a colon;
//! the flags of interrupts; the processor; the process in brackets (`record-tgid`); and the number behind
//! the name.

use crate::read::pairing::Who;
use crate::read::text::{
    after, count_while, find, parse_number, seconds, take_number, take_u32, whole,
};

/// What stood before an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) who: Who,
    pub(super) time_ns: Option<u64>,
}

/// Splits a line into its header and its event.
pub(super) fn split(line: &[u8]) -> Option<(Header, &[u8])> {
    if let Some((before, event)) = in_function_graph(line) {
        return Some((before, event));
    }
    if let Some((before, time_ns, event)) = at_time(line) {
        let who = who(before)?;
        return Some((
            Header {
                who,
                time_ns: Some(time_ns),
            },
            event.trim_ascii(),
        ));
    }
    // Without a time (`-F comm,tid,event,trace`) only an event's group tells where it begins.
    let event = [&b"raw_syscalls:sys_"[..], b"syscalls:sys_"]
        .iter()
        .find_map(|mark| find(line, mark))?;
    let who = who(&line[..event])?;
    Some((Header { who, time_ns: None }, line[event..].trim_ascii()))
}

/// Splits at the first ` 12118.778907: `, or at the ` 105037us : ` of ftrace's latency format, which may
/// have a mark for a long wait before the colon.
fn at_time(line: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let mut from = 0;
    loop {
        let colon = from + memchr::memchr(b':', &line[from..])?;
        from = colon + 1;
        if !matches!(line.get(colon + 1), None | Some(b' ')) {
            continue;
        }
        let before = &line[..colon];
        let marks = before.iter().rev().take_while(|b| b" +!#*@$".contains(b));
        let unmarked = &before[..before.len() - marks.count()];
        let micros = unmarked.strip_suffix(b"us");
        let time = micros.unwrap_or(before);
        let digits = time
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_digit() || **b == b'.')
            .count();
        let (before, time) = time.split_at(time.len() - digits);
        if !matches!(before.last(), None | Some(b' ')) {
            continue;
        }
        let time_ns = match micros {
            Some(_) => whole(take_number(time)).and_then(|us| us.checked_mul(1_000)),
            None if time.contains(&b'.') => whole(seconds(time)),
            None => None,
        };
        if let Some(time_ns) = time_ns {
            return Some((before, time_ns, &line[colon + 1..]));
        }
    }
}

/// ` 3)  cat-3061   |               |  /* sys_enter: NR 0 (4) */`
fn in_function_graph(line: &[u8]) -> Option<(Header, &[u8])> {
    let comment = after(line, b"|  /* ").or_else(|| after(line, b"| /* "))?;
    let event = comment.strip_suffix(b"*/")?.trim_ascii();
    let before = &line[..line.iter().position(|byte| *byte == b'|')?];
    let name = after(before, b")").unwrap_or(before);
    // Without `funcgraph-proc` there is no thread.
    let who = who(name).unwrap_or_default();
    Some((Header { who, time_ns: None }, event))
}

/// The thread, from what stands before the time.
fn who(text: &[u8]) -> Option<Who> {
    let mut rest = text.trim_ascii_end();
    let is_flags = |word: &[u8]| {
        (4..=7).contains(&word.len())
            && word.contains(&b'.')
            && word
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'#'))
    };
    if let Some((before, last)) = split_last(rest)
        && is_flags(last)
    {
        rest = before;
    }
    if let Some((before, last)) = split_last(rest)
        && last.starts_with(b"[")
        && last.ends_with(b"]")
    {
        rest = before;
    }
    let mut tgid = None;
    if rest.ends_with(b")")
        && let Some(open) = rest.iter().rposition(|byte| *byte == b'(')
    {
        tgid = parse_number::<u32>(rest[open + 1..rest.len() - 1].trim_ascii());
        rest = rest[..open].trim_ascii_end();
    }
    let digits = rest.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (before, tid) = rest.split_at(rest.len() - digits);
    let tid = Some(parse_number::<u32>(tid)?);
    match before.last() {
        // perf: process and thread.
        Some(b'/') => {
            let before = &before[..before.len() - 1];
            let digits = before
                .iter()
                .rev()
                .take_while(|b| b.is_ascii_digit())
                .count();
            let tgid = parse_number::<u32>(&before[before.len() - digits..]);
            Some(Who { tid, tgid })
        }
        // perf, ftrace.
        None | Some(b' ' | b'-') => Some(Who { tid, tgid }),
        Some(_) => None,
    }
}

/// Splits off the last word.
fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|byte| *byte == b' ')?;
    Some((text[..at].trim_ascii_end(), &text[at + 1..]))
}

/// `CPU:1 [LOST 12 EVENTS]` of ftrace, `CPU:1 [12 EVENTS DROPPED]` of trace-cmd: processor and number.
pub(super) fn lost(line: &[u8]) -> Option<(Option<u32>, Option<u64>)> {
    let rest = line.trim_ascii().strip_prefix(b"CPU:")?;
    let (cpu, rest) = take_u32(rest)?;
    let inside = rest.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
    let inside = inside
        .strip_prefix(b"LOST ")
        .and_then(|inside| inside.strip_suffix(b"EVENTS"))
        .or_else(|| inside.strip_suffix(b"EVENTS DROPPED"))?;
    let lost = parse_number::<u32>(inside.trim_ascii()).map(u64::from);
    Some((Some(cpu), lost))
}

/// What the tools say of the file: comments, `cpus=2`, `CPU 0 is empty`, `Buffer: name`.
pub(super) fn is_message(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"#")
        || line.starts_with(b"cpus=")
        || line.starts_with(b"version = ")
        || line.starts_with(b"Buffer: ")
        || (line.starts_with(b"CPU ") && line.ends_with(b" is empty"))
}

/// A line of a call graph (`-g`): an address and a function, or `=>` and one; or one of a function graph.
pub(super) fn is_frame(line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    let digits = count_while(text, |b| b.is_ascii_hexdigit());
    let least = if line.starts_with(b"\t") { 1 } else { 4 };
    let indented = text.len() < line.len();
    (indented && digits >= least && text.get(digits) == Some(&b' '))
        || text.starts_with(b"=> ")
        || text.starts_with(b"<stack trace>")
        || text.contains(&b'|')
}

/// Whether a line holds an event of a system call.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    let event = match split(line) {
        Some((_, event)) => event,
        None => return lost(line).is_some() || line.starts_with(b"# tracer:"),
    };
    super::body::parse(event).is_some_and(|body| !matches!(body, super::body::Body::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_times() {
        let day = |s: u64, us: u64| Some((s * 1_000_000 + us) * 1_000);
        for (line, tid, tgid, time_ns) in [
            (
                "true  3065 [000] 11715.729408:  e",
                3065,
                None,
                day(11715, 729_408),
            ),
            (
                " threads  3061/3062  11715.726959:  e",
                3062,
                Some(3061),
                day(11715, 726_959),
            ),
            (
                " 3061 11715.726959991:  e",
                3061,
                None,
                Some(11_715_726_959_991),
            ),
            ("a b: 1 2  7 [001] 5.000001: e", 7, None, day(5, 1)),
            (
                "true-17892   [000] ..... 12119.970828: e",
                17892,
                None,
                day(12119, 970_828),
            ),
            (
                "true-17892 (17890) [000] d..1. 12119.970828: e",
                17892,
                Some(17890),
                day(12119, 970_828),
            ),
            (
                "true-17892 (-------) [000] .N.. 12119.970828: e",
                17892,
                None,
                day(12119, 970_828),
            ),
            (
                " threads-17842   0..... 12118.778907: e",
                17842,
                None,
                day(12118, 778_907),
            ),
            (
                " threads-29347     1..... 105037us : e",
                29347,
                None,
                Some(105_037_000),
            ),
            (
                " threads-29347     1..... 105037us+: e",
                29347,
                None,
                Some(105_037_000),
            ),
            (
                "<...>-12324 [000] 12109.600285: e",
                12324,
                None,
                day(12109, 600_285),
            ),
            (
                "rk3:  my-app 1-12 [000] 12109.600285: e",
                12,
                None,
                day(12109, 600_285),
            ),
        ] {
            let (header, event) = split(line.as_bytes()).unwrap();
            let expected = Header {
                who: Who {
                    tid: Some(tid),
                    tgid,
                },
                time_ns,
            };
            assert_eq!((header, event), (expected, &b"e"[..]), "{line}");
        }
        let (header, event) = split(b"cat 7 raw_syscalls:sys_exit: NR 1 = 8").unwrap();
        assert_eq!((header.who.tid, header.time_ns), (Some(7), None));
        assert_eq!(event, b"raw_syscalls:sys_exit: NR 1 = 8");
        let graph = b" 3)  my-557   |               |  /* sys_enter: NR 0 (4, 7) */";
        let (header, event) = split(graph).unwrap();
        assert_eq!(
            (header.who.tid, event),
            (Some(557), &b"sys_enter: NR 0 (4, 7)"[..])
        );
        for line in [
            "",
            "a: b",
            "5.5: e",
            "x 1.5 e",
            "cat 5.5: e",
            "99999999999 [0] 5.5: e",
        ] {
            assert_eq!(split(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn other_lines() {
        assert_eq!(lost(b"CPU:1 [LOST 12 EVENTS]"), Some((Some(1), Some(12))));
        assert_eq!(lost(b"CPU:3 [7 EVENTS DROPPED]"), Some((Some(3), Some(7))));
        assert_eq!(lost(b"CPU:3 [EVENTS DROPPED]"), Some((Some(3), None)));
        assert_eq!(lost(b"CPU:3 [EVENTS]"), None);
        assert!(is_message(b"cpus=2") && is_message(b"CPU 0 is empty") && is_message(b"# x"));
        assert!(is_frame(b"\t    7f2b4e0a ioctl+0x7 (/lib/libc.so.6)"));
        assert!(is_frame(b"\t               0 [unknown] ([unknown])"));
        assert!(!is_frame(b"cafe is no frame"));
    }
}
