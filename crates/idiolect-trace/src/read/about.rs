//! What each format holds, and how it is recorded: one table, which `idiolect formats` prints.

use std::fmt;

use serde::Serialize;

use crate::read::Format;

/// Whether a format holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// In every file.
    Yes,
    /// In some files, by how they were recorded.
    Some,
    /// In none.
    No,
}

/// Which calls of a thread a format holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// All of them.
    All,
    /// All, or those that whoever recorded it asked for; what is in a file shows which
    /// ([`SourceReport::selection`](crate::read::SourceReport::selection)).
    Asked,
    /// Never more than some.
    Some,
}

/// What a format holds, and how it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// What it is, in a few words.
    pub title: &'static str,
    /// The program that writes it, with its versions; the data set, where it is one's own format.
    pub writer: &'static str,
    /// The times of calls.
    pub time: Holds,
    /// Process numbers.
    pub process: Holds,
    /// Thread numbers.
    pub thread: Holds,
    /// By which ABI a call was made.
    pub abi: Holds,
    /// How calls ended.
    pub outcome: Holds,
    /// Forks, execs and exits.
    pub lifecycles: Holds,
    /// Marks where events were lost.
    pub loss: Holds,
    /// Which calls it holds.
    pub calls: Completeness,
    /// The command that records it.
    pub record: &'static str,
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Holds::Yes => "yes",
            Holds::Some => "some",
            Holds::No => "no",
        })
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Completeness::All => "all",
            Completeness::Asked => "asked",
            Completeness::Some => "some",
        })
    }
}

