//! How much of one program's speech another's profile knows (the portability test of Kim et al. 2016).
//!
//! Profiles and streams meet through call names, so that sets of different ABIs can be compared.

use std::collections::HashSet;

use serde::Serialize;

use crate::calibrate;
use crate::corpus;
use crate::fit::data_hash;
use crate::split::{self, Piece, Policy};
use crate::{Judge, Profile, SignalKind, StreamState, Streams, Token, Unit, Verdict, Vocabulary};

/// What a profile makes of a set of streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Acquaintance {
    /// Streams scored.
    pub streams: u64,
    /// Different call names in them.
    pub names: u64,
    /// Those that the profile knows.
    pub known_names: u64,
    /// Calls.
    pub calls: u64,
    /// Those whose names the profile knows.
    pub known_calls: u64,
    /// Mean surprise of all calls, in nats a call.
    pub mean_surprise: f64,
    /// Units that were judged: streams, or blocks where the profile judges by blocks.
    pub judged: u64,
    /// Units that were called anomalous at the profile's own threshold.
    pub anomalous: u64,
}

impl Acquaintance {
    /// Share of the different call names that the profile knows.
    pub fn share_of_names(&self) -> f64 {
        self.known_names as f64 / self.names as f64
    }

    /// Share of the calls whose names the profile knows.
    pub fn share_of_calls(&self) -> f64 {
        self.known_calls as f64 / self.calls as f64
    }

    /// Share of the judged units that were called anomalous.
    pub fn share_anomalous(&self) -> f64 {
        self.anomalous as f64 / self.judged as f64
    }
}

/// What a set of streams is to a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// The profile learned nothing from this set as a whole.
    Other,
    /// It is what the profile was trained from, and these parts of it were held out, which set the
    /// threshold.
    Own(Vec<Piece>),
    /// It is what the profile was trained from, and all of it taught the profile, or nobody knows which
    /// part did not.
    OwnWhole,
}

/// Whether a profile was trained from these very streams, and which of them it did not learn from: the
/// part whose scores are the profile's calibration, if it is one that a usual policy holds out.
pub fn kinship(profile: &Profile, streams: &Streams, threads: usize) -> Kinship {
    if profile.provenance.data_hash != data_hash(streams) {
        return Kinship::Other;
    }
    let usual = [Policy::Content, Policy::Time, Policy::InTurn];
    let held_out = usual.into_iter().find_map(|policy| {
        let split = split::split(streams, policy, None).ok()?;
        let set_the_threshold = split.unit == profile.unit()
            && are_calibration(profile, streams, &split.calibrate, threads);
        set_the_threshold.then_some(split.calibrate)
    });
    held_out.map_or(Kinship::OwnWhole, Kinship::Own)
}

/// Whether the scores of these pieces are those that the profile was calibrated on.
fn are_calibration(profile: &Profile, streams: &Streams, pieces: &[Piece], threads: usize) -> bool {
    /// What processors may differ by, in nats.
    const TOLERANCE: f32 = 1e-3;
    let all = profile.calibrations.iter().find(|calibration| {
        let is_mean = calibration.signal == SignalKind::Mean;
        calibration.model == 0 && is_mean && calibration.start.is_none()
    });
    let (Some(all), unit) = (all, profile.unit()) else {
        return false;
    };
    if all.scores().len() != calibrate::units(pieces, unit) {
        return false;
    }
    let tokens = corpus::tokens(streams, &profile.vocabulary);
    let (detector, signals) = (profile.detector(), profile.signals_of());
    let scores =
        calibrate::score_units(detector, &signals, streams, pieces, &tokens, unit, threads);
    let mut scores: Vec<f32> = scores.iter().map(|unit| unit.signals.mean).collect();
    scores.sort_by(f32::total_cmp);
    let mut both = scores.iter().zip(all.scores());
    scores.len() == all.scores().len() && both.all(|(a, b)| (a - b).abs() < TOLERANCE)
}

