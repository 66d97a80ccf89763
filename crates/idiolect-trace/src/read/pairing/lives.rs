//! How threads begin and end.

use std::ops::ControlFlow;

use super::{Executed, Leave, Makes, Pairing, Thread, Unborn, Who, is_exec};
use crate::read::SkipKind;
use crate::read::line::Emitter;
use crate::{ExitStatus, Lifecycle, LifecycleKind, Record, StreamId};

impl Pairing {
    /// A fork event: `parent` made `child`, which belongs to the process `tgid`, where that is told.
    pub(crate) fn forked(
        &mut self,
        parent: Option<u32>,
        child: Who,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(tid) = child.tid else {
            return ControlFlow::Continue(());
        };
        let open = parent
            .and_then(|parent| self.threads.get_mut(&parent))
            .and_then(|parent| parent.open.as_mut())
            .filter(|open| open.enter.makes.is_some());
        let called = open.and_then(|open| {
            open.child = Some(tid);
            open.enter.makes
        });
        if self.is_alive(tid) && self.threads.get(&tid).is_some_and(|thread| thread.fresh) {
            return ControlFlow::Continue(());
        }
        let makes = made(called.unwrap_or(Makes::Either), child);
        self.born(parent, tid, makes, child.tgid, time_ns, out)
    }

