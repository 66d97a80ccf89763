//! Finding the stream to draw, and keeping its calls.

use std::collections::HashMap;

use anyhow::{Result, bail};
use idiolect_detect::{Judge, StreamScore, StreamState, Verdict};
use idiolect_trace::StartKind;
use idiolect_trace::read::escape;

use super::Which;
use crate::input::{self, Begun, Handler, Input, Read};
use crate::ui;

/// A stream with its calls.
#[derive(Debug)]
pub(super) struct Recording {
    /// Its place from 1 among the streams that ended.
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) start: StartKind,
    pub(super) program: Option<String>,
    new_program: bool,
    /// Its calls by their names' places; [`GAP`] where calls are missing.
    pub(super) symbols: Vec<u32>,
    pub(super) score: StreamScore,
}

/// Stands for a place where calls are missing.
pub(super) const GAP: u32 = u32::MAX;
/// Calls that are kept of a stream; what comes later is scored, but not drawn.
const MAX_KEPT: usize = 1 << 22;

/// Names, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    places: HashMap<String, u32>,
}

impl Names {
    /// The place of a name, which is added if it is new.
    pub(super) fn place(&mut self, name: &str) -> u32 {
        if let Some(&place) = self.places.get(name) {
            return place;
        }
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }

    pub(super) fn get(&self, place: u32) -> &str {
        &self.names[place as usize]
    }

    pub(super) fn into_vec(self) -> Vec<String> {
        self.names
    }
}

impl Recording {
    /// What it is called under a picture's title.
    pub(super) fn heading(&self, profile: &str, judge: &Judge<'_>) -> String {
        let mut heading = format!("{profile} on {}", self.name);
        if let Some(program) = &self.program {
            heading += &format!(" ({program})");
        }
        let verdict = match self.score.verdict {
            Verdict::Normal => "normal",
            Verdict::Anomalous => "anomalous",
            Verdict::Withheld => "withheld",
        };
        if let Some(score) = self.score.score {
            heading += &format!(
                ": {} {score:.2} {} against a threshold of {:.2}, {verdict}",
                judge.signal().as_str(),
                judge.unit(),
                self.score.threshold,
            );
        }
        heading
    }

    /// It in the line that is printed.
    pub(super) fn chosen(&self) -> Vec<(&'static str, String)> {
        vec![
            ("stream", self.name.clone()),
            ("number", self.number.to_string()),
        ]
    }
}

/// Reads the traces and keeps the stream that is wanted, or the most anomalous one.
pub(super) fn record(which: &Which, judge: &Judge<'_>) -> Result<(Recording, Names)> {
    let wanted = which.stream.as_deref();
    let mut recorder = Recorder {
        judge,
        wanted,
        number: wanted.and_then(|wanted| wanted.parse().ok()),
        open: HashMap::new(),
        names: Names::default(),
        best: None,
        as_good: Vec::new(),
        streams: 0,
        calls: 0,
        unknown_calls: 0,
    };
    let read = input::read(
        Input::Paths(&which.paths),
        &which.reading,
        input::parts_to_judge(&which.reading),
        &mut recorder,
    )?;
    recorder.finish(&read)
}

struct Recorder<'a> {
    judge: &'a Judge<'a>,
    wanted: Option<&'a str>,
    /// What is wanted, where it is a number.
    number: Option<u64>,
    open: HashMap<u64, Open>,
    names: Names,
    best: Option<(Fit, Recording)>,
    /// Names of other streams that fit the wanted name as well: the first few.
    as_good: Vec<String>,
    streams: u64,
    calls: u64,
    unknown_calls: u64,
}

struct Open {
    name: String,
    start: StartKind,
    program: Option<String>,
    new_program: bool,
    symbols: Vec<u32>,
    dropped: u64,
    state: StreamState,
}

/// How well a stream is what is wanted; the greatest is taken, the first of equals.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Fit {
    /// By the name: contained, at its end, the whole.
    Name(u8),
    /// It is the number.
    Number,
    /// Anomalous, of a new program, and how far above its threshold.
    Anomaly(bool, bool, f32),
}

