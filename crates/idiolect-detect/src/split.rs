//! Which streams train, which tune and which calibrate.
//!
//! The three never share a stream, nor a copy of one: the part is chosen by a hash of the content. Where
//! there are too few streams for that, each is cut by time instead.

use std::collections::HashSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Streams, Unit, Windows};

/// Share of the data that trains.
pub const TRAIN_SHARE: f64 = 0.7;
/// Share that tunes: decides when to stop, and how probable a call is that training never saw.
pub const TUNE_SHARE: f64 = 0.1;
/// Fewest units, streams or blocks, that a profile can be made of: six of them tune, twelve calibrate.
pub const MIN_UNITS: usize = 60;
/// Share of the windows that tunes, where they are taken in order: as in the original.
const LAST_SHARE: f64 = 0.05;
/// Calls in the shortest block that is scored as one.
pub const MIN_BLOCK: usize = 30;
/// Calls in the longest.
pub const MAX_BLOCK: usize = 1_000;
/// Blocks that the data are cut into where there are enough calls.
const WANTED_BLOCKS: usize = 300;

/// A stretch of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which stream, by its place in [`Streams`].
    pub stream: usize,
    /// Which of its symbols.
    pub range: Range<usize>,
}

/// Data split in three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// To fit the model on.
    pub train: Vec<Piece>,
    /// To stop by.
    pub tune: Vec<Piece>,
    /// To choose thresholds by.
    pub calibrate: Vec<Piece>,
    /// What is scored as one.
    pub unit: Unit,
}

impl Split {
    /// By chance a part of a small set may get nothing; then it gets one of the pieces that train.
    fn leave_none_empty(&mut self) {
        for part in [&mut self.tune, &mut self.calibrate] {
            if part.is_empty() && self.train.len() > 1 {
                part.extend(self.train.pop());
            }
        }
    }
}

/// How to choose the part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// By content where there are enough different streams, by time otherwise.
    Content,
    /// In turn, copies or not: for repeated runs of one command, which often say exactly the same. The
    /// threshold then answers "is this what the repetitions said", not "how often would it be wrong".
    InTurn,
    /// By time, however many streams there are.
    Time,
    /// In the order in which they were read, as the original research script did: calls train until there
    /// are so many (where no number is given, until four fifths of the data), the last twentieth of them
    /// tunes, and streams after that which copy none before them calibrate.
    InOrder {
        /// Calls that train or tune: windows, for a model of windows.
        limit: Option<usize>,
    },
}

/// There is too little to learn from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too little data: {}you have {streams} streams ({distinct} different) of {calls} calls in all, and \
     this needs {MIN_UNITS} different streams, or {} calls to be cut into blocks by time. Record more \
     normal runs (idiolect try shows how with strace) or longer ones",
    if *.calls == 0 { "there are no calls. " } else { "" },
    MIN_UNITS * MIN_BLOCK
)]
pub struct TooLittle {
    /// Streams there are.
    pub streams: usize,
    /// Different ones.
    pub distinct: usize,
    /// Calls in them.
    pub calls: usize,
}

/// Splits the streams in three, for a model of these windows or of whole streams.
///
/// # Errors
/// [`TooLittle`] where they are too few and too short.
pub fn split(
    streams: &Streams,
    policy: Policy,
    windows: Option<&Windows>,
) -> Result<Split, TooLittle> {
    let hashes = streams.content_hashes();
    let distinct = hashes.iter().collect::<HashSet<_>>().len();
    let mut split = match policy {
        Policy::InTurn if streams.len() >= 3 => {
            let rank = by_kind(streams);
            // Spread so that every part gets its share from the first ten streams on.
            let share = |i: usize| (rank[i] as f64 * GOLDEN).fract();
            Ok(by_share(streams, share))
        }
        Policy::Content if distinct >= MIN_UNITS => {
            Ok(by_share(streams, |i| share_of_hash(&hashes[i], 0)))
        }
        Policy::InOrder { limit } if distinct >= MIN_UNITS => {
            Ok(in_order(streams, &hashes, limit, windows))
        }
        _ if streams.calls() >= MIN_UNITS * MIN_BLOCK => Ok(by_time(streams)),
        _ => Err(TooLittle {
            streams: streams.len(),
            distinct,
            calls: streams.calls(),
        }),
    }?;
    split.leave_none_empty();
    Ok(split)
}

