//! What the machine and our privileges are.

use std::fs;
use std::io;
use std::path::Path;

use super::Fact;
use crate::cgroup::Mount;
use crate::lockdown::Lockdown;
use crate::proc;

/// Capabilities that matter, by their number (kernel: `include/uapi/linux/capability.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capability {
    DacReadSearch = 2,
    SysPtrace = 19,
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

impl Capability {
    const ALL: [Capability; 5] = [
        Capability::Bpf,
        Capability::Perfmon,
        Capability::SysPtrace,
        Capability::DacReadSearch,
        Capability::SysAdmin,
    ];

    fn name(self) -> &'static str {
        match self {
            Capability::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Capability::SysPtrace => "CAP_SYS_PTRACE",
            Capability::SysAdmin => "CAP_SYS_ADMIN",
            Capability::Perfmon => "CAP_PERFMON",
            Capability::Bpf => "CAP_BPF",
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// `6.1.0-13-amd64`.
    pub(super) release: String,
    /// Major and minor version, where they can be read.
    pub(super) version: Option<(u32, u32)>,
    pub(super) has_btf: bool,
    pub(super) has_bpf: bool,
    pub(super) unprivileged_bpf_disabled: Option<String>,
    /// The bits of the effective capabilities.
    capabilities: u64,
    pub(super) perf_event_paranoid: Option<i32>,
    pub(super) lockdown: Lockdown,
    pub(super) tracefs: Option<String>,
    pub(super) has_raw_syscalls: bool,
    pub(super) ptrace_scope: Option<u32>,
    cgroup: Option<Mount>,
    cgroup_v1: bool,
    io_uring: Option<String>,
    /// We are in the first pid namespace, whose numbers the kernel uses itself.
    in_first_namespace: bool,
    /// A seccomp filter watches us, as in containers.
    pub(super) is_filtered: bool,
}

impl Found {
    pub(super) fn gather() -> Self {
        let own = std::process::id();
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse().ok());
        let version = numbers.next().flatten().zip(numbers.next().flatten());
        let tracefs = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
            .into_iter()
            .find(|folder| Path::new(folder).join("events").is_dir());
        let mounts = proc::line("/proc/self/mountinfo").unwrap_or_default();
        Found {
            version,
            has_btf: fs::File::open("/sys/kernel/btf/vmlinux").is_ok(),
            has_bpf: has_bpf(),
            unprivileged_bpf_disabled: proc::line("/proc/sys/kernel/unprivileged_bpf_disabled"),
            capabilities: proc::status(own, "CapEff:")
                .and_then(|bits| u64::from_str_radix(&bits, 16).ok())
                .unwrap_or(0),
            perf_event_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
            lockdown: Lockdown::of_this_machine(),
            has_raw_syscalls: tracefs.is_some_and(|folder| {
                fs::read(format!("{folder}/events/raw_syscalls/sys_enter/id")).is_ok()
            }),
            tracefs: tracefs.map(str::to_owned),
            ptrace_scope: number("/proc/sys/kernel/yama/ptrace_scope"),
            cgroup: Mount::find(),
            cgroup_v1: mounts.lines().any(|line| line.contains(" - cgroup ")),
            io_uring: proc::line("/proc/sys/kernel/io_uring_disabled"),
            in_first_namespace: fs::read_link("/proc/self/ns/pid")
                .is_ok_and(|link| link.as_os_str() == FIRST_NAMESPACE),
            is_filtered: proc::status(own, "Seccomp:").is_some_and(|mode| mode == "2"),
            release,
        }
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.capabilities >> capability as u32 & 1 == 1
    }

