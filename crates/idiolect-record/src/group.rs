//! A row group as a batch.

use std::io::{Read, Seek};
use std::sync::Arc;

use idiolect_trace::{
    Abi, ExitStatus, Gap, GapScope, Lifecycle, LifecycleKind, Record, StreamId, table,
};

use crate::batch::{Batch, CallKind, Row, RowKind, checked, checked_stream};
use crate::columns::NONE;
use crate::decode::{Coded, Codes, Numbers};
use crate::error::RecordError;
use crate::join::join;
use crate::parquet_read::ParquetFile;
use crate::schema::{
    CALL, CAUSES, Column, GAP, LIFECYCLES, PARENT, SCOPE_CPU, SCOPE_ORIGIN, SCOPE_STREAM, STREAM,
    value,
};

/// What a row's word says that it is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Call,
    Lifecycle(LifecycleKind),
    Gap,
}

/// Reads the row group at hand.
pub(crate) fn read<R: Read + Seek>(
    file: &mut ParquetFile<R>,
    rows: usize,
) -> Result<Batch, RecordError> {
    let kinds = kinds(file, rows)?;
    let mut batch = Batch {
        rows: file.rows_room(),
        ..Batch::default()
    };
    let (streams, stream_table) = streams(file, rows, STREAM)?;
    let (calls, call_table) = calls(file, rows, &mut batch)?;
    let times = file.numbers(Column::TimeNs, rows)?;
    let returned = file.numbers(Column::Returned, rows)?;
    let errors = file.numbers(Column::Errno, rows)?;
    batch.rows.reserve_exact(rows);
    let mut rare = None;
    let mut of_calls = vec![false; stream_table.len()];
    for row in 0..rows {
        let kind = kinds.at(row);
        if kind != Some(Kind::Call) {
            let kind = kind.ok_or_else(|| file.damaged("a row that says not what it is"))?;
            let rare = match &rare {
                Some(rare) => rare,
                None => rare.insert(Rare::read(file, rows)?),
            };
            let stream = stream_table.get(streams.get(row) as usize);
            let record = stream.and_then(|stream| rare.record(row, kind, stream, &times));
            let record = record.ok_or_else(|| file.damaged(format!("row {row} is no record")))?;
            let item = batch.others.len() as u32;
            batch.others.push(record);
            batch.rows.push(Row {
                time_ns: 0,
                value: 0,
                stream: 0,
                item,
                kind: RowKind::Other,
                has_time: false,
            });
            continue;
        }
        let item = call_table.get(calls.get(row) as usize).copied();
        let Some(item) = item.filter(|item| *item != NONE) else {
            return Err(file.damaged(format!("row {row} is a call without a name")));
        };
        let (kind, value) = if returned.present.at(row) {
            (RowKind::Returned, returned.values[row])
        } else if errors.present.at(row) {
            let errno = errors.values[row];
            if !(1..=4095).contains(&errno) {
                return Err(file.damaged(format!("row {row} has the error number {errno}")));
            }
            (RowKind::Failed, errno)
        } else {
            (RowKind::Call, 0)
        };
        let stream = streams.get(row);
        of_calls[stream as usize] = true;
        let has_time = times.present.at(row);
        batch.rows.push(Row {
            // Bits as they are: the column is unsigned.
            time_ns: if has_time {
                times.values[row] as u64
            } else {
                0
            },
            value,
            stream,
            item,
            kind,
            has_time,
        });
    }
    // Streams that only lifecycles and gaps are of need be none.
    for (id, is_of_call) in stream_table.into_iter().zip(of_calls) {
        let id = match (id, is_of_call) {
            (Some(id), _) => id,
            (None, false) => StreamId::whole("".into()),
            (None, true) => return Err(file.damaged("a stream beyond its bounds")),
        };
        batch.streams.push(id);
    }
    Ok(batch)
}

/// What each row is.
struct Kinds {
    codes: Codes,
    meanings: Vec<Kind>,
}

impl Kinds {
    fn at(&self, row: usize) -> Option<Kind> {
        self.meanings.get(self.codes.get(row) as usize).copied()
    }
}

