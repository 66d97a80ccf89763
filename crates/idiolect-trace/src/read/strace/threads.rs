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
//! - A clone whose flags the text does not show (`-e raw=clone3`) is told as a fork of unknown process.
//! - `execve` begins a new stream with the process's number as the thread's, also when it was called by
//!   another thread than the first (`+++ superseded by execve in pid N +++`).

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

mod calls;
mod lives;

pub(super) use self::calls::Begins;
use self::calls::{Child, Open, call, convention, executable, makes};
use crate::read::SkipKind;
use crate::read::line::Emitter;
use crate::read::pairing::is_exec;
use crate::{Abi, CallName, Outcome, StreamId};

/// Names a thread's place in the table: its number, or [`UNNUMBERED`].
pub(super) type Key = u32;

/// The thread whose lines carry no number. No process has this one.
pub(super) const UNNUMBERED: Key = 0;

/// Forks without a child that are remembered to explain a new number.
const MAX_FORKS: usize = 64;

#[derive(Clone, Debug)]
struct Thread {
    stream: StreamId,
    abi: Abi,
    alive: bool,
    /// How often this number was used before.
    incarnation: u32,
    open: Option<Open>,
    /// Whether another thread's `execve` is to return here, whose beginning is in that thread's own file.
    takes_over: bool,
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
    /// Threads that are alive and wrote a line or were attached to; of the others only a fork tells.
    present: BTreeSet<Key>,
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
            present: BTreeSet::new(),
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
        self.present.insert(key);
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
        match self.present.first() {
            Some(only) if self.present.len() == 1 => *only,
            _ => UNNUMBERED,
        }
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
            incarnation,
            open: None,
            takes_over: false,
        };
        self.threads.insert(key, thread);
        self.present.remove(&key);
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
        self.present.clear();
        for thread in &mut dropped {
            out.skip(SkipKind::OverBound, b"");
            if let Some(open) = thread.open.take() {
                self.never_resumed(&thread.stream, open, SkipKind::NeverResumed, out)?;
            }
        }
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
        self.present.remove(&key);
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

    /// Whether the call that is resumed began in the file of another thread (`-ff`), where it is counted.
    pub(super) fn exec_began_elsewhere(&self, key: Key, name: &CallName) -> bool {
        is_exec(name.as_str())
            && self
                .threads
                .get(&key)
                .is_some_and(|thread| thread.takes_over)
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
            let succeeded = outcome == Some(Outcome::Returned(0));
            if std::mem::take(&mut thread.takes_over) && succeeded {
                return self.exec(key, None, None, out);
            }
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
            return self.exec(key, open.time_ns, open.executable, out);
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
}
