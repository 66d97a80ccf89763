//! JSON lines of our own [`Record`]: what `docs/record-format.md` describes.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Deserialize;

use crate::read::SkipKind;
use crate::read::drive::unreadable;
use crate::read::line::{Emitter, LineReader};
use crate::read::skips::EXCERPT_BYTES;
use crate::{Errno, GapScope, Outcome, Record, StreamId, table};

/// Longest path (Linux's `PATH_MAX`), origin or control group, in bytes.
const MAX_PATH: usize = 4096;

/// Longest name of a host or a boot, in bytes.
const MAX_NAME: usize = 256;

/// Largest error number (kernel: `include/linux/err.h`, `MAX_ERRNO`).
const MAX_ERRNO: u16 = 4095;

/// Writes a record as one line.
///
/// # Errors
/// What `out` reports.
pub fn write_jsonl(record: &Record, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Reads lines that [`write_jsonl`] or another program wrote.
pub(crate) struct JsonlReader {
    origin: Arc<str>,
    /// A line that is no record, until it is known whether it is the last and only cut off: its number
    /// and beginning.
    bad: Option<(u64, Vec<u8>)>,
}

impl JsonlReader {
    pub(crate) fn new(origin: Arc<str>) -> Self {
        JsonlReader { origin, bad: None }
    }

    fn flush_bad(&mut self, kind: SkipKind, out: &mut Emitter<'_>) {
        if let Some((line, text)) = self.bad.take() {
            out.report.skips.add(kind, line, &text);
        }
    }
}

impl LineReader for JsonlReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.flush_bad(SkipKind::Unparsed, out);
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        let parsed = serde_json::from_slice(line).ok();
        if let Some(record) = parsed.and_then(|record| check_record(record, &self.origin)) {
            return out.record(record);
        }
        self.bad = Some((
            out.line_number,
            line[..line.len().min(EXCERPT_BYTES)].to_vec(),
        ));
        if is_unknown_kind(line) {
            return ControlFlow::Continue(());
        }
        out.record(unreadable(&self.origin))
    }

    fn finish(&mut self, cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let last = self
            .bad
            .as_ref()
            .is_some_and(|(line, _)| *line == out.line_number);
        let kind = if cut_off && last {
            SkipKind::CutOff
        } else {
            SkipKind::Unparsed
        };
        self.flush_bad(kind, out);
        ControlFlow::Continue(())
    }
}

/// The record with its call's name canonical and `origin` where it names none; none if it is beyond a bound
/// that all formats of records have (`docs/record-format.md`).
pub fn check_record(record: Record, origin: &Arc<str>) -> Option<Record> {
    Some(match record {
        Record::Call(mut call) => {
            check_stream(&mut call.stream, origin)?;
            call.name = table::canonical(call.name.as_str())?;
            if let Some(Outcome::Failed(Errno(errno))) = call.outcome
                && !(1..=MAX_ERRNO).contains(&errno)
            {
                return None;
            }
            Record::Call(call)
        }
        Record::Lifecycle(mut lifecycle) => {
            check_stream(&mut lifecycle.stream, origin)?;
            if let Some(parent) = &mut lifecycle.parent {
                check_stream(parent, origin)?;
            }
            for text in [&lifecycle.executable, &lifecycle.cgroup] {
                if text.as_ref().is_some_and(|text| text.len() > MAX_PATH) {
                    return None;
                }
            }
            Record::Lifecycle(lifecycle)
        }
        Record::Gap(mut gap) => {
            match &mut gap.scope {
                GapScope::Origin(own) | GapScope::Cpu(own, _) => check_origin(own, origin)?,
                GapScope::Stream(stream) => check_stream(stream, origin)?,
            }
            Record::Gap(gap)
        }
    })
}

fn check_stream(stream: &mut StreamId, origin: &Arc<str>) -> Option<()> {
    check_origin(&mut stream.origin, origin)?;
    for text in [&stream.host, &stream.boot] {
        if text.as_ref().is_some_and(|text| text.len() > MAX_NAME) {
            return None;
        }
    }
    Some(())
}

fn check_origin(own: &mut Arc<str>, origin: &Arc<str>) -> Option<()> {
    if own.len() > MAX_PATH {
        return None;
    }
    // One allocation for all, where the line names none or this file's own.
    if own.is_empty() || *own == *origin {
        *own = origin.clone();
    }
    Some(())
}

/// Whether a line is a record of a kind that a later version may have added: no call was lost with it.
fn is_unknown_kind(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        record: String,
    }
    serde_json::from_slice(line)
        .is_ok_and(|kind: Kind| !matches!(kind.record.as_str(), "call" | "lifecycle" | "gap"))
}
