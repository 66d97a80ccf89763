//! Recording by trace points through perf_event_open(2), for where programs cannot be loaded into the kernel.
//!
//! Every processor has a ring buffer, so that what is in them has to be put in the order of time. Beginnings and ends
//! of calls are both read: a call that ends without having begun was denied by seccomp. Births, names and ends of
//! threads come by the side band of the same events; a program's path by a trace point.
//!
//! A call by `int 0x80` is known by registers, which a program could set so as to hide it; eBPF knows it by the kernel's
//! own mark. What it does not know: how threads end, who is outside of our pid namespace, and who a process that is gone at once was. Losses are counted in records
//! of trace points, of which a call makes two; a loss at the very end is only known since Linux 6.0.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::cgroup::Cgroup;
use crate::child::Child;
use crate::lockdown::{CONFIDENTIAL, Lockdown, UNLOCK};
use crate::ptrace::process;
use crate::record::{nanoseconds, now_ns};
use crate::source::BATCH;
use crate::{Backend, CaptureError, Event, Losses, Options, Source, State, Target, proc};

mod attr;
mod follow;
mod ring;
mod sample;
#[cfg(test)]
mod tests;

use attr::Scope;
use follow::{Follow, Wanted};
use ring::Ring;
use sample::{Points, Seen};

/// How often the ring buffers are emptied.
const PACE: Duration = Duration::from_millis(10);

/// What was written may be overtaken by what another processor wrote this much later.
const SETTLED_NS: u64 = 1_000_000;

/// Room in the ring buffer of a processor, and the least that we are content with where so much is not allowed.
const RING_BYTES: usize = 8 << 20;
const LEAST_RING_BYTES: usize = 64 << 10;

/// Events by trace points.
pub(crate) struct PerfSource {
    events: Vec<attr::Event>,
    rings: Vec<(u32, Ring)>,
    points: Points,
    follow: Follow,
    /// What was read, by processor, and is not old enough to be sure that nothing comes before it.
    seen: Vec<(u32, Seen)>,
    ready: VecDeque<Event>,
    child: Option<Child>,
    /// The events by which the end of the target is known, where it comes to an end.
    ends_with: Vec<usize>,
    unreadable: u64,
    stopped: bool,
    ended: bool,
    looked: Option<Instant>,
}

impl PerfSource {
    /// Begins to record.
    ///
    /// # Errors
    /// [`CaptureError`] where the target cannot be recorded so.
    pub(crate) fn open(target: &Target, options: Options) -> Result<Self, CaptureError> {
        if options.fast {
            return Err(CaptureError::Unsupported {
                backend: Backend::Perf,
                what: "stop at entries: that is ptrace's way".to_owned(),
            });
        }
        let points = Points::of_this_machine()?;
        let mut child = None;
        let mut folder = None;
        let mut wanted = Wanted::Others;
        let scopes = match target {
            Target::Command(command) => {
                let waiting = Child::fork(command, options)?;
                let pid = waiting.pid();
                child = Some(waiting);
                wanted = Wanted::Launched(pid.unsigned_abs());
                vec![Scope::Thread(pid)]
            }
            Target::Pid(pid) => return Self::attach(process(*pid)?, points, options),
            Target::Cgroup(path) => {
                let open = File::open(Cgroup::find(path)?.folder).map_err(|error| {
                    CaptureError::system("cannot open the control group", error)
                })?;
                let scope = Scope::Cgroup(open.as_raw_fd());
                folder = Some(open);
                vec![scope]
            }
            Target::Comm(name) => {
                let name = name.get(..15).unwrap_or(name);
                wanted = Wanted::Named(name.to_owned());
                vec![Scope::Everything]
            }
            Target::All => vec![Scope::Everything],
        };
        let mut source = PerfSource::new(&scopes, points, Follow::new(wanted, options.outcomes))?;
        drop(folder);
        source.enable(true)?;
        if let Some(child) = &mut child {
            child.go()?;
        }
        source.child = child;
        Ok(source)
    }

