//! What was passed over, and why.

use std::fmt;

use crate::read::Foreign;

/// What a reader passed over, by kind, with the first of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skips {
    entries: Vec<Skip>,
}

/// One kind of thing that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// What it was.
    pub kind: SkipKind,
    /// How many.
    pub count: u64,
    /// Line of the first one, from 1.
    pub first_line: u64,
    /// The first one's beginning, with control characters escaped.
    pub excerpt: String,
}

/// Why a line, or a file, was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipKind {
    /// It is not in the form that the format has.
    Unparsed,
    /// It is longer than [`Limits::line_bytes`](crate::read::Limits::line_bytes).
    TooLong,
    /// The file ends in the middle of it.
    CutOff,
    /// Output of the traced program, glued into the trace.
    ProgramOutput,
    /// A message of the tracing tool (`strace: Process 12 attached`).
    ToolMessage,
    /// A signal, or another event that is no call.
    NotACall,
    /// A mark between parts of a file (`0 0` in UNM's data).
    Separator,
    /// A second half (`<... read resumed>`) whose first half is not in the file.
    OrphanResumed,
    /// A call that never returned in this file.
    NeverResumed,
    /// An identifier or table entry beyond [`Limits::open_threads`](crate::read::Limits::open_threads)
    /// was dropped.
    OverBound,
}

impl SkipKind {
    /// Whether it means that something of the trace was lost, rather than that the line held no call.
    pub fn is_loss(self) -> bool {
        match self {
            SkipKind::Unparsed
            | SkipKind::TooLong
            | SkipKind::CutOff
            | SkipKind::OrphanResumed
            | SkipKind::OverBound => true,
            SkipKind::ProgramOutput
            | SkipKind::ToolMessage
            | SkipKind::NotACall
            | SkipKind::Separator
            | SkipKind::NeverResumed => false,
        }
    }
}

impl fmt::Display for SkipKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipKind::Unparsed => "not in the expected form",
            SkipKind::TooLong => "too long",
            SkipKind::CutOff => "cut off by the end of the file",
            SkipKind::ProgramOutput => "output of the traced program",
            SkipKind::ToolMessage => "messages of the tracing tool",
            SkipKind::NotACall => "signals and other events that are no calls",
            SkipKind::Separator => "separators",
            SkipKind::OrphanResumed => "resumed calls whose beginning is missing",
            SkipKind::NeverResumed => "calls that never returned",
            SkipKind::OverBound => "beyond the bound on open threads",
        })
    }
}

/// Bytes of a skipped line that are kept to show.
pub(crate) const EXCERPT_BYTES: usize = 120;

impl Skips {
    /// Counts one more.
    pub fn add(&mut self, kind: SkipKind, line: u64, text: &[u8]) {
        if let Some(skip) = self.entries.iter_mut().find(|skip| skip.kind == kind) {
            skip.count += 1;
            return;
        }
        self.entries.push(Skip {
            kind,
            count: 1,
            first_line: line,
            excerpt: escape(&text[..text.len().min(EXCERPT_BYTES)]),
        });
    }

    /// Each kind that occurred, in the order of first occurrence.
    pub fn iter(&self) -> impl Iterator<Item = &Skip> {
        self.entries.iter()
    }

    /// How many of one kind.
    pub fn count(&self, kind: SkipKind) -> u64 {
        self.get(kind).map_or(0, |skip| skip.count)
    }

    /// One kind, if it occurred.
    pub fn get(&self, kind: SkipKind) -> Option<&Skip> {
        self.entries.iter().find(|skip| skip.kind == kind)
    }
}

/// Why a file of a folder or an archive was passed over whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSkip {
    /// An operating system or an editor leaves such files behind (`.DS_Store`, `__MACOSX`, `notes~`).
    LeftBehind,
    /// There is nothing in it.
    Empty,
    /// It is something else.
    Foreign(Foreign),
    /// It is text in no known form.
    Unrecognised,
    /// It is an archive, inside an archive.
    NestedArchive,
    /// It is a link, to a folder or to nothing.
    Link,
    /// It is a device, a socket or a pipe.
    Special,
}

impl fmt::Display for FileSkip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileSkip::LeftBehind => f.write_str("a file that systems and editors leave behind"),
            FileSkip::Empty => f.write_str("empty"),
            FileSkip::Foreign(foreign) => write!(f, "looks like {foreign}{}", foreign.advice()),
            FileSkip::Unrecognised => f.write_str("text in no known form"),
            FileSkip::NestedArchive => f.write_str("an archive inside an archive"),
            FileSkip::Link => f.write_str("a link to a folder or to nothing"),
            FileSkip::Special => f.write_str("a device, a socket or a pipe"),
        }
    }
}

/// Makes bytes out of a trace safe to print: control characters, invalid UTF-8 and the characters that
/// turn the direction of text become `\n`, `\u{1b}`, `\xff`; everything else stays as it is.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || turns {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_obeys() {
        assert_eq!(escape(b"a\x1b[31m\n\xff"), r"a\u{1b}[31m\n\xff");
        assert_eq!(escape("é\u{202e}\u{9b}".as_bytes()), r"é\u{202e}\u{9b}");
    }

    #[test]
    fn skips_keep_the_first_of_each_kind() {
        let mut skips = Skips::default();
        skips.add(SkipKind::Unparsed, 3, &[b'x'; 500]);
        skips.add(SkipKind::TooLong, 4, b"y");
        skips.add(SkipKind::Unparsed, 5, b"z");
        let first = skips.get(SkipKind::Unparsed).unwrap();
        assert_eq!((first.count, first.first_line), (2, 3));
        assert_eq!(first.excerpt.len(), EXCERPT_BYTES);
        assert_eq!(skips.count(SkipKind::CutOff), 0);
    }
}
