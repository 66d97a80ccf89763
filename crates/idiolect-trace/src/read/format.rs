//! The formats that are read, by name.

use std::fmt;
use std::str::FromStr;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// ADFA-LD: i386 call numbers separated by spaces, one trace a file.
    Adfa,
    /// The text that strace writes.
    Strace,
    /// Call names or numbers separated by white space, one stream a file; `#` begins a comment.
    Plain,
    /// [`Record`](crate::Record)s as JSON, one a line.
    Jsonl,
    /// The University of New Mexico's: a process number and a call a line.
    Unm,
    /// A Parquet file of [`Record`](crate::Record)s, read by [`Recordings`](crate::read::Recordings).
    Parquet,
    /// A folder with a recording, read by [`Recordings`](crate::read::Recordings).
    Recording,
}

impl Format {
    /// All of them, in the order in which help lists them.
    pub const ALL: [Format; 7] = [
        Format::Strace,
        Format::Adfa,
        Format::Plain,
        Format::Jsonl,
        Format::Unm,
        Format::Parquet,
        Format::Recording,
    ];

    /// The name used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Adfa => "adfa",
            Format::Strace => "strace",
            Format::Plain => "plain",
            Format::Jsonl => "jsonl",
            Format::Unm => "unm",
            Format::Parquet => "parquet",
            Format::Recording => "recording",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such format: {0:?} (known: strace, adfa, plain, jsonl, unm, parquet, recording)")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Format::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            let message = "x".parse::<Format>().unwrap_err().to_string();
            assert!(message.contains(format.as_str()));
        }
    }
}
