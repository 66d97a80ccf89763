//! Events of Tetragon as JSON (`tetra getevents -o json`, or its export file), versions 0.8 to 1.6.
//!
//! | event | what it is |
//! |---|---|
//! | `process_exec` | a program begins; with the flag `clone` its process was forked |
//! | `process_exit` | a process ends, with its status or signal |
//! | `process_kprobe` of `__x64_sys_openat` and the like, with `return` where the policy asks for it | a call |
//! | `process_tracepoint` of `raw_syscalls` or `syscalls`, `sys_enter...` and `sys_exit...` | half a call |
//! | `rate_limit_info` | events that were dropped |
//!
//! Record it with a TracingPolicy of kprobes with `syscall: true`, or of the tracepoint
//! `raw_syscalls/sys_exit`, and `tetra getevents -o json`.
//!
//! Traps: without a policy there are no calls, and policies choose which. An exec is told as an event and not
//! as a call, so none is made up. The ABI is in the function's name (`__x64_sys_`, `__ia32_sys_`) or in the
//! argument `syscall_id`; of older events (`sys_write`, a bare number) it is the machine's. Threads (`tid`)
//! are there from version 1.1 on. Processes with the flag `procFS` were running before. Numbers of 64 bits
//! are strings. `process_connect`, `process_close` and their kin are about sockets and are no calls. Objects
//! in documentation are spread over lines; so they are read as well.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use crate::read::events::{Taken, Tool, abi_or_native, gap, host, id, number, path};
use crate::read::line::Emitter;
use crate::read::lives::{Lives, Who};
use crate::read::signal;
use crate::read::time::rfc3339;
use crate::{Abi, Call, CallName, ExitStatus, GapCause, LifecycleKind, Outcome, Record, table};

/// What stands before a call's name in the functions of the kernel, and the ABI where it says it.
const FUNCTIONS: &[(&str, Option<Abi>)] = &[
    ("__x64_sys_", Some(Abi::X86_64)),
    ("__x32_compat_sys_", Some(Abi::X32)),
    ("__ia32_compat_sys_", Some(Abi::I386)),
    ("__ia32_sys_", Some(Abi::I386)),
    ("__arm64_compat_sys_", Some(Abi::Arm)),
    ("__arm64_sys_", Some(Abi::Aarch64)),
    ("__riscv_sys_", Some(Abi::Riscv64)),
    ("sys_", None),
];

/// Reads Tetragon's events.
pub(crate) struct Tetragon {
    abi: Option<Abi>,
}

impl Tetragon {
    pub(crate) fn new(abi: Option<Abi>) -> Self {
        Tetragon { abi }
    }

    fn take(
        &mut self,
        event: &Value,
        lives: &mut Lives,
        out: &mut Emitter<'_>,
    ) -> Option<ControlFlow<()>> {
        let time_ns = event.get("time").and_then(Value::as_str).and_then(rfc3339);
        let host = host(event.get("node_name"));
        if let Some(limited) = event.get("rate_limit_info") {
            let lost = limited
                .get("number_of_dropped_process_events")
                .and_then(number);
            let lost = lost.and_then(|lost| u64::try_from(lost).ok());
            return Some(out.record(gap(lives, time_ns, lost, GapCause::RateLimit)));
        }
        let body = |kind| event.get(kind);
        if let Some(exec) = body("process_exec") {
            return exec_event(exec, &host, time_ns, lives, out);
        }
        if let Some(exit) = body("process_exit") {
            let who = who(exit.get("process")?, &host)?;
            let status = match exit.get("signal").and_then(Value::as_str) {
                Some(name) if !name.is_empty() => signal::number(name).map(ExitStatus::Signal),
                _ => exit
                    .get("status")
                    .map_or(Some(0), number)
                    .and_then(|status| i32::try_from(status).ok())
                    .map(ExitStatus::Code),
            };
            return Some(lives.exit(&who, time_ns, status, out));
        }
        if let Some(kprobe) = body("process_kprobe") {
            let who = who(kprobe.get("process")?, &host)?;
            let (abi, name) = self.function(kprobe.get("function_name")?.as_str()?)?;
            let returned = kprobe.get("return").and_then(argument);
            let call = call(&who, time_ns, (abi, name), returned, lives, out);
            return Some(out.record(Record::Call(call)));
        }
        let tracepoint = body("process_tracepoint")?;
        self.tracepoint(tracepoint, &host, time_ns, lives, out)
    }

    /// ABI and name of the call that a function of the kernel serves; none of another function.
    fn function(&self, function: &str) -> Option<(Abi, CallName)> {
        let (abi, name) = FUNCTIONS
            .iter()
            .find_map(|(prefix, abi)| Some((abi, function.strip_prefix(prefix)?)))?;
        let abi = abi.unwrap_or_else(|| abi_or_native(self.abi));
        Some((abi, table::canonical(name)?))
    }

