//! How fast a file is read on one core: calls and lines a second, from the file to records.
//!
//! `cargo run --release -p idiolect-trace --example reading FILE...`; `scripts/reading.sh` gives the table
//! with its anchors.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use idiolect_trace::Record;
use idiolect_trace::read::{ReadOptions, Sink, Source, read_path};

/// Counts what comes, and drops it.
#[derive(Default)]
struct Count {
    format: String,
    others: u64,
}

impl Sink for Count {
    fn begin(&mut self, source: &Source) -> ControlFlow<()> {
        self.format = source.format.to_string();
        ControlFlow::Continue(())
    }

    fn record(&mut self, record: Record) -> ControlFlow<()> {
        self.others += u64::from(!matches!(record, Record::Call(_)));
        ControlFlow::Continue(())
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]
fn main() -> ExitCode {
    for path in std::env::args_os().skip(1) {
        let mut count = Count::default();
        let began = Instant::now();
        match read_path(Path::new(&path), &ReadOptions::default(), &mut count) {
            Ok(totals) => {
                let seconds = began.elapsed().as_secs_f64();
                println!(
                    "{:<12} {:>10} lines {:>10} calls {:>9} other records {:>7.3} s {:>6.2} million lines/s {:>6.2} million calls/s",
                    count.format,
                    totals.lines,
                    totals.calls,
                    count.others,
                    seconds,
                    totals.lines as f64 / seconds / 1e6,
                    totals.calls as f64 / seconds / 1e6,
                );
            }
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
