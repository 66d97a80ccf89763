//! Short ways to read a text and to say what came of it.

use std::collections::HashMap;

use idiolect_trace::read::{Format, ReadError, ReadOptions, SkipKind, SourceReport};
use idiolect_trace::{GapCause, Lifecycle, LifecycleKind, Record, StreamId};

use crate::collect::{Collect, bytes_with};

/// What came of one text.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) format: Format,
    pub(crate) records: Vec<Record>,
    pub(crate) report: SourceReport,
}

/// Reads a text, whose format is found by content where it is not named.
pub(crate) fn try_tell(text: &[u8], format: Option<Format>) -> Result<Story, ReadError> {
    let options = ReadOptions {
        format,
        abi: Some(idiolect_trace::Abi::X86_64),
        ..ReadOptions::default()
    };
    let (
        Collect {
            sources,
            reports,
            records,
            ..
        },
        _,
    ) = bytes_with("t", text, &options)?;
    Ok(Story {
        format: sources[0].format,
        records,
        report: reports[0].clone(),
    })
}

pub(crate) fn tell(text: &str) -> Story {
    try_tell(text.as_bytes(), None).unwrap()
}

/// Reads a text of a named format.
pub(crate) fn tell_as(text: &str, format: Format) -> Story {
    try_tell(text.as_bytes(), Some(format)).unwrap()
}

impl Story {
    pub(crate) fn skipped(&self, kind: SkipKind) -> u64 {
        self.report.skips.count(kind)
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

    /// How many forks, clones, execs and exits there are.
    pub(crate) fn counts(&self) -> [usize; 4] {
        use LifecycleKind::{Clone, Exec, Exit, Fork};
        let lives = self.lives();
        [Fork, Clone, Exec, Exit].map(|kind| lives.iter().filter(|life| life.kind == kind).count())
    }

    pub(crate) fn gaps(&self) -> Vec<(GapCause, Option<u64>)> {
        let gap = |record: &Record| match record {
            Record::Gap(gap) => Some((gap.cause, gap.lost)),
            _ => None,
        };
        self.records.iter().filter_map(gap).collect()
    }

    /// The names of the calls of each stream that a fork, a clone or an exec began, in that order. The
    /// calls by which threads wait for each other depend on who is faster, and are left out.
    pub(crate) fn streams(&self) -> Vec<Vec<String>> {
        let mut order: Vec<&StreamId> = Vec::new();
        let mut streams: HashMap<&StreamId, Vec<String>> = HashMap::new();
        for record in &self.records {
            match record {
                Record::Lifecycle(life) if life.kind != LifecycleKind::Exit => {
                    order.push(&life.stream);
                }
                Record::Call(call) if call.name.as_str() != "futex" => {
                    let stream = streams.entry(&call.stream).or_default();
                    stream.push(call.name.as_str().to_owned());
                }
                _ => {}
            }
        }
        order
            .into_iter()
            .map(|id| streams.remove(id).unwrap_or_default())
            .collect()
    }

    /// The records, a line each: thread, call and how it ended, or what happened to the thread.
    pub(crate) fn lines(&self) -> Vec<String> {
        let tid = |stream: &StreamId| stream.tid.map_or("-".to_owned(), |tid| tid.to_string());
        let line = |record: &Record| match record {
            Record::Call(call) => {
                let outcome = call.outcome.map_or("?".to_owned(), |o| o.to_string());
                format!("{} {}={outcome}", tid(&call.stream), call.name)
            }
            Record::Lifecycle(life) => {
                let parent = life.parent.as_ref();
                let parent = parent.map_or(String::new(), |p| format!(" of {}", tid(p)));
                format!("{} <{:?}{parent}>", tid(&life.stream), life.kind).to_lowercase()
            }
            _ => "<gap>".to_owned(),
        };
        self.records.iter().map(line).collect()
    }
}
