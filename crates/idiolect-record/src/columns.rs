//! The rows of a row group, taken apart into columns.

use std::collections::HashMap;
use std::hash::Hash;

use idiolect_trace::{ExitStatus, GapScope, Lifecycle, Record, StreamId};

use crate::batch::{Batch, Row, RowKind};
use crate::schema::{
    CALL, CAUSES, COLUMNS, Column, Content, GAP, LIFECYCLES, PARENT, SCOPE_CPU, SCOPE_ORIGIN,
    SCOPE_STREAM, STREAM, word,
};

/// The code of what is absent.
pub(crate) const NONE: u32 = u32::MAX;

/// Which rows have a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    /// Stretches of rows that all have one, or all have none.
    pub(crate) runs: Vec<(bool, usize)>,
    /// Rows.
    pub(crate) rows: usize,
    /// Rows that have a value.
    pub(crate) present: usize,
}

impl Levels {
    fn push(&mut self, present: bool, count: usize) {
        if count == 0 {
            return;
        }
        self.rows += count;
        self.present += if present { count } else { 0 };
        match self.runs.last_mut() {
            Some((last, run)) if *last == present => *run += count,
            _ => self.runs.push((present, count)),
        }
    }
}

/// Values that are named by their place in a dictionary.
#[derive(Clone, Debug)]
pub(crate) struct Coded<V> {
    pub(crate) dictionary: Vec<V>,
    index: HashMap<V, u32>,
    /// Of rows that have a value.
    pub(crate) codes: Vec<u32>,
    pub(crate) levels: Levels,
}

/// A column of a row group.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Text(Coded<String>),
    Numbers(Coded<i64>),
    /// Numbers as they come, mostly different.
    Values(Vec<i64>, Levels),
}

/// A value of any column.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

/// The columns of a row group.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// In the order of [`COLUMNS`].
    pub(crate) data: Vec<Data>,
    pub(crate) rows: usize,
    /// The origin that is not written.
    own_origin: String,
}

impl<V> Default for Coded<V> {
    fn default() -> Self {
        Coded {
            dictionary: Vec::new(),
            index: HashMap::new(),
            codes: Vec::new(),
            levels: Levels::default(),
        }
    }
}

impl<V: Clone + Eq + Hash> Coded<V> {
    fn code<Q>(&mut self, value: &Q) -> u32
    where
        V: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = V> + ?Sized,
    {
        if let Some(&code) = self.index.get(value) {
            return code;
        }
        // No group has 2^32 rows.
        let code = self.dictionary.len() as u32;
        self.dictionary.push(value.to_owned());
        self.index.insert(value.to_owned(), code);
        code
    }

    fn push(&mut self, code: u32, count: usize) {
        if code == NONE {
            self.levels.push(false, count);
        } else {
            self.levels.push(true, count);
            self.codes.extend(std::iter::repeat_n(code, count));
        }
    }
}

impl Data {
    fn code(&mut self, value: Option<Value<'_>>) -> u32 {
        match (self, value) {
            (Data::Text(column), Some(Value::Text(text))) => column.code(text),
            (Data::Numbers(column), Some(Value::Number(number))) => column.code(&number),
            _ => NONE,
        }
    }

    fn push(&mut self, code: u32, count: usize) {
        match self {
            Data::Text(column) => column.push(code, count),
            Data::Numbers(column) => column.push(code, count),
            Data::Values(_, levels) => levels.push(false, count),
        }
    }

    /// Which rows have a value.
    pub(crate) fn levels(&self) -> &Levels {
        match self {
            Data::Text(column) => &column.levels,
            Data::Numbers(column) => &column.levels,
            Data::Values(_, levels) => levels,
        }
    }
}

impl Columns {
    /// Empty ones; `own_origin` is not written where a stream has it.
    pub(crate) fn new(own_origin: &str) -> Self {
        let data = COLUMNS
            .iter()
            .map(|&(column, _, content)| match (column, content) {
                (Column::TimeNs | Column::Returned | Column::Errno, _) => {
                    Data::Values(Vec::new(), Levels::default())
                }
                (_, Content::Text) => Data::Text(Coded::default()),
                (_, Content::Int { .. }) => Data::Numbers(Coded::default()),
            })
            .collect();
        Columns {
            data,
            rows: 0,
            own_origin: own_origin.to_owned(),
        }
    }

