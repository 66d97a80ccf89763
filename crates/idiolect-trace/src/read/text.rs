//! Small things that readers of text share.

/// Where a piece of text first stands in another.
pub(crate) fn find(text: &[u8], piece: &[u8]) -> Option<usize> {
    let first = *piece.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + at;
        if text[at..].starts_with(piece) {
            return Some(at);
        }
        from = at + 1;
    }
    None
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
    fn pieces_and_numbers() {
        assert_eq!(find(b"aaab", b"aab"), Some(1));
        assert_eq!(find(b"aaab", b"b"), Some(3));
        assert_eq!(find(b"aaa", b"ab"), None);
        assert_eq!(find(b"", b"a"), None);
        assert_eq!(parse_number::<u8>(b"255"), Some(255));
        assert_eq!(parse_number::<u8>(b"256"), None);
        assert_eq!(parse_number::<u8>(b"+1"), None);
        assert_eq!(parse_signed(b"-13"), Some(-13));
        assert_eq!(parse_signed(b"--13"), None);
        assert_eq!(parse_signed(b"-"), None);
    }
}
