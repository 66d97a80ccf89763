//! What is written to a Parquet file is what is read from it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Cursor;

use idiolect_record::{BatchBuilder, ParquetFile, ParquetWriter, RecordError, RecordingInfo};
use idiolect_trace::{Record, StreamId};
use proptest::prelude::*;

fn written(records: &[Record], origin: &str) -> Vec<u8> {
    let info = RecordingInfo {
        origin: origin.to_owned(),
        ..RecordingInfo::default()
    };
    let mut writer = ParquetWriter::new(Vec::new(), "t.parquet", info).unwrap();
    for record in records {
        writer.push(record).unwrap();
    }
    let (bytes, counts) = writer.finish().unwrap();
    let calls = records.iter().filter(|r| matches!(r, Record::Call(_)));
    assert_eq!(counts.records, records.len() as u64);
    assert_eq!(counts.calls, calls.count() as u64);
    assert_eq!(counts.bytes, bytes.len() as u64);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Record>, RecordError> {
    let mut file = ParquetFile::new(Cursor::new(bytes), "t.parquet")?;
    let mut records = Vec::new();
    while let Some(batch) = file.next_batch()? {
        assert_eq!(batch.len(), batch.records().count());
        records.extend(batch.records());
    }
    assert_eq!(records.len() as u64, file.records());
    Ok(records)
}

proptest! {
    #[test]
    fn records_read_back(records in prop::collection::vec(common::record(), 0..200)) {
        let back = read(&written(&records, "")).unwrap();
        prop_assert_eq!(back, records);
    }

    #[test]
    fn batches_read_back(records in prop::collection::vec(common::record(), 0..200)) {
        let mut builder = BatchBuilder::new();
        records.iter().for_each(|record| builder.push(record));
        let batch = builder.take();
        let back: Vec<Record> = batch.records().collect();
        prop_assert_eq!(back, records);
    }

    #[test]
    fn a_damaged_file_is_an_error_or_records(
        at in 0_usize..20_000,
        byte: u8,
        cut in prop::option::of(0_usize..20_000),
    ) {
        let mut bytes = written(&common::plain_calls(3_000).collect::<Vec<_>>(), "run");
        let length = bytes.len();
        bytes[at % length] ^= byte;
        bytes.truncate(cut.map_or(length, |cut| cut % length));
        // Whatever comes of it is no panic.
        drop(read(&bytes));
    }
}

#[test]
fn several_row_groups() {
    let records: Vec<Record> = common::plain_calls(300_000).collect();
    let bytes = written(&records, "elsewhere");
    assert_eq!(read(&bytes).unwrap(), records);
}

#[test]
fn an_own_origin_is_not_repeated() {
    let records: Vec<Record> = common::plain_calls(10).collect();
    let back = read(&written(&records, "run")).unwrap();
    let Record::Call(call) = &back[3] else {
        panic!("{back:?}")
    };
    let whole = StreamId::whole("".into());
    assert_eq!(call.stream.origin, whole.origin);
}

#[test]
fn what_is_no_whole_file_says_so() {
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1....PAR1", b"{}"] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.starts_with("t.parquet: "), "{error}");
    }
}
