//! Scoring streams that trained nothing, many at a time.

use idiolect_trace::StartKind;

use crate::distinct::DistinctGrams;
use crate::novelty::{CallSet, KnownSets};
use crate::score::{Counting, Heard};
use crate::split::Piece;
use crate::{
    Detector, DetectorState, Run, SignalKind, SignalSettings, Signals, Streams, Symbol, Token,
    Tracker, Unit, Vocabulary,
};

/// The signals of one unit.
#[derive(Clone, Debug)]
pub(crate) struct UnitScore {
    pub(crate) start: StartKind,
    pub(crate) hash: [u8; 32],
    pub(crate) signals: Signals,
}

/// How the signals of a unit are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignalsOf<'a> {
    pub(crate) settings: &'a SignalSettings,
    pub(crate) sets: Option<&'a KnownSets>,
    /// Whether distinct 3-grams are kept, which takes memory for each.
    pub(crate) grams: bool,
}

impl SignalsOf<'_> {
    /// The same with no more than this signal needs.
    pub(crate) fn only(self, signal: SignalKind) -> Self {
        let of_grams = signal == SignalKind::Distinct;
        SignalsOf {
            sets: self.sets.filter(|_| signal.is_of_format_4() && !of_grams),
            grams: self.grams && of_grams,
            ..self
        }
    }

    /// Of a unit; none where no call of it counts.
    pub(crate) fn unit(&self, unit: &UnitTracker) -> Option<Signals> {
        let mut signals = unit.tracker.signals(self.settings)?;
        if let Some(sets) = self.sets {
            let found = sets.distances(&unit.set, 0);
            self.settings.complete(&mut signals, found);
        }
        signals.distinct = unit.grams.as_ref().map(|grams| grams.mean());
        Some(signals)
    }

    /// What is kept of a unit that begins.
    pub(crate) fn begin(&self) -> UnitTracker {
        UnitTracker {
            tracker: Tracker::default(),
            set: CallSet::empty(self.sets.map_or(0, KnownSets::vocabulary)),
            grew: false,
            grams: self.grams.then(|| Box::new(DistinctGrams::new())),
        }
    }
}

/// What signals are made of, of a stream or a block of it.
#[derive(Clone, Debug)]
pub(crate) struct UnitTracker {
    pub(crate) tracker: Tracker,
    pub(crate) set: CallSet,
    /// Whether the last call was new to it.
    pub(crate) grew: bool,
    grams: Option<Box<DistinctGrams>>,
}

impl UnitTracker {
    /// Takes the next call; its surprise only where it counts.
    pub(crate) fn call(&mut self, token: Token, surprise: Option<f32>, settings: &SignalSettings) {
        self.grew = self.set.insert(token);
        if let Some(surprise) = surprise {
            self.tracker.observe(surprise, settings);
        }
        if let Some(grams) = &mut self.grams {
            grams.call(token);
            if let Some(surprise) = surprise {
                grams.observe(surprise);
            }
        }
    }

    /// Calls are missing here.
    pub(crate) fn gap(&mut self) {
        self.tracker.gap();
        if let Some(grams) = &mut self.grams {
            grams.gap();
        }
    }
}

/// The sets of calls of the units of these pieces, for a vocabulary of this size.
pub(crate) fn sets_of(
    streams: &Streams,
    pieces: &[Piece],
    tokens: &[Token],
    vocabulary: usize,
    unit: Unit,
) -> Option<KnownSets> {
    let units = pieces.iter().flat_map(|piece| {
        let symbols = &streams.get(piece.stream).symbols[piece.range.clone()];
        symbols.chunks(unit_len(unit, symbols.len()))
    });
    KnownSets::of(units.map(|calls| {
        let calls = calls.iter().map(|&symbol| tokens[symbol as usize]);
        CallSet::of(vocabulary, calls)
    }))
}

