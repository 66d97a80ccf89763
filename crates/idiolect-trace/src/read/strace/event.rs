//! What a line says, once its prefix is off.

use super::ending::{self, DETACHED, Ending, UNFINISHED};
use super::message::{self, Message};
use crate::read::signal;
use crate::read::text::{ascii, count_while, find, is_name_byte, rfind, take_number, take_u32};
use crate::{Abi, CallName, ExitStatus, table};

/// One event of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `read(3, "", 5) = 0`
    Complete(Half<'a>, Ending),
    /// `read(3,  <unfinished ...>`
    Begun(Half<'a>),
    /// `read(3,  <detached ...>`: strace left before the call returned.
    Left(Half<'a>),
    /// `write(1, "Hello", 5Hello`: something else was written before the call returned.
    Interrupted(Half<'a>, Option<Message>),
    /// `<... read resumed>"", 5) = 0`
    Resumed(Half<'a>, Ending),
    /// `<... read resumed> <unfinished ...>`
    ResumedBegun(Half<'a>),
    /// `<... write resumed>, 5Hello`
    ResumedInterrupted(Half<'a>, Option<Message>),
    /// `--- SIGCHLD {...} ---`, `--- stopped by SIGSTOP ---`
    Signal,
    /// `+++ exited with 0 +++`, `+++ killed by SIGKILL (core dumped) +++`
    Exited(Option<ExitStatus>),
    /// `+++ superseded by execve in pid 123 +++`
    Superseded(u32),
    /// What strace says of itself.
    Message(Message),
}

/// A call's name and the part of its arguments that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Half<'a> {
    pub(super) name: &'a str,
    pub(super) args: &'a [u8],
}

/// How a call goes on in a line that has no event of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// `) = 5`, `, child_tidptr=0x7f8f02062a10) = 18898`
    Ended(Ending),
    /// ` <unfinished ...>`
    Unfinished,
    /// ` <detached ...>`
    Left,
}

/// Reads an event; None if the text is none that strace writes.
pub(super) fn parse(text: &[u8]) -> Option<Event<'_>> {
    if let Some(inside) = enclosed(text, b"--- ", b" ---") {
        return (!inside.is_empty()).then_some(Event::Signal);
    }
    if let Some(inside) = enclosed(text, b"+++ ", b" +++") {
        return exit(inside);
    }
    if let Some(rest) = text.strip_prefix(b"<... ") {
        return resumed(rest);
    }
    match message::parse(text) {
        Some(message) => Some(Event::Message(message)),
        None => call(text),
    }
}

/// Reads how an interrupted call goes on.
pub(super) fn tail(text: &[u8]) -> Option<Tail> {
    if let Some((_, ending)) = ending::split(text) {
        return Some(Tail::Ended(ending));
    }
    let text = text.trim_ascii_end();
    if text.ends_with(UNFINISHED) {
        Some(Tail::Unfinished)
    } else if text.ends_with(DETACHED) {
        Some(Tail::Left)
    } else {
        None
    }
}

/// Whether the line is only the end of an interrupted line, which was dealt with already.
pub(super) fn is_loose_end(line: &[u8]) -> bool {
    matches!(line.trim_ascii(), UNFINISHED | DETACHED)
}

/// Whether any ABI has a call of this name: what tells a call from a program's output that looks like
/// one.
pub(super) fn is_known_call(name: &str) -> bool {
    table::canonical(name).is_some_and(|name| {
        Abi::LINUX
            .iter()
            .any(|abi| table::number(*abi, &name).is_some())
    })
}

/// The name at the start of the text, and what follows its opening bracket.
pub(super) fn call_head(text: &[u8]) -> Option<(&str, &[u8])> {
    let len = count_while(text, is_name_byte);
    if !(1..=CallName::MAX_LEN).contains(&len) || text[0].is_ascii_digit() {
        return None;
    }
    Some((ascii(&text[..len])?, text[len..].strip_prefix(b"(")?))
}

fn call(text: &[u8]) -> Option<Event<'_>> {
    let (name, rest) = call_head(text)?;
    if let Some((args, ending)) = ending::split(rest) {
        return Some(Event::Complete(Half { name, args }, ending));
    }
    let trimmed = rest.trim_ascii_end();
    if let Some(args) = trimmed.strip_suffix(UNFINISHED) {
        return Some(Event::Begun(Half { name, args }));
    }
    if let Some(args) = trimmed.strip_suffix(DETACHED) {
        return Some(Event::Left(Half { name, args }));
    }
    // strace writes the closing bracket and the result together, so a call that is closed and has no
    // result is the output of a program.
    let closed = ending::closing_bracket(trimmed).is_some_and(|close| close + 1 == trimmed.len());
    if closed || !is_known_call(name) {
        return None;
    }
    let (args, message) = message::split(rest);
    Some(Event::Interrupted(Half { name, args }, message))
}

fn resumed(text: &[u8]) -> Option<Event<'_>> {
    let len = count_while(text, is_name_byte);
    if !(1..=CallName::MAX_LEN).contains(&len) {
        return None;
    }
    let name = ascii(&text[..len])?;
    let rest = text[len..].strip_prefix(b" resumed>")?;
    if let Some((args, ending)) = ending::split(rest) {
        return Some(Event::Resumed(Half { name, args }, ending));
    }
    if rest.trim_ascii_end().ends_with(UNFINISHED) {
        return Some(Event::ResumedBegun(Half { name, args: rest }));
    }
    let (args, message) = message::split(rest);
    Some(Event::ResumedInterrupted(Half { name, args }, message))
}

fn exit(inside: &[u8]) -> Option<Event<'_>> {
    if let Some(code) = inside.strip_prefix(b"exited with ") {
        let (code, rest) = take_number(code)?;
        let code = i32::try_from(code).ok()?;
        // With `-y` and the like something may follow in brackets.
        return (rest.is_empty() || rest.starts_with(b" "))
            .then_some(Event::Exited(Some(ExitStatus::Code(code))));
    }
    if let Some(signal) = inside.strip_prefix(b"killed by ") {
        let name = signal.split(|b| *b == b' ').next()?;
        let signal = ascii(name).and_then(signal::number);
        return Some(Event::Exited(signal.map(ExitStatus::Signal)));
    }
    let (pid, _) = take_u32(inside.strip_prefix(b"superseded by execve in pid ")?)?;
    Some(Event::Superseded(pid))
}

