//! sysdig's JSON (`-j`): an object a line, with the fields that `-p` names or the default ones.

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::Events;
use super::event::{Event, Side};
use crate::read::clock::{Clock, Stamp};
use crate::read::line::{Emitter, LineReader};
use crate::read::text::{seconds, time_of_day, whole};
use crate::read::{ReadOptions, SkipKind, Source};

/// Reads sysdig's JSON line by line.
#[derive(Debug)]
pub(crate) struct SysdigJsonReader {
    events: Events,
    clock: Clock,
}

/// The fields that are wanted (sysdig: `sysdig -l`).
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "evt.type", alias = "syscall.type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default, rename = "evt.dir")]
    direction: Option<Cow<'a, str>>,
    #[serde(default, rename = "thread.tid")]
    tid: Option<u32>,
    #[serde(default, rename = "proc.pid")]
    tgid: Option<u32>,
    #[serde(borrow, default, rename = "evt.info", alias = "evt.args")]
    info: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "evt.rawtime")]
    raw: Option<Time<'a>>,
    #[serde(borrow, default, rename = "evt.outputtime", alias = "evt.time")]
    output: Option<Time<'a>>,
}

/// A number of nanoseconds since the epoch, or a text as in sysdig's lines.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time<'a> {
    Number(u64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Time<'_> {
    fn stamp(&self) -> Option<Stamp> {
        let text = match self {
            Time::Number(ns) => return Some(Stamp::Epoch(*ns)),
            Time::Text(text) => text.as_bytes(),
        };
        if let Some(ns) = whole(time_of_day(text)) {
            return Some(Stamp::Day(ns));
        }
        // Seconds that do not count from the epoch may be a call's duration (`-t d`).
        let ns = whole(seconds(text))?;
        (ns >= super::layout::MIN_EPOCH_NS).then_some(Stamp::Epoch(ns))
    }
}

impl SysdigJsonReader {
    /// A reader of one file.
    pub(crate) fn new(source: &Source, options: &ReadOptions) -> Self {
        SysdigJsonReader {
            events: Events::new(source, options),
            clock: Clock::default(),
        }
    }
}

impl LineReader for SysdigJsonReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let text = line.trim_ascii();
        // Some versions write one array, an element a line.
        let text = text.strip_suffix(b",").unwrap_or(text);
        if matches!(text, b"" | b"[" | b"]") {
            return ControlFlow::Continue(());
        }
        if super::layout::is_summary(text) {
            out.skip(SkipKind::ToolMessage, line);
            return ControlFlow::Continue(());
        }
        let Ok(parsed) = serde_json::from_slice::<Line<'_>>(text) else {
            return self.events.pairing.unreadable(line, out);
        };
        let stamp = parsed.raw.or(parsed.output).and_then(|time| time.stamp());
        let event = Event {
            tid: parsed.tid,
            tgid: parsed.tgid,
            side: match parsed.direction.as_deref() {
                Some(">") => Side::Enter,
                Some("<") => Side::Exit,
                Some(_) => return self.events.pairing.unreadable(line, out),
                None => Side::Either,
            },
            name: parsed.kind.as_bytes(),
            info: parsed.info.as_deref().unwrap_or_default().as_bytes(),
        };
        let time_ns = stamp.map(|stamp| self.clock.read(stamp));
        self.events.take(time_ns, &event, line, out)
    }

    fn finish(&mut self, _: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.events.pairing.finish(out)
    }
}
