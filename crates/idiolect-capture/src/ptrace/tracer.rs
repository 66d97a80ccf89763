//! The tracing thread: one loop over the stops of all tracees.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use idiolect_trace::{Abi, ExitStatus, Outcome};

use super::buffer::Buffer;
use super::kernel::{self, Stop, Syscall, Until};
use super::refusal;
use super::tracee::{Pending, Tracee, exit_status, has_gone, is_ours, is_restart, killed_by};
use crate::launch::Launch;
use crate::record::now_ns;
use crate::{CaptureError, Event, Options, Thread, proc};

/// What the tracing thread knows.
pub(super) struct Tracer {
    options: Options,
    buffer: Arc<Buffer>,
    /// Somebody asked to let go.
    letting_go: Arc<AtomicBool>,
    /// Whether that has begun.
    interrupted: bool,
    tracees: HashMap<u32, Tracee>,
    /// Threads that have stopped for the first time before the event that says whose they are.
    early: HashSet<u32>,
    /// The process that was started, and how it ended.
    started: Option<u32>,
    status: Option<ExitStatus>,
}

impl Tracer {
    pub(super) fn new(options: Options, buffer: Arc<Buffer>, letting_go: Arc<AtomicBool>) -> Self {
        Tracer {
            options,
            buffer,
            letting_go,
            interrupted: false,
            tracees: HashMap::new(),
            early: HashSet::new(),
            started: None,
            status: None,
        }
    }

    /// Traces the command's process from before it executes anything, until it does.
    pub(super) fn launch(&mut self, mut launch: Launch) -> Result<(), CaptureError> {
        let pid = kernel::number(launch.pid());
        self.started = Some(pid);
        let options = if self.options.fast {
            kernel::EVENTS | kernel::FAST
        } else {
            kernel::EVENTS
        };
        kernel::seize(pid, options).map_err(|error| refusal(pid, error))?;
        let thread = Thread {
            tgid: pid,
            tid: pid,
            start_ns: proc::start_ns(pid).unwrap_or(0),
            exec_generation: 0,
        };
        self.tracees.insert(
            pid,
            Tracee {
                is_launching: true,
                ..Tracee::new(thread, self.usual())
            },
        );
        launch.go()?;
        while self.tracees.get(&pid).is_some_and(|t| t.is_launching) {
            self.step()?;
        }
        launch.executed()
    }

