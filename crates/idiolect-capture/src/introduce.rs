//! What those run that were there before the recording.
//!
//! Backends tell of births and execs; of a thread that neither of them began, `/proc` is asked when its first call is
//! read. That is a moment later: of one that has ended by then nothing is known, and one that executes another program
//! in that moment may be told of as running it already.

use std::collections::HashSet;
use std::time::Duration;

use crate::{CaptureError, Event, Losses, Source, State, Thread, proc};

/// Threads that are remembered. Those whose end was lost are forgotten with all others when there are so many, and
/// then introduced again, which changes nothing.
const MOST: usize = 1 << 18;

/// A source that introduces threads.
pub(crate) struct Introducing {
    source: Box<dyn Source>,
    /// Those whose beginning was told of, or that were introduced.
    known: HashSet<Thread>,
    /// Calls come in runs of one thread.
    last: Option<Thread>,
}

impl Introducing {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        Introducing {
            source,
            known: HashSet::new(),
            last: None,
        }
    }

    /// Puts an introduction before the first call of each unknown thread among these events.
    fn introduce(&mut self, batch: &mut Vec<Event>, from: usize) {
        let mut found = Vec::new();
        for (place, event) in batch.iter().enumerate().skip(from) {
            match event {
                Event::Call {
                    time_ns, thread, ..
                } if self.last != Some(*thread) => {
                    self.last = Some(*thread);
                    if self.begin(*thread)
                        && let Some(event) = introduction(*time_ns, *thread)
                    {
                        found.push((place, event));
                    }
                }
                Event::Fork { child: thread, .. } | Event::Attach { thread, .. } => {
                    self.begin(*thread);
                }
                Event::Exec { before, after, .. } => {
                    self.known.remove(before);
                    self.begin(*after);
                    self.last = None;
                }
                Event::Exit { thread, .. } => {
                    self.known.remove(thread);
                    self.last = None;
                }
                Event::Call { .. } | Event::Lost { .. } => {}
            }
        }
        if found.is_empty() {
            return;
        }
        let tail = batch.split_off(from);
        let mut found = found.into_iter().peekable();
        for (place, event) in (from..).zip(tail) {
            batch.extend(
                found
                    .next_if(|(before, _)| *before == place)
                    .map(|(_, event)| event),
            );
            batch.push(event);
        }
    }

    /// Remembers a thread. Whether it was unknown.
    fn begin(&mut self, thread: Thread) -> bool {
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(thread)
    }
}

impl Source for Introducing {
    fn poll(&mut self, batch: &mut Vec<Event>, wait: Duration) -> Result<State, CaptureError> {
        let from = batch.len();
        let state = self.source.poll(batch, wait);
        self.introduce(batch, from);
        state
    }

    fn losses(&self) -> Losses {
        self.source.losses()
    }

    fn stop(&mut self) -> Result<(), CaptureError> {
        self.source.stop()
    }
}

/// What `/proc` says of a thread's process, if it is the same process.
fn introduction(time_ns: u64, thread: Thread) -> Option<Event> {
    let executable = proc::executed(thread.tgid)?;
    let uid = proc::uid(thread.tgid)?;
    let cgroup = proc::cgroup(thread.tgid);
    // Asked last: what was read before it was of that process, if it still is.
    (proc::start_ns(thread.tgid)? == proc::in_ticks(thread.start_ns)).then_some(Event::Attach {
        time_ns,
        thread,
        executable,
        uid,
        cgroup,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use idiolect_trace::Abi;

    /// Yields these events, and ends.
    struct Fixed(Vec<Event>);

    impl Source for Fixed {
        fn poll(&mut self, batch: &mut Vec<Event>, _: Duration) -> Result<State, CaptureError> {
            batch.append(&mut self.0);
            Ok(State::Ended(None))
        }

        fn losses(&self) -> Losses {
            Losses::default()
        }

        fn stop(&mut self) -> Result<(), CaptureError> {
            Ok(())
        }
    }

    fn call(thread: Thread) -> Event {
        Event::Call {
            time_ns: 9,
            thread,
            abi: Abi::X86_64,
            number: 0,
            outcome: None,
        }
    }

    /// The events with what was put among them, each as a letter.
    fn introduced(events: Vec<Event>) -> String {
        let mut batch = vec![call(thread_of(1, 0))];
        let mut source = Introducing::new(Box::new(Fixed(events)));
        source.poll(&mut batch, Duration::ZERO).unwrap();
        let letter = |event: &Event| match event {
            Event::Call { .. } => 'c',
            Event::Fork { .. } => 'f',
            Event::Exec { .. } => 'x',
            Event::Attach { .. } => 'A',
            Event::Exit { .. } => 'e',
            Event::Lost { .. } => 'l',
        };
        // The first was there before.
        batch[1..].iter().map(letter).collect()
    }

    fn thread_of(tgid: u32, start_ns: u64) -> Thread {
        Thread {
            tgid,
            tid: tgid,
            start_ns,
            exec_generation: 0,
        }
    }

    #[test]
    fn only_who_was_there_before_is_introduced_and_once() {
        let own = std::process::id();
        // A little after the tick that /proc tells.
        let us = thread_of(own, proc::start_ns(own).unwrap() + 5);
        let other = Thread { tid: 1 << 23, ..us };
        assert_eq!(introduced(vec![call(us), call(us)]), "Acc");
        assert_eq!(introduced(vec![call(us), call(other), call(us)]), "AcAcc");
        let fork = Event::Fork {
            time_ns: 1,
            parent: us,
            child: other,
            is_thread: true,
        };
        assert_eq!(introduced(vec![fork, call(other), call(us)]), "fcAc");
        let exit = Event::Exit {
            time_ns: 1,
            thread: us,
            status: None,
        };
        assert_eq!(introduced(vec![call(us), exit]), "Ace");
        let after = Thread {
            exec_generation: 1,
            ..us
        };
        let exec = Event::Exec {
            time_ns: 1,
            before: us,
            after,
            executable: "/bin/true".to_owned(),
            uid: 0,
            cgroup: None,
        };
        assert_eq!(introduced(vec![call(us), exec, call(after)]), "Acxc");
    }

    #[test]
    fn another_process_of_the_same_number_is_nobody() {
        let own = std::process::id();
        let start_ns = proc::start_ns(own).unwrap();
        let former = thread_of(own, start_ns - 50_000_000);
        assert_eq!(introduced(vec![call(former)]), "c");
        assert_eq!(introduced(vec![call(thread_of(1 << 23, start_ns))]), "c");
    }

    #[test]
    fn it_says_what_runs() {
        let own = std::process::id();
        let us = thread_of(own, proc::start_ns(own).unwrap());
        let Some(Event::Attach {
            executable, uid, ..
        }) = introduction(1, us)
        else {
            panic!("we are there")
        };
        assert_eq!(Some(executable), proc::executed(own));
        assert_eq!(uid, rustix::process::geteuid().as_raw());
    }
}
