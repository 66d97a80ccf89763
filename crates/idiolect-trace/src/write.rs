//! Writing records in the formats of other programs.

mod strace;

pub use strace::{StraceWriter, Unsaid};