    /// Traces all threads of these running processes. Those that end meanwhile are left out, if not all do.
    pub(super) fn attach_all(&mut self, processes: &[u32]) -> Result<(), CaptureError> {
        let mut gone = None;
        for &pid in processes {
            match self.attach(pid) {
                Err(error @ CaptureError::NoSuchProcess(_)) => gone = Some(error),
                other => other?,
            }
        }
        match gone {
            Some(error) if self.tracees.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    fn attach(&mut self, pid: u32) -> Result<(), CaptureError> {
        let start_ns = proc::start_ns(pid).ok_or(CaptureError::NoSuchProcess(pid))?;
        // Threads that untraced ones make meanwhile are found by looking again; those of traced ones come by
        // themselves.
        loop {
            let threads = proc::threads(pid).ok_or(CaptureError::NoSuchProcess(pid))?;
            let mut is_new = false;
            for tid in threads {
                if self.tracees.contains_key(&tid) || self.early.contains(&tid) {
                    continue;
                }
                match kernel::seize(tid, kernel::EVENTS).and_then(|()| kernel::interrupt(tid)) {
                    Ok(()) => {}
                    // It ended, or its maker was traced in time and it is traced with it.
                    Err(error) if has_gone(&error) || is_ours(tid) => continue,
                    Err(error) => return Err(refusal(pid, error)),
                }
                is_new = true;
                let thread = Thread {
                    tgid: pid,
                    tid,
                    start_ns,
                    exec_generation: 0,
                };
                let tracee = Tracee {
                    is_interrupted: true,
                    ..Tracee::new(thread, Until::Syscall)
                };
                self.tracees.insert(tid, tracee);
            }
            if !is_new {
                break;
            }
        }
        match self.tracees.values().any(|t| t.thread.tgid == pid) {
            true => Ok(()),
            false => Err(CaptureError::NoSuchProcess(pid)),
        }
    }

    /// Follows all of them to their end, or until they are let go.
    pub(super) fn run(mut self) {
        let result = loop {
            if self.letting_go.load(Ordering::Acquire) && !self.interrupted {
                self.begin_to_let_go();
            }
            if self.tracees.is_empty() && self.early.is_empty() {
                break Ok(self.status);
            }
            if let Err(error) = self.step() {
                break Err(error);
            }
        };
        self.buffer.end(result);
    }

    /// Waits for one stop and deals with it.
    fn step(&mut self) -> Result<(), CaptureError> {
        match kernel::wait() {
            Ok(Some((tid, stop))) => self.stopped(tid, stop),
            Ok(None) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                self.tracees.clear();
                self.early.clear();
                Ok(())
            }
            Err(error) => Err(CaptureError::system("cannot wait for the program", error)),
        }
    }

    fn stopped(&mut self, tid: u32, stop: Stop) -> Result<(), CaptureError> {
        match stop {
            Stop::Exited(code) => self.gone(tid, ExitStatus::Code(code)),
            Stop::Killed(signal) => self.gone(tid, killed_by(signal)),
            Stop::Exec => self.executed(tid),
            _ if !self.tracees.contains_key(&tid) => {
                // New, and the event that says whose it is comes yet.
                self.early.insert(tid);
                return Ok(());
            }
            Stop::Fork => self.forked(tid),
            Stop::Syscall => self.called(tid)?,
            // Who stops at each entry has told of this call already.
            Stop::Seccomp if self.tracees[&tid].went == Until::Event => self.called(tid)?,
            Stop::Exit => {
                let status = kernel::event_message(tid).ok().map(exit_status);
                self.ended(tid, status);
            }
            Stop::Seccomp | Stop::Group | Stop::Trap | Stop::Signal(_) => {}
        }
        self.go_on(tid, stop);
        Ok(())
    }

    /// Lets a tracee go on after a stop, or go.
    fn go_on(&mut self, tid: u32, stop: Stop) {
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        let signal = match stop {
            Stop::Signal(signal) => signal,
            _ => 0,
        };
        // An error is that it was killed meanwhile: its end is told next.
        let _ = if self.interrupted {
            self.tracees.remove(&tid);
            kernel::detach(tid, signal)
        } else if stop == Stop::Group {
            kernel::listen(tid)
        } else {
            tracee.went = tracee.until;
            kernel::resume(tid, tracee.until, signal)
        };
    }

    /// At the entry or the end of a call.
    fn called(&mut self, tid: u32) -> Result<(), CaptureError> {
        let syscall = match kernel::syscall(tid) {
            Ok(syscall) => syscall,
            Err(error) if has_gone(&error) => return Ok(()),
            Err(error) => {
                return Err(CaptureError::system(
                    "cannot read calls (PTRACE_GET_SYSCALL_INFO, Linux 5.3)",
                    error,
                ));
            }
        };
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return Ok(());
        };
        if tracee.is_launching {
            return Ok(());
        }
        match syscall {
            Syscall::Entry {
                abi: Some(abi),
                number,
                arguments,
            } => {
                let was_interrupted = std::mem::take(&mut tracee.is_interrupted);
                if was_interrupted && is_restart(abi, number) {
                    return Ok(());
                }
                let pending = Pending {
                    time_ns: now_ns(),
                    abi,
                    number,
                };
                if self.options.outcomes {
                    tracee.pending = Some(pending);
                } else {
                    let event = pending.event(tracee.thread, None);
                    self.buffer.push(event);
                }
                if self.options.fast {
                    self.look_for_filters(tid, abi, number, arguments);
                }
            }
            Syscall::Exit { value } => {
                if let Some(pending) = tracee.pending.take() {
                    let outcome = Some(Outcome::from_raw(value));
                    self.buffer.push(pending.event(tracee.thread, outcome));
                }
            }
            Syscall::Entry { abi: None, .. } | Syscall::None => {}
        }
        Ok(())
    }

    /// A program that installs seccomp filters may have calls denied before they reach ours: from now on each of
    /// its calls is seen at its entry, which comes before all filters.
    fn look_for_filters(&mut self, tid: u32, abi: Abi, number: u32, arguments: [u64; 2]) {
        let name = idiolect_trace::table::by_number(abi, number);
        let is_all_threads = match name.as_str() {
            "seccomp" => {
                arguments[0] == u64::from(libc::SECCOMP_SET_MODE_FILTER)
                    && arguments[1] & libc::SECCOMP_FILTER_FLAG_TSYNC != 0
            }
            "prctl" if arguments[0] == libc::PR_SET_SECCOMP as u64 => false,
            _ => return,
        };
        let Some(tgid) = self.tracees.get(&tid).map(|tracee| tracee.thread.tgid) else {
            return;
        };
        for (&other, tracee) in &mut self.tracees {
            let is_concerned = other == tid || is_all_threads && tracee.thread.tgid == tgid;
            if is_concerned && tracee.until == Until::Event {
                tracee.until = Until::Syscall;
                if other != tid {
                    // It runs until its next event, which may be beyond calls that the new filter denies.
                    let _ = kernel::interrupt(other);
                }
            }
        }
    }

