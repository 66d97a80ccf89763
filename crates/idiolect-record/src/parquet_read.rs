//! Reading a Parquet file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};

use crate::batch::{Batch, Row};
use crate::decode::{Chunk, Coded, Decoder, Numbers, Present};
use crate::error::{RecordError, shown};
use crate::footer::is_sound;
use crate::group;
use crate::info::RecordingInfo;
use crate::page::Packing;
use crate::schema::{COLUMNS, Column, Content, INFO_KEY};

/// How long the library may take for a footer; 16 MiB take it a fraction of a second.
const FOOTER_TIME: Duration = Duration::from_secs(5);

/// Longest footer that is read, in bytes: that of some thousand million records of ours.
const MAX_FOOTER: u64 = 16 << 20;

/// Most rows of a row group. Writers make groups of 100,000 to a million.
const MAX_GROUP_ROWS: i64 = 2 << 20;

/// Most bytes of one column of a row group, packed.
const MAX_CHUNK: u64 = 256 << 20;

/// Rows that a file may have whatever its size, and for each of its bytes.
const FREE_ROWS: u64 = 4 << 20;
/// The same rows over and over take a byte for some tens of thousands in each of the few columns.
const ROWS_PER_BYTE: u64 = 256;

/// Reads a Parquet file of records, one row group at a time.
///
/// Columns are found by name, in any order, and others are passed over, so what DuckDB or pandas wrote is
/// read too, where it is packed with zstd or not at all and only uses the encodings plain, dictionary and delta.
#[derive(Debug)]
pub struct ParquetFile<R> {
    input: R,
    what: String,
    metadata: ParquetMetaData,
    /// Where each of [`COLUMNS`] is.
    places: [Option<usize>; COLUMNS.len()],
    info: Option<RecordingInfo>,
    /// Bytes of the file.
    size: u64,
    next_group: usize,
    /// Rows before that group.
    rows_before: u64,
    rows: u64,
    decoder: Decoder,
    bytes: Vec<u8>,
    /// Room for rows that was given back.
    rows_room: Vec<Row>,
}

impl ParquetFile<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, or is no Parquet file of records.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let file = File::open(path).map_err(RecordError::io(path, "cannot open"))?;
        ParquetFile::new(file, &shown(path))
    }
}

impl<R: Read + Seek> ParquetFile<R> {
    /// Reads from anything that can be gone to and fro in; `what` names it in errors.
    ///
    /// # Errors
    /// Those of [`open`](ParquetFile::open).
    pub fn new(mut input: R, what: &str) -> Result<Self, RecordError> {
        let (size, footer) = read_footer(&mut input, what)?;
        let metadata = decode_footer(&footer, what)?;
        let info = info(&metadata, what)?;
        let places = places(&metadata, what)?;
        let rows = check_groups(&metadata, size, what)?;
        let decoder = Decoder::new().map_err(|error| RecordError::damaged(what, error))?;
        Ok(ParquetFile {
            input,
            what: what.to_owned(),
            metadata,
            places,
            info,
            size,
            next_group: 0,
            rows_before: 0,
            rows,
            decoder,
            bytes: Vec::new(),
            rows_room: Vec::new(),
        })
    }

    /// What idiolect wrote of it; none in a file of another program.
    pub fn info(&self) -> Option<&RecordingInfo> {
        self.info.as_ref()
    }

    /// Records in it.
    pub fn records(&self) -> u64 {
        self.rows
    }

