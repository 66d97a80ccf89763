//! Records in rows of one size.

use std::collections::HashMap;
use std::sync::Arc;

use idiolect_trace::read::check_record;
use idiolect_trace::{
    Abi, Call, CallName, Errno, Gap, GapCause, GapScope, Outcome, Record, StreamId,
};

/// Records in the order in which they came, and what their rows refer to.
///
/// A row is a call, or stands for one of [`others`](Batch::others): what is common is small, and what is
/// rare may be large.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The streams, by the number that rows have for them.
    pub streams: Vec<StreamId>,
    /// The different calls, by the number that rows have for them.
    pub calls: Vec<CallKind>,
    /// Lifecycles and gaps, by the number that rows have for them.
    pub others: Vec<Record>,
    /// The records.
    pub rows: Vec<Row>,
}

/// Which call it was: what calls of one kind have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallKind {
    /// By which convention it was made.
    pub abi: Abi,
    /// Its number in that ABI's table, where known.
    pub number: Option<u32>,
    /// Its canonical name.
    pub name: CallName,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When, in nanoseconds of the source's clock; 0 where `has_time` is not set.
    pub time_ns: u64,
    /// What the call returned, or the number of its error; 0 where `kind` says neither.
    pub value: i64,
    /// The stream's place in [`Batch::streams`]; 0 in [`RowKind::Other`].
    pub stream: u32,
    /// The call's place in [`Batch::calls`]; in [`RowKind::Other`] the record's in [`Batch::others`].
    pub item: u32,
    /// What it is.
    pub kind: RowKind,
    /// Whether the time is known. Not set in [`RowKind::Other`], whose record has its own.
    pub has_time: bool,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// A call of which nobody knows how it ended.
    Call,
    /// A call that returned.
    Returned,
    /// A call that failed.
    Failed,
    /// A lifecycle or a gap.
    Other,
}

impl Batch {
    /// How many records.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Calls among them.
    pub fn calls_made(&self) -> u64 {
        (self.rows.len() - self.others.len()) as u64
    }

    /// A row as a record; none if the row is of another batch.
    pub fn record(&self, row: &Row) -> Option<Record> {
        let outcome = match row.kind {
            RowKind::Other => return self.others.get(row.item as usize).cloned(),
            RowKind::Call => None,
            RowKind::Returned => Some(Outcome::Returned(row.value)),
            RowKind::Failed => Some(Outcome::Failed(Errno(u16::try_from(row.value).ok()?))),
        };
        let kind = self.calls.get(row.item as usize)?;
        Some(Record::Call(Call {
            time_ns: row.has_time.then_some(row.time_ns),
            stream: self.streams.get(row.stream as usize)?.clone(),
            abi: kind.abi,
            number: kind.number,
            name: kind.name.clone(),
            outcome,
        }))
    }

    /// Gives the streams that name no origin this one.
    pub fn fill_origin(&mut self, origin: &Arc<str>) {
        for stream in &mut self.streams {
            if stream.origin.is_empty() {
                stream.origin = origin.clone();
            }
        }
        // Within bounds they are already, so none is lost.
        for record in &mut self.others {
            if let Some(filled) = check_record(record.clone(), origin) {
                *record = filled;
            }
        }
    }

    /// All of them as records.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.rows.iter().filter_map(|row| self.record(row))
    }
}

/// Makes a [`Batch`] out of records.
#[derive(Clone, Debug, Default)]
pub struct BatchBuilder {
    batch: Batch,
    streams: HashMap<Numbers, Vec<u32>>,
    calls: HashMap<(Abi, Option<u32>), Vec<u32>>,
    /// The stream of the record before.
    last: u32,
}

/// The parts of a stream's identity that most often tell it from another.
type Numbers = (Option<u32>, Option<u32>, Option<u64>, u32, u32);

fn numbers(id: &StreamId) -> Numbers {
    (
        id.tid,
        id.tgid,
        id.start_ns,
        id.exec_generation,
        id.incarnation,
    )
}

impl BatchBuilder {
    /// An empty one.
    pub fn new() -> Self {
        BatchBuilder::default()
    }

    /// How many records are in it.
    pub fn len(&self) -> usize {
        self.batch.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batch.rows.is_empty()
    }

    /// How many are no calls: these are larger.
    pub fn others(&self) -> usize {
        self.batch.others.len()
    }

    /// How many different streams the calls are of.
    pub fn streams(&self) -> usize {
        self.batch.streams.len()
    }

