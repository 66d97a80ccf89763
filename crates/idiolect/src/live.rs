//! Recording running programs: what is common to `record` and `watch`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use idiolect_capture::{
    Backend, Cgroup, Choice, Event, Losses, Opened, Options, Records, Source, State, Target,
};
use idiolect_trace::read::escape;
use idiolect_trace::{ExitStatus, GapCause};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

use crate::interrupt::Interrupt;
use crate::{exit, ui};

/// What to record.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
struct Targeted {
    /// A running process with all its threads, and what it starts from now on
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// All processes in a control group (cgroup v2) and those below it: its folder, or its path in the
    /// hierarchy
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,

    /// All processes of a unit of systemd's, through its control group
    #[arg(long, value_name = "NAME")]
    unit: Option<String>,

    /// All processes of this name, as `ps -o comm` shows it
    #[arg(long, value_name = "NAME")]
    comm: Option<String>,

    /// All processes of the machine
    #[arg(long)]
    all: bool,

    /// The command to start, with its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// What to record, and how.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Recording")]
pub(crate) struct Capturing {
    #[command(flatten)]
    targeted: Targeted,

    /// Stop after this time: 30s, 10m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,

    /// Stop after so many events (calls, starts and ends of threads)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_events: Option<u64>,

    /// Also record how each call ended
    #[arg(long, conflicts_with = "fast")]
    outcomes: bool,

    /// With ptrace, stop programs at the entry of calls only, by a seccomp filter. This sets no_new_privs: setuid
    /// and setgid programs (sudo, ping) that the command starts gain no rights and may fail. It works for a
    /// command that is started only, and nothing of it outlives the recording
    #[arg(long)]
    fast: bool,

    /// By which means: ebpf, perf or ptrace [default: the first of these that this machine allows, with --fast
    /// ptrace]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,
}

/// Takes what is recorded.
pub(crate) trait Consumer {
    /// The next event.
    fn event(&mut self, event: Event, records: &Records) -> Result<()>;

    /// Called after each batch of events, and several times a second without any.
    fn pause(&mut self) -> Result<()>;
}

/// A recording that goes on.
pub(crate) struct Session {
    source: Box<dyn Source>,
    pub(crate) choice: Choice,
    pub(crate) records: Records,
    /// The command that was started; empty where none was.
    pub(crate) command: Vec<OsString>,
    /// Whether calls come with how they ended.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(dead_code, reason = "only recordings say whether they have outcomes")
    )]
    pub(crate) outcomes: bool,
    time: Option<Duration>,
    max_events: Option<u64>,
    interrupt: Interrupt,
    began: Instant,
    tally: Tally,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Calls.
    pub(crate) calls: u64,
    /// Calls, and starts and ends of threads.
    pub(crate) events: u64,
    /// Calls that set up io_uring.
    io_uring: u64,
}

/// How a recording ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) tally: Tally,
    pub(crate) losses: Losses,
    pub(crate) time: Duration,
    /// How the command ended, where it did so by itself.
    status: Option<ExitStatus>,
}

/// How long to wait for events before looking at the clock and for Ctrl-C.
const WAIT: Duration = Duration::from_millis(100);
/// How long a command may take to end after Ctrl-C, which its terminal sends to it as well.
const CTRL_C: Duration = Duration::from_secs(2);

impl Targeted {
    fn target(&self) -> Result<Target> {
        Ok(if let Some(pid) = self.pid {
            Target::Pid(pid)
        } else if let Some(path) = &self.cgroup {
            Target::Cgroup(path.clone())
        } else if let Some(unit) = &self.unit {
            Target::Cgroup(Cgroup::of_unit(unit)?.folder)
        } else if let Some(name) = &self.comm {
            Target::Comm(name.clone())
        } else if self.all {
            Target::All
        } else {
            Target::Command(self.command.clone())
        })
    }

    /// The name of the recording, which its records carry as their origin.
    fn name(&self) -> String {
        if let Some(pid) = self.pid {
            format!("pid:{pid}")
        } else if let Some(path) = &self.cgroup {
            format!("cgroup:{}", path.display())
        } else if let Some(unit) = &self.unit {
            format!("unit:{unit}")
        } else if let Some(name) = &self.comm {
            format!("comm:{name}")
        } else if self.all {
            "all".to_owned()
        } else {
            let program = self.command.first().map(Path::new);
            let file = program.and_then(|program| program.file_name());
            file.unwrap_or_default().to_string_lossy().into_owned()
        }
    }
}

impl Capturing {
    /// Whether all processes of the machine are meant.
    pub(crate) fn is_everything(&self) -> bool {
        self.targeted.all
    }

    /// Begins to record. Where standard output is for what we print, the command's goes to standard error.
    pub(crate) fn begin(&self, prints: bool) -> Result<Session> {
        let target = self.targeted.target()?;
        let options = Options {
            outcomes: self.outcomes,
            fast: self.fast,
            output_to_stderr: prints,
        };
        let backend = self.backend.or(self.fast.then_some(Backend::Ptrace));
        let interrupt = Interrupt::listen();
        let Opened { source, choice } = idiolect_capture::open(&target, backend, options)?;
        ui::say(&format!("recording by {}: {}", choice.backend, choice.why));
        Ok(Session {
            source,
            choice,
            records: Records::new(&self.targeted.name()),
            command: self.targeted.command.clone(),
            outcomes: self.outcomes,
            time: self.time,
            max_events: self.max_events,
            interrupt,
            began: Instant::now(),
            tally: Tally::default(),
        })
    }
}

