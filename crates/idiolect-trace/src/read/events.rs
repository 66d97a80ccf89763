//! Logs of JSON objects, an event each: what the readers of Falco, Tracee and Tetragon share.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use crate::read::drive::unreadable;
use crate::read::line::{Emitter, LineReader};
use crate::read::lives::Lives;
use crate::read::objects::{Objects, Piece};
use crate::read::{ReadOptions, SkipKind};
use crate::{Abi, Gap, GapCause, GapScope, Record};

/// Longest path that is kept (Linux's `PATH_MAX`), and longest name of a host, in bytes.
const MAX_PATH: usize = 4096;
const MAX_HOST: usize = 256;

/// A program whose events are JSON objects.
pub(crate) trait Tool {
    /// Takes an event.
    fn event(&mut self, event: &Value, lives: &mut Lives, out: &mut Emitter<'_>) -> Taken;

    /// The log has ended.
    fn finish(&mut self, _lives: &mut Lives, _out: &mut Emitter<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Why a log of events without a single call is of no use, where its user can do something about it.
    fn without_calls(&self) -> Option<&'static str> {
        None
    }
}

/// What an event was.
pub(crate) enum Taken {
    /// A call, a life or a loss.
    Done(ControlFlow<()>),
    /// Something else.
    NoCall,
    /// Not in the form that its program writes.
    Bad,
}

/// Reads a log of JSON objects.
pub(crate) struct EventReader<T> {
    tool: T,
    lives: Lives,
    objects: Objects,
    taken: u64,
}

impl<T: Tool> EventReader<T> {
    pub(crate) fn new(tool: T, origin: Arc<str>, options: &ReadOptions) -> Self {
        EventReader {
            tool,
            lives: Lives::new(origin, options.limits.open_threads),
            objects: Objects::new(options.limits.line_bytes),
            taken: 0,
        }
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let object = match piece {
            Piece::Object(object) => object,
            // A line of something else, or an object that was cut.
            Piece::Bad(text) if text.first() != Some(&b'{') => {
                out.skip(SkipKind::Unparsed, text);
                return ControlFlow::Continue(());
            }
            Piece::Bad(text) => return self.bad(text, out),
        };
        let Ok(event) = serde_json::from_slice::<Value>(&object) else {
            return self.bad(&object, out);
        };
        match self.tool.event(&event, &mut self.lives, out) {
            Taken::Done(flow) => {
                self.taken += 1;
                flow
            }
            Taken::NoCall => {
                out.skip(SkipKind::NotACall, &object);
                ControlFlow::Continue(())
            }
            Taken::Bad => self.bad(&object, out),
        }
    }

    fn bad(&self, text: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        out.skip(SkipKind::Unparsed, text);
        out.record(unreadable(self.lives.origin()))
    }
}

impl<T: Tool> LineReader for EventReader<T> {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let mut pieces = Vec::new();
        self.objects.line(line, |piece| pieces.push(piece));
        pieces
            .into_iter()
            .try_for_each(|piece| self.piece(piece, out))
    }

    fn finish(&mut self, _cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        if let Some(rest) = self.objects.rest() {
            out.skip(SkipKind::CutOff, &rest);
            out.record(unreadable(self.lives.origin()))?;
        }
        self.tool.finish(&mut self.lives, out)?;
        self.lives.close_all(out)?;
        match self.tool.without_calls() {
            Some(reason) if self.taken == 0 => out.refuse(reason),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Events that its program says it has lost.
pub(crate) fn gap(
    lives: &Lives,
    time_ns: Option<u64>,
    lost: Option<u64>,
    cause: GapCause,
) -> Record {
    Record::Gap(Gap {
        time_ns,
        scope: GapScope::Origin(lives.origin().clone()),
        lost,
        cause,
    })
}

/// The ABI of calls by name, in a log that names none: what was asked for, else the machine's own.
pub(crate) fn abi_or_native(given: Option<Abi>) -> Abi {
    given.or_else(Abi::native).unwrap_or(Abi::X86_64)
}

/// A whole number: a JSON number, one in a string (as protocol buffers write those of 64 bits), or either
/// in a `value`.
pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Object(fields) => fields
            .get("value")
            .filter(|v| !v.is_object())
            .and_then(number),
        _ => None,
    }
}

/// The same of 32 bits without a sign, such as a process number.
pub(crate) fn id(value: &Value) -> Option<u32> {
    number(value).and_then(|number| u32::try_from(number).ok())
}

/// The name of a host, of a sane length.
pub(crate) fn host(value: Option<&Value>) -> Option<Arc<str>> {
    let name = value?.as_str()?;
    (!name.is_empty() && name.len() <= MAX_HOST).then(|| name.into())
}

/// A path, of a sane length.
pub(crate) fn path(value: Option<&Value>) -> Option<String> {
    let path = value?.as_str()?;
    (!path.is_empty() && path.len() <= MAX_PATH).then(|| path.to_owned())
}
