//! One event: what its records say together.

use super::text::{Line, decode, field, hex};
use crate::read::text::{parse_number, parse_signed};
use crate::{Abi, CallName, Errno, Outcome, table};

/// Bit of x32 in the numbers of x86-64 (kernel: `arch/x86/include/uapi/asm/unistd.h`).
const X32_BIT: u32 = 0x4000_0000;

/// Flag of `clone` for a thread (kernel: `include/uapi/linux/sched.h`).
const CLONE_THREAD: u64 = 0x1_0000;

/// Longest path that is kept (Linux's `PATH_MAX`), in bytes.
const MAX_PATH: usize = 4096;

/// What the records of one event say.
#[derive(Debug, Default)]
pub(super) struct Event {
    pub(super) time_ns: Option<u64>,
    pub(super) syscall: Option<Syscall>,
    /// The file of item 0, as it was named.
    pub(super) path: Option<String>,
    /// Events that were lost before, where it counts them.
    pub(super) lost: Option<u64>,
    /// Whether a call's record could not be read.
    pub(super) unread: bool,
    /// A process that a signal ended, and which.
    pub(super) died: Option<(u32, Option<u8>)>,
    /// An architecture without a table.
    pub(super) unknown_arch: Option<String>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Syscall {
    pub(super) abi: Abi,
    pub(super) number: Option<u32>,
    pub(super) name: CallName,
    pub(super) outcome: Option<Outcome>,
    /// The first argument.
    pub(super) a0: Option<u64>,
    pub(super) ppid: Option<u32>,
    pub(super) pid: u32,
    pub(super) uid: Option<u32>,
    pub(super) exe: Option<String>,
}

/// What a record was to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// The call.
    Call,
    /// Something beside it.
    Other,
    /// A call that could not be read.
    Unread,
}

/// What a call may have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forked {
    /// A process.
    Process,
    /// A process or a thread.
    Either,
}

impl Event {
    /// Takes one of its records.
    pub(super) fn add(&mut self, line: &Line<'_>, abi: Option<Abi>) -> Added {
        match line.kind {
            "SYSCALL" | "1300" if self.syscall.is_none() => match self.syscall(line, abi) {
                Some(syscall) => {
                    self.syscall = Some(syscall);
                    return Added::Call;
                }
                None => {
                    self.unread = true;
                    return Added::Unread;
                }
            },
            "PATH" | "1302" if field(line.fields, "item") == Some(b"0") => {
                self.path = field(line.fields, "name").and_then(decode).map(bounded);
            }
            "CONFIG_CHANGE" | "1305" if field(line.fields, "lost") == Some(b"0") => {
                let old = field(line.fields, "old").and_then(parse_number);
                self.lost = old.filter(|old| *old > 0);
            }
            "ANOM_ABEND" | "1701" => {
                let pid = field(line.fields, "pid").and_then(parse_number);
                let signal = field(line.fields, "sig").and_then(parse_number);
                self.died = pid.map(|pid| (pid, signal));
            }
            _ => {}
        }
        Added::Other
    }

    fn syscall(&mut self, line: &Line<'_>, given: Option<Abi>) -> Option<Syscall> {
        let of = |name| field(line.fields, name);
        let arch = of("arch")?;
        let Some(abi) = abi_of(arch).or(given) else {
            let shown = &arch[..arch.len().min(40)];
            self.unknown_arch = Some(crate::read::escape(shown));
            return None;
        };
        let spelled = of("syscall")?;
        let (abi, number, name) = match number_of(spelled) {
            Some(raw) => {
                let (abi, number) = match abi {
                    Abi::X86_64 if raw & X32_BIT != 0 => (Abi::X32, raw & !X32_BIT),
                    _ => (abi, raw),
                };
                (abi, Some(number), named(abi, number, line.names))
            }
            None => {
                let name = table::canonical(std::str::from_utf8(spelled).ok()?)?;
                (abi, table::number(abi, &name), name)
            }
        };
        Some(Syscall {
            abi,
            number,
            name,
            outcome: outcome(of("success"), of("exit")),
            a0: of("a0").and_then(hex),
            ppid: of("ppid").and_then(parse_number),
            pid: of("pid").and_then(parse_number)?,
            uid: of("uid").and_then(parse_number),
            exe: of("exe").and_then(decode).map(bounded),
        })
    }
}

impl Syscall {
    /// The number of the process that this call made, who is its parent, and whether it may be a thread.
    /// None also where it is known to be a thread, which the log does not tell from its process.
    pub(super) fn forked(&self) -> Option<(u32, u32, Forked)> {
        let forked = match self.name.as_str() {
            "fork" | "vfork" => Forked::Process,
            "clone" => match self.a0 {
                Some(flags) if flags & CLONE_THREAD != 0 => return None,
                Some(_) => Forked::Process,
                None => Forked::Either,
            },
            "clone3" => Forked::Either,
            _ => return None,
        };
        let Some(Outcome::Returned(child)) = self.outcome else {
            return None;
        };
        let child = u32::try_from(child).ok().filter(|child| *child > 0)?;
        Some((child, self.pid, forked))
    }
}

