//! Text like that of `strace -f -ttt -n`, which our reader of strace and people's tools take.
//!
//! A line a call: thread, time, number, name, outcome. Arguments are not known, so there are none but the
//! program of an `execve` and the flags of a `clone`, which the text says lifecycles by. Within each thread
//! the order is that of the records. Text cannot say everything; [`Unsaid`] counts what was left out:
//! gaps, lifecycles without their call, and what a lifecycle knows beside program and status.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use crate::{
    Abi, Call, ExitStatus, Gap, Lifecycle, LifecycleKind, Outcome, Record, StreamId, table,
};

/// Largest process number of Linux (kernel: `PID_MAX_LIMIT`).
const MAX_PID: u32 = 1 << 22;

/// Records of children that wait for their parent's call, in all.
const MAX_WAITING: usize = 65_536;

/// Parents that are waited for at one time.
const MAX_PARENTS: usize = 64;

/// The mark that x32 sets in a call's number.
const X32_MARK: u32 = 0x4000_0000;

/// What the text could not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsaid {
    /// Places where calls are missing.
    pub gaps: u64,
    /// Forks, clones and execs whose call is not beside them, and exits without a status that text has.
    pub lifecycles: u64,
    /// Calls of which strace would write another number or convention than theirs.
    pub numbers: u64,
    /// Times by a clock that counts days from something else than 1970: the text has those of a day.
    pub times: u64,
}

/// Writes records as text.
#[derive(Debug)]
pub struct StraceWriter<W> {
    out: W,
    /// The number of each thread that has not ended.
    threads: HashMap<StreamId, u32>,
    used: HashSet<u32>,
    next: u32,
    /// The last call of a thread, where a lifecycle may come to it.
    held: HashMap<u32, Call>,
    /// Exits without a status, until it is known that no exec of another thread was why.
    silent: HashMap<u32, Lifecycle>,
    /// Records of children that came before their parent's call, by the parent's number.
    waiting: HashMap<u32, Waiting>,
    /// The parent that each child waits for.
    waits_for: HashMap<u32, u32>,
    /// Records that wait.
    count: usize,
    unsaid: Unsaid,
}

#[derive(Debug)]
struct Waiting {
    child: u32,
    kind: LifecycleKind,
    records: Vec<(u32, Record)>,
}

