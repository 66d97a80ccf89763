//! Where records go.

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use idiolect_trace::Record;
use idiolect_trace::read::write_jsonl;

use crate::live::while_writing;
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
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// Where, for people.
    pub(super) shown: String,
    pub(super) bytes: u64,
}

impl Output {
    /// As the name says. A file's folder must be there.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Output::Stdout(Counted::new(output::out())));
        }
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            bail!(
                "{}: the name of a recording ends with .jsonl, or is - for standard output",
                path.display()
            );
        }
        if path.is_dir() {
            bail!("{}: it is a folder, and a file is wanted", path.display());
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

    pub(super) fn record(&mut self, record: Record) -> Result<()> {
        let written = match self {
            Output::Stdout(out) => write_jsonl(&record, out),
            Output::File { lines, .. } => write_jsonl(&record, lines),
        };
        written.map_err(|error| self.failure(error))
    }

    /// Lets readers see what was written so far.
    pub(super) fn flush(&mut self) -> Result<()> {
        let flushed = match self {
            Output::Stdout(out) => out.flush(),
            Output::File { lines, .. } => lines.flush(),
        };
        flushed.map_err(|error| self.failure(error))
    }

    /// Nothing was written, and nothing will be.
    pub(super) fn discard(self) {
        if let Output::File { partial, .. } = self {
            // Why there is nothing to record is the error to tell of.
            let _ = fs::remove_file(partial);
        }
    }

    /// All was written.
    pub(super) fn finish(mut self) -> Result<Written> {
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
