//! Alerts of Falco as JSON (`json_output: true`), versions 0.2x to 0.4x.
//!
//! An alert is one event that a rule picked. What it says of the event are the fields that the rule's
//! `output` names, in `output_fields`; a call needs `%evt.type`, and is of use with `%proc.pid`,
//! `%thread.tid` and `%evt.res` as well:
//!
//! | field | what it is |
//! |---|---|
//! | `evt.type` | the call; `procexit` is the end of a process |
//! | `evt.dir` | `>` entry, `<` return (always a return from version 0.42 on) |
//! | `evt.time`, or `time` of the alert | nanoseconds since the epoch; RFC 3339 |
//! | `evt.rawres`, `evt.res` | the returned value; `SUCCESS` or an error's name |
//! | `proc.pid`, `thread.tid`, `hostname` | whose it is |
//! | `proc.exepath` | the program, once an `execve` has succeeded |
//!
//! Record it with `falco -o json_output=true -r RULES`, the rules' output having these fields
//! (`output: "%evt.type %evt.dir %evt.rawres %proc.pid %thread.tid"`).
//!
//! Traps: rules choose, so what is there are some calls, and often without a process. The ABI is not there.
//! Several rules may pick one event (`rule_matching: all`): alerts of the same thread, time and call are one
//! call. `Falco internal: syscall event drop` counts losses, which become gaps.

use serde_json::Value;

use crate::read::events::{Taken, Tool, abi_or_native, gap, host, id, number, path};
use crate::read::line::Emitter;
use crate::read::lives::{Lives, Who, failure};
use crate::read::time::rfc3339;
use crate::{Abi, Call, CallName, GapCause, Outcome, Record, table};

/// Events that are no calls.
const NO_CALLS: &[&str] = &[
    "asyncevent",
    "container",
    "cpu_hotplug",
    "drop",
    "group_added",
    "group_deleted",
    "infra",
    "k8s",
    "mesos",
    "notification",
    "page_fault",
    "pluginevent",
    "procinfo",
    "scapevent",
    "signaldeliver",
    "switch",
    "sysdigevent",
    "tracer",
    "user_added",
    "user_deleted",
    "userevent",
];

/// Reads Falco's alerts.
pub(crate) struct Falco {
    abi: Option<Abi>,
    /// Thread, time and call of the alert before.
    last: Option<(Who, u64, CallName)>,
}

impl Falco {
    pub(crate) fn new(abi: Option<Abi>) -> Self {
        Falco { abi, last: None }
    }
}

impl Tool for Falco {
    fn event(&mut self, event: &Value, lives: &mut Lives, out: &mut Emitter<'_>) -> Taken {
        let Some(fields) = event.get("output_fields") else {
            return Taken::NoCall;
        };
        let field = |name| fields.get(name).filter(|value| !value.is_null());
        let time_ns = match field("evt.time").and_then(Value::as_u64) {
            Some(ns) => Some(ns),
            None => event.get("time").and_then(Value::as_str).and_then(rfc3339),
        };
        let rule = event.get("rule").and_then(Value::as_str);
        if rule.is_some_and(|rule| rule.starts_with("Falco internal: syscall event drop")) {
            let lost = field("n_drops").and_then(number);
            let lost = lost.and_then(|lost| u64::try_from(lost).ok());
            return Taken::Done(out.record(gap(lives, time_ns, lost, GapCause::BufferFull)));
        }
        let Some(kind) = field("evt.type").and_then(Value::as_str) else {
            return Taken::NoCall;
        };
        let who = Who {
            host: host(event.get("hostname")),
            tgid: field("proc.pid").and_then(id),
            tid: field("thread.tid").and_then(id),
        };
        let known = who.tgid.or(who.tid).is_some();
        if kind == "procexit" {
            return match known && lives.is_alive(&who) {
                true => Taken::Done(lives.exit(&who, time_ns, None, out)),
                false => Taken::NoCall,
            };
        }
        if NO_CALLS.contains(&kind) {
            return Taken::NoCall;
        }
        let Some(name) = table::canonical(kind) else {
            return Taken::Bad;
        };
        if let Some(ns) = time_ns {
            let this = (who.clone(), ns, name.clone());
            if self.last.as_ref() == Some(&this) {
                return Taken::NoCall;
            }
            self.last = Some(this);
        }
        let abi = abi_or_native(self.abi);
        let call = Call {
            time_ns,
            stream: lives.stream(&who, out),
            abi,
            number: table::number(abi, &name),
            outcome: outcome(field("evt.rawres"), field("evt.res")),
            name,
        };
        let begins = known
            && matches!(call.name.as_str(), "execve" | "execveat")
            && call.outcome.is_some_and(Outcome::is_ok);
        let flow = match field("evt.dir").and_then(Value::as_str) {
            Some(">") if known => return Taken::Done(lives.enter(&who, call, out)),
            Some("<") if known && has_entry(lives, &who, &call.name) => {
                lives.leave(&who, call, out)
            }
            _ => out.record(Record::Call(call)),
        };
        if begins && flow.is_continue() {
            let program = (path(field("proc.exepath")), field("user.uid").and_then(id));
            return Taken::Done(lives.exec(&who, time_ns, program, out));
        }
        Taken::Done(flow)
    }

    fn without_calls(&self) -> Option<&'static str> {
        Some(
            "none of its alerts says which call it is about: rules have to print it (output: \"%evt.type \
             %evt.rawres %proc.pid %thread.tid\")",
        )
    }
}

/// Most rules see returns alone; then an entry that is not there is none that is missing.
fn has_entry(lives: &Lives, who: &Who, name: &CallName) -> bool {
    lives.open_call(who) == Some(name)
}

fn outcome(raw: Option<&Value>, res: Option<&Value>) -> Option<Outcome> {
    if let Some(raw) = raw.and_then(number) {
        return Some(Outcome::from_raw(raw));
    }
    let res = res?;
    match number(res) {
        Some(value) => Some(Outcome::from_raw(value)),
        None => res.as_str().and_then(failure),
    }
}
