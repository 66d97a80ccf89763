//! Pieces of streams as sequences for the trainer.

use idiolect_nn::{Corpus, IGNORE, Rng};
use idiolect_trace::StartKind;

use crate::split::{self, Piece, Policy, TooLittle};
use crate::{Streams, Token, Vocabulary};

/// How training data are made less perfect, so that what is rare in them is familiar later.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Augmentation {
    /// Share of sequences from which a segment is cut, with `<gap>` in its place, each epoch.
    pub gap: f64,
    /// Share of calls that the model sees as `<unk>`, as input only.
    pub unknown: f64,
}

impl Augmentation {
    /// None: data as they are.
    pub const NONE: Augmentation = Augmentation {
        gap: 0.0,
        unknown: 0.0,
    };

    /// Little enough to cost no accuracy that could be measured, enough to train both tokens.
    pub const DEFAULT: Augmentation = Augmentation {
        gap: 0.05,
        unknown: 0.002,
    };
}

/// Longest segment that is cut out, in calls.
const MAX_CUT: usize = 50;

/// Pieces of streams, with the tokens of one vocabulary.
pub(crate) struct PieceCorpus<'a> {
    streams: &'a Streams,
    pieces: &'a [Piece],
    tokens: Vec<Token>,
    augmentation: Augmentation,
}

impl<'a> PieceCorpus<'a> {
    pub(crate) fn new(
        streams: &'a Streams,
        pieces: &'a [Piece],
        vocabulary: &Vocabulary,
        augmentation: Augmentation,
    ) -> Self {
        PieceCorpus {
            streams,
            pieces,
            tokens: tokens(streams, vocabulary),
            augmentation,
        }
    }

    /// The tokens of each piece, as they are.
    pub(crate) fn sequences(&self) -> impl Iterator<Item = impl Iterator<Item = Token> + '_> + '_ {
        self.pieces.iter().map(|piece| self.tokens_of(piece))
    }

    /// The tokens of a piece, behind that of its start: a piece out of the middle starts as a recorder
    /// that attaches does.
    fn tokens_of(&self, piece: &Piece) -> impl Iterator<Item = Token> + '_ {
        let stream = self.streams.get(piece.stream);
        let start = match piece.range.start {
            0 => stream.start,
            _ => StartKind::Attach,
        };
        let symbols = &stream.symbols[piece.range.clone()];
        std::iter::once(Vocabulary::start(start))
            .chain(symbols.iter().map(|&symbol| self.tokens[symbol as usize]))
    }
}

/// The vocabulary of the calls in these pieces.
pub(crate) fn vocabulary(streams: &Streams, pieces: &[Piece]) -> Vocabulary {
    let mut seen = vec![false; streams.names().len()];
    for piece in pieces {
        for &symbol in &streams.get(piece.stream).symbols[piece.range.clone()] {
            seen[symbol as usize] = true;
        }
    }
    seen[Streams::GAP as usize] = false;
    let names = streams.names().iter().zip(seen);
    Vocabulary::of_calls(names.filter_map(|(name, seen)| seen.then_some(name.as_str())))
}

/// The token of each symbol.
pub(crate) fn tokens(streams: &Streams, vocabulary: &Vocabulary) -> Vec<Token> {
    let mut tokens: Vec<Token> = streams
        .names()
        .iter()
        .map(|name| vocabulary.token(name))
        .collect();
    tokens[Streams::GAP as usize] = Vocabulary::GAP;
    tokens
}

/// What a fit would train, tune and calibrate on, as numbers, for comparison with other programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// What the numbers stand for.
    pub vocabulary: Vocabulary,
    /// Sequences to train on, each behind its start token; unknown calls are token 0.
    pub train: Vec<Vec<Token>>,
    /// Sequences to tune on.
    pub tune: Vec<Vec<Token>>,
    /// Sequences to calibrate on.
    pub calibrate: Vec<Vec<Token>>,
}

/// The data as a fit with this policy splits them.
///
/// # Errors
/// [`TooLittle`], as a fit.
pub fn export(streams: &Streams, policy: Policy) -> Result<Export, TooLittle> {
    let split = split::split(streams, policy, None)?;
    let vocabulary = vocabulary(streams, &split.train);
    let of = |pieces: &[Piece]| -> Vec<Vec<Token>> {
        let corpus = PieceCorpus::new(streams, pieces, &vocabulary, Augmentation::NONE);
        let tokens = pieces.iter().map(|piece| corpus.tokens_of(piece).collect());
        tokens.collect()
    };
    Ok(Export {
        train: of(&split.train),
        tune: of(&split.tune),
        calibrate: of(&split.calibrate),
        vocabulary,
    })
}

