//! From what was heard to what people are told: an incident is told once, and then counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufWriter, StdoutLock, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use idiolect_detect::{Crossing, Judge, Surprising};
use idiolect_trace::assemble::StreamStart;
use idiolect_trace::read::escape;
use serde_json::{Value, json};

use super::Tally;
use super::lineage::{Born, Line};
use crate::live::{Ended, Lost, lost};
use crate::output::out;
use crate::ui;

/// Prints findings.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    judge: &'a Judge<'a>,
    json: bool,
    out: BufWriter<StdoutLock<'static>>,
    /// Incidents so far; they are numbered from 1.
    count: u64,
    open: BTreeMap<u64, Incident>,
    by_program: HashMap<String, u64>,
    by_stream: HashMap<u64, u64>,
}

/// Something odd that goes on.
#[derive(Debug)]
struct Incident {
    /// What it began with.
    by: By,
    began: Instant,
    last: Instant,
    /// Crossings and new programs, the first included.
    signs: u64,
    /// Streams that began below it.
    streams: u64,
    /// New programs, some of them where there are many.
    programs: BTreeSet<String>,
}

#[derive(Debug)]
enum By {
    Program(String),
    Stream(u64),
}

/// An incident is over when nothing more came for so long.
const QUIET: Duration = Duration::from_secs(60);
/// Programs of one incident that are remembered by name, at most.
const MOST_PROGRAMS: usize = 20;

impl<'a> Desk<'a> {
    pub(super) fn new(judge: &'a Judge<'a>, json: bool) -> Self {
        Desk {
            judge,
            json,
            out: out(),
            count: 0,
            open: BTreeMap::new(),
            by_program: HashMap::new(),
            by_stream: HashMap::new(),
        }
    }

    /// Incidents so far.
    pub(super) fn incidents(&self) -> u64 {
        self.count
    }

    /// A guarded stream begins. Gives the incident that it belongs to.
    pub(super) fn started(&mut self, start: &StreamStart, born: &Born) -> Result<Option<u64>> {
        let above = born.parent.as_ref().and_then(|parent| parent.incident);
        let above = above.filter(|number| self.open.contains_key(number));
        let program = match &start.executable {
            Some(program) if born.is_new_program => program,
            _ => {
                if let Some(incident) = above.and_then(|number| self.open.get_mut(&number)) {
                    incident.streams += 1;
                }
                return Ok(above);
            }
        };
        let number = match above.or_else(|| self.by_program.get(program).copied()) {
            Some(number) => number,
            None => {
                let number = self.begin(By::Program(program.clone()));
                self.tell_program(number, program, start, born.parent.as_ref())?;
                number
            }
        };
        if let Some(incident) = self.open.get_mut(&number) {
            incident.sign();
            incident.streams += 1;
            if incident.programs.len() < MOST_PROGRAMS {
                incident.programs.insert(program.clone());
            }
        }
        Ok(Some(number))
    }

    /// A stream's score has crossed its threshold.
    pub(super) fn crossed(
        &mut self,
        line: Option<&Line>,
        key: u64,
        crossing: &Crossing,
    ) -> Result<()> {
        let above = line.and_then(|line| line.incident);
        let above = above.filter(|number| self.open.contains_key(number));
        let number = match above.or_else(|| self.by_stream.get(&key).copied()) {
            Some(number) => number,
            None => {
                let number = self.begin(By::Stream(key));
                self.tell_crossing(number, line, crossing)?;
                number
            }
        };
        if let Some(incident) = self.open.get_mut(&number) {
            incident.sign();
        }
        Ok(())
    }

    /// A stream has ended, and with it its incident.
    pub(super) fn ended(&mut self, key: u64) -> Result<()> {
        match self.by_stream.get(&key) {
            Some(&number) => self.close(number),
            None => Ok(()),
        }
    }

    /// Ends what has been quiet, and shows what was printed.
    pub(super) fn pause(&mut self) -> Result<()> {
        let is_quiet = |incident: &Incident| incident.last.elapsed() > QUIET;
        let quiet = self.open.iter().filter(|(_, incident)| is_quiet(incident));
        let quiet: Vec<u64> = quiet.map(|(&number, _)| number).collect();
        quiet
            .into_iter()
            .try_for_each(|number| self.close(number))?;
        Ok(self.out.flush()?)
    }

    /// All incidents are over.
    pub(super) fn close_all(&mut self) -> Result<()> {
        let open: Vec<u64> = self.open.keys().copied().collect();
        open.into_iter().try_for_each(|number| self.close(number))?;
        Ok(self.out.flush()?)
    }

    /// What was read, lost and scored.
    pub(super) fn summary(&mut self, ended: &Ended, tally: &Tally) -> Result<()> {
        if self.json {
            let line = json!({
                "finding": "end",
                "calls": ended.tally.calls,
                "events": ended.tally.events,
                "lost": Lost::from(ended.losses),
                "seconds": ended.time.as_secs_f64(),
                "streams": tally.streams,
                "streams_not_guarded": tally.unguarded,
                "calls_scored": tally.calls,
                "unknown_calls": tally.unknown_calls,
                "gaps": tally.gaps,
                "incidents": self.count,
                "status": ended.status(),
            });
            writeln!(self.out, "{line}")?;
            return Ok(self.out.flush()?);
        }
        let mut text = format!(
            "read {} in {}; {}; scored {} of {}",
            ui::plural(ended.tally.calls, "call"),
            ui::span(ended.time),
            lost(ended.losses),
            ui::count(tally.calls),
            ui::plural(tally.streams, "stream"),
        );
        for (count, what) in [
            (tally.unknown_calls, "calls never seen in training"),
            (tally.gaps, "gaps"),
            (tally.unguarded, "streams not guarded"),
        ] {
            if count > 0 {
                text += &format!(", {} {what}", ui::count(count));
            }
        }
        ui::say(&format!("{text}; {}", ui::plural(self.count, "incident")));
        Ok(())
    }