    /// All threads of a process. One that is made while we go through them either inherits the events of its maker
    /// or is none of those that we have opened, and nobody says which; then it is done again. A process that is made
    /// meanwhile may be missed.
    fn attach(pid: u32, points: Points, options: Options) -> Result<Self, CaptureError> {
        const ATTEMPTS: usize = 100;
        // Three files a thread and processor; what is not allowed is said by opening them.
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                ..limit
            },
        );
        for _ in 0..ATTEMPTS {
            let threads = proc::threads(pid).ok_or(CaptureError::NoSuchProcess(pid))?;
            let scopes: Vec<Scope> = threads
                .iter()
                .map(|tid| Scope::Thread(tid.cast_signed()))
                .collect();
            let follow = Follow::new(Wanted::Others, options.outcomes);
            let source = PerfSource::new(&scopes, points, follow);
            let now = proc::threads(pid).ok_or(CaptureError::NoSuchProcess(pid))?;
            if now == threads {
                let source = source?;
                source.enable(true)?;
                return Ok(source);
            }
        }
        Err(CaptureError::NotPermitted {
            what: format!("attach to process {pid}"),
            how: "it makes threads faster than they can be attached to".to_owned(),
        })
    }

    fn new(scopes: &[Scope], points: Points, follow: Follow) -> Result<Self, CaptureError> {
        let processors = processors()?;
        let mut events: Vec<attr::Event> = Vec::new();
        let mut rings = Vec::new();
        let mut ends_with = Vec::new();
        for &processor in &processors {
            let mut into: Option<usize> = None;
            for &scope in scopes {
                // Only the first of them tells of lives, or they would be told of three times.
                for (point, tells_lives, with_registers) in [
                    (points.enter, true, true),
                    (points.exit, false, true),
                    (points.exec, false, false),
                ] {
                    let on = processor.cast_signed();
                    let event =
                        attr::Event::tracepoint(point, scope, on, tells_lives, with_registers)
                            .map_err(|error| refusal(error, events.len()))?;
                    match into {
                        None => {
                            rings.push((processor, map(&event)?));
                            into = Some(events.len());
                        }
                        Some(first) => event
                            .send_to(&events[first])
                            .map_err(|error| refusal(error, events.len()))?,
                    }
                    if tells_lives && matches!(scope, Scope::Thread(_)) {
                        ends_with.push(events.len());
                    }
                    events.push(event);
                }
            }
        }
        Ok(PerfSource {
            events,
            rings,
            points,
            follow,
            seen: Vec::new(),
            ready: VecDeque::new(),
            child: None,
            ends_with,
            unreadable: 0,
            stopped: false,
            ended: false,
            looked: None,
        })
    }

    fn enable(&self, enable: bool) -> Result<(), CaptureError> {
        for event in &self.events {
            event
                .enable(enable)
                .map_err(|error| CaptureError::system("cannot switch trace points", error))?;
        }
        Ok(())
    }

    /// Reads the ring buffers, and hands on what nothing can come before any more.
    fn read(&mut self, is_last: bool) {
        let monotonic = nanoseconds(clock_gettime(ClockId::Monotonic));
        let asleep = now_ns().saturating_sub(monotonic);
        let settled = if is_last {
            u64::MAX
        } else {
            monotonic.saturating_sub(SETTLED_NS)
        };
        let PerfSource {
            rings,
            points,
            seen,
            unreadable,
            ..
        } = self;
        for (processor, ring) in rings {
            ring.drain(&mut |kind, bytes| match sample::read(kind, bytes, points) {
                Some(record) => seen.push((*processor, record)),
                None => *unreadable += u64::from(sample::is_expected(kind)),
            });
        }
        // Stable: what one processor wrote at one time stays in order.
        seen.sort_by_key(|(_, record)| record.time_ns);
        let count = seen.partition_point(|(_, record)| record.time_ns <= settled);
        let mut events = Vec::new();
        for (processor, mut record) in seen.drain(..count) {
            record.time_ns += asleep;
            self.follow.take(record, processor, &mut events);
        }
        if is_last {
            let lost = self.events.iter().filter_map(attr::Event::lost).sum();
            self.follow.lost_by_the_end(lost, &mut events);
        }
        self.ready.extend(events);
    }

    fn is_over(&mut self) -> bool {
        let events = &self.events;
        let is_over = !self.ends_with.is_empty()
            && self.ends_with.iter().all(|&event| events[event].is_over());
        is_over
            && self
                .child
                .as_mut()
                .is_none_or(|child| child.status().is_some())
    }
}

