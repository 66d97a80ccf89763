//! Starting the program that is recorded: a child that waits before it executes the program until the recorder
//! is ready.

use std::ffi::{CString, OsString};
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use crate::{CaptureError, Options, seccomp};

/// A child that has not executed its program yet.
#[derive(Debug)]
pub(crate) struct Launch {
    pid: Pid,
    command: String,
    go: PipeWriter,
    failure: PipeReader,
}

/// What the child ends with where the program cannot be executed, as shells do. Nobody sees it.
const CANNOT_EXECUTE: i32 = 127;

impl Launch {
    /// Forks a child for this command, of the calling thread. With [`Options::fast`], its calls stop for a tracer
    /// by a seccomp filter.
    ///
    /// # Errors
    /// [`CaptureError::Command`] for a command that cannot be one; [`CaptureError::System`] where the kernel makes
    /// no child.
    pub(crate) fn fork(command: &[OsString], options: Options) -> Result<Self, CaptureError> {
        let name = command
            .first()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let failed = |error| CaptureError::Command {
            command: name.clone(),
            error,
        };
        let arguments: Result<Vec<CString>, _> = command
            .iter()
            .map(|argument| CString::new(argument.as_bytes()))
            .collect();
        let arguments = arguments.map_err(|error| failed(error.into()))?;
        if name.is_empty() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let mut pointers: Vec<*const libc::c_char> =
            arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(ptr::null());

        let pipe = || io::pipe().map_err(|error| CaptureError::system("cannot make a pipe", error));
        let (go_reader, go) = pipe()?;
        let (failure, failure_writer) = pipe()?;
        // SAFETY: The child calls nothing but what is safe between fork and exec in a program with threads: it
        // allocates nothing, takes no lock, and leaves by exec or _exit.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            // SAFETY: We are the only thread of the child; descriptors and arguments live until it leaves.
            unsafe {
                child(
                    go.as_raw_fd(),
                    go_reader.as_raw_fd(),
                    failure_writer.as_raw_fd(),
                    &pointers,
                    options,
                )
            }
        }
        match Pid::from_raw(forked) {
            Some(pid) if forked > 0 => Ok(Launch {
                pid,
                command: name,
                go,
                failure,
            }),
            _ => Err(CaptureError::system(
                "cannot start a process",
                io::Error::last_os_error(),
            )),
        }
    }

    /// The child's number.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets the child execute its program.
    pub(crate) fn go(&mut self) -> Result<(), CaptureError> {
        let went = self.go.write_all(&[1]);
        went.map_err(|error| CaptureError::system("cannot start the program", error))
    }

    /// Waits until the program is executed.
    ///
    /// # Errors
    /// [`CaptureError::Command`] where it cannot be; the child has ended then, or is about to.
    pub(crate) fn executed(mut self) -> Result<(), CaptureError> {
        let mut errno = [0; 4];
        match self.failure.read_exact(&mut errno) {
            // It is closed by exec.
            Err(_) => Ok(()),
            Ok(()) => Err(CaptureError::Command {
                command: self.command,
                error: io::Error::from_raw_os_error(i32::from_ne_bytes(errno)),
            }),
        }
    }
}

/// The child's part: waits for the recorder, then executes the program.
///
/// # Safety
/// Between fork and exec; descriptors are open, and the arguments end with a null pointer.
unsafe fn child(
    go_writer: i32,
    go: i32,
    failure: i32,
    arguments: &[*const libc::c_char],
    options: Options,
) -> ! {
    // SAFETY: All are system calls, or the C library's functions that are safe after fork; buffers are our own.
    unsafe {
        // Else the end of a recorder that dies now would not be seen.
        libc::close(go_writer);
        let mut byte = 0u8;
        while libc::read(go, (&raw mut byte).cast(), 1) != 1 {
            if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
                libc::_exit(CANNOT_EXECUTE);
            }
        }
        // A Rust program ignores this signal, and what it starts would inherit that.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if options.output_to_stderr {
            libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
        }
        if !options.fast || seccomp::trace_all().is_ok() {
            libc::execvp(arguments[0], arguments.as_ptr());
        }
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        let errno = errno.to_ne_bytes();
        libc::write(failure, errno.as_ptr().cast(), errno.len());
        libc::_exit(CANNOT_EXECUTE)
    }
}

/// Sends a signal to a process that we started. One that is gone is no error.
pub(crate) fn signal(pid: Pid, signal: Signal) -> Result<(), CaptureError> {
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(CaptureError::system("cannot end the program", error)),
    }
}

/// Waits for a process that we started and that nobody traces to end; kills it where it does not in this time.
pub(crate) fn reap(pid: Pid, grace: Duration) -> Result<(), CaptureError> {
    let began = Instant::now();
    let mut is_killed = false;
    // An error is that it was waited for already.
    while let Ok(None) = waitpid(Some(pid), WaitOptions::NOHANG) {
        if began.elapsed() > grace && !is_killed {
            is_killed = true;
            signal(pid, Signal::KILL)?;
        } else if began.elapsed() > 2 * grace {
            return Err(CaptureError::WillNotEnd(
                pid.as_raw_nonzero().get().cast_unsigned(),
            ));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// How long to wait before looking again whether a process has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
