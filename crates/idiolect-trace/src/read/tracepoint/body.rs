//! An event: an enter, an exit, a birth, a program, an end, a loss.

use crate::read::pairing::Who;
use crate::read::text::{
    after, ascii, count_while, find, is_name_byte, parse_signed, radix, take_number, take_u32,
    unquote,
};

/// Which call an event is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of<'a> {
    Name(&'a [u8]),
    Number(u32),
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// A call and its arguments.
    Enter(Of<'a>, &'a [u8]),
    /// A call, where that is told, and the register that it returned.
    Exit(Option<Of<'a>>, i64),
    /// Parent and child.
    Forked(Option<u32>, Who),
    /// A program was executed by `tid`, which was `old` before.
    Executed {
        tid: Option<u32>,
        old: Option<u32>,
        path: Option<String>,
    },
    Ended(Option<u32>),
    Lost(Option<u64>),
    /// Something else.
    Other,
}

/// Reads an event. None where it is one of a system call and cannot be read.
pub(super) fn parse(event: &[u8]) -> Option<Body<'_>> {
    if event.starts_with(b"PERF_RECORD_") {
        return Some(of_perf(event));
    }
    let mut event = event;
    for group in [&b"raw_syscalls:"[..], b"syscalls:", b"sched:"] {
        event = event.strip_prefix(group).unwrap_or(event);
    }
    let name = &event[..count_while(event, is_name_byte)];
    let rest = &event[name.len()..];
    match name {
        b"sched_process_fork" => return Some(fork(rest)),
        b"sched_process_exec" => return Some(exec(rest)),
        b"sched_process_exit" => return Some(Body::Ended(field(rest, b" pid="))),
        _ => {}
    }
    let Some(call) = name.strip_prefix(b"sys_") else {
        return Some(Body::Other);
    };
    if let Some(body) = rest.strip_prefix(b":") {
        let body = body.trim_ascii();
        return match call {
            b"enter" => raw_enter(body),
            b"exit" => raw_exit(body),
            _ => match (call.strip_prefix(b"enter_"), call.strip_prefix(b"exit_")) {
                (Some(call), _) => Some(Body::Enter(Of::Name(call), body)),
                (_, Some(call)) => Some(Body::Exit(Some(Of::Name(call)), value(body)?)),
                _ => Some(Body::Other),
            },
        };
    }
    // ftrace's own form of the events with names.
    if let Some(args) = rest.strip_prefix(b"(") {
        return Some(Body::Enter(Of::Name(call), args));
    }
    let returned = rest.trim_ascii_start().strip_prefix(b"-> ")?;
    Some(Body::Exit(Some(Of::Name(call)), value(returned)?))
}

/// `NR 0 (3, 7ffc, 340, 0, 0, 0)`, `id=0 args=ARRAY[..]`
fn raw_enter(body: &[u8]) -> Option<Body<'_>> {
    let rest = body
        .strip_prefix(b"NR ")
        .or_else(|| body.strip_prefix(b"id="))?;
    if rest.starts_with(b"-") {
        // A number that a tracer or a filter has taken away.
        return Some(Body::Other);
    }
    let (number, rest) = take_u32(rest)?;
    let args = rest.trim_ascii_start();
    Some(Body::Enter(
        Of::Number(number),
        args.strip_prefix(b"(").unwrap_or(args),
    ))
}

/// `NR 0 = 832`, `id=0 ret=832`
fn raw_exit(body: &[u8]) -> Option<Body<'_>> {
    let rest = body
        .strip_prefix(b"NR ")
        .or_else(|| body.strip_prefix(b"id="))?;
    let (of, rest) = match rest.strip_prefix(b"-") {
        Some(rest) => (None, take_number(rest)?.1),
        None => {
            let (number, rest) = take_u32(rest)?;
            (Some(Of::Number(number)), rest)
        }
    };
    let rest = rest.trim_ascii();
    let returned = rest
        .strip_prefix(b"= ")
        .or_else(|| rest.strip_prefix(b"ret="))?;
    Some(Body::Exit(of, parse_signed(returned)?))
}