    /// Adds the records of a batch. The error names a record for which there is no column.
    pub(crate) fn push(&mut self, batch: &Batch) -> Result<(), &'static str> {
        if let Some(reason) = batch.others.iter().find_map(inexpressible) {
            return Err(reason);
        }
        self.rows += batch.rows.len();
        self.times(batch);
        self.outcomes(batch);
        let own_origin = std::mem::take(&mut self.own_origin);
        for (part, column) in STREAM.into_iter().enumerate() {
            let data = &mut self.data[column as usize];
            let streams = batch.streams.iter();
            let streams: Vec<u32> = streams
                .map(|id| data.code(stream_part(id, part, &own_origin)))
                .collect();
            let others = batch.others.iter();
            let others: Vec<u32> = others
                .map(|record| data.code(other_part(record, part, &own_origin)))
                .collect();
            spread(data, batch, &streams, &others, |row| row.stream);
        }
        for column in [Column::Kind, Column::Abi, Column::Number, Column::Name] {
            let data = &mut self.data[column as usize];
            let kinds: Vec<u32> = batch
                .calls
                .iter()
                .map(|kind| {
                    data.code(match column {
                        Column::Kind => Some(Value::Text(CALL)),
                        Column::Abi => Some(Value::Text(kind.abi.as_str())),
                        Column::Number => kind.number.map(|n| Value::Number(n.into())),
                        _ => Some(Value::Text(kind.name.as_str())),
                    })
                })
                .collect();
            let others = batch.others.iter();
            let others: Vec<u32> = others
                .map(|record| {
                    data.code((column == Column::Kind).then(|| Value::Text(kind_of(record))))
                })
                .collect();
            spread(data, batch, &kinds, &others, |row| row.item);
        }
        for column in COLUMNS[Column::ParentOrigin as usize..].iter().map(|c| c.0) {
            let data = &mut self.data[column as usize];
            let mut calls = 0;
            for row in &batch.rows {
                if row.kind != RowKind::Other {
                    calls += 1;
                    continue;
                }
                let record = &batch.others[row.item as usize];
                let code = data.code(rare(record, column, &own_origin));
                data.push(NONE, std::mem::take(&mut calls));
                data.push(code, 1);
            }
            data.push(NONE, calls);
        }
        self.own_origin = own_origin;
        Ok(())
    }

    fn times(&mut self, batch: &Batch) {
        let Data::Values(values, levels) = &mut self.data[Column::TimeNs as usize] else {
            return;
        };
        for row in &batch.rows {
            let time = match row.kind {
                RowKind::Other => time_of(&batch.others[row.item as usize]),
                _ => row.has_time.then_some(row.time_ns),
            };
            levels.push(time.is_some(), 1);
            // Bits as they are: the column is unsigned.
            values.extend(time.map(|time| time as i64));
        }
    }

    fn outcomes(&mut self, batch: &Batch) {
        for (column, kind) in [
            (Column::Returned, RowKind::Returned),
            (Column::Errno, RowKind::Failed),
        ] {
            let Data::Values(values, levels) = &mut self.data[column as usize] else {
                continue;
            };
            for row in &batch.rows {
                let present = row.kind == kind;
                levels.push(present, 1);
                if present {
                    values.push(row.value);
                }
            }
        }
    }
}

/// Gives every row the code of what it refers to.
fn spread(
    data: &mut Data,
    batch: &Batch,
    codes: &[u32],
    others: &[u32],
    place: impl Fn(&Row) -> u32,
) {
    let first = codes.first().or(others.first()).copied().unwrap_or(NONE);
    if codes.iter().chain(others).all(|code| *code == first) {
        data.push(first, batch.rows.len());
        return;
    }
    let code = |row: &Row| match row.kind {
        RowKind::Other => others[row.item as usize],
        _ => codes[place(row) as usize],
    };
    match data {
        Data::Text(column) => batch.rows.iter().for_each(|row| column.push(code(row), 1)),
        Data::Numbers(column) => batch.rows.iter().for_each(|row| column.push(code(row), 1)),
        Data::Values(..) => {}
    }
}

