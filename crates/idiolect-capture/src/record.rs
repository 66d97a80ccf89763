//! From events to records.

use std::sync::Arc;

use idiolect_trace::{Call, Gap, GapScope, Lifecycle, LifecycleKind, Record, StreamId, table};
use rustix::time::{ClockId, clock_gettime};

use crate::{Event, LossScope, Thread, proc};

/// Turns the events of one capture into records: threads become streams' identities, numbers get their names,
/// and times since boot become times since the epoch.
#[derive(Clone, Debug)]
pub struct Records {
    origin: Arc<str>,
    host: Option<Arc<str>>,
    boot: Option<Arc<str>>,
    /// The epoch's time at boot, in nanoseconds, by the clocks as they stood when the capture began. A clock that
    /// is set later on does not make times jump.
    boot_ns: u64,
}

impl Records {
    /// Of a capture of this name, on this machine.
    pub fn new(origin: &str) -> Self {
        let now = |clock| nanoseconds(clock_gettime(clock));
        Records {
            origin: origin.into(),
            host: proc::line("/proc/sys/kernel/hostname").map(Into::into),
            boot: proc::line("/proc/sys/kernel/random/boot_id").map(Into::into),
            boot_ns: now(ClockId::Realtime).saturating_sub(now(ClockId::Boottime)),
        }
    }

    /// The capture's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The machine's name.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The boot's id.
    pub fn boot(&self) -> Option<&str> {
        self.boot.as_deref()
    }

    /// A time since boot as one since the epoch, both in nanoseconds. None beyond the year 2554.
    pub fn time(&self, since_boot: u64) -> Option<u64> {
        self.boot_ns.checked_add(since_boot)
    }

    /// The identity of a thread's stream.
    pub fn stream(&self, thread: Thread) -> StreamId {
        StreamId {
            origin: Arc::clone(&self.origin),
            host: self.host.clone(),
            boot: self.boot.clone(),
            tgid: Some(thread.tgid),
            start_ns: Some(thread.start_ns),
            tid: Some(thread.tid),
            incarnation: 0,
            exec_generation: thread.exec_generation,
        }
    }

    /// The record of an event.
    pub fn record(&self, event: Event) -> Record {
        match event {
            Event::Call {
                time_ns,
                thread,
                abi,
                number,
                outcome,
            } => Record::Call(Call {
                time_ns: self.time(time_ns),
                stream: self.stream(thread),
                abi,
                number: Some(number),
                name: table::by_number(abi, number),
                outcome,
            }),
            Event::Fork {
                time_ns,
                parent,
                child,
                is_thread,
            } => Record::Lifecycle(Lifecycle {
                parent: Some(self.stream(parent)),
                ..self.lifecycle(
                    time_ns,
                    child,
                    if is_thread {
                        LifecycleKind::Clone
                    } else {
                        LifecycleKind::Fork
                    },
                )
            }),
            Event::Exec {
                time_ns,
                before,
                after,
                executable,
                uid,
                cgroup,
            } => Record::Lifecycle(Lifecycle {
                parent: Some(self.stream(before)),
                executable: Some(executable),
                uid: Some(uid),
                cgroup: cgroup.map(|path| path.as_ref().to_owned()),
                ..self.lifecycle(time_ns, after, LifecycleKind::Exec)
            }),
            Event::Attach {
                time_ns,
                thread,
                executable,
                uid,
                cgroup,
            } => Record::Lifecycle(Lifecycle {
                executable: Some(executable),
                uid: Some(uid),
                cgroup: cgroup.map(|path| path.as_ref().to_owned()),
                ..self.lifecycle(time_ns, thread, LifecycleKind::Attach)
            }),
            Event::Exit {
                time_ns,
                thread,
                status,
            } => Record::Lifecycle(Lifecycle {
                status,
                ..self.lifecycle(time_ns, thread, LifecycleKind::Exit)
            }),
            Event::Lost {
                time_ns,
                scope,
                count,
                cause,
            } => Record::Gap(Gap {
                time_ns: self.time(time_ns),
                scope: match scope {
                    LossScope::Everything => GapScope::Origin(Arc::clone(&self.origin)),
                    LossScope::Cpu(cpu) => GapScope::Cpu(Arc::clone(&self.origin), cpu),
                    LossScope::Thread(thread) => GapScope::Stream(self.stream(thread)),
                },
                lost: count,
                cause,
            }),
        }
    }

