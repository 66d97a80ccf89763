//! A recording as it grows.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use idiolect_trace::{Abi, Outcome, Record, StreamId};

use crate::batch::BatchBuilder;
use crate::error::RecordError;
use crate::info::{RecordingInfo, State, Summary, sync_folder};
use crate::journal::JournalWriter;
use crate::keeper::{Keeper, Work, journal_path};
use crate::schema::FORMAT;

/// When a recording writes what.
#[derive(Clone, Copy, Debug)]
pub struct RecordingOptions {
    /// Records after which a segment is closed.
    pub segment_records: u64,
    /// Time after which it is closed.
    pub segment_time: Duration,
    /// Records that may wait before they go to the journal: the most that are lost when the process is
    /// killed.
    pub unwritten_records: usize,
    /// How long they may wait.
    pub unwritten_time: Duration,
    /// How often the journal is synced to the disk: what may be lost, beside the unwritten, when the power
    /// fails.
    pub sync_time: Duration,
}

impl Default for RecordingOptions {
    fn default() -> Self {
        RecordingOptions {
            segment_records: 1_000_000,
            segment_time: Duration::from_secs(60),
            unwritten_records: 4_096,
            unwritten_time: Duration::from_millis(200),
            sync_time: Duration::from_secs(1),
        }
    }
}

/// Records between two looks at the clock, once there are that many: a source that is slow is looked at each time.
const CLOCK_EVERY: usize = 64;

/// Lifecycles and gaps are larger than calls: so many of them fill a frame.
const UNWRITTEN_OTHERS: usize = 1_024;

/// A folder that records are written to as they come.
///
/// What [`push`](Recording::push) accepts is in the journal after at most
/// [`RecordingOptions::unwritten_records`] or [`RecordingOptions::unwritten_time`] (call
/// [`tick`](Recording::tick) where nothing comes), on the disk after [`RecordingOptions::sync_time`], and
/// in a segment when that is closed. Memory does not grow with the recording. A second thread makes the
/// segments; where the disk cannot keep up, `push` waits.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    info: RecordingInfo,
    options: RecordingOptions,
    /// Locked while it is written.
    _lock: File,
    unwritten: BatchBuilder,
    journal: JournalWriter,
    keeper: Keeper,
    /// The number of the open segment.
    number: u64,
    /// Records in it.
    in_segment: u64,
    /// When it began.
    segment_began: Instant,
    last_write: Instant,
    last_sync: Instant,
    /// Records in segments and journals.
    kept: u64,
    calls: u64,
    /// Whether it can go on.
    stopped: bool,
}

/// A recording that was finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// What `recording.json` says of it.
    pub info: RecordingInfo,
    /// Records in it.
    pub records: u64,
    /// Calls among them.
    pub calls: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of the segments.
    pub bytes: u64,
}

