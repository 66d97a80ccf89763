//! What sysdig prints, as text and as JSON, and with it the recordings of LID-DS.
//!
//! Written by sysdig (0.1.80 to 0.29 were read; 0.40 leaves out directions and enters) from a live kernel
//! or a `.scap` file:
//!
//! ```text
//! sysdig proc.name=cat > cat.txt
//! sysdig -r capture.scap > capture.txt
//! sysdig -r capture.scap -j > capture.json
//! ```
//!
//! | form | a line |
//! |---|---|
//! | default, `-v`, `-X`, `-A` | `132 16:17:57.881753570 0 cat (20072) > brk addr=0` |
//! | `-pc`, `-pk` | `132 16:17:57.881753570 0 host (host) cat (20072:12) > brk addr=0` |
//! | LID-DS 2021, `.sc` (its `-p`) | `1470327477881753570 0 20072 cat 20072 brk > addr=0` |
//! | LID-DS 2019, `.txt` | `132 16:17:57.881753570 0 1000 cat 20072 > brk addr=0` |
//! | any other `-p` | told from its first lines, if it has the direction, the event's type beside it and the thread's number before them |
//! | without directions | `132 16:17:57.881753570 0 cat (20072) brk res=0` |
//! | `-j` | `{"evt.dir":">","evt.type":"brk","thread.tid":20072,...}` |
//!
//! `layout` tells these apart, `event` reads what is in them.
//!
//! # Traps
//! - An event is an enter (`>`) or an exit (`<`). The first of a capture may be an exit.
//! - The time of `-t d` is how long a call took, so it is no time; that of `-t D` is the step from the line
//!   before; that of `-t r` begins with the capture. All three look alike, and the first lines decide.
//! - `-t a` writes seconds, a point and nanoseconds without their leading zeros.
//! - `res=` of `brk`, `mmap` and `mremap` is hexadecimal without a mark.
//! - sysdig has one name for several calls: `accept` is also `accept4`, `eventfd` also `eventfd2`, `pipe`
//!   also `pipe2`, `signalfd` also `signalfd4`, `inotify_init` also `inotify_init1`, in versions before 0.30.
//! - Events that this version does not know are printed as `<unknown>`: a call, but not which. It is a gap
//!   in its thread.
//! - `switch`, `procexit`, `signaldeliver`, `page_fault` and their like are no calls.
//! - With `-s` or under load it drops events between `> drop` and `< drop`.
//! - A program's name may hold spaces, so fields are counted from both ends.
//! - `-X` and `-A` show the data of reads and writes below an event: lines that are no events count for these.
//! - Where only returns are written, their time is the only one, so it is the call's.
//! - Numbers of events have holes where a filter took some out: no loss.

use std::ops::ControlFlow;

mod event;
mod json;
mod layout;

use self::event::{Event, Side};
pub(crate) use self::json::SysdigJsonReader;
use self::layout::Layout;
pub(crate) use self::layout::looks_like;
use crate::read::clock::{Clock, Stamp};
use crate::read::line::{Emitter, LineReader};
use crate::read::names::Names;
use crate::read::pairing::{Enter, Leave, Makes, Pairing, Who, is_exec};
use crate::read::{ReadOptions, SkipKind, Source};
use crate::{Gap, GapCause, GapScope, Outcome, Record, StreamId};

/// Bytes of the first lines that are held back until their layout is clear.
const HELD_BYTES: usize = 64 << 10;

/// Reads sysdig text line by line.
#[derive(Debug)]
pub(crate) struct SysdigReader {
    events: Events,
    layout: Layout,
    clock: Clock,
    /// The first lines, until the layout is clear.
    held: Option<Vec<(u64, Box<[u8]>)>>,
    held_bytes: usize,
    /// Whether the event before had data, which `-X` and `-A` show below it.
    has_data: bool,
}

impl SysdigReader {
    /// A reader of one file.
    pub(crate) fn new(source: &Source, options: &ReadOptions) -> Self {
        SysdigReader {
            events: Events::new(source, options),
            layout: Layout::default(),
            clock: Clock::default(),
            held: Some(Vec::new()),
            held_bytes: 0,
            has_data: false,
        }
    }

    /// Takes the lines that were held back.
    fn release(&mut self, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some(held) = self.held.take() else {
            return ControlFlow::Continue(());
        };
        let lines: Vec<&[u8]> = held.iter().map(|(_, line)| line.as_ref()).collect();
        self.layout = Layout::of(&lines);
        let now = out.line_number;
        for (number, line) in &held {
            out.line_number = *number;
            self.take(line, out)?;
        }
        out.line_number = now;
        ControlFlow::Continue(())
    }

