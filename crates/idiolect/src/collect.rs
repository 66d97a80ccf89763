//! Reading traces into memory, to learn from them.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;
use idiolect_detect::{Stream, Streams};
use idiolect_trace::Abi;
use idiolect_trace::read::Part;

use crate::args::Reading;
use crate::input::{self, Begun, Handler, Input};

/// What was read.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) streams: Streams,
    /// Files that were read.
    pub(crate) sources: u64,
}

/// Reads all streams of these paths; of labelled data sets only these parts.
pub(crate) fn read(paths: &[PathBuf], reading: &Reading, parts: &[Part]) -> Result<Collected> {
    from(Input::Paths(paths), reading, parts)
}

/// The same of any input.
pub(crate) fn from(input: Input<'_>, reading: &Reading, parts: &[Part]) -> Result<Collected> {
    let mut collector = Collector::default();
    let read = input::read(input, reading, parts, &mut collector)?;
    let mut streams = collector.streams;
    streams.selected = read.selected.is_some();
    streams.abis = read.abis.iter().map(Abi::to_string).collect();
    Ok(Collected {
        streams,
        sources: read.sources,
    })
}

/// Gathers streams as they end.
#[derive(Debug, Default)]
struct Collector {
    streams: Streams,
    open: HashMap<u64, Stream>,
}

impl Handler for Collector {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        let stream = Stream {
            name: begun.name(),
            start: begun.start,
            symbols: Vec::new(),
            executable: begun.executable.map(str::to_owned),
        };
        self.open.insert(key, stream);
        Ok(())
    }

    fn call(&mut self, key: u64, name: &str, _time_ns: Option<u64>) -> Result<()> {
        let symbol = self.streams.symbol(name);
        if let Some(stream) = self.open.get_mut(&key) {
            stream.symbols.push(symbol);
        }
        Ok(())
    }

    fn gap(&mut self, key: u64) -> Result<()> {
        if let Some(stream) = self.open.get_mut(&key) {
            stream.symbols.push(Streams::GAP);
        }
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        if let Some(stream) = self.open.remove(&key) {
            self.streams.push(stream);
        }
        Ok(())
    }
}
