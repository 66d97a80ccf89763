//! Labelled data sets, with their splits.
//!
//! A [`DataSet`] is streams with what is known of each: whether it may be learned from, is normal to test
//! on, or is an attack, of which family, in which recording, and when an exploit began. Sets with a split
//! of their own keep it; the others are folded ([`DataSet::rounds`]). Every set has its variants without
//! copies ([`Variant`]).

mod adfa;
mod lid_ds;
mod own;
mod reader;
mod synthetic;
#[cfg(test)]
mod tests;
mod unm;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use idiolect_detect::{Stream, Streams};
use idiolect_trace::read::ReadError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use reader::Reading;
pub use synthetic::Truth;
pub use unm::{MixedNumberings, Pairing};

use crate::resample;

/// What a stream is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Normal, to learn from.
    Train,
    /// Normal, to test on; in a set without a split it is learned from in the folds that do not test it.
    Normal,
    /// Not normal: only ever tested on.
    Attack,
}

/// What is known of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// What it is there for.
    pub role: Role,
    /// The kind of attack; of a normal stream the kind of stream, where a set tells kinds apart.
    pub family: Option<String>,
    /// The recording that it belongs to, from 0.
    pub recording: u32,
    /// When each of its calls was made, in nanoseconds; none where one of them has no time.
    pub times: Option<Box<[u64]>>,
    /// When the exploit of its recording began, on the same clock.
    pub exploit_ns: Option<u64>,
}

/// A labelled data set.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What people call it.
    pub name: String,
    /// Its streams.
    pub streams: Streams,
    /// What is known of each.
    pub about: Vec<About>,
    /// What a person should know of how it was read.
    pub notes: Vec<String>,
    contents: Vec<[u8; 32]>,
}

/// Why there is no data set.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Its traces cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file of it cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not in the form that it should have.
    #[error("{}: {reason}", path.display())]
    Form {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Two parts of UNM's data that number calls differently.
    #[error(transparent)]
    Numbering(#[from] MixedNumberings),
    /// Normal streams or attacks are lacking.
    #[error("{name}: {normal} normal streams and {attack} attacks: an evaluation needs both")]
    Lacking {
        /// The set.
        name: String,
        /// Normal streams to test on.
        normal: usize,
        /// Attacks.
        attack: usize,
    },
}

/// Which streams of a test count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// All.
    All,
    /// Of streams of one content and one label the first.
    WithoutCopies,
    /// Of those the ones that are no copy of a stream that was learned from either.
    Unseen,
}

impl Variant {
    /// All of them.
    pub const ALL: [Variant; 3] = [Variant::All, Variant::WithoutCopies, Variant::Unseen];

    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Variant::All => "all",
            Variant::WithoutCopies => "without copies",
            Variant::Unseen => "nor copies of training",
        }
    }
}

/// What one fit learns from and is tested on, by places in the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Streams to learn from.
    pub train: Vec<usize>,
    /// Streams to test on.
    pub test: Vec<usize>,
}

impl DataSet {
    /// Of these streams and what is known of each.
    ///
    /// # Errors
    /// [`DataError::Lacking`] where there is nothing to test on.
    pub fn new(
        name: String,
        streams: Streams,
        about: Vec<About>,
        notes: Vec<String>,
    ) -> Result<Self, DataError> {
        let of = |role| about.iter().filter(|about| about.role == role).count();
        let (normal, attack) = (of(Role::Normal), of(Role::Attack));
        if normal == 0 || attack == 0 {
            return Err(DataError::Lacking {
                name,
                normal,
                attack,
            });
        }
        Ok(DataSet {
            contents: streams.content_hashes(),
            name,
            streams,
            about,
            notes,
        })
    }

