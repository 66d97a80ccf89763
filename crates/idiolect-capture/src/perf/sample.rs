//! What the records of the ring buffers say.

use idiolect_trace::Abi;

use crate::bytes::{Reader, text};

/// The numbers of our trace points on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Points {
    pub(super) enter: u64,
    pub(super) exit: u64,
    pub(super) exec: u64,
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// By `CLOCK_MONOTONIC`.
    pub(super) time_ns: u64,
    pub(super) tgid: u32,
    pub(super) tid: u32,
    pub(super) what: What,
}

/// What was seen of the thread.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Enter {
        abi: Abi,
        number: u32,
    },
    Leave {
        abi: Abi,
        number: i64,
        value: i64,
    },
    /// The thread was made by this one of that process.
    Born {
        parent_tgid: u32,
        parent_tid: u32,
    },
    /// By a thread of this number in the first pid namespace, where it was not the leader.
    Executed {
        by_other: Option<u32>,
        path: String,
    },
    Named(String),
    Ended,
    Lost(u64),
}

const LOST: u32 = 2;
const COMM: u32 = 3;
const EXIT: u32 = 4;
const FORK: u32 = 7;
const SAMPLE: u32 = 9;

/// Reads a record. `None` for one that is none of ours.
pub(super) fn read(kind: u32, bytes: &[u8], points: &Points) -> Option<Seen> {
    let mut from = Reader(bytes);
    match kind {
        SAMPLE => sample(from, points),
        LOST => {
            let _event = from.u64()?;
            let count = from.u64()?;
            let (_, _, time_ns) = (from.u32()?, from.u32()?, from.u64()?);
            Some(Seen {
                time_ns,
                tgid: 0,
                tid: 0,
                what: What::Lost(count),
            })
        }
        COMM => {
            let (tgid, tid) = (from.u32()?, from.u32()?);
            // Its identity stands at the end: process, thread and time.
            let (name, identity) = from.0.split_at_checked(from.0.len().checked_sub(16)?)?;
            let time_ns = u64::from_ne_bytes(*identity.last_chunk()?);
            Some(Seen {
                time_ns,
                tgid,
                tid,
                what: What::Named(text(name)),
            })
        }
        FORK | EXIT => {
            let (tgid, parent_tgid, tid, parent_tid) =
                (from.u32()?, from.u32()?, from.u32()?, from.u32()?);
            let time_ns = from.u64()?;
            Some(Seen {
                time_ns,
                tgid,
                tid,
                what: match kind {
                    FORK => What::Born {
                        parent_tgid,
                        parent_tid,
                    },
                    _ => What::Ended,
                },
            })
        }
        _ => None,
    }
}

/// Whether a record of this kind is one that we ask for, so that one that is not understood is a loss.
pub(super) fn is_expected(kind: u32) -> bool {
    matches!(kind, SAMPLE | LOST | COMM | FORK | EXIT)
}

fn sample(mut from: Reader<'_>, points: &Points) -> Option<Seen> {
    let (tgid, tid, time_ns) = (from.u32()?, from.u32()?, from.u64()?);
    let size = usize::try_from(from.u32()?).ok()?;
    let (raw, rest) = from.0.split_at_checked(size)?;
    let mut registers = Reader(rest);
    let mut fields = Reader(raw);
    // Trace points begin with 2 bytes of number, 2 of flags and 4 of the thread's number.
    let point = fields.u32()? & 0xffff;
    let _thread = fields.u32()?;
    let what = match u64::from(point) {
        id if id == points.enter => {
            let number = fields.u32()?;
            let (abi, number) = convention(&mut registers, number)?;
            What::Enter { abi, number }
        }
        id if id == points.exit => {
            let number = fields.u64()?.cast_signed();
            let value = fields.u64()?.cast_signed();
            let low = u32::try_from(number).unwrap_or(0);
            let (abi, low) = convention(&mut registers, low)?;
            What::Leave {
                abi,
                number: if number < 0 { number } else { low.into() },
                value,
            }
        }
        id if id == points.exec => {
            let place = fields.u32()?;
            let (tid, old_tid) = (fields.u32()?, fields.u32()?);
            let start = usize::try_from(place & 0xffff).ok()?;
            let length = usize::try_from(place >> 16).ok()?;
            let path = raw.get(start..start.checked_add(length)?)?;
            What::Executed {
                by_other: (old_tid != tid).then_some(old_tid),
                path: text(path),
            }
        }
        _ => return None,
    };
    Some(Seen {
        time_ns,
        tgid,
        tid,
        what,
    })
}

/// By which convention a call was made, and its number there.
///
/// The trace points do not say. A 32-bit program is known by the state of its registers. The instruction `syscall` of
/// a 64-bit one leaves its return address in rcx and its flags in r11; a call that has other values there came by
/// `int 0x80`. A program that sets both registers just so can hide that.
fn convention(registers: &mut Reader<'_>, number: u32) -> Option<(Abi, u32)> {
    const BITS_32: u64 = 1;
    const X32: u32 = 0x4000_0000;
    let bits = registers.u64()?;
    if cfg!(target_arch = "aarch64") {
        let abi = if bits == BITS_32 {
            Abi::Arm
        } else {
            Abi::Aarch64
        };
        return Some((abi, number));
    }
    if bits == BITS_32 {
        return Some((Abi::I386, number));
    }
    if let (Some(rcx), Some(rip), Some(flags), Some(r11)) = (
        registers.u64(),
        registers.u64(),
        registers.u64(),
        registers.u64(),
    ) && (rcx != rip || r11 != flags)
    {
        return Some((Abi::I386, number));
    }
    // Numbers from -1 down have the mark too, and are nobody's.
    let is_x32 = number & X32 != 0 && number.cast_signed() > 0;
    Some(if is_x32 {
        (Abi::X32, number & !X32)
    } else {
        (Abi::X86_64, number)
    })
}
