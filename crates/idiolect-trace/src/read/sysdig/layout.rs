//! What stands where in a line, by the first lines of the file.
//!
//! A line has a time among its first words, then the program's name, which may hold spaces, then the
//! thread, the event's type and the direction, or the direction and the type. So the direction is looked
//! for, the type is the word on one side of it, and the thread the word before them.

use super::event::{Event, Side, is_no_call};
use super::{Stamp, Time};
use crate::read::text::{
    NS_PER_SECOND, ascii, parse_number, seconds, take_number, time_of_day, whole, word,
};
use crate::table;

/// Digits from which on a number is nanoseconds since the epoch.
const EPOCH_NS_DIGITS: usize = 18;
/// Seconds below this do not count from the epoch (this is in 1973).
pub(super) const MIN_EPOCH_NS: u64 = 100_000_000 * 1_000_000_000;
/// Words at a line's beginning that may be its time.
const TIME_WORDS: usize = 4;

/// Where the direction is, or what stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Direction {
    /// `> read`
    #[default]
    BeforeName,
    /// `read >`
    AfterName,
    /// There is none, and each call has two lines.
    AbsentTwice,
    /// There is none, and each call has one line.
    AbsentOnce,
}

/// What a time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Midnight,
    Epoch,
    /// From the capture's beginning (`-t r`).
    Start,
    /// From the line before (`-t D`).
    Step,
}

/// The layout of a file's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    direction: Direction,
    /// Which word the time is, and what it counts from.
    time: Option<(usize, Counts)>,
    /// Which word the process is.
    process: Option<usize>,
}

impl Layout {
    /// The layout that most of these lines have.
    pub(super) fn of(lines: &[&[u8]]) -> Self {
        let mut layout = Layout {
            direction: direction_of(lines),
            ..Layout::default()
        };
        let split: Vec<Parts<'_>> = lines.iter().filter_map(|line| layout.parts(line)).collect();
        layout.time = time_of(&split);
        // LID-DS 2021: time, user, process, program, thread.
        if layout.direction == Direction::AfterName && layout.time == Some((0, Counts::Epoch)) {
            let is_process = |parts: &Parts<'_>| {
                let mut words = parts.before.split(|byte| *byte == b' ').skip(2);
                words
                    .next()
                    .is_some_and(|word| parse_number::<u32>(word).is_some())
                    && words.count() >= 1
            };
            layout.process = split.iter().all(is_process).then_some(2);
        }
        layout
    }

    /// A line's event and time; none where it has another form.
    pub(super) fn split<'a>(&self, line: &'a [u8]) -> Option<(Event<'a>, Time)> {
        let parts = self.parts(line)?;
        let stamp = self
            .time
            .and_then(|(at, counts)| stamp(nth_word(parts.before, at)?, counts));
        let event = Event {
            tid: Some(parts.tid),
            tgid: self
                .process
                .and_then(|at| parse_number::<u32>(nth_word(parts.before, at)?)),
            side: parts.side,
            name: parts.name,
            info: parts.info,
        };
        Some((event, stamp))
    }

    fn parts<'a>(&self, line: &'a [u8]) -> Option<Parts<'a>> {
        let line = line.strip_prefix(b" ").unwrap_or(line);
        match self.direction {
            Direction::BeforeName => {
                let (before, side, after) = at_direction(line)?;
                let (name, info) = word(after);
                let (before, tid) = thread(before)?;
                is_name(name).then_some(Parts {
                    before,
                    tid,
                    side,
                    name,
                    info,
                })
            }
            Direction::AfterName => {
                let (before, side, info) = at_direction(line)?;
                let (before, name) = last_word(before)?;
                let (before, tid) = thread(before)?;
                is_name(name).then_some(Parts {
                    before,
                    tid,
                    side,
                    name,
                    info,
                })
            }
            Direction::AbsentTwice => without_direction(line, Side::Either),
            Direction::AbsentOnce => without_direction(line, Side::Whole),
        }
    }
}

/// A line in its parts.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    /// What stands before the thread.
    before: &'a [u8],
    tid: u32,
    side: Side,
    name: &'a [u8],
    info: &'a [u8],
}

/// Whether sysdig may have written a line, in whatever layout.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    let layout = |direction| Layout {
        direction,
        ..Layout::default()
    };
    let known = |parts: Option<Parts<'_>>| parts.is_some_and(|parts| is_known(parts.name));
    known(layout(Direction::BeforeName).parts(line))
        || known(layout(Direction::AfterName).parts(line))
        || known(without_direction(line, Side::Whole)).then(|| {
            let (number, rest) = word(line);
            parse_number::<u32>(number).is_some() && time_of_day(word(rest).0).is_some()
        }) == Some(true)
}

/// A line of what `-v` says at the end.
pub(super) fn is_summary(line: &[u8]) -> bool {
    [
        &b"Driver Events:"[..],
        b"Driver Drops:",
        b"Suppressed by Comm:",
        b"Elapsed time:",
        b"Captured Events:",
    ]
    .iter()
    .any(|head| line.starts_with(head))
}

fn is_name(name: &[u8]) -> bool {
    match name.first() {
        Some(b'<') => name == b"<unknown>",
        Some(first) => first.is_ascii_alphabetic() || *first == b'_',
        None => false,
    }
}

fn is_known(name: &[u8]) -> bool {
    name == b"<unknown>" || is_no_call(name) || ascii(name).is_some_and(table::is_known_spelling)
}

