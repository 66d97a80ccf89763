//! From what was seen of threads to events: who they are, and which calls were denied.

use std::collections::HashMap;
use std::sync::Arc;

use idiolect_trace::{Abi, GapCause, Outcome};

use super::sample::{Seen, What};
use crate::record::now_ns;
use crate::{Event, LossScope, Thread, proc};

/// Whose events are wanted, beyond what the kernel chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All but our own.
    Others,
    /// Of processes of this name.
    Named(String),
    /// What this process does once it has executed its program, and all that it starts.
    Launched(u32),
}

/// What is known of the threads that were seen.
#[derive(Debug)]
pub(super) struct Follow {
    wanted: Wanted,
    outcomes: bool,
    own: u32,
    threads: HashMap<u32, Known>,
    /// Names of processes, where it goes by them.
    names: HashMap<u32, String>,
    /// The number of threads at which those that are gone without our being told are looked for.
    crowd: usize,
    lost: u64,
}

#[derive(Debug)]
struct Known {
    thread: Thread,
    phase: Phase,
    /// The call that it is inside, with outcomes.
    pending: Option<Pending>,
    uid: u32,
    cgroup: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Outside,
    Inside,
    /// The end of its present call is nothing new.
    Silent,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    time_ns: u64,
    abi: Abi,
    number: u32,
}

/// Threads before any are looked for that are gone.
const CROWD: usize = 4096;

impl Follow {
    pub(super) fn new(wanted: Wanted, outcomes: bool) -> Self {
        Follow {
            wanted,
            outcomes,
            own: std::process::id(),
            threads: HashMap::new(),
            names: HashMap::new(),
            crowd: CROWD,
            lost: 0,
        }
    }

    /// Events that were lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// All that was lost by the end, as the kernel counts it. A loss that nothing came after was not told of yet.
    pub(super) fn lost_by_the_end(&mut self, count: u64, events: &mut Vec<Event>) {
        let more = count.saturating_sub(self.lost);
        if more > 0 {
            self.lost = count;
            events.push(lost(now_ns(), LossScope::Everything, more));
        }
    }

    /// Takes the next of what was seen, in the order of time, on this processor. Its time is since boot.
    pub(super) fn take(&mut self, seen: Seen, processor: u32, events: &mut Vec<Event>) {
        let Seen {
            time_ns,
            tgid,
            tid,
            what,
        } = seen;
        // Processes that are not visible in our pid namespace have no number; they would all be one.
        if tid == 0 && !matches!(what, What::Lost(_)) {
            return;
        }
        match what {
            What::Enter { abi, number } => {
                let is_wanted = self.is_wanted(tgid);
                let outcomes = self.outcomes;
                let known = self.known(tgid, tid, time_ns);
                let new = Pending {
                    time_ns,
                    abi,
                    number,
                };
                // Its end was lost.
                let old = known.pending.take();
                events.extend(old.map(|old| old.event(known.thread, None)));
                known.phase = Phase::Inside;
                if is_wanted && outcomes {
                    known.pending = Some(new);
                } else if is_wanted {
                    events.push(new.event(known.thread, None));
                }
            }
            What::Leave { abi, number, value } => {
                let is_wanted = self.is_wanted(tgid);
                let outcomes = self.outcomes;
                let is_new = !self.threads.contains_key(&tid);
                let known = self.known(tgid, tid, time_ns);
                let phase = std::mem::replace(&mut known.phase, Phase::Outside);
                if let Some(pending) = known.pending.take() {
                    events.push(pending.event(known.thread, Some(value)));
                    return;
                }
                let denied = phase == Phase::Outside && !is_new && is_wanted;
                if denied && let Ok(number) = u32::try_from(number) {
                    let call = Pending {
                        time_ns,
                        abi,
                        number,
                    };
                    // Where seccomp answers with a signal the register still holds the number, which is no result.
                    let value = Some(value).filter(|&value| outcomes && value != i64::from(number));
                    events.push(call.event(known.thread, value));
                }
            }
            What::Born {
                parent_tgid,
                parent_tid,
            } => self.born((tgid, tid), (parent_tgid, parent_tid), time_ns, events),
            What::Executed { by_other, path } => {
                let old_tid = self.former(tgid, by_other);
                self.executed((tgid, tid), old_tid, path, time_ns, events);
            }
            What::Named(name) => {
                if matches!(self.wanted, Wanted::Named(_)) && tgid == tid {
                    self.names.insert(tgid, name);
                }
            }
            What::Ended => {
                let is_wanted = self.is_wanted(tgid);
                if tgid == tid {
                    self.names.remove(&tgid);
                }
                let Some(known) = self.threads.remove(&tid) else {
                    return;
                };
                if is_wanted {
                    let pending = known.pending;
                    events.extend(pending.map(|call| call.event(known.thread, None)));
                    events.push(Event::Exit {
                        time_ns,
                        thread: known.thread,
                        status: None,
                    });
                }
            }
            What::Lost(count) => {
                self.lost += count;
                let scope = LossScope::Cpu(processor);
                events.push(lost(time_ns, scope, count));
                // Beginnings and ends do not match any more.
                for known in self.threads.values_mut() {
                    known.phase = Phase::Silent;
                }
                self.look_for_gone();
            }
        }
    }

