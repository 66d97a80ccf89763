//! Where a call's arguments end, and what it returned.
//!
//! | form | outcome |
//! |---|---|
//! | `= 3`, `= 0x7f8f02061000`, `= 022` (octal), `= 3</etc/passwd>`, `= 1 ([{fd=4, revents=POLLIN}])`, `= 0 (Timeout)` | returned |
//! | `= -1 ENOENT (No such file or directory)`, `= -1 E??? (errno 777)`, `= -1 (errno 2)`, `= -2` | failed |
//! | `= ? ERESTARTSYS (To be restarted if SA_RESTART is set)` | failed, with the kernel's own error |
//! | `= ?`, `= ? <unavailable>` | unknown |
//!
//! Each may be followed by the time spent in the call (`<0.000012>`), which is not kept.

use crate::read::text::{
    ascii, count_while, find, quoted_len, radix, skip_spaces, take_number, take_u32,
};
use crate::{Errno, Outcome};

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    /// None where strace does not know it (`= ?`).
    pub(super) outcome: Option<Outcome>,
    /// The process that was created, where its number as strace sees it is another than the returned one
    /// (`= 5 /* 1234 in strace's PID NS */`).
    pub(super) child: Option<u32>,
}

/// Splits what follows a call's opening bracket, or a later part of its arguments, into the arguments and
/// the ending; None if the call does not end in this text.
///
/// Strings and comments may hold anything. Where something unquoted does not balance (a path shown by
/// `-y`, output of the program glued in between), the last `) = RESULT` outside of strings counts.
pub(super) fn split(text: &[u8]) -> Option<(&[u8], Ending)> {
    if let Some(close) = closing_bracket(text)
        && let Some(ending) = parse(&text[close + 1..])
    {
        return Some((&text[..close], ending));
    }
    let mut last = None;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at += quoted_len(&text[at..]).unwrap_or(1),
            b')' => {
                if let Some(ending) = parse(&text[at + 1..]) {
                    last = Some((&text[..at], ending));
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    last.filter(|_| !is_left_open(text))
}

/// What strace writes where it leaves a call's line before the call returned.
pub(super) const UNFINISHED: &[u8] = b"<unfinished ...>";
/// What strace writes where it leaves the process before the call returned.
pub(super) const DETACHED: &[u8] = b"<detached ...>";

fn is_left_open(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    text.ends_with(UNFINISHED) || text.ends_with(DETACHED)
}

/// The bracket that closes the arguments.
pub(super) fn closing_bracket(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at += quoted_len(&text[at..])?;
                continue;
            }
            b'/' if text.get(at + 1) == Some(&b'*') => {
                at += 2 + find(&text[at + 2..], b"*/")? + 2;
                continue;
            }
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(at),
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Reads what follows the closing bracket: `= RESULT`, to the end of the line.
fn parse(text: &[u8]) -> Option<Ending> {
    let text = skip_spaces(text).strip_prefix(b"= ")?.trim_ascii();
    if let Some(rest) = text.strip_prefix(b"?") {
        return unknown(rest);
    }
    let (value, rest) = value(text)?;
    if !matches!(rest.first(), None | Some(b' ' | b'<')) {
        return None;
    }
    let rest = skip_spaces(rest);
    let (name, after) = errno_name(rest);
    let after = skip_spaces(after);
    if !is_note(after) {
        return None;
    }
    let named = ascii(name).and_then(Errno::from_name);
    let numbered = after
        .strip_prefix(b"(errno ")
        .and_then(take_u32)
        .and_then(|(number, _)| u16::try_from(number).ok())
        .filter(|number| (1..=Errno::MAX).contains(number))
        .map(Errno);
    let outcome = match named.or(numbered) {
        Some(errno) => Outcome::Failed(errno),
        // A bare negative number is what the kernel returned.
        None if name.is_empty() && text.starts_with(b"-") => Outcome::from_raw(value),
        None => Outcome::Returned(value),
    };
    Some(Ending {
        outcome: Some(outcome),
        child: after.strip_prefix(b"/* ").and_then(foreign_pid),
    })
}

/// `?`, with the kernel's own error where the call will be restarted.
fn unknown(rest: &[u8]) -> Option<Ending> {
    if !matches!(rest.first(), None | Some(b' ')) {
        return None;
    }
    let (name, after) = errno_name(skip_spaces(rest));
    is_note(skip_spaces(after)).then(|| Ending {
        outcome: ascii(name).and_then(Errno::from_name).map(Outcome::Failed),
        child: None,
    })
}

/// A value in base 10, 16 (`0x`) or 8 (`0`). Above 2^63 it wraps: the register has 64 bits and no sign.
fn value(text: &[u8]) -> Option<(i64, &[u8])> {
    if let Some(digits) = text.strip_prefix(b"-") {
        let (value, rest) = take_number(digits)?;
        return Some((0_i64.checked_sub_unsigned(value)?, rest));
    }
    if let Some(digits) = text.strip_prefix(b"0x") {
        let (digits, rest) = digits.split_at(count_while(digits, |b| b.is_ascii_hexdigit()));
        return Some((radix(digits, 16)?.cast_signed(), rest));
    }
    let (digits, rest) = text.split_at(count_while(text, |b| b.is_ascii_digit()));
    if digits.len() > 1 && digits[0] == b'0' {
        return Some((radix(digits, 8)?.cast_signed(), rest));
    }
    Some((take_number(digits)?.0.cast_signed(), rest))
}

/// Splits off a name such as `ENOENT` or `E???`; empty if there is none.
fn errno_name(text: &[u8]) -> (&[u8], &[u8]) {
    if text.first() != Some(&b'E') {
        return (b"", text);
    }
    let is_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'?' | b'_');
    text.split_at(count_while(text, is_name))
}

/// Whether the rest of a result is one that strace writes: nothing, or something in brackets.
fn is_note(text: &[u8]) -> bool {
    match (text.first(), text.last()) {
        (Some(first), Some(last)) => {
            matches!(first, b'(' | b'<' | b'[' | b'{' | b'/')
                && matches!(last, b')' | b'>' | b']' | b'}' | b'/')
        }
        _ => true,
    }
}

fn foreign_pid(text: &[u8]) -> Option<u32> {
    let (pid, rest) = take_u32(text)?;
    rest.starts_with(b" in strace's PID NS").then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Option<Option<Outcome>> {
        split(text.as_bytes()).map(|(_, ending)| ending.outcome)
    }

    #[test]
    fn every_form_of_result() {
        let returned = |value| Some(Some(Outcome::Returned(value)));
        let failed = |errno| Some(Some(Outcome::Failed(Errno(errno))));
        for (text, expected) in [
            (") = 3", returned(3)),
            (")                    = 3", returned(3)),
            (") = 0x7f8f02061000", returned(0x7f8f_0206_1000)),
            (") = 0xffffffffffffffff", returned(-1)),
            (") = 18446744073709551615", returned(-1)),
            (") = 022", returned(18)),
            (") = 0", returned(0)),
            (") = 3</etc/passwd>", returned(3)),
            (") = 3</odd) = 5>", returned(3)),
            (") = 3<socket:[1]> <0.000012>", returned(3)),
            (") = 1 ([{fd=4, revents=POLLIN}])", returned(1)),
            (") = 0 (Timeout) <5.0>", returned(0)),
            (") = 0x1 (flags FD_CLOEXEC)", returned(1)),
            (") = 5 (in [3 4], left {tv_sec=0, tv_usec=3})", returned(5)),
            (") = 19091<thr>", returned(19091)),
            (") = -1 ENOENT (No such file or directory)", failed(2)),
            (") = -1 ENOENT (No such file or directory) <0.1>", failed(2)),
            (") = -123 ENOENT (No such file or directory)", failed(2)),
            (") = -123 ENOENT", failed(2)),
            (
                ") = -1 EPERM (Operation not permitted) (INJECTED)",
                failed(1),
            ),
            (") = -1 E??? (errno 777)", failed(777)),
            (") = -1 (errno 2)", failed(2)),
            (") = -2", failed(2)),
            (
                ") = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
                failed(512),
            ),
            (
                ") = ? ERESTART_RESTARTBLOCK (Interrupted by signal)",
                failed(516),
            ),
            (") = ?", Some(None)),
            (") = ? <0.000012>", Some(None)),
            (") = ? <unavailable>", Some(None)),
            (" <unfinished ...>) = ?", Some(None)),
            (") = 5!", None),
            (") = ", None),
            (") =", None),
            (") = abc", None),
            (") = 5 apples", None),
            (") = ?!", None),
            (") = 99999999999999999999", None),
            (") = -99999999999999999999", None),
            (")", None),
            ("", None),
        ] {
            assert_eq!(outcome(text), expected, "{text}");
        }
    }

    #[test]
    fn arguments_may_hold_anything() {
        for (args, value) in [
            (r#"1, "a) = 7", 3"#, 3),
            (r#"1, "quote \" ) = 7", 3"#, 3),
            (r#"1, "<unfinished ...>", 3"#, 3),
            ("0x3001 /* it's ) = 7 */, 0x1", 3),
            ("makedev(0x1, 0x3)", 3),
            ("3</tmp/open(bracket>, 0", 3),
            (r#"3</tmp/quote">, 0"#, 3),
            ("<... resuming interrupted read ...>", 3),
            ("1, \"Hello) = 5!\", 11Hello) = 5!", 3),
        ] {
            let text = format!("{args}) = {value}");
            let (found, ending) = split(text.as_bytes()).unwrap();
            assert_eq!(found, args.as_bytes());
            assert_eq!(ending.outcome, Some(Outcome::Returned(value)));
        }
    }

    #[test]
    fn a_child_in_another_namespace() {
        let (_, ending) = split(b") = 5 /* 1234 in strace's PID NS */").unwrap();
        assert_eq!(ending.child, Some(1234));
    }
}
