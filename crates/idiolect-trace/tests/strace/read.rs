//! Short ways to read strace text and to look at what came of it.

use std::ops::ControlFlow;

use idiolect_trace::read::{
    Format, ReadError, ReadOptions, Sink, SkipKind, Source, SourceReport, read_bytes,
};
use idiolect_trace::{Call, Lifecycle, LifecycleKind, Outcome, Record};

/// All that came of one file.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) records: Vec<Record>,
    pub(crate) report: SourceReport,
}

impl Sink for Read {
    fn record(&mut self, record: Record) -> ControlFlow<()> {
        self.records.push(record);
        ControlFlow::Continue(())
    }

    fn end(&mut self, _: &Source, report: &SourceReport) -> ControlFlow<()> {
        self.report = report.clone();
        ControlFlow::Continue(())
    }
}

impl Read {
    pub(crate) fn calls(&self) -> Vec<&Call> {
        let mut calls = Vec::new();
        for record in &self.records {
            if let Record::Call(call) = record {
                calls.push(call);
            }
        }
        calls
    }

    pub(crate) fn lives(&self) -> Vec<&Lifecycle> {
        let mut lives = Vec::new();
        for record in &self.records {
            if let Record::Lifecycle(life) = record {
                lives.push(life);
            }
        }
        lives
    }

    pub(crate) fn skipped(&self, kind: SkipKind) -> u64 {
        self.report.skips.count(kind)
    }

    /// The records, one a line: thread, then `name=outcome`, or what happened to the thread.
    pub(crate) fn story(&self) -> Vec<String> {
        let tid = |tid: Option<u32>| tid.map_or("-".to_owned(), |tid| tid.to_string());
        let line = |record: &Record| match record {
            Record::Call(call) => {
                let outcome = call
                    .outcome
                    .map_or("?".to_owned(), |o: Outcome| o.to_string());
                format!("{} {}={outcome}", tid(call.stream.tid), call.name)
            }
            Record::Lifecycle(life) => {
                let parent = life.parent.as_ref();
                let parent = parent.map_or(String::new(), |p| format!(" of {}", tid(p.tid)));
                let kind = match life.kind {
                    LifecycleKind::Fork => "fork",
                    LifecycleKind::Clone => "clone",
                    LifecycleKind::Exec => "exec",
                    _ => "exit",
                };
                format!("{} <{kind}{parent}>", tid(life.stream.tid))
            }
            _ => "<gap>".to_owned(),
        };
        self.records.iter().map(line).collect()
    }
}

pub(crate) fn try_read(name: &str, text: &[u8], options: &ReadOptions) -> Result<Read, ReadError> {
    let mut read = Read::default();
    let options = ReadOptions {
        format: Some(Format::Strace),
        ..options.clone()
    };
    read_bytes(name, text, &options, &mut read)?;
    Ok(read)
}

pub(crate) fn read(text: &str) -> Read {
    read_named("trace.txt", text)
}

pub(crate) fn read_named(name: &str, text: &str) -> Read {
    try_read(name, text.as_bytes(), &ReadOptions::default()).unwrap()
}