    fn lifecycle(&self, time_ns: u64, thread: Thread, kind: LifecycleKind) -> Lifecycle {
        Lifecycle {
            time_ns: self.time(time_ns),
            stream: self.stream(thread),
            kind,
            parent: None,
            executable: None,
            uid: None,
            cgroup: None,
            status: None,
        }
    }
}

/// Nanoseconds since boot, suspended time included.
pub(crate) fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// A time of a clock.
pub(crate) fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    const NS: u64 = 1_000_000_000;
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(NS)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use idiolect_trace::{Abi, ExitStatus, GapCause, Outcome};

    fn thread(tid: u32, exec_generation: u32) -> Thread {
        Thread {
            tgid: 7,
            tid,
            start_ns: 5_000,
            exec_generation,
        }
    }

    #[test]
    fn a_call_has_its_name_its_epoch_time_and_its_stream() {
        let records = Records {
            boot_ns: 1_000_000,
            ..Records::new("test")
        };
        let record = records.record(Event::Call {
            time_ns: 42,
            thread: thread(8, 2),
            abi: Abi::I386,
            number: 11,
            outcome: Some(Outcome::Returned(0)),
        });
        let Record::Call(call) = record else {
            panic!("{record:?}")
        };
        assert_eq!(call.time_ns, Some(1_000_042));
        assert_eq!(call.name.as_str(), "execve");
        assert_eq!((call.abi, call.number), (Abi::I386, Some(11)));
        assert_eq!(call.outcome, Some(Outcome::Returned(0)));
        assert_eq!(&*call.stream.origin, "test");
        assert!(call.stream.boot.is_some() && call.stream.host.is_some());
        let stream = &call.stream;
        assert_eq!((stream.tgid, stream.tid), (Some(7), Some(8)));
        assert_eq!((stream.start_ns, stream.exec_generation), (Some(5_000), 2));
    }

    #[test]
    fn lives_and_losses() {
        let records = Records::new("test");
        let kinds = [true, false].map(|is_thread| {
            let record = records.record(Event::Fork {
                time_ns: 1,
                parent: thread(7, 0),
                child: thread(9, 0),
                is_thread,
            });
            let Record::Lifecycle(life) = record else {
                panic!("{record:?}")
            };
            assert_eq!(life.parent, Some(records.stream(thread(7, 0))));
            assert_eq!(life.stream, records.stream(thread(9, 0)));
            life.kind
        });
        assert_eq!(kinds, [LifecycleKind::Clone, LifecycleKind::Fork]);

        let exit = records.record(Event::Exit {
            time_ns: 1,
            thread: thread(7, 1),
            status: Some(ExitStatus::Code(3)),
        });
        assert!(matches!(exit, Record::Lifecycle(life)
            if life.status == Some(ExitStatus::Code(3)) && life.kind == LifecycleKind::Exit));

        for (scope, expected) in [
            (LossScope::Everything, GapScope::Origin("test".into())),
            (LossScope::Cpu(3), GapScope::Cpu("test".into(), 3)),
            (
                LossScope::Thread(thread(7, 0)),
                GapScope::Stream(records.stream(thread(7, 0))),
            ),
        ] {
            let gap = records.record(Event::Lost {
                time_ns: 1,
                scope,
                count: Some(4),
                cause: GapCause::BufferFull,
            });
            assert!(matches!(gap, Record::Gap(gap)
                if gap.scope == expected && gap.lost == Some(4)));
        }
    }
}