    fn take(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if let Some((event, stamp)) = self.layout.split(line) {
            let time_ns = stamp.map(|stamp| self.clock.read(stamp));
            self.has_data = event::has_data(event.info);
            return self.events.take(time_ns, &event, line, out);
        }
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if self.has_data {
            out.skip(SkipKind::ProgramOutput, line);
            return ControlFlow::Continue(());
        }
        if layout::is_summary(line) {
            out.skip(SkipKind::ToolMessage, line);
            return ControlFlow::Continue(());
        }
        self.events.pairing.unreadable(line, out)
    }
}

impl LineReader for SysdigReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some(held) = &mut self.held else {
            return self.take(line, out);
        };
        self.held_bytes += line.len() + 1;
        held.push((out.line_number, line.into()));
        if self.held_bytes < HELD_BYTES {
            return ControlFlow::Continue(());
        }
        self.release(out)
    }

    fn finish(&mut self, cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        // A last line without its end may lack more, but an event's beginning is all that is wanted.
        let _ = cut_off;
        self.release(out)?;
        self.events.pairing.finish(out)
    }
}

/// What text and JSON have in common: from events to records.
#[derive(Debug)]
struct Events {
    pairing: Pairing,
    names: Names,
    source: std::sync::Arc<str>,
}

impl Events {
    fn new(source: &Source, options: &ReadOptions) -> Self {
        Events {
            pairing: Pairing::new(source.origin.clone(), options.limits.open_threads),
            names: Names::new(options),
            source: source.origin.clone(),
        }
    }

    fn take(
        &mut self,
        time_ns: Option<u64>,
        event: &Event<'_>,
        line: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let who = Who {
            tid: event.tid,
            tgid: event.tgid,
        };
        match event.name {
            b"procexit" => {
                out.skip(SkipKind::NotACall, line);
                return match event.tid {
                    Some(tid) => {
                        let status = event::exit_status(event.info);
                        self.pairing.ended(tid, time_ns, status, out)
                    }
                    None => ControlFlow::Continue(()),
                };
            }
            b"drop" => {
                out.skip(SkipKind::ToolMessage, line);
                return self
                    .pairing
                    .lost(None, None, GapCause::RateLimit, time_ns, out);
            }
            b"<unknown>" => return self.unknown(time_ns, who, event, line, out),
            name if event::is_no_call(name) => {
                out.skip(SkipKind::NotACall, line);
                return ControlFlow::Continue(());
            }
            _ => {}
        }
        let Some(named) = self.names.by_name(event.name) else {
            return self.pairing.unreadable(line, out);
        };
        let side = match event.side {
            Side::Either => {
                let open = event.tid.and_then(|tid| self.pairing.open_name(tid));
                match event.info.starts_with(b"res=") {
                    _ if open == Some(&named.name) => Side::Exit,
                    true => Side::Whole,
                    false => Side::Enter,
                }
            }
            side => side,
        };
        let name = named.name.as_str();
        let (clones, execs) = (Makes::of(name, None), is_exec(name));
        let outcome = match side {
            Side::Enter => None,
            _ => event::outcome(event.name, event.info),
        };
        let born = clones.is_some() && outcome == Some(Outcome::Returned(0));
        if side == Side::Enter || (side == Side::Whole && !born) {
            let enter = Enter {
                time_ns,
                abi: named.abi,
                number: named.number,
                name: named.name.clone(),
                makes: clones,
                executable: execs.then(|| event::executable(event.info)).flatten(),
            };
            if event.tid.is_none() {
                return self.pairing.whole(who, enter, outcome, out);
            }
            self.pairing.enter(who, enter, out)?;
            if side == Side::Enter {
                return ControlFlow::Continue(());
            }
        }
        let mut leave = Leave {
            time_ns,
            abi: named.abi,
            number: named.number,
            name: Some(named.name),
            outcome,
            parent: None,
            makes: None,
        };
        let mut who = who;
        if clones.is_some() || execs {
            who.tgid = who.tgid.or_else(|| event::number(event.info, b" pid="));
        }
        if clones.is_some() {
            leave.makes = event::made(event.info).or(clones);
            leave.parent = event::number(event.info, b" ptid=").filter(|_| born);
        }
        self.pairing.leave(who, leave, line, out)
    }

    /// A call that this version of sysdig has no name for.
    fn unknown(
        &mut self,
        time_ns: Option<u64>,
        who: Who,
        event: &Event<'_>,
        line: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        out.skip(SkipKind::NotACall, line);
        if event.side == Side::Exit {
            return ControlFlow::Continue(());
        }
        let stream = match who.tid {
            Some(tid) => self.pairing.stream(tid),
            None => Some(StreamId::whole(self.source.clone())),
        };
        let Some(stream) = stream else {
            return ControlFlow::Continue(());
        };
        out.record(Record::Gap(Gap {
            time_ns,
            scope: GapScope::Stream(stream),
            lost: Some(1),
            cause: GapCause::Unknown,
        }))
    }
}

/// A time as the text has it, and what it counts from.
type Time = Option<Stamp>;
