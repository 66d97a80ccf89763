//! Traces as the numbers that stand in them, for protocols that go by numbers.

use std::ops::ControlFlow;
use std::path::Path;

use idiolect_trace::Record;
use idiolect_trace::read::{Part, ReadError, ReadOptions, Sink, Source, read_path};

/// One file's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The file, safe to print.
    pub origin: String,
    /// The numbers of its calls.
    pub calls: Vec<u32>,
}

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum ReadNumbersError {
    /// The files cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A call has no number.
    #[error(
        "{origin}: the call {name:?} has no number here; this protocol goes by numbers, as in ADFA-LD"
    )]
    NoNumber {
        /// The file.
        origin: String,
        /// The call.
        name: String,
    },
}

/// The normal traces to train on, of a file, folder or archive, in the order of their paths: of a labelled
/// set like ADFA-LD its training part, else all.
///
/// # Errors
/// [`ReadNumbersError`].
pub fn read_numbers(path: &Path, options: &ReadOptions) -> Result<Vec<Trace>, ReadNumbersError> {
    let mut gather = Gather::default();
    read_path(path, options, &mut gather)?;
    if let Some(error) = gather.failed {
        return Err(error);
    }
    gather.traces.sort_by(|a, b| a.origin.cmp(&b.origin));
    Ok(gather.traces)
}

#[derive(Default)]
struct Gather {
    traces: Vec<Trace>,
    /// Whether the source that began last belongs to the training part.
    wanted: bool,
    failed: Option<ReadNumbersError>,
}

impl Sink for Gather {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        let part = source.label.as_ref().map(|label| label.part);
        self.wanted = part.is_none_or(|part| part == Part::Training);
        if self.wanted {
            self.traces.push(Trace {
                origin: source.origin.to_string(),
                calls: Vec::new(),
            });
        }
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        let Record::Call(call) = record else {
            return ControlFlow::Continue(());
        };
        let Some(trace) = self.traces.last_mut().filter(|_| self.wanted) else {
            return ControlFlow::Continue(());
        };
        match call.number {
            Some(number) => trace.calls.push(number),
            None => {
                self.failed = Some(ReadNumbersError::NoNumber {
                    origin: trace.origin.clone(),
                    name: call.name.as_str().to_owned(),
                });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
