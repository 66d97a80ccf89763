//! Windows of calls: a fixed number in, the next one out.

use idiolect_nn::{Corpus, IGNORE, Rng};
use serde::{Deserialize, Serialize};

use crate::split::Piece;
use crate::{Streams, Token, Vocabulary};

/// How streams are cut into windows, at a stride of one call.
///
/// A call's window is what stands before it: the last `inputs` of the stream's start token and its calls.
/// The calls at the beginning of a stream have fewer before them: their windows are padded on the left,
/// where the network does not step (what Keras calls masking), so that it begins with its zero state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// Calls that go in.
    pub inputs: usize,
    /// Whether the calls that have fewer than `inputs` before them train as well. If not, only a stream
    /// that has no whole window trains with one padded one, for its last call.
    pub lead_in: bool,
    /// Whether each window trains 0 to 10 times an epoch, drawn once at random, instead of once.
    pub drop_in: bool,
}

impl Windows {
    /// Most calls that go in.
    pub const MAX_INPUTS: usize = 4_096;

    /// The places, in a stream of so many calls, whose calls train.
    pub(crate) fn targets(&self, calls: usize) -> std::ops::Range<usize> {
        let first = if self.lead_in {
            0
        } else {
            self.inputs.min(calls.saturating_sub(1))
        };
        first..calls
    }
}

/// Most times that a window is repeated.
const MOST_REPEATS: usize = 10;
/// Marks the generator that draws repeats, apart from those of a training, whose second part is an epoch.
const REPEATS: u64 = u64::MAX - 1;

/// Windows as sequences to learn from or to measure on: only the last token of each is a target.
#[derive(Debug)]
pub struct WindowCorpus {
    inputs: usize,
    /// Each stream's tokens, behind its start token where it has one.
    sequences: Vec<Vec<Token>>,
    /// For each window, its stream and the place of its target in it.
    windows: Vec<(u32, u32)>,
    /// Tokens below this are no targets.
    first_target: Token,
}

impl WindowCorpus {
    /// The windows of `inputs` tokens whose targets stand at these places (sequence, index) of these
    /// sequences. Indices are those of the sequence, where a start token counts; index 0 is no target.
    pub fn new(inputs: usize, sequences: Vec<Vec<Token>>, windows: Vec<(u32, u32)>) -> Self {
        WindowCorpus {
            inputs,
            sequences,
            windows,
            first_target: 0,
        }
    }

    /// The windows of these pieces. What stands before a piece in its stream is part of its windows.
    pub(crate) fn of_pieces(
        windows: &Windows,
        streams: &Streams,
        pieces: &[Piece],
        tokens: &[Token],
    ) -> Self {
        let mut sequences = Vec::new();
        let mut places = Vec::new();
        for piece in pieces {
            let stream = streams.get(piece.stream);
            let symbols = &stream.symbols[..piece.range.end];
            let sequence = sequences.len() as u32;
            let start = std::iter::once(Vocabulary::start(stream.start));
            sequences.push(
                start
                    .chain(symbols.iter().map(|&symbol| tokens[symbol as usize]))
                    .collect(),
            );
            let targets = windows.targets(stream.symbols.len());
            let targets = targets.start.max(piece.range.start)..targets.end.min(piece.range.end);
            // The start token moves all places by one.
            places.extend(targets.map(|place| (sequence, place as u32 + 1)));
        }
        WindowCorpus {
            first_target: Vocabulary::FIRST_CALL,
            ..WindowCorpus::new(windows.inputs, sequences, places)
        }
    }

    /// The same windows, each repeated 0 to 10 times at random.
    pub fn drop_in(mut self, seed: u64) -> Self {
        let mut rng = Rng::from_parts(&[seed, REPEATS]);
        let mut repeated = Vec::new();
        for &window in &self.windows {
            let times = rng.below(MOST_REPEATS + 1);
            repeated.extend(std::iter::repeat_n(window, times));
        }
        self.windows = repeated;
        self
    }
}

impl Corpus for WindowCorpus {
    fn len(&self) -> usize {
        self.windows.len()
    }

    fn size_hint(&self, _: usize) -> usize {
        1
    }

    fn sequence(
        &self,
        index: usize,
        _: &mut Rng,
        inputs: &mut Vec<Token>,
        targets: &mut Vec<Token>,
    ) {
        let (sequence, place) = self.windows[index];
        let (sequence, place) = (&self.sequences[sequence as usize], place as usize);
        let target = sequence[place];
        if target < self.first_target {
            return;
        }
        inputs.extend_from_slice(&sequence[place.saturating_sub(self.inputs)..place]);
        targets.resize(inputs.len().saturating_sub(1), IGNORE);
        targets.push(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::tests::stream;
    use idiolect_trace::StartKind;

    fn windows(inputs: usize, lead_in: bool) -> Windows {
        Windows {
            inputs,
            lead_in,
            drop_in: false,
        }
    }

    fn all(corpus: &WindowCorpus) -> Vec<(Vec<Token>, Token)> {
        (0..corpus.len())
            .map(|index| {
                let (mut inputs, mut targets) = (Vec::new(), Vec::new());
                corpus.sequence(index, &mut Rng::new(1), &mut inputs, &mut targets);
                assert_eq!(inputs.len(), targets.len());
                let (last, before) = targets.split_last().unwrap();
                assert!(before.iter().all(|&target| target == IGNORE));
                (inputs, *last)
            })
            .collect()
    }

    #[test]
    fn whole_windows_and_one_for_a_short_stream() {
        let mut streams = Streams::default();
        for calls in [&["a", "b", "c", "d", "e"][..], &["a", "b", "c"]] {
            let one = stream(&mut streams, StartKind::Exec, calls);
            streams.push(one);
        }
        let vocabulary = Vocabulary::of_calls(["a", "b", "c", "d", "e"]);
        let tokens = crate::corpus::tokens(&streams, &vocabulary);
        let piece = |stream, range| Piece { stream, range };
        let pieces = [piece(0, 0..5), piece(1, 0..3)];
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|call| vocabulary.token(call));
        let start = Vocabulary::start(StartKind::Exec);
        let of = |windows: &Windows, pieces: &[Piece]| {
            all(&WindowCorpus::of_pieces(windows, &streams, pieces, &tokens))
        };
        assert_eq!(
            of(&windows(3, false), &pieces),
            [
                (vec![a, b, c], d),
                (vec![b, c, d], e),
                (vec![start, a, b], c),
            ]
        );
        let led_in = of(&windows(3, true), &pieces);
        assert_eq!(led_in.len(), 8);
        assert_eq!(led_in[0], (vec![start], a));
        assert_eq!(led_in[3], (vec![a, b, c], d));
        // A piece out of the middle knows what stands before it.
        assert_eq!(
            of(&windows(3, false), &[piece(0, 4..5)]),
            [(vec![b, c, d], e)]
        );
    }

    #[test]
    fn repeats_are_0_to_10_and_5_on_average() {
        let corpus = WindowCorpus::new(
            1,
            vec![vec![0; 5_001]],
            (1..=5_000).map(|i| (0, i)).collect(),
        );
        let corpus = corpus.drop_in(3);
        let mut times = vec![0; 5_001];
        for (_, place) in &corpus.windows {
            times[*place as usize] += 1;
        }
        assert!(times.iter().all(|&t| t <= 10));
        assert!(times[1..].contains(&0) && times.contains(&10));
        let mean = corpus.len() as f64 / 5_000.0;
        assert!((mean - 5.0).abs() < 0.2, "{mean}");
    }
}
