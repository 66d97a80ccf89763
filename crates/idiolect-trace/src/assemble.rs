//! From records to streams: which calls follow each other, and how each stream starts and ends.
//!
//! Models consume [`StreamEvent`]s. An open stream has a key, a small number that is never used twice,
//! so that a consumer keeps what it knows of a stream in a map from keys.
//!
//! # Rules
//! - A stream starts with [`StartKind::Exec`] at a [`LifecycleKind::Exec`], with [`StartKind::Thread`] at
//!   a fork or clone, else with [`StartKind::Attach`] at a [`LifecycleKind::Attach`] or its first call.
//! - A call in another ABI than the stream's first is marked: its token is `i386:execve`.
//! - A gap goes to every open stream that it may concern.
//! - **Learn at exec**: a tool that launches a program shows first the call that makes its own child that
//!   program. Where a stream that nothing started holds that one successful `execve` and no more, it is
//!   the launcher's and no stream; it is counted in [`Counts::launcher_calls`].
//! - The end of a source ends all its streams, and at most [`AssembleOptions::open_streams`] are open:
//!   beyond it those that were idle longest end.
//!
//! A stream may end without a call: a thread that was started and made none before the source's end.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Abi, Call, Gap, GapCause, GapScope, Lifecycle, LifecycleKind, Outcome, Record, StartKind,
    StreamId,
};

mod event;
#[cfg(test)]
mod tests;

pub use event::{StreamCall, StreamEvent, StreamGap, StreamStart};

/// Whose calls make a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// One thread's. Clearly better than interleaved calls in published work.
    #[default]
    PerThread,
    /// One process's, its threads interleaved. The stream ends with the thread that the process began
    /// with.
    PerProcess,
    /// All of a source's.
    WholeFile,
}

/// How to assemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssembleOptions {
    /// Whose calls make a stream.
    pub grouping: Grouping,
    /// Streams that may be open at one time; at least 1 is taken.
    pub open_streams: usize,
}

impl Default for AssembleOptions {
    fn default() -> Self {
        AssembleOptions {
            grouping: Grouping::PerThread,
            open_streams: 65_536,
        }
    }
}

/// What an [`Assembler`] has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Streams begun.
    pub streams: u64,
    /// Calls passed on.
    pub calls: u64,
    /// Calls left out because they only launched the program that was traced.
    pub launcher_calls: u64,
    /// Streams that were ended because too many were open.
    pub evicted: u64,
}

