//! The path without privileges: a tracer, as strace is one (ptrace(2)).
//!
//! A thread of its own traces (the kernel ties tracees to the thread that seized them) and fills a bounded buffer.
//! Where that is full, the traced programs wait: nothing is ever lost, and slowness is the price. Every call stops
//! its thread twice, at its entry and its end; with [`Options::fast`] once, by a seccomp filter.
//!
//! What a tracer changes: a blocking call of a process that is attached to is interrupted once and starts again,
//! or fails with `EINTR` where the kernel cannot restart it (as `epoll_wait`). A setuid program that is executed
//! gains no privileges, unless the recorder has them. A child made with `CLONE_UNTRACED` is not followed.

mod buffer;
mod kernel;
mod tracee;
mod tracer;

use std::ffi::OsString;
use std::io;
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::cgroup::Cgroup;
use crate::launch::{self, Launch};
use crate::{Backend, CaptureError, Event, Losses, Options, Source, State, Target, proc};
use buffer::Buffer;
use tracer::Tracer;

/// Events by ptrace.
#[derive(Debug)]
pub(crate) struct PtraceSource {
    buffer: Arc<Buffer>,
    letting_go: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    /// The process that was started.
    started: Option<Pid>,
}

/// How long a program that was started has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait before looking again whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What the tracing thread begins with.
enum Begin {
    Launch(Vec<OsString>),
    Attach(Vec<u32>),
}

impl PtraceSource {
    /// Begins to trace. A command that cannot be executed is an error here.
    pub(crate) fn open(target: &Target, options: Options) -> Result<Self, CaptureError> {
        let begin = match target {
            Target::Command(command) => Begin::Launch(command.clone()),
            Target::Pid(pid) => Begin::Attach(vec![process(*pid)?]),
            Target::Comm(name) => Begin::Attach(processes(
                |pid| proc::comm(pid).as_deref() == Some(name),
                || format!("of the name {name}"),
            )?),
            Target::Cgroup(path) => {
                let group = Cgroup::find(path)?;
                Begin::Attach(processes(
                    |pid| proc::cgroup(pid).is_some_and(|own| group.holds(&own)),
                    || format!("in the control group {}", group.path),
                )?)
            }
            Target::All => {
                return Err(CaptureError::Unsupported {
                    backend: Backend::Ptrace,
                    what: "record the whole machine: that needs eBPF or perf".to_owned(),
                });
            }
        };
        if options.fast && !matches!(target, Target::Command(_)) {
            return Err(CaptureError::Unsupported {
                backend: Backend::Ptrace,
                what: "attach to a running process by the fast way, whose filter only a program that is started \
                       can be given"
                    .to_owned(),
            });
        }
        install_doorbell()?;
        let buffer = Arc::new(Buffer::default());
        let letting_go = Arc::new(AtomicBool::new(false));
        let (began, wait) = mpsc::channel();
        let tracer = Tracer::new(options, Arc::clone(&buffer), Arc::clone(&letting_go));
        let thread = std::thread::Builder::new()
            .name("ptrace".to_owned())
            .spawn(move || trace(tracer, begin, options, &began))
            .map_err(|error| CaptureError::system("cannot start a thread", error))?;
        let started = wait.recv().map_err(|_| CaptureError::Died)??;
        Ok(PtraceSource {
            buffer,
            letting_go,
            thread,
            started,
        })
    }

    /// Waits for the tracing thread to end, ringing at its door, at most so long.
    fn wait(&self, at_most: Option<Duration>) -> bool {
        let deadline = at_most.map(|at_most| Instant::now() + at_most);
        while !self.thread.is_finished() {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
            // SAFETY: The handle is neither joined nor detached, so that the thread's identity is valid.
            unsafe { libc::pthread_kill(self.thread.as_pthread_t(), DOORBELL) };
            std::thread::sleep(LOOK_AGAIN);
        }
        true
    }
}

impl Source for PtraceSource {
    fn poll(&mut self, batch: &mut Vec<Event>, wait: Duration) -> Result<State, CaptureError> {
        let is_finished = self.thread.is_finished();
        match self.buffer.take(batch, wait)? {
            State::Running if is_finished => Err(CaptureError::Died),
            state => Ok(state),
        }
    }

    /// Nothing is ever lost: programs wait for the tracer.
    fn losses(&self) -> Losses {
        Losses::default()
    }

    fn stop(&mut self) -> Result<(), CaptureError> {
        if self.thread.is_finished() {
            return Ok(());
        }
        self.letting_go.store(true, Ordering::Release);
        self.buffer.close();
        let Some(pid) = self.started else {
            self.wait(None);
            return Ok(());
        };
        launch::signal(pid, Signal::TERM)?;
        // With a filter it is followed to its end; without one it is let go, and ends by itself.
        if !self.wait(Some(GRACE)) {
            launch::signal(pid, Signal::KILL)?;
            if !self.wait(Some(GRACE)) {
                return Err(CaptureError::WillNotEnd(kernel::number(pid)));
            }
        }
        launch::reap(pid, GRACE)
    }
}

