//! Whether a file holds all calls of its threads, or some that were chosen.

use std::fmt;

use crate::read::{Completeness, Format};
use crate::{LifecycleKind, Record};

/// How it shows that a file holds only some of the calls of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Selection {
    /// The format never holds more than some.
    Format(Format),
    /// Programs begin in it, and none of them maps memory, as every program does first.
    NoMemory,
    /// None of its calls maps memory or touches a file that is open, in a log that holds what rules ask for.
    Rules,
    /// Numbers of events are missing throughout.
    Numbers,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selection::Format(format) => {
                write!(f, "{format} shows only what its rules ask for")
            }
            Selection::NoMemory => f.write_str(
                "programs begin in it and none maps memory, which every program does first: a filter chose \
                 its calls",
            ),
            Selection::Rules => f.write_str(
                "it has none of the calls that every program makes all the time: a rule chose its calls",
            ),
            Selection::Numbers => f.write_str(
                "numbers of events are missing throughout: it was chosen from another log",
            ),
        }
    }
}

/// What of a source bears on whether it is all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// A call that maps memory.
    memory: bool,
    /// A call that reads or closes.
    common: bool,
    /// A program that began.
    exec: bool,
    /// Numbers are missing throughout.
    pub(crate) numbers: bool,
}

impl Seen {
    pub(crate) fn record(&mut self, record: &Record) {
        match record {
            Record::Call(call) if !(self.memory && self.common) => match call.name.as_str() {
                "mmap" | "mmap2" | "brk" => self.memory = true,
                "read" | "close" | "readv" | "pread64" | "munmap" | "mprotect" => {
                    self.common = true;
                }
                _ => {}
            },
            Record::Lifecycle(life) if life.kind == LifecycleKind::Exec => self.exec = true,
            _ => {}
        }
    }

    /// Whether some calls were chosen, in a source that holds `calls` of them.
    pub(crate) fn selection(self, format: Format, calls: u64) -> Option<Selection> {
        let completeness = format.about().calls;
        let by_rules = matches!(format, Format::Auditd | Format::Tracee);
        match completeness {
            Completeness::Some => Some(Selection::Format(format)),
            Completeness::All => None,
            Completeness::Asked if self.numbers => Some(Selection::Numbers),
            Completeness::Asked if self.exec && !self.memory && calls > 0 => {
                Some(Selection::NoMemory)
            }
            Completeness::Asked if by_rules && !self.memory && !self.common && calls > 0 => {
                Some(Selection::Rules)
            }
            Completeness::Asked => None,
        }
    }
}
