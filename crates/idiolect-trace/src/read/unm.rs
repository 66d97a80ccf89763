//! The format of the University of New Mexico's data sets: a process number and a call number a line,
//! the processes of a run interleaved.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::read::drive::unreadable;
use crate::read::line::{Emitter, LineReader};
use crate::read::tokens::{MAX_NUMBER, lower_name, parse_decimal};
use crate::read::{Numbering, ReadError, ReadOptions, SkipKind};
use crate::{Abi, Call, CallName, Lifecycle, LifecycleKind, Record, StreamId, table};

/// Reads lines of `PROCESS CALL`. After a process's `exit` its number stands for another process; `0 0`
/// ends all of them. A call may also be a name.
pub(crate) struct UnmReader<'a> {
    origin: Arc<str>,
    numbering: Option<Numbering>,
    abi: Abi,
    /// Processes remembered at one time.
    bound: usize,
    /// The last call of each process that has not ended, for as many as the bound allows.
    open: HashMap<u32, Option<u32>>,
    plausibility: &'a mut Plausibility,
}

impl<'a> UnmReader<'a> {
    pub(crate) fn new(
        origin: Arc<str>,
        options: &ReadOptions,
        plausibility: &'a mut Plausibility,
    ) -> Self {
        let native = options.abi.or_else(Abi::native).unwrap_or(Abi::X86_64);
        plausibility.first.get_or_insert_with(|| origin.clone());
        UnmReader {
            origin,
            numbering: options.numbering,
            abi: options.numbering.map_or(native, Numbering::abi),
            bound: options.limits.open_threads,
            open: HashMap::new(),
            plausibility,
        }
    }

    fn stream(&self, process: u32) -> StreamId {
        StreamId {
            tgid: Some(process),
            ..StreamId::thread(self.origin.clone(), process)
        }
    }

    fn exit(&self, process: u32) -> Record {
        Record::Lifecycle(Lifecycle {
            time_ns: None,
            stream: self.stream(process),
            kind: LifecycleKind::Exit,
            parent: None,
            executable: None,
            uid: None,
            cgroup: None,
            status: None,
        })
    }

    fn separator(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        out.skip(SkipKind::Separator, line);
        let mut open: Vec<u32> = std::mem::take(&mut self.open).into_keys().collect();
        open.sort_unstable();
        open.into_iter()
            .try_for_each(|process| out.record(self.exit(process)))
    }

    fn call(
        &mut self,
        process: u32,
        (number, raw, name): (Option<u32>, Option<u32>, CallName),
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let last = self.open.get(&process).copied().flatten();
        if let Some(raw) = raw {
            self.plausibility.call(last, raw);
        }
        let exits = matches!(name.as_str(), "exit" | "exit_group");
        let record = Record::Call(Call {
            time_ns: None,
            stream: self.stream(process),
            abi: self.abi,
            number,
            name,
            outcome: None,
        });
        out.record(record)?;
        if exits {
            out.record(self.exit(process))?;
        }
        // The last call of a process that has exited stays: what speaks against a numbering is that its
        // `exit` is followed by more.
        if self.open.len() < self.bound || self.open.contains_key(&process) {
            self.open.insert(process, raw);
        }
        ControlFlow::Continue(())
    }

    fn parse_call(&self, word: &str) -> Option<(Option<u32>, Option<u32>, CallName)> {
        if let Some(raw) = parse_decimal(word) {
            let numbering = self.numbering?;
            let number = numbering.to_abi(raw);
            let name = table::by_number(self.abi, number);
            return Some((Some(number), Some(raw), name));
        }
        let name = lower_name(word)?;
        Some((table::number(self.abi, &name), None, name))
    }
}

impl LineReader for UnmReader<'_> {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Some((process, call)) = pair(line) else {
            if line.trim_ascii().is_empty() {
                return ControlFlow::Continue(());
            }
            out.skip(SkipKind::Unparsed, line);
            return out.record(unreadable(&self.origin));
        };
        if process == 0 && call == "0" {
            return self.separator(line, out);
        }
        if self.numbering.is_none() && parse_decimal(call).is_some() {
            return out.refuse(format!(
                "call {call} is a number of a table that nobody named: {}",
                Numbering::ADVICE
            ));
        }
        match self.parse_call(call) {
            Some(parsed) => self.call(process, parsed, out),
            None => {
                out.skip(SkipKind::Unparsed, line);
                out.record(unreadable(&self.origin))
            }
        }
    }

    fn finish(&mut self, _cut_off: bool, _out: &mut Emitter<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The two words of a line, the first of which is a number.
fn pair(line: &[u8]) -> Option<(u32, &str)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (process, call) = (words.next()?, words.next()?);
    let digits = process.bytes().all(|byte| byte.is_ascii_digit());
    let process = process.parse().ok().filter(|_| digits)?;
    words.next().is_none().then_some((process, call))
}