    /// Adds a record.
    pub fn push(&mut self, record: &Record) {
        match record {
            Record::Call(call) => match shape(call.outcome) {
                Some(shape) => {
                    let item = self.item(call.abi, call.number, &call.name);
                    self.push_row(&call.stream, item, call.time_ns, shape);
                }
                None => self.push_other(record.clone()),
            },
            other => self.push_other(other.clone()),
        }
    }

    /// Adds a call by its parts, without making a [`Record`] of it.
    ///
    /// The name is that of the ABI's table.
    pub fn push_call(
        &mut self,
        time_ns: Option<u64>,
        stream: &StreamId,
        abi: Abi,
        number: u32,
        outcome: Option<Outcome>,
    ) {
        // Constant time, and without allocation for a known number.
        let name = idiolect_trace::table::by_number(abi, number);
        let item = self.item(abi, Some(number), &name);
        match shape(outcome) {
            Some(shape) => self.push_row(stream, item, time_ns, shape),
            None => {
                let kind = &self.batch.calls[item as usize];
                let call = Call {
                    time_ns,
                    stream: stream.clone(),
                    abi,
                    number: Some(number),
                    name: kind.name.clone(),
                    outcome,
                };
                self.push_other(Record::Call(call));
            }
        }
    }

    /// What was added; the builder is empty then.
    pub fn take(&mut self) -> Batch {
        self.streams.clear();
        self.calls.clear();
        self.last = 0;
        std::mem::take(&mut self.batch)
    }

    fn push_row(
        &mut self,
        stream: &StreamId,
        item: u32,
        time_ns: Option<u64>,
        (kind, value): (RowKind, i64),
    ) {
        let stream = self.stream(stream);
        self.batch.rows.push(Row {
            time_ns: time_ns.unwrap_or(0),
            value,
            stream,
            item,
            kind,
            has_time: time_ns.is_some(),
        });
    }

    fn push_other(&mut self, record: Record) {
        let item = index(self.batch.others.len());
        self.batch.others.push(record);
        self.batch.rows.push(Row {
            time_ns: 0,
            value: 0,
            stream: 0,
            item,
            kind: RowKind::Other,
            has_time: false,
        });
    }

    fn stream(&mut self, id: &StreamId) -> u32 {
        if self.batch.streams.get(self.last as usize) == Some(id) {
            return self.last;
        }
        let alike = self.streams.entry(numbers(id)).or_default();
        let known = alike
            .iter()
            .find(|&&stream| self.batch.streams[stream as usize] == *id);
        self.last = match known {
            Some(&stream) => stream,
            None => {
                let stream = index(self.batch.streams.len());
                self.batch.streams.push(id.clone());
                alike.push(stream);
                stream
            }
        };
        self.last
    }

    fn item(&mut self, abi: Abi, number: Option<u32>, name: &CallName) -> u32 {
        let alike = self.calls.entry((abi, number)).or_default();
        let known = alike
            .iter()
            .find(|&&item| self.batch.calls[item as usize].name == *name);
        match known {
            Some(&item) => item,
            None => {
                let item = index(self.batch.calls.len());
                self.batch.calls.push(CallKind {
                    abi,
                    number,
                    name: name.clone(),
                });
                alike.push(item);
                item
            }
        }
    }
}

/// How a row holds an outcome; none for one of a kind that it has no room for, whose record goes whole.
fn shape(outcome: Option<Outcome>) -> Option<(RowKind, i64)> {
    match outcome {
        None => Some((RowKind::Call, 0)),
        Some(Outcome::Returned(value)) => Some((RowKind::Returned, value)),
        Some(Outcome::Failed(errno)) => Some((RowKind::Failed, i64::from(errno.0))),
        Some(_) => None,
    }
}

/// A record within the bounds that all of our formats have; none beyond them. An absent origin stays absent.
pub(crate) fn checked(record: Record) -> Option<Record> {
    check_record(record, &"".into())
}

/// The same of a stream.
pub(crate) fn checked_stream(id: StreamId) -> Option<StreamId> {
    // Its bounds are those of a record with it.
    let probe = Record::Gap(Gap {
        time_ns: None,
        scope: GapScope::Stream(id),
        lost: None,
        cause: GapCause::Unknown,
    });
    match checked(probe)? {
        Record::Gap(Gap {
            scope: GapScope::Stream(id),
            ..
        }) => Some(id),
        _ => None,
    }
}

/// A place in a table, none of which has more entries than a batch has rows.
fn index(place: usize) -> u32 {
    u32::try_from(place).expect("batches are cut long before 2^32 rows")
}
