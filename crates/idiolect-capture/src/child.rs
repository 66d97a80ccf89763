//! The program that was started and that nobody traces, until it has ended.

use std::time::Duration;

use idiolect_trace::ExitStatus;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use crate::{CaptureError, launch};

/// How long it has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// A child of ours.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    status: Option<ExitStatus>,
}

impl Child {
    pub(crate) fn new(pid: Pid) -> Self {
        Child { pid, status: None }
    }

    /// How it ended, once it has.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none()
            && let Ok(Some((_, status))) = waitpid(Some(self.pid), WaitOptions::NOHANG)
        {
            let signal = status.terminating_signal();
            let signal = signal.and_then(|signal| u8::try_from(signal).ok());
            self.status = status
                .exit_status()
                .map(ExitStatus::Code)
                .or(signal.map(ExitStatus::Signal));
        }
        self.status
    }

    /// Asks it to end, and sees to it that it does.
    pub(crate) fn stop(&mut self) -> Result<(), CaptureError> {
        if self.status().is_some() {
            return Ok(());
        }
        launch::signal(self.pid, Signal::TERM)?;
        launch::reap(self.pid, GRACE)
    }
}
