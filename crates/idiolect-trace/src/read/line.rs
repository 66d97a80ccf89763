//! What a reader of lines is given and gives back.

use std::ops::ControlFlow;

use crate::Record;
use crate::read::{Sink, SkipKind, SourceReport};

/// A format whose records are lines of text.
pub(crate) trait LineReader {
    /// Takes one line, without its line end.
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()>;

    /// The file has ended; `cut_off` is whether its last line had no line end.
    fn finish(&mut self, cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()>;
}

/// Where a [`LineReader`] puts what it finds.
pub(crate) struct Emitter<'a> {
    /// Number of the line at hand, from 1.
    pub(crate) line_number: u64,
    pub(crate) report: &'a mut SourceReport,
    pub(crate) sink: &'a mut dyn Sink,
    /// Why the file cannot be read at all, once [`Emitter::refuse`] has said so.
    pub(crate) refusal: Option<String>,
}

impl Emitter<'_> {
    /// Yields a record.
    pub(crate) fn record(&mut self, record: Record) -> ControlFlow<()> {
        if matches!(record, Record::Call(_)) {
            self.report.calls += 1;
        }
        self.report.seen.record(&record);
        self.sink.record(record)
    }

    /// Ends the reading: the file as a whole cannot be used, and `message` says why and what to do.
    ///
    /// Whoever drives the reader looks at [`Emitter::refusal`] after a break and turns it into an error
    /// that names the file.
    pub(crate) fn refuse(&mut self, message: impl Into<String>) -> ControlFlow<()> {
        self.refusal.get_or_insert_with(|| message.into());
        ControlFlow::Break(())
    }

    /// Counts the line at hand as passed over.
    pub(crate) fn skip(&mut self, kind: SkipKind, text: &[u8]) {
        self.report.skips.add(kind, self.line_number, text);
    }
}
