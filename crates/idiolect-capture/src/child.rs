//! The program that was started and that nobody traces, until it has ended.

use std::ffi::OsString;
use std::time::Duration;

use idiolect_trace::ExitStatus;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use crate::launch::{self, Launch};
use crate::{CaptureError, Options};

/// How long it has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// A child of ours.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    /// While it waits to execute its program.
    launch: Option<Launch>,
    status: Option<ExitStatus>,
}

impl Child {
    /// One that waits to execute this command until it is let [`go`](Child::go). It ends where that never happens.
    pub(crate) fn fork(command: &[OsString], options: Options) -> Result<Self, CaptureError> {
        let launch = Launch::fork(command, options)?;
        Ok(Child {
            pid: launch.pid(),
            launch: Some(launch),
            status: None,
        })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Lets it execute its program, and waits until it has.
    pub(crate) fn go(&mut self) -> Result<(), CaptureError> {
        let Some(mut launch) = self.launch.take() else {
            return Ok(());
        };
        let went = launch.go().and_then(|()| launch.executed());
        if went.is_err() {
            launch::reap(self.pid, GRACE)?;
        }
        went
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

impl Drop for Child {
    fn drop(&mut self) {
        // It ends when its end of the pipe is closed. There is nobody to tell of an error.
        if self.launch.take().is_some() {
            let _ = launch::reap(self.pid, GRACE);
        }
    }
}
