#![allow(clippy::print_stdout, reason = "a skipped test says so")]

//! The source with a kernel side that is told what to send.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idiolect_trace::{Abi, ExitStatus, GapCause};

use super::kernel::{Counters, Kernel, Lost};
use super::{EbpfSource, THREADS, comm, ring_bytes};
use crate::{CaptureError, Event, LossScope, Losses, Options, Source, State, Target};

#[derive(Debug, Default)]
struct Script {
    ring: VecDeque<Vec<u8>>,
    counters: Counters,
    is_detached: bool,
}

struct Fake(Arc<Mutex<Script>>);

impl Kernel for Fake {
    fn attach(&mut self) -> Result<(), CaptureError> {
        Ok(())
    }

    fn drain(&mut self, most: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        let mut script = self.0.lock().unwrap();
        let count = most.min(script.ring.len());
        for record in script.ring.drain(..count) {
            each(&record);
        }
        count
    }

    fn counters(&self) -> Result<Counters, CaptureError> {
        Ok(self.0.lock().unwrap().counters)
    }

    fn detach(&mut self) -> Result<(), CaptureError> {
        self.0.lock().unwrap().is_detached = true;
        Ok(())
    }
}

/// A record with only a kind (and the native convention), a number and what follows.
fn record(kind: u32, detail: u32, rest: &[u64]) -> Vec<u8> {
    let mut bytes = [1u64.to_ne_bytes(), 2u64.to_ne_bytes()].concat();
    for part in [7, 7, kind | 1 << 4, detail] {
        bytes.extend(u32::to_ne_bytes(part));
    }
    bytes.extend(rest.iter().flat_map(|part| part.to_ne_bytes()));
    bytes
}

fn call(number: u32) -> Vec<u8> {
    record(1, number, &[])
}

fn mark(ring_full: u64, table_full: u64) -> Vec<u8> {
    record(6, 0, &[ring_full, table_full])
}

fn source(finite: bool) -> (EbpfSource, Arc<Mutex<Script>>) {
    let script = Arc::new(Mutex::new(Script::default()));
    let kernel = Box::new(Fake(Arc::clone(&script)));
    (EbpfSource::new(kernel, finite), script)
}

