//! The lines of an audit log, and the fields in them.

use crate::read::text::{find, parse_number};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_SECOND: u64 = 1_000 * NS_PER_MS;

/// What separates a record from its names, in a log that is enriched.
const ENRICHED: u8 = 0x1d;

/// A record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The host, where it is named.
    pub(super) node: Option<&'a str>,
    /// `SYSCALL`, or `1300` in the kernel's own print.
    pub(super) kind: &'a str,
    pub(super) time: Stamped,
    pub(super) serial: u32,
    /// What follows, up to the names of an enriched log.
    pub(super) fields: &'a [u8],
    /// The names of an enriched log (`ARCH=x86_64 SYSCALL=openat`).
    pub(super) names: &'a [u8],
    /// All of it.
    pub(super) text: &'a [u8],
}

/// The time of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamped {
    /// Nanoseconds since the epoch.
    Epoch(u64),
    /// Nanoseconds since midnight, local: what of `ausearch -i` does not depend on the locale.
    Day(u64),
    /// A form of a date without `HH:MM:SS`.
    Unknown,
}

/// Takes a line apart; none if it is no record.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    let at = find(line, b"type=")?;
    let (before, rest) = line.split_at(at);
    let node = match before.strip_prefix(b"node=") {
        Some(name) => Some(std::str::from_utf8(name.trim_ascii_end()).ok()?),
        None if before.is_empty() || before.trim_ascii_end().ends_with(b"audit:") => None,
        None => return None,
    };
    let rest = &rest[b"type=".len()..];
    let end = rest.iter().position(|b| *b == b' ')?;
    let kind = std::str::from_utf8(&rest[..end]).ok()?;
    let rest = rest[end + 1..].trim_ascii_start();
    let rest = rest.strip_prefix(b"msg=").unwrap_or(rest);
    let rest = rest.strip_prefix(b"audit(")?;
    let end = rest.iter().position(|b| *b == b')')?;
    let stamp = &rest[..end];
    let colon = stamp.iter().rposition(|b| *b == b':')?;
    let serial = parse_number(&stamp[colon + 1..])?;
    let rest = rest[end + 1..].trim_ascii_start();
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let split = rest.iter().position(|b| *b == ENRICHED);
    let (fields, names) = rest.split_at(split.unwrap_or(rest.len()));
    Some(Line {
        node,
        kind,
        time: stamped(&stamp[..colon]),
        serial,
        fields,
        names: names.get(1..).unwrap_or_default(),
        text: line,
    })
}

fn stamped(text: &[u8]) -> Stamped {
    if let Some(ns) = seconds(text) {
        return Stamped::Epoch(ns);
    }
    let time = text.rsplit(|b| *b == b' ').next().unwrap_or_default();
    let mut parts = time.splitn(3, |b| *b == b':');
    let mut part = || parts.next();
    let of_day = |hours: &[u8], minutes: &[u8], rest: &[u8]| {
        let hours: u64 = parse_number(hours)?;
        let minutes: u64 = parse_number(minutes)?;
        let rest = seconds(rest)?;
        // Checked before they are multiplied: they are whatever the log says.
        let within = hours < 24 && minutes < 60 && rest < 61 * NS_PER_SECOND;
        within.then(|| (hours * 3_600 + minutes * 60) * NS_PER_SECOND + rest)
    };
    match (part(), part(), part()) {
        (Some(hours), Some(minutes), Some(rest)) => {
            of_day(hours, minutes, rest).map_or(Stamped::Unknown, Stamped::Day)
        }
        _ => Stamped::Unknown,
    }
}

/// Nanoseconds of `1492037289.295`.
fn seconds(text: &[u8]) -> Option<u64> {
    let dot = text.iter().position(|b| *b == b'.')?;
    let (whole, fraction) = (&text[..dot], &text[dot + 1..]);
    let whole: u64 = parse_number(whole)?;
    let millis: u64 = parse_number(fraction).filter(|millis| *millis < 1_000)?;
    whole
        .checked_mul(NS_PER_SECOND)?
        .checked_add(millis * NS_PER_MS)
}

/// The value of the first field of this name, quotes included.
pub(super) fn field<'a>(fields: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = fields;
    loop {
        let at = find(rest, name.as_bytes())?;
        let starts = at == 0 || matches!(rest[at - 1], b' ' | b'\'' | b',');
        let after = &rest[at + name.len()..];
        if starts && after.first() == Some(&b'=') {
            return Some(value(&after[1..]));
        }
        rest = after;
    }
}

fn value(text: &[u8]) -> &[u8] {
    if text.first() == Some(&b'"')
        && let Some(end) = text[1..].iter().position(|b| *b == b'"')
    {
        return &text[..end + 2];
    }
    let end = text.iter().position(|b| *b == b' ' || *b == b'\'');
    &text[..end.unwrap_or(text.len())]
}

