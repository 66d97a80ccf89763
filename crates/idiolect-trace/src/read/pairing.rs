//! Enter and exit of one call, which most tracers of the kernel print as two events, made one call.
//!
//! A call is yielded once: when it returns, with the time of its entry and its outcome. A thread has one
//! open call at a time, so this is the order of entry within a stream.
//!
//! | what comes | what is made of it |
//! |---|---|
//! | an enter while the thread's last call is open | that call never returned: it is yielded without outcome |
//! | an exit without an enter | the call was entered before the recording began: yielded without time |
//! | 0, or nothing, as the exit of a fork or clone without an enter, first of its thread | no call: the child's birth |
//! | 0 as the exit of `execve` | the call, then the new program |
//! | `exit`, `exit_group` | yielded at once, they do not return; the thread ends with its exit event, or when its number comes back, or with the file |
//! | lost events | open calls are yielded without outcome, then a [`Gap`]; their exits, should they come, are taken for theirs |
//! | the end of the file | open calls are yielded without outcome |
//!
//! A file without any exit (only `sys_enter` was recorded) is no file of calls that never returned, so
//! nothing is counted then.
//!
//! Whose child a new thread is: what a fork event says; else what the parent's call returned; else, of the
//! forks that are open and have no child yet, the one that began last. A returned number may be one of
//! another namespace, so it does not count where the number is in use. Where events tell their process, and
//! what made the thread does not say what it made, its first event does.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::read::SkipKind;
use crate::read::line::Emitter;
use crate::{Call, CallName, Gap, GapCause, GapScope, Outcome, Record, StreamId};

mod event;
mod lives;

use self::event::ends_thread;
pub(crate) use self::event::{CLONE_THREAD, Enter, Leave, Makes, Who, is_exec};

/// Forks and execs that are remembered while they are open.
const MAX_MAKERS: usize = 64;

#[derive(Debug)]
struct Open {
    enter: Enter,
    /// The child that was seen before the call returned.
    child: Option<u32>,
    sequence: u64,
}

#[derive(Debug)]
struct Thread {
    stream: StreamId,
    /// How often its number was used before.
    incarnation: u32,
    alive: bool,
    /// Whether it has made no call yet, and how it was made was told.
    fresh: bool,
    open: Option<Open>,
    /// The call that was yielded at a loss of events, whose exit may still come.
    cut: Option<CallName>,
    /// A program was executed, and the call has not returned yet.
    exec: Option<Executed>,
    /// It called `exit`, at this time and as the so-many-th event.
    exiting: Option<(Option<u64>, u64)>,
    /// Whether it is in [`Pairing::touched`].
    touched: bool,
}

#[derive(Debug)]
struct Executed {
    time_ns: Option<u64>,
    executable: Option<String>,
}

/// The threads of a file, and the calls that are open in them.
#[derive(Debug)]
pub(crate) struct Pairing {
    origin: Arc<str>,
    threads: HashMap<u32, Thread>,
    capacity: usize,
    sequence: u64,
    /// First incarnation of a number that is not in the table: numbers may have been forgotten.
    first_incarnation: u32,
    /// Whether an exit was seen.
    exits: bool,
    /// Whether events tell their process.
    processes: bool,
    /// Threads that may have something open: those that did something since all was closed.
    touched: Vec<u32>,
    /// Threads that began a fork or an exec and may be in it still, the latest last.
    makers: Vec<u32>,
    /// Threads whose birth was told, and not yet whether they are of a process of their own: what they show
    /// first will.
    unborn: HashMap<u32, Unborn>,
}

#[derive(Clone, Copy, Debug)]
struct Unborn {
    parent: Option<u32>,
    time_ns: Option<u64>,
}

impl Pairing {
    pub(crate) fn new(origin: Arc<str>, capacity: usize) -> Self {
        Pairing {
            origin,
            threads: HashMap::new(),
            capacity: capacity.max(1),
            sequence: 0,
            first_incarnation: 0,
            exits: false,
            processes: false,
            touched: Vec::new(),
            makers: Vec::new(),
            unborn: HashMap::new(),
        }
    }

    /// A call is entered.
    pub(crate) fn enter(
        &mut self,
        who: Who,
        enter: Enter,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(tid) = who.tid else {
            return self.whole(who, enter, None, out);
        };
        self.processes |= who.tgid.is_some();
        self.sequence += 1;
        let sequence = self.sequence;
        if !self.is_alive(tid) {
            self.begin(who, tid, out)?;
        }
        if self
            .threads
            .get(&tid)
            .is_some_and(|thread| thread.open.is_some() || thread.exec.is_some())
        {
            self.give_up(tid, out)?;
        }
        if enter.makes.is_some() || is_exec(enter.name.as_str()) {
            self.makers.retain(|maker| *maker != tid);
            if self.makers.len() == MAX_MAKERS {
                self.makers.remove(0);
            }
            self.makers.push(tid);
        }
        let Some(thread) = self.threads.get_mut(&tid) else {
            return ControlFlow::Continue(());
        };
        thread.fresh = false;
        thread.cut = None;
        if !std::mem::replace(&mut thread.touched, true) {
            self.touched.push(tid);
        }
        if ends_thread(enter.name.as_str()) {
            thread.exiting = Some((enter.time_ns, sequence));
            let record = call(&thread.stream, enter, None);
            return out.record(record);
        }
        thread.open = Some(Open {
            enter,
            child: None,
            sequence,
        });
        ControlFlow::Continue(())
    }

