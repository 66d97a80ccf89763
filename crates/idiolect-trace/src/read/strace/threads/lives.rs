//! How threads begin and end: forks, clones, execs, exits, and strace's coming and going.

use std::ops::ControlFlow;

use super::{Child, Key, Thread, Threads, UNNUMBERED};
use crate::read::SkipKind;
use crate::read::line::Emitter;
use crate::read::pairing::Makes;
use crate::{ExitStatus, Lifecycle, LifecycleKind, Record, StreamId};

impl Threads {
    /// Notes that strace attached to a process; `interrupted` is the thread in whose call it said so.
    pub(in crate::read::strace) fn attached(
        &mut self,
        pid: u32,
        interrupted: Option<Key>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if self.bound == Some(pid) {
            return ControlFlow::Continue(());
        }
        if !self.is_alive(pid) {
            self.adopt(pid, interrupted, out)?;
            if !self.is_alive(pid) {
                self.begin(pid, out)?;
            }
        }
        self.present.insert(pid);
        ControlFlow::Continue(())
    }

    /// Notes that strace left a process.
    pub(in crate::read::strace) fn detached(
        &mut self,
        pid: u32,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let key = if self.bound == Some(pid) {
            UNNUMBERED
        } else {
            pid
        };
        self.close(key, SkipKind::NeverResumed, out)?;
        self.end(key);
        ControlFlow::Continue(())
    }

    /// Explains a number by the open fork that has no child yet, if there is one.
    pub(super) fn adopt(
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

    pub(super) fn waiting_fork(&self) -> Option<Key> {
        self.forks
            .iter()
            .rev()
            .copied()
            .find(|key| self.is_waiting(*key))
    }

    /// Yields that a thread or process was made, and puts it in the table.
    pub(super) fn born(
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

    /// The thread ends.
    pub(in crate::read::strace) fn exit(
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
    pub(in crate::read::strace) fn supersede(
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
            self.close(key, SkipKind::NeverResumed, out)?;
            if let Some(thread) = self.threads.get_mut(&key) {
                thread.takes_over = self.named.is_some();
            }
            return ControlFlow::Continue(());
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
        self.present.insert(key);
        ControlFlow::Continue(())
    }

    pub(super) fn exec(
        &mut self,
        key: Key,
        time_ns: Option<u64>,
        executable: Option<String>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
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
        thread.takes_over = false;
        let parent = std::mem::replace(&mut thread.stream, stream);
        out.record(Record::Lifecycle(Lifecycle {
            time_ns,
            stream: thread.stream.clone(),
            kind: LifecycleKind::Exec,
            parent: Some(parent),
            executable,
            uid: None,
            cgroup: None,
            status: None,
        }))
    }
}
