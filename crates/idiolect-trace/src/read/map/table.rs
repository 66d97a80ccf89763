//! Reads tables of text by a map of columns: comma-separated values (RFC 4180) and their kin.
//!
//! A cell in quotes may hold the separator, doubled quotes and line ends. A row that ends inside of quotes
//! goes on on the next line.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::spec::Part;
use super::{Map, Row, Rows, Unreadable};
use crate::read::drive::unreadable;
use crate::read::line::{Emitter, LineReader};
use crate::read::{ReadOptions, SkipKind};

/// What may separate columns, the first that the first row has.
const SEPARATORS: &[u8] = b"\t,;|";

/// Columns that are looked at; what lies beyond is left out.
const MAX_COLUMNS: usize = 4_096;

/// Reads a table line by line.
pub(crate) struct TableReader {
    rows: Rows,
    limit: usize,
    /// Once the first row has shown what it is.
    layout: Option<Layout>,
    /// The beginning of a row that goes on on the next line, inside of quotes.
    held: Vec<u8>,
}

/// What the first row shows.
struct Layout {
    separator: u8,
    /// The column of each part, from 0.
    columns: [Option<usize>; Part::ALL.len()],
}

impl TableReader {
    pub(crate) fn new(origin: Arc<str>, map: Arc<Map>, options: &ReadOptions) -> Self {
        TableReader {
            rows: Rows::new(origin, map, options),
            limit: options.limits.line_bytes,
            layout: None,
            held: Vec::new(),
        }
    }

    fn row(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if let Some(layout) = &self.layout {
            let layout = Layout { ..*layout };
            return match self.take(&layout, line, out) {
                Row::Done(flow) => flow,
                Row::Bad => self.bad(line, out),
            };
        }
        let map = &self.rows.map;
        let separator = map.separator.unwrap_or_else(|| separator(line));
        let titles = split(line, separator);
        let layout = match columns(map, &titles) {
            Ok(columns) => Layout { separator, columns },
            Err(reason) => return out.refuse(reason),
        };
        self.layout = Some(Layout { ..layout });
        let has_titles = map.header.unwrap_or(!map.by_numbers());
        if has_titles {
            out.skip(SkipKind::Separator, line);
            return ControlFlow::Continue(());
        }
        // Numbers alone leave open whether the first row holds titles: it does if it is no call.
        let asked = map.header.is_some();
        match self.take(&layout, line, out) {
            Row::Done(flow) => flow,
            Row::Bad if asked => self.bad(line, out),
            Row::Bad => {
                out.skip(SkipKind::Separator, line);
                ControlFlow::Continue(())
            }
        }
    }

    fn take(&mut self, layout: &Layout, line: &[u8], out: &mut Emitter<'_>) -> Row {
        let cells = split(line, layout.separator);
        let cell = |part: Part| {
            let Some(column) = layout.columns[part as usize] else {
                return Ok(None);
            };
            match cells.get(column) {
                Some(Some(text)) if text.is_empty() => Ok(None),
                Some(Some(text)) => Ok(Some(Cow::Borrowed(text.as_ref()))),
                // Not text, or a row that is too short.
                Some(None) | None => Err(Unreadable),
            }
        };
        self.rows.row(&cell, out)
    }

    fn bad(&self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        out.skip(SkipKind::Unparsed, line);
        out.record(unreadable(self.rows.lives.origin()))
    }
}

impl LineReader for TableReader {
    fn line(&mut self, line: &[u8], out: &mut Emitter<'_>) -> ControlFlow<()> {
        if self.held.is_empty() && line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        let held = !self.held.is_empty();
        let quotes = line.iter().filter(|b| **b == b'"').count();
        // What is held always ends inside of quotes.
        let ends_quoted = held == quotes.is_multiple_of(2);
        if ends_quoted && self.held.len() + line.len() < self.limit {
            self.held.extend_from_slice(line);
            self.held.push(b'\n');
            return ControlFlow::Continue(());
        }
        if !held {
            return self.row(line, out);
        }
        let mut row = std::mem::take(&mut self.held);
        row.extend_from_slice(line);
        self.row(&row, out)
    }