    /// The records of the next row group, in order; none at the end. A stream without an origin has the
    /// empty one.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged; the error says in which rows.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, RecordError> {
        if self.next_group >= self.metadata.num_row_groups() {
            return Ok(None);
        }
        let rows = self.metadata.row_group(self.next_group).num_rows();
        // Checked to lie within bounds.
        let rows = rows as usize;
        let batch = group::read(self, rows)?;
        self.next_group += 1;
        self.rows_before += rows as u64;
        Ok(Some(batch))
    }

    /// Gives the room of a batch back, for the next one.
    pub fn recycle(&mut self, batch: Batch) {
        self.rows_room = batch.rows;
    }

    /// Room for rows, empty.
    pub(crate) fn rows_room(&mut self) -> Vec<Row> {
        let mut room = std::mem::take(&mut self.rows_room);
        room.clear();
        room
    }

    /// A column of text of the group at hand.
    pub(crate) fn texts(
        &mut self,
        column: Column,
        rows: usize,
    ) -> Result<Coded<Box<str>>, RecordError> {
        self.column(column, rows, Coded::absent, Decoder::texts)
    }

    /// A column of numbers of which few are different.
    pub(crate) fn coded(&mut self, column: Column, rows: usize) -> Result<Coded<i64>, RecordError> {
        self.column(column, rows, Coded::absent, Decoder::coded)
    }

    /// A column of other numbers.
    pub(crate) fn numbers(&mut self, column: Column, rows: usize) -> Result<Numbers, RecordError> {
        let absent = |_| Numbers {
            values: Vec::new(),
            present: Present::None,
        };
        self.column(column, rows, absent, Decoder::numbers)
    }

    /// An error in the group at hand.
    pub(crate) fn damaged(&self, reason: impl std::fmt::Display) -> RecordError {
        let first = self.rows_before + 1;
        RecordError::damaged(&self.what, format!("from row {first} on: {reason}"))
    }

    fn column<T>(
        &mut self,
        column: Column,
        rows: usize,
        absent: impl Fn(usize) -> T,
        decode: impl Fn(&mut Decoder, Chunk<'_>) -> Result<T, crate::encoding::Malformed>,
    ) -> Result<T, RecordError> {
        let Some(place) = self.places[column as usize] else {
            return Ok(absent(rows));
        };
        let chunk = self.metadata.row_group(self.next_group).column(place);
        let nulls = chunk.statistics().and_then(|known| known.null_count_opt());
        let descr = chunk.column_descr();
        let optional = descr.max_def_level() > 0;
        if optional && nulls == Some(rows as u64) {
            return Ok(absent(rows));
        }
        let physical = descr.physical_type();
        let unsigned = is_unsigned(chunk);
        let packing = match chunk.compression_codec() {
            parquet::basic::CompressionCodec::UNCOMPRESSED => Packing::Plain,
            parquet::basic::CompressionCodec::ZSTD => Packing::Zstd,
            other => {
                return Err(RecordError::Unsupported {
                    what: self.what.clone(),
                    reason: format!(
                        "it is packed with {other:?}, and only zstd is read: write it anew with \
                         compression zstd"
                    ),
                });
            }
        };
        let (start, length) = range(chunk, self.size).ok_or_else(|| {
            self.damaged(format!("column {} lies beyond its bounds", column.name()))
        })?;
        self.bytes.clear();
        let read = self.input.seek(SeekFrom::Start(start)).and_then(|_| {
            self.input
                .by_ref()
                .take(length)
                .read_to_end(&mut self.bytes)
        });
        read.map_err(|source| RecordError::Io {
            path: self.what.clone().into(),
            action: "cannot read",
            source,
        })?;
        let chunk = Chunk {
            bytes: &self.bytes,
            packing,
            physical,
            optional,
            unsigned,
            rows,
        };
        decode(&mut self.decoder, chunk)
            .map_err(|reason| self.damaged(format!("column {}: {reason}", column.name())))
    }
}

fn read_footer<R: Read + Seek>(input: &mut R, what: &str) -> Result<(u64, Vec<u8>), RecordError> {
    let failed = |source| RecordError::Io {
        path: what.into(),
        action: "cannot read",
        source,
    };
    let size = input.seek(SeekFrom::End(0)).map_err(failed)?;
    let unfinished = || {
        RecordError::damaged(
            what,
            "it is no whole Parquet file: its end is missing, or is another file's",
        )
    };
    let end = size.checked_sub(8).ok_or_else(unfinished)?;
    let mut tail = [0; 8];
    input.seek(SeekFrom::Start(end)).map_err(failed)?;
    input.read_exact(&mut tail).map_err(failed)?;
    let [a, b, c, d, magic @ ..] = tail;
    match &magic {
        b"PAR1" => {}
        b"PARE" => {
            return Err(RecordError::Unsupported {
                what: what.to_owned(),
                reason: "it is encrypted, which is not read".to_owned(),
            });
        }
        _ => return Err(unfinished()),
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > MAX_FOOTER {
        return Err(RecordError::OverBound {
            what: what.to_owned(),
            reason: "its footer has too many bytes",
            bound: MAX_FOOTER,
        });
    }
    let start = end.checked_sub(length).ok_or_else(unfinished)?;
    let mut footer = Vec::new();
    input.seek(SeekFrom::Start(start)).map_err(failed)?;
    input
        .by_ref()
        .take(length)
        .read_to_end(&mut footer)
        .map_err(failed)?;
    Ok((size, footer))
}

fn decode_footer(footer: &[u8], what: &str) -> Result<ParquetMetaData, RecordError> {
    if !is_sound(footer) {
        return Err(RecordError::damaged(what, "its footer makes no sense"));
    }
    // The library may panic on bytes that no writer makes. And it takes a field for what its number says and not
    // for what its head says, so that it may still come by a list of billions of nothing: it has a thread of its own,
    // which is left behind then.
    let (send, receive) = mpsc::channel();
    let bytes = footer.to_vec();
    // Where there is no thread to be had, nothing is sent.
    let _ = std::thread::Builder::new().spawn(move || {
        let _ = send.send(ParquetMetaDataReader::decode_metadata(&bytes));
    });
    match receive.recv_timeout(FOOTER_TIME) {
        Ok(Ok(metadata)) => Ok(metadata),
        Ok(Err(error)) => Err(RecordError::damaged(what, format!("its footer: {error}"))),
        Err(RecvTimeoutError::Timeout) => Err(RecordError::damaged(
            what,
            "its footer has more in it than its bytes can hold",
        )),
        Err(RecvTimeoutError::Disconnected) => {
            Err(RecordError::damaged(what, "its footer makes no sense"))
        }
    }
}

fn info(metadata: &ParquetMetaData, what: &str) -> Result<Option<RecordingInfo>, RecordError> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let json = pairs
        .into_iter()
        .flatten()
        .find(|pair| pair.key == INFO_KEY)
        .and_then(|pair| pair.value.as_ref());
    json.map(|json| RecordingInfo::from_json(what, json.as_bytes()))
        .transpose()
}

