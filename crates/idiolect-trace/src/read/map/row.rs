//! From the parts of a row to a record.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::spec::Part;
use super::{Cells, Map, Row, Unreadable};
use crate::read::ReadOptions;
use crate::read::line::Emitter;
use crate::read::lives::{Lives, Who, failure};
use crate::read::text::{parse_number, parse_signed};
use crate::read::time::{decimal_fraction, rfc3339};
use crate::read::tokens::parse_number as parse_call_number;
use crate::{Abi, Call, CallName, Outcome, Record, table};

/// Longest name of a host, in bytes.
const MAX_HOST: usize = 256;

/// Makes records of rows.
pub(super) struct Rows {
    pub(super) map: Arc<Map>,
    abi: Option<Abi>,
    pub(super) lives: Lives,
}

/// Which half of a call a row is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Both,
    Entry,
    Return,
}

impl Rows {
    pub(super) fn new(origin: Arc<str>, map: Arc<Map>, options: &ReadOptions) -> Self {
        Rows {
            map,
            abi: options.abi,
            lives: Lives::new(origin, options.limits.open_threads),
        }
    }

    /// Takes a row.
    pub(super) fn row(&mut self, cells: &Cells<'_>, out: &mut Emitter<'_>) -> Row {
        match self.read(cells, out) {
            Ok(flow) => Row::Done(flow),
            Err(Unreadable) => Row::Bad,
        }
    }

    fn read(
        &mut self,
        cells: &Cells<'_>,
        out: &mut Emitter<'_>,
    ) -> Result<ControlFlow<()>, Unreadable> {
        let number = |part| {
            let cell = cells(part)?;
            cell.map(|text| parse_number::<u32>(text.as_bytes()).ok_or(Unreadable))
                .transpose()
        };
        let abi = match cells(Part::Abi)? {
            Some(text) => Some(text.parse().map_err(|_| Unreadable)?),
            None => self.abi,
        };
        let Some((abi, number_of_call, name)) = self.call(abi, cells)? else {
            return Ok(out.refuse(
                "its calls are numbers, which mean nothing without an ABI, and there is no table for this \
                 machine's: name one (--abi, or abi= in the map)",
            ));
        };
        let time_ns = match cells(Part::Time)? {
            Some(text) => match self.time(&text)? {
                Some(ns) => Some(ns),
                None => {
                    return Ok(out.refuse(format!(
                        "the time {text:?} is a number: say in which unit it is (unit=s, ms, us or ns in the map)"
                    )));
                }
            },
            None => None,
        };
        let half = match cells(Part::Direction)?.as_deref() {
            None => Half::Both,
            Some(">" | "enter" | "entry" | "E" | "e") => Half::Entry,
            Some("<" | "exit" | "return" | "X" | "x") => Half::Return,
            Some(_) => return Err(Unreadable),
        };
        let outcome = outcome(
            cells(Part::Errno)?.as_deref(),
            cells(Part::Result)?.as_deref(),
        )?;
        let host = cells(Part::Host)?;
        if host.as_ref().is_some_and(|host| host.len() > MAX_HOST) {
            return Err(Unreadable);
        }
        let who = Who {
            host: host.map(Arc::from),
            tgid: number(Part::Pid)?,
            tid: number(Part::Tid)?,
        };
        let call = Call {
            time_ns,
            stream: self.lives.stream(&who, out),
            abi,
            number: number_of_call,
            name,
            outcome,
        };
        Ok(self.record(&who, call, half, out))
    }

    fn record(
        &mut self,
        who: &Who,
        call: Call,
        half: Half,
        out: &mut Emitter<'_>,
    ) -> ControlFlow<()> {
        let has_number = who.tgid.or(who.tid).is_some();
        let ends = has_number && matches!(call.name.as_str(), "exit" | "exit_group");
        let execs = has_number
            && matches!(call.name.as_str(), "execve" | "execveat")
            && call.outcome.is_some_and(Outcome::is_ok);
        let time_ns = call.time_ns;
        match half {
            Half::Both => out.record(Record::Call(call))?,
            // It does not return, so its entry is all there is.
            Half::Entry if ends => {
                self.lives.close(who, out)?;
                out.record(Record::Call(call))?;
            }
            Half::Entry => return self.lives.enter(who, call, out),
            Half::Return => self.lives.leave(who, call, out)?,
        }
        if ends {
            return self.lives.exit(who, time_ns, None, out);
        }
        if execs {
            return self.lives.exec(who, time_ns, (None, None), out);
        }
        ControlFlow::Continue(())
    }

