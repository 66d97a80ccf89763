//! Scoring all streams of traces by one or more profiles, in one reading.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use idiolect_detect::{Judge, Next, Pool, Signals, Verdict};
use idiolect_trace::StartKind;
use idiolect_trace::read::Part;
use sha2::{Digest, Sha256};

use crate::args::Reading;
use crate::input::{self, Begun, Handler, Input};

/// A stream with its score by each profile.
#[derive(Debug)]
pub(crate) struct Scored {
    /// Its calls.
    pub(crate) calls: u64,
    /// Whether it is an attack; none where nothing is said of it.
    pub(crate) attack: Option<bool>,
    pub(crate) start: StartKind,
    pub(crate) scores: Vec<Score>,
    /// Hash of its start and its calls.
    content: [u8; 32],
}

/// A score by one profile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    /// None where there was nothing to judge.
    pub(crate) value: Option<f32>,
    /// All of them.
    pub(crate) signals: Option<Signals>,
    pub(crate) anomalous: bool,
}

/// Scores every stream.
pub(crate) fn score<'a>(
    judges: &'a [Judge<'a>],
    paths: &[PathBuf],
    reading: &Reading,
) -> Result<Vec<Scored>> {
    let mut scoring = Scoring {
        pool: Pool::new(judges),
        scored: Vec::new(),
        calls: 0,
        unknown_calls: vec![0; judges.len()],
    };
    let parts = input::parts_to_judge(reading);
    let read = input::read(Input::Paths(paths), reading, parts, &mut scoring)?;
    scoring.all();
    if scoring.scored.is_empty() {
        bail!("there is no stream to score in what was read");
    }
    for (judge, &unknown) in judges.iter().zip(&scoring.unknown_calls) {
        input::check_calls(judge.profile(), &read, scoring.calls, unknown)?;
    }
    Ok(scoring.scored)
}

/// The streams without those whose label and content came before.
pub(crate) fn without_copies(streams: &[Scored]) -> Vec<&Scored> {
    let mut seen = HashSet::new();
    let unique = streams
        .iter()
        .filter(|stream| seen.insert((stream.attack, stream.content)));
    unique.collect()
}

struct Scoring<'a> {
    pool: Pool<'a, 'a, Open>,
    scored: Vec<Scored>,
    calls: u64,
    unknown_calls: Vec<u64>,
}

struct Open {
    attack: Option<bool>,
    start: StartKind,
    content: Sha256,
}

impl Handler for Scoring<'_> {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        let mut content = Sha256::new();
        content.update(begun.start.token());
        let open = Open {
            attack: begun.label.map(|label| label.part == Part::Attack),
            start: begun.start,
            content,
        };
        self.pool.begin(key, begun.start, open);
        self.some();
        Ok(())
    }

    fn call(&mut self, key: u64, name: &str, _time_ns: Option<u64>) -> Result<()> {
        if let Some(open) = self.pool.next(key, Next::Call(name)) {
            open.content.update(name);
            open.content.update(b"\n");
        }
        self.some();
        Ok(())
    }

    fn gap(&mut self, key: u64) -> Result<()> {
        self.pool.next(key, Next::Gap);
        self.some();
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        self.pool.end(key);
        Ok(())
    }
}

impl Scoring<'_> {
    /// Scores what has been read if that is enough to be worth it.
    fn some(&mut self) {
        if self.pool.is_full() {
            self.all();
        }
    }

    /// Scores what has been read.
    fn all(&mut self) {
        for (open, by_profile) in self.pool.score() {
            self.calls += by_profile.first().map_or(0, |score| score.calls);
            for (unknown, score) in self.unknown_calls.iter_mut().zip(&by_profile) {
                *unknown += score.unknown_calls;
            }
            let scores = by_profile.iter().map(|score| Score {
                value: score.score,
                signals: score.signals,
                anomalous: score.verdict == Verdict::Anomalous,
            });
            self.scored.push(Scored {
                calls: by_profile.first().map_or(0, |score| score.calls),
                attack: open.attack,
                start: open.start,
                scores: scores.collect(),
                content: open.content.finalize().into(),
            });
        }
    }
}
