//! Events of the kernel's tracepoints as text: perf script, trace-cmd report, ftrace's own files.
//!
//! | program | command | an event |
//! |---|---|---|
//! | perf script 6.1 | `perf record -e 'raw_syscalls:*' PROGRAM; perf script` | `cat  3061 [000] 11715.729408: raw_syscalls:sys_enter: NR 0 (3, 7ffc, 340)` |
//! | with names | `perf record -e 'syscalls:*' ...` | `cat  3061 [000] 11715.729408: syscalls:sys_enter_read: fd: 0x3, buf: ...` |
//! | `-F pid,tid,...` | | `cat  3061/3062 11715.729408123: ...` |
//! | `--show-task-events` | | `cat  3061 [000] 11715.7: PERF_RECORD_FORK(3063:3063):(3061:3061)` |
//! | trace-cmd report 3.1 | `trace-cmd record -e raw_syscalls -F -c PROGRAM; trace-cmd report` | `cat-3061 [000] 12118.778907: sys_enter: NR 0 (...)`, `-R`: `id=0 args=ARRAY[..]` |
//! | with names | `-e syscalls` | `cat-3061 [000] 12118.778907: sys_enter_read: fd: 0x3` |
//! | ftrace 6.18 | `echo 1 > events/raw_syscalls/enable; cat trace` (or `trace_pipe`) | `cat-3061 [000] ..... 12119.970: sys_enter: NR 0 (...)` |
//! | with names | `events/syscalls/enable` | `sys_read(fd: 3, ...)`, `sys_read -> 0x340` |
//! | function graph | with `funcgraph-proc` | ` 3)  cat-3061   \|   \|  /* sys_enter: NR 0 (...) */` |
//!
//! To see births, programs and ends, record `sched:sched_process_fork`, `sched_process_exec` and
//! `sched_process_exit` too. `header` reads what stands before an event, `body` the event.
//!
//! # Traps
//! - Times are of the clock that was chosen, most often since boot. `--deltatime` of perf script writes
//!   steps, which look the same: leave it out.
//! - Numbers say nothing of their ABI: they are read in the machine's own, or that of `--abi`. A 32-bit
//!   program on a 64-bit kernel has the numbers of its own table, and nothing in the text tells.
//! - `sys_exit: NR 0 = 5` is the return of a call, `sys_exit(error_code: 5)` the call `exit`, and
//!   `sys_exit_group(` another.
//! - `rt_sigreturn` returns as `NR -1`, with the register that it restored.
//! - perf's first number may be the process (`-F pid`): then threads of one are one.
//! - Only `sys_enter` recorded: outcomes are absent. Only some calls recorded (`-e
//!   syscalls:sys_enter_open*`): nothing in the text tells.
//! - `clone3` hides its flags, so that a thread is told as a fork unless the process of the child is known.
//! - `[LOST 12 EVENTS]`, `[12 EVENTS DROPPED]` and `PERF_RECORD_LOST` are gaps.

use std::ops::ControlFlow;

mod body;
mod header;

use self::body::{Body, Of};
pub(crate) use self::header::looks_like;
use crate::read::line::{Emitter, LineReader};
use crate::read::names::{Named, Names};
use crate::read::pairing::{Enter, Leave, Makes, Pairing, Who, is_exec};
use crate::read::{ReadOptions, SkipKind, Source};
use crate::{GapCause, Outcome};

/// Reads events line by line.
#[derive(Debug)]
pub(crate) struct TracepointReader {
    pairing: Pairing,
    names: Names,
}

impl TracepointReader {
    /// A reader of one file.
    pub(crate) fn new(source: &Source, options: &ReadOptions) -> Self {
        TracepointReader {
            pairing: Pairing::new(source.origin.clone(), options.limits.open_threads),
            names: Names::new(options),
        }
    }

    fn named(&mut self, of: Of<'_>) -> Option<Named> {
        match of {
            Of::Name(name) => self.names.by_name(name),
            Of::Number(number) => Some(self.names.by_number(number)),
        }
    }

    fn enter(
        &mut self,
        who: Who,
        time_ns: Option<u64>,
        named: Named,
        args: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let name = named.name.as_str();
        let enter = Enter {
            time_ns,
            makes: Makes::of(name, body::clone_flags(name, args)),
            executable: is_exec(name).then(|| body::path(args)).flatten(),
            abi: named.abi,
            number: named.number,
            name: named.name,
        };
        self.pairing.enter(who, enter, out)
    }
}

impl LineReader for TracepointReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if let Some((cpu, lost)) = header::lost(line) {
            out.skip(SkipKind::ToolMessage, line);
            return self
                .pairing
                .lost(cpu, lost, GapCause::BufferFull, None, out);
        }
        let Some((header, event)) = header::split(line) else {
            if header::is_message(line) {
                out.skip(SkipKind::ToolMessage, line);
                return ControlFlow::Continue(());
            }
            if header::is_frame(line) {
                out.skip(SkipKind::NotACall, line);
                return ControlFlow::Continue(());
            }
            return self.pairing.unreadable(line, out);
        };
        let (who, time_ns) = (header.who, header.time_ns);
        match body::parse(event) {
            Some(Body::Enter(of, args)) => match self.named(of) {
                Some(named) => self.enter(who, time_ns, named, args, out),
                None => self.pairing.unreadable(line, out),
            },
            Some(Body::Exit(of, value)) => {
                let named = match of {
                    Some(of) => match self.named(of) {
                        Some(named) => Some(named),
                        None => return self.pairing.unreadable(line, out),
                    },
                    None => None,
                };
                let leave = Leave {
                    time_ns,
                    abi: named.as_ref().map_or(self.names.abi(), |named| named.abi),
                    number: named.as_ref().and_then(|named| named.number),
                    name: named.map(|named| named.name),
                    outcome: Some(Outcome::from_raw(value)),
                    parent: None,
                    makes: None,
                };
                self.pairing.leave(who, leave, line, out)
            }
            Some(Body::Forked(parent, child)) => {
                out.skip(SkipKind::NotACall, line);
                let parent = parent.or(who.tid);
                self.pairing.forked(parent, child, time_ns, out)
            }
            Some(Body::Executed { tid, old, path }) => {
                out.skip(SkipKind::NotACall, line);
                let who = Who {
                    tid: tid.or(who.tid),
                    ..who
                };
                self.pairing.executed(who, old, path, time_ns, out)
            }
            Some(Body::Ended(tid)) => {
                out.skip(SkipKind::NotACall, line);
                match tid.or(who.tid) {
                    Some(tid) => self.pairing.ended(tid, time_ns, None, out),
                    None => ControlFlow::Continue(()),
                }
            }
            Some(Body::Lost(lost)) => {
                out.skip(SkipKind::ToolMessage, line);
                self.pairing
                    .lost(None, lost, GapCause::BufferFull, time_ns, out)
            }
            Some(Body::Other) => {
                out.skip(SkipKind::NotACall, line);
                ControlFlow::Continue(())
            }
            None => self.pairing.unreadable(line, out),
        }
    }

    fn finish(&mut self, _: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        self.pairing.finish(out)
    }
}