    /// ABI, number and name; none where a number's table cannot be known.
    fn call(
        &self,
        abi: Option<Abi>,
        cells: &Cells<'_>,
    ) -> Result<Option<(Abi, Option<u32>, CallName)>, Unreadable> {
        let name = cells(Part::Name)?;
        let number = match cells(Part::Number)? {
            Some(text) => Some(parse_call_number(&text).ok_or(Unreadable)?),
            None => name.as_deref().and_then(parse_call_number),
        };
        let Some(number) = number else {
            let abi = abi.or_else(Abi::native).unwrap_or(Abi::X86_64);
            let name = name
                .as_deref()
                .and_then(table::canonical)
                .ok_or(Unreadable)?;
            return Ok(Some((abi, table::number(abi, &name), name)));
        };
        let Some(abi) = abi.or_else(Abi::native) else {
            return Ok(None);
        };
        // A name that stands beside the number is how the source spells it.
        let spelled = name
            .as_deref()
            .filter(|text| parse_call_number(text).is_none());
        let name = match spelled {
            Some(text) => table::canonical(text).ok_or(Unreadable)?,
            None => table::by_number(abi, number),
        };
        Ok(Some((abi, Some(number), name)))
    }

    /// A time in nanoseconds; none where it is a number without a unit.
    fn time(&self, text: &str) -> Result<Option<u64>, Unreadable> {
        if let Some(ns) = rfc3339(text) {
            return Ok(Some(ns));
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let whole: u64 = parse_number(whole.as_bytes()).ok_or(Unreadable)?;
        let fraction = match fraction {
            Some(digits) => decimal_fraction(digits.as_bytes()).ok_or(Unreadable)?,
            None => 0,
        };
        let Some(unit) = self.map.unit else {
            return Ok(None);
        };
        // The fraction is of a unit: at most a unit's nanoseconds.
        let fraction = u128::from(fraction) * u128::from(unit.ns()) / 1_000_000_000;
        let fraction = u64::try_from(fraction).map_err(|_| Unreadable)?;
        whole
            .checked_mul(unit.ns())
            .and_then(|ns| ns.checked_add(fraction))
            .map(Some)
            .ok_or(Unreadable)
    }
}

/// What an error and a returned value say together.
fn outcome(errno: Option<&str>, result: Option<&str>) -> Result<Option<Outcome>, Unreadable> {
    let returned = match result {
        Some(text) => Some(value(text).ok_or(Unreadable)?),
        None => None,
    };
    match errno {
        None => Ok(returned.map(Outcome::from_raw)),
        Some("0" | "-" | "SUCCESS" | "success") => Ok(returned.map(Outcome::Returned)),
        Some(text) => failure(text).map(Some).ok_or(Unreadable),
    }
}

/// A value in decimal, or in hexadecimal as the bits of a register.
fn value(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok().map(u64::cast_signed)
        }
        Some(_) => None,
        None => parse_signed(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn outcomes() {
        let failed = |n| Ok(Some(Outcome::Failed(Errno(n))));
        let returned = |n| Ok(Some(Outcome::Returned(n)));
        assert_eq!(outcome(None, None), Ok(None));
        assert_eq!(outcome(Some("0"), None), Ok(None));
        assert_eq!(outcome(Some("0"), Some("3")), returned(3));
        assert_eq!(outcome(None, Some("-2")), failed(2));
        assert_eq!(outcome(None, Some("0xfffffffffffffffe")), failed(2));
        assert_eq!(outcome(Some("ENOENT"), Some("-1")), failed(2));
        assert_eq!(outcome(Some("-2"), None), failed(2));
        for bad in [Some("NONE"), Some("5000"), Some("")] {
            assert_eq!(outcome(bad, None), Err(Unreadable));
        }
        assert_eq!(outcome(None, Some("0xx")), Err(Unreadable));
    }
}
