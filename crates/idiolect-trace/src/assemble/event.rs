//! What a model is shown of a stream.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Abi, CallName, GapCause, Outcome, StartKind, StreamId};

/// What a model is shown of the streams of a source, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[non_exhaustive]
pub enum StreamEvent {
    /// A stream begins.
    Start(StreamStart),
    /// The next call of a stream.
    Call(StreamCall),
    /// Calls of a stream were lost here.
    Gap(StreamGap),
    /// A stream ends; its key does not come again.
    End {
        /// Which.
        key: u64,
    },
}

impl StreamEvent {
    /// The stream that it is about.
    pub fn key(&self) -> u64 {
        match self {
            StreamEvent::Start(start) => start.key,
            StreamEvent::Call(call) => call.key,
            StreamEvent::Gap(gap) => gap.key,
            StreamEvent::End { key } => *key,
        }
    }
}

/// The beginning of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamStart {
    /// The stream's number, unique in one [`Assembler`](super::Assembler).
    pub key: u64,
    /// Its identity.
    pub id: StreamId,
    /// How it begins.
    pub kind: StartKind,
    /// The program, where the record of an exec or an attach names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The stream that it came from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<StreamId>,
}

/// A call of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamCall {
    /// Which stream's.
    pub key: u64,
    /// As in [`Call::time_ns`](crate::Call::time_ns).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ns: Option<u64>,
    /// Its canonical name.
    pub name: CallName,
    /// Its ABI, where that is not the one of the stream's first call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_abi: Option<Abi>,
    /// How it ended, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl StreamCall {
    /// The text of its token: its name, after its ABI if that is not the stream's own (`i386:execve`).
    pub fn token(&self) -> Cow<'_, str> {
        match self.other_abi {
            None => Cow::Borrowed(self.name.as_str()),
            Some(abi) => Cow::Owned(format!("{abi}:{}", self.name)),
        }
    }
}

/// Calls of a stream were lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamGap {
    /// Which stream's.
    pub key: u64,
    /// As in [`Call::time_ns`](crate::Call::time_ns).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ns: Option<u64>,
    /// How many were lost, where known; in all streams that the gap concerns, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Why.
    pub cause: GapCause,
}