    fn finish(&mut self, _cut_off: bool, out: &mut Emitter<'_>) -> ControlFlow<()> {
        let rest = std::mem::take(&mut self.held);
        if !rest.is_empty() {
            out.skip(SkipKind::CutOff, &rest);
            out.record(unreadable(self.rows.lives.origin()))?;
        }
        self.rows.lives.close_all(out)
    }
}

/// What separates the columns of a row: the first of these outside of quotes; a comma in a row of one.
fn separator(line: &[u8]) -> u8 {
    let has = |separator: &u8| split_at(line, *separator).len() > 1;
    SEPARATORS
        .iter()
        .copied()
        .find(|separator| has(separator))
        .unwrap_or(b',')
}

/// Where the parts of the map stand among these titles.
fn columns(
    map: &Map,
    titles: &[Option<Cow<'_, str>>],
) -> Result<[Option<usize>; Part::ALL.len()], String> {
    let mut columns = [None; Part::ALL.len()];
    let untitled = map.header == Some(false);
    for part in Part::ALL {
        let Some(place) = map.place(part) else {
            continue;
        };
        let titled = titles
            .iter()
            .position(|title| title.as_ref().is_some_and(|title| title.trim() == place))
            .filter(|_| !untitled);
        let numbered = place
            .parse::<usize>()
            .ok()
            .filter(|n| (1..=MAX_COLUMNS).contains(n))
            .map(|n| n - 1);
        let Some(column) = titled.or(numbered) else {
            let titles: Vec<String> = titles
                .iter()
                .flatten()
                .take(20)
                .map(|title| crate::read::escape(title.as_bytes()))
                .collect();
            return Err(format!(
                "there is no column {place:?} (the first row has {}); name one by its title or its number",
                titles.join(", ")
            ));
        };
        columns[part as usize] = Some(column);
    }
    Ok(columns)
}

/// The cells of a row, without quotes; none for one that is not UTF-8.
fn split(line: &[u8], separator: u8) -> Vec<Option<Cow<'_, str>>> {
    split_at(line, separator).into_iter().map(unquote).collect()
}

/// The cells of a row as they stand. Spaces in a row are one separator.
fn split_at(line: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut cells = Vec::new();
    let (mut from, mut quoted) = (0, false);
    for (at, byte) in line.iter().enumerate() {
        if *byte == b'"' {
            quoted = !quoted;
        } else if *byte == separator && !quoted {
            if separator != b' ' || at > from {
                cells.push(&line[from..at]);
            }
            from = at + 1;
            if cells.len() == MAX_COLUMNS {
                return cells;
            }
        }
    }
    if separator != b' ' || from < line.len() {
        cells.push(&line[from..]);
    }
    cells
}

fn unquote(cell: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    Some(match inner {
        Some(inner) if inner.contains("\"\"") => Cow::Owned(inner.replace("\"\"", "\"")),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str, separator: u8) -> Vec<String> {
        split(line.as_bytes(), separator)
            .into_iter()
            .map(|cell| cell.unwrap().into_owned())
            .collect()
    }

    #[test]
    fn cells_and_quotes() {
        assert_eq!(
            texts(r#"a,"b, ""c""",, d "#, b','),
            ["a", r#"b, "c""#, "", "d"]
        );
        assert_eq!(texts("a\tb,c", b'\t'), ["a", "b,c"]);
        assert_eq!(texts("  a   b ", b' '), ["a", "b"]);
        assert_eq!(texts("", b','), [""]);
        assert_eq!(split(b"\xff,b", b',')[0], None);
    }

    #[test]
    fn the_separator_is_the_one_that_is_there() {
        for (line, byte) in [
            ("a,b", b','),
            ("a\tb,c", b'\t'),
            ("\"x,y\";b", b';'),
            ("a", b','),
        ] {
            assert_eq!(separator(line.as_bytes()), byte, "{line}");
        }
    }
}