    fn tracepoint(
        &self,
        tracepoint: &Value,
        host: &Option<Arc<str>>,
        time_ns: Option<u64>,
        lives: &mut Lives,
        out: &mut Emitter<'_>,
    ) -> Option<ControlFlow<()>> {
        let who = who(tracepoint.get("process")?, host)?;
        let text = |name| tracepoint.get(name).and_then(Value::as_str);
        let (subsystem, event) = (text("subsys")?, text("event")?);
        let args = tracepoint.get("args").and_then(Value::as_array);
        let arg = |index: usize| args.and_then(|args| args.get(index));
        let (enters, own) = match event.strip_prefix("sys_enter") {
            Some(own) => (true, own),
            None => (false, event.strip_prefix("sys_exit")?),
        };
        let (abi_and_name, returned) = match subsystem {
            "raw_syscalls" => (self.by_argument(arg(0)?)?, arg(1).and_then(argument)),
            "syscalls" => {
                let name = table::canonical(own.strip_prefix('_')?)?;
                ((abi_or_native(self.abi), name), arg(0).and_then(argument))
            }
            _ => return None,
        };
        let returned = returned.filter(|_| !enters);
        let call = call(&who, time_ns, abi_and_name, returned, lives, out);
        Some(match (enters, lives.open_call(&who) == Some(&call.name)) {
            (true, _) => lives.enter(&who, call, out),
            (false, true) => lives.leave(&who, call, out),
            // A policy for returns alone.
            (false, false) => out.record(Record::Call(call)),
        })
    }

    /// The call of a `syscall_id`, or of a bare number.
    fn by_argument(&self, arg: &Value) -> Option<(Abi, CallName)> {
        let native = abi_or_native(self.abi);
        let (abi, number) = match arg.get("syscall_id") {
            Some(syscall) => {
                let abi = match syscall.get("abi").and_then(Value::as_str) {
                    Some("x64") => Abi::X86_64,
                    Some("i386") => Abi::I386,
                    Some("arm64") => Abi::Aarch64,
                    Some("arm32") => Abi::Arm,
                    _ => native,
                };
                (abi, id(syscall.get("id")?)?)
            }
            None => (native, u32::try_from(argument(arg)?).ok()?),
        };
        Some((abi, table::by_number(abi, number)))
    }
}

impl Tool for Tetragon {
    fn event(&mut self, event: &Value, lives: &mut Lives, out: &mut Emitter<'_>) -> Taken {
        match self.take(event, lives, out) {
            Some(flow) => Taken::Done(flow),
            None => Taken::NoCall,
        }
    }
}

fn exec_event(
    exec: &Value,
    host: &Option<Arc<str>>,
    time_ns: Option<u64>,
    lives: &mut Lives,
    out: &mut Emitter<'_>,
) -> Option<ControlFlow<()>> {
    let process = exec.get("process")?;
    let this = who(process, host)?;
    let flags = process.get("flags").and_then(Value::as_str).unwrap_or("");
    let has = |flag| flags.split(' ').any(|own| own == flag);
    if has("procFS") {
        return None;
    }
    let forked = has("clone") && !lives.is_alive(&this);
    let parent = exec.get("parent").and_then(|parent| who(parent, host));
    if let (true, Some(parent)) = (forked, &parent)
        && lives
            .begin(LifecycleKind::Fork, Some(parent), &this, time_ns, out)
            .is_break()
    {
        return Some(ControlFlow::Break(()));
    }
    let program = (path(process.get("binary")), process.get("uid").and_then(id));
    Some(lives.exec(&this, time_ns, program, out))
}

fn who(process: &Value, host: &Option<Arc<str>>) -> Option<Who> {
    Some(Who {
        host: host.clone(),
        tgid: Some(id(process.get("pid")?)?),
        tid: process.get("tid").and_then(id),
    })
}

fn call(
    who: &Who,
    time_ns: Option<u64>,
    (abi, name): (Abi, CallName),
    returned: Option<i64>,
    lives: &mut Lives,
    out: &mut Emitter<'_>,
) -> Call {
    Call {
        time_ns,
        stream: lives.stream(who, out),
        abi,
        number: table::number(abi, &name),
        name,
        outcome: returned.map(Outcome::from_raw),
    }
}

/// The number in an argument (`{"int_arg":3}`, `{"size_arg":"59"}`).
fn argument(arg: &Value) -> Option<i64> {
    ["int_arg", "long_arg", "size_arg", "uint_arg"]
        .iter()
        .find_map(|kind| arg.get(kind))
        .and_then(number)
}