/// The ABI of `arch=`: an ELF machine with the audit marks for 64 bits and little-endian (kernel:
/// `include/uapi/linux/audit.h`, `AUDIT_ARCH_*`), or a name in `ausearch -i`.
fn abi_of(arch: &[u8]) -> Option<Abi> {
    match arch {
        b"c000003e" | b"0xc000003e" | b"x86_64" => Some(Abi::X86_64),
        b"40000003" | b"0x40000003" | b"i386" => Some(Abi::I386),
        b"c00000b7" | b"0xc00000b7" | b"aarch64" => Some(Abi::Aarch64),
        b"40000028" | b"0x40000028" | b"arm" | b"armeb" => Some(Abi::Arm),
        b"c00000f3" | b"0xc00000f3" | b"riscv64" => Some(Abi::Riscv64),
        _ => None,
    }
}

/// The number in `42` or `unknown-syscall(467)`.
fn number_of(spelled: &[u8]) -> Option<u32> {
    let inner = spelled
        .strip_prefix(b"unknown-syscall(")
        .and_then(|rest| rest.strip_suffix(b")"));
    parse_number(inner.unwrap_or(spelled))
}

/// The name of a number: by the table, else what an enriched log calls it.
fn named(abi: Abi, number: u32, names: &[u8]) -> CallName {
    let by_log = || {
        let spelled = std::str::from_utf8(field(names, "SYSCALL")?).ok()?;
        table::canonical(spelled)
    };
    match table::is_known(abi, number) {
        true => table::by_number(abi, number),
        false => by_log().unwrap_or_else(|| table::by_number(abi, number)),
    }
}

/// What `success=` and `exit=` say; both are absent of a call that does not return.
fn outcome(success: Option<&[u8]>, exit: Option<&[u8]>) -> Option<Outcome> {
    let exit = exit?;
    if let Some(value) = parse_signed(exit) {
        return Some(match success {
            Some(b"yes") => Outcome::Returned(value),
            _ => Outcome::from_raw(value),
        });
    }
    // ENOENT(No such file or directory)
    let end = exit.iter().position(|b| *b == b'(').unwrap_or(exit.len());
    let name = std::str::from_utf8(&exit[..end]).ok()?;
    Errno::from_name(name).map(Outcome::Failed)
}

/// A text of at most [`MAX_PATH`] bytes.
fn bounded(mut text: String) -> String {
    let mut end = MAX_PATH.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::super::text::parse;
    use super::*;

    fn syscall(line: &str) -> Option<Syscall> {
        let mut event = Event::default();
        event.add(&parse(line.as_bytes()).unwrap(), None);
        event.syscall
    }

    #[test]
    fn abis_and_numbers() {
        for (arch, number, abi, name) in [
            ("c000003e", "59", Abi::X86_64, "execve"),
            ("40000003", "20", Abi::I386, "getpid"),
            ("c00000b7", "221", Abi::Aarch64, "execve"),
            ("40000028", "11", Abi::Arm, "execve"),
            ("c00000f3", "221", Abi::Riscv64, "execve"),
            ("c000003e", "1073742344", Abi::X32, "execve"),
            ("x86_64", "openat", Abi::X86_64, "openat"),
            ("x86_64", "unknown-syscall(999)", Abi::X86_64, "syscall_999"),
            ("i386", "pread", Abi::I386, "pread64"),
        ] {
            let line = format!("type=SYSCALL msg=audit(1.5:1): arch={arch} syscall={number} pid=1");
            let got = syscall(&line).unwrap();
            assert_eq!((got.abi, got.name.as_str()), (abi, name), "{line}");
        }
        assert!(syscall("type=SYSCALL msg=audit(1.5:1): arch=80000016 syscall=1 pid=1").is_none());
        let new = "type=SYSCALL msg=audit(1.5:1): arch=c000003e syscall=999 pid=1\x1dARCH=x86_64 SYSCALL=later";
        assert_eq!(syscall(new).unwrap().name.as_str(), "later");
    }

    #[test]
    fn outcomes() {
        let of =
            |success: &str, exit: &str| outcome(Some(success.as_bytes()), Some(exit.as_bytes()));
        assert_eq!(of("yes", "-7"), Some(Outcome::Returned(-7)));
        assert_eq!(of("no", "-2"), Some(Outcome::Failed(Errno(2))));
        assert_eq!(of("no", "ENOENT(No"), Some(Outcome::Failed(Errno(2))));
        assert_eq!(of("no", "odd"), None);
        assert_eq!(outcome(None, None), None);
    }

    #[test]
    fn what_a_fork_made() {
        let made = |call: &str| {
            syscall(&format!(
                "type=SYSCALL msg=audit(1.5:1): arch=c000003e success=yes exit=12 {call} pid=1"
            ))
            .unwrap()
            .forked()
        };
        assert_eq!(made("syscall=57"), Some((12, 1, Forked::Process)));
        assert_eq!(
            made("syscall=56 a0=1200011"),
            Some((12, 1, Forked::Process))
        );
        assert_eq!(made("syscall=56 a0=3d0f00"), None);
        assert_eq!(made("syscall=435 a0=7ff"), Some((12, 1, Forked::Either)));
        assert_eq!(made("syscall=0"), None);
    }
}
