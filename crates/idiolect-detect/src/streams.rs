//! Streams of call names, as training sees them.

use std::collections::{BTreeSet, HashMap};

use idiolect_trace::StartKind;
use sha2::{Digest, Sha256};

/// Index of a call name in [`Streams`]; [`Streams::GAP`] for a place where calls are missing.
pub type Symbol = u32;

/// One stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Where it comes from, to show to people.
    pub name: String,
    /// How it starts.
    pub start: StartKind,
    /// Its calls.
    pub symbols: Vec<Symbol>,
    /// The program it executes, where known.
    pub executable: Option<String>,
}

impl Stream {
    /// Calls in it, gaps not counted.
    pub fn calls(&self) -> usize {
        self.symbols
            .iter()
            .filter(|&&symbol| symbol != Streams::GAP)
            .count()
    }
}

/// Streams to learn from, with one table of names for all of them.
#[derive(Clone, Debug)]
pub struct Streams {
    names: Vec<String>,
    index: HashMap<String, Symbol>,
    streams: Vec<Stream>,
    /// The ABIs of their calls, by name, as far as they are known.
    pub abis: BTreeSet<String>,
    /// Whether some of them hold only calls that were chosen, as by the rules of auditd.
    pub selected: bool,
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            names: vec!["<gap>".to_owned()],
            index: HashMap::new(),
            streams: Vec::new(),
            abis: BTreeSet::new(),
            selected: false,
        }
    }
}

impl Streams {
    /// Calls are missing here.
    pub const GAP: Symbol = 0;

    /// The symbol of a call name, a new one where it is new.
    pub fn symbol(&mut self, name: &str) -> Symbol {
        if let Some(&symbol) = self.index.get(name) {
            return symbol;
        }
        let symbol = self.names.len() as Symbol;
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), symbol);
        symbol
    }

    /// The name of a symbol.
    pub fn name(&self, symbol: Symbol) -> &str {
        &self.names[symbol as usize]
    }

    /// The names of all symbols, by symbol.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds a stream; one without calls has nothing to learn from and is left out.
    pub fn push(&mut self, stream: Stream) {
        if stream.calls() > 0 {
            self.streams.push(stream);
        }
    }

    /// The streams.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Stream> {
        self.streams.iter()
    }

    /// One of them.
    pub fn get(&self, index: usize) -> &Stream {
        &self.streams[index]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Calls in all of them.
    pub fn calls(&self) -> usize {
        self.streams.iter().map(Stream::calls).sum()
    }

    /// A hash of a start and the names that follow: SHA-256 of the start token and the names, each ended
    /// by a line feed. The same on every machine and in every version.
    pub fn content_hash(&self, start: StartKind, symbols: &[Symbol]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(start.token());
        hash.update(b"\n");
        for &symbol in symbols {
            hash.update(self.name(symbol));
            hash.update(b"\n");
        }
        hash.finalize().into()
    }

    /// The content hash of each stream.
    pub fn content_hashes(&self) -> Vec<[u8; 32]> {
        self.iter()
            .map(|stream| self.content_hash(stream.start, &stream.symbols))
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stream of these calls.
    pub(crate) fn stream(streams: &mut Streams, start: StartKind, calls: &[&str]) -> Stream {
        Stream {
            name: format!("test {}", streams.len()),
            start,
            symbols: calls.iter().map(|call| streams.symbol(call)).collect(),
            executable: None,
        }
    }

    #[test]
    fn the_hash_depends_on_names_not_on_symbols() {
        let (mut a, mut b) = (Streams::default(), Streams::default());
        b.symbol("other");
        let first = stream(&mut a, StartKind::Exec, &["open", "read"]);
        let second = stream(&mut b, StartKind::Exec, &["open", "read"]);
        let other = stream(&mut b, StartKind::Thread, &["open", "read"]);
        assert_ne!(first.symbols, second.symbols);
        a.push(first);
        b.push(second);
        b.push(other);
        assert_eq!(a.content_hashes()[0], b.content_hashes()[0]);
        assert_ne!(b.content_hashes()[0], b.content_hashes()[1]);
    }

    #[test]
    fn a_stream_of_gaps_alone_is_left_out() {
        let mut streams = Streams::default();
        streams.push(Stream {
            name: String::new(),
            start: StartKind::Attach,
            symbols: vec![Streams::GAP; 3],
            executable: None,
        });
        assert!(streams.is_empty());
    }
}