impl<W: Write> StraceWriter<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        StraceWriter {
            out,
            threads: HashMap::new(),
            used: HashSet::new(),
            next: 1,
            held: HashMap::new(),
            silent: HashMap::new(),
            waiting: HashMap::new(),
            waits_for: HashMap::new(),
            count: 0,
            unsaid: Unsaid::default(),
        }
    }

    /// Writes a record, or holds it until what belongs to it is there.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn push(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Call(call) => {
                self.make_way(&call.stream)?;
                let thread = self.thread(&call.stream);
                self.take(thread, record.clone())
            }
            Record::Lifecycle(lifecycle) => self.lifecycle(lifecycle, record),
            Record::Gap(Gap { .. }) => {
                self.unsaid.gaps += 1;
                Ok(())
            }
        }
    }

    /// Writes what is held; the output, and what could not be said.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn finish(mut self) -> io::Result<(W, Unsaid)> {
        self.release_all()?;
        let mut held: Vec<(u32, Call)> = self.held.drain().collect();
        held.sort_by_key(|(thread, call)| (call.time_ns, *thread));
        for (thread, call) in held {
            self.line(thread, &call, "", call.outcome)?;
        }
        let mut silent: Vec<(u32, Lifecycle)> = self.silent.drain().collect();
        silent.sort_by_key(|(thread, lifecycle)| (lifecycle.time_ns, *thread));
        for (thread, lifecycle) in silent {
            self.ended(thread, &lifecycle)?;
        }
        Ok((self.out, self.unsaid))
    }

    /// The number that a thread has in the text: its own, if no other has that.
    fn thread(&mut self, id: &StreamId) -> u32 {
        let id = identity(id);
        if let Some(&number) = self.threads.get(&id) {
            return number;
        }
        let own = id.tid.or(id.tgid);
        let own = own.filter(|n| (1..=MAX_PID).contains(n) && !self.used.contains(n));
        let number = own.unwrap_or_else(|| {
            while self.used.contains(&self.next) && self.next < MAX_PID {
                self.next += 1;
            }
            self.next
        });
        self.used.insert(number);
        self.threads.insert(id, number);
        number
    }

    /// Writes the end of a thread whose number another one now has.
    fn make_way(&mut self, id: &StreamId) -> io::Result<()> {
        let number = id.tid.or(id.tgid).unwrap_or(0);
        if self.silent.contains_key(&number)
            && !self.threads.contains_key(&identity(id))
            && let Some(exit) = self.silent.remove(&number)
        {
            return self.ended(number, &exit);
        }
        Ok(())
    }

    fn lifecycle(&mut self, lifecycle: &Lifecycle, record: &Record) -> io::Result<()> {
        self.make_way(&lifecycle.stream)?;
        match lifecycle.kind {
            LifecycleKind::Fork | LifecycleKind::Clone => self.born(lifecycle),
            // strace does not say what those run that it attaches to.
            LifecycleKind::Attach => {
                self.unsaid.lifecycles += 1;
                Ok(())
            }
            LifecycleKind::Exec | LifecycleKind::Exit => {
                let before = match (lifecycle.kind, &lifecycle.parent) {
                    (LifecycleKind::Exec, Some(parent)) => self.thread(parent),
                    _ => self.thread(&lifecycle.stream),
                };
                self.take(before, record.clone())
            }
        }
    }

    /// A record of a thread, which may have to wait for its parent.
    fn take(&mut self, thread: u32, record: Record) -> io::Result<()> {
        if let Some(&parent) = self.waits_for.get(&thread)
            && let Some(waiting) = self.waiting.get_mut(&parent)
        {
            waiting.records.push((thread, record));
            self.count += 1;
            if self.count > MAX_WAITING {
                return self.release_all();
            }
            return Ok(());
        }
        if let Some(exit) = self.silent.remove(&thread) {
            self.ended(thread, &exit)?;
        }
        match record {
            Record::Call(call) => self.call(thread, call),
            Record::Lifecycle(lifecycle) if lifecycle.kind == LifecycleKind::Exec => {
                self.exec(thread, &lifecycle)
            }
            Record::Lifecycle(lifecycle) => self.exit(thread, &lifecycle),
            Record::Gap(_) => Ok(()),
        }
    }

    fn born(&mut self, lifecycle: &Lifecycle) -> io::Result<()> {
        let child = self.thread(&lifecycle.stream);
        let Some(parent) = &lifecycle.parent else {
            self.unsaid.lifecycles += 1;
            return Ok(());
        };
        let parent = self.thread(parent);
        if let Some(call) = self.held.remove(&parent) {
            if makes(&call) {
                return self.forks(parent, &call, lifecycle.kind, child);
            }
            self.held.insert(parent, call);
        }
        let is_full = self.waiting.len() >= MAX_PARENTS;
        if is_full || self.waiting.contains_key(&parent) || self.waits_for.contains_key(&child) {
            self.unsaid.lifecycles += 1;
            return Ok(());
        }
        self.waits_for.insert(child, parent);
        self.waiting.insert(
            parent,
            Waiting {
                child,
                kind: lifecycle.kind,
                records: Vec::new(),
            },
        );
        Ok(())
    }

    fn call(&mut self, thread: u32, call: Call) -> io::Result<()> {
        self.flush_held(thread)?;
        if let Some(waiting) = self.waiting.remove(&thread) {
            if makes(&call) {
                self.forks(thread, &call, waiting.kind, waiting.child)?;
                return self.release(waiting);
            }
            self.unsaid.lifecycles += 1;
            self.release(waiting)?;
        }
        if makes(&call) || is_exec(&call) {
            self.held.insert(thread, call);
            return Ok(());
        }
        self.line(thread, &call, "", call.outcome)
    }

    /// Writes a call and the child that it made.
    fn forks(
        &mut self,
        thread: u32,
        call: &Call,
        kind: LifecycleKind,
        child: u32,
    ) -> io::Result<()> {
        let args = flags(call, kind);
        if call.outcome == Some(Outcome::Returned(child.into())) {
            return self.line(thread, call, args, call.outcome);
        }
        // How it ended is not known, or is the child's number elsewhere: the child shows in between.
        self.head(thread, call)?;
        writeln!(self.out, "{}({args} <unfinished ...>", call.name)?;
        writeln!(self.out, "strace: Process {child} attached")?;
        self.head(thread, call)?;
        write!(self.out, "<... {} resumed>) = ", call.name)?;
        match call.outcome {
            Some(Outcome::Returned(value)) if value > 0 => {
                writeln!(self.out, "{value} /* {child} in strace's PID NS */")
            }
            outcome => self.ending(outcome),
        }
    }

    fn exec(&mut self, thread: u32, lifecycle: &Lifecycle) -> io::Result<()> {
        let Some(call) = self.held.remove(&thread) else {
            self.unsaid.lifecycles += 1;
            return Ok(());
        };
        if !is_exec(&call) || call.outcome != Some(Outcome::Returned(0)) {
            self.unsaid.lifecycles += 1;
            return self.line(thread, &call, "", call.outcome);
        }
        let mut args = lifecycle
            .executable
            .as_deref()
            .map_or_else(String::new, quoted);
        if call.name.as_str() == "execveat" && !args.is_empty() {
            args.insert_str(0, "AT_FDCWD, ");
        }
        let first = self.thread(&lifecycle.stream);
        if first == thread {
            return self.line(thread, &call, &args, call.outcome);
        }
        // The process's first thread, which ends by this, gives its number to the one that called.
        self.silent.remove(&first);
        self.head(thread, &call)?;
        writeln!(self.out, "{}({args} <unfinished ...>", call.name)?;
        self.stamp(first, lifecycle.time_ns)?;
        writeln!(self.out, "+++ superseded by execve in pid {thread} +++")?;
        self.head(first, &call)?;
        writeln!(self.out, "<... {} resumed>) = 0", call.name)?;
        if let Some(parent) = &lifecycle.parent {
            self.threads.remove(&identity(parent));
        }
        self.used.remove(&thread);
        Ok(())
    }

    fn exit(&mut self, thread: u32, lifecycle: &Lifecycle) -> io::Result<()> {
        self.flush_held(thread)?;
        if let Some(waiting) = self.waiting.remove(&thread) {
            self.unsaid.lifecycles += 1;
            self.release(waiting)?;
        }
        if lifecycle.status.is_none() {
            // An exec of another thread may be why.
            self.silent.insert(thread, lifecycle.clone());
            return Ok(());
        }
        self.ended(thread, lifecycle)
    }

    fn ended(&mut self, thread: u32, lifecycle: &Lifecycle) -> io::Result<()> {
        self.threads.remove(&identity(&lifecycle.stream));
        self.used.remove(&thread);
        self.stamp(thread, lifecycle.time_ns)?;
        match lifecycle.status {
            Some(ExitStatus::Code(code)) if code >= 0 => {
                writeln!(self.out, "+++ exited with {code} +++")
            }
            Some(ExitStatus::Signal(signal)) if (1..=64).contains(&signal) => {
                writeln!(self.out, "+++ killed by {} +++", signal_name(signal))
            }
            status => {
                self.unsaid.lifecycles += u64::from(status.is_some());
                writeln!(self.out, "+++ killed by ? +++")
            }
        }
    }

    /// Writes a call that no lifecycle came to.
    fn flush_held(&mut self, thread: u32) -> io::Result<()> {
        match self.held.remove(&thread) {
            // Whoever reads `clone() = 7` takes 7 to be a child that begins there: it does.
            Some(call) => self.line(thread, &call, "", call.outcome),
            None => Ok(()),
        }
    }

    /// Writes the records that waited.
    fn release(&mut self, waiting: Waiting) -> io::Result<()> {
        self.waits_for.remove(&waiting.child);
        self.count -= waiting.records.len();
        for (thread, record) in waiting.records {
            self.take(thread, record)?;
        }
        Ok(())
    }

    fn release_all(&mut self) -> io::Result<()> {
        let mut parents: Vec<u32> = self.waiting.keys().copied().collect();
        parents.sort_unstable();
        for parent in parents {
            if let Some(waiting) = self.waiting.remove(&parent) {
                self.unsaid.lifecycles += 1;
                self.release(waiting)?;
            }
        }
        Ok(())
    }

    fn stamp(&mut self, thread: u32, time_ns: Option<u64>) -> io::Result<()> {
        const NS: u64 = 1_000_000_000;
        /// From here on the reader takes seconds to be since 1970.
        const EPOCH: u64 = 100_000_000;
        write!(self.out, "{thread} ")?;
        let Some(time) = time_ns else { return Ok(()) };
        let (seconds, ns) = (time / NS, time % NS);
        if seconds < EPOCH {
            let (h, m, s) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
            self.unsaid.times += u64::from(seconds >= 86_400);
            write!(self.out, "{h:02}:{m:02}:{s:02}.{ns:09} ")
        } else {
            write!(self.out, "{seconds}.{ns:09} ")
        }
    }

    fn line(
        &mut self,
        thread: u32,
        call: &Call,
        args: &str,
        outcome: Option<Outcome>,
    ) -> io::Result<()> {
        self.head(thread, call)?;
        write!(self.out, "{}({args}) = ", call.name)?;
        self.ending(outcome)
    }

    /// What stands before a call's name.
    fn head(&mut self, thread: u32, call: &Call) -> io::Result<()> {
        self.stamp(thread, call.time_ns)?;
        let number = call.number.or_else(|| table::number(call.abi, &call.name));
        match number {
            Some(number) if call.abi == Abi::X32 => {
                write!(self.out, "[{}] ", number | X32_MARK)
            }
            Some(number) if number < 10_000_000 => write!(self.out, "[{number:4}] "),
            _ => {
                self.unsaid.numbers += u64::from(number.is_some());
                Ok(())
            }
        }
    }

    fn ending(&mut self, outcome: Option<Outcome>) -> io::Result<()> {
        match outcome {
            None => writeln!(self.out, "?"),
            // A register's bits: a negative value would be an error.
            Some(Outcome::Returned(value)) if value < 0 => writeln!(self.out, "{value:#x}"),
            Some(Outcome::Returned(value)) => writeln!(self.out, "{value}"),
            Some(Outcome::Failed(errno)) => match errno.name() {
                Some(name) if errno.is_restart() => writeln!(self.out, "? {name} (restarted)"),
                Some(name) => writeln!(self.out, "-1 {name} (errno {})", errno.0),
                None => writeln!(self.out, "-1 (errno {})", errno.0),
            },
        }
    }
}

/// What makes a thread, over all programs that it runs.
fn identity(id: &StreamId) -> StreamId {
    StreamId {
        exec_generation: 0,
        // A fork is told before its process is known, a clone has its parent's.
        tgid: None,
        ..id.clone()
    }
}

fn makes(call: &Call) -> bool {
    matches!(call.name.as_str(), "fork" | "vfork" | "clone" | "clone3")
}

fn is_exec(call: &Call) -> bool {
    matches!(call.name.as_str(), "execve" | "execveat")
}

/// The arguments that say what a call makes.
fn flags(call: &Call, kind: LifecycleKind) -> &'static str {
    match (call.name.as_str(), kind) {
        ("clone", LifecycleKind::Clone) => "flags=CLONE_THREAD",
        ("clone", _) => "flags=SIGCHLD",
        ("clone3", LifecycleKind::Clone) => "{flags=CLONE_THREAD}",
        ("clone3", _) => "{flags=0}",
        _ => "",
    }
}

/// A text in quotes, as strace writes one.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(byte.into());
            }
            b' '..=b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

fn signal_name(signal: u8) -> String {
    match crate::read::signal_name(signal) {
        Some(name) => format!("SIG{name}"),
        None => format!("SIGRT_{}", signal - 32),
    }
}
