//! What stands before an event: process, time, call number, instruction pointer.
//!
//! strace writes them in this order, each only if an option asks for it:
//!
//! | form | option |
//! |---|---|
//! | `[pid   123] `, `[pid 123<comm>] ` | `-f` to the terminal, with `-Y` |
//! | `123   `, `123<comm> ` | `-f -o FILE`, with `-Y` |
//! | `22:30:34 `, `22:30:34.764563 ` | `-t`, `-tt` |
//! | `1634121765.422781 `, `1634121765 ` | `-ttt`, with a precision of seconds |
//! | `     0.000123 `, `     0 ` | `-r`, with a precision of seconds |
//! | `(+     0.000123) ` | `-r` beside another time |
//! | `[ 257] ` | `-n` |
//! | `[00007f7797717ad7] `, `[????????????????] ` | `-i` |
//! | `[unconfined_t] ` | `--secontext` |
//!
//! A bare number is a process if it can be one (at most 2^22, kernel: `PID_MAX_LIMIT`) and stands at the
//! start of the line; a larger one is a time; one with spaces before it is a relative time.

use crate::read::clock::Stamp;

use crate::read::text::{
    NS_PER_SECOND, find, fraction, skip_spaces, take_number, take_u32, time_of_day,
};

/// The largest process number that Linux gives.
const MAX_PID: u64 = 1 << 22;
/// The longest command name with every byte escaped, and the brackets.
const MAX_COMM: usize = 80;
/// The longest security context that is looked for.
const MAX_BRACKET: usize = 256;
/// Times below this are relative (`-r`), the others since the epoch (this is in 1973).
const MIN_EPOCH_SECONDS: u64 = 100_000_000;

/// What stood before an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) pid: Option<u32>,
    /// Whether the process stood in `[pid ...]`, which nothing but strace writes.
    pub(super) bracketed: bool,
    pub(super) stamp: Option<Stamp>,
    /// The call's number (`-n`).
    pub(super) number: Option<u32>,
}

/// Splits a line into what stands before the event and the event.
pub(super) fn split(line: &[u8]) -> (Prefix, &[u8]) {
    let mut prefix = Prefix::default();
    let mut rest = line;
    if let Some((pid, after)) = bracketed_pid(rest) {
        prefix.pid = Some(pid);
        prefix.bracketed = true;
        rest = after;
    } else if let Some((pid, after)) = bare_pid(rest) {
        prefix.pid = Some(pid);
        rest = after;
    }
    if let Some((stamp, after)) = stamp(rest) {
        prefix.stamp = Some(stamp);
        rest = after;
    }
    // Where a pid is short, spaces fill its column.
    if prefix.pid.is_some() {
        rest = skip_spaces(rest);
    }
    while let Some((bracket, after)) = bracket(rest) {
        if let Bracket::Number(number) = bracket
            && prefix.number.replace(number).is_some()
        {
            break;
        }
        rest = after;
    }
    (prefix, rest)
}

fn bracketed_pid(text: &[u8]) -> Option<(u32, &[u8])> {
    let (pid, rest) = take_u32(skip_spaces(text.strip_prefix(b"[pid ")?))?;
    let rest = skip_comm(rest, b">]").strip_prefix(b"]")?;
    Some((pid, rest.strip_prefix(b" ")?))
}

fn bare_pid(text: &[u8]) -> Option<(u32, &[u8])> {
    let (pid, rest) = take_number(text)?;
    if !(1..=MAX_PID).contains(&pid) {
        return None;
    }
    let rest = skip_comm(rest, b"> ").strip_prefix(b" ")?;
    Some((u32::try_from(pid).ok()?, rest))
}

/// Passes over `<comm>`; its end is known only by what follows, since a name may hold any byte.
fn skip_comm<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    if text.first() != Some(&b'<') {
        return text;
    }
    match find(&text[..text.len().min(MAX_COMM)], end) {
        Some(at) => &text[at + 1..],
        None => text,
    }
}

fn stamp(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let unpadded = skip_spaces(text);
    let padded = unpadded.len() < text.len();
    let (first, rest) = take_number(unpadded)?;
    let (stamp, rest) = if rest.first() == Some(&b':') {
        let (ns, rest) = time_of_day(unpadded)?;
        (Stamp::Day(ns), rest)
    } else {
        let whole = rest.first() != Some(&b'.');
        let (fraction, rest) = fraction(rest)?;
        let ns = first.checked_mul(NS_PER_SECOND)?.checked_add(fraction)?;
        if first >= MIN_EPOCH_SECONDS {
            (Stamp::Epoch(ns), rest)
        } else if padded || !whole {
            (Stamp::Step(ns), rest)
        } else {
            return None;
        }
    };
    let rest = rest.strip_prefix(b" ")?;
    Some((stamp, skip_beside(rest)))
}

