//! Events of Tracee as JSON, both forms.
//!
//! | form | versions |
//! |---|---|
//! | `{"timestamp":1657291777566819000,...,"eventId":"257","eventName":"openat","returnValue":3,"args":[...]}` | 0.8 to 0.23 |
//! | `{"timestamp":{"seconds":"1732454400",...},"name":"openat","workload":{"process":{...}},"data":[...]}` | from 0.24 (`v1beta1.Event`) |
//!
//! Record it with `tracee --events openat,close,... --output json` (`--events syscalls` for all calls).
//! An event is a call if its name is one; it is written when the call returns. `sched_process_fork`,
//! `sched_process_exec` and `sched_process_exit` are lives, `sys_enter` and `sys_exit` halves of calls.
//!
//! Traps: policies choose the events, so a log may hold some calls only. The ABI is not named: in the first
//! form an event's number is the call's own on the machine, which tells x86-64 from aarch64; `isCompat`
//! (`compat`) marks calls of 32-bit programs. Numbers of processes are those of the host where both are
//! there. `sched_process_exec` comes before the return of the `execve` that it is part of; the call is put
//! first. `Lost N events` among the messages is a gap. Names such as `security_file_open` and `vfs_read` are
//! other events, whatever their `syscall` field says.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde_json::Value;

use crate::read::events::{Taken, Tool, abi_or_native, gap, host, id, number, path};
use crate::read::line::Emitter;
use crate::read::lives::{Lives, Who};
use crate::read::time::{NS_PER_SECOND, rfc3339};
use crate::{Abi, Call, CallName, GapCause, LifecycleKind, Outcome, Record, table};

/// Programs that begin whose `execve` has not yet been seen to return, at most.
const MAX_EXECS: usize = 4_096;

/// Reads Tracee's events.
pub(crate) struct Tracee {
    given: Option<Abi>,
    /// What the numbers of events have shown.
    seen: Option<Abi>,
    execs: HashMap<Who, Exec>,
}

#[derive(Clone, Debug)]
struct Exec {
    time_ns: Option<u64>,
    executable: Option<String>,
    uid: Option<u32>,
}

/// What both forms say.
struct Event<'a> {
    name: &'a str,
    id: Option<u32>,
    time_ns: Option<u64>,
    who: Who,
    uid: Option<u32>,
    compat: bool,
    returned: Option<i64>,
    args: Option<&'a Value>,
}

impl Tracee {
    pub(crate) fn new(abi: Option<Abi>) -> Self {
        Tracee {
            given: abi,
            seen: None,
            execs: HashMap::new(),
        }
    }

    fn abi(&mut self, event: &Event<'_>, name: &CallName) -> Abi {
        if self.given.or(self.seen).is_none()
            && let Some(id) = event.id
            && !event.compat
        {
            let fits = |abi: &Abi| table::number(*abi, name) == Some(id);
            self.seen = [Abi::X86_64, Abi::Aarch64].into_iter().find(fits);
        }
        match (abi_or_native(self.given.or(self.seen)), event.compat) {
            (Abi::X86_64, true) => Abi::I386,
            (Abi::Aarch64, true) => Abi::Arm,
            (abi, _) => abi,
        }
    }

    fn call(
        &mut self,
        event: &Event<'_>,
        name: CallName,
        lives: &mut Lives,
        out: &mut Emitter<'_>,
    ) -> Call {
        let abi = self.abi(event, &name);
        Call {
            time_ns: event.time_ns,
            stream: lives.stream(&event.who, out),
            abi,
            number: table::number(abi, &name),
            name,
            outcome: event.returned.map(Outcome::from_raw),
        }
    }

    /// Begins the program whose `execve` has returned, or never will in this log.
    fn begin_program(
        &mut self,
        who: &Who,
        lives: &mut Lives,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        match self.execs.remove(who) {
            Some(exec) => lives.exec(who, exec.time_ns, (exec.executable, exec.uid), out),
            None => ControlFlow::Continue(()),
        }
    }

