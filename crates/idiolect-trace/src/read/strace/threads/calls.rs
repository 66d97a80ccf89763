//! A call that has begun: what its name, number and arguments say of it.

use crate::read::pairing::Makes;
use crate::read::text::{count_while, find, radix, unquote};
use crate::{Abi, Call, CallName, Outcome, Record, StreamId, table};

/// A call that has begun.
#[derive(Clone, Debug)]
pub(in crate::read::strace) struct Open {
    pub(in crate::read::strace) time_ns: Option<u64>,
    pub(in crate::read::strace) name: CallName,
    pub(in crate::read::strace) number: Option<u32>,
    pub(in crate::read::strace) abi: Abi,
    /// The program, of `execve` and `execveat`.
    pub(in crate::read::strace) executable: Option<String>,
    /// What it makes, of `fork`, `vfork`, `clone` and `clone3`.
    pub(in crate::read::strace) makes: Option<Makes>,
    /// The child that was seen before the call returned.
    pub(in crate::read::strace) child: Option<Child>,
    /// Order of beginning.
    pub(in crate::read::strace) sequence: u64,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::read::strace) struct Child {
    pub(in crate::read::strace) pid: u32,
    /// Whether strace said so in the midst of the call. A certain child whose number differs from the
    /// returned one was made in another namespace of processes.
    pub(in crate::read::strace) certain: bool,
}

/// What the text says of a call that begins.
#[derive(Debug)]
pub(in crate::read::strace) struct Begins<'a> {
    pub(in crate::read::strace) time_ns: Option<u64>,
    pub(in crate::read::strace) name: CallName,
    /// Its number, if the text gives it (`-n`).
    pub(in crate::read::strace) number: Option<u32>,
    /// The arguments that are there.
    pub(in crate::read::strace) args: &'a [u8],
}

pub(in crate::read::strace) fn call(
    stream: &StreamId,
    open: &Open,
    outcome: Option<Outcome>,
) -> Record {
    Record::Call(Call {
        time_ns: open.time_ns,
        stream: stream.clone(),
        abi: open.abi,
        number: open.number,
        name: open.name.clone(),
        outcome,
    })
}

/// The mark that x32 sets in a call's number.
const X32_MARK: u32 = 0x4000_0000;

/// The ABI and the number of a call. A number in the text (`-n`) that means another call in the thread's
/// ABI and this one in its machine's second ABI shows a call by that second one.
pub(in crate::read::strace) fn convention(
    abi: Abi,
    name: &CallName,
    number: Option<u32>,
    given: bool,
) -> (Abi, Option<u32>) {
    let Some(number) = number else {
        return (abi, table::number(abi, name));
    };
    if !given && number & X32_MARK != 0 && matches!(abi, Abi::X86_64 | Abi::X32) {
        return (Abi::X32, Some(number & !X32_MARK));
    }
    let number = if abi == Abi::X32 {
        number & !X32_MARK
    } else {
        number
    };
    let fits = |abi| table::by_number(abi, number) == *name;
    if given || fits(abi) {
        return (abi, Some(number));
    }
    let second: &[Abi] = match abi {
        Abi::X86_64 => &[Abi::I386, Abi::X32],
        Abi::I386 | Abi::X32 => &[Abi::X86_64],
        Abi::Aarch64 => &[Abi::Arm],
        Abi::Arm => &[Abi::Aarch64],
        Abi::Riscv64 | Abi::Sunos | Abi::Darwin => &[],
    };
    let abi = second.iter().copied().find(|abi| fits(*abi)).unwrap_or(abi);
    (abi, Some(number))
}

pub(in crate::read::strace) fn executable(name: &str, args: &[u8]) -> Option<String> {
    match name {
        "execve" => unquote(args),
        // The path follows the folder's descriptor, which `-y` may give any name.
        "execveat" => {
            let at = find(args, b", \"")?;
            unquote(&args[at + 2..])
        }
        _ => None,
    }
}

pub(in crate::read::strace) fn makes(name: &str, args: &[u8]) -> Option<Makes> {
    match name {
        "fork" | "vfork" => return Some(Makes::Process),
        "clone" | "clone3" => {}
        _ => return None,
    }
    if find(args, b"CLONE_THREAD").is_some() {
        return Some(Makes::Thread);
    }
    // Without names (`-X raw`) the flags are a number; without any decoding (`-e raw=clone`) they are the
    // first argument of clone, and not in the text of clone3.
    let flags = match find(args, b"flags=") {
        Some(at) => &args[at + b"flags=".len()..],
        None if name == "clone" => args,
        None => return Some(Makes::Either),
    };
    let Some(digits) = flags.strip_prefix(b"0x") else {
        return Some(if flags.is_empty() {
            Makes::Either
        } else {
            Makes::Process
        });
    };
    let digits = &digits[..count_while(digits, |b| b.is_ascii_hexdigit())];
    Makes::of(name, radix(digits, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_makes() {
        for (name, args, expected) in [
            ("fork", "", Some(Makes::Process)),
            ("vfork", "", Some(Makes::Process)),
            (
                "clone",
                "child_stack=NULL, flags=SIGCHLD",
                Some(Makes::Process),
            ),
            (
                "clone",
                "child_stack=0x1, flags=CLONE_VM|CLONE_THREAD",
                Some(Makes::Thread),
            ),
            (
                "clone3",
                "{flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88",
                Some(Makes::Process),
            ),
            (
                "clone3",
                "{flags=0x3d0f00, child_tid=0x1}",
                Some(Makes::Thread),
            ),
            (
                "clone3",
                "{flags=0x3d0f00 /* CLONE_VM */}",
                Some(Makes::Thread),
            ),
            ("clone3", "0x7ffd33b84030, 0x58", Some(Makes::Either)),
            ("clone", "0x3d0f00, 0x1", Some(Makes::Thread)),
            ("clone", "0x1200011, 0", Some(Makes::Process)),
            ("clone", "", Some(Makes::Either)),
            ("read", "flags=CLONE_THREAD", None),
        ] {
            assert_eq!(makes(name, args.as_bytes()), expected, "{name}({args}");
        }
    }

    #[test]
    fn programs_of_exec() {
        for (name, args, expected) in [
            ("execve", "\"/bin/ls\", [\"ls\"], 0x1", Some("/bin/ls")),
            ("execve", "0x7ffe, 0x1", None),
            ("execve", "NULL, NULL", None),
            ("execveat", "AT_FDCWD, \"ls\", [], []", Some("ls")),
            ("execveat", "3</a>, \"\", [], [], AT_EMPTY_PATH", Some("")),
            ("open", "\"/bin/ls\"", None),
        ] {
            assert_eq!(executable(name, args.as_bytes()).as_deref(), expected);
        }
    }
}
