//! A sink that keeps everything, and short ways to fill it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use idiolect_trace::read::{
    FileSkip, ReadError, ReadOptions, Sink, Source, SourceReport, Totals, read_bytes, read_path,
};
use idiolect_trace::{Call, Gap, Lifecycle, Record};

#[derive(Debug, Default)]
pub(crate) struct Collect {
    pub(crate) sources: Vec<Source>,
    pub(crate) reports: Vec<SourceReport>,
    pub(crate) records: Vec<Record>,
    pub(crate) skipped_files: Vec<(String, FileSkip)>,
    /// Stop after so many records.
    pub(crate) stop_after: Option<usize>,
}

impl Sink for Collect {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        self.sources.push(source.clone());
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        self.records.push(record);
        if Some(self.records.len()) == self.stop_after {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self, source: &Source, report: &SourceReport) -> ControlFlow<()> {
        assert_eq!(self.sources.last(), Some(source));
        self.reports.push(report.clone());
        ControlFlow::Continue(())
    }

    fn skipped_file(&mut self, origin: &str, reason: &FileSkip) -> ControlFlow<()> {
        self.skipped_files.push((origin.to_owned(), reason.clone()));
        ControlFlow::Continue(())
    }
}

impl Collect {
    pub(crate) fn names(&self) -> Vec<&str> {
        let name = |record: &'static str| record;
        self.records
            .iter()
            .map(|record| match record {
                Record::Call(call) => call.name.as_str(),
                Record::Lifecycle(_) => name("<lifecycle>"),
                Record::Gap(_) => name("<gap>"),
                _ => name("<other>"),
            })
            .collect()
    }

    pub(crate) fn calls(&self) -> Vec<&Call> {
        let calls = self.records.iter().filter_map(|record| match record {
            Record::Call(call) => Some(call),
            _ => None,
        });
        calls.collect()
    }

    pub(crate) fn lives(&self) -> Vec<&Lifecycle> {
        let lives = self.records.iter().filter_map(|record| match record {
            Record::Lifecycle(life) => Some(life),
            _ => None,
        });
        lives.collect()
    }

    pub(crate) fn gaps(&self) -> Vec<&Gap> {
        let gaps = self.records.iter().filter_map(|record| match record {
            Record::Gap(gap) => Some(gap),
            _ => None,
        });
        gaps.collect()
    }

    pub(crate) fn origins(&self) -> Vec<&str> {
        self.sources.iter().map(|source| &*source.origin).collect()
    }
}

pub(crate) fn bytes(name: &str, content: &[u8]) -> Result<(Collect, Totals), ReadError> {
    bytes_with(name, content, &ReadOptions::default())
}

pub(crate) fn bytes_with(
    name: &str,
    content: &[u8],
    options: &ReadOptions,
) -> Result<(Collect, Totals), ReadError> {
    let mut sink = Collect::default();
    let totals = read_bytes(name, content, options, &mut sink)?;
    Ok((sink, totals))
}

pub(crate) fn path(path: &Path) -> Result<(Collect, Totals), ReadError> {
    path_with(path, &ReadOptions::default())
}

pub(crate) fn path_with(
    path: &Path,
    options: &ReadOptions,
) -> Result<(Collect, Totals), ReadError> {
    let mut sink = Collect::default();
    let totals = read_path(path, options, &mut sink)?;
    Ok((sink, totals))
}

/// The folder of real data; without it the test says aloud that it did not run.
#[expect(
    clippy::print_stderr,
    reason = "a skipped test must not pass in silence"
)]
pub(crate) fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("IDIOLECT_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: IDIOLECT_DATA is not set");
    }
    folder
}
