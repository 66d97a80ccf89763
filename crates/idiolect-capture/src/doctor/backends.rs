//! Whether each backend works, and if not, why.

use super::facts::{Capability, Found};
use super::{Examined, Lack};
use crate::lockdown::{CONFIDENTIAL, Lockdown, UNLOCK};
use crate::{Backend, CaptureError, Options, Target, open};

pub(super) fn examine(backend: Backend, found: &Found) -> Examined {
    let tried = try_it(backend);
    let works = tried.is_ok();
    let mut lacks = match backend {
        Backend::Ebpf => ebpf(found),
        Backend::Perf => perf(found),
        Backend::Ptrace => ptrace(found),
    };
    if works {
        // It does not need what it works without.
        lacks.retain(|lack| lack.is_limit);
    } else if lacks.iter().any(|lack| !lack.is_limit) {
        lacks.retain(|lack| !lack.is_limit);
    } else if let Err(error) = tried {
        lacks.push(Known {
            what: error.to_string(),
            remedy: "none that is known; please report it, with the kernel's version".to_owned(),
            is_limit: false,
        });
    }
    Examined {
        backend,
        works,
        lacks: lacks.into_iter().map(Known::lack).collect(),
    }
}

/// Records a program that does nothing. That it is not there is noticed only once all else has worked.
fn try_it(backend: Backend) -> Result<(), CaptureError> {
    let nothing = Target::Command(vec!["true".into()]);
    match open(&nothing, Some(backend), Options::default()) {
        Ok(mut opened) => opened.source.stop(),
        Err(CaptureError::Command { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is known to be missing.
struct Known {
    what: String,
    remedy: String,
    /// The backend works without it, and cannot do everything.
    is_limit: bool,
}

impl Known {
    fn needed(what: &str, remedy: String) -> Self {
        Known {
            what: what.to_owned(),
            remedy,
            is_limit: false,
        }
    }

    fn limit(what: &str, remedy: String) -> Self {
        Known {
            is_limit: true,
            ..Known::needed(what, remedy)
        }
    }

    fn lack(self) -> Lack {
        Lack {
            what: self.what,
            remedy: self.remedy,
        }
    }
}

/// The command that gives this program capabilities.
fn setcap(capabilities: &str) -> String {
    let program = std::env::current_exe().map_or_else(
        |_| "PATH/idiolect".to_owned(),
        |path| path.display().to_string(),
    );
    format!("run it as root, or: sudo setcap {capabilities}+ep {program}")
}

fn ebpf(found: &Found) -> Vec<Known> {
    let mut lacks = Vec::new();
    if cfg!(not(feature = "ebpf")) {
        lacks.push(Known::needed(
            "this build does not have it",
            "build with the feature ebpf, which is there by default".to_owned(),
        ));
    }
    if !found.is_since(5, 8) {
        lacks.push(Known::needed(
            "the kernel is older than 5.8, which has no ring buffer for programs",
            "a newer kernel; perf works without".to_owned(),
        ));
    }
    if !found.has_bpf {
        lacks.push(Known::needed(
            "there is no bpf system call, or a filter hides it",
            "a kernel with CONFIG_BPF_SYSCALL; in a container, a seccomp profile that allows bpf"
                .to_owned(),
        ));
    }
    if !found.has_btf {
        lacks.push(Known::needed(
            "the kernel does not describe its types (/sys/kernel/btf/vmlinux cannot be read)",
            "a kernel with CONFIG_DEBUG_INFO_BTF, as those of distributions are; perf works without".to_owned(),
        ));
    }
    let may_load = found.has(Capability::SysAdmin)
        || found.has(Capability::Bpf) && found.has(Capability::Perfmon);
    if !may_load {
        lacks.push(Known::needed(
            "no capability to load programs into the kernel",
            setcap("cap_bpf,cap_perfmon,cap_dac_read_search"),
        ));
    }
    if found.lockdown == Lockdown::Confidentiality {
        lacks.push(Known::needed(CONFIDENTIAL, UNLOCK.to_owned()));
    }
    if found.is_filtered {
        lacks.push(Known::limit(
            "a seccomp filter watches us, and may deny bpf",
            "in a container, a seccomp profile that allows bpf and perf_event_open".to_owned(),
        ));
    }
    if !found.has(Capability::DacReadSearch) {
        lacks.push(Known::limit(
            "control groups of processes that are gone at once have no path",
            setcap("cap_bpf,cap_perfmon,cap_dac_read_search"),
        ));
    }
    lacks
}

fn perf(found: &Found) -> Vec<Known> {
    let mut lacks = Vec::new();
    if found.lockdown == Lockdown::Confidentiality {
        // It empties tracefs, too.
        lacks.push(Known::needed(CONFIDENTIAL, UNLOCK.to_owned()));
    } else if found.tracefs.is_none() {
        lacks.push(Known::needed(
            "tracefs is not mounted, or not readable for us",
            "sudo mount -t tracefs nodev /sys/kernel/tracing; without root also: sudo mount -o \
             remount,mode=755 /sys/kernel/tracing"
                .to_owned(),
        ));
    } else if !found.has_raw_syscalls {
        lacks.push(Known::needed(
            "the trace points raw_syscalls cannot be read",
            "a kernel with CONFIG_FTRACE_SYSCALLS; without root: sudo chmod -R o+rX /sys/kernel/tracing/events"
                .to_owned(),
        ));
    }
    let may_open = found.has(Capability::SysAdmin) || found.has(Capability::Perfmon);
    match found.perf_event_paranoid {
        None => lacks.push(Known::needed(
            "there is no perf_event_open",
            "a kernel with CONFIG_PERF_EVENTS".to_owned(),
        )),
        Some(level) if !may_open && level > -1 => lacks.push(Known::needed(
            &format!("kernel.perf_event_paranoid is {level}, and we have no CAP_PERFMON"),
            setcap("cap_perfmon,cap_dac_read_search,cap_ipc_lock")
                + "; or: sudo sysctl kernel.perf_event_paranoid=-1",
        )),
        Some(_) => {}
    }
    if found.is_filtered {
        lacks.push(Known::limit(
            "a seccomp filter watches us, and may deny perf_event_open",
            "in a container, a seccomp profile that allows bpf and perf_event_open".to_owned(),
        ));
    }
    lacks
}

fn ptrace(found: &Found) -> Vec<Known> {
    let mut lacks = Vec::new();
    if !found.is_since(5, 3) {
        lacks.push(Known::needed(
            "the kernel is older than 5.3, which does not say which call it stopped at",
            "a newer kernel; perf works without".to_owned(),
        ));
    }
    if found.ptrace_scope == Some(3) {
        lacks.push(Known::needed(
            "kernel.yama.ptrace_scope is 3: nobody may trace until the machine starts again, not even root",
            "kernel.yama.ptrace_scope=1 in /etc/sysctl.d, and a restart".to_owned(),
        ));
    } else if !found.has(Capability::SysPtrace) {
        match found.ptrace_scope {
            Some(2) => lacks.push(Known::needed(
                "kernel.yama.ptrace_scope is 2: only root may trace",
                setcap("cap_sys_ptrace") + "; or: sudo sysctl kernel.yama.ptrace_scope=1",
            )),
            Some(1) => lacks.push(Known::limit(
                "kernel.yama.ptrace_scope is 1: only programs that it starts can be recorded",
                setcap("cap_sys_ptrace") + "; or: sudo sysctl kernel.yama.ptrace_scope=0",
            )),
            _ => lacks.push(Known::limit(
                "processes of other users cannot be recorded",
                setcap("cap_sys_ptrace"),
            )),
        }
    }
    lacks
}
