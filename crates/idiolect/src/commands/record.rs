//! `idiolect record`.

mod output;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use idiolect_capture::{Event, Records, Thread};
use idiolect_trace::read::escape;
use serde_json::json;

use crate::live::{Capturing, Consumer, Lost, lost};
use crate::output::finish;
use crate::ui;
use output::Output;

/// Record the calls of a command, a running process, a control group or the whole machine
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect record -o normal -- redis-server --port 7777
  idiolect record -o normal --pid $(pidof -s nginx) --for 10m
  idiolect record -o - --unit nginx | jq -r 'select(.record == \"call\").name' | sort | uniq -c
  idiolect record -o build --fast -- make

A recording ends when all that it follows has ended, at --for or --max-events, or with Ctrl-C. Processes that \
ran before go on running then; a command that was started is asked to end (SIGTERM, after 5 seconds SIGKILL). \
The exit code is that of the command, where it ended by itself (128 and the signal's number, where by one), 1 \
where recording failed.

ptrace needs no rights, slows programs down, and follows a process that is attached to and what that starts, \
but not others that come by its control group or name later on.")]
pub(crate) struct Record {
    /// Where to: a new folder, of Parquet segments and a journal; a file of JSON lines (NAME.jsonl, called
    /// NAME.jsonl.partial until it is whole); or - for JSON lines on standard output, where a command's own
    /// output goes to standard error
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Print what was recorded as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    capturing: Capturing,
}

pub(crate) fn run(args: &Record) -> Result<u8> {
    let is_stdout = args.output.as_os_str() == "-";
    if is_stdout && args.json {
        bail!("--json and -o - would both print on standard output: give one of them");
    }
    // Before anything is started.
    output::check(&args.output)?;
    let session = args.capturing.begin(is_stdout || args.json)?;
    let choice = session.choice.clone();
    let mut recording = Recording {
        output: Output::create(&args.output, &session)?,
        streams: Streams::default(),
    };
    let ended = session.run(&mut recording)?;
    let Recording { output, streams } = recording;
    let written = output.finish(&ended)?;
    let (tally, seconds) = (ended.tally, ended.time.as_secs_f64());
    let bytes_an_event = written.bytes as f64 / tally.events.max(1) as f64;
    if args.json {
        let summary = json!({
            "output": args.output,
            "backend": choice.backend.as_str(),
            "why": choice.why,
            "calls": tally.calls,
            "events": tally.events,
            "lost": Lost::from(ended.losses),
            "streams": streams.count,
            "seconds": seconds,
            "bytes": written.bytes,
            "bytes_an_event": bytes_an_event,
            "status": ended.status(),
        });
        let mut out = crate::output::out();
        writeln!(out, "{summary}")?;
        finish(out)?;
    } else {
        ui::say(&format!(
            "{}: {} of {} in {}; {}; {} an event",
            escape(written.shown.as_bytes()),
            ui::plural(tally.calls, "call"),
            ui::plural(streams.count, "stream"),
            ui::span(ended.time),
            lost(ended.losses),
            ui::plural(bytes_an_event.round() as u64, "byte"),
        ));
    }
    ended.say_blind_spots();
    Ok(ended.code())
}

/// Writes records as they come.
struct Recording {
    output: Output,
    streams: Streams,
}

impl Consumer for Recording {
    fn event(&mut self, event: Event, records: &Records) -> Result<()> {
        self.streams.count(&event);
        self.output.event(event, records)
    }

    fn pause(&mut self) -> Result<()> {
        self.output.flush()
    }
}

/// Counts streams: those of threads that made a call.
#[derive(Debug, Default)]
struct Streams {
    count: u64,
    /// Of threads that have not ended.
    open: HashSet<Thread>,
    /// Calls come in runs of one thread.
    last: Option<Thread>,
}

impl Streams {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Call { thread, .. } if self.last != Some(*thread) => {
                self.last = Some(*thread);
                self.count += u64::from(self.open.insert(*thread));
            }
            Event::Exec { before: thread, .. } | Event::Exit { thread, .. } => {
                self.open.remove(thread);
                self.last = None;
            }
            _ => {}
        }
    }
}
