//! The canonical name of a system call.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A canonical call name: one spelling for a call whatever tool wrote it down.
///
/// Names from a call table are borrowed from it, so a record of a known call allocates nothing; a name
/// that no table has (from a text that spells it, or `syscall_467` for an unknown number) is owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallName(Cow<'static, str>);

impl CallName {
    /// Longest name that a reader accepts, in bytes; the longest of Linux has 22.
    pub const MAX_LEN: usize = 64;

    /// A name out of a table.
    pub const fn from_static(name: &'static str) -> Self {
        CallName(Cow::Borrowed(name))
    }

    /// A name that no table has.
    pub fn from_owned(name: String) -> Self {
        CallName(Cow::Owned(name))
    }

    /// The name that stands for a number without one: `syscall_467`.
    pub fn unknown_number(number: u32) -> Self {
        CallName(Cow::Owned(format!("syscall_{number}")))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for CallName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