/// Turns the records of sources, one source after another, into streams.
#[derive(Debug)]
pub struct Assembler {
    options: AssembleOptions,
    open: HashMap<StreamId, Open>,
    /// Threads whose process is known only by the clone that made them, for [`Grouping::PerProcess`].
    members: HashMap<StreamId, StreamId>,
    next_key: u64,
    /// Counts records, to tell which stream was idle longest.
    clock: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Open {
    key: u64,
    last_used: u64,
    /// ABI of the first call.
    abi: Option<Abi>,
    /// The first call of a stream that nothing started, while it may turn out to be the launcher's. The
    /// stream has then not been announced.
    held: Option<Call>,
}

impl Assembler {
    /// With no stream open.
    pub fn new(options: AssembleOptions) -> Self {
        Assembler {
            options,
            open: HashMap::new(),
            members: HashMap::new(),
            next_key: 0,
            clock: 0,
            counts: Counts::default(),
        }
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes the next record of the source at hand.
    pub fn push(&mut self, record: Record, emit: &mut dyn FnMut(StreamEvent)) {
        self.clock += 1;
        match record {
            Record::Call(call) => self.call(call, emit),
            Record::Lifecycle(lifecycle) => self.lifecycle(lifecycle, emit),
            Record::Gap(gap) => self.gap(&gap, emit),
        }
    }

    /// The source has ended, and with it all its streams.
    pub fn end_source(&mut self, emit: &mut dyn FnMut(StreamEvent)) {
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_unstable_by_key(|(_, stream)| stream.key);
        self.members.clear();
        for (id, mut stream) in open {
            self.release(&id, &mut stream, emit);
            emit(StreamEvent::End { key: stream.key });
        }
    }

    fn call(&mut self, call: Call, emit: &mut dyn FnMut(StreamEvent)) {
        let id = self.group(&call.stream);
        let clock = self.clock;
        if let Some(stream) = self.open.get_mut(id.as_ref()) {
            stream.last_used = clock;
            let held = stream.held.take();
            let (key, own) = (stream.key, *stream.abi.get_or_insert(call.abi));
            if let Some(held) = held {
                self.announce(
                    key,
                    id.as_ref().clone(),
                    StartKind::Attach,
                    None,
                    None,
                    emit,
                );
                self.pass_on(key, held, own, emit);
            }
            self.pass_on(key, call, own, emit);
            return;
        }
        let id = id.into_owned();
        let key = self.new_key();
        let (own, held) = if may_be_launcher(&call) {
            (call.abi, Some(call))
        } else {
            self.announce(key, id.clone(), StartKind::Attach, None, None, emit);
            let own = call.abi;
            self.pass_on(key, call, own, emit);
            (own, None)
        };
        let stream = Open {
            key,
            last_used: clock,
            abi: Some(own),
            held,
        };
        self.insert(id, stream, emit);
    }

    fn lifecycle(&mut self, lifecycle: Lifecycle, emit: &mut dyn FnMut(StreamEvent)) {
        match lifecycle.kind {
            LifecycleKind::Exec => self.exec(lifecycle, emit),
            LifecycleKind::Fork => self.begin_thread(lifecycle, StartKind::Thread, emit),
            LifecycleKind::Attach => self.begin_thread(lifecycle, StartKind::Attach, emit),
            LifecycleKind::Clone => {
                if self.options.grouping == Grouping::PerProcess
                    && let Some(parent) = &lifecycle.parent
                    && lifecycle.stream.tgid.is_none()
                    && self.members.len() < self.options.open_streams.max(1)
                {
                    let process = self.group(parent).into_owned();
                    self.members.insert(lifecycle.stream.clone(), process);
                }
                self.begin_thread(lifecycle, StartKind::Thread, emit);
            }
            LifecycleKind::Exit => self.exit(&lifecycle.stream, emit),
        }
    }

    fn exec(&mut self, lifecycle: Lifecycle, emit: &mut dyn FnMut(StreamEvent)) {
        let id = self.group(&lifecycle.stream).into_owned();
        let before = match &lifecycle.parent {
            Some(parent) => Some(self.group(parent).into_owned()),
            None => one_exec_before(&lifecycle.stream).map(|id| self.group(&id).into_owned()),
        };
        let mut launched = false;
        for old in before.iter().chain([&id]) {
            if self.options.grouping == Grouping::WholeFile
                && self.open.get(old).is_some_and(|s| s.held.is_none())
            {
                // All of the file is one stream, whatever is executed in it.
                return;
            }
            let Some(mut stream) = self.open.remove(old) else {
                continue;
            };
            if stream.held.take().is_some() {
                self.counts.launcher_calls += 1;
                launched = true;
            } else {
                emit(StreamEvent::End { key: stream.key });
            }
        }
        // The launcher is no stream, so it is nobody's parent either.
        let parent = if launched { None } else { before };
        self.begin(id, StartKind::Exec, lifecycle.executable, parent, emit);
    }

    fn begin_thread(
        &mut self,
        lifecycle: Lifecycle,
        kind: StartKind,
        emit: &mut dyn FnMut(StreamEvent),
    ) {
        let id = self.group(&lifecycle.stream).into_owned();
        if self.options.grouping == Grouping::WholeFile || self.open.contains_key(&id) {
            return;
        }
        let parent = lifecycle
            .parent
            .map(|parent| self.group(&parent).into_owned());
        // A new thread's program is its parent's, whatever a source writes.
        let executable = match kind {
            StartKind::Attach => lifecycle.executable,
            _ => None,
        };
        self.begin(id, kind, executable, parent, emit);
    }

    fn begin(
        &mut self,
        id: StreamId,
        kind: StartKind,
        executable: Option<String>,
        parent: Option<StreamId>,
        emit: &mut dyn FnMut(StreamEvent),
    ) {
        let key = self.new_key();
        self.announce(key, id.clone(), kind, executable, parent, emit);
        let stream = Open {
            key,
            last_used: self.clock,
            abi: None,
            held: None,
        };
        self.insert(id, stream, emit);
    }

    fn exit(&mut self, thread: &StreamId, emit: &mut dyn FnMut(StreamEvent)) {
        let ends = match self.options.grouping {
            Grouping::PerThread => true,
            // Its other threads do not end a process.
            Grouping::PerProcess => {
                self.members.remove(thread).is_none()
                    && (thread.tgid.is_none() || thread.tid.is_none() || thread.tgid == thread.tid)
            }
            Grouping::WholeFile => false,
        };
        if !ends {
            return;
        }
        let id = self.group(thread).into_owned();
        if let Some(mut stream) = self.open.remove(&id) {
            self.release(&id, &mut stream, emit);
            emit(StreamEvent::End { key: stream.key });
        }
    }

    fn gap(&mut self, gap: &Gap, emit: &mut dyn FnMut(StreamEvent)) {
        let mut concerned: Vec<(u64, StreamId)> = match &gap.scope {
            GapScope::Stream(id) => {
                let id = self.group(id);
                let open = self.open.get(id.as_ref());
                open.map(|stream| (stream.key, id.into_owned()))
                    .into_iter()
                    .collect()
            }
            GapScope::Origin(origin) | GapScope::Cpu(origin, _) => self
                .open
                .iter()
                // What could not be read of a file may have been any stream's that is in it, whatever
                // origin its records carry.
                .filter(|(id, _)| id.origin == *origin || gap.cause == GapCause::Unreadable)
                .map(|(id, stream)| (stream.key, id.clone()))
                .collect(),
        };
        concerned.sort_unstable_by_key(|(key, _)| *key);
        for (key, id) in concerned {
            if let Some(mut stream) = self.open.remove(&id) {
                self.release(&id, &mut stream, emit);
                self.open.insert(id, stream);
            }
            emit(StreamEvent::Gap(StreamGap {
                key,
                time_ns: gap.time_ns,
                lost: gap.lost,
                cause: gap.cause,
            }));
        }
    }

    /// The identity of the stream that a thread's calls belong to.
    fn group<'a>(&self, thread: &'a StreamId) -> Cow<'a, StreamId> {
        match self.options.grouping {
            Grouping::PerThread => Cow::Borrowed(thread),
            Grouping::PerProcess => Cow::Owned(match self.members.get(thread) {
                Some(process) => process.clone(),
                None => StreamId {
                    tgid: thread.tgid.or(thread.tid),
                    tid: None,
                    ..thread.clone()
                },
            }),
            Grouping::WholeFile => Cow::Owned(StreamId::whole(Arc::clone(&thread.origin))),
        }
    }

