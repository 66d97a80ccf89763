#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests may fail as tests do, and skipped ones say so"
)]

//! Records as the kernel writes them, and what they mean.

use std::ops::Range;

use idiolect_trace::{Abi, GapCause, Outcome};
use proptest::prelude::*;

use rustix::thread::CpuSet;

use super::PerfSource;
use super::attr::{self, Scope};
use super::follow::{Follow, Wanted};
use super::sample::{self, Points, Seen, What};
use crate::{CaptureError, Event, LossScope};

const POINTS: Points = Points {
    enter: 443,
    exit: 442,
    exec: 365,
};

/// No process has such a number (the kernel's largest is 2^22).
const NOBODY: u32 = 1 << 23;

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A sample of a trace point with these fields, by thread 8 of process 7 at 9, with registers.
fn sample(point: u16, fields: &[u8], registers: &[u64]) -> Vec<u8> {
    let raw = bytes(&[&point.to_ne_bytes(), &[0, 0], &8u32.to_ne_bytes(), fields]);
    // Padded so that what follows is aligned.
    let padded = (raw.len() + 4).next_multiple_of(8) - 4;
    let mut all = bytes(&[
        &7u32.to_ne_bytes(),
        &8u32.to_ne_bytes(),
        &9u64.to_ne_bytes(),
        &u32::try_from(padded).unwrap().to_ne_bytes(),
        &raw,
    ]);
    all.resize(20 + padded, 0);
    all.extend(registers.iter().flat_map(|register| register.to_ne_bytes()));
    all
}

#[cfg(target_arch = "x86_64")]
#[test]
fn conventions_are_known_by_registers() {
    // By `syscall`: the return address in rcx and the flags in r11.
    let by_syscall = [2, 0x1000, 0x1000, 0x246, 0x246];
    let by_int80 = [2, 5, 0x1000, 0x246, 0];
    let of_32_bit = [1, 5, 0x1000, 0x246];
    for (registers, number, expected) in [
        (&by_syscall[..], 39u64, (Abi::X86_64, 39)),
        (&by_syscall, 0x4000_0027, (Abi::X32, 39)),
        (&by_syscall, u64::MAX, (Abi::X86_64, u32::MAX)),
        (&by_int80, 20, (Abi::I386, 20)),
        (&of_32_bit, 20, (Abi::I386, 20)),
    ] {
        let fields = bytes(&[&number.to_ne_bytes(), &[0; 48]]);
        let seen = sample::read(9, &sample(443, &fields, registers), &POINTS).unwrap();
        let (abi, number) = expected;
        assert_eq!((seen.tgid, seen.tid, seen.time_ns), (7, 8, 9));
        assert_eq!(seen.what, What::Enter { abi, number });
    }
}

#[test]
fn other_records() {
    let registers = [2, 0x1000, 0x1000, 0x246, 0x246];
    let fields = bytes(&[&39u64.to_ne_bytes(), &(-1i64).to_ne_bytes()]);
    let seen = sample::read(9, &sample(442, &fields, &registers), &POINTS).unwrap();
    assert!(matches!(
        seen.what,
        What::Leave {
            number: 39,
            value: -1,
            ..
        }
    ));

    // The path's place is 20 bytes from the beginning of the trace point's own fields.
    let place = 20u32 | 10 << 16;
    let fields = bytes(&[
        &place.to_ne_bytes(),
        &7u32.to_ne_bytes(),
        &8u32.to_ne_bytes(),
        b"/bin/true\0",
    ]);
    let seen = sample::read(9, &sample(365, &fields, &[]), &POINTS).unwrap();
    let path = "/bin/true".to_owned();
    let by_other = Some(8);
    assert_eq!(seen.what, What::Executed { by_other, path });

    let identity = bytes(&[&[0; 8], &9u64.to_ne_bytes()]);
    let lost = bytes(&[&1u64.to_ne_bytes(), &5u64.to_ne_bytes(), &identity]);
    assert_eq!(sample::read(2, &lost, &POINTS).unwrap().what, What::Lost(5));
    let named = bytes(&[
        &7u32.to_ne_bytes(),
        &7u32.to_ne_bytes(),
        b"sh\0\0\0\0\0\0",
        &identity,
    ]);
    let seen = sample::read(3, &named, &POINTS).unwrap();
    assert_eq!(seen.what, What::Named("sh".to_owned()));
    let four = [10u32, 7, 11, 8].map(u32::to_ne_bytes).concat();
    let life = bytes(&[&four, &9u64.to_ne_bytes(), &identity]);
    let born = sample::read(7, &life, &POINTS).unwrap();
    assert_eq!((born.tgid, born.tid), (10, 11));
    let (parent_tgid, parent_tid) = (7, 8);
    assert_eq!(
        born.what,
        What::Born {
            parent_tgid,
            parent_tid
        }
    );
    assert_eq!(sample::read(4, &life, &POINTS).unwrap().what, What::Ended);
}