fn kinds<R: Read + Seek>(file: &mut ParquetFile<R>, rows: usize) -> Result<Kinds, RecordError> {
    let Coded { dictionary, codes } = file.texts(Column::Kind, rows)?;
    if codes == Codes::Constant(NONE, rows) {
        // Calls alone, written by another program.
        return Ok(Kinds {
            codes: Codes::Constant(0, rows),
            meanings: vec![Kind::Call],
        });
    }
    let meaning = |word: &str| match word {
        CALL => Ok(Kind::Call),
        GAP => Ok(Kind::Gap),
        word => match value(&LIFECYCLES, word) {
            Some(kind) => Ok(Kind::Lifecycle(kind)),
            None => Err(file.damaged(format!("a record of the unknown kind {word:?}"))),
        },
    };
    let words = dictionary.iter().map(|word| meaning(word));
    let meanings = words.collect::<Result<_, _>>()?;
    Ok(Kinds { codes, meanings })
}

/// The stream of each row, and the different ones; none for one that is beyond a bound.
fn streams<R: Read + Seek>(
    file: &mut ParquetFile<R>,
    rows: usize,
    columns: [Column; 8],
) -> Result<(Codes, Vec<Option<StreamId>>), RecordError> {
    let [
        origin,
        host,
        boot,
        tgid,
        start,
        tid,
        incarnation,
        generation,
    ] = columns;
    let origin = file.texts(origin, rows)?;
    let host = file.texts(host, rows)?;
    let boot = file.texts(boot, rows)?;
    let tgid = file.coded(tgid, rows)?;
    let start = file.coded(start, rows)?;
    let tid = file.coded(tid, rows)?;
    let incarnation = file.coded(incarnation, rows)?;
    let generation = file.coded(generation, rows)?;
    let texts = [&origin, &host, &boot].map(|column| (&column.codes, column.dictionary.len()));
    let numbers = [&tgid, &start, &tid, &incarnation, &generation]
        .map(|column| (&column.codes, column.dictionary.len()));
    let mut codes = Codes::Constant(0, rows);
    let mut parts: Vec<[u32; 8]> = vec![[NONE; 8]];
    for (place, (column, entries)) in texts.into_iter().chain(numbers).enumerate() {
        let (joined, pairs) = join(&codes, column, (parts.len(), entries));
        parts = pairs
            .into_iter()
            .map(|(before, code)| {
                let mut all = parts[before as usize];
                all[place] = code;
                all
            })
            .collect();
        codes = joined;
    }
    let shared = |column: &Coded<Box<str>>| -> Vec<Arc<str>> {
        column
            .dictionary
            .iter()
            .map(|text| Arc::from(&**text))
            .collect()
    };
    let (origins, hosts, boots) = (shared(&origin), shared(&host), shared(&boot));
    let none: Arc<str> = "".into();
    let text = |texts: &[Arc<str>], code: u32| texts.get(code as usize).cloned();
    let streams = parts
        .into_iter()
        .map(|part| {
            checked_stream(StreamId {
                origin: text(&origins, part[0]).unwrap_or_else(|| none.clone()),
                host: text(&hosts, part[1]),
                boot: text(&boots, part[2]),
                tgid: small(&tgid, part[3])?,
                start_ns: number(&start, part[4]).map(|ns| ns as u64),
                tid: small(&tid, part[5])?,
                incarnation: small(&incarnation, part[6])?.unwrap_or(0),
                exec_generation: small(&generation, part[7])?.unwrap_or(0),
            })
        })
        .collect();
    Ok((codes, streams))
}

fn number(column: &Coded<i64>, code: u32) -> Option<i64> {
    column.dictionary.get(code as usize).copied()
}

/// A number of 32 bits, where there is one; none if it has more.
fn small(column: &Coded<i64>, code: u32) -> Option<Option<u32>> {
    match number(column, code) {
        Some(number) => u32::try_from(number).ok().map(Some),
        None => Some(None),
    }
}

