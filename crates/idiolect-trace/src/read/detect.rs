//! Which format a file is in, from its beginning.

use std::collections::HashSet;

use crate::read::{Format, Label, Part};
use crate::table;

mod foreign;
mod tracers;

pub use foreign::Foreign;
pub(crate) use foreign::{by_magic, is_binary};

/// Bytes of a file that are looked at.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// Lines that are looked at.
const MAX_LINES: usize = 400;

/// What a file's beginning shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Detected {
    /// A format that is read.
    Known(Format),
    /// Something else, known by its look.
    Foreign(Foreign),
    /// Nothing but white space.
    Empty,
    /// Text in no known form.
    Unrecognised,
}

/// What is known of a file beside its content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hints {
    /// What is looked at is all of it.
    pub(crate) whole: bool,
    /// It lies in a folder of ADFA-LD.
    pub(crate) in_adfa: bool,
    /// Numbers are known not to be i386.
    pub(crate) other_abi: bool,
    /// The table of UNM's numbers was named.
    pub(crate) numbering: bool,
}

/// Tells the format from the first [`HEAD_BYTES`] of a file.
///
/// Where the file does not end there its last line is left out, as it may be cut.
pub(crate) fn detect(head: &[u8], hints: Hints) -> Detected {
    if let Some(foreign) = by_magic(head) {
        return Detected::Foreign(foreign);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if text.trim_ascii().is_empty() {
        return Detected::Empty;
    }
    if foreign::is_binary(text) {
        return Detected::Foreign(Foreign::Binary);
    }
    let text = match text.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if !hints.whole => &text[..end],
        _ => text,
    };
    let lines: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .take(MAX_LINES)
        .collect();
    if let Some(format) = by_json(&lines) {
        return format;
    }
    if let Some(foreign) = foreign::by_lines(&lines) {
        return Detected::Foreign(foreign);
    }
    if lines.iter().filter(|line| is_auditd(line)).count() * 2 > lines.len() {
        return Detected::Known(Format::Auditd);
    }
    if let Some(format) = tracers::by_lines(&lines) {
        return Detected::Known(format);
    }
    // Logs of a sandbox hold more than calls, and the output of a program may stand between them.
    if lines.iter().any(|line| contains(line, b" strace.go:")) {
        return Detected::Known(Format::Gvisor);
    }
    if lines.iter().any(|line| is_dtruss_header(line)) {
        return Detected::Known(Format::Dtruss);
    }
    if is_strace(&lines) {
        return Detected::Known(Format::Strace);
    }
    by_words(&lines, hints)
}

/// What ADFA-LD says of a trace by the folders that it lies in, the innermost last.
pub(crate) fn adfa_label<'a>(folders: impl DoubleEndedIterator<Item = &'a str>) -> Option<Label> {
    let mut below = None;
    for folder in folders.rev() {
        let part = match folder {
            "Training_Data_Master" => Part::Training,
            "Validation_Data_Master" => Part::Validation,
            "Attack_Data_Master" => Part::Attack,
            _ => {
                below = Some(folder);
                continue;
            }
        };
        let family = match part {
            Part::Attack => below.map(family),
            Part::Training | Part::Validation => None,
        };
        return Some(Label { part, family });
    }
    None
}

/// `Hydra_SSH` of `Hydra_SSH_7`.
fn family(folder: &str) -> String {
    match folder.rsplit_once('_') {
        Some((family, number))
            if !family.is_empty()
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            family.to_owned()
        }
        _ => folder.to_owned(),
    }
}

