//! How a system call ended.

use serde::{Deserialize, Serialize};

/// A Linux error number, 1 to 4095 (kernel: `include/linux/err.h`, `MAX_ERRNO`).
///
/// The numbers are those of the generic table, which all supported ABIs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errno(pub u16);

/// How a call ended, where the source says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It returned this value.
    Returned(i64),
    /// It failed with this error.
    Failed(Errno),
}
