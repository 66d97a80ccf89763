//! The text that strace writes, in all its options and versions that are about calls.
//!
//! | part | what it knows |
//! |---|---|
//! | `prefix` | process, time, number and pointer before an event |
//! | `event`, `ending`, `message` | the event: call, result, signal, exit, message of strace |
//! | `threads` | which stream an event belongs to, and which calls are open |
//! | `guess` | the ABI, where nothing names it |
//!
//! A call is yielded once, when it returns, with the time of its entry. A thread has one open call at a
//! time, so this is also the order of entry within a stream. A call whose second half is missing is
//! yielded without an outcome when its thread goes on, ends, or the file ends
//! ([`SkipKind::NeverResumed`]); a second half without a first (strace attached in the middle, or the
//! file was cut) did happen, so it is yielded too, without a time ([`SkipKind::OrphanResumed`]).

use std::ops::ControlFlow;

mod ending;
mod event;
mod guess;
mod message;
mod prefix;
mod threads;

use self::ending::Ending;
use self::event::{Event, Half, Tail};
use self::guess::Guess;
use self::message::Message;
use self::prefix::Prefix;
use self::threads::{Begins, Key, Threads};
use crate::read::clock::Clock;
use crate::read::line::{Emitter, LineReader};
use crate::read::text;
use crate::read::{ReadOptions, SkipKind, Source};
use crate::{CallName, Gap, GapCause, GapScope, Record, table};

/// Bytes of the first lines that are held back until the ABI is clear.
const GUESS_BYTES: usize = 64 << 10;

/// Why a summary of counts is refused.
const SUMMARY: &str = "this is a summary of counts (strace -c), which has no calls in their order; record \
                       without -c, or with -C to have both";

/// Reads strace text line by line.
#[derive(Debug)]
pub(crate) struct StraceReader {
    threads: Threads,
    clock: Clock,
    /// The first lines, until the ABI is clear.
    held: Option<Held>,
    /// The thread whose line was interrupted by something else, and goes on later without a prefix.
    interrupted: Option<Key>,
    /// The thread whose call the line before left unfinished.
    unfinished: Option<Key>,
    /// Whether a line was seen that strace wrote.
    started: bool,
    /// Whether the table of counts has begun.
    summary: bool,
}

#[derive(Debug, Default)]
struct Held {
    guess: Guess,
    lines: Vec<(u64, Box<[u8]>)>,
    bytes: usize,
}

impl StraceReader {
    /// A reader of one file.
    pub(crate) fn new(source: &Source, options: &ReadOptions) -> Self {
        let named = pid_of_name(&source.origin);
        let threads = options.limits.open_threads;
        StraceReader {
            threads: Threads::new(source.origin.clone(), named, options.abi, threads),
            clock: Clock::default(),
            held: options.abi.is_none().then(Held::default),
            interrupted: None,
            unfinished: None,
            started: false,
            summary: false,
        }
    }

    /// Takes the lines that were held back.
    fn release(&mut self, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some(held) = self.held.take() else {
            return ControlFlow::Continue(());
        };
        let now = out.line_number;
        for (number, line) in held.lines {
            out.line_number = number;
            self.take(&line, out)?;
        }
        out.line_number = now;
        ControlFlow::Continue(())
    }

    fn take(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if event::is_annotation(line) {
            out.skip(SkipKind::ToolMessage, line);
            return ControlFlow::Continue(());
        }
        let unfinished = self.unfinished.take();
        let (prefix, rest) = prefix::split(line);
        if let Some(event) = event::parse(rest) {
            return self.event(line, prefix, event, out);
        }
        if let Some(key) = self.interrupted {
            return self.go_on(key, line, out);
        }
        // With `-z` strace first leaves the call and then ends it all the same.
        if let Some(key) = unfinished
            && (line.starts_with(b")") || text::find(line, b")  ").is_some())
            && let Some(Tail::Ended(ending)) = event::tail(line)
        {
            return self.complete(key, ending, out);
        }
        if self.is_summary(line) {
            out.skip(SkipKind::ToolMessage, line);
            return ControlFlow::Continue(());
        }
        if let Some(at) = event::glued(rest) {
            let (output, rest) = rest.split_at(at);
            out.skip(SkipKind::ProgramOutput, output);
            // What strace wrote after it has its own prefix, or the one at the start of the line.
            let (own, rest) = prefix::split(rest);
            let prefix = if own.pid.is_some() { own } else { prefix };
            if let Some(event) = event::parse(rest) {
                return self.event(line, prefix, event, out);
            }
        }
        self.unknown(line, prefix, rest, out)
    }

