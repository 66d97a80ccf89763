//! What the reader remembers of each thread: its stream, its ABI, and the call that has not returned.
//!
//! Rules, where the text leaves something open:
//! - Lines without a process belong to the one that a `-ff` file's name ends in (`trace.1234`); else to
//!   the only thread there is. The first such thread has no number until a `[pid N]` appears that no fork
//!   explains: N is then this thread. Its stream keeps the identity that it began with.
//! - A number never seen before is the child of the fork or clone that has not returned yet and has no
//!   child yet; of several, the one that began last. Which of them it truly was the text does not say, so
//!   the parent may then be wrong; the child's stream is right all the same.
//! - A number that comes back after its exit, or that a fork returns while it is in use, is another
//!   stream: its `incarnation` grows.
//! - `execve` begins a new stream with the process's number as the thread's, also when it was called by
//!   another thread than the first (`+++ superseded by execve in pid N +++`).

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::text::{count_while, find, radix, unquote};
use crate::read::SkipKind;
use crate::read::line::Emitter;
use crate::{
    Abi, Call, CallName, ExitStatus, Lifecycle, LifecycleKind, Outcome, Record, StreamId, table,
};

/// Names a thread's place in the table: its number, or [`UNNUMBERED`].
pub(super) type Key = u32;

/// The thread whose lines carry no number. No process has this one.
pub(super) const UNNUMBERED: Key = 0;

/// Forks without a child that are remembered to explain a new number.
const MAX_FORKS: usize = 64;

/// A call that has begun.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) time_ns: Option<u64>,
    pub(super) name: CallName,
    pub(super) number: Option<u32>,
    pub(super) abi: Abi,
    /// The program, of `execve` and `execveat`.
    executable: Option<String>,
    /// What it makes, of `fork`, `vfork`, `clone` and `clone3`.
    makes: Option<Makes>,
    /// The child that was seen before the call returned.
    child: Option<Child>,
    /// Order of beginning.
    sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Makes {
    Process,
    Thread,
    /// Its flags are not in the text.
    Either,
}

#[derive(Clone, Copy, Debug)]
struct Child {
    pid: u32,
    /// Whether strace said so in the midst of the call. A certain child whose number differs from the
    /// returned one was made in another namespace of processes.
    certain: bool,
}

#[derive(Clone, Debug)]
struct Thread {
    stream: StreamId,
    abi: Abi,
    alive: bool,
    /// Whether it wrote a line or was attached to; else only a fork tells of it.
    seen: bool,
    /// How often this number was used before.
    incarnation: u32,
    open: Option<Open>,
}

/// The threads of a file.
#[derive(Debug)]
pub(super) struct Threads {
    origin: Arc<str>,
    /// The ABI of a thread that nothing is known of.
    abi: Abi,
    /// Whether the ABI was given and notes of a process's mode do not count.
    abi_is_given: bool,
    /// The process of lines without a number, by the file's name.
    named: Option<u32>,
    /// The number of [`UNNUMBERED`], once it is known.
    bound: Option<u32>,
    threads: HashMap<Key, Thread>,
    capacity: usize,
    /// Threads with an open fork, the latest last.
    forks: Vec<Key>,
    /// The last answer of [`Threads::only`].
    only: Option<Key>,
    sequence: u64,
    /// First incarnation of a number that is not in the table: numbers may have been forgotten.
    first_incarnation: u32,
}

impl Threads {
    pub(super) fn new(
        origin: Arc<str>,
        named: Option<u32>,
        abi: Option<Abi>,
        capacity: usize,
    ) -> Self {
        Threads {
            origin,
            abi: abi.or_else(Abi::native).unwrap_or(Abi::X86_64),
            abi_is_given: abi.is_some(),
            named,
            bound: None,
            threads: HashMap::new(),
            capacity: capacity.max(1),
            forks: Vec::new(),
            only: None,
            sequence: 0,
            first_incarnation: 0,
        }
    }

    /// Sets the ABI of the file, as long as no line was taken.
    pub(super) fn set_abi(&mut self, abi: Abi) {
        self.abi = abi;
    }

    /// The ABI of the file.
    pub(super) fn abi(&self) -> Abi {
        self.abi
    }

    /// The file.
    pub(super) fn origin(&self) -> Arc<str> {
        self.origin.clone()
    }

    /// Whether a process of this number was seen and has not ended.
    pub(super) fn is_alive(&self, pid: u32) -> bool {
        let key = if self.bound == Some(pid) {
            UNNUMBERED
        } else {
            pid
        };
        self.threads.get(&key).is_some_and(|thread| thread.alive)
    }

