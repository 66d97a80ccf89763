//! From paths to the calls of streams, with what was passed over said aloud.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Result, bail};
use idiolect_detect::profile::Profile;
use idiolect_trace::assemble::{AssembleOptions, Assembler, StreamEvent};
use idiolect_trace::read::{
    self, FileSkip, Label, Part, Selection, Sink, Source, SourceReport, Totals,
};
use idiolect_trace::{Abi, Record, StartKind, StreamId};
use indicatif::ProgressBar;

use crate::args::Reading;
use crate::ui;

/// Where to read.
pub(crate) enum Input<'a> {
    /// Files, folders, archives, or `-`.
    Paths(&'a [PathBuf]),
    /// An archive in memory, and which of its files are wanted, by origin. Nothing is said of the others.
    Embedded {
        name: &'a str,
        bytes: &'a [u8],
        wanted: &'a dyn Fn(&str) -> bool,
    },
}

/// Takes the calls of streams, each stream under a key that does not come again after its end.
pub(crate) trait Handler {
    /// A record, before what is made of it.
    fn record(&mut self, _record: &Record) -> Result<()> {
        Ok(())
    }
    /// A stream begins.
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()>;
    /// Its next call.
    fn call(&mut self, key: u64, name: &str, time_ns: Option<u64>) -> Result<()>;
    /// Calls of it are missing here.
    fn gap(&mut self, key: u64) -> Result<()>;
    /// It ends.
    fn end(&mut self, key: u64) -> Result<()>;
}

/// A stream that begins.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    pub(crate) id: &'a StreamId,
    pub(crate) start: StartKind,
    pub(crate) executable: Option<&'a str>,
    pub(crate) label: Option<&'a Label>,
}

impl Begun<'_> {
    /// What people are shown it as: its file and its thread.
    pub(crate) fn name(&self) -> String {
        match self.id.tid.or(self.id.tgid) {
            Some(thread) => format!("{}[{thread}]", self.id.origin),
            None => self.id.origin.to_string(),
        }
    }
}

/// Whether a stream begins a program that training never executed. A profile that saw no program at all,
/// as from bare numbers, has nothing to say of them.
pub(crate) fn is_new_program(profile: &Profile, begun: &Begun<'_>) -> bool {
    !profile.programs.is_empty()
        && begun
            .executable
            .is_some_and(|program| !profile.programs.contains(program))
}

/// The parts of a labelled data set that are judged where none are named: what training does not see.
const JUDGED: [Part; 2] = [Part::Validation, Part::Attack];

/// The parts to judge.
pub(crate) fn parts_to_judge(reading: &Reading) -> &[Part] {
    if reading.part.is_empty() {
        &JUDGED
    } else {
        &reading.part
    }
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Files that were used.
    pub(crate) sources: u64,
    /// The ABIs of the calls in them.
    pub(crate) abis: BTreeSet<Abi>,
    /// How many files hold only some of the calls, the first, and how it shows.
    pub(crate) selected: Option<Selected>,
}

/// Files that hold only some of the calls of their threads.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    files: u64,
    first: String,
    how: Selection,
}

impl Selected {
    fn and_more(&self) -> String {
        match self.files {
            1 => String::new(),
            files => format!(" (and {})", ui::plural(files - 1, "other file")),
        }
    }
}

/// Says aloud where a profile of all calls is to judge some of them, or the other way round.
fn warn_of_selection(profile: &Profile, read: &Read) {
    match (&read.selected, profile.provenance.selected) {
        (Some(selected), false) => ui::say(&format!(
            "warning: {}{} holds only some calls: {}. The profile learned from traces of all calls, so what \
             is missing will look odd: record all calls, or train on traces that were chosen alike",
            selected.first,
            selected.and_more(),
            selected.how,
        )),
        (None, true) => ui::say(
            "warning: the profile learned from traces that hold only some calls, and these seem to hold all: \
             what is more will look odd. Train on traces of all calls",
        ),
        _ => {}
    }
}

/// Refuses to judge calls that the profile was not made for: it knows none of their names, or fewer than
/// half and they are another ABI's. Says aloud where calls of different ABIs are compared by their names.
pub(crate) fn check_calls(profile: &Profile, read: &Read, calls: u64, unknown: u64) -> Result<()> {
    if calls == 0 {
        return Ok(());
    }
    warn_of_selection(profile, read);
    if unknown < calls {
        return check_abis(profile, read, calls, unknown);
    }
    let known: Vec<&str> = profile.vocabulary.calls().collect();
    bail!(
        "the profile knows none of the {} in this trace (it knows {}, such as {}): was it trained on \
         another system, or was the trace read with the wrong --abi or --numbering?",
        ui::plural(calls, "call"),
        ui::count(known.len()),
        known[..known.len().min(3)].join(", "),
    );
}

