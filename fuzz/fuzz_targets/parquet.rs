//! Whatever the bytes, a Parquet file gives records that can be written again, or an error.
//!
//! The first byte chooses what they are: a whole file, or a footer or pages in place of those of a file that
//! is right, which the fuzzer would hardly come by.
#![no_main]

use std::io::Cursor;

use idiolect_fuzz::{check_batch, check_error};
use idiolect_record::{ParquetFile, ParquetWriter, RecordingInfo};

const WHOLE: &[u8] = include_bytes!("../../crates/idiolect-record/tests/data/golden-1.parquet");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let file = match first % 3 {
        0 => bytes.to_vec(),
        1 => {
            let mut file = WHOLE.to_vec();
            let start = usize::from(*first) * 8 % file.len();
            let end = (start + bytes.len()).min(file.len());
            file[start..end].copy_from_slice(&bytes[..end - start]);
            file
        }
        _ => {
            let length = u32::from_le_bytes(WHOLE[WHOLE.len() - 8..][..4].try_into().expect("four bytes"));
            let pages = &WHOLE[..WHOLE.len() - 8 - length as usize];
            let footer = (bytes.len() as u32).to_le_bytes();
            [pages, bytes, &footer, b"PAR1"].concat()
        }
    };
    let mut reader = match ParquetFile::new(Cursor::new(file), "fuzz") {
        Ok(reader) => reader,
        Err(error) => return check_error(&error),
    };
    let mut writer = ParquetWriter::new(Vec::new(), "fuzz", RecordingInfo::default()).expect("memory");
    let mut groups = Vec::new();
    loop {
        match reader.next_batch() {
            Ok(Some(batch)) => {
                check_batch(&batch);
                writer.push_batch(&batch).expect("what was read can be written");
                groups.push(batch);
            }
            Ok(None) => break,
            Err(error) => return check_error(&error),
        }
    }
    let (bytes, _) = writer.finish().expect("memory");
    let mut again = ParquetFile::new(Cursor::new(bytes), "fuzz").expect("ours");
    let mut records = groups.iter().flat_map(idiolect_record::Batch::records);
    while let Some(batch) = again.next_batch().expect("ours") {
        for record in batch.records() {
            assert_eq!(Some(record), records.next());
        }
    }
    assert_eq!(records.next(), None);
});
