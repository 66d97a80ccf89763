//! Why records could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

use idiolect_trace::read::escape;

/// Why records could not be written or read. Each says where; all text in it is safe to print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The system refused.
    #[error("{}: {action}: {source}", shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: `cannot write`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A recording could not go on. What had been accepted before is in the folder, but for what
    /// `unkept` says.
    #[error(
        "{}: recording stopped: {source}. {kept} records are kept in it ({unkept} of those accepted are \
         not); idiolect repair closes it",
        shown(path)
    )]
    Stopped {
        /// The recording.
        path: PathBuf,
        /// Records that are in closed segments and the journal.
        kept: u64,
        /// Records that were accepted and are in neither.
        unkept: u64,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{what}: {reason}")]
    Damaged {
        /// The file, and the place in it.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is in a form that this version does not read.
    #[error("{what}: {reason}")]
    Unsupported {
        /// The file.
        what: String,
        /// What it is, and what to do.
        reason: String,
    },
    /// More than a bound allows.
    #[error("{what}: {reason} (the bound is {bound})")]
    OverBound {
        /// The file.
        what: String,
        /// What there is too much of.
        reason: &'static str,
        /// The bound.
        bound: u64,
    },
}

impl RecordError {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| RecordError::Io {
            path,
            action,
            source,
        }
    }

    pub(crate) fn damaged(what: &str, reason: impl std::fmt::Display) -> Self {
        RecordError::Damaged {
            what: what.to_owned(),
            reason: escape(reason.to_string().as_bytes()),
        }
    }
}

/// A path that is safe to print.
pub(crate) fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