/// Why a record that is no plain call cannot be kept, if it cannot.
fn inexpressible(record: &Record) -> Option<&'static str> {
    match record {
        Record::Call(_) => Some("a call with an outcome of an unknown kind"),
        Record::Lifecycle(lifecycle) => {
            match (word(&LIFECYCLES, &lifecycle.kind), lifecycle.status) {
                (None, _) => Some("a lifecycle of an unknown kind"),
                (_, None | Some(ExitStatus::Code(_) | ExitStatus::Signal(_))) => None,
                _ => Some("an exit status of an unknown kind"),
            }
        }
        Record::Gap(gap) => match (word(&CAUSES, &gap.cause), &gap.scope) {
            (None, _) => Some("a gap of an unknown cause"),
            (_, GapScope::Origin(_) | GapScope::Cpu(..) | GapScope::Stream(_)) => None,
            _ => Some("a gap of an unknown scope"),
        },
        _ => Some("a record of an unknown kind"),
    }
}

fn kind_of(record: &Record) -> &'static str {
    match record {
        Record::Lifecycle(lifecycle) => word(&LIFECYCLES, &lifecycle.kind).unwrap_or(GAP),
        _ => GAP,
    }
}

fn time_of(record: &Record) -> Option<u64> {
    match record {
        Record::Lifecycle(lifecycle) => lifecycle.time_ns,
        Record::Gap(gap) => gap.time_ns,
        _ => None,
    }
}

fn origin_part<'a>(origin: &'a str, own: &str) -> Option<Value<'a>> {
    (!origin.is_empty() && origin != own).then_some(Value::Text(origin))
}

/// A part of a stream's identity, by its place in [`STREAM`].
fn stream_part<'a>(id: &'a StreamId, part: usize, own_origin: &str) -> Option<Value<'a>> {
    let number = |n: Option<u32>| n.map(|n| Value::Number(n.into()));
    match part {
        0 => origin_part(&id.origin, own_origin),
        1 => id.host.as_deref().map(Value::Text),
        2 => id.boot.as_deref().map(Value::Text),
        3 => number(id.tgid),
        4 => id.start_ns.map(|ns| Value::Number(ns as i64)),
        5 => number(id.tid),
        6 => number(Some(id.incarnation)),
        _ => number(Some(id.exec_generation)),
    }
}

fn other_part<'a>(record: &'a Record, part: usize, own_origin: &str) -> Option<Value<'a>> {
    match record {
        Record::Lifecycle(lifecycle) => stream_part(&lifecycle.stream, part, own_origin),
        Record::Gap(gap) => match &gap.scope {
            GapScope::Stream(id) => stream_part(id, part, own_origin),
            GapScope::Origin(origin) | GapScope::Cpu(origin, _) if part == 0 => {
                origin_part(origin, own_origin)
            }
            _ => None,
        },
        _ => None,
    }
}

/// What a lifecycle or a gap has in a column that calls have nothing in.
fn rare<'a>(record: &'a Record, column: Column, own_origin: &str) -> Option<Value<'a>> {
    match record {
        Record::Lifecycle(lifecycle) => of_lifecycle(lifecycle, column, own_origin),
        Record::Gap(gap) => match column {
            Column::GapScope => Some(Value::Text(match gap.scope {
                GapScope::Stream(_) => SCOPE_STREAM,
                GapScope::Cpu(..) => SCOPE_CPU,
                _ => SCOPE_ORIGIN,
            })),
            Column::GapCpu => match gap.scope {
                GapScope::Cpu(_, cpu) => Some(Value::Number(cpu.into())),
                _ => None,
            },
            Column::GapLost => gap.lost.map(|lost| Value::Number(lost as i64)),
            Column::GapCause => word(&CAUSES, &gap.cause).map(Value::Text),
            _ => None,
        },
        _ => None,
    }
}

fn of_lifecycle<'a>(
    lifecycle: &'a Lifecycle,
    column: Column,
    own_origin: &str,
) -> Option<Value<'a>> {
    if let Some(part) = PARENT.iter().position(|parent| *parent == column) {
        return stream_part(lifecycle.parent.as_ref()?, part, own_origin);
    }
    match (column, lifecycle.status) {
        (Column::Executable, _) => lifecycle.executable.as_deref().map(Value::Text),
        (Column::Uid, _) => lifecycle.uid.map(|uid| Value::Number(uid.into())),
        (Column::Cgroup, _) => lifecycle.cgroup.as_deref().map(Value::Text),
        (Column::ExitCode, Some(ExitStatus::Code(code))) => Some(Value::Number(code.into())),
        (Column::ExitSignal, Some(ExitStatus::Signal(signal))) => {
            Some(Value::Number(signal.into()))
        }
        _ => None,
    }
}
