//! What comes through the ring buffer (`bpf/records.h`, which is to be changed together with this).

use idiolect_trace::{Abi, ExitStatus, Outcome};

use super::kernel::Lost;
use crate::bytes::{Reader, text};
use crate::{Event, Thread};

/// One record of the ring buffer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wire {
    /// An event, whole.
    Event(Event),
    /// An exec, whose control group is known by its number.
    Exec { exec: Event, cgroup: u64 },
    /// So many events were lost by now.
    Gap { time_ns: u64, lost: Lost },
}

const KIND_CALL: u32 = 1;
const KIND_RESULT: u32 = 2;
const KIND_FORK: u32 = 3;
const KIND_EXEC: u32 = 4;
const KIND_EXIT: u32 = 5;
const KIND_LOST: u32 = 6;

/// Reads a record. `None` for one that the program in the kernel does not write.
pub(super) fn read(bytes: &[u8]) -> Option<Wire> {
    let mut from = Reader(bytes);
    let time_ns = from.u64()?;
    let start_ns = from.u64()?;
    let (tgid, tid, mark, detail) = (from.u32()?, from.u32()?, from.u32()?, from.u32()?);
    let thread = Thread {
        tgid,
        tid,
        start_ns,
        exec_generation: mark >> 8,
    };
    Some(match mark & 0xf {
        KIND_CALL => Wire::Event(Event::Call {
            time_ns,
            thread,
            abi: abi(mark)?,
            number: detail,
            outcome: None,
        }),
        KIND_RESULT => Wire::Event(Event::Call {
            time_ns,
            thread,
            abi: abi(mark)?,
            number: detail,
            outcome: Some(Outcome::from_raw(from.u64()?.cast_signed())),
        }),
        KIND_FORK => {
            let start_ns = from.u64()?;
            Wire::Event(Event::Fork {
                time_ns,
                parent: thread,
                child: Thread {
                    start_ns,
                    tgid: from.u32()?,
                    tid: from.u32()?,
                    exec_generation: from.u32()?,
                },
                is_thread: detail != 0,
            })
        }
        KIND_EXEC => {
            let cgroup = from.u64()?;
            Wire::Exec {
                exec: Event::Exec {
                    time_ns,
                    before: thread,
                    after: Thread {
                        tid: tgid,
                        exec_generation: thread.exec_generation.saturating_add(1),
                        ..thread
                    },
                    executable: text(from.0),
                    uid: detail,
                    cgroup: None,
                },
                cgroup,
            }
        }
        KIND_EXIT => Wire::Event(Event::Exit {
            time_ns,
            thread,
            status: Some(status(detail)),
        }),
        KIND_LOST => Wire::Gap {
            time_ns,
            lost: Lost {
                ring_full: from.u64()?,
                table_full: from.u64()?,
            },
        },
        _ => return None,
    })
}

/// An exit code as wait(2) gives it.
fn status(code: u32) -> ExitStatus {
    let [low, high, ..] = code.to_le_bytes();
    match low & 0x7f {
        0 => ExitStatus::Code(i32::from(high)),
        signal => ExitStatus::Signal(signal),
    }
}

fn abi(mark: u32) -> Option<Abi> {
    Some(match mark >> 4 & 0xf {
        1 => Abi::X86_64,
        2 => Abi::I386,
        3 => Abi::X32,
        4 => Abi::Aarch64,
        5 => Abi::Arm,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use idiolect_trace::Errno;
    use proptest::prelude::*;

    /// A record's head: made at 9 by thread 8 of process 7, which began at 5 and has executed 2 programs.
    fn head(kind: u32, abi: u32, detail: u32) -> Vec<u8> {
        let mut bytes = [9u64.to_ne_bytes(), 5u64.to_ne_bytes()].concat();
        for part in [7, 8, kind | abi << 4 | 2 << 8, detail] {
            bytes.extend(u32::to_ne_bytes(part));
        }
        bytes
    }

    const THREAD: Thread = Thread {
        tgid: 7,
        tid: 8,
        start_ns: 5,
        exec_generation: 2,
    };

    #[test]
    fn calls_of_every_convention() {
        for (code, expected) in [
            (1, Abi::X86_64),
            (2, Abi::I386),
            (3, Abi::X32),
            (4, Abi::Aarch64),
            (5, Abi::Arm),
        ] {
            let call = Event::Call {
                time_ns: 9,
                thread: THREAD,
                abi: expected,
                number: 39,
                outcome: None,
            };
            assert_eq!(read(&head(KIND_CALL, code, 39)), Some(Wire::Event(call)));
        }
        let mut denied = head(KIND_RESULT, 1, 39);
        denied.extend((-1i64).to_ne_bytes());
        assert!(matches!(
            read(&denied),
            Some(Wire::Event(Event::Call {
                outcome: Some(Outcome::Failed(Errno(1))),
                ..
            }))
        ));
    }

    #[test]
    fn lives() {
        let mut fork = head(KIND_FORK, 0, 1);
        fork.extend(6u64.to_ne_bytes());
        for part in [10u32, 11, 3, 0] {
            fork.extend(part.to_ne_bytes());
        }
        let child = Thread {
            tgid: 10,
            tid: 11,
            start_ns: 6,
            exec_generation: 3,
        };
        assert!(
            matches!(read(&fork), Some(Wire::Event(Event::Fork { parent: THREAD, child: c, is_thread: true, .. })) if c == child)
        );

        let mut exec = head(KIND_EXEC, 0, 1000);
        exec.extend(77u64.to_ne_bytes());
        exec.extend(b"/bin/true\0left over");
        let Some(Wire::Exec {
            exec:
                Event::Exec {
                    before,
                    after,
                    executable,
                    uid,
                    ..
                },
            cgroup: 77,
        }) = read(&exec)
        else {
            panic!()
        };
        assert_eq!(
            (before, executable.as_str(), uid),
            (THREAD, "/bin/true", 1000)
        );
        assert_eq!((after.tid, after.exec_generation), (7, 3));

        for (code, expected) in [
            (3 << 8, ExitStatus::Code(3)),
            (9, ExitStatus::Signal(9)),
            (0x80 | 11, ExitStatus::Signal(11)),
        ] {
            assert!(matches!(read(&head(KIND_EXIT, 0, code)),
                Some(Wire::Event(Event::Exit { status: Some(s), .. })) if s == expected));
        }
        let mut gap = head(KIND_LOST, 0, 0);
        gap.extend([3u64.to_ne_bytes(), 4u64.to_ne_bytes()].concat());
        let lost = Lost {
            ring_full: 3,
            table_full: 4,
        };
        assert_eq!(read(&gap), Some(Wire::Gap { time_ns: 9, lost }));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
