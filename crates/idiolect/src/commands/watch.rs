//! `idiolect watch`: source, scoring and output apart, in one process.
//!
//! The calling thread reads the source, makes streams of its records ([`Lineage`] says which of them the profile
//! guards and what they run), and hands them to the shards. Each shard scores its part of the streams and answers
//! with what it heard ([`shards`]), of which the [`Desk`] makes incidents and lines.

mod desk;
mod lineage;
mod shards;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use idiolect_capture::{Event, Records};
use idiolect_detect::profile::Profile;
use idiolect_detect::{Judge, SignalKind, Watcher};
use idiolect_trace::Abi;
use idiolect_trace::assemble::{AssembleOptions, Assembler, StreamEvent};

use crate::args::{rate, signal};
use crate::exit;
use crate::live::{Capturing, Consumer, Ended};
use crate::ui;
use desk::Desk;
use lineage::Lineage;
use shards::{Heard, Shards};

/// Score the calls of running programs as they make them, and say at once what is anomalous
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect watch redis.idio -- redis-server --port 7777
  idiolect watch nginx.idio --unit nginx
  idiolect watch nginx.idio --comm nginx --json | jq 'select(.finding == \"opened\")'
  idiolect watch nginx.idio --all --for 1h      only process trees of programs that the profile knows

An incident is a stream whose score crosses its threshold, or a program that training never executed with all \
that it starts. It is printed once, and what belongs to it is counted until nothing more came for a minute.

Windows, cumulative sums and how many calls are lacking in training are judged at every call; the other signals, and streams of fewer than 20 calls, \
when a stream ends.")]
pub(crate) struct Watch {
    /// The profile
    #[arg(value_name = "PROFILE")]
    profile: PathBuf,

    /// Print a JSON object a finding, and one of all at the end
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    capturing: Capturing,

    /// The signal that is the score: window, cusum or lacking, or one that is judged at the end of streams (mean,
    /// quantile, combined, novelty, sum, distinct)
    #[arg(long, value_name = "SIGNAL", default_value = "window", value_parser = signal, help_heading = "Judging")]
    signal: SignalKind,

    /// Share of normal streams that may be called anomalous: 0.01 or 1% [default: the profile's]
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "Judging")]
    false_alarm_rate: Option<f64>,

    /// Exit with 3 when something is anomalous
    #[arg(long, help_heading = "Judging")]
    fail_on_anomaly: bool,
}

pub(crate) fn run(args: &Watch) -> Result<u8> {
    let profile = Profile::load(&args.profile)?;
    let judge = Judge::new(&profile, Some(args.signal), args.false_alarm_rate)?;
    if args.capturing.is_everything() && profile.programs.is_empty() {
        bail!(
            "{}: it was trained without knowing which programs ran, so it cannot be told which processes of the \
             machine it guards: use --pid, --comm, --unit, --cgroup or a command",
            args.profile.display()
        );
    }
    if !Watcher::is_running(args.signal) {
        ui::say(&format!(
            "{} is a signal of whole streams: each is judged when it ends",
            args.signal.as_str()
        ));
    }
    let session = args.capturing.begin(true)?;
    let lineage = Lineage::new(&profile.programs, args.capturing.is_everything());
    let (ended, watching) = std::thread::scope(|scope| {
        let mut watching = Watching {
            assembler: Assembler::new(AssembleOptions::default()),
            lineage,
            shards: Shards::start(scope, &judge),
            desk: Desk::new(&judge, args.json),
            tally: Tally::default(),
        };
        let ended = session.run(&mut watching)?;
        watching.finish()?;
        anyhow::Ok((ended, watching))
    })?;
    watching.close(&ended, &profile, args.fail_on_anomaly)
}

/// From events to findings.
struct Watching<'a> {
    assembler: Assembler,
    lineage: Lineage<'a>,
    shards: Shards,
    desk: Desk<'a>,
    tally: Tally,
}

/// What was scored.
#[derive(Debug, Default)]
struct Tally {
    streams: u64,
    /// Streams of process trees that the profile does not guard.
    unguarded: u64,
    calls: u64,
    unknown_calls: u64,
    gaps: u64,
}

impl Consumer for Watching<'_> {
    fn event(&mut self, event: Event, records: &Records) -> Result<()> {
        let Watching {
            assembler,
            lineage,
            shards,
            desk,
            tally,
        } = self;
        let mut result = Ok(());
        assembler.push(records.record(event), &mut |event| {
            let passed = pass_on(event, lineage, shards, desk, tally);
            if result.is_ok() {
                result = passed;
            }
        });
        result
    }

    fn pause(&mut self) -> Result<()> {
        self.shards.send()?;
        for heard in self.shards.heard() {
            self.take(heard)?;
        }
        self.desk.pause()
    }
}

/// One event of a stream: who it is, then to its shard.
fn pass_on(
    event: StreamEvent,
    lineage: &mut Lineage<'_>,
    shards: &mut Shards,
    desk: &mut Desk<'_>,
    tally: &mut Tally,
) -> Result<()> {
    let key = event.key();
    match &event {
        StreamEvent::Start(start) => {
            let born = lineage.begin(start);
            tally.streams += u64::from(born.is_guarded);
            tally.unguarded += u64::from(!born.is_guarded);
            if born.is_guarded {
                let incident = desk.started(start, &born)?;
                lineage.blame(key, incident);
                lineage.blame_replaced(start, incident);
            }
        }
        StreamEvent::End { .. } => lineage.end(key),
        _ => {}
    }
    match lineage.is_guarded(key) {
        true => shards.push(event),
        false => Ok(()),
    }
}

impl Watching<'_> {
    fn take(&mut self, heard: Heard) -> Result<()> {
        match heard {
            Heard::Crossed { key, crossing } => {
                self.desk.crossed(self.lineage.get(key), key, &crossing)
            }
            Heard::Ended {
                key,
                calls,
                unknown_calls,
                gaps,
            } => {
                self.tally.calls += calls;
                self.tally.unknown_calls += unknown_calls;
                self.tally.gaps += gaps;
                self.desk.ended(key)
            }
        }
    }

    /// The source has ended: hears the rest.
    fn finish(&mut self) -> Result<()> {
        let Watching {
            assembler,
            lineage,
            shards,
            desk,
            tally,
        } = self;
        let mut result = Ok(());
        assembler.end_source(&mut |event| {
            let passed = pass_on(event, lineage, shards, desk, tally);
            if result.is_ok() {
                result = passed;
            }
        });
        result?;
        for heard in self.shards.finish()? {
            self.take(heard)?;
        }
        self.desk.close_all()
    }

    /// Says what was read, lost and scored.
    fn close(mut self, ended: &Ended, profile: &Profile, fail_on_anomaly: bool) -> Result<u8> {
        let found = self.desk.incidents() > 0;
        self.desk.summary(ended, &self.tally)?;
        ended.say_blind_spots();
        let (calls, unknown) = (self.tally.calls, self.tally.unknown_calls);
        let learned = &profile.provenance.abis;
        let native = Abi::native();
        if calls > 0 && unknown == calls {
            bail!(
                "the profile knows none of the {} that were made: was it trained on another system?",
                ui::plural(calls, "call")
            );
        }
        if let Some(native) = native
            && !learned.is_empty()
            && !learned.contains(native.as_str())
        {
            ui::say(&format!(
                "the profile learned calls of {}, and these are of {native}: compared by their names",
                learned
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(" and ")
            ));
        }
        Ok(match found && fail_on_anomaly {
            true => exit::ANOMALY,
            false => ended.code(),
        })
    }
}
