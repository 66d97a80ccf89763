//! Closing what a crash or a full disk left of a recording.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use crate::batch::Batch;
use crate::error::RecordError;
use crate::info::{RecordingInfo, State, Summary};
use crate::journal::{Damage, read_journal};
use crate::keeper::{PART_NAME, Segment, journal_path, number_of, segment_path};
use crate::parquet_read::ParquetFile;
use crate::recording::lock;

/// What [`repair`] found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// What `recording.json` says now.
    pub info: RecordingInfo,
    /// Whether there was nothing to do.
    pub was_whole: bool,
    /// Segments that were closed before, and the records in them.
    pub segments: u64,
    /// Records in those.
    pub records_before: u64,
    /// Records that were in the journal alone, and are now in a segment.
    pub records_rescued: u64,
    /// Calls in all segments.
    pub calls: u64,
    /// What of the journals was no whole frame.
    pub damage: Damage,
}

/// The files of a recording, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) segments: Vec<u64>,
    /// Those whose segment is not closed.
    pub(crate) journals: Vec<u64>,
    /// Those whose segment is.
    pub(crate) closed_journals: Vec<u64>,
}

impl Parts {
    /// Looks into the folder.
    pub(crate) fn of(folder: &Path) -> Result<Self, RecordError> {
        let failed = |error| RecordError::io(folder, "cannot read")(error);
        let (mut parts, mut journals) = (Parts::default(), Vec::new());
        for entry in fs::read_dir(folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            parts
                .segments
                .extend(number_of(name, "segment-", ".parquet"));
            journals.extend(number_of(name, "journal-", ".bin"));
        }
        parts.segments.sort_unstable();
        journals.sort_unstable();
        (parts.closed_journals, parts.journals) = journals
            .into_iter()
            .partition(|number| parts.segments.binary_search(number).is_ok());
        Ok(parts)
    }
}

/// Closes a recording that was cut off: the whole records of its journal become a segment, and
/// `recording.json` says so. A recording that is whole stays as it is.
///
/// Nothing is removed before what replaces it is on the disk, so it may be cut off itself and run again.
///
/// # Errors
/// The folder is no recording, somebody is writing to it, it cannot be read or written, or a closed
/// segment is damaged.
pub fn repair(folder: &Path) -> Result<Repaired, RecordError> {
    let _lock = lock(folder)?;
    let mut info = RecordingInfo::load(folder)?;
    let parts = Parts::of(folder)?;
    let mut result = Repaired {
        was_whole: info.state != Some(State::Open) && parts.journals.is_empty(),
        info: info.clone(),
        segments: parts.segments.len() as u64,
        records_before: 0,
        records_rescued: 0,
        calls: 0,
        damage: Damage::default(),
    };
    for &number in &parts.segments {
        let (records, calls) = count(&segment_path(folder, number))?;
        result.records_before += records;
        result.calls += calls;
    }
    if result.was_whole {
        return Ok(result);
    }
    // A crash came between the closing of a segment and the removal of its journal.
    for &number in &parts.closed_journals {
        remove(&journal_path(folder, number))?;
    }
    let part = folder.join(PART_NAME);
    if part.exists() {
        remove(&part)?;
    }
    for &number in &parts.journals {
        close(folder, number, &mut result)?;
    }
    info.state = Some(State::Repaired);
    info.summary = Some(Summary {
        records: result.records_before + result.records_rescued,
        calls: result.calls,
        damaged_bytes: result.damage.cut_bytes + result.damage.broken_bytes,
        ..info.summary.unwrap_or_default()
    });
    info.save(folder)?;
    result.info = info;
    Ok(result)
}

/// Turns a journal into a segment.
fn close(folder: &Path, number: u64, result: &mut Repaired) -> Result<(), RecordError> {
    let journal = journal_path(folder, number);
    let mut segment: Option<Segment> = None;
    let mut failed = None;
    let damage = read_journal(&journal, &mut |batch: Batch| {
        let mut add = || {
            let segment = match &mut segment {
                Some(segment) => segment,
                none => none.insert(Segment::create(folder, &result.info)?),
            };
            segment.add(&batch)
        };
        match add() {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    result.damage.cut_bytes += damage.cut_bytes;
    result.damage.broken_bytes += damage.broken_bytes;
    result.damage.broken_places += damage.broken_places;
    if let Some(segment) = segment {
        let written = segment.close(number)?;
        result.records_rescued += written.records;
        result.calls += written.calls;
    }
    remove(&journal)
}

/// Records and calls of a segment, all of which is read.
fn count(path: &Path) -> Result<(u64, u64), RecordError> {
    let mut file = ParquetFile::open(path)?;
    let mut calls = 0;
    while let Some(batch) = file.next_batch()? {
        calls += batch.calls_made();
    }
    Ok((file.records(), calls))
}

fn remove(path: &Path) -> Result<(), RecordError> {
    fs::remove_file(path).map_err(RecordError::io(path, "cannot remove"))
}
