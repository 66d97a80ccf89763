//! What a backend yields.

use std::sync::Arc;

use idiolect_trace::{Abi, ExitStatus, GapCause, Outcome};

/// A thread, as live sources know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thread {
    /// Process number (the thread group's id), in the recorder's pid namespace.
    pub tgid: u32,
    /// Thread number.
    pub tid: u32,
    /// When the process started, in nanoseconds since boot (kernel: `group_leader->start_boottime`). Sources
    /// that read it in `/proc` have it in whole clock ticks, a hundredth of a second.
    pub start_ns: u64,
    /// How many programs the process has executed since the source first saw it.
    pub exec_generation: u32,
}

/// One thing that a backend saw. Events of one thread come in order; those of different threads as the
/// backend meets them.
///
/// All times are nanoseconds since boot, suspended time included (`CLOCK_BOOTTIME`).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A system call was made. Without outcomes it is yielded at its entry; with them at its end, or when its
    /// thread ends inside it.
    Call {
        /// When it was entered.
        time_ns: u64,
        /// By whom.
        thread: Thread,
        /// By which convention: that of this call, which need not be the thread's usual one.
        abi: Abi,
        /// Its number in that ABI's table, without the mark of x32.
        number: u32,
        /// How it ended, where that was asked for and is known.
        outcome: Option<Outcome>,
    },
    /// A process or thread was made. Comes before the child's first call.
    Fork {
        /// When.
        time_ns: u64,
        /// Who made it.
        parent: Thread,
        /// What was made.
        child: Thread,
        /// It is a thread of the same process.
        is_thread: bool,
    },
    /// A process began another program. Comes after the call that did it, and before the program's first.
    Exec {
        /// When.
        time_ns: u64,
        /// The thread that made the call.
        before: Thread,
        /// The one that goes on, whose number is the process's.
        after: Thread,
        /// The program's path.
        executable: String,
        /// The user that it runs as.
        uid: u32,
        /// Path of its control group in the unified hierarchy, where there is one.
        cgroup: Option<Arc<str>>,
    },
    /// A thread that was there before the recording is heard of for the first time. Comes before its first call,
    /// where it is still there to be asked.
    Attach {
        /// When it was heard of.
        time_ns: u64,
        /// Which.
        thread: Thread,
        /// Its program's path, as in [`Event::Exec`].
        executable: String,
        /// The user that it runs as.
        uid: u32,
        /// As in [`Event::Exec`].
        cgroup: Option<Arc<str>>,
    },
    /// A thread ended. Comes after its last call.
    Exit {
        /// When.
        time_ns: u64,
        /// Which.
        thread: Thread,
        /// How, where known.
        status: Option<ExitStatus>,
    },
    /// Events were lost before this one.
    Lost {
        /// When it was noticed.
        time_ns: u64,
        /// Where they are missing.
        scope: LossScope,
        /// How many, where known.
        count: Option<u64>,
        /// Why.
        cause: GapCause,
    },
}

/// Where events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossScope {
    /// Anywhere.
    Everything,
    /// Among those of this processor.
    Cpu(u32),
    /// Among those of this thread.
    Thread(Thread),
}