    /// A call of which the thread is not known.
    pub(crate) fn whole(
        &mut self,
        who: Who,
        enter: Enter,
        outcome: Option<Outcome>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let stream = StreamId {
            tgid: who.tgid,
            ..StreamId::whole(self.origin.clone())
        };
        out.record(call(&stream, enter, outcome))
    }

    /// The stream of a thread that was seen.
    pub(crate) fn stream(&self, tid: u32) -> Option<StreamId> {
        self.threads.get(&tid).map(|thread| thread.stream.clone())
    }

    /// Whether the thread has a call open, and which.
    pub(crate) fn open_name(&self, tid: u32) -> Option<&CallName> {
        let open = self.threads.get(&tid)?.open.as_ref()?;
        Some(&open.enter.name)
    }

    /// A call returns. `line` is shown where its beginning is missing.
    pub(crate) fn leave(
        &mut self,
        who: Who,
        leave: Leave,
        line: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        self.exits = true;
        self.processes |= who.tgid.is_some();
        let Some(tid) = who.tid else {
            return ControlFlow::Continue(());
        };
        let Some(thread) = self.threads.get_mut(&tid).filter(|thread| thread.alive) else {
            if leave.is_birth() || leave.may_be_birth() {
                return self.born_unseen(who, tid, &leave, out);
            }
            if leave.executed() && self.take_over(who, tid, out)? {
                return self.complete(tid, leave, out);
            }
            self.begin(who, tid, out)?;
            return self.orphan(tid, leave, line, out);
        };
        let is = |name: &CallName| leave.name.as_ref().is_none_or(|left| left == name);
        match &thread.open {
            Some(open) if is(&open.enter.name) => return self.complete(tid, leave, out),
            Some(_) => {}
            None if thread.cut.as_ref().is_some_and(is) => {
                let name = thread.cut.take();
                return self.effects(tid, name.as_ref(), None, &leave, out);
            }
            // What the call that ended the thread left, or an event without a name.
            None if leave.name.is_none() || thread.exiting.is_some() => {
                return ControlFlow::Continue(());
            }
            None if thread.fresh && (leave.is_birth() || leave.may_be_birth()) => {
                return ControlFlow::Continue(());
            }
            None => {}
        }
        if leave.is_birth() {
            // The number is another thread's now.
            self.end(tid, None, None, out)?;
            return self.born_unseen(who, tid, &leave, out);
        }
        if leave.executed() && self.take_over(who, tid, out)? {
            return self.complete(tid, leave, out);
        }
        self.give_up_open(tid, out)?;
        self.orphan(tid, leave, line, out)
    }

    /// Events were lost: open calls may have returned, and others been made.
    pub(crate) fn lost(
        &mut self,
        cpu: Option<u32>,
        lost: Option<u64>,
        cause: GapCause,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let open = self.open_threads();
        for tid in self.touched.drain(..) {
            if let Some(thread) = self.threads.get_mut(&tid) {
                thread.touched = thread.exec.is_some();
            }
        }
        for tid in open {
            let Some(thread) = self.threads.get_mut(&tid) else {
                continue;
            };
            if thread.touched {
                self.touched.push(tid);
            }
            if let Some(open) = thread.open.take() {
                thread.cut = Some(open.enter.name.clone());
                let record = call(&thread.stream, open.enter, None);
                out.record(record)?;
            }
        }
        out.record(Record::Gap(Gap {
            time_ns,
            scope: match cpu {
                Some(cpu) => GapScope::Cpu(self.origin.clone(), cpu),
                None => GapScope::Origin(self.origin.clone()),
            },
            lost,
            cause,
        }))
    }

    /// A line that may have been a call could not be read.
    pub(crate) fn unreadable(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        out.skip(SkipKind::Unparsed, line);
        self.lost(None, None, GapCause::Unreadable, None, out)
    }