impl Drop for PtraceSource {
    fn drop(&mut self) {
        // Programs that are let go of in order go on; those of a tracer that just ends may be in the middle of a
        // stop. There is nobody to tell of an error.
        let _ = self.stop();
    }
}

/// The tracing thread.
fn trace(
    mut tracer: Tracer,
    begin: Begin,
    options: Options,
    began: &mpsc::Sender<Result<Option<Pid>, CaptureError>>,
) {
    let result = match begin {
        Begin::Launch(command) => Launch::fork(&command, options).and_then(|launch| {
            let pid = launch.pid();
            tracer.launch(launch).map(|()| Some(pid))
        }),
        Begin::Attach(processes) => tracer.attach_all(&processes).map(|()| None),
    };
    let is_begun = result.is_ok();
    // Nobody waits for it if the opener is gone, and then drops the source.
    let _ = began.send(result);
    if is_begun {
        tracer.run();
    }
}

/// The process of this number, if it can be recorded by us at all.
pub(crate) fn process(pid: u32) -> Result<u32, CaptureError> {
    if pid == std::process::id() {
        return Err(CaptureError::Itself(pid));
    }
    match proc::thread_group(pid) {
        Some(group) if group == pid => Ok(pid),
        Some(process) => Err(CaptureError::NotAProcess { tid: pid, process }),
        None => Err(CaptureError::NoSuchProcess(pid)),
    }
}

/// All processes that are meant, but for ourselves.
fn processes(
    is_meant: impl Fn(u32) -> bool,
    what: impl Fn() -> String,
) -> Result<Vec<u32>, CaptureError> {
    let own = std::process::id();
    let found: Vec<u32> = proc::processes()
        .into_iter()
        .filter(|&pid| pid != own && is_meant(pid))
        .collect();
    if found.is_empty() {
        return Err(CaptureError::NothingThere(what()));
    }
    Ok(found)
}

/// Why a process cannot be traced.
fn refusal(pid: u32, error: io::Error) -> CaptureError {
    if error.raw_os_error() == Some(libc::ESRCH) {
        return CaptureError::NoSuchProcess(pid);
    }
    if error.raw_os_error() != Some(libc::EPERM) {
        return CaptureError::system("cannot trace the process", error);
    }
    if proc::status(pid, "State:").is_some_and(|state| state.starts_with('Z')) {
        // A zombie: its parent has not waited for it yet.
        return CaptureError::NoSuchProcess(pid);
    }
    let tracer = proc::status(pid, "TracerPid:").filter(|tracer| tracer != "0");
    let scope = proc::line("/proc/sys/kernel/yama/ptrace_scope");
    let how = if let Some(tracer) = tracer {
        format!("it is traced by process {tracer} already (a debugger, strace?)")
    } else if scope.as_deref() == Some("3") {
        "kernel.yama.ptrace_scope is 3: nobody may trace until the machine starts again, not even root"
            .to_owned()
    } else if proc::uid(pid).is_some_and(|uid| uid != rustix::process::geteuid().as_raw()) {
        "it is another user's: run as root, or give this program CAP_SYS_PTRACE".to_owned()
    } else if scope.as_deref() == Some("2") {
        "kernel.yama.ptrace_scope is 2: run as root, give this program CAP_SYS_PTRACE, or allow it with \
         `sysctl kernel.yama.ptrace_scope=1`"
            .to_owned()
    } else if scope.as_deref() == Some("1") {
        "kernel.yama.ptrace_scope is 1: run as root, start the program with the recorder, or allow it with \
         `sysctl kernel.yama.ptrace_scope=0`"
            .to_owned()
    } else {
        "it is a kernel thread, or has more privileges than we: CAP_SYS_PTRACE is missing"
            .to_owned()
    };
    CaptureError::NotPermitted {
        what: format!("trace process {pid}"),
        how,
    }
}

/// The signal that interrupts the tracing thread's wait. Programs ignore it, unless they ask for it.
const DOORBELL: libc::c_int = libc::SIGURG;

/// Makes it interrupt, and do nothing else.
fn install_doorbell() -> Result<(), CaptureError> {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: All zero is a valid sigaction: no flag (above all no restart of what is interrupted), no signal masked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: The handler does nothing, and the structure lives until the call returns.
    if unsafe { libc::sigaction(DOORBELL, &raw const action, std::ptr::null_mut()) } != 0 {
        let error = io::Error::last_os_error();
        return Err(CaptureError::system("cannot handle signals", error));
    }
    Ok(())
}
