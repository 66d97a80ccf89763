//! What this machine allows: which backends work, what the others lack, and the command that grants it.
//!
//! Backends are tried, not guessed at: facts only explain why one does not work.

use serde::Serialize;

use crate::Backend;

mod backends;
mod facts;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// What the machine and our privileges are.
    pub facts: Vec<Fact>,
    /// Each backend, the cheapest for recorded programs first.
    pub backends: Vec<Examined>,
    /// The row of the support table that applies.
    pub row: Row,
    /// What no backend sees here.
    pub blind_spots: Vec<String>,
}

/// One thing that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// A short name, as `btf`.
    pub name: &'static str,
    /// What it is here.
    pub value: String,
    /// Whether it stands in the way of something.
    pub is_hindrance: bool,
}

/// A backend that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    /// Which.
    #[serde(serialize_with = "as_name")]
    pub backend: Backend,
    /// Whether it works.
    pub works: bool,
    /// What it lacks; with a backend that works, what it cannot do for lack of it.
    pub lacks: Vec<Lack>,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// What is missing.
    pub what: String,
    /// The command, or the change of the machine, that grants it.
    pub remedy: String,
}

/// A row of the support table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which machines and privileges it stands for.
    pub machine: &'static str,
    /// What can be recorded there, and how.
    pub support: &'static str,
}

/// The support table: a row a backend, in the order of [`Backend::ALL`], and one for where none works.
pub const SUPPORT: [Row; 4] = [
    Row {
        machine: "Linux 5.8 or later with BTF, x86_64 or aarch64; root, or CAP_BPF and CAP_PERFMON",
        support: "eBPF: programs, processes, control groups, names and the whole machine, at the least cost",
    },
    Row {
        machine: "Linux 4.1 or later with tracefs; root, or CAP_PERFMON",
        support: "perf_event_open: the same, at more cost; it does not know how threads end",
    },
    Row {
        machine: "Linux 5.3 or later; no privileges",
        support: "ptrace: programs that it starts and processes of one's own; each call stops the program",
    },
    Row {
        machine: "anything else",
        support: "no live recording; logs of other tools can be read",
    },
];

/// Looks at this machine. Loads programs into the kernel and opens trace points where it is allowed to, and lets go of
/// them at once.
pub fn examine() -> Diagnosis {
    let found = facts::Found::gather();
    let backends: Vec<Examined> = Backend::ALL
        .into_iter()
        .map(|backend| backends::examine(backend, &found))
        .collect();
    let row = backends
        .iter()
        .position(|examined| examined.works)
        .unwrap_or(SUPPORT.len() - 1);
    Diagnosis {
        facts: found.facts(),
        backends,
        row: SUPPORT[row],
        blind_spots: found.blind_spots(),
    }
}

fn as_name<S: serde::Serializer>(backend: &Backend, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(backend.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_here_is_what_can_be_opened() {
        let diagnosis = examine();
        assert_eq!(diagnosis.backends.len(), Backend::ALL.len());
        for examined in &diagnosis.backends {
            // What does not work lacks something, and something can be done about it.
            assert!(examined.works || !examined.lacks.is_empty(), "{examined:?}");
            for lack in &examined.lacks {
                assert!(!lack.what.is_empty() && !lack.remedy.is_empty());
            }
            let target = crate::Target::Command(vec!["true".into()]);
            let opened = crate::open(&target, Some(examined.backend), crate::Options::default());
            assert_eq!(opened.is_ok(), examined.works, "{examined:?} {opened:?}");
        }
        let first = diagnosis
            .backends
            .iter()
            .position(|examined| examined.works);
        assert_eq!(diagnosis.row, SUPPORT[first.unwrap_or(3)]);
        assert!(diagnosis.facts.iter().any(|fact| fact.name == "kernel"));
    }
}