proptest! {
    #[test]
    fn nothing_panics(kind in 0u32..16, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = sample::read(kind, &bytes, &POINTS);
    }
}

/// Records that were read and that were lost while a thread of ours made so many calls and nobody read.
fn starve(calls: usize) -> Result<(u64, u64), CaptureError> {
    let starved = move || {
        // On one processor, so that what is not the loop is the same each time.
        let own = rustix::thread::gettid();
        let mut allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU)
            .find(|&cpu| allowed.is_set(cpu))
            .unwrap();
        allowed.clear();
        allowed.set(first);
        rustix::thread::sched_setaffinity(None, &allowed).unwrap();
        let scope = Scope::Thread(own.as_raw_nonzero().get());
        let points = Points::of_this_machine()?;
        let follow = Follow::new(Wanted::Others, false);
        let mut source = PerfSource::new(&[scope], points, follow)?;
        source.enable(true)?;
        for _ in 0..calls {
            let _ = rustix::process::getppid();
        }
        source.enable(false)?;
        let mut read = 0;
        for (_, ring) in &mut source.rings {
            ring.drain(
                &mut |kind, bytes| match sample::read(kind, bytes, &points) {
                    Some(Seen {
                        what: What::Lost(_),
                        ..
                    }) => panic!("nothing came after the loss"),
                    Some(_) => read += 1,
                    None => panic!("a record of kind {kind}: {bytes:?}"),
                },
            );
        }
        Ok((
            read,
            source.events.iter().filter_map(attr::Event::lost).sum(),
        ))
    };
    std::thread::spawn(starved).join().unwrap()
}

#[test]
fn what_a_starved_reader_loses_is_counted_exactly() {
    const FEW: usize = 1000;
    const MANY: usize = 200_000;
    let (read, lost) = match starve(FEW) {
        Err(error @ CaptureError::Unavailable { .. }) => return println!("skipped: {error}"),
        counted => counted.unwrap(),
    };
    assert_eq!(lost, 0);
    // Each call is a beginning and an end.
    let sent = read + 2 * u64::try_from(MANY - FEW).unwrap();
    let (read, lost) = starve(MANY).unwrap();
    if lost == 0 && read < sent {
        return println!(
            "skipped: this kernel does not count a loss that nothing comes after (Linux 6.0)"
        );
    }
    assert!(lost > 0);
    assert_eq!(read + lost, sent);
}

fn take(follow: &mut Follow, whats: impl IntoIterator<Item = What>) -> Vec<Event> {
    let mut events = Vec::new();
    for (time_ns, what) in (1..).zip(whats) {
        let seen = Seen {
            time_ns,
            tgid: NOBODY,
            tid: NOBODY,
            what,
        };
        follow.take(seen, 1, &mut events);
    }
    events
}

const ENTER: What = What::Enter {
    abi: Abi::X86_64,
    number: 39,
};
const LEAVE: What = What::Leave {
    abi: Abi::X86_64,
    number: 39,
    value: -13,
};

