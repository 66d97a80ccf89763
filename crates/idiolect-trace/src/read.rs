//! Reading traces: from a path to records.
//!
//! A path may be a file, a folder, an archive (`.zip`, `.tar`, `.tar.gz`, `.gz`) or standard input (`-`);
//! what it is, and the format of each file in it, is found by content. Each file that holds a trace is a
//! [`Source`]; its records go to a [`Sink`] one at a time, so memory does not grow with the file.
//!
//! Nothing is lost in silence: what a reader cannot use it counts in [`Skips`], with the first line of
//! each kind; a file of a folder or an archive that is no trace is told to [`Sink::skipped_file`]. A path
//! that was named itself and is no trace is an error, as is a file of which more than half does not
//! parse, or that ends before its end.
//!
//! The content is bounded by [`Limits`] and never trusted. Nothing is ever unpacked to disk: names in an
//! archive only name sources, and cannot lead anywhere.

use std::ops::ControlFlow;
use std::sync::Arc;

mod about;
mod alphabet;
mod archive;
mod auditd;
mod bpftrace;
mod clock;
mod detect;
mod drive;
mod dtruss;
mod error;
mod events;
mod falco;
mod format;
mod gvisor;
mod input;
mod jsonl;
mod line;
mod lives;
mod lttng;
mod map;
mod names;
mod numbering;
mod objects;
mod open;
mod pairing;
mod perf_trace;
mod recordings;
mod selection;
mod signal;
mod skips;
mod source;
mod strace;
mod sysdig;
mod tetragon;
mod text;
mod time;
mod tokens;
mod tracee;
mod tracepoint;
mod unm;

pub use about::{About, Completeness, Holds};
pub use alphabet::{Alphabet, BadAlphabet};
pub use detect::Foreign;
pub use error::ReadError;
pub use format::{Format, UnknownFormat};
pub use jsonl::{check_record, write_jsonl};
pub use map::{BadMap, Map, TimeUnit};
pub use numbering::{Numbering, UnknownNumbering};
pub use open::{read_bytes, read_path, read_paths};
pub use recordings::{Recordings, register_recordings};
pub use selection::Selection;
pub(crate) use signal::name as signal_name;
pub use skips::{FileSkip, Skip, SkipKind, Skips, escape};

use crate::{Abi, Record};

/// Receives what is read. Returning [`ControlFlow::Break`] stops the reading without an error.
pub trait Sink {
    /// A source begins.
    fn begin(&mut self, _source: &Source) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// The next record of the source that began last.
    fn record(&mut self, record: Record) -> ControlFlow<()>;

    /// The source ends. Not called for a source whose reading ends in an error, or was stopped.
    fn end(&mut self, _source: &Source, _report: &SourceReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// A file of a folder or an archive was passed over whole; `origin` is safe to print.
    fn skipped_file(&mut self, _origin: &str, _reason: &FileSkip) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// One file of a trace, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path; `archive.zip:entry` inside an archive; `-` for standard input. Safe to print:
    /// control characters in names are [escaped](escape).
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

/// How a source went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Lines read, blank ones included.
    pub lines: u64,
    /// Calls yielded.
    pub calls: u64,
    /// What was passed over.
    pub skips: Skips,
    /// How it shows that some calls were chosen, if it does; set when the source ends.
    pub selection: Option<Selection>,
    pub(crate) seen: selection::Seen,
}

/// How the reading of everything that was named went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files that held a trace and were read to their end.
    pub sources: u64,
    /// Lines of them, blank ones included.
    pub lines: u64,
    /// Calls yielded.
    pub calls: u64,
    /// Files of folders and archives that were passed over whole.
    pub skipped_files: u64,
    /// What was passed over inside sources, a row a kind.
    pub skips: Vec<TotalSkip>,
    /// Whether the sink stopped the reading.
    pub stopped: bool,
}

/// One kind of thing that was passed over, in all sources together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalSkip {
    /// The source of the first one.
    pub first_origin: Arc<str>,
    /// The kind, how many in all sources, and the first one's line and beginning.
    pub skip: Skip,
}

impl Totals {
    /// How many things of one kind were passed over.
    pub fn skipped(&self, kind: SkipKind) -> u64 {
        self.skips
            .iter()
            .find(|total| total.skip.kind == kind)
            .map_or(0, |total| total.skip.count)
    }

    fn add(&mut self, source: &Source, report: &SourceReport) {
        self.sources += 1;
        self.lines += report.lines;
        self.calls += report.calls;
        for skip in report.skips.iter() {
            match self
                .skips
                .iter_mut()
                .find(|total| total.skip.kind == skip.kind)
            {
                Some(total) => total.skip.count += skip.count,
                None => self.skips.push(TotalSkip {
                    first_origin: source.origin.clone(),
                    skip: skip.clone(),
                }),
            }
        }
    }
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
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The format; found by content where absent.
    pub format: Option<Format>,
    /// The ABI of formats that do not name theirs; found by content, else the machine's own, where
    /// absent.
    pub abi: Option<Abi>,
    /// The table of UNM's call numbers, which their files do not name.
    pub numbering: Option<Numbering>,
    /// Where the parts of a call stand in tables and JSON of any layout; with it, all that is read is such.
    pub map: Option<Arc<Map>>,
    /// What each character stands for, where a character is a call.
    pub alphabet: Option<Arc<Alphabet>>,
    /// Bounds.
    pub limits: Limits,
}