    fn take(
        &mut self,
        event: &Event<'_>,
        lives: &mut Lives,
        out: &mut Emitter<'_>,
    ) -> Option<ControlFlow<()>> {
        let who = &event.who;
        let arg = |name| argument(event.args, name);
        Some(match event.name {
            "sched_process_exec" if self.execs.len() < MAX_EXECS => {
                let exec = Exec {
                    time_ns: event.time_ns,
                    executable: path(arg("pathname").or(arg("cmdpath"))),
                    uid: event.uid,
                };
                self.execs.insert(who.clone(), exec);
                ControlFlow::Continue(())
            }
            "sched_process_fork" => {
                let (tid, tgid) = (
                    arg("child_tid").and_then(id)?,
                    arg("child_pid").and_then(id)?,
                );
                let kind = match tid == tgid {
                    true => LifecycleKind::Fork,
                    false => LifecycleKind::Clone,
                };
                let child = Who {
                    host: who.host.clone(),
                    tgid: Some(tgid),
                    tid: Some(tid),
                };
                lives.begin(kind, Some(who), &child, event.time_ns, out)
            }
            "sched_process_exit" => match self.begin_program(who, lives, out) {
                ControlFlow::Continue(()) => lives.exit(who, event.time_ns, None, out),
                flow => flow,
            },
            "sys_enter" | "sys_exit" => {
                let name = self.of_argument(arg("syscall").or(arg("id"))?)?;
                let call = self.call(event, name, lives, out);
                match event.name {
                    "sys_enter" => {
                        let call = Call {
                            outcome: None,
                            ..call
                        };
                        lives.enter(who, call, out)
                    }
                    _ => lives.leave(who, call, out),
                }
            }
            name if table::is_known_spelling(name) => {
                let name = table::canonical(name)?;
                let call = self.call(event, name, lives, out);
                let is_exec = matches!(call.name.as_str(), "execve" | "execveat")
                    && call.outcome.is_none_or(Outcome::is_ok);
                if !is_exec && self.begin_program(who, lives, out).is_break() {
                    return Some(ControlFlow::Break(()));
                }
                let call = Call {
                    stream: lives.stream(who, out),
                    ..call
                };
                match out.record(Record::Call(call)) {
                    ControlFlow::Continue(()) => self.begin_program(who, lives, out),
                    flow => flow,
                }
            }
            _ => return None,
        })
    }

    /// A call that an argument names or numbers.
    fn of_argument(&self, value: &Value) -> Option<CallName> {
        match id(value) {
            Some(number) => Some(table::by_number(
                abi_or_native(self.given.or(self.seen)),
                number,
            )),
            None => table::canonical(value.as_str()?),
        }
    }
}

impl Tool for Tracee {
    fn event(&mut self, event: &Value, lives: &mut Lives, out: &mut Emitter<'_>) -> Taken {
        if let Some(lost) = lost(event) {
            return Taken::Done(out.record(gap(lives, None, Some(lost), GapCause::BufferFull)));
        }
        let Some(event) = old_form(event).or_else(|| new_form(event)) else {
            return Taken::NoCall;
        };
        match self.take(&event, lives, out) {
            Some(flow) => Taken::Done(flow),
            None => Taken::NoCall,
        }
    }

    fn finish(&mut self, lives: &mut Lives, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let mut rest: Vec<Who> = self.execs.keys().cloned().collect();
        rest.sort_by(|a, b| (&a.host, a.tgid, a.tid).cmp(&(&b.host, b.tgid, b.tid)));
        rest.iter()
            .try_for_each(|who| self.begin_program(who, lives, out))
    }
}

fn old_form(event: &Value) -> Option<Event<'_>> {
    let field = |name| event.get(name);
    let of_host = |host, own| field(host).or(field(own)).and_then(id);
    Some(Event {
        name: field("eventName")?.as_str()?,
        id: field("eventId").and_then(id),
        time_ns: field("timestamp").and_then(Value::as_u64),
        who: Who {
            host: host(field("hostName")),
            tgid: of_host("hostProcessId", "processId"),
            tid: of_host("hostThreadId", "threadId"),
        },
        uid: field("userId").and_then(id),
        compat: event.pointer("/contextFlags/isCompat") == Some(&Value::Bool(true)),
        returned: field("returnValue").and_then(number),
        args: field("args"),
    })
}

fn new_form(event: &Value) -> Option<Event<'_>> {
    let name = event.get("name")?.as_str()?;
    let process = event.pointer("/workload/process")?;
    let at = |pointer: &str| process.pointer(pointer);
    let args = event.get("data");
    Some(Event {
        name,
        id: None,
        time_ns: event.get("timestamp").and_then(timestamp),
        who: Who {
            host: None,
            tgid: at("/host_pid").or(at("/pid")).and_then(id),
            tid: at("/thread/host_tid").or(at("/thread/tid")).and_then(id),
        },
        uid: at("/real_user/id").and_then(id),
        compat: at("/thread/compat") == Some(&Value::Bool(true)),
        returned: argument(args, "returnValue").and_then(number),
        args,
    })
}

/// Seconds and nanoseconds, or RFC 3339.
fn timestamp(value: &Value) -> Option<u64> {
    if let Some(text) = value.as_str() {
        return rfc3339(text);
    }
    let seconds = u64::try_from(number(value.get("seconds")?)?).ok()?;
    let nanos = value.get("nanos").map_or(Some(0), Value::as_u64)?;
    seconds
        .checked_mul(NS_PER_SECOND)?
        .checked_add(nanos.min(NS_PER_SECOND - 1))
}

/// The value of an argument: `value` in the first form, a field by its type in the second.
fn argument<'a>(args: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    let of_name = |arg: &&Value| arg.get("name").and_then(Value::as_str) == Some(name);
    let fields = args?.as_array()?.iter().find(of_name)?.as_object()?;
    fields
        .iter()
        .find_map(|(key, value)| (!matches!(key.as_str(), "name" | "type")).then_some(value))
}

/// How many events a message of Tracee itself says were lost.
fn lost(event: &Value) -> Option<u64> {
    let message = event.get("msg")?.as_str()?;
    let rest = message.strip_prefix("Lost ")?;
    rest.split(' ').next()?.parse().ok()
}