/// Scores these pieces of streams by a profile, on so many threads; the result does not depend on their
/// number. A piece out of the middle of a stream is scored with what came before it heard. `None` where
/// there is no call.
pub fn acquaintance(
    judge: &Judge<'_>,
    streams: &Streams,
    pieces: &[Piece],
    threads: usize,
) -> Option<Acquaintance> {
    let tokens = corpus::tokens(streams, &judge.profile().vocabulary);
    let heard: Vec<Heard> = pieces
        .chunks(AT_A_TIME)
        .flat_map(|pieces| hear(judge, streams, pieces, &tokens, threads))
        .collect();

    let mut names = HashSet::new();
    for piece in pieces {
        names.extend(&streams.get(piece.stream).symbols[piece.range.clone()]);
    }
    names.remove(&Streams::GAP);
    let known = |symbol: &&u32| tokens[**symbol as usize] != Vocabulary::UNKNOWN;
    let mut all = Acquaintance {
        streams: pieces.len() as u64,
        names: names.len() as u64,
        known_names: names.iter().filter(known).count() as u64,
        ..Acquaintance::default()
    };
    let mut surprise = 0.0;
    for heard in &heard {
        all.calls += heard.calls;
        all.known_calls += heard.calls - heard.unknown_calls;
        all.judged += heard.judged;
        all.anomalous += heard.anomalous;
        surprise += heard.surprise;
    }
    all.mean_surprise = surprise / all.calls as f64;
    (all.calls > 0).then_some(all)
}

/// All of these streams.
pub fn whole(streams: &Streams) -> Vec<Piece> {
    let of = |(stream, content): (usize, &crate::Stream)| Piece {
        stream,
        range: 0..content.symbols.len(),
    };
    streams.iter().enumerate().map(of).collect()
}

/// What came of one piece.
struct Heard {
    calls: u64,
    unknown_calls: u64,
    surprise: f64,
    judged: u64,
    anomalous: u64,
}

/// Pieces that are followed at a time, so that memory for their states is bounded.
const AT_A_TIME: usize = 4_096;

fn hear(
    judge: &Judge<'_>,
    streams: &Streams,
    pieces: &[Piece],
    tokens: &[Token],
    threads: usize,
) -> Vec<Heard> {
    let mut states = Vec::with_capacity(pieces.len());
    let mut heard: Vec<Vec<Token>> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let stream = streams.get(piece.stream);
        let symbols = stream.symbols[..piece.range.end].iter();
        states.push(judge.begin(stream.start));
        heard.push(symbols.map(|&symbol| tokens[symbol as usize]).collect());
    }
    let parts = |of: fn(&Piece, &[Token]) -> std::ops::Range<usize>| {
        let ranges = pieces.iter().zip(&heard);
        ranges.map(move |(piece, tokens)| &tokens[of(piece, tokens)])
    };
    let before = parts(|piece, _| 0..piece.range.start);
    judge.hear(
        &mut states.iter_mut().zip(before).collect::<Vec<_>>(),
        threads,
    );
    let judged = parts(|piece, tokens| piece.range.start..tokens.len());
    let mut runs: Vec<_> = states.iter_mut().zip(judged).collect();
    let surprises = judge.follow(&mut runs, threads);
    let runs = runs.into_iter().zip(surprises);
    runs.map(|((state, tokens), surprises)| {
        let calls = tokens.iter().zip(surprises);
        let calls = calls.filter(|&(&token, _)| token != Vocabulary::GAP);
        came_of(
            judge,
            state,
            calls.map(|(_, surprise)| f64::from(surprise)).sum(),
        )
    })
    .collect()
}

fn came_of(judge: &Judge<'_>, state: &StreamState, surprise: f64) -> Heard {
    let score = judge.score(state);
    let (judged, anomalous) = match (judge.profile().unit(), score.blocks) {
        (Unit::Block(_), Some(blocks)) => (blocks.scored, blocks.anomalous),
        _ => (
            u64::from(score.verdict != Verdict::Withheld),
            u64::from(score.verdict == Verdict::Anomalous),
        ),
    };
    Heard {
        calls: score.calls,
        unknown_calls: score.unknown_calls,
        surprise,
        judged,
        anomalous,
    }
}
