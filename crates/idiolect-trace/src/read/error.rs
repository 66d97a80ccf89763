//! Why a trace could not be read.

use std::io;
use std::sync::Arc;

use crate::read::{Foreign, Format, Numbering};

/// Why a trace could not be read. Each says where, and what to do; all text in it is safe to print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The path cannot be opened.
    #[error("{origin}: cannot open: {source}")]
    Open {
        /// The path.
        origin: Arc<str>,
        /// What the system said.
        source: io::Error,
    },
    /// Reading failed part of the way.
    #[error("{origin}: reading failed at line {line}, after {calls} calls: {source}")]
    Io {
        /// The source.
        origin: Arc<str>,
        /// The line at hand, from 1.
        line: u64,
        /// Calls that were read before.
        calls: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds nothing.
    #[error("{origin}: the file is empty: was the recording started, and has it ended?")]
    Empty {
        /// The source.
        origin: Arc<str>,
    },
    /// The folder or archive holds no trace.
    #[error("{origin}: no trace in it ({skipped_files} files passed over)")]
    NoTrace {
        /// The folder or archive.
        origin: Arc<str>,
        /// Files that were passed over.
        skipped_files: u64,
    },
    /// It is something else.
    #[error("{origin}: looks like {foreign}, which is no trace that can be read{}", foreign.advice())]
    Foreign {
        /// The source.
        origin: Arc<str>,
        /// What it looks like.
        foreign: Foreign,
    },
    /// The format cannot be told from the content.
    #[error(
        "{origin}: cannot tell which format this text is in; it begins {excerpt:?}. \
         If it is a trace, name its format (--format; `idiolect formats` lists them), or the columns of a \
         table of calls (--map)"
    )]
    Unrecognised {
        /// The source.
        origin: Arc<str>,
        /// Its beginning.
        excerpt: String,
    },
    /// The format says nothing without this option.
    #[error("{origin}: {format} cannot be read without {option}")]
    Needs {
        /// The source.
        origin: Arc<str>,
        /// Its format.
        format: Format,
        /// What to add to the command line.
        option: &'static str,
    },
    /// Pairs of process and call numbers whose table nobody named.
    #[error(
        "{origin}: pairs of a process number and a call number, as in UNM's data, and nothing in the file \
         says by which table: name it, {}{advice}",
        Numbering::ADVICE
    )]
    NoNumbering {
        /// The source.
        origin: Arc<str>,
        /// What its beginning rules out; empty, or a sentence with what goes before it.
        advice: String,
    },
    /// The calls make no sense by the table that was named.
    #[error(
        "{origin}: by the table {numbering}, {reason}; so the calls are numbered in another way{fits}: \
         name the table that they are of, {}",
        Numbering::ADVICE
    )]
    WrongNumbering {
        /// The first source that was read by it.
        origin: Arc<str>,
        /// The table that was named.
        numbering: Numbering,
        /// What cannot be.
        reason: String,
        /// Which tables fit; empty, or what goes on from the sentence.
        fits: String,
    },
    /// More than half of it does not parse.
    #[error(
        "{origin}: {unparsed} of {total} {units} are not in the form of {format}; the first is on line \
         {first_line}: {excerpt:?}. Is it another format (--format)?"
    )]
    MostlyUnparsed {
        /// The source.
        origin: Arc<str>,
        /// The format that it was read as.
        format: Format,
        /// How many do not parse.
        unparsed: u64,
        /// Of how many.
        total: u64,
        /// What is counted: `lines` or `words`.
        units: &'static str,
        /// Line of the first one, from 1.
        first_line: u64,
        /// Beginning of the first one, escaped.
        excerpt: String,
    },
    /// The format's reader knows what this is, and that it holds no calls in order.
    #[error("{origin}: line {line}: {reason}")]
    Refused {
        /// The source.
        origin: Arc<str>,
        /// The line that showed it, from 1.
        line: u64,
        /// What it is and what to do.
        reason: String,
    },
    /// The file or archive ends before its end.
    #[error(
        "{origin}: truncated: it ends after {bytes} bytes and {calls} calls, in the middle. \
         Copy or record it again"
    )]
    Truncated {
        /// The source or archive.
        origin: Arc<str>,
        /// Bytes that were read of it, unpacked.
        bytes: u64,
        /// Calls that were read of it.
        calls: u64,
    },
    /// The archive is damaged, or of a kind that is not read.
    #[error("{origin}: the archive cannot be read after {bytes} bytes: {reason}")]
    Archive {
        /// The archive, or the entry in it.
        origin: Arc<str>,
        /// Bytes that were read of it, unpacked.
        bytes: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A recording or a Parquet file cannot be read.
    #[error("{reason}")]
    Recording {
        /// Which, where, why, and what to do.
        reason: String,
    },
    /// More than a bound allows.
    #[error("{origin}: {what} (the bound is {bound})")]
    OverBound {
        /// The archive or folder.
        origin: Arc<str>,
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        bound: u64,
    },
}