fn enclosed<'a>(text: &'a [u8], start: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(start)?.trim_ascii_end().strip_suffix(end)
}

/// Output of a program, and the event that was written after it on the same line.
///
/// `start` begins what may hold a prefix of its own (`[pid 7] `); without one the event is looked for by
/// its marks, or by the name of a known call.
pub(super) fn glued(line: &[u8]) -> Option<usize> {
    if let Some(at) = rfind(line, b"[pid ")
        && at > 0
        && parse(super::prefix::split(&line[at..]).1).is_some_and(is_whole)
    {
        return Some(at);
    }
    for mark in [
        &b"+++ exited with "[..],
        b"+++ killed by ",
        b"--- SIG",
        b"<... ",
    ] {
        if let Some(at) = rfind(line, mark)
            && at > 0
            && parse(&line[at..]).is_some_and(is_whole)
        {
            return Some(at);
        }
    }
    let brackets = line.iter().enumerate().filter(|(_, b)| **b == b'(');
    brackets
        .take(MAX_GLUED_TRIES)
        .find_map(|(open, _)| glued_call(line, open))
}

/// Opening brackets at which a call is looked for in a line of output.
const MAX_GLUED_TRIES: usize = 16;

/// Where a known call begins whose arguments open here.
fn glued_call(line: &[u8], open: usize) -> Option<usize> {
    let before = &line[..open];
    let longest = before
        .iter()
        .rev()
        .take(CallName::MAX_LEN)
        .take_while(|b| is_name_byte(**b))
        .count();
    // The longest name wins, so that `pread64` is not read as output and `read64`. An underscore before
    // it belongs to a longer name, of a call that the tables do not have yet.
    (open - longest..open)
        .filter(|start| *start == 0 || before[start - 1] != b'_')
        .find(|start| ascii(&before[*start..]).is_some_and(is_known_call))
        .filter(|start| *start > 0 && parse(&line[*start..]).is_some_and(is_whole))
}

/// Whether nothing is missing of the event but what a resumption brings.
fn is_whole(event: Event<'_>) -> bool {
    !matches!(
        event,
        Event::Interrupted(..) | Event::ResumedInterrupted(..) | Event::Message(_)
    )
}

