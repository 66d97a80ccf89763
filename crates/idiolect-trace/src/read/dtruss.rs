//! The text of `dtruss`, the strace of macOS (and of the DTraceToolkit).
//!
//! ```text
//!         PID/THRD  RELATIVE  ELAPSD    CPU SYSCALL(args)                  = return
//! 29738/0x5d6ef:      1178     159     89 open("/dev/dtracehelper\0", 0x2, 0xFFFFFFFFEFBFEED0)             = 3 0
//! 29738/0x5d6ef:      2358    2378   1177 stat64("/nowhere\0", 0x7FFEEFBFEDE0, 0x0)             = -1 Err#2
//! ```
//!
//! | column | option |
//! |---|---|
//! | process and thread | `-f`, `-l`, `-p` with `-a` |
//! | time since the thread's start, elapsed and processor time in microseconds | `-d`, `-e`, `-o`; all by `-a` |
//!
//! Record it with `sudo dtruss -f COMMAND 2> run.dtruss`.
//!
//! # Another kernel
//! These are calls of macOS, of the ABI [`Abi::Darwin`], for which there is no table: names are kept as dtruss
//! writes them (`read_nocancel`, `stat64`, `mach_msg_trap`), numbers are unknown. A profile of Linux and a trace
//! of macOS meet by the names that both have; `score` says so, and refuses where they are too few.
//! Error numbers of macOS are turned into those of Linux that have the same name; an error that Linux does
//! not have leaves the outcome absent.
//!
//! Traps: calls are written when they return, those of a CPU together. Times are of each thread's own clock
//! and cannot be compared, so they are left out. The program's output stands between the lines. What DTrace
//! drops (`dtrace: 12 drops on CPU 0`) is a gap.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::read::events::gap;
use crate::read::line::{Emitter, LineReader};
use crate::read::lives::{Lives, Who};
use crate::read::text::{find, parse_number, parse_signed};
use crate::read::{ReadOptions, SkipKind};
use crate::{Abi, Call, Errno, GapCause, LifecycleKind, Outcome, Record, table};

/// Errors of macOS above 34, and 11, whose numbers Linux does not share, with those of the same name (macOS:
/// `bsd/sys/errno.h`; Linux: `include/uapi/asm-generic/errno.h`).
const ERRORS: &[(u16, u16)] = &[
    (11, 35),
    (35, 11),
    (36, 115),
    (37, 114),
    (38, 88),
    (39, 89),
    (40, 90),
    (41, 91),
    (42, 92),
    (43, 93),
    (44, 94),
    (45, 95),
    (46, 96),
    (47, 97),
    (48, 98),
    (49, 99),
    (50, 100),
    (51, 101),
    (52, 102),
    (53, 103),
    (54, 104),
    (55, 105),
    (56, 106),
    (57, 107),
    (58, 108),
    (59, 109),
    (60, 110),
    (61, 111),
    (62, 40),
    (63, 36),
    (64, 112),
    (65, 113),
    (66, 39),
    (68, 87),
    (69, 122),
    (70, 116),
    (77, 37),
    (78, 38),
    (84, 75),
    (89, 125),
    (90, 43),
    (91, 42),
    (92, 84),
    (94, 74),
    (96, 61),
    (100, 71),
    (101, 62),
];

/// The errors up to this are the same on both, but for 11.
const LAST_SHARED: u16 = 34;

/// Reads dtruss's text line by line.
pub(crate) struct DtrussReader {
    abi: Abi,
    lives: Lives,
}

/// A call.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    who: Who,
    name: &'a str,
    outcome: Option<Outcome>,
}

impl DtrussReader {
    pub(crate) fn new(origin: Arc<str>, options: &ReadOptions) -> Self {
        DtrussReader {
            abi: options.abi.unwrap_or(Abi::Darwin),
            lives: Lives::new(origin, options.limits.open_threads),
        }
    }
}

