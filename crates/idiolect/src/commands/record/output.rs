//! Where records go.

#[cfg(feature = "parquet")]
mod folder;

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use idiolect_capture::{Event, Records};
use idiolect_trace::read::write_jsonl;

use crate::live::{Ended, Session, while_writing};
use crate::output;
#[cfg(feature = "parquet")]
use folder::Folder;

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
    #[cfg(feature = "parquet")]
    Folder(Box<Folder>),
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
        false if cfg!(not(feature = "parquet")) => bail!(
            "{shown}: this idiolect was built without Parquet and records into files of JSON lines only, whose names end with .jsonl"
        ),
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
    #[cfg_attr(
        not(feature = "parquet"),
        expect(unused_variables, reason = "only folders say of what they are")
    )]
    pub(super) fn create(path: &Path, session: &Session) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Output::Stdout(Counted::new(output::out())));
        }
        #[cfg(feature = "parquet")]
        if !is_file(path) {
            return Ok(Output::Folder(Box::new(Folder::create(path, session)?)));
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
            #[cfg(feature = "parquet")]
            Output::Folder(folder) => return folder.event(event, records),
        };
        written.map_err(|error| self.failure(error))
    }

    /// Lets readers see what was written so far.
    pub(super) fn flush(&mut self) -> Result<()> {
        let flushed = match self {
            Output::Stdout(out) => out.flush(),
            Output::File { lines, .. } => lines.flush(),
            #[cfg(feature = "parquet")]
            Output::Folder(folder) => return folder.tick(),
        };
        flushed.map_err(|error| self.failure(error))
    }

    /// All was written.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(unused_variables, reason = "only folders say how it ended")
    )]
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
            #[cfg(feature = "parquet")]
            Output::Folder(folder) => folder.finish(ended),
        }
    }

    fn failure(&self, error: io::Error) -> anyhow::Error {
        match self {
            Output::Stdout(_) => while_writing(error, "standard output"),
            Output::File { partial, .. } => {
                let kept = format!(
                    "{} (what was recorded until then is in it)",
                    partial.display()
                );
                while_writing(error, &kept)
            }
            #[cfg(feature = "parquet")]
            Output::Folder(_) => error.into(),
        }
    }
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
