//! What the tracer keeps of each thread.

use std::io;

use idiolect_trace::{Abi, ExitStatus, Outcome};

use super::kernel::{self, Until};
use crate::{Event, Thread, proc};

/// What is known of a thread that is traced.
pub(super) struct Tracee {
    pub(super) thread: Thread,
    /// The call that it is in, where its outcome is wanted.
    pub(super) pending: Option<Pending>,
    /// How far it goes on after each stop. With a seccomp filter of ours the next event is enough, unless it has
    /// filters of its own: calls that these deny never reach ours.
    pub(super) until: Until,
    /// How far it was let go on last.
    pub(super) went: Until,
    /// It has not executed the program to record yet, and its calls are ours.
    pub(super) is_launching: bool,
    /// It was running when we came, and has made no call since.
    pub(super) is_interrupted: bool,
    /// It was said to have ended.
    pub(super) has_ended: bool,
}

pub(super) struct Pending {
    pub(super) time_ns: u64,
    pub(super) abi: Abi,
    pub(super) number: u32,
}

impl Tracee {
    pub(super) fn new(thread: Thread, until: Until) -> Self {
        Tracee {
            thread,
            pending: None,
            until,
            went: until,
            is_launching: false,
            is_interrupted: false,
            has_ended: false,
        }
    }
}

impl Pending {
    pub(super) fn event(&self, thread: Thread, outcome: Option<Outcome>) -> Event {
        Event::Call {
            time_ns: self.time_ns,
            thread,
            abi: self.abi,
            number: self.number,
            outcome,
        }
    }
}

/// Whether a call goes on with one that was interrupted: right after attaching, by us.
pub(super) fn is_restart(abi: Abi, number: u32) -> bool {
    idiolect_trace::table::by_number(abi, number).as_str() == "restart_syscall"
}

/// How a thread ended, from the status that wait would give.
pub(super) fn exit_status(message: u64) -> ExitStatus {
    let status = message as i32;
    match libc::WIFEXITED(status) {
        true => ExitStatus::Code(libc::WEXITSTATUS(status)),
        false => killed_by(libc::WTERMSIG(status)),
    }
}

pub(super) fn killed_by(signal: i32) -> ExitStatus {
    ExitStatus::Signal(u8::try_from(signal).unwrap_or(0))
}

/// Whether a thread is gone, or no longer stopped because it is being killed.
pub(super) fn has_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH)
}

/// Whether a thread is traced by this one.
pub(super) fn is_ours(tid: u32) -> bool {
    let tracer = proc::status(tid, "TracerPid:").and_then(|tracer| tracer.parse().ok());
    tracer == Some(kernel::number(rustix::thread::gettid()))
}