fn check_abis(profile: &Profile, read: &Read, calls: u64, unknown: u64) -> Result<()> {
    let learned = &profile.provenance.abis;
    let is_learned = |abi: &Abi| learned.contains(abi.as_str());
    if learned.is_empty() || read.abis.iter().any(is_learned) {
        return Ok(());
    }
    let learned: Vec<&str> = learned.iter().map(String::as_str).collect();
    let seen: Vec<&str> = read.abis.iter().map(|abi| abi.as_str()).collect();
    let (learned, seen) = (learned.join(" and "), seen.join(" and "));
    let known = calls - unknown;
    let share = ui::percent(known as f64 / calls as f64);
    if unknown * 2 > calls {
        bail!(
            "the profile learned calls of {learned} and these are of {seen}: it knows the names of only \
             {share} of {}, too few to judge by. Train on traces of {seen}, or name the right --abi or \
             --numbering",
            ui::plural(calls, "call"),
        );
    }
    ui::say(&format!(
        "the profile learned calls of {learned} and these are of {seen}: compared by their names, of which \
         it knows those of {share} of {}",
        ui::plural(calls, "call"),
    ));
    Ok(())
}

/// The name of a data set's part on the command line.
pub(crate) fn part_name(part: Part) -> &'static str {
    match part {
        Part::Training => "training",
        Part::Validation => "validation",
        Part::Attack => "attack",
    }
}

/// Reads everything; of labelled data sets only these parts, where any are named. Says what was passed
/// over.
pub(crate) fn read(
    input: Input<'_>,
    reading: &Reading,
    parts: &[Part],
    handler: &mut dyn Handler,
) -> Result<Read> {
    let options = reading.options();
    let (wanted, bar): (&dyn Fn(&str) -> bool, _) = match &input {
        Input::Paths(_) => (&|_| true, ui::counter("reading")),
        Input::Embedded { wanted, .. } => (*wanted, ProgressBar::hidden()),
    };
    let mut feed = Feed {
        passing: Passing {
            handler,
            label: None,
            failed: None,
        },
        parts,
        wanted,
        assembler: Assembler::new(AssembleOptions {
            grouping: reading.streams,
            open_streams: options.limits.open_threads,
        }),
        taken: true,
        sources: 0,
        other_parts: BTreeMap::new(),
        skipped_files: BTreeMap::new(),
        records: 0,
        abis: BTreeSet::new(),
        selected: None,
        bar,
    };
    let said_aloud = matches!(input, Input::Paths(_));
    let result = match input {
        Input::Paths(paths) => read::read_paths(paths, &options, &mut feed),
        Input::Embedded { name, bytes, .. } => read::read_bytes(name, bytes, &options, &mut feed),
    };
    feed.bar.finish_and_clear();
    if let Some(error) = feed.passing.failed.take() {
        return Err(error);
    }
    if said_aloud {
        // Also before an error: what was passed over is most often why.
        feed.say_files();
    }
    let totals = result?;
    if said_aloud {
        feed.say(&totals);
    }
    if feed.sources == 0
        && let Some((&part, &count)) = feed.other_parts.first_key_value()
    {
        bail!(
            "all that was read are {} of the {} part of a data set, which is not used here unless you \
             say so: --part {}",
            ui::plural(count, "trace"),
            part_name(part),
            part_name(part)
        );
    }
    Ok(Read {
        sources: feed.sources,
        abis: feed.abis,
        selected: feed.selected,
    })
}

struct Feed<'a> {
    passing: Passing<'a>,
    parts: &'a [Part],
    wanted: &'a dyn Fn(&str) -> bool,
    assembler: Assembler,
    /// Whether the source at hand is used.
    taken: bool,
    /// Sources used.
    sources: u64,
    /// Sources not used, by their part.
    other_parts: BTreeMap<Part, u64>,
    /// Files passed over, by reason: how many, and the first.
    skipped_files: BTreeMap<String, (u64, String)>,
    records: u64,
    /// Of the calls used.
    abis: BTreeSet<Abi>,
    /// Of the sources used.
    selected: Option<Selected>,
    bar: ProgressBar,
}