impl Corpus for PieceCorpus<'_> {
    fn len(&self) -> usize {
        self.pieces.len()
    }

    fn size_hint(&self, index: usize) -> usize {
        self.pieces[index].range.len()
    }

    fn sequence(
        &self,
        index: usize,
        rng: &mut Rng,
        inputs: &mut Vec<Token>,
        targets: &mut Vec<Token>,
    ) {
        inputs.clear();
        targets.clear();
        inputs.extend(self.tokens_of(&self.pieces[index]));
        if rng.uniform() < self.augmentation.gap {
            cut_segment(inputs, rng);
        }
        // Each token but the start is the target of what comes before it; only calls that training knows
        // teach the network.
        targets.extend(inputs[1..].iter().map(|&token| {
            if token < Vocabulary::FIRST_CALL {
                IGNORE
            } else {
                token
            }
        }));
        inputs.pop();
        if self.augmentation.unknown > 0.0 {
            for input in inputs.iter_mut().skip(1) {
                if rng.uniform() < self.augmentation.unknown && *input >= Vocabulary::FIRST_CALL {
                    *input = Vocabulary::UNKNOWN;
                }
            }
        }
    }
}

/// Cuts a segment out of a sequence, never the start nor the last call, and puts `<gap>` there.
fn cut_segment(sequence: &mut Vec<Token>, rng: &mut Rng) {
    let calls = sequence.len() - 1;
    if calls < 4 {
        return;
    }
    let len = 1 + rng.below(MAX_CUT.min(calls / 2));
    let from = 1 + rng.below(calls - len);
    sequence.drain(from + 1..from + len);
    sequence[from] = Vocabulary::GAP;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::tests::stream;

    fn whole(stream: usize, len: usize) -> Piece {
        Piece {
            stream,
            range: 0..len,
        }
    }

    #[test]
    fn inputs_are_one_behind_targets() {
        let mut streams = Streams::default();
        let one = stream(&mut streams, StartKind::Exec, &["open", "new", "read"]);
        streams.push(one);
        let vocabulary = Vocabulary::of_calls(["open", "read"]);
        let pieces = [
            whole(0, 3),
            Piece {
                stream: 0,
                range: 2..3,
            },
        ];
        let corpus = PieceCorpus::new(&streams, &pieces, &vocabulary, Augmentation::NONE);
        let (mut inputs, mut targets) = (vec![9], vec![9]);
        corpus.sequence(0, &mut Rng::new(1), &mut inputs, &mut targets);
        let (open, read) = (vocabulary.token("open"), vocabulary.token("read"));
        let exec = Vocabulary::start(StartKind::Exec);
        assert_eq!(inputs, [exec, open, Vocabulary::UNKNOWN]);
        assert_eq!(targets, [open, IGNORE, read]);
        corpus.sequence(1, &mut Rng::new(1), &mut inputs, &mut targets);
        assert_eq!(inputs, [Vocabulary::start(StartKind::Attach)]);
        assert_eq!(targets, [read]);
    }

    #[test]
    fn cutting_leaves_one_gap_and_the_ends() {
        for seed in 0..500 {
            let mut rng = Rng::new(seed);
            let len = 2 + rng.below(100);
            let mut sequence: Vec<Token> = (100..100 + len as Token).collect();
            let before = sequence.clone();
            cut_segment(&mut sequence, &mut rng);
            assert_eq!((sequence[0], sequence.last()), (before[0], before.last()));
            let gaps = sequence.iter().filter(|&&t| t == Vocabulary::GAP).count();
            assert_eq!(gaps, usize::from(len > 4), "{len}");
            assert!(sequence.len() <= before.len());
        }
    }

    #[test]
    fn augmentation_makes_both_rare_tokens_familiar() {
        let mut streams = Streams::default();
        let one = stream(&mut streams, StartKind::Exec, &["read"; 1_000]);
        streams.push(one);
        let vocabulary = Vocabulary::of_calls(["read"]);
        let pieces = [whole(0, 1_000)];
        let corpus = PieceCorpus::new(&streams, &pieces, &vocabulary, Augmentation::DEFAULT);
        let (mut inputs, mut targets, mut rng) = (Vec::new(), Vec::new(), Rng::new(3));
        let (mut unknown, mut gaps) = (0, 0);
        for _ in 0..200 {
            corpus.sequence(0, &mut rng, &mut inputs, &mut targets);
            assert_eq!(inputs.len(), targets.len());
            unknown += inputs.iter().filter(|&&t| t == Vocabulary::UNKNOWN).count();
            gaps += inputs.iter().filter(|&&t| t == Vocabulary::GAP).count();
            assert!(!targets.contains(&Vocabulary::UNKNOWN));
        }
        assert!((300..500).contains(&unknown), "{unknown}");
        assert!((2..25).contains(&gaps), "{gaps}");
    }
}
