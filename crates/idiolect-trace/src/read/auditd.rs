//! Logs of the Linux audit system: what auditd writes, what `ausearch` prints of it, and what the kernel
//! prints where no auditd runs.
//!
//! | form | written by |
//! |---|---|
//! | `type=SYSCALL msg=audit(1492037289.295:58): arch=c000003e syscall=42 ...` | auditd 2 and 3, `log_format = RAW`; `ausearch --raw` |
//! | the same, then the byte 0x1d and `ARCH=x86_64 SYSCALL=connect ...` | auditd 3 (and 2.6 on), `log_format = ENRICHED` |
//! | `type=SYSCALL msg=audit(04/12/17 22:48:09.295:58) : arch=x86_64 syscall=connect ...` | `ausearch -i` |
//! | `... audit: type=1300 audit(1492037289.295:58): arch=c000003e syscall=42 ...` | the kernel, to dmesg and syslog, while no auditd runs |
//!
//! Each may begin with `node=NAME`, the host. Record it with
//! `auditctl -a always,exit -F arch=b64 -S all -F uid=NAME` (and the same for `arch=b32`).
//!
//! # What it holds
//! An event is one or more records with one time and number; its `SYSCALL` record is the call, written when
//! the call returns. The time is that of the entry, in milliseconds. `PATH` of item 0 is the file that an
//! `execve` named; without it the program is `exe=`, where links and interpreters are resolved.
//!
//! # Traps
//! - `pid=` is the process. The thread is not in the log, so calls of a process's threads are one stream.
//!   (Kernels before 4.10 or so write the thread's number there; nothing in the log says which.)
//! - Only what a rule asks for is in it, and no record says what the rules are. A call that nobody asked
//!   for may be there too, since another record (`AVC`, `CONFIG_CHANGE`) brings its `SYSCALL` with it.
//! - Events may be out of order, as processors race: they are held back and sorted by their numbers.
//! - Events that the kernel drops (`backlog limit exceeded`) take no number, so nothing in `audit.log` is
//!   missing. Only the kernel's own log counts them (`audit_lost=`), and `auditctl --reset-lost` leaves a
//!   record. Events that auditd or a network dropped do leave numbers out. Both become gaps.
//!   Where many numbers are missing the log was chosen from another (`ausearch --raw -k KEY`, grep):
//!   then nothing was lost, and the report says that it holds only some calls.
//! - The kernel's own print is limited in its rate; what it held back is a gap (`callbacks suppressed`).
//! - `exit_group` ends the process. A death by a signal is only seen where it dumps core (`ANOM_ABEND`).
//! - `clone3` hides its flags behind a pointer: whether it made a thread or a process shows when the child
//!   makes a call under its own number.
//! - `ausearch -i` writes local time by the locale's form of a date: only the time of day is read. It turns
//!   hexadecimal text into plain, so a program's name may imitate fields; the first of a name counts, and
//!   those that matter stand before any text of a program.
//! - The table that `ausearch --format csv` writes has neither calls (`opened-file` is any of several) nor
//!   processes, and is not read.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

mod event;
mod order;
mod text;

use self::event::{Added, Event, Forked, Syscall};
use self::order::Order;
use self::text::{Line, Stamped};
use crate::read::clock::{Clock, Stamp};
use crate::read::line::{Emitter, LineReader};
use crate::read::lives::{Lives, Who};
use crate::read::{ReadOptions, SkipKind};
use crate::{Call, ExitStatus, Gap, GapCause, GapScope, LifecycleKind, Outcome, Record};

/// Hosts that are told apart in one log.
const MAX_NODES: usize = 64;

/// Children of `clone3` that have not yet made a call, at most.
const MAX_CHILDREN: usize = 4_096;

/// Reads audit logs line by line.
pub(crate) struct AuditdReader {
    abi: Option<crate::Abi>,
    lives: Lives,
    clock: Clock,
    /// Events on their way to their order, by host.
    nodes: HashMap<Option<Arc<str>>, Node>,
    /// The value of `audit_lost=` that was seen last.
    lost: Option<u64>,
    /// The first architecture without a table.
    unknown_arch: Option<String>,
    calls: u64,
}

#[derive(Debug, Default)]
struct Node {
    order: Order,
    /// Who made a process that has not been seen yet, by the child's number.
    children: HashMap<u32, Child>,
}

