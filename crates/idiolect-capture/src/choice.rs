//! Which backend records.

use std::fmt;

use crate::introduce::Introducing;
use crate::ptrace::PtraceSource;
use crate::{Backend, CaptureError, Options, Source, Target};

/// A source, and why it is of that backend.
pub struct Opened {
    /// The source.
    pub source: Box<dyn Source>,
    /// Which backend, and why.
    pub choice: Choice,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Opened");
        shown.field("choice", &self.choice).finish_non_exhaustive()
    }
}

/// Which backend records, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub backend: Backend,
    /// Why, for people: what speaks against those before it.
    pub why: String,
}

/// Begins to record: by the given backend, or by the first of [`Backend::ALL`] that this machine and the target
/// allow.
///
/// # Errors
/// [`CaptureError`], where the target cannot be recorded so.
pub fn open(
    target: &Target,
    backend: Option<Backend>,
    options: Options,
) -> Result<Opened, CaptureError> {
    let wanted: Vec<Backend> = match backend {
        Some(backend) => vec![backend],
        None => Backend::ALL.to_vec(),
    };
    let mut against = Vec::new();
    for candidate in wanted {
        match try_backend(candidate, target, options) {
            Ok(source) => {
                return Ok(Opened {
                    source: Box::new(Introducing::new(source)),
                    choice: Choice {
                        backend: candidate,
                        why: match (backend, against.is_empty()) {
                            (Some(_), _) => "as asked for".to_owned(),
                            (None, true) => "it costs the least".to_owned(),
                            (None, false) => against.join("; "),
                        },
                    },
                });
            }
            Err(error @ (CaptureError::Unavailable { .. } | CaptureError::Unsupported { .. }))
                if backend.is_none() =>
            {
                against.push(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Err(CaptureError::NoBackend(against.join("; ")))
}

fn try_backend(
    backend: Backend,
    target: &Target,
    options: Options,
) -> Result<Box<dyn Source>, CaptureError> {
    match backend {
        #[cfg(feature = "ebpf")]
        Backend::Ebpf => Ok(Box::new(crate::ebpf::EbpfSource::open(target, options)?)),
        #[cfg(not(feature = "ebpf"))]
        Backend::Ebpf => Err(CaptureError::Unavailable {
            backend,
            why: "this build does not have it".to_owned(),
        }),
        Backend::Ptrace => Ok(Box::new(PtraceSource::open(target, options)?)),
        Backend::Perf => Ok(Box::new(crate::perf::PerfSource::open(target, options)?)),
    }
}
