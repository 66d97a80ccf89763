//! Records at rest: Parquet files that pandas and DuckDB read, and recordings that survive a crash.
//!
//! - [`ParquetWriter`] and [`ParquetFile`]: one file of records. `docs/recording-format.md` has its
//!   columns.
//! - [`Recording`]: a folder that grows while something is recorded: closed Parquet segments beside an
//!   append-only journal of what is in none yet. [`repair`] closes what a crash or a full disk left.
//! - [`register`]: from then on all of [`idiolect_trace::read`] reads both.
//!
//! Records move in [`Batch`]es: rows of 32 bytes that name their stream and their call by number.
//! Whoever wants [`Record`](idiolect_trace::Record)s takes them out of a batch one at a time.

#![forbid(unsafe_code)]

mod batch;
mod chunk;
mod columns;
mod decode;
mod encoding;
mod error;
mod footer;
mod group;
mod info;
mod join;
mod journal;
mod keeper;
mod page;
mod parquet_read;
mod parquet_write;
mod reading;
mod recording;
mod repair;
mod schema;

pub use batch::{Batch, BatchBuilder, CallKind, Row, RowKind};
pub use error::RecordError;
pub use info::{RecordingInfo, State, Summary};
pub use journal::{Damage, read_journal, read_journal_from};
pub use parquet_read::ParquetFile;
pub use parquet_write::{ParquetWriter, Written};
pub use reading::register;
pub use recording::{Finished, Recording, RecordingOptions};
pub use repair::{Repaired, repair};
pub use schema::FORMAT;
