//! System-call records, call tables and readers of trace formats.
//!
//! Every source, a file or a live kernel, yields the same [`Record`]s. A reader knows its format and
//! nothing of models; what consumes records knows nothing of formats.

#![forbid(unsafe_code)]

mod abi;
pub mod assemble;
mod call_name;
mod outcome;
pub mod read;
mod record;
mod stream;
pub mod table;
pub mod write;

pub use abi::Abi;
pub use call_name::CallName;
pub use outcome::{Errno, Outcome};
pub use record::{Call, ExitStatus, Gap, GapCause, GapScope, Lifecycle, LifecycleKind, Record};
pub use stream::{StartKind, StreamId};