/// Splits a line at the first ` > ` or ` < `; the last may also end it.
fn at_direction(line: &[u8]) -> Option<(&[u8], Side, &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'>', b'<', &line[from..])?;
        let rest = &line[at + 1..];
        if at > 0 && line[at - 1] == b' ' && matches!(rest.first(), None | Some(b' ')) {
            let side = if line[at] == b'>' {
                Side::Enter
            } else {
                Side::Exit
            };
            return Some((&line[..at - 1], side, rest.get(1..).unwrap_or_default()));
        }
        from = at + 1;
    }
}

/// Splits off the last word.
fn last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(b' ', text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Splits off the thread at the end: `20072`, `(20072)`, `(20072:12)` with its number in a container.
fn thread(text: &[u8]) -> Option<(&[u8], u32)> {
    let (before, last) = match last_word(text) {
        Some((before, last)) => (before, last),
        None => (&b""[..], text),
    };
    let inside = match last.strip_prefix(b"(") {
        Some(inside) => inside.strip_suffix(b")")?,
        None => last,
    };
    let (tid, rest) = take_number(inside)?;
    let tid = u32::try_from(tid).ok()?;
    matches!(rest.first(), None | Some(b':')).then_some((before, tid))
}

/// The first thread that a known event's type follows.
fn without_direction(line: &[u8], side: Side) -> Option<Parts<'_>> {
    let mut from = 0;
    loop {
        let end = from + memchr::memchr(b' ', &line[from..])?;
        let (name, info) = word(&line[end + 1..]);
        if line[..end]
            .last()
            .is_some_and(|b| *b == b')' || b.is_ascii_digit())
            && is_known(name)
            && let Some((before, tid)) = thread(&line[..end])
        {
            return Some(Parts {
                before,
                tid,
                side,
                name,
                info,
            });
        }
        from = end + 1;
    }
}

fn nth_word(text: &[u8], n: usize) -> Option<&[u8]> {
    text.split(|byte| *byte == b' ').nth(n)
}

fn direction_of(lines: &[&[u8]]) -> Direction {
    let count = |direction| {
        let layout = Layout {
            direction,
            ..Layout::default()
        };
        let parts = lines.iter().filter_map(|line| layout.parts(line));
        parts.filter(|parts| is_known(parts.name)).count()
    };
    let (before, after) = (count(Direction::BeforeName), count(Direction::AfterName));
    let absent = count(Direction::AbsentOnce);
    if before.max(after) * 2 >= absent {
        return match before >= after {
            true => Direction::BeforeName,
            false => Direction::AfterName,
        };
    }
    // Where enters are written, a thread's lines come in pairs of one name.
    let mut last = std::collections::HashMap::new();
    let mut pairs = 0;
    for parts in lines
        .iter()
        .filter_map(|line| without_direction(line, Side::Whole))
    {
        let before = last.insert(parts.tid, parts.name);
        if before == Some(parts.name) {
            pairs += 1;
            last.remove(&parts.tid);
        }
    }
    match pairs * 10 >= absent * 4 {
        true => Direction::AbsentTwice,
        false => Direction::AbsentOnce,
    }
}

/// Which word is a time in all of these lines, and what it counts from.
fn time_of(lines: &[Parts<'_>]) -> Option<(usize, Counts)> {
    if lines.is_empty() {
        return None;
    }
    let all = |at: usize, counts: Counts| {
        let fits = |parts: &Parts<'_>| {
            nth_word(parts.before, at).is_some_and(|word| stamp(word, counts).is_some())
        };
        lines.iter().all(fits)
    };
    for at in 0..TIME_WORDS {
        for counts in [Counts::Epoch, Counts::Midnight] {
            if all(at, counts) {
                return Some((at, counts));
            }
        }
        if !all(at, Counts::Start) {
            continue;
        }
        let of = |parts: &Parts<'_>| match stamp(nth_word(parts.before, at)?, Counts::Start)? {
            Stamp::Epoch(ns) => Some((ns, parts.side)),
            _ => None,
        };
        let times: Vec<(u64, Side)> = lines.iter().filter_map(of).collect();
        if times.is_sorted_by_key(|(ns, _)| *ns) {
            return Some((at, Counts::Start));
        }
        // With `-t d` an enter took no time: that is no clock.
        let no_clock = times
            .iter()
            .all(|(ns, side)| *ns == 0 || *side != Side::Enter);
        return (!no_clock).then_some((at, Counts::Step));
    }
    None
}

/// The time that a word is.
fn stamp(word: &[u8], counts: Counts) -> Time {
    match counts {
        Counts::Midnight => whole(time_of_day(word)).map(Stamp::Day),
        // With `-t a` sysdig writes the nanoseconds behind the point without leading zeros.
        Counts::Epoch if word.contains(&b'.') => {
            let (seconds, rest) = take_number(word)?;
            let ns =
                whole(take_number(rest.strip_prefix(b".")?)).filter(|ns| *ns < NS_PER_SECOND)?;
            let ns = seconds.checked_mul(NS_PER_SECOND)?.checked_add(ns)?;
            (ns >= MIN_EPOCH_NS).then_some(Stamp::Epoch(ns))
        }
        Counts::Epoch => {
            let ns = whole(take_number(word))?;
            (word.len() >= EPOCH_NS_DIGITS).then_some(Stamp::Epoch(ns))
        }
        Counts::Start | Counts::Step => {
            let ns = whole(seconds(word)).filter(|_| word.contains(&b'.'))?;
            Some(match counts {
                Counts::Step => Stamp::Step(ns),
                _ => Stamp::Epoch(ns),
            })
        }
    }
}