/// A register as `0xfffffffffffffffe`, or in decimal.
fn value(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"0x") {
        Some(hex) => radix(hex, 16).map(u64::cast_signed),
        None => parse_signed(text),
    }
}

/// `PERF_RECORD_FORK(pid:tid):(parent's pid:tid)` and the like (perf: `util/event.c`).
fn of_perf(event: &[u8]) -> Body<'_> {
    let pair = |text: &[u8]| {
        let (pid, rest) = take_u32(text)?;
        let (tid, _) = take_u32(
            rest.strip_prefix(b":")
                .or_else(|| rest.strip_prefix(b"/"))?,
        )?;
        Some((pid, tid))
    };
    if let Some(rest) = event.strip_prefix(b"PERF_RECORD_FORK(") {
        let child = pair(rest);
        let parent = after(rest, b"):(").and_then(pair);
        return match child {
            Some((tgid, tid)) => {
                let child = Who {
                    tid: Some(tid),
                    tgid: Some(tgid),
                };
                Body::Forked(parent.map(|(_, tid)| tid), child)
            }
            None => Body::Other,
        };
    }
    if let Some(rest) = event.strip_prefix(b"PERF_RECORD_EXIT(") {
        return pair(rest).map_or(Body::Other, |(_, tid)| Body::Ended(Some(tid)));
    }
    if let Some(rest) = event.strip_prefix(b"PERF_RECORD_COMM exec: ") {
        // A name may hold a colon.
        let ids = rest.iter().rposition(|byte| *byte == b':');
        let ids = ids.and_then(|at| pair(&rest[at + 1..]));
        return Body::Executed {
            tid: ids.map(|(_, tid)| tid),
            old: None,
            path: None,
        };
    }
    if let Some(rest) = event.strip_prefix(b"PERF_RECORD_LOST") {
        let lost = after(rest, b"lost ").and_then(take_number);
        return Body::Lost(lost.map(|(lost, _)| lost));
    }
    Body::Other
}

/// `comm=sh pid=3061 child_comm=sh child_pid=3063`
fn fork(rest: &[u8]) -> Body<'_> {
    // Names stand first and may hold what looks like a field, so the last is taken.
    let child = Who {
        tid: last_field(rest, b" child_pid="),
        tgid: None,
    };
    Body::Forked(field(rest, b" pid="), child)
}

/// `filename=/bin/true pid=3065 old_pid=3065`
fn exec(rest: &[u8]) -> Body<'_> {
    let path = after(rest, b"filename=");
    let path = path.map(|path| &path[..find(path, b" pid=").unwrap_or(path.len())]);
    Body::Executed {
        tid: last_field(rest, b" pid="),
        old: last_field(rest, b" old_pid="),
        path: path
            .filter(|path| !path.is_empty())
            .map(|path| String::from_utf8_lossy(path).into_owned()),
    }
}

fn field(text: &[u8], key: &[u8]) -> Option<u32> {
    Some(take_u32(after(text, key)?)?.0)
}

fn last_field(text: &[u8], key: &[u8]) -> Option<u32> {
    let at = crate::read::text::rfind(text, key)?;
    Some(take_u32(&text[at + key.len()..])?.0)
}

/// The flags of a `clone`: its first argument.
pub(super) fn clone_flags(name: &str, args: &[u8]) -> Option<u64> {
    if name != "clone" {
        return None;
    }
    let args = args.strip_prefix(b"clone_flags: ").unwrap_or(args);
    let digits = args.strip_prefix(b"0x").unwrap_or(args);
    radix(
        &digits[..count_while(digits, |b| b.is_ascii_hexdigit())],
        16,
    )
}

