//! Small steps through a line's bytes that readers of text take.

/// The bytes after the leading spaces.
pub(crate) fn skip_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|b| **b == b' ').count();
    &text[spaces..]
}

/// How many of the leading bytes satisfy a condition.
pub(crate) fn count_while(text: &[u8], condition: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|b| condition(**b)).count()
}

/// Splits off a decimal number. None without a digit or beyond 64 bits.
pub(crate) fn take_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at(count_while(text, |b| b.is_ascii_digit()));
    Some((ascii(digits)?.parse().ok()?, rest))
}

/// Splits off a decimal number that fits 32 bits: of a process or a call.
pub(crate) fn take_u32(text: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = take_number(text)?;
    Some((u32::try_from(number).ok()?, rest))
}

/// Nanoseconds of a second.
pub(crate) const NS_PER_SECOND: u64 = 1_000_000_000;

/// Splits off an optional `.764563`, in nanoseconds: at most nine digits.
pub(crate) fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = count_while(digits, |b| b.is_ascii_digit());
    if !(1..=9).contains(&count) {
        return None;
    }
    let (value, rest) = take_number(digits)?;
    let missing = u32::try_from(9 - count).ok()?;
    Some((value * 10_u64.pow(missing), rest))
}

/// Splits off `12118.778907`, in nanoseconds.
pub(crate) fn seconds(text: &[u8]) -> Option<(u64, &[u8])> {
    let (whole, rest) = take_number(text)?;
    let (fraction, rest) = fraction(rest)?;
    let ns = whole.checked_mul(NS_PER_SECOND)?.checked_add(fraction)?;
    Some((ns, rest))
}

/// Splits off `22:30:34.764563`, in nanoseconds since midnight.
pub(crate) fn time_of_day(text: &[u8]) -> Option<(u64, &[u8])> {
    let (hours, rest) = take_number(text)?;
    let (minutes, rest) = take_number(rest.strip_prefix(b":")?)?;
    let (seconds, rest) = take_number(rest.strip_prefix(b":")?)?;
    // A leap second is written as the sixtieth.
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let (fraction, rest) = fraction(rest)?;
    let whole = hours * 3600 + minutes * 60 + seconds;
    Some((whole * NS_PER_SECOND + fraction, rest))
}

/// A number in base 16 or 8, all of the text.
pub(crate) fn radix(digits: &[u8], radix: u32) -> Option<u64> {
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_alphanumeric);
    u64::from_str_radix(ascii(digits).filter(|_| valid)?, radix).ok()
}

/// The text, if it is ASCII.
pub(crate) fn ascii(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.is_ascii())
}

/// Whether the byte can stand in a call's name.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What was split off, if nothing follows it.
pub(crate) fn whole(split: Option<(u64, &[u8])>) -> Option<u64> {
    split
        .filter(|(_, rest)| rest.is_empty())
        .map(|(value, _)| value)
}

/// Splits at the first space; the rest is empty where there is none.
pub(crate) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// What follows the first `needle` in `text`.
pub(crate) fn after<'a>(text: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    Some(&text[find(text, needle)? + needle.len()..])
}

/// Where `needle` first stands in `text`.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// Where `needle` last stands in `text`.
pub(crate) fn rfind(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(text, needle)
}

/// Length of a quoted string at the start of the text, both quotes included; None if it does not end.
pub(crate) fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Longest path that is kept of an `execve`, in bytes (kernel: `PATH_MAX`).
const MAX_PATH: usize = 4096;

/// What a quoted string of strace stands for; bytes that are no UTF-8 are replaced.
///
/// strace writes `\n`, `\t`, `\v`, `\f`, `\r`, `\"`, `\\`, octal of one to three digits, and `\x..` with
/// `-x` and `-xx`. None if the text does not start with a whole string, or the string was abbreviated.
pub(crate) fn unquote(text: &[u8]) -> Option<String> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let end = quoted_len(text)?;
    if text[end..].starts_with(b"...") {
        return None;
    }
    let mut inner = &text[1..end - 1];
    let mut out = Vec::new();
    while let Some((&byte, rest)) = inner.split_first() {
        if out.len() >= MAX_PATH {
            return None;
        }
        if byte == b'\\' {
            let (value, used) = escape(rest)?;
            out.push(value);
            inner = &rest[used..];
        } else {
            out.push(byte);
            inner = rest;
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// The byte that an escape stands for, and how many bytes after the backslash it takes.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let simple = match text.first()? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'x' => {
            let digits = count_while(&text[1..text.len().min(3)], |b| b.is_ascii_hexdigit());
            let value = radix(&text[1..1 + digits], 16)?;
            return Some((u8::try_from(value).ok()?, 1 + digits));
        }
        b'0'..=b'7' => {
            let digits = count_while(&text[..text.len().min(3)], |b| matches!(b, b'0'..=b'7'));
            let value = radix(&text[..digits], 8)?;
            return Some((u8::try_from(value).ok()?, digits));
        }
        other => *other,
    };
    Some((simple, 1))
}

/// A number in decimal, digits alone.
pub(crate) fn parse_number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number in decimal that may have a sign.
pub(crate) fn parse_signed(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_unquoted() {
        for (quoted, plain) in [
            (r#""/bin/ls""#, Some("/bin/ls")),
            (r#""/bin/ls", ["ls"]"#, Some("/bin/ls")),
            (r#""\x2f\x62in""#, Some("/bin")),
            (r#""a\n\t\"\\\0\0011b""#, Some("a\n\t\"\\\0\u{1}1b")),
            (r#""caf\303\251""#, Some("café")),
            (r#""\377""#, Some("\u{fffd}")),
            (r#""""#, Some("")),
            (r#""cut"..."#, None),
            (r#""open"#, None),
            (r#""open\""#, None),
            (r#""\400""#, None),
            ("0x7ffe", None),
            ("", None),
        ] {
            assert_eq!(unquote(quoted.as_bytes()).as_deref(), plain, "{quoted}");
        }
        let long = format!("\"{}\"", "a".repeat(MAX_PATH + 1));
        assert_eq!(unquote(long.as_bytes()), None);
    }

    #[test]
    fn numbers_end_where_their_digits_do() {
        assert_eq!(take_number(b"12ab"), Some((12, &b"ab"[..])));
        assert_eq!(take_number(b"ab"), None);
        assert_eq!(take_number(b"99999999999999999999"), None);
        assert_eq!(take_u32(b"4294967296"), None);
        assert_eq!(radix(b"7f", 16), Some(127));
        assert_eq!(radix(b"+7", 16), None);
        assert_eq!(radix(b"", 16), None);
    }

    #[test]
    fn whole_numbers() {
        assert_eq!(parse_number::<u8>(b"255"), Some(255));
        assert_eq!(parse_number::<u8>(b"256"), None);
        assert_eq!(parse_number::<u8>(b"+1"), None);
        assert_eq!(parse_signed(b"-13"), Some(-13));
        assert_eq!(parse_signed(b"--13"), None);
        assert_eq!(parse_signed(b"-"), None);
    }
}
