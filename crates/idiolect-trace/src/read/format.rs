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
    /// A log of the Linux audit system.
    Auditd,
    /// Alerts of Falco.
    Falco,
    /// Events of Tracee.
    Tracee,
    /// Events of Tetragon.
    Tetragon,
    /// The log of gVisor's runsc with `--strace`.
    Gvisor,
    /// The text of dtruss, of macOS.
    Dtruss,
    /// A table of text whose columns [`ReadOptions::map`](crate::read::ReadOptions::map) names.
    Csv,
    /// JSON objects whose fields [`ReadOptions::map`](crate::read::ReadOptions::map) names.
    Json,
    /// A character a call, by an [`Alphabet`](crate::read::Alphabet).
    Letters,
}

impl Format {
    /// All of them, in the order in which help lists them.
    pub const ALL: [Format; 23] = [
        Format::Strace,
        Format::Auditd,
        Format::Sysdig,
        Format::SysdigJson,
        Format::PerfTrace,
        Format::PerfScript,
        Format::Ftrace,
        Format::Bpftrace,
        Format::Lttng,
        Format::Falco,
        Format::Tracee,
        Format::Tetragon,
        Format::Gvisor,
        Format::Dtruss,
        Format::Adfa,
        Format::Unm,
        Format::Plain,
        Format::Jsonl,
        Format::Parquet,
        Format::Recording,
        Format::Csv,
        Format::Json,
        Format::Letters,
    ];

    /// Their names, separated by commas.
    pub fn list() -> String {
        Format::ALL.map(Format::as_str).join(", ")
    }

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
            Format::Auditd => "auditd",
            Format::Falco => "falco",
            Format::Tracee => "tracee",
            Format::Tetragon => "tetragon",
            Format::Gvisor => "gvisor",
            Format::Dtruss => "dtruss",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Letters => "letters",
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
#[error("no such format: {0:?} (known: {known})", known = Format::list())]
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
