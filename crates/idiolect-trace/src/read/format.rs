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
    /// The text that sysdig prints, LID-DS among it.
    Sysdig,
    /// The JSON that sysdig prints (`-j`).
    SysdigJson,
    /// The text that perf trace prints.
    PerfTrace,
    /// The text that perf script prints of tracepoints of system calls.
    PerfScript,
    /// The text of ftrace, or of trace-cmd report, with tracepoints of system calls.
    Ftrace,
    /// What bpftrace prints of the program that the documentation gives.
    Bpftrace,
    /// The text that babeltrace prints of a kernel's trace by LTTng.
    Lttng,
    /// A Parquet file of [`Record`](crate::Record)s, read by [`Recordings`](crate::read::Recordings).
    Parquet,
    /// A folder with a recording, read by [`Recordings`](crate::read::Recordings).
    Recording,
}

impl Format {
    /// All of them, in the order in which help lists them.
    pub const ALL: [Format; 14] = [
        Format::Strace,
        Format::Adfa,
        Format::Plain,
        Format::Jsonl,
        Format::Unm,
        Format::Sysdig,
        Format::SysdigJson,
        Format::PerfTrace,
        Format::PerfScript,
        Format::Ftrace,
        Format::Bpftrace,
        Format::Lttng,
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
            Format::Sysdig => "sysdig",
            Format::SysdigJson => "sysdig-json",
            Format::PerfTrace => "perf-trace",
            Format::PerfScript => "perf-script",
            Format::Ftrace => "ftrace",
            Format::Bpftrace => "bpftrace",
            Format::Lttng => "lttng",
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
#[error("no such format: {0:?} (known: {known})", known = known())]
pub struct UnknownFormat(pub String);

/// The names of all formats, as a message lists them.
pub(crate) fn known() -> String {
    Format::ALL.map(Format::as_str).join(", ")
}

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
