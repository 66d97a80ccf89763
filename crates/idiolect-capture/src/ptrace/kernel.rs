//! The kernel's interface to tracers, ptrace(2) and wait4(2), as functions that are safe to call.
//!
//! Tracees belong to the thread that seized them: all of this is called by one thread.

use std::io;

use idiolect_trace::Abi;
use rustix::process::{self, Pid, WaitOptions, WaitStatus};

/// What the kernel tells a tracer besides calls (`PTRACE_O_*`).
pub(super) const EVENTS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT;

/// Besides these: stops of a seccomp filter, and the end of all tracees with their tracer.
pub(super) const FAST: i32 = libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_EXITKILL;

/// How far a tracee goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The next entry or end of a call.
    Syscall,
    /// The next stop of any other kind.
    Event,
}

/// Where in a call a tracee has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syscall {
    /// At its entry, before or in the seccomp filters.
    Entry {
        /// None of an architecture that has no table.
        abi: Option<Abi>,
        number: u32,
        /// The first two arguments.
        arguments: [u64; 2],
    },
    /// At its end, with what it returns.
    Exit { value: i64 },
    /// In none.
    None,
}

/// Why a thread has stopped, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Ended by exit with this status.
    Exited(i32),
    /// Ended by this signal.
    Killed(i32),
    /// At the entry or the end of a call.
    Syscall,
    /// By a seccomp filter, at the entry of a call.
    Seccomp,
    /// Made a process or thread, whose number is the event's message.
    Fork,
    /// Executed a program. The message is the number of the thread that did it.
    Exec,
    /// Is about to end. The message is its status, as of wait.
    Exit,
    /// The whole process is stopped by this signal.
    Group,
    /// Stopped for us: it is new, was interrupted by us, or its process goes on.
    Trap,
    /// A signal is about to be delivered.
    Signal(i32),
}

impl Stop {
    /// Of a status as wait gives it.
    fn of(status: WaitStatus) -> Self {
        if let Some(code) = status.exit_status() {
            return Stop::Exited(code);
        }
        if let Some(signal) = status.terminating_signal() {
            return Stop::Killed(signal);
        }
        /// `PTRACE_O_TRACESYSGOOD` sets it in stops at calls.
        const CALL: i32 = 0x80;
        let signal = status.stopping_signal().unwrap_or(0);
        match status.as_raw() >> 16 {
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                Stop::Fork
            }
            libc::PTRACE_EVENT_EXEC => Stop::Exec,
            libc::PTRACE_EVENT_EXIT => Stop::Exit,
            libc::PTRACE_EVENT_SECCOMP => Stop::Seccomp,
            libc::PTRACE_EVENT_STOP => match signal {
                libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Stop::Group,
                _ => Stop::Trap,
            },
            _ if signal == libc::SIGTRAP | CALL => Stop::Syscall,
            _ => Stop::Signal(signal),
        }
    }
}

/// Waits for the next stop or end of a tracee, or of a child of this thread. None where a signal came instead.
///
/// # Errors
/// `ECHILD` where there is nothing to wait for.
pub(super) fn wait() -> io::Result<Option<(u32, Stop)>> {
    let options = WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD).cast_unsigned());
    // Not `waitpid` of nobody in particular: that knows those of our own process group alone.
    match process::wait(options) {
        Ok(Some((pid, status))) => Ok(Some((number(pid), Stop::of(status)))),
        Ok(None) | Err(rustix::io::Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The number of a process.
pub(super) fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().cast_unsigned()
}

/// Begins to trace a thread, which goes on running.
pub(super) fn seize(tid: u32, options: i32) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, tid, 0, options as usize).map(|_| ())
}

/// Makes a running tracee stop, by [`Stop::Trap`].
pub(super) fn interrupt(tid: u32) -> io::Result<()> {
    request(libc::PTRACE_INTERRUPT, tid, 0, 0).map(|_| ())
}

/// Lets a stopped tracee go on, and delivers this signal to it, if not 0.
pub(super) fn resume(tid: u32, until: Until, signal: i32) -> io::Result<()> {
    let how = match until {
        Until::Syscall => libc::PTRACE_SYSCALL,
        Until::Event => libc::PTRACE_CONT,
    };
    request(how, tid, 0, signal as usize).map(|_| ())
}

/// Leaves a tracee stopped with its process, but for what continues it.
pub(super) fn listen(tid: u32) -> io::Result<()> {
    request(libc::PTRACE_LISTEN, tid, 0, 0).map(|_| ())
}

/// Lets go of a stopped tracee, and delivers this signal to it, if not 0.
pub(super) fn detach(tid: u32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, tid, 0, signal as usize).map(|_| ())
}