impl Handler for Recorder<'_> {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        let open = Open {
            name: begun.name(),
            start: begun.start,
            program: begun.executable.map(str::to_owned),
            new_program: input::is_new_program(self.judge.profile(), begun),
            symbols: Vec::new(),
            dropped: 0,
            state: self.judge.begin(begun.start),
        };
        self.open.insert(key, open);
        Ok(())
    }

    fn call(&mut self, key: u64, name: &str, _time_ns: Option<u64>) -> Result<()> {
        if let Some(open) = self.open.get_mut(&key) {
            let token = self.judge.profile().vocabulary.token(name);
            self.judge.call(&mut open.state, token);
            if open.symbols.len() < MAX_KEPT {
                open.symbols.push(self.names.place(name));
            } else {
                open.dropped += 1;
            }
        }
        Ok(())
    }

    fn gap(&mut self, key: u64) -> Result<()> {
        if let Some(open) = self.open.get_mut(&key) {
            self.judge.gap(&mut open.state);
            if open.symbols.len() < MAX_KEPT {
                open.symbols.push(GAP);
            }
        }
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        let Some(open) = self.open.remove(&key) else {
            return Ok(());
        };
        let score = self.judge.score(&open.state);
        self.streams += 1;
        self.calls += score.calls;
        self.unknown_calls += score.unknown_calls;
        let recording = Recording {
            number: self.streams,
            name: open.name,
            start: open.start,
            program: open.program,
            new_program: open.new_program,
            symbols: open.symbols,
            score,
        };
        let Some(fit) = self.fit(&recording) else {
            return Ok(());
        };
        match &self.best {
            Some((best, _)) if fit == *best && matches!(fit, Fit::Name(_)) => {
                if self.as_good.len() < 3 {
                    self.as_good.push(recording.name);
                }
            }
            Some((best, _)) if fit <= *best => {}
            _ => {
                self.best = Some((fit, recording));
                self.as_good.clear();
                if open.dropped > 0 {
                    ui::say(&format!(
                        "only the first {} of the stream are drawn",
                        ui::plural(MAX_KEPT, "call")
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Recorder<'_> {
    /// How well a stream fits; none where it does not.
    fn fit(&self, stream: &Recording) -> Option<Fit> {
        if let Some(number) = self.number {
            return (stream.number == number).then_some(Fit::Number);
        }
        if let Some(wanted) = self.wanted {
            let escaped = escape(stream.name.as_bytes());
            let named = |name: &str| match name {
                name if name == wanted => 3,
                name if name.ends_with(wanted) => 2,
                name if name.contains(wanted) => 1,
                _ => 0,
            };
            let level = named(&stream.name).max(named(&escaped));
            return (level > 0).then_some(Fit::Name(level));
        }
        let score = &stream.score;
        let above = score.score.map_or(f32::MIN, |s| s - score.threshold);
        let anomalous = stream.new_program || above > 0.0;
        Some(Fit::Anomaly(anomalous, stream.new_program, above))
    }

    fn finish(self, read: &Read) -> Result<(Recording, Names)> {
        if self.streams == 0 {
            bail!("there is no stream to draw in what was read");
        }
        let Some((_, recording)) = self.best else {
            bail!(
                "there is no stream {} among the {} that were read: idiolect score prints their names, in \
                 the order of their numbers",
                escape(self.wanted.unwrap_or_default().as_bytes()),
                ui::plural(self.streams, "stream"),
            );
        };
        if let Some(other) = self.as_good.first() {
            bail!(
                "more than one stream is called {}, such as {} and {}: give more of the name, or the \
                 number of the line that idiolect score prints of it",
                escape(self.wanted.unwrap_or_default().as_bytes()),
                escape(recording.name.as_bytes()),
                escape(other.as_bytes()),
            );
        }
        if recording.symbols.iter().all(|&symbol| symbol == GAP) {
            bail!(
                "stream {} has no calls to draw",
                escape(recording.name.as_bytes())
            );
        }
        input::check_calls(self.judge.profile(), read, self.calls, self.unknown_calls)?;
        Ok((recording, self.names))
    }
}