impl LineReader for DtrussReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let text = line.trim_ascii();
        if text.is_empty() {
            return ControlFlow::Continue(());
        }
        if find(text, b"SYSCALL(args)").is_some() {
            out.skip(SkipKind::Separator, line);
            return ControlFlow::Continue(());
        }
        if let Some(message) = text.strip_prefix(b"dtrace: ") {
            out.skip(SkipKind::ToolMessage, line);
            return match find(message, b" drop") {
                Some(_) => {
                    let digits = message.iter().take_while(|b| b.is_ascii_digit()).count();
                    let lost = parse_number(&message[..digits]);
                    out.record(gap(&self.lives, None, lost, GapCause::BufferFull))
                }
                None => ControlFlow::Continue(()),
            };
        }
        let parsed = parse(text);
        let name = parsed.as_ref().and_then(|line| table::canonical(line.name));
        let (Some(parsed), Some(name)) = (parsed, name) else {
            out.skip(SkipKind::ProgramOutput, line);
            return ControlFlow::Continue(());
        };
        // The child's own return from a fork is the first that is seen of it.
        let began = matches!(name.as_str(), "fork" | "vfork")
            && parsed.outcome == Some(Outcome::Returned(0))
            && parsed.who.tgid.is_some();
        if began {
            self.lives
                .begin(LifecycleKind::Fork, None, &parsed.who, None, out)?;
        }
        let stream = self.lives.stream(&parsed.who, out);
        out.record(Record::Call(Call {
            time_ns: None,
            stream,
            abi: self.abi,
            number: table::number(self.abi, &name),
            name,
            outcome: parsed.outcome,
        }))
    }

    fn finish(&mut self, _cut_off: bool, _out: &mut Emitter<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Takes a line apart: columns, `name(args)`, spaces, ` = `, the value and the error.
fn parse(line: &[u8]) -> Option<Line<'_>> {
    let open = line.iter().position(|b| *b == b'(')?;
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let name_at = open - line[..open].iter().rev().take_while(|b| word(b)).count();
    let name = std::str::from_utf8(&line[name_at..open]).ok()?;
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    let equals = line.windows(3).rposition(|window| window == b" = ")?;
    if equals < open || !line[..equals].trim_ascii_end().ends_with(b")") {
        return None;
    }
    Some(Line {
        who: columns(&line[..name_at])?,
        name,
        outcome: outcome(&line[equals + 3..]),
    })
}

/// Whose call it is by `29738/0x5d6ef:  1178  159  89 `; all columns may be missing.
fn columns(text: &[u8]) -> Option<Who> {
    let mut who = Who::default();
    let words = text.split(u8::is_ascii_whitespace);
    for (place, word) in words.filter(|word| !word.is_empty()).enumerate() {
        let word = word.strip_suffix(b":").unwrap_or(word);
        match word.iter().position(|b| *b == b'/') {
            Some(slash) if place == 0 => {
                let thread = word[slash + 1..].strip_prefix(b"0x")?;
                let thread = std::str::from_utf8(thread).ok()?;
                who.tgid = Some(parse_number(&word[..slash])?);
                // Threads of macOS have 64 bits; in practice they fit.
                who.tid = u32::from_str_radix(thread, 16).ok();
            }
            _ => {
                parse_number::<u64>(word)?;
            }
        }
    }
    Some(who)
}

/// `3 0`, `0x1000 0`, `-1 Err#2`.
fn outcome(text: &[u8]) -> Option<Outcome> {
    if let Some(at) = find(text, b"Err#") {
        let number: u16 = parse_number(text[at + b"Err#".len()..].trim_ascii())?;
        return errno(number).map(Outcome::Failed);
    }
    let word = text.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    match word.strip_prefix(b"0x") {
        Some(digits) => {
            let digits = std::str::from_utf8(digits).ok()?;
            let bits = u64::from_str_radix(digits, 16).ok()?;
            Some(Outcome::Returned(bits.cast_signed()))
        }
        None => parse_signed(word).map(Outcome::Returned),
    }
}

/// The error of Linux with the name of this one of macOS.
fn errno(darwin: u16) -> Option<Errno> {
    if let Some((_, linux)) = ERRORS.iter().find(|(own, _)| *own == darwin) {
        return Some(Errno(*linux));
    }
    (1..=LAST_SHARED).contains(&darwin).then_some(Errno(darwin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_columns_and_without() {
        let bare = parse(b"open(\"/a = b\\0\", 0x2)\t\t = 3 0").unwrap();
        assert_eq!((bare.name, bare.who), ("open", Who::default()));
        let full = parse(b"29738/0x5d6ef:   1178:  159:  89 stat64(\"/n\\0\", 0x0)\t\t = -1 Err#2")
            .unwrap();
        assert_eq!((full.who.tgid, full.who.tid), (Some(29_738), Some(0x5d6ef)));
        assert_eq!(full.outcome, Some(Outcome::Failed(Errno(2))));
        for other in [
            &b"hello (world) = x"[..],
            b"f(x) 3",
            b"(x) = 3 0",
            b"1/2: f() = 0 0",
            b"",
        ] {
            assert!(parse(other).is_none(), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn errors_have_the_number_of_their_name() {
        for (darwin, name) in [
            (2, "ENOENT"),
            (35, "EAGAIN"),
            (11, "EDEADLK"),
            (60, "ETIMEDOUT"),
            (66, "ENOTEMPTY"),
        ] {
            assert_eq!(errno(darwin), Errno::from_name(name));
        }
        assert_eq!(errno(93), None);
        assert_eq!(outcome(b"0x10B2 0"), Some(Outcome::Returned(0x10b2)));
    }
}