/// The message of the event that a tracee has stopped for.
pub(super) fn event_message(tid: u32) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    request(
        libc::PTRACE_GETEVENTMSG,
        tid,
        0,
        (&raw mut message) as usize,
    )?;
    Ok(message)
}

/// `PTRACE_GET_SYSCALL_INFO`, which not every C library names.
const GET_SYSCALL_INFO: Request = 0x420e;

/// Bytes of the kernel's `struct ptrace_syscall_info` (`include/uapi/linux/ptrace.h`, Linux 5.3).
const INFO: usize = 88;

/// In which call a tracee has stopped.
pub(super) fn syscall(tid: u32) -> io::Result<Syscall> {
    let mut info = [0u8; INFO];
    request(GET_SYSCALL_INFO, tid, INFO, (&raw mut info) as usize)?;
    Ok(parse(&info))
}

fn parse(info: &[u8; INFO]) -> Syscall {
    // Offsets in the kernel's struct.
    const ARCH: usize = 4;
    const UNION: usize = 24;
    const ENTRY: u8 = 1;
    const EXIT: u8 = 2;
    const SECCOMP: u8 = 3;
    /// `__X32_SYSCALL_BIT`.
    const X32: u64 = 0x4000_0000;
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&info[at..at + 8]);
        u64::from_ne_bytes(bytes)
    };
    match info[0] {
        ENTRY | SECCOMP => {
            let mut arch = [0; 4];
            arch.copy_from_slice(&info[ARCH..ARCH + 4]);
            let number = word(UNION);
            // A negative number is no call of x32, whatever its bits.
            let is_x32 = number & X32 != 0 && number <= u64::from(u32::MAX >> 1);
            let (abi, number) = match abi(u32::from_ne_bytes(arch)) {
                Some(Abi::X86_64) if is_x32 => (Some(Abi::X32), number & !X32),
                abi => (abi, number),
            };
            Syscall::Entry {
                abi,
                // Calls have 32-bit numbers.
                number: number as u32,
                arguments: [word(UNION + 8), word(UNION + 16)],
            }
        }
        EXIT => Syscall::Exit {
            value: word(UNION).cast_signed(),
        },
        _ => Syscall::None,
    }
}

/// The ABI of an architecture as the kernel's audit numbers it (`include/uapi/linux/audit.h`).
fn abi(arch: u32) -> Option<Abi> {
    Some(match arch {
        0xc000_003e => Abi::X86_64,
        0x4000_0003 => Abi::I386,
        0xc000_00b7 => Abi::Aarch64,
        0x4000_0028 => Abi::Arm,
        0xc000_00f3 => Abi::Riscv64,
        _ => return None,
    })
}

fn request(request: Request, tid: u32, address: usize, data: usize) -> io::Result<libc::c_long> {
    // SAFETY: The requests of this module change no memory of ours but what `data` points to, which each caller
    // has sized by the kernel's definition and keeps until the call returns. Threads that are none of our tracees
    // answer with an error.
    let answer = unsafe {
        libc::ptrace(
            request,
            tid.cast_signed(),
            address as *mut libc::c_void,
            data as *mut libc::c_void,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}

/// The C libraries do not agree on its type.
#[cfg(target_env = "gnu")]
type Request = libc::c_uint;
#[cfg(not(target_env = "gnu"))]
type Request = libc::c_int;

#[cfg(test)]
mod tests {
    use super::*;

    fn info(op: u8, arch: u32, words: [u64; 3]) -> [u8; INFO] {
        let mut info = [0; INFO];
        info[0] = op;
        info[4..8].copy_from_slice(&arch.to_ne_bytes());
        for (place, word) in words.into_iter().enumerate() {
            let at = 24 + 8 * place;
            info[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
        info
    }

    #[test]
    fn calls_by_their_own_convention() {
        let of = |arch, number| match parse(&info(1, arch, [number, 7, 8])) {
            Syscall::Entry {
                abi,
                number,
                arguments: [7, 8],
            } => (abi, number),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(0xc000_003e, 59), (Some(Abi::X86_64), 59));
        assert_eq!(of(0x4000_0003, 11), (Some(Abi::I386), 11));
        assert_eq!(of(0xc000_003e, 0x4000_0208), (Some(Abi::X32), 520));
        assert_eq!(of(0xc000_00b7, 221), (Some(Abi::Aarch64), 221));
        assert_eq!(of(0xc000_003e, u64::MAX), (Some(Abi::X86_64), u32::MAX));
        assert_eq!(of(0x1234, 1), (None, 1));
    }

    #[test]
    fn ends_and_other_stops() {
        let exit = parse(&info(2, 0xc000_003e, [(-2i64).cast_unsigned(), 1, 0]));
        assert_eq!(exit, Syscall::Exit { value: -2 });
        assert_eq!(parse(&[0; INFO]), Syscall::None);
    }
}
