//! One event: whose it is, what it is, and what its parameters say.

use crate::read::pairing::Makes;
use crate::read::text::{after, ascii, count_while, find, radix, rfind, take_u32};
use crate::{ExitStatus, Outcome};

/// Which of a call's two events it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// `>`
    Enter,
    /// `<`
    Exit,
    /// Both in one: this version writes no enters.
    Whole,
    /// One of the two, and the text does not say which.
    Either,
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    pub(super) tid: Option<u32>,
    pub(super) tgid: Option<u32>,
    pub(super) side: Side,
    /// The event's type: a call's name, or another event's.
    pub(super) name: &'a [u8],
    /// Parameters, as `name=value` with spaces between them.
    pub(super) info: &'a [u8],
}

/// Events that are no calls (falcosecurity/libs: `driver/event_table.c`, and those of earlier versions).
const NO_CALLS: [&str; 26] = [
    "asyncevent",
    "container",
    "cpu_hotplug",
    "groupadded",
    "groupdeleted",
    "infra",
    "k8s",
    "mesos",
    "na",
    "notification",
    "page_fault",
    "page_fault_kernel",
    "page_fault_user",
    "pluginevent",
    "procexit",
    "procinfo",
    "sched_process_exec",
    "sched_process_fork",
    "scapevent",
    "signaldeliver",
    "switch",
    "sysdigevent",
    "tracer",
    "useradded",
    "userdeleted",
    "drop",
];

/// Whether it is an event that is no call.
pub(super) fn is_no_call(name: &[u8]) -> bool {
    NO_CALLS.iter().any(|other| other.as_bytes() == name)
}

/// Calls whose result is an address, which is written in hexadecimal.
const ADDRESSES: [&[u8]; 5] = [b"brk", b"mmap", b"mmap2", b"mremap", b"shmat"];

/// How a call ended, by the first parameter of its exit: `res=-2(ENOENT)`, `fd=3(<f>/etc/passwd)`.
pub(super) fn outcome(name: &[u8], info: &[u8]) -> Option<Outcome> {
    let value = info
        .strip_prefix(b"res=")
        .or_else(|| info.strip_prefix(b"fd="))?;
    let value = &value[..count_while(value, |b| b.is_ascii_alphanumeric() || b == b'-')];
    if ADDRESSES.contains(&name) {
        let address = radix(value, 16)?;
        return Some(Outcome::from_raw(address.cast_signed()));
    }
    ascii(value)?.parse().ok().map(Outcome::from_raw)
}

/// Whether it has data that was read or written.
pub(super) fn has_data(info: &[u8]) -> bool {
    memchr::memmem::find(info, b" data=").is_some()
}

/// The number that follows a parameter's name.
pub(super) fn number(info: &[u8], key: &[u8]) -> Option<u32> {
    Some(take_u32(after(info, key)?)?.0)
}

/// What a clone made, by the flags that its exit has.
pub(super) fn made(info: &[u8]) -> Option<Makes> {
    let flags = after(info, b" flags=")?;
    let (bits, _) = take_u32(flags)?;
    let named = &flags[..flags.iter().position(|b| *b == b' ').unwrap_or(flags.len())];
    // sysdig has flags of its own: only the names in brackets are the kernel's.
    Some(match find(named, b"CLONE_THREAD") {
        Some(_) => Makes::Thread,
        None if bits == 0 && !named.contains(&b'(') => return None,
        None => Makes::Process,
    })
}

/// The path that an `execve` was given: `filename=/bin/cat`, or `pathname=` of an `execveat`.
pub(super) fn executable(info: &[u8]) -> Option<String> {
    let path = match info.strip_prefix(b"filename=") {
        Some(path) => path,
        None => {
            let path = after(info, b" pathname=")?;
            &path[..find(path, b" flags=").unwrap_or(path.len())]
        }
    };
    // Where the path is relative, what it leads to follows in brackets.
    let path = path.trim_ascii();
    let path = match path.strip_suffix(b")") {
        Some(given) => rfind(given, b"(/").map_or(path, |at| &path[..at]),
        None => path,
    };
    let known = !path.is_empty() && path != b"<NA>" && path.len() <= 4096;
    known.then(|| String::from_utf8_lossy(path).into_owned())
}

/// How a thread ended, by the parameters of `procexit`: `status=256`, or `ret=1 sig=0`.
pub(super) fn exit_status(info: &[u8]) -> Option<ExitStatus> {
    let field = |key: &[u8]| match info.strip_prefix(&key[1..]) {
        Some(value) => Some(take_u32(value)?.0),
        None => number(info, key),
    };
    if let (Some(code), Some(signal)) = (field(b" ret="), field(b" sig=")) {
        return status(code, signal);
    }
    // As `wait` gives it: the signal in the lowest seven bits, the code above them (`wait(2)`).
    let raw = field(b" status=")?;
    status((raw >> 8) & 0xff, raw & 0x7f)
}

fn status(code: u32, signal: u32) -> Option<ExitStatus> {
    match signal {
        0 => i32::try_from(code).ok().map(ExitStatus::Code),
        _ => u8::try_from(signal).ok().map(ExitStatus::Signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn outcomes() {
        for (name, info, expected) in [
            ("read", "res=832 data=.ELF", Some(Outcome::Returned(832))),
            (
                "open",
                "fd=3(<f>/etc/passwd) name=/etc/passwd",
                Some(Outcome::Returned(3)),
            ),
            (
                "access",
                "res=-2(ENOENT) name=/x",
                Some(Outcome::Failed(Errno(2))),
            ),
            (
                "brk",
                "res=926000 vm_size=360",
                Some(Outcome::Returned(0x0092_6000)),
            ),
            (
                "mmap",
                "res=FFFFFFFFFFFFFFF4 vm_size=1",
                Some(Outcome::Failed(Errno(12))),
            ),
            ("mmap", "res=-12(ENOMEM)", None),
            ("select", "", None),
            ("close", "x=1", None),
        ] {
            assert_eq!(
                outcome(name.as_bytes(), info.as_bytes()),
                expected,
                "{name} {info}"
            );
        }
    }

    #[test]
    fn parameters() {
        let clone = b"res=8821(sh) exe=sh tid=8811(sh) pid=8811(sh) ptid=1 flags=25166097(CLONE_FILES|CLONE_THREAD) uid=0";
        assert_eq!(made(clone), Some(Makes::Thread));
        assert_eq!(number(clone, b" pid="), Some(8811));
        assert_eq!(
            made(b"res=1 flags=25165824(CLONE_CHILD_SETTID)"),
            Some(Makes::Process)
        );
        assert_eq!(made(b"res=1 flags=0"), None);
        assert_eq!(
            executable(b"filename=/bin/my cat ").as_deref(),
            Some("/bin/my cat")
        );
        assert_eq!(
            executable(b"dirfd=3 pathname=/bin/cat flags=0").as_deref(),
            Some("/bin/cat")
        );
        let relative = b"filename=./a (b)(/tmp/a (b)) ";
        assert_eq!(executable(relative).as_deref(), Some("./a (b)"));
        assert_eq!(executable(b"filename=<NA> "), None);
        for (info, expected) in [
            ("status=0 ", Some(ExitStatus::Code(0))),
            ("status=256", Some(ExitStatus::Code(1))),
            ("status=9", Some(ExitStatus::Signal(9))),
            ("status=0 ret=3 sig=0 core=0", Some(ExitStatus::Code(3))),
            ("ret=0 sig=11 core=1", Some(ExitStatus::Signal(11))),
            ("", None),
        ] {
            assert_eq!(exit_status(info.as_bytes()), expected, "{info}");
        }
    }
}
