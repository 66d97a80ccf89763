//! The thread that turns what was recorded into segments, so that whoever records does not wait for it.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::batch::Batch;
use crate::error::RecordError;
use crate::info::{RecordingInfo, sync_folder};
use crate::parquet_write::{ParquetWriter, Written};

/// Batches that may wait: with 4,096 records each some 9 MB, and as many records as come in 130 ms at two
/// million a second, while a row group takes about 50 ms.
const WAITING: usize = 64;

/// What the thread is asked to do.
pub(crate) enum Work {
    /// Add these records to the open segment. They are in the journal.
    Add(Batch),
    /// Make the journal last.
    Sync(File),
    /// Close the segment, and then remove the journal that has the same records.
    Close {
        /// The segment's number.
        number: u64,
        /// The journal.
        journal: PathBuf,
    },
}

/// What the thread has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// None once it has been told to end.
    work: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<Result<Done, RecordError>>>,
}

impl Keeper {
    pub(crate) fn start(folder: &Path, info: &RecordingInfo) -> std::io::Result<Self> {
        let (work, todo) = sync_channel(WAITING);
        let (folder, info) = (folder.to_owned(), info.clone());
        let thread = std::thread::Builder::new()
            .name("idiolect-keeper".to_owned())
            .spawn(move || keep(&folder, &info, &todo))?;
        Ok(Keeper {
            work: Some(work),
            thread: Some(thread),
        })
    }

    /// Hands over work, waiting while there is too much of it. Whether the thread still takes any.
    pub(crate) fn give(&self, work: Work) -> bool {
        self.work
            .as_ref()
            .is_some_and(|sender| sender.send(work).is_ok())
    }

    /// Waits until all is done.
    pub(crate) fn join(&mut self) -> Result<Done, RecordError> {
        self.work = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(RecordError::damaged(
                "recording",
                "its writing thread panicked",
            )),
            None => Ok(Done::default()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // What it says has nobody to hear it: the recording was given up.
        drop(self.join());
    }
}

fn keep(folder: &Path, info: &RecordingInfo, todo: &Receiver<Work>) -> Result<Done, RecordError> {
    let mut done = Done::default();
    let mut open: Option<Segment> = None;
    for work in todo {
        match work {
            Work::Add(batch) => {
                let segment = match &mut open {
                    Some(segment) => segment,
                    none => none.insert(Segment::create(folder, info)?),
                };
                segment.add(&batch)?;
            }
            Work::Sync(journal) => journal
                .sync_data()
                .map_err(RecordError::io(folder, "cannot sync the journal"))?,
            Work::Close { number, journal } => {
                if let Some(segment) = open.take() {
                    done.bytes += segment.close(number)?.bytes;
                    done.segments += 1;
                }
                fs::remove_file(&journal).map_err(RecordError::io(&journal, "cannot remove"))?;
            }
        }
    }
    Ok(done)
}

/// A segment that is being made aside.
#[derive(Debug)]
pub(crate) struct Segment {
    folder: PathBuf,
    aside: PathBuf,
    /// None once it is closed.
    writer: Option<ParquetWriter<BufWriter<File>>>,
}

impl Segment {
    pub(crate) fn create(folder: &Path, info: &RecordingInfo) -> Result<Self, RecordError> {
        let aside = folder.join(PART_NAME);
        let file = File::create(&aside).map_err(RecordError::io(&aside, "cannot create"))?;
        let info = RecordingInfo {
            state: None,
            summary: None,
            ..info.clone()
        };
        let writer = ParquetWriter::new(BufWriter::new(file), &aside.to_string_lossy(), info)
            .inspect_err(|_| {
                drop(fs::remove_file(&aside));
            })?;
        Ok(Segment {
            folder: folder.to_owned(),
            aside,
            writer: Some(writer),
        })
    }

    pub(crate) fn add(&mut self, batch: &Batch) -> Result<(), RecordError> {
        match &mut self.writer {
            Some(writer) => writer.push_batch(batch),
            None => Ok(()),
        }
    }

    /// Gives it its name, once it is whole and on the disk.
    pub(crate) fn close(mut self, number: u64) -> Result<Written, RecordError> {
        let Some(writer) = self.writer.take() else {
            return Ok(Written::default());
        };
        let path = segment_path(&self.folder, number);
        let finish = || {
            let (out, written) = writer.finish()?;
            let put = || {
                let file = out
                    .into_inner()
                    .map_err(std::io::IntoInnerError::into_error)?;
                file.sync_all()?;
                fs::rename(&self.aside, &path)?;
                sync_folder(&self.folder)
            };
            put().map_err(RecordError::io(&path, "cannot write"))?;
            Ok(written)
        };
        finish().inspect_err(|_| drop(fs::remove_file(&self.aside)))
    }
}

impl Drop for Segment {
    /// What is not whole makes room: all of it is in the journal.
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            drop(fs::remove_file(&self.aside));
        }
    }
}

/// The segment that is being made.
pub(crate) const PART_NAME: &str = ".segment.parquet.part";

/// Where a segment is.
pub(crate) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("segment-{number:05}.parquet"))
}

/// Where its journal is until it is closed.
pub(crate) fn journal_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("journal-{number:05}.bin"))
}

/// The number in a file's name.
pub(crate) fn number_of(name: &str, before: &str, after: &str) -> Option<u64> {
    let digits = name.strip_prefix(before)?.strip_suffix(after)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}
