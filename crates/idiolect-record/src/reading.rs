//! Parquet files and recordings as sources of records, like every other format.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use idiolect_trace::Record;
use idiolect_trace::read::{Format, Recordings, SkipKind, SourceReport, register_recordings};

use crate::batch::Batch;
use crate::error::{RecordError, shown};
use crate::info::{FILE_NAME, RecordingInfo};
use crate::journal::read_journal;
use crate::keeper::{journal_path, segment_path};
use crate::parquet_read::ParquetFile;
use crate::repair::Parts;

/// Lets [`idiolect_trace::read`] read Parquet files and recordings, in the whole process.
pub fn register() {
    register_recordings(&Reader);
}

struct Reader;

type Take<'a> = &'a mut dyn FnMut(Record) -> ControlFlow<()>;

impl Recordings for Reader {
    fn is_recording(&self, folder: &Path) -> bool {
        folder.join(FILE_NAME).is_file()
    }

    fn read(
        &self,
        path: &Path,
        format: Format,
        origin: &Arc<str>,
        report: &mut SourceReport,
        take: Take<'_>,
    ) -> Result<ControlFlow<()>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match format {
            Format::Recording => recording(path, origin, report, take)?,
            _ => file(path, origin, take)?,
        })
    }
}

/// All segments, and after them what is in the journal alone.
fn recording(
    folder: &Path,
    origin: &Arc<str>,
    report: &mut SourceReport,
    take: Take<'_>,
) -> Result<ControlFlow<()>, RecordError> {
    RecordingInfo::load(folder)?;
    let parts = Parts::of(folder)?;
    for number in parts.segments {
        if file(&segment_path(folder, number), origin, take)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    for number in parts.journals {
        // Whoever records may have closed it by now.
        let segment = segment_path(folder, number);
        if segment.exists() {
            if file(&segment, origin, take)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            continue;
        }
        let path = journal_path(folder, number);
        let mut flow = ControlFlow::Continue(());
        let damage = read_journal(&path, &mut |mut batch| {
            flow = each(&mut batch, origin, take);
            flow
        })?;
        let damaged = damage.cut_bytes + damage.broken_bytes;
        if damaged > 0 {
            let text = format!("{damaged} bytes of {}", shown(&path));
            report.skips.add(SkipKind::CutOff, 1, text.as_bytes());
        }
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn file(path: &Path, origin: &Arc<str>, take: Take<'_>) -> Result<ControlFlow<()>, RecordError> {
    let mut file = ParquetFile::open(path)?;
    while let Some(mut batch) = file.next_batch()? {
        if each(&mut batch, origin, take).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        file.recycle(batch);
    }
    Ok(ControlFlow::Continue(()))
}

/// Gives out the records of a batch, whose origin is the file's where they name none.
fn each(batch: &mut Batch, origin: &Arc<str>, take: Take<'_>) -> ControlFlow<()> {
    batch.fill_origin(origin);
    batch.records().try_for_each(take)
}
