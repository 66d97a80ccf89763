//! One line of a recording.

use std::borrow::Cow;

use idiolect_trace::{CallName, table};

const NS_A_SECOND: u64 = 1_000_000_000;
const NS_A_DAY: u64 = 86_400 * NS_A_SECOND;

/// How a line tells the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// 2021: `EPOCH_NS uid pid comm tid call >|< arguments`.
    Epoch,
    /// 2019: `number HH:MM:SS.NS cpu uid comm tid >|< call arguments`.
    OfDay,
    /// The same, when midnights have passed since its first line: the last time and their nanoseconds.
    After {
        /// The time of the line before, on the recording's own clock.
        last: u64,
        /// Nanoseconds of the days that are over.
        days: u64,
    },
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A call was entered.
    Call {
        time_ns: u64,
        tid: u64,
        name: Cow<'a, str>,
    },
    /// One returned.
    Return,
}

impl<'a> Entry<'a> {
    /// Reads it; none where it has another form. Program names (`comm`) may hold blanks, so the fields
    /// after them are found from the direction on.
    pub(super) fn parse(line: &'a [u8], clock: &mut Clock) -> Option<Self> {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            // Arguments may be of any bytes, and are not wanted.
            Err(error) => std::str::from_utf8(&line[..error.valid_up_to()]).ok()?,
        };
        let mut words = text.split_ascii_whitespace();
        let epoch = *clock == Clock::Epoch;
        if !epoch {
            words.next()?.parse::<u64>().ok()?;
        }
        let time_ns = time(words.next()?, clock)?;
        // uid and pid, or cpu and uid.
        words.next()?.parse::<i64>().ok()?;
        words.next()?.parse::<i64>().ok()?;
        let (mut before, mut last) = (None, words.next()?);
        for word in words.by_ref() {
            if word == ">" || word == "<" {
                let (tid, name) = if epoch {
                    (before?, last)
                } else {
                    (last, words.next()?)
                };
                let tid = tid.parse().ok()?;
                return Some(match word {
                    ">" => Entry::Call {
                        time_ns,
                        tid,
                        name: canonical(name)?,
                    },
                    _ => Entry::Return,
                });
            }
            (before, last) = (Some(last), word);
        }
        None
    }
}

/// The canonical name of a call as sysdig spells it.
fn canonical(name: &str) -> Option<Cow<'_, str>> {
    if name.len() > CallName::MAX_LEN {
        return None;
    }
    Some(match table::canonical(name) {
        Some(known) => Cow::Owned(known.as_str().to_owned()),
        None => Cow::Borrowed(name),
    })
}

fn time(text: &str, clock: &mut Clock) -> Option<u64> {
    let (last, days) = match *clock {
        Clock::Epoch => return text.parse().ok(),
        Clock::OfDay => (0, 0),
        Clock::After { last, days } => (last, days),
    };
    let (clock_text, fraction) = text.split_once('.')?;
    let mut parts = clock_text.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if hours > 23 || minutes > 59 || seconds > 60 || fraction.len() != 9 {
        return None;
    }
    let of_day =
        (hours * 3_600 + minutes * 60 + seconds) * NS_A_SECOND + fraction.parse::<u64>().ok()?;
    let mut now = days + of_day;
    let mut days = days;
    // Lines of several processors are hardly out of order; half a day back is a midnight.
    if now + NS_A_DAY / 2 < last {
        days += NS_A_DAY;
        now += NS_A_DAY;
    }
    *clock = Clock::After {
        last: last.max(now),
        days,
    };
    Some(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_2021() {
        let mut clock = Clock::Epoch;
        let line = b"1631078867380460410 0 2902771 my comm 7 2902772 wait4 > cpid=-1 \xff";
        let call = Entry::parse(line, &mut clock).unwrap();
        let expected = Entry::Call {
            time_ns: 1_631_078_867_380_460_410,
            tid: 2_902_772,
            name: "wait4".into(),
        };
        assert_eq!(call, expected);
        let line = b"1631078867380457267 0 2902771 apache2 2902771 select < res=0 ";
        assert_eq!(Entry::parse(line, &mut clock), Some(Entry::Return));
        for bad in [
            "",
            "x 0 1 c 2 read >",
            "1 0 1 c",
            "1 0 1 c 2 read",
            "1 0 1 > >",
            "1 0 1 c x read >",
        ] {
            assert_eq!(Entry::parse(bad.as_bytes(), &mut clock), None, "{bad}");
        }
    }

    #[test]
    fn lines_of_2019_and_midnight() {
        let mut clock = Clock::OfDay;
        let line = b"10 23:59:59.500000000 6 999 mysqld 22467 > futex addr=1";
        let time_of = |entry| match entry {
            Some(Entry::Call { time_ns, .. }) => time_ns,
            other => panic!("{other:?}"),
        };
        let before = time_of(Entry::parse(line, &mut clock));
        let line = b"11 00:00:00.250000000 6 999 mysqld 22467 > futex addr=1";
        let after = time_of(Entry::parse(line, &mut clock));
        assert_eq!(after - before, 750_000_000);
        let bad = b"11 00:00:00 6 999 mysqld 22467 > futex";
        assert_eq!(Entry::parse(bad, &mut clock), None);
    }

    proptest! {
        #[test]
        fn no_line_breaks_it(
            line in prop::collection::vec(any::<u8>(), 0..80),
            fields in prop::collection::vec("[0-9:.+-]{0,20}|[<>]|[a-z]{1,5}", 0..12),
        ) {
            for mut clock in [Clock::Epoch, Clock::OfDay] {
                Entry::parse(&line, &mut clock);
                let text = fields.join(" ");
                let parsed = Entry::parse(text.as_bytes(), &mut clock);
                prop_assert!(parsed.is_none() || fields.iter().any(|field| field == "<" || field == ">"));
            }
        }
    }
}