    /// The file has ended: yields all open calls, in the order in which they began, and the ends of
    /// threads that called `exit`.
    pub(crate) fn finish(&mut self, out: &mut Emitter<'_>) -> ControlFlow<()> {
        for tid in self.open_threads() {
            self.give_up(tid, out)?;
        }
        let mut exiting: Vec<(u64, u32)> = self
            .threads
            .iter()
            .filter_map(|(tid, thread)| Some((thread.exiting?.1, *tid)))
            .collect();
        exiting.sort_unstable();
        for (_, tid) in exiting {
            self.end(tid, None, None, out)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether the thread was seen and has not ended.
    fn is_alive(&self, tid: u32) -> bool {
        self.threads
            .get(&tid)
            .is_some_and(|thread| thread.alive && thread.exiting.is_none())
    }

    /// Threads with something open, by the order in which it began.
    fn open_threads(&self) -> Vec<u32> {
        let begun = |tid: &u32| {
            let thread = self.threads.get(tid)?;
            match &thread.open {
                Some(open) => Some((open.sequence, *tid)),
                None => thread.exec.is_some().then_some((0, *tid)),
            }
        };
        let mut open: Vec<(u64, u32)> = self.touched.iter().filter_map(begun).collect();
        open.sort_unstable();
        open.dedup();
        open.into_iter().map(|(_, tid)| tid).collect()
    }

    /// The thread's open call returns.
    fn complete(&mut self, tid: u32, leave: Leave, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some(thread) = self.threads.get_mut(&tid) else {
            return ControlFlow::Continue(());
        };
        let Some(Open { enter, child, .. }) = thread.open.take() else {
            return ControlFlow::Continue(());
        };
        let plain = enter.makes.is_none() && !is_exec(enter.name.as_str());
        if plain {
            let record = call(&thread.stream, enter, leave.outcome);
            return out.record(record);
        }
        let told = Told {
            time_ns: enter.time_ns,
            makes: enter.makes,
            executable: enter.executable.clone(),
            child,
        };
        let name = enter.name.clone();
        let record = call(&thread.stream, enter, leave.outcome);
        out.record(record)?;
        self.effects(tid, Some(&name), Some(told), &leave, out)
    }

    /// What a call that returned did to threads and programs.
    fn effects(
        &mut self,
        tid: u32,
        name: Option<&CallName>,
        told: Option<Told>,
        leave: &Leave,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let (Some(name), Some(Outcome::Returned(value))) = (name, leave.outcome) else {
            return ControlFlow::Continue(());
        };
        let told = told.unwrap_or_else(|| Told {
            time_ns: leave.time_ns,
            makes: Makes::of(name.as_str(), None),
            ..Told::default()
        });
        if is_exec(name.as_str()) {
            if value == 0 {
                return self.exec(tid, told.time_ns, told.executable, out);
            }
            return ControlFlow::Continue(());
        }
        let child = u32::try_from(value).ok().filter(|child| *child > 0);
        match (leave.makes.or(told.makes), child) {
            (Some(makes), Some(child)) if told.child.is_none() && !self.is_alive(child) => {
                let parent = Some(tid);
                self.born(parent, child, makes, None, told.time_ns, out)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    /// A call whose enter is missing.
    fn orphan(
        &mut self,
        tid: u32,
        leave: Leave,
        line: &[u8],
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(name) = leave.name.clone() else {
            return ControlFlow::Continue(());
        };
        let Some(thread) = self.threads.get_mut(&tid) else {
            return ControlFlow::Continue(());
        };
        thread.fresh = false;
        thread.cut = None;
        out.skip(SkipKind::OrphanResumed, line);
        out.record(Record::Call(Call {
            time_ns: None,
            stream: thread.stream.clone(),
            abi: leave.abi,
            number: leave.number,
            name: name.clone(),
            outcome: leave.outcome,
        }))?;
        self.effects(tid, Some(&name), None, &leave, out)
    }

    /// Yields what is open in a thread as a call that never returned; after an exec event it did.
    fn give_up(&mut self, tid: u32, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some(thread) = self.threads.get_mut(&tid) else {
            return ControlFlow::Continue(());
        };
        let Some(Executed { time_ns, .. }) = thread.exec else {
            return self.give_up_open(tid, out);
        };
        if let Some(open) = thread.open.take() {
            let ended = is_exec(open.enter.name.as_str()).then_some(Outcome::Returned(0));
            let record = call(&thread.stream, open.enter, ended);
            out.record(record)?;
        }
        self.exec(tid, time_ns, None, out)
    }

    fn give_up_open(&mut self, tid: u32, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some(thread) = self.threads.get_mut(&tid) else {
            return ControlFlow::Continue(());
        };
        let Some(open) = thread.open.take() else {
            return ControlFlow::Continue(());
        };
        if self.exits {
            let name = open.enter.name.as_str().as_bytes();
            out.skip(SkipKind::NeverResumed, name);
        }
        let record = call(&thread.stream, open.enter, None);
        out.record(record)
    }
}

/// What was told of a call while it was open.
#[derive(Debug, Default)]
struct Told {
    time_ns: Option<u64>,
    makes: Option<Makes>,
    executable: Option<String>,
    child: Option<u32>,
}

fn call(stream: &StreamId, enter: Enter, outcome: Option<Outcome>) -> Record {
    Record::Call(Call {
        time_ns: enter.time_ns,
        stream: stream.clone(),
        abi: enter.abi,
        number: enter.number,
        name: enter.name,
        outcome,
    })
}