impl Node {
    /// Forgets children when there are too many: those first that may have been threads, which never speak
    /// under their own number.
    fn make_room(&mut self) {
        if self.children.len() >= MAX_CHILDREN {
            self.children.retain(|_, child| child.certain);
        }
        if self.children.len() >= MAX_CHILDREN {
            self.children.clear();
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Child {
    parent: u32,
    /// Whether it is known to be a process and not a thread.
    certain: bool,
    time_ns: Option<u64>,
}

impl AuditdReader {
    pub(crate) fn new(origin: Arc<str>, options: &ReadOptions) -> Self {
        AuditdReader {
            abi: options.abi,
            lives: Lives::new(origin, options.limits.open_threads),
            clock: Clock::default(),
            nodes: HashMap::new(),
            lost: None,
            unknown_arch: None,
            calls: 0,
        }
    }

    fn take(&mut self, line: &Line<'_>, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let time_ns = match line.time {
            Stamped::Epoch(ns) => Some(ns),
            Stamped::Day(ns) => Some(self.clock.read(Stamp::Day(ns))),
            Stamped::Unknown => None,
        };
        let node = match line.node {
            Some(name) if self.nodes.len() < MAX_NODES => Some(Arc::from(name)),
            Some(name) => self
                .nodes
                .keys()
                .flatten()
                .find(|known| ***known == *name)
                .cloned(),
            None => None,
        };
        let entry = self.nodes.entry(node.clone()).or_default();
        let Some(event) = entry.order.event(line, time_ns) else {
            // A daemon's own message, which counts for itself.
            out.skip(SkipKind::NotACall, line.text);
            return ControlFlow::Continue(());
        };
        let is_call = match event.add(line, self.abi) {
            Added::Call => true,
            Added::Other => {
                out.skip(SkipKind::NotACall, line.text);
                false
            }
            Added::Unread => {
                out.skip(SkipKind::Unparsed, line.text);
                false
            }
        };
        if let Some(arch) = event.unknown_arch.take() {
            self.unknown_arch.get_or_insert(arch);
        }
        if let (true, Some(syscall)) = (is_call, &event.syscall) {
            let forked = syscall.forked();
            if let Some((pid, parent, forked)) = forked {
                entry.make_room();
                entry.children.insert(
                    pid,
                    Child {
                        parent,
                        certain: forked == Forked::Process,
                        time_ns,
                    },
                );
            }
        }
        self.pour(&node, false, out)
    }

    /// Yields the events of a host whose turn has come; at the end all.
    fn pour(
        &mut self,
        node: &Option<Arc<str>>,
        all: bool,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        loop {
            let Some(state) = self.nodes.get_mut(node) else {
                return ControlFlow::Continue(());
            };
            let Some(next) = state.order.next(all) else {
                return ControlFlow::Continue(());
            };
            if next.restarted {
                state.children.clear();
                self.lives.forget();
            }
            if next.missing > 0 {
                self.gap(
                    Some(next.missing),
                    GapCause::Unknown,
                    next.event.time_ns,
                    out,
                )?;
            }
            self.event(node, next.event, out)?;
        }
    }

    fn event(
        &mut self,
        node: &Option<Arc<str>>,
        event: Event,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if let Some(lost) = event.lost {
            self.gap(Some(lost), GapCause::BufferFull, event.time_ns, out)?;
        }
        if event.unread {
            self.gap(None, GapCause::Unreadable, event.time_ns, out)?;
        }
        let (time_ns, died) = (event.time_ns, event.died);
        if let Some(syscall) = event.syscall {
            self.call(node, syscall, event.path, time_ns, out)?;
        }
        if let Some((pid, signal)) = died {
            let who = who(node, pid);
            if self.lives.is_alive(&who) {
                let status = signal.map(ExitStatus::Signal);
                self.lives.exit(&who, time_ns, status, out)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn call(
        &mut self,
        node: &Option<Arc<str>>,
        syscall: Syscall,
        path: Option<String>,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let caller = who(node, syscall.pid);
        self.born(node, &syscall, out)?;
        let stream = self.lives.stream(&caller, out);
        self.calls += 1;
        out.record(Record::Call(Call {
            time_ns,
            stream,
            abi: syscall.abi,
            number: syscall.number,
            name: syscall.name.clone(),
            outcome: syscall.outcome,
        }))?;
        match syscall.name.as_str() {
            "execve" | "execveat" if syscall.outcome.is_some_and(Outcome::is_ok) => {
                let program = (path.or(syscall.exe), syscall.uid);
                self.lives.exec(&caller, time_ns, program, out)
            }
            "exit_group" => {
                let status = syscall
                    .a0
                    .map(|code| ExitStatus::Code((code & 0xff) as i32));
                self.lives.exit(&caller, time_ns, status, out)
            }
            _ => self.forked(node, &syscall, out),
        }
    }

    /// Begins the caller, where it is known who made it and it has not been seen before.
    fn born(
        &mut self,
        node: &Option<Arc<str>>,
        syscall: &Syscall,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let child = who(node, syscall.pid);
        let Some(state) = self.nodes.get_mut(node) else {
            return ControlFlow::Continue(());
        };
        if self.lives.is_alive(&child) {
            return ControlFlow::Continue(());
        }
        let Some(made) = state.children.remove(&syscall.pid) else {
            return ControlFlow::Continue(());
        };
        if !made.certain && syscall.ppid != Some(made.parent) {
            return ControlFlow::Continue(());
        }
        let parent = who(node, made.parent);
        self.lives.begin(
            LifecycleKind::Fork,
            Some(&parent),
            &child,
            made.time_ns,
            out,
        )
    }

    /// Begins the process that a call made, unless its own calls came first and began it.
    fn forked(
        &mut self,
        node: &Option<Arc<str>>,
        syscall: &Syscall,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some((pid, parent, Forked::Process)) = syscall.forked() else {
            return ControlFlow::Continue(());
        };
        let Some(state) = self.nodes.get_mut(node) else {
            return ControlFlow::Continue(());
        };
        // What its own first call has taken away was this very making.
        let Some(made) = state.children.remove(&pid) else {
            return ControlFlow::Continue(());
        };
        let (parent, child) = (who(node, parent), who(node, pid));
        if self.lives.is_alive(&child) {
            // The number is given anew, so whoever had it has ended.
            self.lives.exit(&child, made.time_ns, None, out)?;
        }
        self.lives.begin(
            LifecycleKind::Fork,
            Some(&parent),
            &child,
            made.time_ns,
            out,
        )
    }

    fn gap(
        &self,
        lost: Option<u64>,
        cause: GapCause,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        out.record(Record::Gap(Gap {
            time_ns,
            scope: GapScope::Origin(self.lives.origin().clone()),
            lost,
            cause,
        }))
    }

    /// What the kernel prints of losses, outside of events.
    fn message(&mut self, line: &[u8], out: &mut Emitter<'_>) -> Option<ControlFlow<()>> {
        if text::is_rate_limited(line) {
            out.skip(SkipKind::ToolMessage, line);
            return Some(self.gap(None, GapCause::RateLimit, None, out));
        }
        let total = text::lost_in_all(line)?;
        out.skip(SkipKind::ToolMessage, line);
        let before = self.lost.replace(total).unwrap_or(0);
        // A count that went down began anew.
        let lost = total.checked_sub(before).unwrap_or(total);
        Some(match lost {
            0 => ControlFlow::Continue(()),
            _ => self.gap(Some(lost), GapCause::BufferFull, None, out),
        })
    }
}

fn who(node: &Option<Arc<str>>, pid: u32) -> Who {
    Who {
        host: node.clone(),
        tgid: Some(pid),
        tid: None,
    }
}

impl LineReader for AuditdReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if text::is_separator(line) {
            out.skip(SkipKind::Separator, line);
            return ControlFlow::Continue(());
        }
        if let Some(line) = text::parse(line) {
            return self.take(&line, out);
        }
        if let Some(flow) = self.message(line, out) {
            return flow;
        }
        if text::is_other_message(line) {
            out.skip(SkipKind::ToolMessage, line);
            return ControlFlow::Continue(());
        }
        out.skip(SkipKind::Unparsed, line);
        // Only a line that may have held a call leaves a gap.
        match text::mentions_call(line) {
            true => self.gap(None, GapCause::Unreadable, None, out),
            false => ControlFlow::Continue(()),
        }
    }

    fn finish(&mut self, _cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let mut nodes: Vec<_> = self.nodes.keys().cloned().collect();
        nodes.sort();
        for node in &nodes {
            self.pour(node, true, out)?;
        }
        if self.nodes.values().any(|node| node.order.is_selection()) {
            out.report.seen.numbers = true;
        }
        if let (0, Some(arch)) = (self.calls, &self.unknown_arch) {
            return out.refuse(format!(
                "its calls are of the architecture {arch}, for which there is no table of calls"
            ));
        }
        ControlFlow::Continue(())
    }
}