/// The fractional part of the golden ratio: its multiples fill the unit interval evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// The place of each stream where those of one program and of like lengths stand together, so that a part
/// of every kind of stream goes to each part of the split: a command's child processes often alternate
/// with the command itself.
fn by_kind(streams: &Streams) -> Vec<usize> {
    let mut order: Vec<usize> = (0..streams.len()).collect();
    order.sort_by_key(|&i| {
        let stream = streams.get(i);
        (&stream.executable, stream.symbols.len())
    });
    let mut rank = vec![0; order.len()];
    for (place, stream) in order.into_iter().enumerate() {
        rank[stream] = place;
    }
    rank
}

/// Splits into folds for cross-fitting: for each fold, the streams it holds calibrate, and the others
/// train and tune. Copies share a fold.
pub fn folds(streams: &Streams, folds: usize) -> Vec<Split> {
    let hashes = streams.content_hashes();
    let fold_of = |i: usize| (share_of_hash(&hashes[i], 1) * folds as f64) as usize;
    let tunes = |i: usize| share_of_hash(&hashes[i], 0) < TUNE_SHARE / (TRAIN_SHARE + TUNE_SHARE);
    let whole = |i: usize| Piece {
        stream: i,
        range: 0..streams.get(i).symbols.len(),
    };
    (0..folds)
        .map(|fold| {
            let (held, others): (Vec<usize>, Vec<usize>) =
                (0..streams.len()).partition(|&i| fold_of(i) == fold);
            let (tune, train): (Vec<usize>, Vec<usize>) =
                others.into_iter().partition(|&i| tunes(i));
            Split {
                train: train.into_iter().map(whole).collect(),
                tune: tune.into_iter().map(whole).collect(),
                calibrate: held.into_iter().map(whole).collect(),
                unit: Unit::Stream,
            }
        })
        .collect()
}

/// A number in [0, 1) from eight of a hash's bytes; different words give independent numbers.
fn share_of_hash(hash: &[u8; 32], word: usize) -> f64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[word * 8..word * 8 + 8]);
    // 53 bits are what an f64 holds.
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}

fn by_share(streams: &Streams, share: impl Fn(usize) -> f64) -> Split {
    let mut split = Split {
        train: Vec::new(),
        tune: Vec::new(),
        calibrate: Vec::new(),
        unit: Unit::Stream,
    };
    for (stream, content) in streams.iter().enumerate() {
        let share = share(stream);
        let part = if share < TRAIN_SHARE {
            &mut split.train
        } else if share < TRAIN_SHARE + TUNE_SHARE {
            &mut split.tune
        } else {
            &mut split.calibrate
        };
        part.push(Piece {
            stream,
            range: 0..content.symbols.len(),
        });
    }
    split
}

/// Takes calls in order up to a limit.
fn in_order(
    streams: &Streams,
    hashes: &[[u8; 32]],
    limit: Option<usize>,
    windows: Option<&Windows>,
) -> Split {
    let targets = |stream: usize| {
        let len = streams.get(stream).symbols.len();
        windows.map_or(0..len, |windows| windows.targets(len))
    };
    let total: usize = (0..streams.len()).map(|i| targets(i).len()).sum();
    let most = (total as f64 * (TRAIN_SHARE + TUNE_SHARE)) as usize;
    let limit = limit.unwrap_or(most).min(most);
    let train = (limit as f64 * (1.0 - LAST_SHARE)) as usize;
    let mut split = Split {
        train: Vec::new(),
        tune: Vec::new(),
        calibrate: Vec::new(),
        unit: Unit::Stream,
    };
    let calibrate = (streams.len() as f64 * (1.0 - TRAIN_SHARE - TUNE_SHARE)) as usize;
    let mut learned = HashSet::new();
    let mut taken = 0;
    for (stream, hash) in hashes.iter().enumerate() {
        if taken < limit {
            learned.insert(hash);
            let targets = targets(stream);
            let place =
                |count: usize| (targets.start + count.saturating_sub(taken)).min(targets.end);
            let (tune_from, end) = (place(train), place(limit));
            for (part, range) in [
                (&mut split.train, targets.start..tune_from),
                (&mut split.tune, tune_from..end),
            ] {
                if !range.is_empty() {
                    part.push(Piece { stream, range });
                }
            }
            taken += targets.len();
        } else if !learned.contains(hash) && split.calibrate.len() < calibrate {
            split.calibrate.push(Piece {
                stream,
                range: 0..streams.get(stream).symbols.len(),
            });
        }
    }
    split
}

