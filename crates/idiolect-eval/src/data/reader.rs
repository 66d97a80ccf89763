//! From files to streams with labels.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use idiolect_detect::{Stream, Streams};
use idiolect_trace::Record;
use idiolect_trace::assemble::{AssembleOptions, Assembler, Grouping, StreamEvent, StreamStart};
use idiolect_trace::read::{FileSkip, ReadOptions, Sink, Source, SourceReport, read_path};

use super::{About, DataError, DataSet, Role};

/// How one's own traces are read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Format, ABI, numbering, bounds.
    pub options: ReadOptions,
    /// What makes a stream.
    pub grouping: Grouping,
}

/// What is said of a file's streams.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) role: Role,
    pub(super) family: Option<String>,
}

impl Label {
    pub(super) fn of(role: Role) -> Self {
        Label { role, family: None }
    }
}

/// When an exploit began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Exploit {
    /// On the recording's own clock, in nanoseconds.
    At(u64),
    /// So many nanoseconds after the recording's first call.
    After(u64),
}

/// Gathers streams of files.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    pub(super) streams: Streams,
    about: Vec<About>,
    recordings: u32,
    /// What was passed over: how often, by what it was.
    passed_over: BTreeMap<String, u64>,
}

impl Gatherer {
    /// Reads all files of a path. Each gets a label or is left out.
    pub(super) fn read(
        &mut self,
        path: &Path,
        reading: &Reading,
        label: &dyn Fn(&Source) -> Option<Label>,
    ) -> Result<(), DataError> {
        let mut sink = Gather {
            assembler: Assembler::new(AssembleOptions {
                grouping: reading.grouping,
                open_streams: reading.options.limits.open_threads,
            }),
            gatherer: self,
            label,
            of_source: None,
            open: HashMap::new(),
        };
        let totals = read_path(path, &reading.options, &mut sink)?;
        for total in totals.skips {
            let skip = total.skip;
            if skip.kind.is_loss() {
                *self
                    .passed_over
                    .entry(format!("lines {}", skip.kind))
                    .or_default() += skip.count;
            }
        }
        Ok(())
    }

    /// A new recording: what is pushed from now on belongs to it. Gives its number.
    pub(super) fn begin_recording(&mut self) -> u32 {
        self.recordings += 1;
        self.recordings - 1
    }

    /// Adds a stream of the recording that began last; one without calls is left out.
    pub(super) fn push(&mut self, stream: Stream, label: Label, times: Option<Vec<u64>>) {
        if stream.calls() == 0 {
            return;
        }
        self.about.push(About {
            role: label.role,
            family: label.family,
            recording: self.recordings.saturating_sub(1),
            times: times.map(Vec::into_boxed_slice),
            exploit_ns: None,
        });
        self.streams.push(stream);
    }

    /// Counts something that was passed over.
    pub(super) fn pass_over(&mut self, what: String, times: u64) {
        if times > 0 {
            *self.passed_over.entry(what).or_default() += times;
        }
    }

    /// How many streams there are.
    pub(super) fn len(&self) -> usize {
        self.about.len()
    }

    /// Says of the streams from `first` on, all of one attacked recording, when its exploit began. A
    /// stream that ended before is a normal one; calls of one to learn from are cut there.
    pub(super) fn exploit(&mut self, first: usize, exploit: Exploit) -> Result<(), String> {
        let began = match exploit {
            Exploit::At(ns) => ns,
            Exploit::After(ns) => {
                let times = self.about[first..]
                    .iter()
                    .filter_map(|about| about.times.as_ref());
                let start = times.filter_map(|times| times.first().copied()).min();
                start
                    .ok_or("its calls have no times, so an exploit's time says nothing")?
                    .saturating_add(ns)
            }
        };
        for about in &mut self.about[first..] {
            let times = about
                .times
                .as_ref()
                .ok_or("its calls have no times, so an exploit's time says nothing")?;
            about.exploit_ns = Some(began);
            if about.role == Role::Attack && times.last().is_none_or(|&last| last < began) {
                about.role = Role::Normal;
            }
        }
        Ok(())
    }

    /// The data set.
    pub(super) fn finish(self, name: String) -> Result<DataSet, DataError> {
        let notes = self.passed_over.into_iter();
        let notes = notes.map(|(what, times)| format!("passed over, {times} times: {what}"));
        DataSet::new(name, self.streams, self.about, notes.collect())
    }
}

struct Gather<'a> {
    gatherer: &'a mut Gatherer,
    label: &'a dyn Fn(&Source) -> Option<Label>,
    assembler: Assembler,
    /// Of the source at hand; none where it is left out.
    of_source: Option<Label>,
    open: HashMap<u64, Open>,
}

/// A stream whose end is not there yet.
struct Open {
    stream: Stream,
    times: Option<Vec<u64>>,
}

impl Gather<'_> {
    fn begin_stream(&mut self, start: &StreamStart) {
        let id = &start.id;
        let name = match id.tid.or(id.tgid) {
            Some(thread) => format!("{}[{thread}]", id.origin),
            None => id.origin.to_string(),
        };
        let stream = Stream {
            name,
            start: start.kind,
            symbols: Vec::new(),
            executable: start.executable.clone(),
        };
        let times = Some(Vec::new());
        self.open.insert(start.key, Open { stream, times });
    }

    fn event(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Start(start) => self.begin_stream(start),
            StreamEvent::Call(call) => {
                let symbol = self.gatherer.streams.symbol(&call.token());
                if let Some(open) = self.open.get_mut(&call.key) {
                    open.push(symbol, call.time_ns);
                }
            }
            StreamEvent::Gap(gap) => {
                if let Some(open) = self.open.get_mut(&gap.key) {
                    // A gap takes a place, so it takes a time: that of what came before it.
                    let before = open.times.as_ref().and_then(|times| times.last().copied());
                    open.push(Streams::GAP, gap.time_ns.or(before));
                }
            }
            StreamEvent::End { key } => {
                if let (Some(open), Some(label)) = (self.open.remove(key), &self.of_source) {
                    self.gatherer.push(open.stream, label.clone(), open.times);
                }
            }
            _ => {}
        }
    }
}

impl Open {
    fn push(&mut self, symbol: u32, time_ns: Option<u64>) {
        self.stream.symbols.push(symbol);
        match (&mut self.times, time_ns) {
            (Some(times), Some(time)) => times.push(time),
            (times, _) => *times = None,
        }
    }
}

impl Sink for Gather<'_> {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        self.of_source = (self.label)(source);
        if self.of_source.is_some() {
            self.gatherer.begin_recording();
        }
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        if self.of_source.is_some() {
            if let Record::Call(call) = &record {
                self.gatherer.streams.abis.insert(call.abi.to_string());
            }
            let mut events = Vec::new();
            self.assembler.push(record, &mut |event| events.push(event));
            events.iter().for_each(|event| self.event(event));
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self, _source: &Source, report: &SourceReport) -> ControlFlow<()> {
        if self.of_source.is_some() {
            self.gatherer.streams.selected |= report.selection.is_some();
        }
        let mut events = Vec::new();
        self.assembler.end_source(&mut |event| events.push(event));
        events.iter().for_each(|event| self.event(event));
        ControlFlow::Continue(())
    }

    fn skipped_file(&mut self, _origin: &str, reason: &FileSkip) -> ControlFlow<()> {
        let times = self.gatherer.passed_over.entry(format!("a file, {reason}"));
        *times.or_default() += 1;
        ControlFlow::Continue(())
    }
}