/// The outcomes of calls in a part of the events.
fn outcomes(events: &[Event], part: Range<usize>) -> Vec<Option<Outcome>> {
    events[part]
        .iter()
        .map(|event| match event {
            Event::Call { outcome, .. } => *outcome,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_call_that_ends_without_a_beginning_was_denied() {
    let mut follow = Follow::new(Wanted::Others, false);
    // Who is new may be inside a call already; the end after that was denied.
    let events = take(&mut follow, [LEAVE, ENTER, LEAVE, LEAVE]);
    assert_eq!(outcomes(&events, 0..2), [None, None]);
    assert_eq!(events.len(), 2);

    let failed = Some(Outcome::from_raw(-13));
    let mut follow = Follow::new(Wanted::Others, true);
    let events = take(&mut follow, [ENTER, LEAVE, LEAVE, ENTER, What::Ended]);
    assert_eq!(outcomes(&events, 0..3), [failed, failed, None]);
    assert!(matches!(events[3], Event::Exit { .. }));
}

#[test]
fn after_a_loss_an_end_without_a_beginning_says_nothing() {
    let mut follow = Follow::new(Wanted::Others, false);
    let events = take(&mut follow, [ENTER, LEAVE, What::Lost(4), LEAVE, LEAVE]);
    assert_eq!(outcomes(&events, 0..1), [None]);
    assert!(matches!(
        events[1],
        Event::Lost {
            count: Some(4),
            cause: GapCause::BufferFull,
            scope: LossScope::Cpu(1),
            ..
        }
    ));
    assert_eq!(outcomes(&events, 2..3), [None]);
    assert_eq!((events.len(), follow.lost()), (3, 4));

    let mut more = Vec::new();
    follow.lost_by_the_end(4, &mut more);
    assert_eq!(more, []);
    follow.lost_by_the_end(6, &mut more);
    assert!(matches!(more[..], [Event::Lost { count: Some(2), .. }]));
}

#[test]
fn who_executed_may_have_another_number_in_the_first_namespace() {
    let thread = |event: &Event| match event {
        Event::Exec { before, after, .. } => (before.tid, after.tid),
        other => panic!("{other:?}"),
    };
    let executed = |by_other| What::Executed {
        by_other,
        path: "/bin/true".to_owned(),
    };
    let mut follow = Follow::new(Wanted::Others, false);
    // The leader, whatever it is called elsewhere.
    let events = take(&mut follow, [ENTER, executed(None)]);
    assert_eq!(thread(&events[1]), (NOBODY, NOBODY));
    // A thread that is called 123 there; the leader ends before it goes on in its place.
    let born = Seen {
        time_ns: 1,
        tgid: NOBODY,
        tid: NOBODY + 1,
        what: What::Born {
            parent_tgid: NOBODY,
            parent_tid: NOBODY,
        },
    };
    let mut events = Vec::new();
    follow.take(born, 0, &mut events);
    let events = take(&mut follow, [What::Ended, executed(Some(123))]);
    assert_eq!(thread(&events[1]), (NOBODY + 1, NOBODY));
}

#[test]
fn who_is_not_visible_is_nobody() {
    let mut follow = Follow::new(Wanted::Others, false);
    let mut events = Vec::new();
    let hidden = Seen {
        time_ns: 1,
        tgid: 0,
        tid: 0,
        what: ENTER,
    };
    follow.take(hidden, 0, &mut events);
    assert_eq!(events, []);
}

#[test]
fn our_own_calls_are_nobodys() {
    let mut follow = Follow::new(Wanted::Others, false);
    let mut events = Vec::new();
    let own = Seen {
        time_ns: 1,
        tgid: std::process::id(),
        tid: std::process::id(),
        what: ENTER,
    };
    follow.take(own, 0, &mut events);
    assert_eq!(events, []);
}