    fn insert(&mut self, id: StreamId, stream: Open, emit: &mut dyn FnMut(StreamEvent)) {
        self.open.insert(id, stream);
        let bound = self.options.open_streams.max(1);
        if self.open.len() <= bound {
            return;
        }
        // An eighth at once, so that the search for the idle ones costs little a stream.
        let mut idle: Vec<(u64, StreamId)> = self
            .open
            .iter()
            .map(|(id, stream)| (stream.last_used, id.clone()))
            .collect();
        idle.sort_unstable_by_key(|(last_used, _)| *last_used);
        idle.truncate((bound / 8).max(1));
        for (_, id) in idle {
            if let Some(mut stream) = self.open.remove(&id) {
                self.release(&id, &mut stream, emit);
                emit(StreamEvent::End { key: stream.key });
                self.counts.evicted += 1;
            }
        }
    }

    /// Passes on a held call, which then was a stream's and not the launcher's.
    fn release(&mut self, id: &StreamId, stream: &mut Open, emit: &mut dyn FnMut(StreamEvent)) {
        if let Some(call) = stream.held.take() {
            let own = call.abi;
            self.announce(stream.key, id.clone(), StartKind::Attach, None, None, emit);
            self.pass_on(stream.key, call, own, emit);
        }
    }

    fn announce(
        &mut self,
        key: u64,
        id: StreamId,
        kind: StartKind,
        executable: Option<String>,
        parent: Option<StreamId>,
        emit: &mut dyn FnMut(StreamEvent),
    ) {
        self.counts.streams += 1;
        emit(StreamEvent::Start(StreamStart {
            key,
            id,
            kind,
            executable,
            parent,
        }));
    }

    fn pass_on(&mut self, key: u64, call: Call, own: Abi, emit: &mut dyn FnMut(StreamEvent)) {
        self.counts.calls += 1;
        emit(StreamEvent::Call(StreamCall {
            key,
            time_ns: call.time_ns,
            name: call.name,
            other_abi: (call.abi != own).then_some(call.abi),
            outcome: call.outcome,
        }));
    }

    fn new_key(&mut self) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        key
    }
}

/// A first call that may turn out to be what launched the traced program: an exec that did not fail.
fn may_be_launcher(call: &Call) -> bool {
    matches!(call.name.as_str(), "execve" | "execveat")
        && !matches!(call.outcome, Some(Outcome::Failed(_)))
}

/// The stream that an exec replaced, where its record does not name it.
fn one_exec_before(id: &StreamId) -> Option<StreamId> {
    Some(StreamId {
        exec_generation: id.exec_generation.checked_sub(1)?,
        ..id.clone()
    })
}
