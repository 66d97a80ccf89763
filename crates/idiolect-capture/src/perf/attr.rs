//! perf_event_open(2): opening trace points, and what their samples hold.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

/// Where an event is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    /// In this thread and all that it makes.
    Thread(i32),
    /// In what is in or below the control group of this open folder.
    Cgroup(RawFd),
    /// Everywhere.
    Everything,
}

/// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER5` (Linux 4.1), of which we use the beginning. Flags are bits
/// in the order of the kernel's header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    breakpoint_kind: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clock: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

const TRACEPOINT: u32 = 2;

const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_RAW: u64 = 1 << 10;
const SAMPLE_REGS_USER: u64 = 1 << 12;

/// With the count, how many samples found no room (Linux 6.0).
const READ_LOST: u64 = 1 << 4;

const DISABLED: u64 = 1 << 0;
const INHERIT: u64 = 1 << 1;
const COMM: u64 = 1 << 9;
const TASK: u64 = 1 << 13;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const USE_CLOCKID: u64 = 1 << 25;

const FLAG_CLOEXEC: libc::c_ulong = 1 << 3;
const FLAG_CGROUP: libc::c_ulong = 1 << 2;

const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;

/// The user's registers by which the convention of a call is known: rcx, rip, flags and r11 on x86, in the order in
/// which they are sampled; elsewhere the program counter, since there must be one.
#[cfg(target_arch = "x86_64")]
const REGISTERS: u64 = 1 << 2 | 1 << 8 | 1 << 9 | 1 << 19;
#[cfg(not(target_arch = "x86_64"))]
const REGISTERS: u64 = 1 << 32;

/// An open event.
#[derive(Debug)]
pub(super) struct Event(File);

impl Event {
    /// Opens a trace point of this number on a processor; not yet enabled. With `tells_lives`, births, names and ends
    /// of threads are sent too.
    pub(super) fn tracepoint(
        id: u64,
        scope: Scope,
        processor: i32,
        tells_lives: bool,
        with_registers: bool,
    ) -> io::Result<Self> {
        let (pid, flag, inherit) = match scope {
            Scope::Thread(tid) => (tid, 0, INHERIT),
            Scope::Cgroup(folder) => (folder, FLAG_CGROUP, 0),
            Scope::Everything => (-1, 0, 0),
        };
        let mut attributes = Attributes {
            kind: TRACEPOINT,
            size: 112,
            config: id,
            sample_period: 1,
            sample_type: SAMPLE_TID
                | SAMPLE_TIME
                | SAMPLE_RAW
                | if with_registers { SAMPLE_REGS_USER } else { 0 },
            read_format: READ_LOST,
            flags: DISABLED
                | inherit
                | WATERMARK
                | SAMPLE_ID_ALL
                | USE_CLOCKID
                | if tells_lives { TASK | COMM } else { 0 },
            // Nobody waits: we come by in time.
            wakeup_watermark: u32::MAX,
            sample_regs_user: if with_registers { REGISTERS } else { 0 },
            clock: libc::CLOCK_MONOTONIC,
            ..Attributes::default()
        };
        open(&attributes, pid, processor, flag).or_else(|error| {
            if error.raw_os_error() != Some(libc::EINVAL) {
                return Err(error);
            }
            attributes.read_format = 0;
            open(&attributes, pid, processor, flag)
        })
    }

    /// Sends its samples to another event's ring buffer.
    pub(super) fn send_to(&self, other: &Event) -> io::Result<()> {
        self.control(IOC_SET_OUTPUT, other.fd().into())
    }

    /// Begins, or ends, to count, in what inherited it too.
    pub(super) fn enable(&self, enable: bool) -> io::Result<()> {
        self.control(if enable { IOC_ENABLE } else { IOC_DISABLE }, 0)
    }

    fn control(&self, request: libc::c_ulong, argument: libc::c_long) -> io::Result<()> {
        // SAFETY: These requests take a number, and no memory.
        match unsafe { libc::ioctl(self.fd(), request, argument) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// How many samples found no room, where the kernel says so. A record says it too, but only once there is room
    /// and something to write.
    pub(super) fn lost(&self) -> Option<u64> {
        let mut count = [0; 16];
        match (&self.0).read(&mut count) {
            Ok(16) => Some(u64::from_ne_bytes(*count.last_chunk()?)),
            _ => None,
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Whether the thread that it counts in has ended, and all that inherited it (kernel: `perf_poll`).
    pub(super) fn is_over(&self) -> bool {
        let mut wait = libc::pollfd {
            fd: self.fd(),
            events: 0,
            revents: 0,
        };
        // SAFETY: One structure, which lives during the call.
        unsafe { libc::poll(&raw mut wait, 1, 0) };
        wait.revents & libc::POLLHUP != 0
    }
}

fn open(
    attributes: &Attributes,
    pid: i32,
    processor: i32,
    flag: libc::c_ulong,
) -> io::Result<Event> {
    // SAFETY: The structure is as long as it says, and lives during the call, which gives a new descriptor or -1.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const *attributes,
            pid,
            processor,
            -1,
            flag | FLAG_CLOEXEC,
        )
    };
    match i32::try_from(opened) {
        // SAFETY: It was just opened, and is nobody else's.
        Ok(fd) if fd >= 0 => Ok(Event(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))),
        _ => Err(io::Error::last_os_error()),
    }
}