    fn event(
        &mut self,
        line: &[u8],
        prefix: Prefix,
        event: Event<'_>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        self.started = true;
        let time_ns = prefix.stamp.map(|stamp| self.clock.read(stamp));
        if let Event::Message(message) = event {
            return self.message(message, None, line, out);
        }
        let (Event::Complete(half, _)
        | Event::Begun(half)
        | Event::Left(half)
        | Event::Interrupted(half, _)
        | Event::Resumed(half, _)
        | Event::ResumedBegun(half)
        | Event::ResumedInterrupted(half, _)) = event
        else {
            return self.no_call(line, prefix, event, time_ns, out);
        };
        let Some(name) = table::canonical(half.name) else {
            return self.damaged(line, prefix, out);
        };
        let resumes = matches!(
            event,
            Event::Resumed(..) | Event::ResumedBegun(_) | Event::ResumedInterrupted(..)
        );
        let key = self
            .threads
            .enter(prefix.pid, resumes.then_some(&name), out)?;
        // Another line of this thread ends what was interrupted; that of another thread leaves it open.
        self.interrupted = None;
        if resumes {
            self.resume(key, name, prefix, half, line, out)?;
        } else {
            let begins = Begins {
                time_ns,
                name,
                number: prefix.number,
                args: half.args,
            };
            self.threads.open(key, begins, out)?;
        }
        match event {
            Event::Complete(_, ending) | Event::Resumed(_, ending) => {
                self.complete(key, ending, out)
            }
            Event::Left(_) => self.threads.close(key, SkipKind::NeverResumed, out),
            Event::Interrupted(_, message) | Event::ResumedInterrupted(_, message) => {
                self.interrupted = Some(key);
                match message {
                    Some(message) => self.message(message, Some(key), line, out),
                    None => ControlFlow::Continue(()),
                }
            }
            _ => {
                self.unfinished = Some(key);
                ControlFlow::Continue(())
            }
        }
    }

    /// The second half of a call; makes up the first where it is missing.
    fn resume(
        &mut self,
        key: Key,
        name: CallName,
        prefix: Prefix,
        half: Half<'_>,
        line: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if self.threads.has_open(key, &name) || self.threads.exec_began_elsewhere(key, &name) {
            return ControlFlow::Continue(());
        }
        out.skip(SkipKind::OrphanResumed, line);
        let begins = Begins {
            time_ns: None,
            name,
            number: prefix.number,
            args: half.args,
        };
        self.threads.open(key, begins, out)
    }

    fn complete(&mut self, key: Key, ending: Ending, out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.threads
            .complete(key, ending.outcome, ending.child, out)
    }