/// Cuts each stream by time. The cuts lie on block borders, so that each block belongs to one part.
fn by_time(streams: &Streams) -> Split {
    let block = (streams.calls() / WANTED_BLOCKS).clamp(MIN_BLOCK, MAX_BLOCK);
    let mut split = Split {
        train: Vec::new(),
        tune: Vec::new(),
        calibrate: Vec::new(),
        unit: Unit::Block(block),
    };
    // A stream of a few blocks alone would round its small parts away: the shares are taken over all
    // streams together, by carrying what rounding left over.
    let (mut tune_owed, mut calibrate_owed) = (0.0, 0.0);
    for (stream, content) in streams.iter().enumerate() {
        let len = content.symbols.len();
        let blocks = len / block;
        tune_owed += blocks as f64 * TUNE_SHARE;
        calibrate_owed += blocks as f64 * (1.0 - TRAIN_SHARE - TUNE_SHARE);
        let calibrate = (calibrate_owed as usize).min(blocks.saturating_sub(1));
        let tune = (tune_owed as usize).min(blocks.saturating_sub(1 + calibrate));
        calibrate_owed -= calibrate as f64;
        tune_owed -= tune as f64;
        // What is left over at the end of the last block is too short to be scored fairly.
        let end = if calibrate > 0 { blocks * block } else { len };
        let calibrate_from = end - calibrate * block;
        let tune_from = calibrate_from - tune * block;
        for (part, range) in [
            (&mut split.train, 0..tune_from),
            (&mut split.tune, tune_from..calibrate_from),
            (&mut split.calibrate, calibrate_from..end),
        ] {
            if !range.is_empty() {
                part.push(Piece { stream, range });
            }
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::tests::stream;
    use idiolect_trace::StartKind;
    use proptest::prelude::*;

    /// `distinct` different streams of `len` calls, each `copies` times.
    fn streams(distinct: usize, copies: usize, len: usize) -> Streams {
        let mut streams = Streams::default();
        for _ in 0..copies {
            for i in 0..distinct {
                let mut calls: Vec<String> =
                    (0..len).map(|k| format!("c{}", (k * i) % 7)).collect();
                calls[0] = format!("first{i}");
                let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
                let one = stream(&mut streams, StartKind::Exec, &calls);
                streams.push(one);
            }
        }
        streams
    }

    fn contents<'a>(streams: &'a Streams, part: &'a [Piece]) -> HashSet<&'a [u32]> {
        part.iter()
            .map(|piece| &streams.get(piece.stream).symbols[piece.range.clone()])
            .collect()
    }

    #[test]
    fn copies_never_straddle() {
        let streams = streams(500, 3, 5);
        let split = split(&streams, Policy::Content, None).unwrap();
        let parts = [&split.train, &split.tune, &split.calibrate].map(|p| contents(&streams, p));
        assert!(parts[0].is_disjoint(&parts[1]));
        assert!(parts[0].is_disjoint(&parts[2]));
        assert!(parts[1].is_disjoint(&parts[2]));
        assert_eq!(parts.iter().map(HashSet::len).sum::<usize>(), 500);
        assert!((300..400).contains(&parts[0].len()), "{}", parts[0].len());
        assert!((70..130).contains(&parts[2].len()), "{}", parts[2].len());
    }

    #[test]
    fn every_stream_calibrates_in_one_fold() {
        let streams = streams(100, 2, 5);
        let folds = folds(&streams, 5);
        let mut seen = vec![0; streams.len()];
        for fold in &folds {
            assert!(
                contents(&streams, &fold.calibrate).is_disjoint(&contents(&streams, &fold.train))
            );
            assert!(contents(&streams, &fold.tune).is_disjoint(&contents(&streams, &fold.train)));
            assert!(!fold.tune.is_empty());
            for piece in &fold.calibrate {
                seen[piece.stream] += 1;
            }
        }
        assert!(seen.iter().all(|&count| count == 1));
    }

    #[test]
    fn too_little_says_what_is_needed() {
        let error = split(&streams(12, 1, 40), Policy::Content, None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("you have 12 streams (12 different) of 480 calls"),
            "{text}"
        );
        assert!(
            text.contains("this needs 60 different streams, or 1800 calls"),
            "{text}"
        );
        assert!(
            split(&Streams::default(), Policy::Content, None)
                .unwrap_err()
                .to_string()
                .contains("no calls")
        );
    }

    #[test]
    fn runs_of_one_command_are_taken_in_turn() {
        let split = split(&streams(1, 20, 30), Policy::InTurn, None).unwrap();
        assert_eq!(
            split.train.len() + split.tune.len() + split.calibrate.len(),
            20
        );
        assert!(!split.tune.is_empty() && split.calibrate.len() >= 3);
    }

    #[test]
    fn streams_of_every_kind_are_in_every_part() {
        // A command and its child by turns, of which the child makes one call.
        let mut streams = Streams::default();
        for i in 0..24 {
            let calls = vec!["read"; if i % 2 == 0 { 700 + i } else { 1 }];
            let one = stream(&mut streams, StartKind::Attach, &calls);
            streams.push(one);
        }
        let split = split(&streams, Policy::InTurn, None).unwrap();
        for part in [&split.train, &split.tune, &split.calibrate] {
            let short = part.iter().filter(|piece| piece.range.len() == 1).count();
            assert!(short > 0 && short < part.len(), "{part:?}");
        }
    }

    #[test]
    fn in_order_the_last_twentieth_tunes_and_no_copy_calibrates() {
        // 100 streams of 50 calls, twice: windows of 19 calls and a target leave 31 each.
        let streams = streams(100, 2, 50);
        let windows = Windows {
            inputs: 19,
            lead_in: false,
            drop_in: false,
        };
        let policy = Policy::InOrder { limit: Some(1_000) };
        let split = split(&streams, policy, Some(&windows)).unwrap();
        let calls = |part: &[Piece]| part.iter().map(|piece| piece.range.len()).sum::<usize>();
        assert_eq!((calls(&split.train), calls(&split.tune)), (950, 50));
        assert_eq!(
            split.train[0],
            Piece {
                stream: 0,
                range: 19..50
            }
        );
        // 950 = 30 streams of 31 windows and 20 of the next.
        assert_eq!(
            split.train[30],
            Piece {
                stream: 30,
                range: 19..39
            }
        );
        assert_eq!(
            split.tune[0],
            Piece {
                stream: 30,
                range: 39..50
            }
        );
        assert_eq!(
            split.tune.last(),
            Some(&Piece {
                stream: 32,
                range: 19..27
            })
        );
        let calibrate: Vec<usize> = split.calibrate.iter().map(|piece| piece.stream).collect();
        assert_eq!(calibrate, (33..73).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn time_parts_follow_each_other_on_block_borders(
            lens in prop::collection::vec(1usize..4_000, 1..20)
        ) {
            let mut streams = Streams::default();
            let symbol = streams.symbol("read");
            for &len in &lens {
                streams.push(crate::Stream {
                    name: String::new(),
                    start: StartKind::Attach,
                    symbols: vec![symbol; len],
                    executable: None,
                });
            }
            let split = by_time(&streams);
            let Unit::Block(block) = split.unit else { panic!("not blocks") };
            let end = |part: &[Piece], stream| part.iter().find(|p| p.stream == stream).map(|p| p.range.clone());
            for (stream, &len) in lens.iter().enumerate() {
                let train = end(&split.train, stream);
                prop_assert!(train.is_some());
                let mut at = train.unwrap().end;
                for part in [&split.tune, &split.calibrate] {
                    if let Some(range) = end(part, stream) {
                        prop_assert_eq!(range.start, at);
                        prop_assert_eq!(range.len() % block, 0);
                        at = range.end;
                    }
                }
                prop_assert!(at <= len && len - at < block);
            }
        }
    }
}