impl Session {
    /// Records until all has ended, a limit is reached, or Ctrl-C.
    pub(crate) fn run(mut self, consumer: &mut dyn Consumer) -> Result<Ended> {
        let bar = ui::counter("recording");
        bar.set_message("calls");
        bar.set_draw_target(ProgressDrawTarget::hidden());
        let result = self.follow(consumer, &bar);
        bar.finish_and_clear();
        // Before anything else is said: programs are let go also where recording failed.
        let stopped = self.source.stop();
        let status = result?;
        stopped?;
        Ok(Ended {
            tally: self.tally,
            losses: self.source.losses(),
            time: self.began.elapsed(),
            status,
        })
    }

    fn follow(
        &mut self,
        consumer: &mut dyn Consumer,
        bar: &ProgressBar,
    ) -> Result<Option<ExitStatus>> {
        let mut batch = Vec::new();
        let mut asked = None;
        let mut is_stopped = false;
        let mut is_shown = false;
        loop {
            let state = self.source.poll(&mut batch, WAIT)?;
            for event in batch.drain(..) {
                if self.max_events == Some(self.tally.events) {
                    break;
                }
                self.tally.count(&event);
                consumer.event(event, &self.records)?;
            }
            consumer.pause()?;
            bar.set_position(self.tally.calls);
            if !is_shown && self.began.elapsed() >= ui::PATIENCE {
                is_shown = true;
                ui::show(bar);
            }
            if let State::Ended(status) = state {
                return Ok(status.filter(|_| !is_stopped));
            }
            if self.interrupt.asked() {
                asked.get_or_insert_with(Instant::now);
            }
            let is_interrupted =
                asked.is_some_and(|asked| self.command.is_empty() || asked.elapsed() >= CTRL_C);
            let is_full = self.max_events == Some(self.tally.events);
            let is_over = self.time.is_some_and(|time| self.began.elapsed() >= time);
            if (is_interrupted || is_full || is_over) && !is_stopped {
                is_stopped = true;
                self.source.stop()?;
            }
        }
    }
}

impl Tally {
    fn count(&mut self, event: &Event) {
        self.events += 1;
        if let Event::Call { number, .. } = event {
            self.calls += 1;
            // Its number is the same in all ABIs of Linux.
            const IO_URING_SETUP: u32 = 425;
            self.io_uring += u64::from(*number == IO_URING_SETUP);
        }
    }
}

/// Losses by cause, as JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Lost {
    total: u64,
    #[serde(flatten)]
    pub(crate) by_cause: BTreeMap<String, u64>,
}

impl From<Losses> for Lost {
    fn from(losses: Losses) -> Self {
        let by_cause = losses.by_cause().into_iter();
        Lost {
            total: losses.total(),
            by_cause: by_cause
                .map(|(cause, count)| (cause_name(cause), count))
                .collect(),
        }
    }
}

/// `lost none`, or how many by each cause.
pub(crate) fn lost(losses: Losses) -> String {
    if losses.total() == 0 {
        return "lost none".to_owned();
    }
    let causes: Vec<String> = losses
        .by_cause()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(cause, count)| {
            format!(
                "{}: {}",
                cause_name(cause).replace('_', " "),
                ui::count(count)
            )
        })
        .collect();
    format!("lost {} ({})", ui::count(losses.total()), causes.join(", "))
}

/// As in records.
fn cause_name(cause: GapCause) -> String {
    let name = serde_json::to_value(cause).ok();
    let name = name.as_ref().and_then(|name| name.as_str());
    name.unwrap_or("unknown").to_owned()
}

impl Ended {
    /// What we end with: what the command ended with, as shells say it, or success.
    pub(crate) fn code(&self) -> u8 {
        /// What shells add to the number of the signal that ended a program.
        const BY_SIGNAL: u8 = 128;
        match self.status {
            // A status has eight bits.
            Some(ExitStatus::Code(code)) => (code & 0xff) as u8,
            Some(ExitStatus::Signal(signal)) => BY_SIGNAL.wrapping_add(signal),
            _ => exit::OK,
        }
    }

    /// How the command ended, where it did so by itself.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Says what no recording of calls can show.
    pub(crate) fn say_blind_spots(&self) {
        if self.tally.io_uring > 0 {
            ui::say(&format!(
                "io_uring was set up {}: what is submitted through it makes no system call and is not recorded",
                ui::plural(self.tally.io_uring, "time")
            ));
        }
    }
}

/// An error of writing, which names what was written to.
pub(crate) fn while_writing(error: io::Error, shown: &str) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => error.into(),
        _ => anyhow::Error::from(error)
            .context(format!("{}: cannot write", escape(shown.as_bytes()))),
    }
}