/// Lines that belong to the event before them: stack frames (`-k`) and dumps (`-e read=3`).
pub(super) fn is_annotation(line: &[u8]) -> bool {
    line.starts_with(b" > ") && find(line, b" [0x").is_some()
        || line.starts_with(b" > ") && line.ends_with(b"]")
        || line.starts_with(b" | ") && line.ends_with(b" |")
        || line.starts_with(b" * ") && find(line, b" bytes in ").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Errno, Outcome};

    fn half<'a>(name: &'a str, args: &'a str) -> Half<'a> {
        Half {
            name,
            args: args.as_bytes(),
        }
    }

    fn returned(value: i64) -> Ending {
        Ending {
            outcome: Some(Outcome::Returned(value)),
            child: None,
        }
    }

    #[test]
    fn every_form() {
        let exited = |code| Some(Event::Exited(Some(ExitStatus::Code(code))));
        let killed = |signal| Some(Event::Exited(Some(ExitStatus::Signal(signal))));
        for (text, expected) in [
            (
                "close(3) = 0",
                Some(Event::Complete(half("close", "3"), returned(0))),
            ),
            (
                "getpid()                = 7",
                Some(Event::Complete(half("getpid", ""), returned(7))),
            ),
            (
                "read(3, \"<unfinished ...>\", 5) = 0",
                Some(Event::Complete(
                    half("read", "3, \"<unfinished ...>\", 5"),
                    returned(0),
                )),
            ),
            (
                "restart_syscall(<... resuming interrupted read ...>) = 0",
                Some(Event::Complete(
                    half("restart_syscall", "<... resuming interrupted read ...>"),
                    returned(0),
                )),
            ),
            (
                "pause( <unfinished ...>) = ?",
                Some(Event::Complete(
                    half("pause", " <unfinished ...>"),
                    Ending::default(),
                )),
            ),
            (
                "read(3,  <unfinished ...>",
                Some(Event::Begun(half("read", "3,  "))),
            ),
            (
                "write(1, \") = 5\", 5 <unfinished ...>",
                Some(Event::Begun(half("write", "1, \") = 5\", 5 "))),
            ),
            (
                "read(3,  <detached ...>",
                Some(Event::Left(half("read", "3,  "))),
            ),
            (
                "write(1, \"Hi\", 2Hi",
                Some(Event::Interrupted(half("write", "1, \"Hi\", 2Hi"), None)),
            ),
            (
                "clone(flags=SIGCHLDstrace: Process 7 attached",
                Some(Event::Interrupted(
                    half("clone", "flags=SIGCHLD"),
                    Some(Message::Attached(7)),
                )),
            ),
            ("read(fd)", None),
            ("main(int argc", None),
            (
                "<... read resumed>\"\", 5) = 0",
                Some(Event::Resumed(half("read", "\"\", 5"), returned(0))),
            ),
            (
                "<... futex resumed> )      = 0",
                Some(Event::Resumed(half("futex", " "), returned(0))),
            ),
            (
                "<... read resumed> <unfinished ...>) = ?",
                Some(Event::Resumed(
                    half("read", " <unfinished ...>"),
                    Ending::default(),
                )),
            ),
            (
                "<... read resumed> <unfinished ...>",
                Some(Event::ResumedBegun(half("read", " <unfinished ...>"))),
            ),
            (
                "<... write resumed>, 2Hi",
                Some(Event::ResumedInterrupted(half("write", ", 2Hi"), None)),
            ),
            ("<... ???? resumed>) = 0", None),
            ("--- SIGCHLD {si_signo=SIGCHLD} ---", Some(Event::Signal)),
            ("--- stopped by SIGSTOP ---", Some(Event::Signal)),
            (
                "--- SIGSEGV (Segmentation fault) @ 0 (0) ---",
                Some(Event::Signal),
            ),
            ("+++ exited with 3 +++", exited(3)),
            ("+++ killed by SIGKILL +++", killed(9)),
            ("+++ killed by SIGSEGV (core dumped) +++", killed(11)),
            ("+++ killed by SIGRT_5 +++", killed(37)),
            ("+++ killed by SIGODD +++", Some(Event::Exited(None))),
            (
                "+++ superseded by execve in pid 12 +++",
                Some(Event::Superseded(12)),
            ),
            ("+++ something +++", None),
            (
                "strace: Process 7 attached",
                Some(Event::Message(Message::Attached(7))),
            ),
            ("hello world", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn tails() {
        assert_eq!(tail(b") = 5"), Some(Tail::Ended(returned(5))));
        assert_eq!(
            tail(b" => {parent_tid=[7]}, 88) = 7"),
            Some(Tail::Ended(returned(7)))
        );
        assert_eq!(tail(b"last words) = 10"), Some(Tail::Ended(returned(10))));
        assert_eq!(tail(b" <unfinished ...>"), Some(Tail::Unfinished));
        assert_eq!(tail(b" <detached ...>"), Some(Tail::Left));
        assert_eq!(tail(b"more output"), None);
        let interrupted = Ending {
            outcome: Some(Outcome::Failed(Errno(4))),
            child: None,
        };
        assert_eq!(
            tail(b"x) = -1 EINTR (Interrupted system call)"),
            Some(Tail::Ended(interrupted))
        );
    }

    #[test]
    fn events_after_output() {
        for (line, at) in [
            ("Hello!write(1, \"x\", 1) = 1", Some(6)),
            ("Hellopread64(3, \"x\", 1, 0) = 1", Some(5)),
            ("say(1) read(3,  <unfinished ...>", Some(7)),
            ("Hello[pid 7] read(3) = 0", Some(5)),
            ("Hello[pid 7] <... read resumed>) = 0", Some(5)),
            ("Hello+++ exited with 0 +++", Some(5)),
            ("Hello--- SIGALRM {} ---", Some(5)),
            ("new_read(3) = 0", None),
            ("read(3) = 0", None),
            ("Hello world", None),
            ("Hello (", None),
        ] {
            assert_eq!(glued(line.as_bytes()), at, "{line}");
        }
    }
}
