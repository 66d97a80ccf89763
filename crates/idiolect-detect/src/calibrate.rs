//! Scoring streams that trained nothing, many at a time.

use idiolect_trace::StartKind;

use crate::split::Piece;
use crate::{Detector, SignalSettings, Signals, Streams, Token, Tracker, Unit, Vocabulary};

/// The signals of one unit.
#[derive(Clone, Debug)]
pub(crate) struct UnitScore {
    pub(crate) start: StartKind,
    pub(crate) hash: [u8; 32],
    pub(crate) signals: Signals,
}

/// Scores each unit of these pieces, in their order whatever the number of threads. A stream's model
/// state runs from its start, also where only its end is scored.
pub(crate) fn score_units(
    detector: &dyn Detector,
    settings: &SignalSettings,
    streams: &Streams,
    pieces: &[Piece],
    tokens: &[Token],
    unit: Unit,
    threads: usize,
) -> Vec<UnitScore> {
    let one = |piece: &Piece| score_piece(detector, settings, streams, piece, tokens, unit);
    let share = pieces.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = pieces
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().flat_map(one).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| match worker.join() {
                Ok(scores) => scores,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

fn score_piece(
    detector: &dyn Detector,
    settings: &SignalSettings,
    streams: &Streams,
    piece: &Piece,
    tokens: &[Token],
    unit: Unit,
) -> Vec<UnitScore> {
    let stream = streams.get(piece.stream);
    let mut state = detector.begin(stream.start);
    for &symbol in &stream.symbols[..piece.range.start] {
        feed(detector, &mut state, tokens[symbol as usize]);
    }
    let symbols = &stream.symbols[piece.range.clone()];
    let units = symbols.chunks(unit_len(unit, symbols.len()));
    let scores = units.filter_map(|calls| {
        let mut tracker = Tracker::default();
        for &symbol in calls {
            match feed(detector, &mut state, tokens[symbol as usize]) {
                Some(surprise) => tracker.observe(surprise, settings),
                None => tracker.gap(),
            }
        }
        let signals = tracker.signals(settings)?;
        Some(UnitScore {
            start: stream.start,
            hash: streams.content_hash(stream.start, calls),
            signals,
        })
    });
    scores.collect()
}

/// The surprise of a call; none for a gap.
fn feed(detector: &dyn Detector, state: &mut crate::DetectorState, token: Token) -> Option<f32> {
    if token == Vocabulary::GAP {
        detector.gap(state);
        None
    } else {
        Some(detector.observe(state, token))
    }
}

/// The surprise of each call of these pieces, each begun as training begins it.
pub(crate) fn surprises(
    detector: &dyn Detector,
    streams: &Streams,
    pieces: &[Piece],
    tokens: &[Token],
) -> Vec<f32> {
    let mut surprises = Vec::new();
    for piece in pieces {
        let stream = streams.get(piece.stream);
        let start = match piece.range.start {
            0 => stream.start,
            _ => StartKind::Attach,
        };
        let mut state = detector.begin(start);
        for &symbol in &stream.symbols[piece.range.clone()] {
            surprises.extend(feed(detector, &mut state, tokens[symbol as usize]));
        }
    }
    surprises
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
