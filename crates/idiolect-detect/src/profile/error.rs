//! What can be wrong with a profile file.

use std::io;
use std::path::PathBuf;

/// Why a profile was not loaded or saved. Each says which file and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ProfileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a profile file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be opened or read.
    #[error("cannot read the profile: {0}")]
    Read(#[source] io::Error),
    /// It could not be written; what was there before is untouched.
    #[error("cannot save the profile: {0}. What was there before is untouched")]
    Save(#[source] io::Error),
    /// It is larger than any profile.
    #[error("{bytes} bytes is larger than a profile may be ({limit})")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The largest that is read.
        limit: u64,
    },
    /// It is not a safetensors file.
    #[error("this is not a profile: {0}. Make one with idiolect train")]
    NotAProfile(String),
    /// It ends too early.
    #[error(
        "the profile is cut off: {0}. Copy it again, or train it again; a save that is broken off leaves the old file whole"
    )]
    Truncated(String),
    /// A later version wrote it in a way that this one cannot read.
    #[error(
        "the profile has format {format} and needs a reader of at least {min_reader}; this is reader {reader}. Use a newer idiolect"
    )]
    TooNew {
        /// Its format.
        format: u32,
        /// The reader that it needs.
        min_reader: u32,
        /// What this version reads.
        reader: u32,
    },
    /// A field that must be understood is unknown.
    #[error("the profile needs {0:?}, which this version does not know. Use a newer idiolect")]
    UnknownCritical(String),
    /// Its header does not say what it has to.
    #[error("the profile's header is wrong: {0}. Train it again")]
    Header(String),
    /// A tensor is missing, or has another shape or type.
    #[error("the profile's tensors do not fit its header: {0}. Train it again")]
    Shape(String),
    /// A number in it is none.
    #[error("tensor {0:?} holds a value that is not finite. Train it again")]
    NotFinite(String),
    /// Others could have written it.
    #[error(
        "{0}. As root, only a profile that root alone can write is believed: chown root and chmod go-w what is named, or copy the profile to a folder of root's"
    )]
    Untrusted(String),
}

impl Problem {
    /// The problem of this file.
    pub(crate) fn of(self, path: &std::path::Path) -> ProfileError {
        ProfileError {
            path: path.to_owned(),
            problem: self,
        }
    }
}