/// Passes on what the assembler makes of records.
struct Passing<'a> {
    handler: &'a mut dyn Handler,
    /// Of the source at hand.
    label: Option<Label>,
    failed: Option<anyhow::Error>,
}

/// Calls between two steps of the progress bar.
const BAR_EVERY: u64 = 4_096;

impl Passing<'_> {
    fn event(&mut self, event: &StreamEvent) {
        if self.failed.is_some() {
            return;
        }
        let result = match event {
            StreamEvent::Start(start) => {
                let begun = Begun {
                    id: &start.id,
                    start: start.kind,
                    executable: start.executable.as_deref(),
                    label: self.label.as_ref(),
                };
                self.handler.begin(start.key, &begun)
            }
            StreamEvent::Call(call) => self.handler.call(call.key, &call.token(), call.time_ns),
            StreamEvent::Gap(gap) => self.handler.gap(gap.key),
            StreamEvent::End { key } => self.handler.end(*key),
            _ => Ok(()),
        };
        self.failed = result.err();
    }

    fn flow(&self) -> ControlFlow<()> {
        match self.failed {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }
}

impl Feed<'_> {
    /// Says which files were passed over, and why.
    fn say_files(&self) {
        for (part, count) in &self.other_parts {
            ui::say(&format!(
                "not used: {} of the {} part (--part chooses)",
                ui::plural(*count, "trace"),
                part_name(*part)
            ));
        }
        for (reason, (count, first)) in &self.skipped_files {
            let and_more = match count {
                1 => String::new(),
                _ => format!(" and {} more", ui::count(count - 1)),
            };
            ui::say(&format!("passed over {first}{and_more}: {reason}"));
        }
    }

    /// Says what was passed over inside files, and where the first of each kind is.
    fn say(&self, totals: &Totals) {
        for total in &totals.skips {
            let skip = &total.skip;
            let passed = format!(
                "passed over {}: {}",
                ui::plural(skip.count, "line"),
                skip.kind
            );
            if skip.kind.is_loss() {
                ui::say(&format!(
                    "{passed}; the first is {} line {}: {}",
                    total.first_origin, skip.first_line, skip.excerpt
                ));
            } else {
                ui::say(&passed);
            }
        }
        let counts = self.assembler.counts();
        if counts.evicted > 0 {
            ui::say(&format!(
                "{} ended early, because too many were open at one time",
                ui::plural(counts.evicted, "stream")
            ));
        }
    }
}

impl Sink for Feed<'_> {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        let part = source.label.as_ref().map(|label| label.part);
        let of_other_part =
            part.is_some_and(|part| !self.parts.is_empty() && !self.parts.contains(&part));
        if let (true, Some(part)) = (of_other_part, part) {
            *self.other_parts.entry(part).or_default() += 1;
        }
        self.taken = !of_other_part && (self.wanted)(&source.origin);
        self.sources += u64::from(self.taken);
        self.passing.label = source.label.clone();
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        if !self.taken {
            return ControlFlow::Continue(());
        }
        if let Record::Call(call) = &record {
            self.abis.insert(call.abi);
        }
        if let Err(error) = self.passing.handler.record(&record) {
            self.passing.failed = Some(error);
            return ControlFlow::Break(());
        }
        self.records += 1;
        if self.records.is_multiple_of(BAR_EVERY) {
            self.bar.set_position(self.records);
            self.bar.set_message("records");
        }
        self.assembler
            .push(record, &mut |event| self.passing.event(&event));
        self.passing.flow()
    }

    fn end(&mut self, source: &Source, report: &SourceReport) -> ControlFlow<()> {
        if let (true, Some(how)) = (self.taken, report.selection) {
            let selected = self.selected.get_or_insert_with(|| Selected {
                files: 0,
                first: source.origin.to_string(),
                how,
            });
            selected.files += 1;
        }
        self.assembler
            .end_source(&mut |event| self.passing.event(&event));
        self.passing.flow()
    }

    fn skipped_file(&mut self, origin: &str, reason: &FileSkip) -> ControlFlow<()> {
        let seen = self
            .skipped_files
            .entry(reason.to_string())
            .or_insert_with(|| (0, origin.to_owned()));
        seen.0 += 1;
        ControlFlow::Continue(())
    }
}
