//! Reads JSON objects by a map of pointers.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::spec::Part;
use super::{Map, Row, Rows, Unreadable};
use crate::read::drive::unreadable;
use crate::read::line::{Emitter, LineReader};
use crate::read::objects::{Objects, Piece};
use crate::read::{ReadOptions, SkipKind};

/// Reads JSON objects, one a line or spread over lines.
pub(crate) struct JsonReader {
    rows: Rows,
    objects: Objects,
}

impl JsonReader {
    pub(crate) fn new(origin: Arc<str>, map: Arc<Map>, options: &ReadOptions) -> Self {
        JsonReader {
            rows: Rows::new(origin, map, options),
            objects: Objects::new(options.limits.line_bytes),
        }
    }

    fn object(&mut self, bytes: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return self.bad(bytes, out);
        };
        let map = self.rows.map.clone();
        let cells = |part: Part| cell(&value, map.place(part));
        match self.rows.row(&cells, out) {
            Row::Done(flow) => flow,
            Row::Bad => self.bad(bytes, out),
        }
    }

    fn bad(&self, bytes: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        out.skip(SkipKind::Unparsed, bytes);
        out.record(unreadable(self.rows.lives.origin()))
    }
}

/// The text of a field; a key that is no pointer is one of the object itself.
fn cell<'a>(value: &'a Value, place: Option<&str>) -> Result<Option<Cow<'a, str>>, Unreadable> {
    let Some(place) = place else {
        return Ok(None);
    };
    let field = match place.starts_with('/') {
        true => value.pointer(place),
        false => value.get(place),
    };
    match field {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(Value::Number(number)) => Ok(Some(Cow::Owned(number.to_string()))),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(Unreadable),
    }
}

impl LineReader for JsonReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        let mut pieces = Vec::new();
        self.objects.line(line, |piece| pieces.push(piece));
        pieces.into_iter().try_for_each(|piece| match piece {
            Piece::Object(object) => self.object(&object, out),
            Piece::Bad(text) => self.bad(text, out),
        })
    }

    fn finish(&mut self, _cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        if let Some(rest) = self.objects.rest() {
            out.skip(SkipKind::CutOff, &rest);
            out.record(unreadable(self.rows.lives.origin()))?;
        }
        self.rows.lives.close_all(out)
    }
}