    fn no_call(
        &mut self,
        line: &[u8],
        prefix: Prefix,
        event: Event<'_>,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        match event {
            Event::Exited(status) => {
                let key = self.threads.enter(prefix.pid, None, out)?;
                self.threads.exit(key, time_ns, status, out)
            }
            Event::Superseded(by) => {
                let key = self.threads.enter(prefix.pid, None, out)?;
                self.threads.supersede(key, by, time_ns, out)
            }
            _ => {
                out.skip(SkipKind::NotACall, line);
                ControlFlow::Continue(())
            }
        }
    }

    fn message(
        &mut self,
        message: Message,
        interrupted: Option<Key>,
        line: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        out.skip(SkipKind::ToolMessage, line);
        match message {
            Message::Attached(pid) => {
                let interrupted = interrupted.or(self.interrupted);
                self.threads.attached(pid, interrupted, out)
            }
            Message::Detached(pid) => self.threads.detached(pid, out),
            Message::Mode(pid, mode) => {
                let key = self.threads.enter(Some(pid), None, out)?;
                let abi = guess::of_mode(mode, self.threads.abi());
                self.threads.set_mode(key, abi);
                ControlFlow::Continue(())
            }
            Message::Other => ControlFlow::Continue(()),
        }
    }

    /// A line without an event while a call's line is not full: more output, or the rest of the call.
    fn go_on(&mut self, key: Key, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        match event::tail(line) {
            Some(Tail::Ended(ending)) => {
                self.interrupted = None;
                self.complete(key, ending, out)
            }
            Some(Tail::Unfinished) => {
                self.interrupted = None;
                ControlFlow::Continue(())
            }
            Some(Tail::Left) => {
                self.interrupted = None;
                self.threads.close(key, SkipKind::NeverResumed, out)
            }
            None => match message::split(line) {
                (_, Some(message)) => self.message(message, Some(key), line, out),
                (_, None) => {
                    out.skip(SkipKind::ProgramOutput, line);
                    ControlFlow::Continue(())
                }
            },
        }
    }

    /// Whether a line is of the table that `-c` and `-C` write at the end.
    fn is_summary(&mut self, line: &[u8]) -> bool {
        // Output that did not end its line may stand before the table.
        let head = [
            &b"% time     seconds"[..],
            b"System call usage summary for ",
        ];
        if head.iter().any(|head| text::find(line, head).is_some()) {
            self.summary = true;
            return true;
        }
        if !self.summary {
            return false;
        }
        let line = line.trim_ascii();
        let is_rule = line.iter().all(|b| matches!(b, b'-' | b' '));
        is_rule || line.first().is_some_and(u8::is_ascii_digit)
    }

    /// A line that is no event.
    fn unknown(
        &mut self,
        line: &[u8],
        prefix: Prefix,
        rest: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if event::is_loose_end(line) {
            out.skip(SkipKind::ToolMessage, line);
            return ControlFlow::Continue(());
        }
        let has_mark = prefix.bracketed
            || prefix.stamp.is_some()
            || prefix.pid.is_some_and(|pid| self.threads.is_alive(pid))
            || [&b"<... "[..], b"+++ ", b"--- "]
                .iter()
                .any(|mark| rest.starts_with(mark));
        if !self.started {
            out.skip(SkipKind::Unparsed, line);
            return ControlFlow::Continue(());
        }
        if has_mark {
            return self.damaged(line, prefix, out);
        }
        out.skip(SkipKind::ProgramOutput, line);
        ControlFlow::Continue(())
    }

    /// A line that was strace's own and may have been a call.
    fn damaged(&mut self, line: &[u8], prefix: Prefix, out: &mut Emitter<'_>) -> ControlFlow<()> {
        out.skip(SkipKind::Unparsed, line);
        let stream = prefix.pid.and_then(|pid| self.threads.stream(pid));
        out.record(Record::Gap(Gap {
            time_ns: None,
            scope: match stream {
                Some(stream) => GapScope::Stream(stream.clone()),
                None => GapScope::Origin(self.threads.origin()),
            },
            lost: None,
            cause: GapCause::Unreadable,
        }))
    }
}

impl LineReader for StraceReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some(held) = &mut self.held else {
            return self.take(line, out);
        };
        let abi = held.guess.line(line);
        held.bytes += line.len() + 1;
        held.lines.push((out.line_number, line.into()));
        if abi.is_none() && held.bytes < GUESS_BYTES {
            return ControlFlow::Continue(());
        }
        self.threads.set_abi(abi.unwrap_or(held.guess.settle()));
        self.release(out)
    }

    fn finish(&mut self, cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        if let Some(held) = &self.held {
            self.threads.set_abi(held.guess.settle());
            self.release(out)?;
        }
        if self.summary && out.report.calls == 0 {
            return out.refuse(SUMMARY);
        }
        if cut_off && let Some(key) = self.interrupted.take() {
            self.threads.close(key, SkipKind::CutOff, out)?;
        }
        self.threads.close_all(out)
    }
}

/// The process that a `-ff` file's name ends in: `trace.1234`, `trace.1234.gz`.
fn pid_of_name(origin: &str) -> Option<u32> {
    let name = [".gz", ".xz", ".zst", ".bz2"]
        .iter()
        .find_map(|end| origin.strip_suffix(end))
        .unwrap_or(origin);
    let (before, digits) = name.rsplit_once('.')?;
    let is_number = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    (is_number && !before.is_empty()).then(|| digits.parse().ok())?
}