    /// Whether the kernel is of this version or later, as far as it says.
    pub(super) fn is_since(&self, major: u32, minor: u32) -> bool {
        self.version.is_none_or(|version| version >= (major, minor))
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let mut facts = Vec::new();
        let mut fact = |name, value, is_hindrance| {
            facts.push(Fact {
                name,
                value,
                is_hindrance,
            });
        };
        fact(
            "kernel",
            format!("{} on {}", self.release, std::env::consts::ARCH),
            !self.is_since(5, 8),
        );
        fact("btf", yes(self.has_btf), !self.has_btf);
        let unprivileged = match self.unprivileged_bpf_disabled.as_deref() {
            Some("0") => ", for everybody (kernel.unprivileged_bpf_disabled is 0)",
            _ => ", for the privileged",
        };
        let bpf = if self.has_bpf { unprivileged } else { "" };
        fact("bpf", yes(self.has_bpf) + bpf, !self.has_bpf);
        let ours: Vec<&str> = Capability::ALL
            .into_iter()
            .filter(|&capability| self.has(capability))
            .map(Capability::name)
            .collect();
        let of = Capability::ALL.len();
        fact(
            "capabilities",
            match ours.len() {
                0 => format!("none of the {of} that matter"),
                _ => ours.join(", "),
            },
            ours.len() < of,
        );
        let paranoid = self.perf_event_paranoid;
        fact(
            "perf_event_paranoid",
            paranoid.map_or_else(|| "not there".to_owned(), |level| level.to_string()),
            paranoid.is_none_or(|level| level > -1) && !self.has(Capability::Perfmon),
        );
        fact(
            "lockdown",
            match self.lockdown {
                Lockdown::None => "none",
                Lockdown::Integrity => "integrity",
                Lockdown::Confidentiality => "confidentiality",
                Lockdown::Unknown => "not known (/sys/kernel/security/lockdown is not there)",
            }
            .to_owned(),
            self.lockdown == Lockdown::Confidentiality,
        );
        fact(
            "tracefs",
            match &self.tracefs {
                Some(folder) if self.has_raw_syscalls => folder.clone(),
                Some(folder) => format!("{folder}, without raw_syscalls that we could read"),
                None => "not mounted, or not readable".to_owned(),
            },
            !self.has_raw_syscalls,
        );
        fact(
            "ptrace_scope",
            match self.ptrace_scope {
                None => "0 (no Yama)".to_owned(),
                Some(scope) => scope.to_string(),
            },
            self.ptrace_scope
                .is_some_and(|scope| scope > 2 || scope > 0 && !self.has(Capability::SysPtrace)),
        );
        fact(
            "cgroup",
            match (&self.cgroup, self.cgroup_v1) {
                (Some(mount), false) => format!("v2 at {}", mount.point.display()),
                (Some(mount), true) => format!("v1, and v2 at {}", mount.point.display()),
                (None, true) => "v1 only: control groups cannot be recorded".to_owned(),
                (None, false) => "none".to_owned(),
            },
            self.cgroup.is_none(),
        );
        let io_uring = match self.io_uring.as_deref() {
            Some("0") => "for everybody",
            Some("1") => "for the privileged",
            Some("2") => "disabled",
            _ if !self.is_since(6, 6) => {
                "as the kernel was built (nothing disables it before Linux 6.6)"
            }
            _ => "not known (/proc/sys/kernel/io_uring_disabled is not there)",
        };
        fact("io_uring", io_uring.to_owned(), io_uring != "disabled");
        fact(
            "pid namespace",
            if self.in_first_namespace {
                "the first"
            } else {
                "another (a container?): of the processes outside of it perf sees nothing, and eBPF their numbers out there"
            }
            .to_owned(),
            !self.in_first_namespace,
        );
        fact("seccomp filter", yes(self.is_filtered), self.is_filtered);
        facts
    }

    pub(super) fn blind_spots(&self) -> Vec<String> {
        let mut spots = Vec::new();
        if self.io_uring.as_deref() != Some("2") {
            spots.push(
                "work that a program gives to io_uring makes no system call: only io_uring_setup, io_uring_enter and \
                 io_uring_register are seen. `sysctl kernel.io_uring_disabled=2` closes that way (Linux 6.6)"
                    .to_owned(),
            );
        }
        spots.push(
            "a thread that seccomp kills at the spot does not show the call it was killed for, only that it was killed"
                .to_owned(),
        );
        spots
    }
}

/// The link of the first pid namespace (kernel: `PROC_PID_INIT_INO`).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

fn number<N: std::str::FromStr>(path: &str) -> Option<N> {
    proc::line(path)?.parse().ok()
}

/// Whether there is such a call, whatever it lets us do.
fn has_bpf() -> bool {
    const NO_COMMAND: libc::c_long = 9999;
    // SAFETY: There is no such command, so that no argument is looked at.
    let result = unsafe { libc::syscall(libc::SYS_bpf, NO_COMMAND, 0, 0) };
    result >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let found = Found::gather();
        assert!(found.version.is_some(), "{}", found.release);
        let old = Found {
            version: Some((5, 10)),
            ..found
        };
        assert!(old.is_since(5, 8) && old.is_since(4, 20));
        assert!(!old.is_since(5, 11) && !old.is_since(6, 0));
    }
}
