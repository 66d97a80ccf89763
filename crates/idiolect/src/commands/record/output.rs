//! Where records go.

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use idiolect_capture::{Event, Records, Thread};
use idiolect_record::{Recording, RecordingInfo, RecordingOptions, Summary};
use idiolect_trace::StreamId;
use idiolect_trace::read::write_jsonl;

use crate::live::{Ended, Lost, Session, while_writing};
use crate::output;

/// Where records go.
pub(super) enum Output {
    /// JSON lines for another program.
    Stdout(Counted<BufWriter<StdoutLock<'static>>>),
    /// JSON lines in a file that has its name when it is whole.
    File {
        lines: Counted<BufWriter<File>>,
        partial: PathBuf,
        path: PathBuf,
    },
    /// A folder of segments.
    Folder {
        recording: Box<Recording>,
        path: PathBuf,
        /// Calls come in runs of one thread.
        last: Option<(Thread, StreamId)>,
    },
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// Where, for people.
    pub(super) shown: String,
    pub(super) bytes: u64,
}

/// Refuses what cannot become an output, before anything is started.
pub(super) fn check(path: &Path) -> Result<()> {
    if path.as_os_str() == "-" {
        return Ok(());
    }
    let shown = path.display();
    let folder = output::folder_of(path);
    if !folder.is_dir() {
        bail!("{shown}: there is no folder {}", folder.display());
    }
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    match is_file(path) {
        true if path.is_dir() => bail!("{shown}: it is a folder, and a file is wanted"),
        false if path.exists() && !is_empty() => {
            bail!(
                "{shown}: a recording needs a new folder, or an empty one; .jsonl at the end makes a file"
            )
        }
        _ => Ok(()),
    }
}

/// Whether a name is that of a file of JSON lines.
fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "jsonl")
}

impl Output {
    /// As the name says.
    pub(super) fn create(path: &Path, session: &Session) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Output::Stdout(Counted::new(output::out())));
        }
        if !is_file(path) {
            let info = info(session);
            let recording = Recording::create(path, info, RecordingOptions::default())?;
            return Ok(Output::Folder {
                recording: Box::new(recording),
                path: path.to_owned(),
                last: None,
            });
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial)
            .map_err(|error| while_writing(error, &partial.display().to_string()))?;
        Ok(Output::File {
            lines: Counted::new(BufWriter::new(file)),
            partial,
            path: path.to_owned(),
        })
    }

    /// Writes an event's record.
    pub(super) fn event(&mut self, event: Event, records: &Records) -> Result<()> {
        let written = match self {
            Output::Stdout(out) => write_jsonl(&records.record(event), out),
            Output::File { lines, .. } => write_jsonl(&records.record(event), lines),
            Output::Folder {
                recording, last, ..
            } => return push(recording, last, event, records),
        };
        written.map_err(|error| self.failure(error))
    }

    /// Lets readers see what was written so far.
    pub(super) fn flush(&mut self) -> Result<()> {
        let flushed = match self {
            Output::Stdout(out) => out.flush(),
            Output::File { lines, .. } => lines.flush(),
            Output::Folder { recording, .. } => return Ok(recording.tick()?),
        };
        flushed.map_err(|error| self.failure(error))
    }

    /// All was written.
    pub(super) fn finish(mut self, ended: &Ended) -> Result<Written> {
        self.flush()?;
        match self {
            Output::Stdout(out) => Ok(Written {
                shown: "standard output".to_owned(),
                bytes: out.bytes,
            }),
            Output::File {
                lines,
                partial,
                path,
            } => {
                let file = lines.inner.get_ref();
                let named = file.sync_all().and_then(|()| fs::rename(&partial, &path));
                let shown = path.display().to_string();
                named.map_err(|error| while_writing(error, &shown))?;
                Ok(Written {
                    shown,
                    bytes: lines.bytes,
                })
            }
            Output::Folder {
                recording, path, ..
            } => {
                let mut lost = Lost::from(ended.losses).by_cause;
                lost.retain(|_, count| *count > 0);
                let finished = recording.finish(Summary {
                    ended_ns: now_ns(),
                    lost,
                    ..Summary::default()
                })?;
                Ok(Written {
                    shown: path.display().to_string(),
                    bytes: finished.bytes,
                })
            }
        }
    }

    fn failure(&self, error: io::Error) -> anyhow::Error {
        match self {
            Output::Stdout(_) => while_writing(error, "standard output"),
            Output::File { partial: path, .. } | Output::Folder { path, .. } => {
                let kept = format!("{} (what was recorded until then is in it)", path.display());
                while_writing(error, &kept)
            }
        }
    }
}

/// Adds an event to a recording; a call by its parts, which costs less.
fn push(
    recording: &mut Recording,
    last: &mut Option<(Thread, StreamId)>,
    event: Event,
    records: &Records,
) -> Result<()> {
    let Event::Call {
        time_ns,
        thread,
        abi,
        number,
        outcome,
    } = event
    else {
        return Ok(recording.push(&records.record(event))?);
    };
    let stream = match last.take() {
        Some((of, stream)) if of == thread => stream,
        _ => records.stream(thread),
    };
    recording.push_call(records.time(time_ns), &stream, abi, number, outcome)?;
    *last = Some((thread, stream));
    Ok(())
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

/// Counts bytes.
pub(super) struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W> Counted<W> {
    fn new(inner: W) -> Self {
        Counted { inner, bytes: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
