//! The processes and threads that a log names: which stream each is at, how it began, and its open call.
//!
//! For formats whose events name their process. A number that ended and comes back is another incarnation;
//! each program that a process executes is another generation.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::read::SkipKind;
use crate::read::line::Emitter;
use crate::{Call, CallName, ExitStatus, Lifecycle, LifecycleKind, Outcome, Record, StreamId};

/// Whom an event names, as far as it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) host: Option<Arc<str>>,
    pub(crate) tgid: Option<u32>,
    pub(crate) tid: Option<u32>,
}

#[derive(Clone, Debug, Default)]
struct Life {
    ended: bool,
    incarnation: u32,
    exec_generation: u32,
    /// The call that it has entered and not left.
    open: Option<Call>,
}

/// What is known of whom.
#[derive(Debug)]
pub(crate) struct Lives {
    origin: Arc<str>,
    bound: usize,
    lives: HashMap<Who, Life>,
    /// How many of them have ended.
    ended: usize,
}

impl Lives {
    /// Remembers at most `bound` of them.
    pub(crate) fn new(origin: Arc<str>, bound: usize) -> Self {
        Lives {
            origin,
            bound: bound.max(1),
            lives: HashMap::new(),
            ended: 0,
        }
    }

    /// The origin of all their streams.
    pub(crate) fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// Whether it has been seen, and not its end.
    pub(crate) fn is_alive(&self, who: &Who) -> bool {
        self.lives.get(who).is_some_and(|life| !life.ended)
    }

    /// The call that it has entered and not left.
    pub(crate) fn open_call(&self, who: &Who) -> Option<&CallName> {
        self.lives.get(who)?.open.as_ref().map(|call| &call.name)
    }

    /// Its stream now. One that had ended, or is new, begins.
    pub(crate) fn stream(&mut self, who: &Who, out: &mut Emitter<'_>) -> StreamId {
        let life = self.life(who, out);
        let (incarnation, exec_generation) =
            life.map_or((0, 0), |life| (life.incarnation, life.exec_generation));
        StreamId {
            host: who.host.clone(),
            tgid: who.tgid,
            tid: who.tid,
            incarnation,
            exec_generation,
            ..StreamId::whole(self.origin.clone())
        }
    }

    /// None where the bound is reached: then it is not remembered.
    fn life(&mut self, who: &Who, out: &mut Emitter<'_>) -> Option<&mut Life> {
        if !self.lives.contains_key(who) {
            // Of those that have ended only the incarnation is known, which others can do without. Seldom, as
            // all have to be looked at.
            if self.lives.len() >= self.bound && self.ended * 8 >= self.bound {
                self.lives.retain(|_, life| !life.ended);
                self.ended = 0;
            }
            if self.lives.len() >= self.bound {
                out.skip(SkipKind::OverBound, b"");
                return None;
            }
            self.lives.insert(who.clone(), Life::default());
        }
        let life = self.lives.get_mut(who)?;
        if life.ended {
            self.ended = self.ended.saturating_sub(1);
            *life = Life {
                incarnation: life.incarnation.saturating_add(1),
                ..Life::default()
            };
        }
        Some(life)
    }

