//! Times as text.

pub(crate) use crate::read::text::NS_PER_SECOND;
use crate::read::text::parse_number;

/// Nanoseconds since the epoch of a time in RFC 3339 (`2022-07-27T07:13:19.893207732Z`), which may have a
/// space for the `T`; without a zone it is taken for UTC. None of other text, and of times before 1970.
pub(crate) fn rfc3339(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| parse_number::<u64>(bytes.get(from..to)?);
    let mark = |at: usize, any: &[u8]| bytes.get(at).filter(|byte| any.contains(byte));
    mark(4, b"-").and(mark(7, b"-"))?;
    mark(10, b"Tt ").and(mark(13, b":")).and(mark(16, b":"))?;
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let sane = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sane || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = bytes.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix(b".").or(rest.strip_prefix(b",")) {
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (decimal_fraction(&rest[..digits])?, &rest[digits..])
        }
        None => (0, rest),
    };
    let seconds =
        days_since_epoch(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = seconds.checked_add_signed(-offset_seconds(zone)?)?;
    seconds.checked_mul(NS_PER_SECOND)?.checked_add(fraction)
}

/// Nanoseconds of the digits after a point; digits beyond the ninth are left out.
pub(crate) fn decimal_fraction(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let kept = &digits[..digits.len().min(9)];
    let value: u64 = parse_number(kept)?;
    Some(value * 10_u64.pow(9 - kept.len() as u32))
}

/// Seconds that a zone (`Z`, `+02:00`, `-0430`) is ahead of UTC.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone {
        [] | b"Z" | b"z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (parse_number::<i64>(rest)?, 0),
        4 => (
            parse_number::<i64>(&rest[..2])?,
            parse_number::<i64>(&rest[2..])?,
        ),
        5 if rest[2] == b':' => (parse_number(&rest[..2])?, parse_number(&rest[3..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years that begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    // The same count of 1970-01-01.
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_since_the_epoch() {
        for (text, seconds, ns) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("1970-03-01T00:00:00Z", 5_097_600, 0),
            ("2000-02-29T12:00:00Z", 951_825_600, 0),
            ("2022-07-27T07:13:19.893207732Z", 1_658_905_999, 893_207_732),
            ("2022-07-27 09:13:19.5+02:00", 1_658_905_999, 500_000_000),
            ("2022-07-27T02:43:19,5-0430", 1_658_905_999, 500_000_000),
            ("2022-07-27T07:13:19", 1_658_905_999, 0),
            (
                "2100-03-01T00:00:00.1234567899Z",
                4_107_542_400,
                123_456_789,
            ),
        ] {
            assert_eq!(rfc3339(text), Some(seconds * NS_PER_SECOND + ns), "{text}");
        }
        for bad in [
            "",
            "1658905999",
            "2022-13-01T00:00:00Z",
            "2022-07-27T24:00:00Z",
            "2022-07-27T07:13:19.Z",
            "2022-07-27T07:13:19X",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "2022-07-27T07:13:1é",
        ] {
            assert_eq!(rfc3339(bad), None, "{bad}");
        }
    }
}
