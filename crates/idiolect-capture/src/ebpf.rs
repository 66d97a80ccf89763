//! Recording by programs in the kernel (eBPF).
//!
//! The kernel side (`bpf/capture.bpf.c`) decides what is followed and sends its events through one ring buffer, so
//! that they come in the order in which they happened. It wakes nobody, since that costs a recorded program more than
//! everything else: we come by every [`PACE`].
//!
//! What finds no room in the ring buffer is counted by the kernel side, by cause. The next event that finds room is
//! preceded by a mark with the count, so both place and size of a loss are known. All processors share one count as
//! they share the ring buffer: a thread whose event was lost may go on elsewhere.
//!
//! What it does not see: of a thread that was there before us, the call that it is inside, and a denied call where that
//! is its first; the call for which seccomp kills one thread of several at the spot; what a program gives to io_uring.

use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use idiolect_trace::GapCause;
use rustix::fs::{Mode, OFlags};

use crate::cgroup::Cgroup;
use crate::child::Child;
use crate::ptrace::process;
use crate::record::now_ns;
use crate::source::BATCH;
use crate::{Backend, CaptureError, Event, LossScope, Losses, Options, Source, State, Target};

mod cgroup;
mod kernel;
mod load;
mod object;
#[cfg(test)]
mod tests;
mod wire;

use cgroup::Cgroups;
use kernel::{Follow, Kernel, Lost, Settings};
use wire::Wire;

/// How often the ring buffer is emptied.
const PACE: Duration = Duration::from_millis(10);

/// Room in the ring buffer a processor. A call takes 40 bytes, and a processor makes up to four million a second.
const RING_BYTES_A_PROCESSOR: usize = 4 << 20;

/// The least room, which is a tenth of a second of one processor, for when the recorder has to wait for its turn, and
/// the most.
const RING_BYTES: RangeInclusive<usize> = 16 << 20..=64 << 20;

/// Threads that can be followed at a time. Of those beyond it every call is counted as lost; of a tree, where only a
/// birth says that a thread belongs to it, the birth, and the thread is not seen.
const THREADS: u32 = 1 << 16;

/// Events by programs in the kernel.
pub(crate) struct EbpfSource {
    kernel: Box<dyn Kernel>,
    cgroups: Cgroups,
    /// What was lost, as far as it was told.
    lost: Lost,
    /// Records that were not understood.
    unreadable: u64,
    /// The program that we started, until it has ended.
    child: Option<Child>,
    /// It has not executed its program yet: what it does is ours.
    is_launching: bool,
    /// Whether the target comes to an end by itself.
    finite: bool,
    detached: bool,
    ended: bool,
    /// When we last looked and found the ring buffer empty, or emptied it.
    looked: Option<Instant>,
}

impl EbpfSource {
    /// Begins to record.
    ///
    /// # Errors
    /// [`CaptureError`] where the target cannot be recorded so.
    pub(crate) fn open(target: &Target, options: Options) -> Result<Self, CaptureError> {
        EbpfSource::begin(target, options, THREADS, false)
    }

    /// The same; `threads` and `untyped` as in [`Settings`].
    fn begin(
        target: &Target,
        options: Options,
        threads: u32,
        untyped: bool,
    ) -> Result<Self, CaptureError> {
        if options.fast {
            return Err(CaptureError::Unsupported {
                backend: Backend::Ebpf,
                what: "stop at entries: that is ptrace's way".to_owned(),
            });
        }
        let mut child = None;
        let follow = match target {
            Target::Command(command) => {
                let waiting = Child::fork(command, options)?;
                let pid = waiting.pid();
                child = Some(waiting);
                Follow::Tree(pid.unsigned_abs())
            }
            Target::Pid(pid) => Follow::Tree(process(*pid)?),
            Target::Cgroup(path) => Follow::Cgroup(folder(path)?),
            Target::Comm(name) => Follow::Comm(comm(name)),
            Target::All => Follow::All,
        };
        let settings = Settings {
            follow,
            outcomes: options.outcomes,
            ring_bytes: ring_bytes(thread::available_parallelism().map_or(1, usize::from)),
            threads,
            untyped,
        };
        let kernel = Box::new(load::Loaded::load(&settings)?);
        let finite = matches!(settings.follow, Follow::Tree(_));
        let mut source = EbpfSource::new(kernel, finite);
        source.kernel.attach()?;
        if let Target::Pid(pid) = target
            && source.kernel.counters()?.followed == 0
        {
            return Err(CaptureError::NoSuchProcess(*pid));
        }
        if let Some(child) = &mut child {
            source.is_launching = true;
            child.go()?;
        }
        source.child = child;
        Ok(source)
    }