    /// The stream of a thread that was seen.
    pub(super) fn stream(&self, key: Key) -> Option<&StreamId> {
        self.threads.get(&key).map(|thread| &thread.stream)
    }

    /// The thread that a line belongs to, which exists afterwards; `resumes` is the call that the line
    /// resumes.
    pub(super) fn enter(
        &mut self,
        pid: Option<u32>,
        resumes: Option<&CallName>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<(), Key> {
        let key = match pid.or(self.named) {
            Some(pid) => self.numbered(pid, resumes, out)?,
            None => self.unnumbered(),
        };
        if !self.threads.get(&key).is_some_and(|thread| thread.alive) {
            self.begin(key, out)?;
        }
        if let Some(thread) = self.threads.get_mut(&key) {
            thread.seen = true;
        }
        ControlFlow::Continue(key)
    }

    fn numbered(
        &mut self,
        pid: u32,
        resumes: Option<&CallName>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<(), Key> {
        if self.bound == Some(pid) {
            return ControlFlow::Continue(UNNUMBERED);
        }
        if self.is_alive(pid) {
            return ControlFlow::Continue(pid);
        }
        if let Some(first) = self.threads.get(&UNNUMBERED)
            && first.alive
            && self.bound.is_none()
        {
            let is_first = match (&first.open, resumes) {
                (Some(open), Some(name)) => open.name == *name,
                (Some(_), None) => false,
                (None, _) => self.waiting_fork().is_none(),
            };
            if is_first {
                self.bound = Some(pid);
                return ControlFlow::Continue(UNNUMBERED);
            }
        }
        if resumes.is_none() {
            self.adopt(pid, None, out)?;
        }
        ControlFlow::Continue(pid)
    }

    fn unnumbered(&mut self) -> Key {
        let first_is_alive = self
            .threads
            .get(&UNNUMBERED)
            .is_some_and(|thread| thread.alive);
        if first_is_alive {
            return UNNUMBERED;
        }
        self.only().unwrap_or(UNNUMBERED)
    }

    /// The only thread that is alive and was seen.
    fn only(&mut self) -> Option<Key> {
        let lives = |thread: &Thread| thread.alive && thread.seen;
        let still = self
            .only
            .filter(|key| self.threads.get(key).is_some_and(lives));
        if still.is_none() {
            let mut all = self.threads.iter().filter(|(_, thread)| lives(thread));
            let first = all.next().map(|(key, _)| *key);
            self.only = first.filter(|_| all.next().is_none());
        }
        self.only
    }

    /// Puts a new thread in the table, of which nothing but the number is known.
    fn begin(&mut self, key: Key, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let tid = self.tid(key);
        let mut stream = StreamId::whole(self.origin.clone());
        stream.tid = tid;
        self.insert(key, stream, self.abi, out)
    }

    fn tid(&self, key: Key) -> Option<u32> {
        if key == UNNUMBERED {
            self.bound
        } else {
            Some(key)
        }
    }

    /// Puts a thread in the table in place of the one that had its number.
    fn insert(
        &mut self,
        key: Key,
        mut stream: StreamId,
        abi: Abi,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let before = self.threads.remove(&key);
        let incarnation = match &before {
            Some(thread) => thread.incarnation.saturating_add(1),
            None => self.first_incarnation,
        };
        if let Some(mut thread) = before
            && let Some(open) = thread.open.take()
        {
            self.never_resumed(&thread.stream, open, SkipKind::NeverResumed, out)?;
        }
        if self.threads.len() >= self.capacity {
            self.make_room(out)?;
        }
        stream.incarnation = incarnation;
        let thread = Thread {
            stream,
            abi,
            alive: true,
            seen: false,
            incarnation,
            open: None,
        };
        self.threads.insert(key, thread);
        self.only = None;
        ControlFlow::Continue(())
    }

    /// Forgets the threads that ended; if those are few, all of them, and says how many were dropped.
    fn make_room(&mut self, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let forgotten = self.threads.values().map(|thread| thread.incarnation).max();
        self.first_incarnation = forgotten.map_or(0, |last| last.saturating_add(1));
        self.threads.retain(|_, thread| thread.alive);
        if self.threads.len() <= self.capacity / 2 {
            return ControlFlow::Continue(());
        }
        let mut dropped: Vec<Thread> = self.threads.drain().map(|(_, thread)| thread).collect();
        dropped.sort_by(|a, b| a.stream.cmp(&b.stream));
        self.bound = None;
        self.forks.clear();
        for thread in &mut dropped {
            out.skip(SkipKind::OverBound, b"");
            if let Some(open) = thread.open.take() {
                self.never_resumed(&thread.stream, open, SkipKind::NeverResumed, out)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Notes that strace attached to a process; `interrupted` is the thread in whose call it said so.
    pub(super) fn attached(
        &mut self,
        pid: u32,
        interrupted: Option<Key>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if !self.is_alive(pid) {
            self.adopt(pid, interrupted, out)?;
            if !self.is_alive(pid) {
                self.begin(pid, out)?;
            }
        }
        if let Some(thread) = self.threads.get_mut(&pid) {
            thread.seen = true;
        }
        self.only = None;
        ControlFlow::Continue(())
    }

    /// Notes that strace left a process.
    pub(super) fn detached(&mut self, pid: u32, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let key = if self.bound == Some(pid) {
            UNNUMBERED
        } else {
            pid
        };
        self.close(key, SkipKind::NeverResumed, out)?;
        self.end(key);
        ControlFlow::Continue(())
    }

    /// Sets a thread's ABI from now on.
    pub(super) fn set_mode(&mut self, key: Key, abi: Abi) {
        if self.abi_is_given {
            return;
        }
        if let Some(thread) = self.threads.get_mut(&key) {
            thread.abi = abi;
        }
    }

    fn end(&mut self, key: Key) {
        if let Some(thread) = self.threads.get_mut(&key) {
            thread.alive = false;
        }
        if key == UNNUMBERED {
            self.bound = None;
        }
        self.only = None;
    }

    /// Explains a number by the open fork that has no child yet, if there is one.
    fn adopt(
        &mut self,
        pid: u32,
        interrupted: Option<Key>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let waiting = |key: &Key| self.is_waiting(*key);
        let parent = interrupted.filter(waiting).or_else(|| self.waiting_fork());
        let Some(parent) = parent else {
            return ControlFlow::Continue(());
        };
        let certain = interrupted == Some(parent);
        let Some(open) = self
            .threads
            .get_mut(&parent)
            .and_then(|thread| thread.open.as_mut())
        else {
            return ControlFlow::Continue(());
        };
        open.child = Some(Child { pid, certain });
        let (makes, time_ns) = (open.makes.unwrap_or(Makes::Either), open.time_ns);
        self.born(parent, pid, makes, time_ns, out)
    }

    fn is_waiting(&self, key: Key) -> bool {
        let open = self
            .threads
            .get(&key)
            .and_then(|thread| thread.open.as_ref());
        open.is_some_and(|open| open.makes.is_some() && open.child.is_none())
    }

    fn waiting_fork(&self) -> Option<Key> {
        self.forks
            .iter()
            .rev()
            .copied()
            .find(|key| self.is_waiting(*key))
    }

    /// Yields that a thread or process was made, and puts it in the table.
    fn born(
        &mut self,
        parent: Key,
        pid: u32,
        makes: Makes,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(parent) = self.threads.get(&parent) else {
            return ControlFlow::Continue(());
        };
        let (parent_stream, abi) = (parent.stream.clone(), parent.abi);
        let mut stream = StreamId::thread(self.origin.clone(), pid);
        match makes {
            Makes::Process => stream.tgid = Some(pid),
            Makes::Thread => {
                stream.tgid = parent_stream.tgid;
                stream.exec_generation = parent_stream.exec_generation;
            }
            Makes::Either => {}
        }
        self.insert(pid, stream, abi, out)?;
        let Some(child) = self.threads.get(&pid) else {
            return ControlFlow::Continue(());
        };
        out.record(Record::Lifecycle(Lifecycle {
            time_ns,
            stream: child.stream.clone(),
            kind: if makes == Makes::Thread {
                LifecycleKind::Clone
            } else {
                LifecycleKind::Fork
            },
            parent: Some(parent_stream),
            executable: None,
            uid: None,
            cgroup: None,
            status: None,
        }))
    }

    /// A call begins in a thread. One that is still open there never returned in this file.
    pub(super) fn open(
        &mut self,
        key: Key,
        begins: Begins<'_>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        self.close(key, SkipKind::NeverResumed, out)?;
        let Some(thread) = self.threads.get_mut(&key) else {
            return ControlFlow::Continue(());
        };
        let (abi, number) = convention(thread.abi, &begins.name, begins.number, self.abi_is_given);
        self.sequence += 1;
        let makes = makes(begins.name.as_str(), begins.args);
        if makes.is_some() {
            self.forks.retain(|fork| *fork != key);
            if self.forks.len() == MAX_FORKS {
                self.forks.remove(0);
            }
            self.forks.push(key);
        }
        thread.open = Some(Open {
            time_ns: begins.time_ns,
            executable: executable(begins.name.as_str(), begins.args),
            name: begins.name,
            number,
            abi,
            makes,
            child: None,
            sequence: self.sequence,
        });
        ControlFlow::Continue(())
    }

    /// Whether this call is open in the thread.
    pub(super) fn has_open(&self, key: Key, name: &CallName) -> bool {
        let open = self
            .threads
            .get(&key)
            .and_then(|thread| thread.open.as_ref());
        open.is_some_and(|open| open.name == *name)
    }

    /// The thread's open call returns.
    pub(super) fn complete(
        &mut self,
        key: Key,
        outcome: Option<Outcome>,
        foreign_child: Option<u32>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(thread) = self.threads.get_mut(&key) else {
            return ControlFlow::Continue(());
        };
        let Some(open) = thread.open.take() else {
            return ControlFlow::Continue(());
        };
        out.record(call(&thread.stream, &open, outcome))?;
        if open.makes.is_some() {
            self.forks.retain(|fork| *fork != key);
        }
        let Some(Outcome::Returned(value)) = outcome else {
            return ControlFlow::Continue(());
        };
        if is_exec(open.name.as_str()) && value == 0 {
            return self.exec(key, open, out);
        }
        let Some(makes) = open.makes else {
            return ControlFlow::Continue(());
        };
        let returned = u32::try_from(value).ok().filter(|pid| *pid > 0);
        let Some(pid) = foreign_child.or(returned) else {
            return ControlFlow::Continue(());
        };
        match open.child {
            // Seen already.
            Some(child) if child.certain || child.pid == pid => ControlFlow::Continue(()),
            Some(_) if self.is_alive(pid) => ControlFlow::Continue(()),
            _ if self.bound == Some(pid) => ControlFlow::Continue(()),
            _ => self.born(key, pid, makes, open.time_ns, out),
        }
    }

    /// Yields the thread's open call, if any, as one that never returned in this file.
    pub(super) fn close(
        &mut self,
        key: Key,
        kind: SkipKind,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(thread) = self.threads.get_mut(&key) else {
            return ControlFlow::Continue(());
        };
        let Some(open) = thread.open.take() else {
            return ControlFlow::Continue(());
        };
        let stream = thread.stream.clone();
        self.never_resumed(&stream, open, kind, out)
    }

    /// Yields all open calls, in the order in which they began.
    pub(super) fn close_all(&mut self, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let mut open: Vec<(Key, u64)> = self
            .threads
            .iter()
            .filter_map(|(key, thread)| Some((*key, thread.open.as_ref()?.sequence)))
            .collect();
        open.sort_by_key(|(_, sequence)| *sequence);
        for (key, _) in open {
            self.close(key, SkipKind::NeverResumed, out)?;
        }
        ControlFlow::Continue(())
    }

    fn never_resumed(
        &mut self,
        stream: &StreamId,
        open: Open,
        kind: SkipKind,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        out.skip(kind, open.name.as_str().as_bytes());
        out.record(call(stream, &open, None))
    }

    /// The thread ends.
    pub(super) fn exit(
        &mut self,
        key: Key,
        time_ns: Option<u64>,
        status: Option<ExitStatus>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        self.close(key, SkipKind::NeverResumed, out)?;
        let Some(thread) = self.threads.get(&key) else {
            return ControlFlow::Continue(());
        };
        let stream = thread.stream.clone();
        self.end(key);
        out.record(Record::Lifecycle(Lifecycle {
            time_ns,
            stream,
            kind: LifecycleKind::Exit,
            parent: None,
            executable: None,
            uid: None,
            cgroup: None,
            status,
        }))
    }

    /// The process's first thread gives its number to the thread that called `execve`.
    pub(super) fn supersede(
        &mut self,
        key: Key,
        by: u32,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let by = if self.bound == Some(by) {
            UNNUMBERED
        } else {
            by
        };
        let calls = |thread: &Thread| thread.alive && thread.open.is_some();
        if by == key || !self.threads.get(&by).is_some_and(calls) {
            return self.close(key, SkipKind::NeverResumed, out);
        }
        let bound = self.bound;
        self.exit(key, time_ns, None, out)?;
        self.bound = bound;
        let Some(thread) = self.threads.get_mut(&by) else {
            return ControlFlow::Continue(());
        };
        let moved = Thread {
            open: thread.open.take(),
            ..thread.clone()
        };
        self.end(by);
        let incarnation = self
            .threads
            .get(&key)
            .map_or(0, |thread| thread.incarnation);
        self.threads.insert(
            key,
            Thread {
                incarnation,
                ..moved
            },
        );
        self.only = None;
        ControlFlow::Continue(())
    }

    fn exec(&mut self, key: Key, open: Open, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let tid = self.tid(key);
        let Some(thread) = self.threads.get_mut(&key) else {
            return ControlFlow::Continue(());
        };
        let mut stream = StreamId::whole(self.origin.clone());
        stream.tid = tid;
        // Of the threads of a process only one goes on, under the process's own number.
        stream.tgid = tid;
        stream.incarnation = thread.incarnation;
        stream.exec_generation = thread.stream.exec_generation.saturating_add(1);
        let parent = std::mem::replace(&mut thread.stream, stream);
        out.record(Record::Lifecycle(Lifecycle {
            time_ns: open.time_ns,
            stream: thread.stream.clone(),
            kind: LifecycleKind::Exec,
            parent: Some(parent),
            executable: open.executable,
            uid: None,
            cgroup: None,
            status: None,
        }))
    }
}

/// What the text says of a call that begins.
#[derive(Debug)]
pub(super) struct Begins<'a> {
    pub(super) time_ns: Option<u64>,
    pub(super) name: CallName,
    /// Its number, if the text gives it (`-n`).
    pub(super) number: Option<u32>,
    /// The arguments that are there.
    pub(super) args: &'a [u8],
}

fn call(stream: &StreamId, open: &Open, outcome: Option<Outcome>) -> Record {
    Record::Call(Call {
        time_ns: open.time_ns,
        stream: stream.clone(),
        abi: open.abi,
        number: open.number,
        name: open.name.clone(),
        outcome,
    })
}

/// The mark that x32 sets in a call's number.
const X32_MARK: u32 = 0x4000_0000;

/// The ABI and the number of a call. A number in the text (`-n`) that means another call in the thread's
/// ABI and this one in its machine's second ABI shows a call by that second one.
fn convention(abi: Abi, name: &CallName, number: Option<u32>, given: bool) -> (Abi, Option<u32>) {
    let Some(number) = number else {
        return (abi, table::number(abi, name));
    };
    if !given && number & X32_MARK != 0 && matches!(abi, Abi::X86_64 | Abi::X32) {
        return (Abi::X32, Some(number & !X32_MARK));
    }
    let number = if abi == Abi::X32 {
        number & !X32_MARK
    } else {
        number
    };
    let fits = |abi| table::by_number(abi, number) == *name;
    if given || fits(abi) {
        return (abi, Some(number));
    }
    let second: &[Abi] = match abi {
        Abi::X86_64 => &[Abi::I386, Abi::X32],
        Abi::I386 | Abi::X32 => &[Abi::X86_64],
        Abi::Aarch64 => &[Abi::Arm],
        Abi::Arm => &[Abi::Aarch64],
        Abi::Riscv64 => &[],
    };
    let abi = second.iter().copied().find(|abi| fits(*abi)).unwrap_or(abi);
    (abi, Some(number))
}

fn is_exec(name: &str) -> bool {
    matches!(name, "execve" | "execveat")
}

fn executable(name: &str, args: &[u8]) -> Option<String> {
    match name {
        "execve" => unquote(args),
        // The path follows the folder's descriptor, which `-y` may give any name.
        "execveat" => {
            let at = find(args, b", \"")?;
            unquote(&args[at + 2..])
        }
        _ => None,
    }
}

/// Flag of `clone` that makes a thread (kernel: `include/uapi/linux/sched.h`).
const CLONE_THREAD: u64 = 0x1_0000;

fn makes(name: &str, args: &[u8]) -> Option<Makes> {
    match name {
        "fork" | "vfork" => return Some(Makes::Process),
        "clone" | "clone3" => {}
        _ => return None,
    }
    if find(args, b"CLONE_THREAD").is_some() {
        return Some(Makes::Thread);
    }
    // Without names (`-X raw`) the flags are a number; without any decoding (`-e raw=clone`) they are the
    // first argument of clone, and not in the text of clone3.
    let flags = match find(args, b"flags=") {
        Some(at) => &args[at + b"flags=".len()..],
        None if name == "clone" => args,
        None => return Some(Makes::Either),
    };
    let Some(digits) = flags.strip_prefix(b"0x") else {
        return Some(if flags.is_empty() {
            Makes::Either
        } else {
            Makes::Process
        });
    };
    let flags = radix(
        &digits[..count_while(digits, |b| b.is_ascii_hexdigit())],
        16,
    );
    Some(match flags {
        Some(flags) if flags & CLONE_THREAD != 0 => Makes::Thread,
        Some(_) => Makes::Process,
        None => Makes::Either,
    })
}
