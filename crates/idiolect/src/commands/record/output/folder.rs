//! A recording as a folder of segments.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use idiolect_capture::{Event, Records, Thread};
use idiolect_record::{Recording, RecordingInfo, RecordingOptions, Summary};
use idiolect_trace::StreamId;

use super::Written;
use crate::live::{Ended, Lost, Session};

/// A folder that is recorded into.
pub(in super::super) struct Folder {
    recording: Recording,
    path: PathBuf,
    /// Calls come in runs of one thread.
    last: Option<(Thread, StreamId)>,
}

impl Folder {
    pub(super) fn create(path: &Path, session: &Session) -> Result<Self> {
        Ok(Folder {
            recording: Recording::create(path, info(session), RecordingOptions::default())?,
            path: path.to_owned(),
            last: None,
        })
    }

    /// Adds an event's record; a call by its parts, which costs less.
    pub(super) fn event(&mut self, event: Event, records: &Records) -> Result<()> {
        let Event::Call {
            time_ns,
            thread,
            abi,
            number,
            outcome,
        } = event
        else {
            return Ok(self.recording.push(&records.record(event))?);
        };
        let stream = match self.last.take() {
            Some((of, stream)) if of == thread => stream,
            _ => records.stream(thread),
        };
        let time_ns = records.time(time_ns);
        self.recording
            .push_call(time_ns, &stream, abi, number, outcome)?;
        self.last = Some((thread, stream));
        Ok(())
    }

    /// Writes what has waited too long.
    pub(super) fn tick(&mut self) -> Result<()> {
        Ok(self.recording.tick()?)
    }

    /// Closes it.
    pub(super) fn finish(self, ended: &Ended) -> Result<Written> {
        let mut lost = Lost::from(ended.losses).by_cause;
        lost.retain(|_, count| *count > 0);
        let finished = self.recording.finish(Summary {
            ended_ns: now_ns(),
            lost,
            ..Summary::default()
        })?;
        Ok(Written {
            shown: self.path.display().to_string(),
            bytes: finished.bytes,
        })
    }
}

/// What a recording says of itself.
fn info(session: &Session) -> RecordingInfo {
    let records = &session.records;
    let command = session.command.iter();
    let outcomes = session
        .outcomes
        .then(|| ("outcomes".to_owned(), "yes".to_owned()));
    RecordingInfo {
        origin: records.origin().to_owned(),
        host: records.host().map(str::to_owned),
        boot: records.boot().map(str::to_owned),
        source: session.choice.backend.to_string(),
        command: command
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        options: outcomes.into_iter().collect(),
        started_ns: now_ns(),
        ..RecordingInfo::default()
    }
}

/// Nanoseconds since the epoch.
fn now_ns() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    since.as_nanos().try_into().ok()
}