    fn forked(&mut self, tid: u32) {
        let (Some(parent), Ok(message)) = (self.tracees.get(&tid), kernel::event_message(tid))
        else {
            return;
        };
        let Ok(child) = u32::try_from(message) else {
            return;
        };
        let is_thread = proc::is_thread_of(child, parent.thread.tgid);
        let thread = if is_thread {
            Thread {
                tid: child,
                ..parent.thread
            }
        } else {
            Thread {
                tgid: child,
                tid: child,
                start_ns: proc::start_ns(child).unwrap_or(0),
                exec_generation: 0,
            }
        };
        self.buffer.push(Event::Fork {
            time_ns: now_ns(),
            parent: parent.thread,
            child: thread,
            is_thread,
        });
        let tracee = Tracee::new(thread, parent.until);
        // One whose maker was thought to be gone is traced already.
        self.tracees.entry(child).or_insert(tracee);
        if self.early.remove(&child) {
            self.go_on(child, Stop::Trap);
        }
    }

    /// The thread that executed a program has taken the number of its process, and all others are gone.
    fn executed(&mut self, tid: u32) {
        let former = kernel::event_message(tid)
            .ok()
            .and_then(|message| u32::try_from(message).ok())
            .unwrap_or(tid);
        if former != tid {
            // It ended in silence.
            self.ended(tid, None);
            self.tracees.remove(&tid);
        }
        let Some(mut tracee) = self.tracees.remove(&former) else {
            return;
        };
        let before = tracee.thread;
        if let Some(pending) = tracee.pending.take() {
            let outcome = Some(Outcome::Returned(0));
            self.buffer.push(pending.event(before, outcome));
        }
        tracee.thread = Thread {
            tid,
            exec_generation: before.exec_generation + 1,
            ..before
        };
        tracee.is_launching = false;
        self.buffer.push(Event::Exec {
            time_ns: now_ns(),
            before,
            after: tracee.thread,
            executable: proc::executed(tid).unwrap_or_default(),
            uid: proc::uid(tid).unwrap_or_default(),
            cgroup: proc::cgroup(tid),
        });
        self.tracees.insert(tid, tracee);
    }

    /// A thread is about to end, or has ended.
    fn ended(&mut self, tid: u32, status: Option<ExitStatus>) {
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        if std::mem::replace(&mut tracee.has_ended, true) || tracee.is_launching {
            return;
        }
        let thread = tracee.thread;
        if let Some(pending) = tracee.pending.take() {
            self.buffer.push(pending.event(thread, None));
        }
        self.buffer.push(Event::Exit {
            time_ns: now_ns(),
            thread,
            status,
        });
    }

    /// A thread has ended, and its number may be another's from now on.
    fn gone(&mut self, tid: u32, status: ExitStatus) {
        self.ended(tid, Some(status));
        self.tracees.remove(&tid);
        self.early.remove(&tid);
        if self.started == Some(tid) {
            self.status = Some(status);
        }
        if !self.early.is_empty() {
            self.adopt_orphans();
        }
    }

    /// A process that is killed right after it made another never tells of it. What it made goes on as one that
    /// was attached to.
    fn adopt_orphans(&mut self) {
        let is_orphan = |&child: &u32| {
            let maker = match proc::thread_group(child) {
                Some(process) if process != child => Some(process),
                _ => proc::status(child, "PPid:").and_then(|parent| parent.parse().ok()),
            };
            !self.tracees.values().any(|t| Some(t.thread.tgid) == maker)
        };
        let orphans: Vec<u32> = self.early.iter().copied().filter(is_orphan).collect();
        for child in orphans {
            self.early.remove(&child);
            let thread = Thread {
                tgid: proc::thread_group(child).unwrap_or(child),
                tid: child,
                start_ns: proc::start_ns(child).unwrap_or(0),
                exec_generation: 0,
            };
            // Which filters it has inherited is not known.
            self.tracees
                .insert(child, Tracee::new(thread, Until::Syscall));
            self.go_on(child, Stop::Trap);
        }
    }

    /// Stops every tracee, so that it can be let go at that stop. With a filter of ours in it that cannot be: it
    /// is followed, unrecorded, to its end.
    fn begin_to_let_go(&mut self) {
        self.buffer.close();
        if self.options.fast {
            self.letting_go.store(false, Ordering::Release);
            return;
        }
        self.interrupted = true;
        for &tid in self.tracees.keys() {
            // Where it is stopped already, its stop is told next all the same.
            let _ = kernel::interrupt(tid);
        }
    }

    fn usual(&self) -> Until {
        match self.options.fast {
            true => Until::Event,
            false => Until::Syscall,
        }
    }
}