/// Passes over `(+     0.000123) `, which says nothing that the time before it does not say.
fn skip_beside(text: &[u8]) -> &[u8] {
    let inside = text.strip_prefix(b"(+").and_then(|text| {
        let (_, text) = take_number(skip_spaces(text))?;
        let (_, text) = fraction(text)?;
        text.strip_prefix(b") ")
    });
    inside.unwrap_or(text)
}

enum Bracket {
    Number(u32),
    Other,
}

fn bracket(text: &[u8]) -> Option<(Bracket, &[u8])> {
    let inside = text.strip_prefix(b"[")?;
    let end = inside.iter().take(MAX_BRACKET).position(|b| *b == b']')?;
    let rest = inside[end + 1..].strip_prefix(b" ")?;
    let inside = skip_spaces(&inside[..end]);
    let all = |condition: fn(&u8) -> bool| !inside.is_empty() && inside.iter().all(condition);
    // The pointer has the width of a register whatever its value, the number never reaches eight digits
    // but for the mark of x32, which makes it ten.
    let bracket =
        if matches!(inside.len(), 8 | 16) && all(u8::is_ascii_hexdigit) || all(|b| *b == b'?') {
            Bracket::Other
        } else if all(u8::is_ascii_digit) {
            Bracket::Number(take_u32(inside)?.0)
        } else if inside.ends_with(b"_t") || inside.contains(&b':') && !inside.contains(&b' ') {
            Bracket::Other
        } else {
            return None;
        };
    Some((bracket, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(pid: Option<u32>, stamp: Option<Stamp>, number: Option<u32>) -> Prefix {
        Prefix {
            pid,
            bracketed: false,
            stamp,
            number,
        }
    }

    #[test]
    fn every_form() {
        let day = 22 * 3600 + 30 * 60 + 34;
        for (line, expected) in [
            ("read(", prefix(None, None, None)),
            ("123 read(", prefix(Some(123), None, None)),
            ("123   read(", prefix(Some(123), None, None)),
            ("123<a b> read(", prefix(Some(123), None, None)),
            (
                "22:30:34 read(",
                prefix(None, Some(Stamp::Day(day * NS_PER_SECOND)), None),
            ),
            (
                "7 22:30:34.764563 read(",
                prefix(
                    Some(7),
                    Some(Stamp::Day(day * NS_PER_SECOND + 764_563_000)),
                    None,
                ),
            ),
            (
                "1634121765.422781 read(",
                prefix(None, Some(Stamp::Epoch(1_634_121_765_422_781_000)), None),
            ),
            (
                "7 1634121765 read(",
                prefix(
                    Some(7),
                    Some(Stamp::Epoch(1_634_121_765 * NS_PER_SECOND)),
                    None,
                ),
            ),
            (
                "1634121765.422781123 (+     0.000123) read(",
                prefix(None, Some(Stamp::Epoch(1_634_121_765_422_781_123)), None),
            ),
            (
                "     0.000123 read(",
                prefix(None, Some(Stamp::Step(123_000)), None),
            ),
            (
                "7      0.000123 read(",
                prefix(Some(7), Some(Stamp::Step(123_000)), None),
            ),
            (
                "7      2 read(",
                prefix(Some(7), Some(Stamp::Step(2 * NS_PER_SECOND)), None),
            ),
            (
                "     2 read(",
                prefix(None, Some(Stamp::Step(2 * NS_PER_SECOND)), None),
            ),
            ("[ 257] read(", prefix(None, None, Some(257))),
            (
                "[ 257] [00007f7797717ad7] read(",
                prefix(None, None, Some(257)),
            ),
            ("[????????????????] read(", prefix(None, None, None)),
            ("[????] read(", prefix(None, None, None)),
            ("[08048000] read(", prefix(None, None, None)),
            ("7 [unconfined_t] read(", prefix(Some(7), None, None)),
        ] {
            let (found, rest) = split(line.as_bytes());
            assert_eq!((found, rest), (expected, &b"read("[..]), "{line}");
        }
        for line in [
            "[pid 7] read(",
            "[pid     7] read(",
            "[pid 7<x>] read(",
            "[pid 7<a> b>] read(",
        ] {
            let (found, rest) = split(line.as_bytes());
            assert_eq!(
                (found.pid, found.bracketed, rest),
                (Some(7), true, &b"read("[..]),
                "{line}"
            );
        }
    }

    #[test]
    fn other_text_stays_whole() {
        for line in [
            "",
            " > /lib/libc.so.6(write+0x14) [0x114a87]",
            " | 00000  48 65 |",
            "[ Process PID=7 runs in 32 bit mode. ]",
            "25:00:00 read(",
            "0 read(",
            "[pid x] read(",
            "[INFO it] read(",
        ] {
            assert_eq!(
                split(line.as_bytes()),
                (Prefix::default(), line.as_bytes()),
                "{line}"
            );
        }
    }
}