/// What speaks for and against each numbering, over all files that are read together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plausibility {
    first: Option<Arc<str>>,
    calls: u64,
    /// In the order of [`Numbering::ALL`].
    by: [Evidence; Numbering::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    exits: u64,
    /// Calls that come after an exit of the same process number.
    after_exit: u64,
    retired: u64,
    first_retired: Option<u32>,
}

/// Share of calls above which calls that nothing makes are no accident.
const RETIRED_SHARE: u64 = 10_000;
/// So many of them are never enough.
const FEW_RETIRED: u64 = 2;

impl Plausibility {
    fn call(&mut self, last: Option<u32>, number: u32) {
        self.calls += 1;
        for (numbering, evidence) in Numbering::ALL.into_iter().zip(&mut self.by) {
            let exit = numbering.from_abi(EXIT);
            evidence.exits += u64::from(exit == Some(number));
            evidence.after_exit += u64::from(last.is_some() && last == exit);
            if number <= LAST_RETIRED && numbering.is_retired(number) {
                evidence.retired += 1;
                evidence.first_retired.get_or_insert(number);
            }
        }
    }

    /// Why it cannot be this numbering, if it cannot.
    fn against(&self, numbering: Numbering) -> Option<String> {
        let Evidence {
            exits,
            after_exit,
            retired,
            first_retired,
        } = self.by[numbering as usize];
        if after_exit * 2 > exits {
            return Some(format!(
                "{after_exit} of {exits} processes go on after their exit"
            ));
        }
        let number = first_retired?;
        if retired <= FEW_RETIRED || retired * RETIRED_SHARE <= self.calls {
            return None;
        }
        let name = table::by_number(numbering.abi(), numbering.to_abi(number));
        Some(format!(
            "{retired} of {} calls are of kinds that nothing makes, such as {name} ({number})",
            self.calls
        ))
    }

    /// Refuses a numbering that cannot be.
    pub(crate) fn judge(self, numbering: Numbering) -> Result<(), ReadError> {
        let (Some(origin), Some(reason)) = (self.first.clone(), self.against(numbering)) else {
            return Ok(());
        };
        let fitting: Vec<&str> = Numbering::ALL
            .into_iter()
            .filter(|&other| self.against(other).is_none())
            .map(Numbering::as_str)
            .collect();
        let fits = match fitting.as_slice() {
            [] => String::new(),
            _ => format!(" ({} fits)", fitting.join(" or ")),
        };
        Err(ReadError::WrongNumbering {
            origin,
            numbering,
            reason,
            fits,
        })
    }

    /// What the beginning of a file rules out, as a sentence to go on with.
    pub(crate) fn advice(head: &[u8]) -> String {
        let mut seen = Plausibility::default();
        let mut last = HashMap::new();
        for (process, call) in head.split(|byte| *byte == b'\n').filter_map(pair) {
            if let Some(number) = parse_decimal(call)
                && (process, number) != (0, 0)
            {
                seen.call(last.insert(process, number), number);
            }
        }
        let ruled_out: String = Numbering::ALL
            .into_iter()
            .filter_map(|numbering| {
                Some(format!("; not {numbering}: {}", seen.against(numbering)?))
            })
            .collect();
        ruled_out
    }
}

/// The number of `exit` in the tables of SunOS and i386 alike.
const EXIT: u32 = 1;
/// No retired call of either table has a greater number, in a file or in a table.
const LAST_RETIRED: u32 = 255;

const _: () = assert!(LAST_RETIRED < MAX_NUMBER);

#[cfg(test)]
mod tests {
    use super::*;

    fn against(calls: &[(u32, u32)], numbering: Numbering) -> Option<String> {
        let (mut seen, mut last) = (Plausibility::default(), HashMap::new());
        for &(process, number) in calls {
            seen.call(last.insert(process, number), number);
        }
        seen.against(numbering)
    }

    #[test]
    fn an_exit_is_the_last_call() {
        // A fork that is followed by more, by the numbering that counts from 0.
        let forks = [(7, 4), (7, 1), (7, 5), (8, 1), (8, 2)];
        assert_eq!(against(&forks, Numbering::Sunos0), None);
        for counted_from_1 in [Numbering::Sunos1, Numbering::I386] {
            let reason = against(&forks, counted_from_1).unwrap();
            assert_eq!(reason, "2 of 2 processes go on after their exit");
        }
        // A number that comes back now and then is a new process.
        let reused = [(7, 5), (7, 1), (8, 5), (8, 1), (7, 5), (7, 1), (9, 1)];
        assert_eq!(against(&reused, Numbering::I386), None);
    }

    #[test]
    fn what_nothing_calls_speaks_against_a_table() {
        // mmap, munmap and close of i386.
        let linux = [(1, 90), (1, 91), (1, 6)].repeat(5);
        assert_eq!(against(&linux, Numbering::I386), None);
        let reason = against(&linux, Numbering::Sunos1).unwrap();
        assert!(reason.contains("such as setdopt (91)"), "{reason}");
        assert!(against(&linux[..6], Numbering::Sunos1).is_none());
    }
}