    /// A call was entered. One that was still open did not return in this log.
    pub(crate) fn enter(
        &mut self,
        who: &Who,
        call: Call,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let Some(life) = self.life(who, out) else {
            return out.record(Record::Call(call));
        };
        match life.open.replace(call) {
            Some(before) => {
                out.skip(SkipKind::NeverResumed, before.name.as_str().as_bytes());
                out.record(Record::Call(before))
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// A call was left: with its entry it is one call, without it is one whose entry is not in the log.
    pub(crate) fn leave(
        &mut self,
        who: &Who,
        call: Call,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        match self.take_open(who, Some(&call.name)) {
            Some(entered) => out.record(Record::Call(Call {
                outcome: call.outcome,
                ..entered
            })),
            None => {
                self.close(who, out)?;
                out.skip(SkipKind::OrphanResumed, call.name.as_str().as_bytes());
                out.record(Record::Call(Call {
                    time_ns: None,
                    ..call
                }))
            }
        }
    }

    fn take_open(&mut self, who: &Who, name: Option<&CallName>) -> Option<Call> {
        let life = self.lives.get_mut(who)?;
        life.open
            .take_if(|open| name.is_none_or(|name| open.name == *name))
    }

    /// Yields a call that will not return.
    pub(crate) fn close(&mut self, who: &Who, out: &mut Emitter<'_>) -> ControlFlow<()> {
        match self.take_open(who, None) {
            Some(open) => {
                out.skip(SkipKind::NeverResumed, open.name.as_str().as_bytes());
                out.record(Record::Call(open))
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// The log has ended: yields what is open, in the order of entry.
    pub(crate) fn close_all(&mut self, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let mut open: Vec<Call> = self
            .lives
            .values_mut()
            .filter_map(|life| life.open.take())
            .collect();
        open.sort_by(|a, b| (a.time_ns, &a.stream).cmp(&(b.time_ns, &b.stream)));
        open.into_iter().try_for_each(|call| {
            out.skip(SkipKind::NeverResumed, call.name.as_str().as_bytes());
            out.record(Record::Call(call))
        })
    }

    /// A process or thread was made. Nothing is said of one that had begun already.
    pub(crate) fn begin(
        &mut self,
        kind: LifecycleKind,
        parent: Option<&Who>,
        child: &Who,
        time_ns: Option<u64>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        if self.is_alive(child) {
            return ControlFlow::Continue(());
        }
        let parent = parent.map(|parent| self.stream(parent, out));
        if kind == LifecycleKind::Clone
            && let (Some(parent), Some(life)) = (&parent, self.life(child, out))
        {
            life.exec_generation = parent.exec_generation;
        }
        let stream = self.stream(child, out);
        out.record(Record::Lifecycle(Lifecycle {
            time_ns,
            stream,
            kind,
            parent,
            executable: None,
            uid: None,
            cgroup: None,
            status: None,
        }))
    }

    /// The process runs another program.
    pub(crate) fn exec(
        &mut self,
        who: &Who,
        time_ns: Option<u64>,
        (executable, uid): (Option<String>, Option<u32>),
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        self.close(who, out)?;
        let parent = self.stream(who, out);
        if let Some(life) = self.life(who, out) {
            life.exec_generation = life.exec_generation.saturating_add(1);
        }
        let stream = self.stream(who, out);
        out.record(Record::Lifecycle(Lifecycle {
            time_ns,
            stream,
            kind: LifecycleKind::Exec,
            parent: Some(parent),
            executable,
            uid,
            cgroup: None,
            status: None,
        }))
    }

    /// It ended.
    pub(crate) fn exit(
        &mut self,
        who: &Who,
        time_ns: Option<u64>,
        status: Option<ExitStatus>,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        self.close(who, out)?;
        let stream = self.stream(who, out);
        if let Some(life) = self.lives.get_mut(who) {
            life.ended = true;
            self.ended += 1;
        }
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

    /// Everything that was alive has ended unseen, as by a restart of the machine.
    pub(crate) fn forget(&mut self) {
        for life in self.lives.values_mut() {
            life.ended = true;
        }
        self.ended = self.lives.len();
    }
}

/// An outcome that is not a value, where an error's name or number says so: `ENOENT`, `2`, `-2`.
pub(crate) fn failure(errno: &str) -> Option<Outcome> {
    let number = match errno.strip_prefix('-').unwrap_or(errno).parse::<u16>() {
        Ok(number) => number,
        Err(_) => crate::Errno::from_name(errno)?.0,
    };
    (1..=crate::Errno::MAX)
        .contains(&number)
        .then_some(Outcome::Failed(crate::Errno(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Sink, SourceReport};

    struct Keep(Vec<Record>);

    impl Sink for Keep {
        fn record(&mut self, record: Record) -> ControlFlow<()> {
            self.0.push(record);
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn those_that_ended_make_room() {
        let (mut report, mut sink) = (SourceReport::default(), Keep(Vec::new()));
        let mut out = Emitter {
            line_number: 1,
            report: &mut report,
            sink: &mut sink,
            refusal: None,
        };
        let mut lives = Lives::new("t".into(), 8);
        let who = |tgid| Who {
            tgid: Some(tgid),
            ..Who::default()
        };
        for tgid in 0..100 {
            let _ = lives.begin(LifecycleKind::Fork, None, &who(tgid), None, &mut out);
            assert!(lives.is_alive(&who(tgid)));
            let _ = lives.exit(&who(tgid), None, None, &mut out);
            assert!(lives.lives.len() <= 8);
        }
        assert_eq!(out.report.skips.count(SkipKind::OverBound), 0);
        // The living do not: what is beyond the bound is counted, and has a stream all the same.
        for tgid in 200..209 {
            lives.stream(&who(tgid), &mut out);
        }
        assert!(out.report.skips.count(SkipKind::OverBound) > 0);
        assert_eq!(lives.stream(&who(999), &mut out).tgid, Some(999));
    }

    #[test]
    fn failures_by_name_and_number() {
        for text in ["ENOENT", "2", "-2"] {
            assert_eq!(failure(text), Some(Outcome::Failed(crate::Errno(2))));
        }
        for text in ["0", "4096", "ODD", "", "--2"] {
            assert_eq!(failure(text), None, "{text}");
        }
    }
}
