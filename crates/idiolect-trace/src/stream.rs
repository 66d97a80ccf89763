//! Which thread's calls belong together.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The identity of a stream: the calls of one thread between two starts, in order.
///
/// Every part that a source does not know is absent, and two identities are the same only if all their
/// parts are. A reused process number is another stream: by the process's start time where the source
/// knows it, else by [`incarnation`](StreamId::incarnation).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamId {
    /// Where the record was read: a file, `archive.zip:entry`, or a capture's name. Never a secret.
    /// Empty in a record that does not say: then it is the file that the record is in.
    #[serde(default)]
    pub origin: Arc<str>,
    /// Host name or machine id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<str>>,
    /// The boot's id (`/proc/sys/kernel/random/boot_id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Arc<str>>,
    /// Process number (the thread group's id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tgid: Option<u32>,
    /// When the process started, in nanoseconds since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ns: Option<u64>,
    /// Thread number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// How often this thread number was seen to end and come back, where `start_ns` is unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub incarnation: u32,
    /// How many programs the process has executed since the source first saw it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exec_generation: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl StreamId {
    /// A stream of which only its place is known: a whole file as one stream.
    pub fn whole(origin: Arc<str>) -> Self {
        StreamId {
            origin,
            host: None,
            boot: None,
            tgid: None,
            start_ns: None,
            tid: None,
            incarnation: 0,
            exec_generation: 0,
        }
    }

    /// A thread of which only the number is known.
    pub fn thread(origin: Arc<str>, tid: u32) -> Self {
        StreamId {
            tid: Some(tid),
            ..StreamId::whole(origin)
        }
    }
}

/// How a stream begins. The three are different tokens, trained and calibrated apart: what follows a
/// program's start says nothing of what follows the moment at which a recorder happened to attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// A program begins.
    Exec,
    /// A clone or fork goes on from its parent.
    Thread,
    /// We came in the middle; also any log that starts nowhere in particular.
    Attach,
}

impl StartKind {
    /// All of them.
    pub const ALL: [StartKind; 3] = [StartKind::Exec, StartKind::Thread, StartKind::Attach];

    /// The token's text: `<exec>`, `<thread>` or `<attach>`.
    pub fn token(self) -> &'static str {
        match self {
            StartKind::Exec => "<exec>",
            StartKind::Thread => "<thread>",
            StartKind::Attach => "<attach>",
        }
    }
}