    /// An exec event: the thread `old` executed a program and goes on as `who`.
    pub(crate) fn executed(
        &mut self,
        who: Who,
        old: Option<u32>,
        executable: Option<String>,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(tid) = who.tid else {
            return ControlFlow::Continue(());
        };
        if let Some(old) = old.filter(|old| *old != tid) {
            self.move_thread(old, tid, out)?;
        }
        if !self.is_alive(tid) {
            self.begin(who, tid, out)?;
        }
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.exec = Some(Executed {
                time_ns,
                executable,
            });
            if !std::mem::replace(&mut thread.touched, true) {
                self.touched.push(tid);
            }
        }
        ControlFlow::Continue(())
    }

    /// An exit event: the thread has ended.
    pub(crate) fn ended(
        &mut self,
        tid: u32,
        time_ns: Option<u64>,
        status: Option<ExitStatus>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if !self.threads.get(&tid).is_some_and(|thread| thread.alive) {
            return ControlFlow::Continue(());
        }
        self.give_up(tid, out)?;
        self.end(tid, time_ns, status, out)
    }

    /// A thread ends.
    pub(super) fn end(
        &mut self,
        tid: u32,
        time_ns: Option<u64>,
        status: Option<ExitStatus>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(thread) = self.threads.get_mut(&tid).filter(|thread| thread.alive) else {
            return ControlFlow::Continue(());
        };
        thread.alive = false;
        let called = thread.exiting.take().and_then(|(time_ns, _)| time_ns);
        let stream = thread.stream.clone();
        if thread.open.is_some() {
            self.give_up_open(tid, out)?;
        }
        out.record(life(LifecycleKind::Exit, stream, |life| {
            life.time_ns = time_ns.or(called);
            life.status = status;
        }))
    }

    /// A thread of which nothing but the number is known.
    pub(super) fn begin(&mut self, who: Who, tid: u32, out: &mut Emitter<'_>) -> ControlFlow<()> {
        if let Some(Unborn { parent, time_ns }) = self.unborn.remove(&tid) {
            return self.shown(
                parent,
                tid,
                made(Makes::Either, who),
                who.tgid,
                time_ns,
                out,
            );
        }
        let stream = StreamId {
            tgid: who.tgid,
            ..StreamId::thread(self.origin.clone(), tid)
        };
        self.insert(tid, stream, false, out)
    }

    /// Puts a thread in the table in place of the one that had its number.
    fn insert(
        &mut self,
        tid: u32,
        mut stream: StreamId,
        fresh: bool,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        self.end(tid, None, None, out)?;
        let before = self.threads.remove(&tid);
        let touched = before.as_ref().is_some_and(|before| before.touched);
        let incarnation = match before {
            Some(before) => before.incarnation.saturating_add(1),
            None => self.first_incarnation,
        };
        stream.incarnation = incarnation;
        if self.threads.len() >= self.capacity {
            self.make_room(out)?;
        }
        let mut thread = Thread::new(stream, incarnation, fresh);
        thread.touched = touched;
        self.threads.insert(tid, thread);
        ControlFlow::Continue(())
    }

    /// Forgets the threads that ended; if those are few, all of them, and says how many were dropped.
    fn make_room(&mut self, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let incarnations = self.threads.values().map(|thread| thread.incarnation);
        self.first_incarnation = incarnations.max().map_or(0, |last| last.saturating_add(1));
        let mut exiting: Vec<u32> = self
            .threads
            .iter()
            .filter_map(|(tid, thread)| thread.exiting.map(|_| *tid))
            .collect();
        exiting.sort_unstable();
        for tid in exiting {
            self.end(tid, None, None, out)?;
        }
        self.threads.retain(|_, thread| thread.alive);
        self.touched.retain(|tid| self.threads.contains_key(tid));
        if self.threads.len() <= self.capacity / 2 {
            return ControlFlow::Continue(());
        }
        for tid in self.open_threads() {
            self.give_up(tid, out)?;
        }
        for _ in self.threads.drain() {
            out.skip(SkipKind::OverBound, b"");
        }
        self.touched.clear();
        self.makers.clear();
        ControlFlow::Continue(())
    }

    /// A thread or process was made. Where it is not clear which of the two, what it shows first will tell.
    pub(super) fn born(
        &mut self,
        parent: Option<u32>,
        tid: u32,
        makes: Makes,
        tgid: Option<u32>,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let waits = makes == Makes::Either && tgid.is_none() && self.processes;
        if waits && self.unborn.len() < self.capacity {
            self.unborn.insert(tid, Unborn { parent, time_ns });
            return ControlFlow::Continue(());
        }
        self.shown(parent, tid, makes, tgid, time_ns, out)
    }

    /// Yields that a thread or process was made, and puts it in the table.
    fn shown(
        &mut self,
        parent: Option<u32>,
        tid: u32,
        makes: Makes,
        tgid: Option<u32>,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let parent = parent.and_then(|parent| self.threads.get(&parent));
        let parent = parent.map(|parent| parent.stream.clone());
        let mut stream = StreamId::thread(self.origin.clone(), tid);
        stream.tgid = tgid;
        match (makes, &parent) {
            (Makes::Process, _) => stream.tgid = tgid.or(Some(tid)),
            (Makes::Thread, Some(parent)) => {
                stream.tgid = tgid.or(parent.tgid);
                stream.exec_generation = parent.exec_generation;
            }
            (Makes::Thread | Makes::Either, _) => {}
        }
        self.insert(tid, stream, true, out)?;
        let Some(child) = self.threads.get(&tid) else {
            return ControlFlow::Continue(());
        };
        let kind = match makes {
            Makes::Thread => LifecycleKind::Clone,
            Makes::Process | Makes::Either => LifecycleKind::Fork,
        };
        out.record(life(kind, child.stream.clone(), |life| {
            life.time_ns = time_ns;
            life.parent = parent;
        }))
    }

    /// A thread shows itself first by the return of the call that made it.
    pub(super) fn born_unseen(
        &mut self,
        who: Who,
        tid: u32,
        leave: &Leave,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if let Some(Unborn { parent, time_ns }) = self.unborn.remove(&tid) {
            return self.shown(
                parent,
                tid,
                made(Makes::Either, who),
                who.tgid,
                time_ns,
                out,
            );
        }
        let waits = |parent: &u32| {
            let open = self
                .threads
                .get(parent)
                .and_then(|thread| thread.open.as_ref());
            open.is_some_and(|open| open.enter.makes.is_some() && open.child.is_none())
        };
        let told = leave.parent.filter(waits);
        let parent = told.or_else(|| self.makers.iter().rev().copied().find(waits));
        let parent = parent.and_then(|parent| self.threads.get_mut(&parent));
        let Some((parent, open)) = parent.and_then(|thread| {
            let parent = thread.stream.tid;
            Some((parent, thread.open.as_mut()?))
        }) else {
            let name = leave.name.as_ref().map_or("", |name| name.as_str());
            let makes = made(Makes::of(name, None).unwrap_or(Makes::Either), who);
            return self.shown(None, tid, makes, who.tgid, leave.time_ns, out);
        };
        open.child = Some(tid);
        let (makes, time_ns) = (open.enter.makes, open.enter.time_ns);
        let makes = made(makes.unwrap_or(Makes::Either), who);
        self.shown(parent, tid, makes, who.tgid, time_ns, out)
    }

    /// Where another thread than the first executes a program, it goes on under the first one's number.
    /// Whether a thread of the process has such a call open, which then is `tid`'s.
    pub(super) fn take_over(
        &mut self,
        who: Who,
        tid: u32,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<(), bool> {
        let tgid = who
            .tgid
            .or_else(|| self.threads.get(&tid).and_then(|thread| thread.stream.tgid))
            .unwrap_or(tid);
        let executes = |other: &u32| {
            *other != tid
                && self.threads.get(other).is_some_and(|thread| {
                    let open = thread.open.as_ref();
                    thread.stream.tgid == Some(tgid)
                        && open.is_some_and(|open| is_exec(open.enter.name.as_str()))
                })
        };
        let Some(other) = self.makers.iter().rev().copied().find(executes) else {
            return ControlFlow::Continue(false);
        };
        self.move_thread(other, tid, out)?;
        ControlFlow::Continue(true)
    }

    /// The thread `old` goes on as `tid`, whose own thread ends.
    fn move_thread(&mut self, old: u32, tid: u32, out: &mut Emitter<'_>) -> ControlFlow<()> {
        if !self.is_alive(old) {
            return ControlFlow::Continue(());
        }
        self.end(tid, None, None, out)?;
        let before = self.threads.remove(&tid);
        let Some(mut moved) = self.threads.remove(&old) else {
            return ControlFlow::Continue(());
        };
        // Each keeps the place in the list that its number has.
        let in_list = before.as_ref().is_some_and(|before| before.touched);
        let touched = std::mem::replace(&mut moved.touched, true);
        if !in_list {
            self.touched.push(tid);
        }
        // What it was is over; a number that comes back is another's.
        let mut gone = Thread::new(moved.stream.clone(), moved.incarnation, false);
        gone.alive = false;
        gone.touched = touched;
        self.threads.insert(old, gone);
        moved.exiting = None;
        moved.incarnation = before.map_or(self.first_incarnation, |before| before.incarnation);
        self.threads.insert(tid, moved);
        ControlFlow::Continue(())
    }

    /// The thread runs another program now.
    pub(super) fn exec(
        &mut self,
        tid: u32,
        time_ns: Option<u64>,
        executable: Option<String>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(thread) = self.threads.get_mut(&tid) else {
            return ControlFlow::Continue(());
        };
        let told = thread.exec.take().and_then(|exec| exec.executable);
        let stream = StreamId {
            // Of the threads of a process only one goes on, under the process's own number.
            tid: Some(tid),
            tgid: Some(tid),
            incarnation: thread.incarnation,
            exec_generation: thread.stream.exec_generation.saturating_add(1),
            ..thread.stream.clone()
        };
        let parent = std::mem::replace(&mut thread.stream, stream);
        out.record(life(LifecycleKind::Exec, thread.stream.clone(), |life| {
            life.time_ns = time_ns;
            life.parent = Some(parent);
            life.executable = executable.or(told);
        }))
    }
}

/// What was made, by the process of the child where that is told.
fn made(told: Makes, child: Who) -> Makes {
    match (child.tgid, child.tid) {
        (Some(tgid), Some(tid)) if tgid == tid => Makes::Process,
        (Some(_), Some(_)) => Makes::Thread,
        _ => told,
    }
}

impl Thread {
    fn new(stream: StreamId, incarnation: u32, fresh: bool) -> Self {
        Thread {
            stream,
            incarnation,
            alive: true,
            fresh,
            open: None,
            cut: None,
            exec: None,
            exiting: None,
            touched: false,
        }
    }
}

/// A lifecycle record, of which `fill` says the rest.
fn life(kind: LifecycleKind, stream: StreamId, fill: impl FnOnce(&mut Lifecycle)) -> Record {
    let mut life = Lifecycle {
        time_ns: None,
        stream,
        kind,
        parent: None,
        executable: None,
        uid: None,
        cgroup: None,
        status: None,
    };
    fill(&mut life);
    Record::Lifecycle(life)
}