/// Scores each unit of these pieces, in their order whatever the number of threads. A stream's model
/// state runs from its start, also where only its end is scored.
pub(crate) fn score_units(
    detector: &dyn Detector,
    signals: &SignalsOf<'_>,
    streams: &Streams,
    pieces: &[Piece],
    tokens: &[Token],
    unit: Unit,
    threads: usize,
) -> Vec<UnitScore> {
    let heard = pieces.iter().map(|piece| {
        let stream = streams.get(piece.stream);
        (stream.start, &stream.symbols[..piece.range.end])
    });
    let surprises = hear(detector, &heard.collect::<Vec<_>>(), tokens, threads);
    let mut scores = Vec::new();
    for (piece, surprises) in pieces.iter().zip(surprises) {
        let start = streams.get(piece.stream).start;
        let whole = &streams.get(piece.stream).symbols[..piece.range.end];
        let counted = which_count(detector, whole, tokens);
        let symbols = &whole[piece.range.start..];
        let len = unit_len(unit, symbols.len());
        for (place, calls) in symbols.chunks(len).enumerate() {
            let from = piece.range.start + place * len;
            let mut unit = signals.begin();
            for place in from..from + calls.len() {
                let token = tokens[whole[place] as usize];
                if token == Vocabulary::GAP {
                    unit.gap();
                } else {
                    let surprise = counted[place].then_some(surprises[place]);
                    unit.call(token, surprise, signals.settings);
                }
            }
            scores.extend(signals.unit(&unit).map(|signals| UnitScore {
                start,
                hash: streams.content_hash(start, calls),
                signals,
            }));
        }
    }
    scores
}

/// Which of these symbols, from a stream's start, are calls that count as they do when the stream is judged.
fn which_count(detector: &dyn Detector, symbols: &[Symbol], tokens: &[Token]) -> Vec<bool> {
    let mut counting = Counting::of(detector);
    let counts = symbols.iter().map(|&symbol| {
        if tokens[symbol as usize] == Vocabulary::GAP {
            counting.gap();
            return false;
        }
        counting.call() == Heard::Counts
    });
    counts.collect()
}

/// Streams that are followed at a time, so that memory for their states is bounded.
const AT_A_TIME: usize = 4_096;

/// The surprise of each of these symbols, and anything for a gap.
fn hear(
    detector: &dyn Detector,
    streams: &[(StartKind, &[Symbol])],
    tokens: &[Token],
    threads: usize,
) -> Vec<Vec<f32>> {
    let some = |streams: &[(StartKind, &[Symbol])]| {
        let mut heard: Vec<(DetectorState, Vec<Token>)> = streams
            .iter()
            .map(|(start, symbols)| {
                let tokens = symbols.iter().map(|&symbol| tokens[symbol as usize]);
                (detector.begin(*start), tokens.collect())
            })
            .collect();
        let mut runs: Vec<Run<'_>> = heard
            .iter_mut()
            .map(|(state, tokens)| Run::new(state, tokens))
            .collect();
        detector.observe_runs(&mut runs, threads);
        let surprises = runs.into_iter().map(|run| run.surprises);
        surprises.collect::<Vec<_>>()
    };
    streams.chunks(AT_A_TIME).flat_map(some).collect()
}

/// Each call that counts of these pieces, and its surprise, each begun as training begins it.
pub(crate) fn surprises(
    detector: &dyn Detector,
    streams: &Streams,
    pieces: &[Piece],
    tokens: &[Token],
    threads: usize,
) -> Vec<(Token, f32)> {
    let heard = pieces.iter().map(|piece| {
        let stream = streams.get(piece.stream);
        let start = match piece.range.start {
            0 => stream.start,
            _ => StartKind::Attach,
        };
        (start, &stream.symbols[piece.range.clone()])
    });
    let heard: Vec<_> = heard.collect();
    let surprises = hear(detector, &heard, tokens, threads);
    let pairs = heard.iter().zip(&surprises);
    let mut all = Vec::new();
    for ((_, symbols), surprises) in pairs {
        let counted = which_count(detector, symbols, tokens);
        let said = symbols.iter().zip(surprises).zip(counted);
        let counted = said.filter(|(_, counts)| *counts);
        all.extend(counted.map(|((&symbol, &said), _)| (tokens[symbol as usize], said)));
    }
    all
}

/// How many units there are in these pieces.
pub(crate) fn units(pieces: &[Piece], unit: Unit) -> usize {
    pieces
        .iter()
        .map(|piece| {
            piece
                .range
                .len()
                .div_ceil(unit_len(unit, piece.range.len()))
        })
        .sum()
}

/// The content hash of each unit.
pub(crate) fn unit_hashes(streams: &Streams, pieces: &[&Piece], unit: Unit) -> Vec<[u8; 32]> {
    let of_piece = |piece: &&Piece| {
        let stream = streams.get(piece.stream);
        let symbols = &stream.symbols[piece.range.clone()];
        let hashes = symbols
            .chunks(unit_len(unit, symbols.len()))
            .map(|calls| streams.content_hash(stream.start, calls));
        hashes.collect::<Vec<_>>()
    };
    pieces.iter().flat_map(of_piece).collect()
}

fn unit_len(unit: Unit, whole: usize) -> usize {
    match unit {
        Unit::Stream => whole.max(1),
        Unit::Block(len) => len,
    }
}