/// The call of each row, and where each different one is in the batch; [`NONE`] for one without a name.
fn calls<R: Read + Seek>(
    file: &mut ParquetFile<R>,
    rows: usize,
    batch: &mut Batch,
) -> Result<(Codes, Vec<u32>), RecordError> {
    let abi = file.texts(Column::Abi, rows)?;
    let number = file.coded(Column::Number, rows)?;
    let name = file.texts(Column::Name, rows)?;
    let sizes = (number.dictionary.len(), name.dictionary.len());
    let (codes, numbered) = join(&number.codes, &name.codes, sizes);
    let sizes = (numbered.len(), abi.dictionary.len());
    let (codes, all) = join(&codes, &abi.codes, sizes);
    let mut table = Vec::with_capacity(all.len());
    for (numbered_code, abi_code) in all {
        let (number_code, name_code) = numbered[numbered_code as usize];
        let (Some(abi), Some(name)) = (
            abi.dictionary.get(abi_code as usize),
            name.dictionary.get(name_code as usize),
        ) else {
            table.push(NONE);
            continue;
        };
        let kind = CallKind {
            abi: abi.parse::<Abi>().map_err(|error| file.damaged(error))?,
            number: small(&number, number_code)
                .ok_or_else(|| file.damaged("a call's number of more than 32 bits"))?,
            name: table::canonical(name)
                .ok_or_else(|| file.damaged(format!("{name:?}, which can be no call's name")))?,
        };
        table.push(batch.calls.len() as u32);
        batch.calls.push(kind);
    }
    Ok((codes, table))
}

/// The columns of lifecycles and gaps.
struct Rare {
    parents: (Codes, Vec<Option<StreamId>>),
    has_parent: Coded<i64>,
    executable: Coded<Box<str>>,
    uid: Coded<i64>,
    cgroup: Coded<Box<str>>,
    exit_code: Coded<i64>,
    exit_signal: Coded<i64>,
    scope: Coded<Box<str>>,
    cpu: Coded<i64>,
    lost: Coded<i64>,
    cause: Coded<Box<str>>,
}

impl Rare {
    fn read<R: Read + Seek>(file: &mut ParquetFile<R>, rows: usize) -> Result<Self, RecordError> {
        Ok(Rare {
            parents: streams(file, rows, PARENT)?,
            has_parent: file.coded(Column::ParentExecGeneration, rows)?,
            executable: file.texts(Column::Executable, rows)?,
            uid: file.coded(Column::Uid, rows)?,
            cgroup: file.texts(Column::Cgroup, rows)?,
            exit_code: file.coded(Column::ExitCode, rows)?,
            exit_signal: file.coded(Column::ExitSignal, rows)?,
            scope: file.texts(Column::GapScope, rows)?,
            cpu: file.coded(Column::GapCpu, rows)?,
            lost: file.coded(Column::GapLost, rows)?,
            cause: file.texts(Column::GapCause, rows)?,
        })
    }

    /// The record of a row; none where it is none.
    fn record(
        &self,
        row: usize,
        kind: Kind,
        stream: &Option<StreamId>,
        times: &Numbers,
    ) -> Option<Record> {
        let time_ns = times.present.at(row).then(|| times.values[row] as u64);
        let text = |column: &Coded<Box<str>>| column.get(row).map(|text| text.to_string());
        let stream = stream.clone()?;
        checked(match kind {
            Kind::Call => return None,
            Kind::Lifecycle(kind) => Record::Lifecycle(Lifecycle {
                time_ns,
                stream,
                kind,
                parent: match self.has_parent.get(row) {
                    Some(_) => Some(self.parent(row)?),
                    None => None,
                },
                executable: text(&self.executable),
                uid: small(&self.uid, self.uid.codes.get(row))?,
                cgroup: text(&self.cgroup),
                status: match (self.exit_code.get(row), self.exit_signal.get(row)) {
                    (Some(&code), _) => Some(ExitStatus::Code(i32::try_from(code).ok()?)),
                    (_, Some(&signal)) => Some(ExitStatus::Signal(u8::try_from(signal).ok()?)),
                    _ => None,
                },
            }),
            Kind::Gap => Record::Gap(Gap {
                time_ns,
                scope: match &**self.scope.get(row)? {
                    SCOPE_ORIGIN => GapScope::Origin(stream.origin),
                    SCOPE_CPU => {
                        let cpu = small(&self.cpu, self.cpu.codes.get(row))??;
                        GapScope::Cpu(stream.origin, cpu)
                    }
                    SCOPE_STREAM => GapScope::Stream(stream),
                    _ => return None,
                },
                lost: self.lost.get(row).map(|lost| *lost as u64),
                cause: value(&CAUSES, self.cause.get(row)?)?,
            }),
        })
    }

    fn parent(&self, row: usize) -> Option<StreamId> {
        let (codes, parents) = &self.parents;
        parents.get(codes.get(row) as usize)?.clone()
    }
}
