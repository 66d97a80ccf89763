//! Why recording fails.

use std::io;

use crate::Backend;

/// Why programs cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// There is no such process.
    #[error("there is no process {0} (in the pid namespace of the recorder)")]
    NoSuchProcess(u32),
    /// It is a thread, and none that its process is named after.
    #[error("{tid} is a thread of process {process}: give the process")]
    NotAProcess {
        /// The thread.
        tid: u32,
        /// Its process.
        process: u32,
    },
    /// No process is meant.
    #[error("there is no process {0}")]
    NothingThere(String),
    /// There is no such control group.
    #[error("{path}: no such control group: {why}")]
    NoSuchCgroup {
        /// As it was given.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is ourselves.
    #[error("{0} is the recorder itself, which cannot record itself")]
    Itself(u32),
    /// The program could not be started.
    #[error("{command}: cannot be started: {}", reason(.error))]
    Command {
        /// Its name.
        command: String,
        /// Why. (The message says it; it is no source.)
        error: io::Error,
    },
    /// The program that was started does not end.
    #[error("process {0}, which was started to be recorded, does not end though it was killed")]
    WillNotEnd(u32),
    /// The kernel does not let us.
    #[error("not permitted to {what}: {how}")]
    NotPermitted {
        /// What was tried.
        what: String,
        /// Why, and what would permit it.
        how: String,
    },
    /// A backend cannot do what was asked for, on any machine.
    #[error("{backend} cannot {what}")]
    Unsupported {
        /// Which.
        backend: Backend,
        /// What it cannot do, and what can.
        what: String,
    },
    /// A backend cannot be used on this machine.
    #[error("{backend} is not available: {why}")]
    Unavailable {
        /// Which.
        backend: Backend,
        /// What is missing.
        why: String,
    },
    /// No backend can do it.
    #[error("nothing on this machine can record this: {0}")]
    NoBackend(String),
    /// The kernel failed otherwise.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The recorder's own thread ended by a fault of the program.
    #[error("the recording thread ended unexpectedly")]
    Died,
}

impl CaptureError {
    /// A call to the kernel that failed.
    pub fn system(what: &'static str, source: impl Into<io::Error>) -> Self {
        CaptureError::System {
            what,
            source: source.into(),
        }
    }
}

/// Why a command cannot be started, where the kernel's words lead people astray.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "command not found".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (is it executable?)".to_owned(),
        _ => error.to_string(),
    }
}
