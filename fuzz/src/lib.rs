//! What the fuzz targets share: reading bytes, and what must hold of whatever comes out.

use std::ops::ControlFlow;

use idiolect_trace::assemble::{AssembleOptions, Assembler, StreamEvent};
use idiolect_trace::read::{
    Format, Limits, Numbering, ReadError, ReadOptions, Sink, Source, SourceReport, Totals,
    read_bytes, write_jsonl,
};
use idiolect_trace::{Record, table};

/// Bounds small enough that a run over them is quick to find.
pub fn limits() -> Limits {
    Limits {
        line_bytes: 4 << 10,
        open_threads: 16,
        entries: 64,
        unpacked_bytes: 1 << 20,
        unpack_ratio: 100,
        depth: 4,
    }
}

/// Reads `bytes`, in this format or the one found, and checks all that comes of it.
pub fn read(bytes: &[u8], format: Option<Format>) -> Result<Totals, ReadError> {
    read_by(bytes, format, None)
}

/// The same, with the table of UNM's numbers.
pub fn read_by(
    bytes: &[u8],
    format: Option<Format>,
    numbering: Option<Numbering>,
) -> Result<Totals, ReadError> {
    let options = ReadOptions {
        format,
        numbering,
        ..ReadOptions::default()
    };
    read_with(bytes, options)
}

/// The same by any options, but for the bounds.
pub fn read_with(bytes: &[u8], options: ReadOptions) -> Result<Totals, ReadError> {
    let options = ReadOptions {
        limits: limits(),
        ..options
    };
    let mut checks = Checks::default();
    let result = read_bytes("fuzz", bytes, &options, &mut checks);
    match &result {
        Ok(totals) => {
            assert_eq!(totals.calls, checks.calls);
            assert_eq!(totals.skipped_files, checks.skipped_files);
            assert!(!totals.stopped);
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("fuzz"), "{message:?} names no file");
            assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }
    result
}

struct Checks {
    calls: u64,
    skipped_files: u64,
    assembler: Assembler,
    /// Keys of the streams that are open.
    open: Vec<u64>,
}

impl Default for Checks {
    fn default() -> Self {
        let options = AssembleOptions {
            open_streams: 4,
            ..AssembleOptions::default()
        };
        Checks {
            calls: 0,
            skipped_files: 0,
            assembler: Assembler::new(options),
            open: Vec::new(),
        }
    }
}

fn follow(open: &mut Vec<u64>, event: &StreamEvent) {
    let key = event.key();
    match event {
        StreamEvent::Start(_) => {
            assert!(!open.contains(&key), "a key came twice");
            open.push(key);
        }
        StreamEvent::End { .. } => {
            assert!(open.contains(&key), "a stream ended that was not open");
            open.retain(|other| *other != key);
        }
        _ => assert!(open.contains(&key), "an event of a stream that is not open"),
    }
    assert!(open.len() <= 5, "more streams are open than the bound");
}

impl Sink for Checks {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        assert!(!source.origin.chars().any(char::is_control));
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        if let Record::Call(call) = &record {
            self.calls += 1;
            let canonical = table::canonical(call.name.as_str());
            assert_eq!(canonical.as_ref(), Some(&call.name));
        }
        let mut line = Vec::new();
        write_jsonl(&record, &mut line).expect("writing to memory does not fail");
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let open = &mut self.open;
        self.assembler
            .push(record, &mut |event| follow(open, &event));
        ControlFlow::Continue(())
    }

    fn end(&mut self, _: &Source, report: &SourceReport) -> ControlFlow<()> {
        for skip in report.skips.iter() {
            assert!(skip.count > 0);
            assert!(!skip.excerpt.chars().any(char::is_control));
        }
        let open = &mut self.open;
        self.assembler.end_source(&mut |event| follow(open, &event));
        assert!(self.open.is_empty());
        ControlFlow::Continue(())
    }

    fn skipped_file(
        &mut self,
        origin: &str,
        _: &idiolect_trace::read::FileSkip,
    ) -> ControlFlow<()> {
        assert!(!origin.chars().any(char::is_control));
        self.skipped_files += 1;
        ControlFlow::Continue(())
    }
}

/// Checks what a batch of rows gives.
pub fn check_batch(batch: &idiolect_record::Batch) {
    let mut checks = Checks::default();
    let mut records = 0;
    for record in batch.records() {
        records += 1;
        let _ = checks.record(record);
    }
    assert_eq!(records, batch.len(), "a row is no record");
    assert_eq!(checks.calls, batch.calls_made());
}

/// Checks that an error can be printed.
pub fn check_error(error: &idiolect_record::RecordError) {
    let message = error.to_string();
    assert!(message.starts_with("fuzz"), "{message:?} names no file");
    assert!(!message.chars().any(char::is_control), "{message:?}");
}
