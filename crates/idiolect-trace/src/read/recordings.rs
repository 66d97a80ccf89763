//! Recordings and Parquet files, which another crate reads: this one does not compile Parquet.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::Record;
use crate::read::source::{Flow, Reading};
use crate::read::{Format, ReadError, Source, SourceReport, escape};

/// Reads recordings ([`Format::Recording`]) and Parquet files ([`Format::Parquet`]).
pub trait Recordings: Sync {
    /// Whether a folder is a recording.
    fn is_recording(&self, folder: &Path) -> bool;

    /// Gives every record to `take`, until it breaks. A record without an origin gets `origin`; what was
    /// passed over goes into `report`, whose calls are counted by the caller.
    ///
    /// # Errors
    /// It cannot be read; the text says where and is safe to print.
    fn read(
        &self,
        path: &Path,
        format: Format,
        origin: &Arc<str>,
        report: &mut SourceReport,
        take: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Box<dyn Error + Send + Sync>>;
}

static RECORDINGS: OnceLock<&'static dyn Recordings> = OnceLock::new();

/// Names what reads recordings and Parquet files from now on, in the whole process. The first one stays.
pub fn register_recordings(reader: &'static dyn Recordings) {
    // It is the same one where it is named twice.
    let _ = RECORDINGS.set(reader);
}

/// Whether a folder is a recording that can be read.
pub(crate) fn is_recording(folder: &Path) -> bool {
    RECORDINGS
        .get()
        .is_some_and(|reader| reader.is_recording(folder))
}

/// Whether a file that begins so is a Parquet file that can be read.
pub(crate) fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(b"PAR1") && RECORDINGS.get().is_some()
}

impl Reading<'_> {
    /// Reads a recording or a Parquet file.
    pub(crate) fn recording(&mut self, path: &Path, origin: Arc<str>, format: Format) -> Flow {
        let Some(reader) = RECORDINGS.get() else {
            return Err(ReadError::Recording {
                reason: format!("{origin}: this idiolect was built without Parquet"),
            });
        };
        let source = Source {
            origin,
            format,
            label: None,
        };
        if self.sink.begin(&source).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut report = SourceReport::default();
        let mut calls = 0;
        let sink = &mut *self.sink;
        let flow = reader.read(path, format, &source.origin, &mut report, &mut |record| {
            calls += u64::from(matches!(record, Record::Call(_)));
            sink.record(record)
        });
        report.calls = calls;
        let flow = flow.map_err(|error| ReadError::Recording {
            reason: escape(error.to_string().as_bytes()),
        })?;
        if flow.is_break() {
            self.totals.calls += calls;
            return Ok(flow);
        }
        self.totals.add(&source, &report);
        Ok(self.sink.end(&source, &report))
    }
}