/// The text of a value that a program may have chosen: quoted, or in hexadecimal where it holds spaces,
/// quotes or control characters; as it stands in `ausearch -i`.
pub(super) fn decode(value: &[u8]) -> Option<String> {
    if matches!(value, b"" | b"(null)" | b"?") {
        return None;
    }
    let plain = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    if let Some(plain) = plain {
        return Some(String::from_utf8_lossy(plain).into_owned());
    }
    let digit = |b: u8| char::from(b).to_digit(16);
    if value.len().is_multiple_of(2) && value.iter().all(|b| digit(*b).is_some()) {
        let bytes: Vec<u8> = value
            .chunks_exact(2)
            .filter_map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
            .collect();
        return Some(String::from_utf8_lossy(&bytes).into_owned());
    }
    Some(String::from_utf8_lossy(value).into_owned())
}

/// A value as a number in hexadecimal, with `0x` or without.
pub(super) fn hex(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value.strip_prefix(b"0x").unwrap_or(value)).ok()?;
    let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// What `ausearch` puts between events.
pub(super) fn is_separator(line: &[u8]) -> bool {
    line == b"----" || line.starts_with(b"time->")
}

/// How many events the kernel says that it has lost since it counts.
pub(super) fn lost_in_all(line: &[u8]) -> Option<u64> {
    let at = find(line, b"audit_lost=")?;
    let rest = &line[at + b"audit_lost=".len()..];
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    parse_number(&rest[..digits])
}

/// Whether the kernel says that it has printed less than there was.
pub(super) fn is_rate_limited(line: &[u8]) -> bool {
    find(line, b"kauditd_printk_skb:").is_some() && find(line, b"suppressed").is_some()
}

/// Whether it is the kernel's or auditd's, and no record.
pub(super) fn is_other_message(line: &[u8]) -> bool {
    find(line, b"type=").is_none()
        && [&b"audit: "[..], b"auditd[", b"kauditd"]
            .iter()
            .any(|mark| find(line, mark).is_some())
}

/// Whether a line that is no record may have been a call's.
pub(super) fn mentions_call(line: &[u8]) -> bool {
    [&b"SYSCALL"[..], b"syscall=", b"type=1300"]
        .iter()
        .any(|mark| find(line, mark).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_writer() {
        let raw = parse(b"node=web type=SYSCALL msg=audit(1492037289.295:58): arch=c000003e syscall=42\x1dARCH=x86_64").unwrap();
        assert_eq!(
            (raw.node, raw.kind, raw.serial),
            (Some("web"), "SYSCALL", 58)
        );
        assert_eq!(raw.time, Stamped::Epoch(1_492_037_289_295_000_000));
        assert_eq!(field(raw.fields, "syscall"), Some(&b"42"[..]));
        assert_eq!(field(raw.names, "ARCH"), Some(&b"x86_64"[..]));
        let read =
            parse(b"type=SYSCALL msg=audit(04/12/17 22:48:09.295:58) : arch=x86_64 ").unwrap();
        assert_eq!(
            read.time,
            Stamped::Day(((22 * 60 + 48) * 60 + 9) * NS_PER_SECOND + 295 * NS_PER_MS)
        );
        let kernel =
            parse(b"[11902.0] audit: type=1300 audit(1492037289.295:58): arch=c000003e").unwrap();
        assert_eq!((kernel.kind, kernel.serial), ("1300", 58));
        for bad in [
            &b"type=SYSCALL msg=audit(1492037289.295): x"[..],
            b"type=SYSCALL msg=audit(1492037289.295:99999999999): x",
            b"some text type=SYSCALL msg=audit(1.295:5): x",
            b"type=SYSCALL",
            b"type=\xff msg=audit(1.295:5): x",
        ] {
            assert!(parse(bad).is_none(), "{}", bad.escape_ascii());
        }
        for odd in [
            &b"12.04.17 10 o'clock"[..],
            b"1 18446744073709551615:59:1.5",
            b"1 10:60:1.5",
        ] {
            assert_eq!(stamped(odd), Stamped::Unknown);
        }
    }

    #[test]
    fn the_first_field_of_a_name_counts() {
        let fields = b"ppid=1 pid=2 comm=\"a b\" exe=\"/bin/pid=7\" pid=3";
        assert_eq!(field(fields, "pid"), Some(&b"2"[..]));
        assert_eq!(field(fields, "comm"), Some(&b"\"a b\""[..]));
        assert_eq!(field(fields, "uid"), None);
    }

    #[test]
    fn texts() {
        assert_eq!(decode(b"\"/bin/ls\"").unwrap(), "/bin/ls");
        assert_eq!(decode(b"2F612062").unwrap(), "/a b");
        assert_eq!(decode(b"/bin/ls").unwrap(), "/bin/ls");
        assert_eq!(decode(b"(null)"), None);
        assert_eq!(decode(b"\"").unwrap(), "\"");
        assert_eq!(hex(b"0x1200011"), Some(0x120_0011));
        assert_eq!(hex(b"+11"), None);
    }
}
