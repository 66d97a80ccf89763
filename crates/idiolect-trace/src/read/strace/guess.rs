//! Which ABI a trace was made on, where nothing says so.
//!
//! strace text names calls and leaves the machine out. What tells, in this order of weight:
//! - a call that one architecture alone has (`set_thread_area` and `socketcall`: i386; `set_tls`,
//!   `cacheflush`: arm; `riscv_*`: riscv64);
//! - an address that `mmap` or `brk` returned: above 2^47 no x86-64 program has memory and aarch64's have
//!   theirs (`0xffff...`, `0xaaaa...`); from `0x7000_0000_0000` up to there is where x86-64 maps;
//! - a call that only 32-bit ABIs have (`mmap2`, `fstat64`, `_llseek`): i386, unless arm shows later in
//!   the first lines;
//! - else `arch_prctl`, which x86 alone has, in both widths: x86-64.
//!
//! Without any of these it is the machine's own. aarch64 with a small address space (39 bits: Android),
//! riscv64 without its own calls, and x32 are not told: `--abi` names them.

use super::event::{self, Event, Half};
use super::message::{Message, Mode};
use super::prefix;
use crate::{Abi, Outcome};

/// Collects what the first lines tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    /// A call was seen that only 32-bit ABIs have.
    narrow: bool,
    /// A call was seen that only x86 has, of either width.
    x86: bool,
}

const I386_ONLY: [&str; 7] = [
    "set_thread_area",
    "get_thread_area",
    "socketcall",
    "waitpid",
    "oldolduname",
    "vm86",
    "vm86old",
];
const ARM_ONLY: [&str; 5] = [
    "set_tls",
    "cacheflush",
    "arm_fadvise64_64",
    "arm_sync_file_range",
    "breakpoint",
];
const NARROW: [&str; 15] = [
    "mmap2",
    "stat64",
    "lstat64",
    "fstat64",
    "fstatat64",
    "_llseek",
    "fcntl64",
    "ugetrlimit",
    "_newselect",
    "truncate64",
    "ftruncate64",
    "sendfile64",
    "getuid32",
    "geteuid32",
    "getgid32",
];

/// Lowest address of aarch64's upper user half: x86-64 ends below.
const ABOVE_X86_64: u64 = 1 << 47;
/// Where x86-64 maps from, whatever the randomisation.
const X86_64_MAPS: u64 = 0x7000_0000_0000;
/// Addresses of user space are below this, on both.
const ABOVE_USER: u64 = 1 << 48;

impl Guess {
    /// Takes the next line; the ABI once it is clear.
    pub(super) fn line(&mut self, line: &[u8]) -> Option<Abi> {
        let (half, outcome) = match event::parse(prefix::split(line).1)? {
            Event::Complete(half, ending) | Event::Resumed(half, ending) => (half, ending.outcome),
            Event::Begun(half) | Event::Interrupted(half, None) => (half, None),
            Event::Message(Message::Mode(_, Mode::Bits32 | Mode::X32)) => {
                // strace tells of 32 bits only where 64 are usual.
                return Some(if self.x86 { Abi::X86_64 } else { native_wide() });
            }
            _ => return None,
        };
        let Half { name, .. } = half;
        if I386_ONLY.contains(&name) {
            return Some(Abi::I386);
        }
        if ARM_ONLY.contains(&name) {
            return Some(Abi::Arm);
        }
        if name.starts_with("riscv_") {
            return Some(Abi::Riscv64);
        }
        self.narrow |= NARROW.contains(&name);
        self.x86 |= name == "arch_prctl";
        let address = match outcome {
            Some(Outcome::Returned(value)) if matches!(name, "mmap" | "brk") => {
                value.cast_unsigned()
            }
            _ => return None,
        };
        match address {
            ABOVE_X86_64..ABOVE_USER => Some(Abi::Aarch64),
            X86_64_MAPS..ABOVE_X86_64 => Some(Abi::X86_64),
            _ => None,
        }
    }

    /// What to take when the first lines have not made it clear.
    pub(super) fn settle(self) -> Abi {
        match (self.narrow, Abi::native()) {
            (true, Some(Abi::Arm)) if !self.x86 => Abi::Arm,
            (true, _) => Abi::I386,
            (false, _) if self.x86 => Abi::X86_64,
            (false, native) => native.unwrap_or(Abi::X86_64),
        }
    }
}

/// The 64-bit ABI of this machine; x86-64 on machines that have no second one.
fn native_wide() -> Abi {
    match Abi::native() {
        Some(Abi::Aarch64) => Abi::Aarch64,
        _ => Abi::X86_64,
    }
}

/// The ABI of a process in a mode, in a trace whose own is `file`.
pub(super) fn of_mode(mode: Mode, file: Abi) -> Abi {
    let arm = matches!(file, Abi::Aarch64 | Abi::Arm);
    match (mode, arm) {
        (Mode::X32, _) => Abi::X32,
        (Mode::Bits32, true) => Abi::Arm,
        (Mode::Bits32, false) => Abi::I386,
        (Mode::Bits64, true) => Abi::Aarch64,
        (Mode::Bits64, false) if file == Abi::Riscv64 => Abi::Riscv64,
        (Mode::Bits64, false) => Abi::X86_64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(lines: &[&str]) -> Option<Abi> {
        let mut guess = Guess::default();
        lines.iter().find_map(|line| guess.line(line.as_bytes()))
    }

    #[test]
    fn what_tells_the_abi() {
        for (lines, abi) in [
            (
                &[
                    "brk(NULL) = 0x55fef0522000",
                    "mmap(NULL, 8) = 0x7fade986f000",
                ][..],
                Some(Abi::X86_64),
            ),
            (&["brk(NULL) = 0xaaaae4f9e000"], Some(Abi::Aarch64)),
            (
                &["22:30:34.76 mmap(NULL, 8) = 0xffffb019c000"],
                Some(Abi::Aarch64),
            ),
            (
                &["mmap2(NULL, 8) = 0xb775c000", "set_thread_area(0xbf) = 0"],
                Some(Abi::I386),
            ),
            (
                &["mmap2(NULL, 8) = 0xb6f5c000", "set_tls(0xb6) = 0"],
                Some(Abi::Arm),
            ),
            (&["riscv_flush_icache(0x1, 0x2, 0) = 0"], Some(Abi::Riscv64)),
            (
                &[
                    "mmap2(NULL, 8) = 0xb775c000",
                    "mmap(NULL, 8) = -1 ENOMEM (Cannot)",
                ],
                None,
            ),
            (&["mmap(0x012345) = 0x012345"], None),
            (&["getpid() = 140737353900032"], None),
        ] {
            assert_eq!(guess(lines), abi, "{lines:?}");
        }
    }

    #[test]
    fn what_is_taken_when_nothing_tells() {
        for (narrow, x86, abi) in [
            (true, true, Some(Abi::I386)),
            (false, true, Some(Abi::X86_64)),
            (false, false, Abi::native()),
        ] {
            let settled = Guess { narrow, x86 }.settle();
            assert_eq!(settled, abi.unwrap_or(Abi::X86_64));
        }
    }
}