/// Numbers of calls, and losses as they stand among them.
fn poll(source: &mut EbpfSource) -> (Vec<String>, State) {
    let mut events = Vec::new();
    let state = source.poll(&mut events, Duration::from_millis(30)).unwrap();
    let said = events.into_iter().map(|event| match event {
        Event::Call { number, abi, .. } => {
            assert_eq!(abi, Abi::X86_64);
            number.to_string()
        }
        Event::Lost {
            count: Some(count),
            cause,
            scope: LossScope::Everything,
            ..
        } => match cause {
            GapCause::BufferFull => format!("ring {count}"),
            GapCause::TableFull => format!("table {count}"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    (said.collect(), state)
}

#[test]
fn losses_stand_where_they_happened_and_count_once() {
    let (mut source, script) = source(false);
    {
        let mut script = script.lock().unwrap();
        // The counter has gone on already when the first mark is read.
        script.counters.lost = Lost {
            ring_full: 9,
            table_full: 1,
        };
        script.ring.extend([
            call(1),
            mark(3, 0),
            call(2),
            // Asked for by an event that the mark before has counted.
            mark(3, 0),
            call(3),
            mark(5, 1),
            call(4),
        ]);
    }
    let (said, state) = poll(&mut source);
    assert_eq!(said, ["1", "ring 3", "2", "3", "ring 2", "table 1", "4"]);
    assert_eq!(state, State::Running);
    // What no event came after is told once the ring buffer is seen empty.
    assert_eq!(poll(&mut source).0, ["ring 4"]);
    assert_eq!(poll(&mut source).0, [""; 0]);
    assert_eq!(
        source.losses(),
        Losses {
            buffer_full: 9,
            table_full: 1,
            ..Losses::default()
        }
    );
}

#[test]
fn a_record_that_is_not_understood_is_a_loss() {
    let (mut source, script) = source(false);
    script.lock().unwrap().ring.extend([vec![1, 2, 3], call(5)]);
    assert_eq!(poll(&mut source).0, ["5"]);
    assert_eq!(source.losses().unknown, 1);
}

#[test]
fn it_ends_when_nothing_is_followed_and_all_was_read() {
    let (mut source, script) = source(true);
    script.lock().unwrap().counters.followed = 1;
    assert_eq!(poll(&mut source), (vec![], State::Running));
    {
        let mut script = script.lock().unwrap();
        script.counters.followed = 0;
        script.ring.push_back(call(1));
    }
    assert_eq!(poll(&mut source), (vec!["1".to_owned()], State::Running));
    assert_eq!(poll(&mut source), (vec![], State::Ended(None)));
}

#[test]
fn what_was_seen_before_it_is_stopped_is_yielded() {
    let (mut source, script) = source(false);
    {
        let mut script = script.lock().unwrap();
        script.ring.push_back(call(1));
        script.counters.lost.ring_full = 2;
    }
    source.stop().unwrap();
    assert!(script.lock().unwrap().is_detached);
    assert_eq!(poll(&mut source), (vec!["1".to_owned()], State::Running));
    assert_eq!(poll(&mut source).0, ["ring 2"]);
    assert_eq!(poll(&mut source), (vec![], State::Ended(None)));
}

#[test]
fn sizes_and_names() {
    assert_eq!(ring_bytes(1), 16 << 20);
    assert_eq!(ring_bytes(6), 32 << 20);
    assert_eq!(ring_bytes(1000), 64 << 20);
    assert_eq!(comm("sh"), *b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(comm("a-name-that-is-too-long"), *b"a-name-that-is-\0");
}

/// Loads the real kernel side, both ways that it can read the kernel's memory.
#[test]
fn the_way_of_older_kernels_sees_the_same() {
    let target = Target::Command(vec!["true".into()]);
    let mut recorded = Vec::new();
    for untyped in [false, true] {
        let mut source = match EbpfSource::begin(&target, Options::default(), THREADS, untyped) {
            Err(error @ CaptureError::Unavailable { .. }) => {
                return println!("skipped: {error}");
            }
            opened => opened.unwrap(),
        };
        let mut events = Vec::new();
        while source.poll(&mut events, Duration::from_secs(1)).unwrap() == State::Running {}
        assert_eq!(source.losses().total(), 0);
        recorded.push(events);
    }
    let calls = |events: &[Event]| -> Vec<(Abi, u32)> {
        events
            .iter()
            .filter_map(|event| match event {
                Event::Call { abi, number, .. } => Some((*abi, *number)),
                _ => None,
            })
            .collect()
    };
    assert!(!calls(&recorded[0]).is_empty());
    assert_eq!(calls(&recorded[0]), calls(&recorded[1]));
}

#[test]
fn threads_that_find_no_place_are_counted() {
    // The shell has the only place; each of its children is refused one.
    let script = "env true; env true; exit 5";
    let target = Target::Command(["sh", "-c", script].map(Into::into).to_vec());
    let mut source = match EbpfSource::begin(&target, Options::default(), 1, false) {
        Err(error @ CaptureError::Unavailable { .. }) => return println!("skipped: {error}"),
        opened => opened.unwrap(),
    };
    let mut events = Vec::new();
    let status = loop {
        match source.poll(&mut events, Duration::from_secs(1)).unwrap() {
            State::Running => {}
            State::Ended(status) => break status,
        }
    };
    assert_eq!(status, Some(ExitStatus::Code(5)));
    let refused = events.iter().filter_map(|event| match event {
        Event::Lost {
            cause: GapCause::TableFull,
            count,
            ..
        } => *count,
        _ => None,
    });
    let refused: u64 = refused.sum();
    assert!(refused >= 2, "{refused}");
    assert_eq!(source.losses().table_full, refused);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Fork { .. }))
    );
}