    fn new(kernel: Box<dyn Kernel>, finite: bool) -> Self {
        EbpfSource {
            kernel,
            cgroups: Cgroups::new(),
            lost: Lost::default(),
            unreadable: 0,
            child: None,
            is_launching: false,
            finite,
            detached: false,
            ended: false,
            looked: None,
        }
    }

    /// Takes what the ring buffer holds, and says how many records it was.
    fn drain(&mut self, batch: &mut Vec<Event>) -> usize {
        let EbpfSource {
            kernel,
            cgroups,
            is_launching,
            lost,
            unreadable,
            ..
        } = self;
        kernel.drain(BATCH, &mut |bytes| {
            let event = match wire::read(bytes) {
                Some(Wire::Event(event)) => event,
                Some(Wire::Exec { exec, cgroup }) => cgroups.name(exec, cgroup),
                Some(Wire::Gap { time_ns, lost: now }) => {
                    batch.extend(grown(lost, now, time_ns));
                    return;
                }
                None => {
                    *unreadable += 1;
                    return;
                }
            };
            *is_launching &= !matches!(event, Event::Exec { .. });
            if !*is_launching {
                batch.push(event);
            }
        })
    }

    /// Sleeps until it is time to look again, at most so long. Whether it is.
    fn pace(&self, wait: Duration) -> bool {
        let rest = self
            .looked
            .map_or(Duration::ZERO, |at| PACE.saturating_sub(at.elapsed()));
        thread::sleep(rest.min(wait));
        rest <= wait
    }
}

impl Source for EbpfSource {
    fn poll(&mut self, batch: &mut Vec<Event>, wait: Duration) -> Result<State, CaptureError> {
        let deadline = Instant::now() + wait;
        loop {
            let status = self.child.as_mut().and_then(Child::status);
            if self.ended {
                return Ok(State::Ended(status));
            }
            if !self.detached && !self.pace(deadline.saturating_duration_since(Instant::now())) {
                return Ok(State::Running);
            }
            // What is counted before an empty ring buffer is seen lies before all that will be in it.
            let counters = self.kernel.counters()?;
            let count = self.drain(batch);
            self.looked = (count < BATCH).then(Instant::now);
            if count > 0 {
                return Ok(State::Running);
            }
            let told = batch.len();
            batch.extend(grown(&mut self.lost, counters.lost, now_ns()));
            self.ended = self.detached
                || self.finite
                    && counters.followed == 0
                    && (self.child.is_none() || status.is_some());
            if batch.len() > told {
                return Ok(State::Running);
            }
        }
    }

    fn losses(&self) -> Losses {
        Losses {
            buffer_full: self.lost.ring_full,
            table_full: self.lost.table_full,
            unknown: self.unreadable,
            ..Losses::default()
        }
    }

    fn stop(&mut self) -> Result<(), CaptureError> {
        if self.detached {
            return Ok(());
        }
        if let Some(child) = &mut self.child {
            child.stop()?;
        }
        self.kernel.detach()?;
        self.detached = true;
        Ok(())
    }
}

/// The losses since the last time.
fn grown(before: &mut Lost, now: Lost, time_ns: u64) -> impl Iterator<Item = Event> {
    let more = [
        (
            GapCause::BufferFull,
            now.ring_full.saturating_sub(before.ring_full),
        ),
        (
            GapCause::TableFull,
            now.table_full.saturating_sub(before.table_full),
        ),
    ];
    *before = now;
    more.into_iter()
        .filter(|&(_, count)| count > 0)
        .map(move |(cause, count)| Event::Lost {
            time_ns,
            scope: LossScope::Everything,
            count: Some(count),
            cause,
        })
}

/// The size of the ring buffer, a power of two.
fn ring_bytes(processors: usize) -> u32 {
    let bytes = RING_BYTES_A_PROCESSOR.saturating_mul(processors);
    let bytes = bytes
        .clamp(*RING_BYTES.start(), *RING_BYTES.end())
        .next_power_of_two();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// As the kernel keeps names: at most 15 bytes, and a zero.
fn comm(name: &str) -> [u8; 16] {
    let mut comm = [0; 16];
    for (to, from) in comm[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    comm
}

/// The folder of a control group.
fn folder(path: &Path) -> Result<OwnedFd, CaptureError> {
    let group = Cgroup::find(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&group.folder, flags, Mode::empty())
        .map_err(|error| CaptureError::system("cannot open the control group", error))
}