impl Recording {
    /// Begins a recording in a new or empty folder. `info`'s format and state are filled in.
    ///
    /// # Errors
    /// The folder is not empty or cannot be written.
    pub fn create(
        folder: &Path,
        info: RecordingInfo,
        options: RecordingOptions,
    ) -> Result<Self, RecordError> {
        let failed = |action| RecordError::io(folder, action);
        fs::create_dir_all(folder).map_err(failed("cannot create"))?;
        let lock = lock(folder)?;
        let mut entries = fs::read_dir(folder).map_err(failed("cannot read"))?;
        if entries.next().is_some() {
            let full = io::Error::other("the folder is not empty: name one that is, or a new one");
            return Err(failed("cannot record there")(full));
        }
        let info = RecordingInfo {
            format: FORMAT,
            state: Some(State::Open),
            summary: None,
            ..info
        };
        info.save(folder)?;
        let journal = JournalWriter::create(&journal_path(folder, 1))?;
        sync_folder(folder).map_err(failed("cannot sync"))?;
        let keeper = Keeper::start(folder, &info).map_err(failed("cannot start a thread for"))?;
        let now = Instant::now();
        Ok(Recording {
            folder: folder.to_owned(),
            info,
            options,
            _lock: lock,
            unwritten: BatchBuilder::new(),
            journal,
            keeper,
            number: 1,
            in_segment: 0,
            segment_began: now,
            last_write: now,
            last_sync: now,
            kept: 0,
            calls: 0,
            stopped: false,
        })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The recording cannot go on, most often because the disk is full; the error says how many records
    /// are kept. So it is with every call from then on.
    pub fn push(&mut self, record: &Record) -> Result<(), RecordError> {
        self.check()?;
        self.unwritten.push(record);
        self.pushed()
    }

    /// Adds a call by its parts, which is cheaper than making a [`Record`] of it. Its name is that of the
    /// ABI's table.
    ///
    /// # Errors
    /// Those of [`push`](Recording::push).
    pub fn push_call(
        &mut self,
        time_ns: Option<u64>,
        stream: &StreamId,
        abi: Abi,
        number: u32,
        outcome: Option<Outcome>,
    ) -> Result<(), RecordError> {
        self.check()?;
        self.unwritten
            .push_call(time_ns, stream, abi, number, outcome);
        self.pushed()
    }

    /// Writes what has waited too long. To be called where no records come.
    ///
    /// # Errors
    /// Those of [`push`](Recording::push).
    pub fn tick(&mut self) -> Result<(), RecordError> {
        self.check()?;
        if self.last_write.elapsed() >= self.options.unwritten_time {
            self.write()?;
        }
        Ok(())
    }

    /// Records that were accepted.
    pub fn records(&self) -> u64 {
        self.kept + self.unwritten.len() as u64
    }

    /// Calls among those that are in the journal or a segment.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Closes the last segment and writes the summary, whose counts of records and calls are filled in.
    ///
    /// # Errors
    /// Those of [`push`](Recording::push). What is in the journal stays there for `repair`.
    pub fn finish(mut self, summary: Summary) -> Result<Finished, RecordError> {
        self.check()?;
        self.write()?;
        self.close_segment(false)?;
        let done = self.keeper.join().map_err(|error| self.stop(error))?;
        self.info.state = Some(State::Finished);
        self.info.summary = Some(Summary {
            records: self.kept,
            calls: self.calls,
            ..summary
        });
        self.info.save(&self.folder)?;
        Ok(Finished {
            info: self.info.clone(),
            records: self.kept,
            calls: self.calls,
            segments: done.segments,
            bytes: done.bytes,
        })
    }

    fn check(&mut self) -> Result<(), RecordError> {
        if self.stopped {
            let source = io::Error::other("it had stopped before");
            return Err(self.stop_with(source));
        }
        Ok(())
    }

    fn pushed(&mut self) -> Result<(), RecordError> {
        let waiting = self.unwritten.len();
        let full = waiting >= self.options.unwritten_records
            || self.unwritten.others() >= UNWRITTEN_OTHERS
            || self.unwritten.streams() >= UNWRITTEN_OTHERS;
        if full
            || ((waiting < CLOCK_EVERY || waiting.is_multiple_of(CLOCK_EVERY))
                && self.last_write.elapsed() >= self.options.unwritten_time)
        {
            return self.write();
        }
        Ok(())
    }

    /// Puts what waits into the journal, and on its way to the segment.
    fn write(&mut self) -> Result<(), RecordError> {
        let now = Instant::now();
        self.last_write = now;
        if !self.unwritten.is_empty() {
            let batch = self.unwritten.take();
            if let Err(error) = self.journal.append(&batch) {
                self.stopped = true;
                return Err(RecordError::Stopped {
                    path: self.folder.clone(),
                    kept: self.kept,
                    unkept: batch.len() as u64,
                    source: error,
                });
            }
            self.kept += batch.len() as u64;
            self.calls += batch.calls_made();
            self.in_segment += batch.len() as u64;
            self.give(Work::Add(batch))?;
        }
        if now - self.last_sync >= self.options.sync_time {
            self.last_sync = now;
            let journal = self.journal.handle();
            let journal = journal.map_err(|error| self.stop_with(error))?;
            self.give(Work::Sync(journal))?;
        }
        let is_full = self.in_segment >= self.options.segment_records
            || now - self.segment_began >= self.options.segment_time;
        if is_full && self.in_segment > 0 {
            self.close_segment(true)?;
        }
        Ok(())
    }

    fn close_segment(&mut self, begin_another: bool) -> Result<(), RecordError> {
        let close = Work::Close {
            number: self.number,
            journal: self.journal.path().to_owned(),
        };
        if begin_another {
            let path = journal_path(&self.folder, self.number + 1);
            self.journal = JournalWriter::create(&path).map_err(|error| self.stop(error))?;
            self.number += 1;
            self.in_segment = 0;
            self.segment_began = Instant::now();
        }
        self.give(close)
    }

    fn give(&mut self, work: Work) -> Result<(), RecordError> {
        if self.keeper.give(work) {
            return Ok(());
        }
        Err(match self.keeper.join() {
            Err(error) => self.stop(error),
            Ok(_) => self.stop_with(io::Error::other("its writing thread ended")),
        })
    }

    fn stop(&mut self, error: RecordError) -> RecordError {
        self.stop_with(match error {
            RecordError::Io { source, .. } => source,
            other => io::Error::other(other.to_string()),
        })
    }

    fn stop_with(&mut self, source: io::Error) -> RecordError {
        self.stopped = true;
        RecordError::Stopped {
            path: self.folder.clone(),
            kept: self.kept,
            unkept: self.unwritten.len() as u64,
            source,
        }
    }
}

impl Drop for Recording {
    /// A recording that is not finished is left as after a crash, but for what was waiting.
    fn drop(&mut self) {
        if !self.stopped && !self.unwritten.is_empty() {
            let batch = self.unwritten.take();
            drop(self.journal.append(&batch));
        }
    }
}

/// Takes a recording for oneself, until the file is closed.
pub(crate) fn lock(folder: &Path) -> Result<File, RecordError> {
    let failed = RecordError::io(folder, "cannot take it");
    let file = File::open(folder).map_err(RecordError::io(folder, "cannot open"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(failed(io::Error::other("another process is writing to it")))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