    fn born(
        &mut self,
        (tgid, tid): (u32, u32),
        (parent_tgid, parent_tid): (u32, u32),
        time_ns: u64,
        events: &mut Vec<Event>,
    ) {
        /// The process whose children are the kernel's own threads.
        const KTHREADD: u32 = 2;
        if parent_tgid == KTHREADD && proc::executable(KTHREADD).is_none() {
            return;
        }
        let is_wanted = self.is_wanted(parent_tgid);
        let is_thread = tgid == parent_tgid;
        if let Some(name) = self.names.get(&parent_tgid)
            && !is_thread
        {
            self.names.insert(tgid, name.clone());
        }
        let parent = self.known(parent_tgid, parent_tid, time_ns);
        let (of, uid, cgroup) = (parent.thread, parent.uid, parent.cgroup.clone());
        let child = Thread {
            tgid,
            tid,
            start_ns: if is_thread { of.start_ns } else { time_ns },
            exec_generation: if is_thread { of.exec_generation } else { 0 },
        };
        let known = Known {
            thread: child,
            phase: Phase::Silent,
            pending: None,
            uid,
            cgroup,
        };
        self.threads.insert(tid, known);
        if is_wanted {
            events.push(Event::Fork {
                time_ns,
                parent: of,
                child,
                is_thread,
            });
        }
    }

    /// What the thread that executed a program was called until then. By now it is the only one, and has the number
    /// of its process; of the former we know only what it is in the first pid namespace.
    fn former(&self, tgid: u32, by_other: Option<u32>) -> u32 {
        let Some(tid) = by_other else { return tgid };
        let is_one = |known: &Known| known.thread.tgid == tgid;
        if self.threads.get(&tid).is_some_and(is_one) {
            return tid;
        }
        let mut threads = self.threads.values().filter(|known| is_one(known));
        threads.next().map_or(tgid, |known| known.thread.tid)
    }

    fn executed(
        &mut self,
        (tgid, tid): (u32, u32),
        old_tid: u32,
        executable: String,
        time_ns: u64,
        events: &mut Vec<Event>,
    ) {
        let was_wanted = self.is_wanted(tgid);
        if let Wanted::Launched(pid) = self.wanted
            && pid == tgid
        {
            self.wanted = Wanted::Others;
        }
        if matches!(self.wanted, Wanted::Named(_))
            && let Some(name) = proc::comm(tgid)
        {
            self.names.insert(tgid, name);
        }
        let is_wanted = was_wanted || self.is_wanted(tgid);
        self.known(tgid, old_tid, time_ns);
        let Some(mut known) = self.threads.remove(&old_tid) else {
            return;
        };
        let before = known.thread;
        let pending = known.pending.take();
        events.extend(pending.map(|call| call.event(before, Some(0))));
        known.phase = Phase::Silent;
        known.thread = Thread {
            tid,
            exec_generation: before.exec_generation + 1,
            ..before
        };
        // A process that has ended by now is what its parent was.
        known.uid = proc::uid(tgid).unwrap_or(known.uid);
        known.cgroup = proc::cgroup(tgid).or(known.cgroup);
        if is_wanted {
            events.push(Event::Exec {
                time_ns,
                before,
                after: known.thread,
                executable,
                uid: known.uid,
                cgroup: known.cgroup.clone(),
            });
        }
        self.threads.insert(tid, known);
    }

    fn is_wanted(&mut self, tgid: u32) -> bool {
        match &self.wanted {
            Wanted::Others => tgid != self.own,
            Wanted::Launched(pid) => tgid != self.own && tgid != *pid,
            Wanted::Named(name) => {
                let own = self
                    .names
                    .entry(tgid)
                    .or_insert_with(|| proc::comm(tgid).unwrap_or_default());
                tgid != self.own && own == name
            }
        }
    }

    /// A thread, which was there before us where it is new.
    fn known(&mut self, tgid: u32, tid: u32, time_ns: u64) -> &mut Known {
        let sibling = self.threads.get(&tgid).map(|leader| leader.thread);
        self.threads.entry(tid).or_insert_with(|| Known {
            thread: Thread {
                tgid,
                tid,
                start_ns: sibling
                    .map(|leader| leader.start_ns)
                    .or_else(|| proc::start_ns(tgid))
                    .unwrap_or(time_ns),
                exec_generation: sibling.map_or(0, |leader| leader.exec_generation),
            },
            phase: Phase::Silent,
            pending: None,
            uid: proc::uid(tgid).unwrap_or_default(),
            cgroup: proc::cgroup(tgid),
        })
    }

    /// Forgets threads whose end was lost.
    fn look_for_gone(&mut self) {
        if self.threads.len() > self.crowd {
            self.threads
                .retain(|&tid, known| proc::is_thread_of(tid, known.thread.tgid));
            self.crowd = CROWD.max(2 * self.threads.len());
        }
    }
}

fn lost(time_ns: u64, scope: LossScope, count: u64) -> Event {
    Event::Lost {
        time_ns,
        scope,
        count: Some(count),
        cause: GapCause::BufferFull,
    }
}

impl Pending {
    fn event(self, thread: Thread, value: Option<i64>) -> Event {
        Event::Call {
            time_ns: self.time_ns,
            thread,
            abi: self.abi,
            number: self.number,
            outcome: value.map(Outcome::from_raw),
        }
    }
}
