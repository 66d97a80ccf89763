//! What every backend can do.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use idiolect_trace::{ExitStatus, GapCause};

use crate::{CaptureError, Event};

/// What to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A program to start, with its arguments, and all that it starts.
    Command(Vec<OsString>),
    /// A running process with all its threads, and all that it starts from now on.
    Pid(u32),
    /// All processes in a control group and in those below it: its folder.
    Cgroup(PathBuf),
    /// All processes of this name (kernel: `comm`, the first 15 bytes of the program's file name).
    Comm(String),
    /// All processes of the machine.
    All,
}

/// By which means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A program in the kernel; needs privileges.
    Ebpf,
    /// Trace points by `perf_event_open`; needs privileges.
    Perf,
    /// A tracer, as strace; slow, and needs none.
    Ptrace,
}

/// How to record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Calls with how they ended.
    pub outcomes: bool,
    /// With ptrace: stop at entries only, by a seccomp filter in the program that is started. It can gain no
    /// privileges by setuid files then.
    pub fast: bool,
    /// What a program that is started prints goes to standard error, so that standard output is the recorder's.
    pub output_to_stderr: bool,
}

/// Events of running programs.
pub trait Source: Send {
    /// Waits at most so long for events and appends them to the batch: as many as there are, up to
    /// [`BATCH`] or a little more.
    ///
    /// # Errors
    /// [`CaptureError`] where the source can yield no more.
    fn poll(&mut self, batch: &mut Vec<Event>, wait: Duration) -> Result<State, CaptureError>;

    /// What was lost so far, by cause. Exact: what the kernel side sent is what was yielded and this.
    fn losses(&self) -> Losses;

    /// Ends the recording. Programs that were attached to are let go and go on running. A program that was started
    /// is sent `SIGTERM`, and `SIGKILL` where it is still there five seconds later. What was seen before is still
    /// yielded by [`poll`](Source::poll), which then says that it ended.
    ///
    /// # Errors
    /// [`CaptureError`] where something could not be let go or ended.
    fn stop(&mut self) -> Result<(), CaptureError>;
}

/// Events that a call of [`Source::poll`] yields at most, or a little more.
pub const BATCH: usize = 1 << 16;

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There may be.
    Running,
    /// All that was followed has ended, or was let go, and every event was yielded. How the program that was
    /// started ended, where there is one and it ended.
    Ended(Option<ExitStatus>),
}

/// Events that were lost, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The buffer between kernel and recorder was full.
    pub buffer_full: u64,
    /// More threads than the source can follow.
    pub table_full: u64,
    /// The source limits its rate.
    pub rate_limit: u64,
    /// The source does not say why.
    pub unknown: u64,
}

impl Losses {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_cause().iter().map(|(_, count)| count).sum()
    }

    /// How many by each cause.
    pub fn by_cause(&self) -> [(GapCause, u64); 4] {
        [
            (GapCause::BufferFull, self.buffer_full),
            (GapCause::TableFull, self.table_full),
            (GapCause::RateLimit, self.rate_limit),
            (GapCause::Unknown, self.unknown),
        ]
    }
}

impl Backend {
    /// All of them, the cheapest for the recorded programs first.
    pub const ALL: [Backend; 3] = [Backend::Ebpf, Backend::Perf, Backend::Ptrace];

    /// The name used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Backend::Ebpf => "ebpf",
            Backend::Perf => "perf",
            Backend::Ptrace => "ptrace",
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Backend::ALL.into_iter().find(|b| b.as_str() == text);
        known.ok_or_else(|| "it is ebpf, perf or ptrace".to_owned())
    }
}