impl Format {
    /// What the format holds, and how it is recorded.
    pub fn about(self) -> About {
        use Holds::{No, Yes};
        match self {
            Format::Strace => About {
                title: "text of strace",
                writer: "strace, versions 4 to 6",
                time: Holds::Some,
                process: Holds::Some,
                thread: Holds::Some,
                abi: Holds::Some,
                outcome: Yes,
                lifecycles: Yes,
                loss: No,
                calls: Completeness::Asked,
                record: "strace -f -ttt -o run.strace COMMAND",
            },
            Format::Sysdig => About {
                title: "text of sysdig; LID-DS",
                writer: "sysdig 0.1 to 0.40; LID-DS 2019 and 2021",
                time: Holds::Some,
                process: Holds::Some,
                thread: Yes,
                abi: No,
                outcome: Yes,
                lifecycles: Yes,
                loss: No,
                calls: Completeness::Asked,
                record: "sysdig -t a proc.name=nginx > run.sysdig",
            },
            Format::SysdigJson => About {
                title: "JSON of sysdig",
                writer: "sysdig 0.1 to 0.40",
                time: Yes,
                process: Holds::Some,
                thread: Yes,
                abi: No,
                outcome: Yes,
                lifecycles: Yes,
                loss: No,
                calls: Completeness::Asked,
                record: "sysdig -j proc.name=nginx > run.json",
            },
            Format::PerfTrace => About {
                title: "text of perf trace",
                writer: "perf, of Linux 5 and 6",
                time: Holds::Some,
                process: No,
                thread: Yes,
                abi: No,
                outcome: Yes,
                lifecycles: Holds::Some,
                loss: Yes,
                calls: Completeness::Asked,
                record: "perf trace -T -F all -o run.perf COMMAND",
            },
            Format::PerfScript => About {
                title: "text of perf script of tracepoints of calls",
                writer: "perf, of Linux 5 and 6",
                time: Yes,
                process: Holds::Some,
                thread: Yes,
                abi: No,
                outcome: Holds::Some,
                lifecycles: Holds::Some,
                loss: Yes,
                calls: Completeness::Asked,
                record: "perf record -e raw_syscalls:sys_enter -e raw_syscalls:sys_exit COMMAND; perf script --show-task-events",
            },
            Format::Ftrace => About {
                title: "text of ftrace or trace-cmd report",
                writer: "the kernel; trace-cmd 2 and 3",
                time: Yes,
                process: Holds::Some,
                thread: Yes,
                abi: No,
                outcome: Holds::Some,
                lifecycles: Holds::Some,
                loss: Yes,
                calls: Completeness::Asked,
                record: "trace-cmd record -e raw_syscalls -e sched COMMAND; trace-cmd report",
            },
            Format::Bpftrace => About {
                title: "what bpftrace prints of a program",
                writer: "bpftrace 0.17 and later",
                time: Yes,
                process: Yes,
                thread: Yes,
                abi: No,
                outcome: Yes,
                lifecycles: Holds::Some,
                loss: Yes,
                calls: Completeness::Asked,
                record: "bpftrace -o run.txt -e 'tracepoint:raw_syscalls:sys_enter { printf(\"%llu %d %d enter %ld %s\\n\", nsecs, pid, tid, args->id, comm); } tracepoint:raw_syscalls:sys_exit { printf(\"%llu %d %d exit %ld %ld\\n\", nsecs, pid, tid, args->id, args->ret); }'",
            },
            Format::Lttng => About {
                title: "text of babeltrace of a kernel trace",
                writer: "LTTng 2, babeltrace 1 and 2",
                time: Yes,
                process: Holds::Some,
                thread: Holds::Some,
                abi: No,
                outcome: Yes,
                lifecycles: Holds::Some,
                loss: Yes,
                calls: Completeness::Asked,
                record: "lttng enable-event -k --syscall --all; babeltrace2 FOLDER",
            },
            Format::Parquet => About {
                title: "records of idiolect as a Parquet file",
                writer: "idiolect convert",
                time: Holds::Some,
                process: Holds::Some,
                thread: Holds::Some,
                abi: Yes,
                outcome: Holds::Some,
                lifecycles: Holds::Some,
                loss: Yes,
                calls: Completeness::Asked,
                record: "idiolect convert TRACE -o trace.parquet",
            },
            Format::Recording => About {
                title: "a recording of idiolect, a folder",
                writer: "idiolect record",
                time: Yes,
                process: Yes,
                thread: Yes,
                abi: Yes,
                outcome: Holds::Some,
                lifecycles: Yes,
                loss: Yes,
                calls: Completeness::All,
                record: "idiolect record -o run/ -- COMMAND",
            },
            Format::Adfa => About {
                title: "ADFA-LD: numbers of i386, a trace a file",
                writer: "the data set ADFA-LD (2013)",
                time: No,
                process: No,
                thread: No,
                abi: Yes,
                outcome: No,
                lifecycles: No,
                loss: No,
                calls: Completeness::All,
                record: "idiolect convert TRACE -o adfa/ --to adfa",
            },
            Format::Plain => About {
                title: "names or numbers of calls, a stream a file",
                writer: "scripts",
                time: No,
                process: No,
                thread: No,
                abi: No,
                outcome: No,
                lifecycles: No,
                loss: No,
                calls: Completeness::All,
                record: "idiolect convert TRACE -o names/ --to plain",
            },
            Format::Jsonl => About {
                title: "records of idiolect as JSON lines",
                writer: "idiolect convert",
                time: Holds::Some,
                process: Holds::Some,
                thread: Holds::Some,
                abi: Yes,
                outcome: Holds::Some,
                lifecycles: Holds::Some,
                loss: Yes,
                calls: Completeness::Asked,
                record: "idiolect convert TRACE -o trace.jsonl",
            },
            Format::Unm => About {
                title: "pairs of a process and a call",
                writer: "the data sets of the University of New Mexico (1998)",
                time: No,
                process: Yes,
                thread: No,
                abi: No,
                outcome: No,
                lifecycles: Holds::Some,
                loss: No,
                calls: Completeness::All,
                record: "idiolect convert TRACE -o trace.int --to unm",
            },
            Format::Auditd => About {
                title: "log of the Linux audit system",
                writer: "auditd 2 and 3 (raw and enriched), ausearch -i and --raw, the kernel's own print",
                time: Yes,
                process: Yes,
                thread: No,
                abi: Yes,
                outcome: Yes,
                lifecycles: Holds::Some,
                loss: Holds::Some,
                calls: Completeness::Asked,
                record: "auditctl -a always,exit -F arch=b64 -S all -F exe=/usr/sbin/nginx",
            },
            Format::Falco => About {
                title: "alerts of Falco as JSON",
                writer: "Falco 0.2x to 0.4x (json_output)",
                time: Yes,
                process: Holds::Some,
                thread: Holds::Some,
                abi: No,
                outcome: Holds::Some,
                lifecycles: Holds::Some,
                loss: Holds::Some,
                calls: Completeness::Some,
                record: "falco -o json_output=true -r RULES",
            },
            Format::Tracee => About {
                title: "events of Tracee as JSON",
                writer: "Tracee 0.8 to 0.24",
                time: Yes,
                process: Yes,
                thread: Yes,
                abi: Holds::Some,
                outcome: Yes,
                lifecycles: Holds::Some,
                loss: Holds::Some,
                calls: Completeness::Asked,
                record: "tracee --events syscalls --output json",
            },
            Format::Tetragon => About {
                title: "events of Tetragon as JSON",
                writer: "Tetragon 0.8 to 1.6",
                time: Yes,
                process: Yes,
                thread: Holds::Some,
                abi: Holds::Some,
                outcome: Holds::Some,
                lifecycles: Yes,
                loss: Holds::Some,
                calls: Completeness::Some,
                record: "tetra getevents -o json",
            },
            Format::Gvisor => About {
                title: "log of the sandbox gVisor (names of Linux, no ABI)",
                writer: "runsc of 2019 and later, with --strace",
                time: Yes,
                process: Yes,
                thread: Yes,
                abi: No,
                outcome: Yes,
                lifecycles: Holds::Some,
                loss: Holds::Some,
                calls: Completeness::Asked,
                record: "runsc --debug --strace --debug-log=/tmp/runsc/ run CONTAINER",
            },
            Format::Dtruss => About {
                title: "text of dtruss (calls of macOS: names are kept, numbers unknown)",
                writer: "dtruss of macOS and of the DTraceToolkit",
                time: No,
                process: Holds::Some,
                thread: Holds::Some,
                abi: No,
                outcome: Yes,
                lifecycles: Holds::Some,
                loss: Holds::Some,
                calls: Completeness::Asked,
                record: "sudo dtruss -f COMMAND 2> run.dtruss",
            },
            Format::Csv => About {
                title: "a table of any layout (--map)",
                writer: "any program",
                time: Holds::Some,
                process: Holds::Some,
                thread: Holds::Some,
                abi: Holds::Some,
                outcome: Holds::Some,
                lifecycles: Holds::Some,
                loss: No,
                calls: Completeness::Asked,
                record: "",
            },
            Format::Json => About {
                title: "JSON objects of any layout (--map)",
                writer: "any program",
                time: Holds::Some,
                process: Holds::Some,
                thread: Holds::Some,
                abi: Holds::Some,
                outcome: Holds::Some,
                lifecycles: Holds::Some,
                loss: No,
                calls: Completeness::Asked,
                record: "",
            },
            Format::Letters => About {
                title: "a character a call (--alphabet)",
                writer: "scripts",
                time: No,
                process: No,
                thread: No,
                abi: No,
                outcome: No,
                lifecycles: No,
                loss: No,
                calls: Completeness::All,
                record: "",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_says_what_it_is() {
        for format in Format::ALL {
            let about = format.about();
            assert!(
                !about.title.is_empty() && !about.writer.is_empty(),
                "{format}"
            );
            let is_known = |holds: Holds| holds != Holds::No;
            // What became of a process is told of a process.
            assert!(
                !is_known(about.lifecycles) || is_known(about.process) || is_known(about.thread),
                "{format}"
            );
        }
    }
}