/// The path that an `execve` was given, where the text has it and not its address.
pub(super) fn path(args: &[u8]) -> Option<String> {
    let quote = args.iter().position(|byte| *byte == b'"')?;
    ascii(&args[..quote])?;
    unquote(&args[quote..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enters_and_exits() {
        use Of::{Name, Number};
        for (text, expected) in [
            (
                "raw_syscalls:sys_enter: NR 0 (3, 7ff, 0)",
                Body::Enter(Number(0), b"3, 7ff, 0)"),
            ),
            (
                "sys_enter:            NR 59 (7ffd)",
                Body::Enter(Number(59), b"7ffd)"),
            ),
            (
                "sys_enter:             id=59 args=ARRAY[c0]",
                Body::Enter(Number(59), b"args=ARRAY[c0]"),
            ),
            (
                "raw_syscalls:sys_exit: NR 1 = 8",
                Body::Exit(Some(Number(1)), 8),
            ),
            ("sys_exit: NR 21 = -2", Body::Exit(Some(Number(21)), -2)),
            (
                "sys_exit:              id=59 ret=0",
                Body::Exit(Some(Number(59)), 0),
            ),
            ("raw_syscalls:sys_exit: NR -1 = 8", Body::Exit(None, 8)),
            ("sys_enter: NR -1 (0)", Body::Other),
            (
                "syscalls:sys_enter_read: fd: 0x3",
                Body::Enter(Name(b"read"), b"fd: 0x3"),
            ),
            (
                "syscalls:sys_enter_getpid:",
                Body::Enter(Name(b"getpid"), b""),
            ),
            (
                "sys_exit_access:      0xfffffffffffffffe",
                Body::Exit(Some(Name(b"access")), -2),
            ),
            (
                "sys_enter_exit_group: error_code: 0",
                Body::Enter(Name(b"exit_group"), b"error_code: 0"),
            ),
            (
                "sys_exit_exit_group: 0x0",
                Body::Exit(Some(Name(b"exit_group")), 0),
            ),
            (
                "sys_exit_group(error_code: 0)",
                Body::Enter(Name(b"exit_group"), b"error_code: 0)"),
            ),
            (
                "sys_exit(error_code: 0)",
                Body::Enter(Name(b"exit"), b"error_code: 0)"),
            ),
            (
                "sys_access -> 0xfffffffffffffffe",
                Body::Exit(Some(Name(b"access")), -2),
            ),
            ("sched:sched_switch: prev_comm=a", Body::Other),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
        for text in [
            "sys_enter: x",
            "sys_exit: NR 1",
            "sys_read",
            "sys_read -> x",
            "sys_exit: NR 99999999999 = 1",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn lives() {
        let who = |tid, tgid| Who {
            tid: Some(tid),
            tgid,
        };
        for (text, expected) in [
            (
                "sched_process_fork:   comm=a pid=3 child_comm=b child_pid=4",
                Body::Forked(Some(3), who(4, None)),
            ),
            (
                "PERF_RECORD_FORK(3:4):(1:2)",
                Body::Forked(Some(2), who(4, Some(3))),
            ),
            ("PERF_RECORD_EXIT(3:4):(1:2)", Body::Ended(Some(4))),
            ("PERF_RECORD_COMM: a:3/4", Body::Other),
            (
                "PERF_RECORD_COMM exec: a:b:3/4",
                Body::Executed {
                    tid: Some(4),
                    old: None,
                    path: None,
                },
            ),
            ("PERF_RECORD_LOST lost 12", Body::Lost(Some(12))),
            (
                "sched:sched_process_exit: comm=a pid=5 prio=120",
                Body::Ended(Some(5)),
            ),
            (
                "sched_process_exec: filename=/bin/my prog pid=3 old_pid=5",
                Body::Executed {
                    tid: Some(3),
                    old: Some(5),
                    path: Some("/bin/my prog".to_owned()),
                },
            ),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_arguments_tell() {
        assert_eq!(clone_flags("clone", b"3d0f00, 0"), Some(0x3d_0f00));
        assert_eq!(
            clone_flags("clone", b"clone_flags: 0x01200011, newsp: 0"),
            Some(0x120_0011)
        );
        assert_eq!(clone_flags("clone3", b"3d0f00, 0"), None);
        assert_eq!(
            path(b"filename: \"/bin/true\", argv: 0x7"),
            Some("/bin/true".to_owned())
        );
        assert_eq!(path(b"filename: 0x7ffe, argv: 0x7"), None);
    }
}