impl Source for PerfSource {
    fn poll(&mut self, batch: &mut Vec<Event>, wait: Duration) -> Result<State, CaptureError> {
        let deadline = Instant::now() + wait;
        while self.ready.is_empty() {
            if self.ended {
                let status = self.child.as_mut().and_then(Child::status);
                return Ok(State::Ended(status));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let rest = self
                .looked
                .map_or(Duration::ZERO, |at| PACE.saturating_sub(at.elapsed()));
            if !self.stopped {
                thread::sleep(rest.min(left));
                if rest > left {
                    return Ok(State::Running);
                }
            }
            // Asked before reading: what is over by then has written all.
            self.ended = self.stopped || self.is_over();
            self.read(self.ended);
            self.looked = Some(Instant::now());
        }
        let count = self.ready.len().min(BATCH);
        batch.extend(self.ready.drain(..count));
        Ok(State::Running)
    }

    fn losses(&self) -> Losses {
        Losses {
            buffer_full: self.follow.lost(),
            unknown: self.unreadable,
            ..Losses::default()
        }
    }

    fn stop(&mut self) -> Result<(), CaptureError> {
        if self.stopped {
            return Ok(());
        }
        if let Some(child) = &mut self.child {
            child.stop()?;
        }
        self.enable(false)?;
        self.stopped = true;
        Ok(())
    }
}

impl Points {
    fn of_this_machine() -> Result<Self, CaptureError> {
        if Lockdown::of_this_machine() == Lockdown::Confidentiality {
            return Err(unavailable(format!("{CONFIDENTIAL} ({UNLOCK})")));
        }
        let folder = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
            .map(|folder| Path::new(folder).join("events"))
            .into_iter()
            .find(|folder| folder.is_dir())
            .ok_or_else(|| {
                unavailable(
                    "the numbers of trace points stand in tracefs, which is not mounted or not readable for us: as \
                     root, `mount -t tracefs nodev /sys/kernel/tracing`"
                        .to_owned(),
                )
            })?;
        let number = |point: &str| {
            let file = folder.join(point).join("id");
            proc::line(&file)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| unavailable(format!("{} cannot be read", file.display())))
        };
        Ok(Points {
            enter: number("raw_syscalls/sys_enter")?,
            exit: number("raw_syscalls/sys_exit")?,
            exec: number("sched/sched_process_exec")?,
        })
    }
}

/// The processors that are running.
fn processors() -> Result<Vec<u32>, CaptureError> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online")
        .map_err(|error| CaptureError::system("cannot list the processors", error))?;
    let ranges = text.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    });
    let ranges: Option<Vec<_>> = ranges.collect();
    let ranges = ranges.ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidData, text.clone());
        CaptureError::system("cannot read /sys/devices/system/cpu/online", error)
    })?;
    Ok(ranges.into_iter().flatten().collect())
}

/// A ring buffer of the size that we would like, or of what we are allowed.
fn map(event: &attr::Event) -> Result<Ring, CaptureError> {
    let mut bytes = RING_BYTES;
    loop {
        match Ring::map(event, bytes) {
            Ok(ring) => return Ok(ring),
            Err(_) if bytes > LEAST_RING_BYTES => bytes /= 2,
            Err(error) => return Err(refusal(error, 0)),
        }
    }
}

fn unavailable(why: String) -> CaptureError {
    CaptureError::Unavailable {
        backend: Backend::Perf,
        why,
    }
}

/// Why the kernel opens no event for us.
fn refusal(error: io::Error, opened: usize) -> CaptureError {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => unavailable(format!(
            "the kernel does not permit us to read trace points: that takes root or the capability CAP_PERFMON \
             (kernel.perf_event_paranoid is {})",
            proc::line("/proc/sys/kernel/perf_event_paranoid")
                .unwrap_or_else(|| "not there".to_owned())
        )),
        Some(libc::ENOSYS) => unavailable("this kernel has no perf_event_open".to_owned()),
        Some(libc::EMFILE | libc::ENFILE) => unavailable(format!(
            "it takes three open files for each thread and processor, and {opened} are too many here: raise `ulimit -n`"
        )),
        // The only thing that may not be there, and not for want of a process.
        Some(libc::ENOENT) => unavailable(
            "the control group has no perf events, since no controller was ever enabled in its hierarchy (systemd does \
             so): `echo +pids > /sys/fs/cgroup/cgroup.subtree_control`, and make the group anew"
                .to_owned(),
        ),
        Some(libc::ESRCH) => CaptureError::NothingThere("left: it ended just now".to_owned()),
        _ => CaptureError::system("cannot read trace points", error),
    }
}
