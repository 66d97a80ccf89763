//! Words and numbers as pictures show them.

use crate::font::{self, Weight};

/// Text whose control characters, and those that turn the direction of writing or that XML forbids, are
/// escaped. Clean text stays as it is, so that text can be cleaned twice.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        let forbidden = matches!(c, '\u{fffe}' | '\u{ffff}');
        if c.is_control() || turns || forbidden {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Cleaned text, its middle left out so that it is at most this many pixels wide.
pub(crate) fn shortened(text: &str, room: f32, size: f32, weight: Weight) -> String {
    /// More characters than any picture has room for.
    const LONGEST: usize = 4_096;
    let chars: Vec<char> = clean(text).chars().take(LONGEST).collect();
    let whole: String = chars.iter().collect();
    if font::width(&whole, size, weight) <= room {
        return whole;
    }
    let kept = |count: usize| -> String {
        let (head, tail) = (count.div_ceil(2), count / 2);
        let head = chars[..head].iter();
        let tail = chars[chars.len() - tail..].iter();
        head.chain(['…'].iter()).chain(tail).collect()
    };
    let (mut fits, mut too_many) = (0, chars.len());
    while too_many - fits > 1 {
        let count = (fits + too_many) / 2;
        if font::width(&kept(count), size, weight) <= room {
            fits = count;
        } else {
            too_many = count;
        }
    }
    kept(fits)
}

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with so many digits after the point, thousands separated.
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = whole.parse::<u64>().map_or(whole.to_owned(), count);
    let is_zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    let sign = if value < 0.0 && !is_zero { "−" } else { "" };
    format!("{sign}{whole}{rest}")
}

/// A share in per cent, with the digits that tell it from its neighbours.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        p if p >= 9.95 || p == 0.0 => 0,
        p if p >= 0.995 => 1,
        p if p >= 0.01 => 2,
        _ => return "under 0.01 %".to_owned(),
    };
    let text = format!("{percent:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        assert_eq!(count(1_234_567u32), "1,234,567");
        assert_eq!(decimal(-1_234.56, 1), "−1,234.6");
        assert_eq!(decimal(-0.01, 1), "0.0");
        assert_eq!(decimal(12_000.0, 0), "12,000");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(percent(0.0125), "1.2 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1e-9), "under 0.01 %");
    }

    #[test]
    fn the_middle_of_long_names_is_left_out() {
        let name = "a".repeat(100) + "tail";
        let short = shortened(&name, 100.0, 12.0, Weight::Regular);
        assert!(short.starts_with("aaa") && short.ends_with("tail") && short.contains('…'));
        assert!(font::width(&short, 12.0, Weight::Regular) <= 100.0);
        assert_eq!(shortened("short", 100.0, 12.0, Weight::Regular), "short");
        assert_eq!(shortened("anything", 0.0, 12.0, Weight::Regular), "…");
    }

    proptest! {
        #[test]
        fn nothing_that_a_viewer_obeys_is_left(text in any::<String>()) {
            let cleaned = clean(&text);
            let obeyed = |c: char| c.is_control() || c == '\u{202e}' || c == '\u{ffff}';
            prop_assert!(!cleaned.chars().any(obeyed), "{:?}", cleaned);
            prop_assert_eq!(&clean(&cleaned), &cleaned);
            let short = shortened(&text, 80.0, 12.0, Weight::Regular);
            prop_assert!(font::width(&short, 12.0, Weight::Regular) <= 80.0);
        }
    }
}