/// Where the columns are. Those of calls have to be there.
fn places(
    metadata: &ParquetMetaData,
    what: &str,
) -> Result<[Option<usize>; COLUMNS.len()], RecordError> {
    let unsupported = |reason| RecordError::Unsupported {
        what: what.to_owned(),
        reason,
    };
    let leaves = metadata.file_metadata().schema_descr().columns();
    let mut places = [None; COLUMNS.len()];
    for (&(column, name, content), found) in COLUMNS.iter().zip(&mut places) {
        let leaf = leaves
            .iter()
            .position(|leaf| matches!(leaf.path().parts(), [only] if only == name));
        let Some(place) = leaf else {
            if matches!(column, Column::Abi | Column::Name) {
                return Err(unsupported(format!(
                    "it has no column {name:?}: it is no Parquet file of idiolect's records"
                )));
            }
            continue;
        };
        let leaf = &leaves[place];
        let (physical, repetition) = (leaf.physical_type(), leaf.self_type().get_basic_info());
        let is_list =
            repetition.has_repetition() && repetition.repetition() == Repetition::REPEATED;
        let fits = match content {
            Content::Text => physical == Physical::BYTE_ARRAY,
            Content::Int { .. } => matches!(physical, Physical::INT32 | Physical::INT64),
        };
        if is_list || !fits {
            let wanted = match content {
                Content::Text => "text",
                Content::Int { .. } => "whole numbers (pandas: dtype_backend=\"pyarrow\")",
            };
            return Err(unsupported(format!(
                "its column {name:?} is {physical}, where {wanted} are wanted"
            )));
        }
        *found = Some(place);
    }
    Ok(places)
}

/// Checks the sizes of row groups; the rows in all.
fn check_groups(metadata: &ParquetMetaData, size: u64, what: &str) -> Result<u64, RecordError> {
    let mut rows = 0_u64;
    let columns = metadata.file_metadata().schema_descr().num_columns();
    for group in metadata.row_groups() {
        if !(0..=MAX_GROUP_ROWS).contains(&group.num_rows()) {
            return Err(RecordError::OverBound {
                what: what.to_owned(),
                reason: "a row group has too many rows: write it anew in smaller ones",
                bound: MAX_GROUP_ROWS as u64,
            });
        }
        if group.num_columns() != columns {
            return Err(RecordError::damaged(what, "a row group lacks columns"));
        }
        rows += group.num_rows() as u64;
    }
    let bound = FREE_ROWS.saturating_add(size.saturating_mul(ROWS_PER_BYTE));
    if rows > bound {
        return Err(RecordError::OverBound {
            what: what.to_owned(),
            reason: "it has too many rows for its size",
            bound,
        });
    }
    Ok(rows)
}

/// Where a column's bytes are; none where they are not in the file.
fn range(chunk: &ColumnChunkMetaData, size: u64) -> Option<(u64, u64)> {
    let data = u64::try_from(chunk.data_page_offset()).ok()?;
    let start = match chunk.dictionary_page_offset() {
        // Some writers say 0 where there is none.
        Some(offset) if offset > 0 => u64::try_from(offset).ok()?.min(data),
        _ => data,
    };
    let length = u64::try_from(chunk.compressed_size()).ok()?;
    let end = start.checked_add(length)?;
    (length <= MAX_CHUNK && end <= size).then_some((start, length))
}

fn is_unsigned(chunk: &ColumnChunkMetaData) -> bool {
    let descr = chunk.column_descr();
    match descr.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => !integer.is_signed,
        _ => matches!(
            descr.converted_type(),
            ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
        ),
    }
}
