//! Writing a Parquet file.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use idiolect_trace::Record;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::batch::{Batch, BatchBuilder};
use crate::chunk::ChunkWriter;
use crate::columns::Columns;
use crate::error::RecordError;
use crate::info::RecordingInfo;
use crate::schema::{COLUMNS, INFO_KEY, message};

/// Rows of a row group. Readers hold one at a time.
pub(crate) const GROUP_ROWS: usize = 128 << 10;

/// Rows that are gathered before they are taken apart.
const GATHERED_ROWS: usize = 4_096;

/// Writes records to a Parquet file, in memory that does not grow with it: the rows of one group, about
/// 10 MB.
///
/// Nothing is readable before [`finish`](ParquetWriter::finish): what was made of a file without it has
/// no end.
pub struct ParquetWriter<W: Write + Send> {
    /// What errors name.
    what: String,
    file: SerializedFileWriter<Counted<W>>,
    chunks: ChunkWriter,
    gathered: BatchBuilder,
    columns: Columns,
    info: RecordingInfo,
    written: Written,
}

/// What a Parquet file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records.
    pub records: u64,
    /// Calls among them.
    pub calls: u64,
    /// Its size.
    pub bytes: u64,
}

impl<W: Write + Send> fmt::Debug for ParquetWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetWriter")
            .field("what", &self.what)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file; `what` names it in errors. `info` goes into its metadata; its origin is not
    /// repeated in the rows.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn new(out: W, what: &str, info: RecordingInfo) -> Result<Self, RecordError> {
        let failed = |error| failure(what, error);
        let properties = WriterProperties::builder()
            .set_created_by(info.writer.clone())
            .set_key_value_metadata(Some(vec![KeyValue::new(
                INFO_KEY.to_owned(),
                String::from_utf8_lossy(&info.to_json()).into_owned(),
            )]))
            .set_offset_index_disabled(true)
            .build();
        let schema = message().map_err(failed)?;
        let file =
            SerializedFileWriter::new(Counted { out, bytes: 0 }, schema, Arc::new(properties))
                .map_err(failed)?;
        let chunks = ChunkWriter::new().map_err(|error| failed(error.into()))?;
        Ok(ParquetWriter {
            what: what.to_owned(),
            file,
            chunks,
            gathered: BatchBuilder::new(),
            columns: Columns::new(&info.origin),
            info,
            written: Written::default(),
        })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The file cannot be written, or the record is of a kind that this version does not know.
    pub fn push(&mut self, record: &Record) -> Result<(), RecordError> {
        self.gathered.push(record);
        if self.gathered.len() >= GATHERED_ROWS {
            let batch = self.gathered.take();
            return self.add(&batch);
        }
        Ok(())
    }

    /// Adds the records of a batch.
    ///
    /// # Errors
    /// Those of [`push`](ParquetWriter::push).
    pub fn push_batch(&mut self, batch: &Batch) -> Result<(), RecordError> {
        if !self.gathered.is_empty() {
            let gathered = self.gathered.take();
            self.add(&gathered)?;
        }
        self.add(batch)
    }

    /// Records that were added.
    pub fn records(&self) -> u64 {
        self.written.records + self.gathered.len() as u64
    }

    /// Writes what is left, and the file's end. Whoever holds `out` syncs it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<(W, Written), RecordError> {
        let gathered = self.gathered.take();
        self.add(&gathered)?;
        self.write_group()?;
        let failed = |error| failure(&self.what, error);
        // Writes the footer.
        let Counted { out, bytes } = self.file.into_inner().map_err(failed)?;
        self.written.bytes = bytes;
        Ok((out, self.written))
    }

    fn add(&mut self, batch: &Batch) -> Result<(), RecordError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.columns
            .push(batch)
            .map_err(|kind| RecordError::Unsupported {
                what: self.what.clone(),
                reason: format!("{kind} cannot be kept in it"),
            })?;
        self.written.records += batch.len() as u64;
        self.written.calls += batch.calls_made();
        if self.columns.rows >= GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), RecordError> {
        if self.columns.rows == 0 {
            return Ok(());
        }
        let columns = std::mem::replace(&mut self.columns, Columns::new(&self.info.origin));
        self.try_write_group(&columns)
            .map_err(|error| failure(&self.what, error))
    }

    fn try_write_group(&mut self, columns: &Columns) -> Result<(), ParquetError> {
        let descr = self.file.schema_descr().columns().to_vec();
        let mut group = self.file.next_row_group()?;
        for ((&(column, ..), data), descr) in COLUMNS.iter().zip(&columns.data).zip(descr) {
            let (bytes, close) = self.chunks.encode(column, data, descr)?;
            group.append_column(&bytes::Bytes::from(bytes), close)?;
        }
        group.close()?;
        Ok(())
    }
}

/// Counts what passes.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What a failure of the writer is: the system's, where it was that.
fn failure(what: &str, error: ParquetError) -> RecordError {
    let source = match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other.to_string()),
    };
    RecordError::Io {
        path: what.into(),
        action: "cannot write",
        source,
    }
}