fn by_json(lines: &[&[u8]]) -> Option<Detected> {
    let first = lines.first()?;
    if !matches!(first.first(), Some(b'{' | b'[')) {
        return None;
    }
    // `[pid 12]` begins a line of strace, `[12:34:56.789]` one of LTTng.
    if first[0] == b'[' && !matches!(first.get(1), None | Some(b'{')) {
        return None;
    }
    let ours = lines.iter().any(|line| {
        line.first() == Some(&b'{')
            && [&br#""record":"#[..], br#""record" :"#]
                .iter()
                .any(|key| contains(line, key))
    });
    Some(if ours {
        Detected::Known(Format::Jsonl)
    } else if let Some(format) = tracers::by_json(lines) {
        Detected::Known(format)
    } else {
        foreign::json(lines)
    })
}

/// A record of an audit log, or what `ausearch` puts between events.
fn is_auditd(line: &[u8]) -> bool {
    *line == *b"----"
        || line.starts_with(b"time->")
        || contains(line, b"audit_lost=")
        || (contains(line, b"type=") && contains(line, b"audit(") && contains(line, b"): ")
            || contains(line, b" msg=audit("))
}

/// `PID/THRD  RELATIVE  ELAPSD    CPU SYSCALL(args)                  = return`
fn is_dtruss_header(line: &[u8]) -> bool {
    contains(line, b"SYSCALL(args)") && line.ends_with(b"= return")
}

/// At least a quarter of the lines, since a program's output may be glued in between.
fn is_strace(lines: &[&[u8]]) -> bool {
    let alike = lines.iter().filter(|line| is_strace_line(line)).count();
    let summary = lines
        .first()
        .is_some_and(|line| line.starts_with(b"% time") && contains(line, b"usecs/call"));
    summary || (alike > 0 && alike * 4 >= lines.len())
}

/// Whether strace may have written a line, whatever its options.
fn is_strace_line(line: &[u8]) -> bool {
    if line.starts_with(b"strace: ") {
        return true;
    }
    let event = |mark: &[u8], end: &[u8]| contains(line, mark) && line.ends_with(end);
    if event(b"+++ exited with ", b" +++")
        || event(b"+++ killed by ", b" +++")
        || event(b"--- SIG", b" ---")
        || (contains(line, b"<... ") && contains(line, b" resumed>"))
    {
        return true;
    }
    let Some(open) = line.iter().position(|byte| *byte == b'(') else {
        return false;
    };
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let name = open
        - line[..open]
            .iter()
            .rev()
            .take_while(|byte| is_word(byte))
            .count();
    line[name..open]
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && is_strace_prefix(&line[..name])
        && (contains(line, b") = ")
            || contains(line, b")  ")
            || contains(line, b"<unfinished ...>")
            || contains(line, b"<detached ...>"))
}

/// What stands before a call: process, time, instruction pointer and number, in any of their forms.
fn is_strace_prefix(prefix: &[u8]) -> bool {
    let mut depth = 0_usize;
    prefix.iter().all(|byte| match byte {
        b'[' | b'<' => {
            depth += 1;
            true
        }
        b']' | b'>' => {
            depth = depth.saturating_sub(1);
            true
        }
        b'0'..=b'9' | b' ' | b'\t' | b':' | b'.' | b'+' | b'-' => true,
        _ => depth > 0,
    })
}

fn by_words(lines: &[&[u8]], hints: Hints) -> Detected {
    let (mut numbers, mut names, mut others) = (0_usize, 0_usize, 0_usize);
    let mut lines_with_words = 0_usize;
    let mut pairs = 0_usize;
    let mut processes = HashSet::new();
    for line in lines {
        let code = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = code
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .peekable();
        if words.peek().is_none() {
            continue;
        }
        lines_with_words += 1;
        let (mut in_line, mut first_is_number) = (0, false);
        for word in words {
            in_line += 1;
            if in_line == 1 {
                first_is_number = word.iter().all(u8::is_ascii_digit);
                processes.insert(word);
            }
            if word.iter().all(u8::is_ascii_digit) {
                numbers += 1;
            } else if std::str::from_utf8(word).is_ok_and(table::is_known_spelling) {
                names += 1;
            } else {
                others += 1;
            }
        }
        pairs += usize::from(in_line == 2 && first_is_number);
    }
    // The last word may be cut where the head does not end with a line.
    if !hints.whole && lines.len() == 1 {
        others = others.saturating_sub(1);
    }
    let total = numbers + names + others;
    if total == 0 {
        return Detected::Unrecognised;
    }
    if numbers == total && hints.in_adfa {
        return Detected::Known(Format::Adfa);
    }
    // Who names a table means pairs, though some lines are not.
    if hints.numbering && pairs * 2 > lines_with_words {
        return Detected::Known(Format::Unm);
    }
    // Also where there is one pair alone: UNM's data have files of a single call.
    if pairs == lines_with_words {
        // Names need no table. Where no number comes twice it is a list, such as the table itself.
        let is_list = lines_with_words > 1 && processes.len() == lines_with_words;
        if names == lines_with_words && !is_list {
            return Detected::Known(Format::Unm);
        }
        return Detected::Foreign(Foreign::NumberPairs);
    }
    if numbers == total && lines_with_words == 1 && numbers > 1 && !hints.other_abi {
        return Detected::Known(Format::Adfa);
    }
    // Four of five words, so that prose with a call's name in it is not a trace.
    if (numbers + names) * 5 >= total * 4 {
        Detected::Known(Format::Plain)
    } else {
        Detected::Unrecognised
    }
}

/// Whether a piece of text stands anywhere in another.
fn contains(text: &[u8], piece: &[u8]) -> bool {
    text.windows(piece.len()).any(|window| window == piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Hints = Hints {
        whole: true,
        in_adfa: false,
        other_abi: false,
        numbering: false,
    };

    fn known(text: &str) -> Detected {
        detect(text.as_bytes(), WHOLE)
    }

    #[test]
    fn formats_by_content() {
        for (text, format) in [
            ("6 6 63 6 42 120 6 195", Format::Adfa),
            ("\u{feff}6 6 63\r\n", Format::Adfa),
            ("read\nwrite\nclose\n", Format::Plain),
            ("# calls\n3\n4\n5\n", Format::Plain),
            ("read write # note, with words in it\n", Format::Plain),
            ("{\"record\":\"call\"}\n", Format::Jsonl),
            ("brk(NULL) = 0x1\n", Format::Strace),
            (
                "[pid  12] 12:00:01.5 read(3,  <unfinished ...>\n",
                Format::Strace,
            ),
            (
                "12 1577836800.1 [00007f12] [ 12] read(3, \"\", 1) = 0 <0.1>\n",
                Format::Strace,
            ),
            ("12<ls> +++ exited with 0 +++\n", Format::Strace),
            ("hello\nworld\nout\nbrk(NULL)      = 0\n", Format::Strace),
            (
                "% time     seconds  usecs/call     calls    errors syscall\n",
                Format::Strace,
            ),
        ] {
            assert_eq!(known(text), Detected::Known(format), "{text}");
        }
    }

    #[test]
    fn the_place_and_the_abi_count() {
        assert_eq!(
            detect(
                b"6",
                Hints {
                    in_adfa: true,
                    ..WHOLE
                }
            ),
            Detected::Known(Format::Adfa)
        );
        assert_eq!(
            detect(
                b"6 7 8",
                Hints {
                    other_abi: true,
                    ..WHOLE
                }
            ),
            Detected::Known(Format::Plain)
        );
    }

    #[test]
    fn pairs_are_unm_s_once_their_table_is_named() {
        let named = Hints {
            numbering: true,
            ..WHOLE
        };
        for pairs in ["551 4  \n551 2  \n", "12 3\r\n13 5\r\n", "9 read\n"] {
            assert_eq!(
                detect(pairs.as_bytes(), named),
                Detected::Known(Format::Unm)
            );
        }
        // Names need no table; other formats are what they were.
        assert_eq!(known("9 read\n9 write\n"), Detected::Known(Format::Unm));
        assert_eq!(
            known("2 read\n3 write\n"),
            Detected::Foreign(Foreign::NumberPairs)
        );
        assert_eq!(detect(b"1 2 3", named), Detected::Known(Format::Adfa));
    }

    #[test]
    fn what_is_no_trace() {
        assert_eq!(known(" \n\r\n"), Detected::Empty);
        assert_eq!(
            known("To read this, open it and write.\n"),
            Detected::Unrecognised
        );
        for pairs in ["12 3\n", "12 3\n12 4\n13 5\n", "12 read\n13 no_call\n"] {
            assert_eq!(known(pairs), Detected::Foreign(Foreign::NumberPairs));
        }
        assert_eq!(known("# only a comment\n"), Detected::Unrecognised);
    }

    #[test]
    fn labels_come_from_folders() {
        let label = |path: &str| adfa_label(path.split('/'));
        let attack = label("x/ADFA-LD/Attack_Data_Master/Hydra_SSH_7").unwrap();
        assert_eq!(attack.part, Part::Attack);
        assert_eq!(attack.family.as_deref(), Some("Hydra_SSH"));
        let training = label("Training_Data_Master").unwrap();
        assert_eq!((training.part, training.family), (Part::Training, None));
        assert_eq!(label("Attack_Data_Master").unwrap().family, None);
        assert_eq!(
            label("Attack_Data_Master/Odd").unwrap().family.unwrap(),
            "Odd"
        );
        assert_eq!(label("a/b"), None);
    }
}
