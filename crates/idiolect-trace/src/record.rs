//! What every source yields.

use serde::{Deserialize, Serialize};

use crate::{Abi, CallName, Outcome, StreamId};

/// One thing that a source saw.
///
/// In the order of one stream: the call that starts a program (`execve`) comes first, as a [`Call`] of
/// the old stream; then the [`Lifecycle`] of kind [`LifecycleKind::Exec`] whose stream is the new one;
/// then the new program's calls. A fork's or clone's `Lifecycle` names the child's stream, with its
/// parent, before the child's first call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Record {
    /// A system call was made.
    Call(Call),
    /// A process or thread began, executed a program, or ended.
    Lifecycle(Lifecycle),
    /// Events were lost here.
    Gap(Gap),
}

/// One system call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// When it was entered, in nanoseconds of the source's clock (most often since the epoch; since
    /// midnight, since boot or since the first call in sources that say no more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ns: Option<u64>,
    /// Whose it is.
    pub stream: StreamId,
    /// By which convention it was made.
    pub abi: Abi,
    /// Its number in that ABI's table, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Its canonical name.
    pub name: CallName,
    /// How it ended, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// A process or thread began, executed a program, or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// When, as in [`Call::time_ns`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ns: Option<u64>,
    /// Whom it happened to: the child of a fork or clone, the new program of an exec.
    pub stream: StreamId,
    /// What happened.
    pub kind: LifecycleKind,
    /// The stream that forked or cloned, or the one that the exec replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<StreamId>,
    /// The program's path, as it was given to the kernel; of an exec or an attach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Path of its control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// How it ended; for [`LifecycleKind::Exit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExitStatus>,
}

/// What happened to a process or thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LifecycleKind {
    /// A new process, going on from its parent.
    Fork,
    /// A new thread in the same process.
    Clone,
    /// The process now runs another program.
    Exec,
    /// The thread ended.
    Exit,
    /// The thread was there before the source, which now knows what it runs. Comes before its first call.
    Attach,
}

impl LifecycleKind {
    /// All of them.
    pub const ALL: [LifecycleKind; 5] = [
        LifecycleKind::Fork,
        LifecycleKind::Clone,
        LifecycleKind::Exec,
        LifecycleKind::Exit,
        LifecycleKind::Attach,
    ];
}

/// How a process or thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ExitStatus {
    /// By `exit`, with this status.
    Code(i32),
    /// By this signal.
    Signal(u8),
}

/// Events that were lost: the calls on either side of it do not follow each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// When, as in [`Call::time_ns`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ns: Option<u64>,
    /// Where they are missing.
    pub scope: GapScope,
    /// How many, where the source counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Why.
    pub cause: GapCause,
}

/// Where events are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GapScope {
    /// Anywhere in the streams of this origin.
    Origin(std::sync::Arc<str>),
    /// In calls made on this processor, of this origin.
    Cpu(std::sync::Arc<str>, u32),
    /// In this stream.
    Stream(StreamId),
}

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapCause {
    /// The buffer between kernel and recorder was full.
    BufferFull,
    /// There were more threads than the recorder could follow. Where only a birth says that a thread belongs to what is
    /// recorded, the birth is counted and nothing of the thread is seen.
    TableFull,
    /// The source limits its rate.
    RateLimit,
    /// Part of the input could not be read: lines in another form, over a bound, or cut off.
    Unreadable,
    /// The source says that events are missing and not why.
    Unknown,
}

impl GapCause {
    /// All of them.
    pub const ALL: [GapCause; 5] = [
        GapCause::BufferFull,
        GapCause::TableFull,
        GapCause::RateLimit,
        GapCause::Unreadable,
        GapCause::Unknown,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a kind stands in the list of all; a new one does not compile until it has a place.
    #[test]
    fn the_lists_are_of_all() {
        for (place, kind) in LifecycleKind::ALL.into_iter().enumerate() {
            let expected = match kind {
                LifecycleKind::Fork => 0,
                LifecycleKind::Clone => 1,
                LifecycleKind::Exec => 2,
                LifecycleKind::Exit => 3,
                LifecycleKind::Attach => 4,
            };
            assert_eq!(place, expected);
        }
        for (place, cause) in GapCause::ALL.into_iter().enumerate() {
            let expected = match cause {
                GapCause::BufferFull => 0,
                GapCause::TableFull => 1,
                GapCause::RateLimit => 2,
                GapCause::Unreadable => 3,
                GapCause::Unknown => 4,
            };
            assert_eq!(place, expected);
        }
    }
}