    /// Reads what a person named: `adfa-ld`, `unm` (every valid pairing), `unm/xlock`, `lid-ds`; any other
    /// name is one's own data, a folder with `normal` and `attack` or a table as CSV.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn read(name: &str, path: &Path, reading: &Reading) -> Result<Vec<Self>, DataError> {
        match name.split_once('/').unwrap_or((name, "")) {
            ("adfa-ld", "") => Ok(vec![adfa::read(path)?]),
            ("unm", which) => unm::read(path, which),
            ("lid-ds", "") => Ok(vec![lid_ds::read(path)?]),
            _ => Ok(vec![own::read(name, path, reading)?]),
        }
    }

    /// A made-up program's streams with known truth, by a seed; [`Truth`] is what they come from.
    ///
    /// # Errors
    /// None: there are always normal streams and attacks.
    pub fn synthetic(seed: u64) -> Result<Self, DataError> {
        synthetic::read(seed)
    }

    /// Streams of another made-up program, by a seed, whose attacks are each hidden from some kind of detector and
    /// whose normal streams would deceive others: `synthetic/limits` in docs/evaluation.md.
    ///
    /// # Errors
    /// None: there are always normal streams and attacks.
    pub fn limits(seed: u64) -> Result<Self, DataError> {
        synthetic::read_limits(seed)
    }

    /// Whether a stream is an attack.
    pub fn is_attack(&self, stream: usize) -> bool {
        self.about[stream].role == Role::Attack
    }

    /// Hash of a stream's start and calls.
    pub fn content(&self, stream: usize) -> &[u8; 32] {
        &self.contents[stream]
    }

    /// This set, tested by what is learned from the normal streams of another: calls go by their names. Streams of
    /// this set that are there to be learned from are left out.
    ///
    /// # Errors
    /// None, since there is still what this set tests on.
    pub fn learned_from(&self, other: &DataSet) -> Result<Self, DataError> {
        let (mut streams, mut about) = (Streams::default(), Vec::new());
        streams.abis.extend(other.streams.abis.iter().cloned());
        streams.abis.extend(self.streams.abis.iter().cloned());
        for (stream, of) in other.streams.iter().zip(&other.about) {
            if of.role != Role::Attack {
                copy(stream, &other.streams, &mut streams);
                about.push(About {
                    role: Role::Train,
                    ..of.clone()
                });
            }
        }
        let learned: HashSet<String> = streams.names().iter().skip(1).cloned().collect();
        let recordings = about.iter().map(|of| of.recording + 1).max().unwrap_or(0);
        let (mut calls, mut known) = (0u64, 0u64);
        for (stream, of) in self.streams.iter().zip(&self.about) {
            if of.role == Role::Train {
                continue;
            }
            for &symbol in &stream.symbols {
                calls += u64::from(symbol != Streams::GAP);
                known += u64::from(learned.contains(self.streams.name(symbol)));
            }
            copy(stream, &self.streams, &mut streams);
            about.push(About {
                recording: recordings + of.recording,
                ..of.clone()
            });
        }
        let mut notes = self.notes.clone();
        notes.push(format!(
            "learned from the normal streams of {}, which make {:.1} % of the calls that are tested",
            other.name,
            100.0 * known as f64 / calls.max(1) as f64
        ));
        let name = format!("{} from {}", self.name, other.name);
        DataSet::new(name, streams, about, notes)
    }

    /// Whether the set says which normal streams to learn from.
    pub fn has_split(&self) -> bool {
        self.about.iter().any(|about| about.role == Role::Train)
    }

    /// The rounds of a test: one where the set has a split; else so many folds of the normal streams, by
    /// the seed, of which each is tested by what was learned from the others. Streams of one recording share a
    /// fold; where there are fewer recordings than folds, copies of a stream do. Attacks are tested in every
    /// round, and never learned from.
    pub fn rounds(&self, folds: usize, seed: u64) -> Vec<Round> {
        let places = |role| {
            let of_role = self.about.iter().enumerate();
            of_role
                .filter(move |(_, about)| about.role == role)
                .map(|(place, _)| place)
        };
        let normal: Vec<usize> = places(Role::Normal).collect();
        if self.has_split() {
            let mut test: Vec<usize> = normal.into_iter().chain(places(Role::Attack)).collect();
            test.sort_unstable();
            return vec![Round {
                train: places(Role::Train).collect(),
                test,
            }];
        }
        let recordings: Vec<u32> = normal
            .iter()
            .map(|&place| self.about[place].recording)
            .collect();
        let contents: Vec<[u8; 32]> = normal.iter().map(|&place| self.contents[place]).collect();
        let distinct = contents.iter().collect::<HashSet<_>>().len();
        let folds = folds.clamp(2, distinct.max(2));
        let fold_of = if recordings.iter().collect::<HashSet<_>>().len() >= folds {
            resample::folds(&recordings, folds, seed)
        } else {
            resample::folds(&contents, folds, seed)
        };
        let round = |fold: usize| {
            let of_fold = |tested: bool| {
                let pairs = normal.iter().zip(&fold_of);
                let chosen = pairs.filter(move |&(_, &of)| (of == fold) == tested);
                chosen.map(|(&place, _)| place)
            };
            let mut test: Vec<usize> = of_fold(true).chain(places(Role::Attack)).collect();
            test.sort_unstable();
            Round {
                train: of_fold(false).collect(),
                test,
            }
        };
        (0..folds).map(round).collect()
    }

    /// Which streams of a round's test count in a variant.
    pub fn counted(&self, round: &Round, variant: Variant) -> Vec<usize> {
        let learned: HashSet<&[u8; 32]> = match variant {
            Variant::Unseen => round
                .train
                .iter()
                .map(|&place| &self.contents[place])
                .collect(),
            _ => HashSet::new(),
        };
        let mut seen = HashSet::new();
        let counts = |place: &usize| {
            let content = &self.contents[*place];
            variant == Variant::All
                || (seen.insert((self.is_attack(*place), content)) && !learned.contains(content))
        };
        round.test.iter().copied().filter(counts).collect()
    }

    /// These streams alone, to learn from: with a table of their own calls and no others.
    pub fn only(&self, places: &[usize]) -> Streams {
        only(&self.streams, places)
    }

    /// A hash of these streams in their order, with their roles, in hexadecimal: what a cached result
    /// stands on.
    pub fn hash(&self, places: &[usize]) -> String {
        let mut all = Sha256::new();
        for &place in places {
            let about = &self.about[place];
            all.update(self.contents[place]);
            all.update([about.role as u8]);
            all.update(about.recording.to_le_bytes());
            all.update(about.exploit_ns.unwrap_or(u64::MAX).to_le_bytes());
            for time in about.times.iter().flatten() {
                all.update(time.to_le_bytes());
            }
        }
        hex(&all.finalize())
    }
}

/// Some of these streams, with a table of their own calls and no others.
pub(crate) fn only(of: &Streams, places: &[usize]) -> Streams {
    let mut streams = Streams::default();
    streams.abis.clone_from(&of.abis);
    streams.selected = of.selected;
    for &place in places {
        copy(of.get(place), of, &mut streams);
    }
    streams
}

/// Adds a stream of one table of calls to streams with another.
fn copy(stream: &Stream, of: &Streams, to: &mut Streams) {
    let symbols = stream.symbols.iter().map(|&symbol| match symbol {
        Streams::GAP => Streams::GAP,
        _ => to.symbol(of.name(symbol)),
    });
    let symbols = symbols.collect();
    to.push(Stream {
        name: stream.name.clone(),
        start: stream.start,
        symbols,
        executable: stream.executable.clone(),
    });
}

/// These streams, each from its last call to its first.
pub(crate) fn reversed(streams: &Streams) -> Streams {
    let mut reversed = only(streams, &[]);
    for stream in streams.iter() {
        let backwards = Stream {
            symbols: stream.symbols.iter().rev().copied().collect(),
            ..stream.clone()
        };
        copy(&backwards, streams, &mut reversed);
    }
    reversed
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
