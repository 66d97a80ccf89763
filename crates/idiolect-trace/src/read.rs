//! Reading traces: from a path to records.
//!
//! A path may be a file, a folder, an archive or standard input. Each file in it is a [`Source`]; its
//! records go to a [`Sink`] one at a time, so memory does not grow with the file. What a reader cannot
//! use it counts in [`Skips`], with the first line of each kind.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

mod line;

use crate::{Abi, Record};

/// Receives what is read. Returning [`ControlFlow::Break`] stops the reading without an error.
pub trait Sink {
    /// A source begins.
    fn begin(&mut self, _source: &Source) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// The next record of the source that began last.
    fn record(&mut self, record: Record) -> ControlFlow<()>;

    /// The source ends.
    fn end(&mut self, _source: &Source, _report: &SourceReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// One file of a trace, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path; `archive.zip:entry` inside an archive; `-` for standard input.
    pub origin: Arc<str>,
    /// What it is written in.
    pub format: Format,
    /// What the place of the file in a known data set says of it.
    pub label: Option<Label>,
}

/// What a data set says of one of its traces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Which part of the set it belongs to.
    pub part: Part,
    /// The kind of attack (`Hydra_SSH`), for [`Part::Attack`].
    pub family: Option<String>,
}

/// The parts of a labelled data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Normal, to learn from.
    Training,
    /// Normal, to test on.
    Validation,
    /// Not normal.
    Attack,
}

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// ADFA-LD: i386 call numbers separated by spaces, one trace a file.
    Adfa,
    /// The text that strace writes.
    Strace,
    /// Call names or numbers separated by white space, one stream a file.
    Plain,
    /// [`Record`]s as JSON, one a line.
    Jsonl,
}

/// How a source went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Lines read, blank ones included.
    pub lines: u64,
    /// Calls yielded.
    pub calls: u64,
    /// What was passed over.
    pub skips: Skips,
}

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
    /// It is longer than [`Limits::line_bytes`].
    TooLong,
    /// The file ends in the middle of it.
    CutOff,
    /// Output of the traced program, glued into the trace.
    ProgramOutput,
    /// A message of the tracing tool (`strace: Process 12 attached`).
    ToolMessage,
    /// A signal, or another event that is no call.
    NotACall,
    /// A second half (`<... read resumed>`) whose first half is not in the file.
    OrphanResumed,
    /// A call that never returned in this file.
    NeverResumed,
    /// An identifier or table entry beyond [`Limits::open_threads`] was dropped.
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
            SkipKind::OrphanResumed => "resumed calls whose beginning is missing",
            SkipKind::NeverResumed => "calls that never returned",
            SkipKind::OverBound => "beyond the bound on open threads",
        })
    }
}

/// Bytes of a skipped line that are kept to show.
const EXCERPT_BYTES: usize = 120;

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
        self.entries
            .iter()
            .find(|skip| skip.kind == kind)
            .map_or(0, |skip| skip.count)
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

/// Bounds on what a reader takes from input that nobody has vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest line, in bytes.
    pub line_bytes: usize,
    /// Threads that a reader remembers at one time.
    pub open_threads: usize,
    /// Files in one archive or folder.
    pub entries: usize,
    /// Bytes that one archive may unpack to.
    pub unpacked_bytes: u64,
    /// How often larger than its packed form an archive may unpack, beyond the first 64 MiB.
    pub unpack_ratio: u64,
    /// How deep folders may lie.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line_bytes: 4 << 20,
            open_threads: 65_536,
            entries: 1_000_000,
            unpacked_bytes: 64 << 30,
            unpack_ratio: 1_000,
            depth: 32,
        }
    }
}

/// How to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// The format; found by content where absent.
    pub format: Option<Format>,
    /// The ABI of formats that do not name theirs; found by content, else the machine's own, where
    /// absent.
    pub abi: Option<Abi>,
    /// Bounds.
    pub limits: Limits,
}
