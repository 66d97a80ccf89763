//! What a format says of one enter or exit.

use crate::{Abi, CallName, Outcome};

/// What a fork or clone makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Makes {
    /// A process.
    Process,
    /// A thread of the same process.
    Thread,
    /// One of the two: its flags are not in the text.
    Either,
}

/// Flag of `clone` that makes a thread (kernel: `include/uapi/linux/sched.h`).
pub(crate) const CLONE_THREAD: u64 = 0x1_0000;

impl Makes {
    /// What a call of this name makes, where it is one that makes something; `flags` are those of a clone,
    /// where the text has them.
    pub(crate) fn of(name: &str, flags: Option<u64>) -> Option<Makes> {
        match (name, flags) {
            ("fork" | "vfork", _) => Some(Makes::Process),
            ("clone" | "clone3", Some(flags)) if flags & CLONE_THREAD != 0 => Some(Makes::Thread),
            ("clone" | "clone3", Some(_)) => Some(Makes::Process),
            ("clone" | "clone3", None) => Some(Makes::Either),
            _ => None,
        }
    }
}

/// Whether a call of this name executes a program.
pub(crate) fn is_exec(name: &str) -> bool {
    matches!(name, "execve" | "execveat")
}

/// Whether a call of this name never returns.
pub(super) fn ends_thread(name: &str) -> bool {
    matches!(name, "exit" | "exit_group")
}

/// Whose event it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    /// The thread; none where the format does not say, and then exits cannot be matched with enters.
    pub(crate) tid: Option<u32>,
    /// Its process, where the format says.
    pub(crate) tgid: Option<u32>,
}

/// A call is entered.
#[derive(Clone, Debug)]
pub(crate) struct Enter {
    pub(crate) time_ns: Option<u64>,
    pub(crate) abi: Abi,
    pub(crate) number: Option<u32>,
    pub(crate) name: CallName,
    pub(crate) makes: Option<Makes>,
    /// The program's path, of `execve` and `execveat`.
    pub(crate) executable: Option<String>,
}

/// A call returns.
#[derive(Clone, Debug)]
pub(crate) struct Leave {
    pub(crate) time_ns: Option<u64>,
    pub(crate) abi: Abi,
    pub(crate) number: Option<u32>,
    /// None where the format does not say which call it was.
    pub(crate) name: Option<CallName>,
    pub(crate) outcome: Option<Outcome>,
    /// Who made the thread, where its first event says.
    pub(crate) parent: Option<u32>,
    /// What the call made, where that is told at its end.
    pub(crate) makes: Option<Makes>,
}

impl Leave {
    /// Whether it is what a child sees of the call that made it.
    pub(super) fn is_birth(&self) -> bool {
        let name = self.name.as_ref().map(CallName::as_str);
        self.outcome == Some(Outcome::Returned(0))
            && name.is_some_and(|name| Makes::of(name, None).is_some())
    }

    /// Whether it may be that, where the text does not say how the call ended.
    pub(super) fn may_be_birth(&self) -> bool {
        let name = self.name.as_ref().map(CallName::as_str);
        self.outcome.is_none() && name.is_some_and(|name| Makes::of(name, None).is_some())
    }

    /// Whether it is the success of an `execve`.
    pub(super) fn executed(&self) -> bool {
        self.outcome == Some(Outcome::Returned(0))
            && self
                .name
                .as_ref()
                .is_some_and(|name| is_exec(name.as_str()))
    }
}