    fn begin(&mut self, by: By) -> u64 {
        self.count += 1;
        match &by {
            By::Program(program) => self.by_program.insert(program.clone(), self.count),
            By::Stream(key) => self.by_stream.insert(*key, self.count),
        };
        let now = Instant::now();
        let incident = Incident {
            by,
            began: now,
            last: now,
            signs: 0,
            streams: 0,
            programs: BTreeSet::new(),
        };
        self.open.insert(self.count, incident);
        self.count
    }

    fn close(&mut self, number: u64) -> Result<()> {
        let Some(incident) = self.open.remove(&number) else {
            return Ok(());
        };
        match &incident.by {
            By::Program(program) => self.by_program.remove(program),
            By::Stream(key) => self.by_stream.remove(key),
        };
        let lasted = incident.last - incident.began;
        if self.json {
            let line = json!({
                "finding": "closed",
                "incident": number,
                "time_ns": now_ns(),
                "signs": incident.signs,
                "seconds": lasted.as_secs_f64(),
                "streams": incident.streams,
                "programs": incident.programs,
            });
            writeln!(self.out, "{line}")?;
            return Ok(());
        }
        if incident.signs <= 1 {
            return Ok(());
        }
        let mut text = format!(
            "{} in {}",
            ui::plural(incident.signs - 1, "more sign"),
            ui::span(lasted)
        );
        if !incident.programs.is_empty() {
            let programs = incident.programs.iter().map(|p| escape(p.as_bytes()));
            text += &format!(
                ", by {}: {}",
                ui::plural(incident.streams, "stream"),
                programs.collect::<Vec<_>>().join(", ")
            );
        }
        self.line(number, &format!("over; {text}"))
    }

    fn tell_program(
        &mut self,
        number: u64,
        program: &str,
        start: &StreamStart,
        parent: Option<&Line>,
    ) -> Result<()> {
        if self.json {
            let line = json!({
                "finding": "opened",
                "incident": number,
                "kind": "new_program",
                "time_ns": now_ns(),
                "program": program,
                "tgid": start.id.tgid,
                "tid": start.id.tid,
                "by": parent.map(|parent| json!({
                    "program": parent.program,
                    "tgid": parent.tgid,
                    "tid": parent.tid,
                })),
            });
            return Ok(writeln!(self.out, "{line}")?);
        }
        let new = console::style("NEW PROGRAM").red().bold();
        let by = parent.map_or_else(String::new, |parent| {
            format!(" executed by {}", escape(parent.name().as_bytes()))
        });
        let process = start
            .id
            .tgid
            .map_or_else(String::new, |tgid| format!("[{tgid}]"));
        let program = escape(program.as_bytes());
        self.line(
            number,
            &format!("{new} {program}{process}{by}: training never executed it"),
        )
    }

    fn tell_crossing(
        &mut self,
        number: u64,
        line: Option<&Line>,
        crossing: &Crossing,
    ) -> Result<()> {
        let signal = self.judge.signal().as_str();
        if self.json {
            let mut told = json!({
                "finding": "opened",
                "incident": number,
                "kind": "calls",
                "time_ns": crossing.time_ns.unwrap_or_else(now_ns),
                "signal": signal,
                "program": line.and_then(|line| line.program.as_deref()),
                "tgid": line.and_then(|line| line.tgid),
                "tid": line.and_then(|line| line.tid),
                "start": line.map(|line| line.start),
            });
            if let (Value::Object(told), Value::Object(crossing)) =
                (&mut told, serde_json::to_value(crossing)?)
            {
                crossing
                    .into_iter()
                    .filter(|(name, _)| name != "time_ns")
                    .for_each(|(name, value)| {
                        told.insert(name, value);
                    });
            }
            return Ok(writeln!(self.out, "{told}")?);
        }
        let who = line.map_or_else(|| "a stream that ended".to_owned(), Line::name);
        let mut text = format!(
            "{} {}: {signal} {:.2} above {:.2} {} at call {}",
            console::style("ANOMALOUS").red().bold(),
            escape(who.as_bytes()),
            crossing.score,
            crossing.threshold,
            self.judge.unit(),
            ui::count(crossing.position),
        );
        for (place, call) in crossing.surprising.iter().enumerate() {
            text += if place == 0 { ": " } else { ", " };
            text += &self.surprising(call);
        }
        self.line(number, &text)
    }

    /// `ptrace never seen in training (expected read 61 %, write 12 %)`.
    fn surprising(&self, call: &Surprising) -> String {
        let how = match call.unknown {
            true => "never seen in training".to_owned(),
            false => format!("{:.1} {}", call.surprise, self.judge.measure().unit()),
        };
        let expected = call.expected.iter().map(|(call, probability)| {
            format!("{} {}", escape(call.as_bytes()), ui::percent(*probability))
        });
        let expected = expected.collect::<Vec<_>>().join(", ");
        let expected = match expected.is_empty() {
            true => "nothing fits".to_owned(),
            false => format!("expected {expected}"),
        };
        format!("{} {how} ({expected})", escape(call.call.as_bytes()))
    }

    fn line(&mut self, number: u64, text: &str) -> Result<()> {
        let time = ui::time(now_ns());
        Ok(writeln!(self.out, "{time}  incident {number}  {text}")?)
    }
}

impl Incident {
    fn sign(&mut self) {
        self.signs += 1;
        self.last = Instant::now();
    }
}

/// Nanoseconds since the epoch.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
