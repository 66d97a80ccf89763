//! `idiolect score`.

use std::collections::HashSet;
use std::io::{BufWriter, StdoutLock, Write};

use anyhow::{Result, bail};
use idiolect_detect::profile::Profile;
use idiolect_detect::{Judge, Next, Pool, StreamScore, Verdict};
use idiolect_eval::metrics::{Detection, detection};
use idiolect_trace::read::{Label, Part, escape};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::args::Score;
use crate::exit;
use crate::input::{self, Begun, Handler, Input, Read};
use crate::output::{finish, out};
use crate::ui;

pub(crate) fn run(args: &Score) -> Result<u8> {
    let profile = Profile::load(&args.profile)?;
    let judge = Judge::new(&profile, args.judging.signal, args.judging.false_alarm_rate)?
        .with_every_signal();
    let judge = [judge];
    let mut scoring = Scoring {
        judge: &judge[0],
        pool: Pool::new(&judge),
        json: args.json,
        anomalous_only: args.anomalous,
        headed: false,
        out: out(),
        tally: Tally::default(),
        labelled: Vec::new(),
    };
    let read = input::read(
        Input::Paths(&args.paths),
        &args.reading,
        input::parts_to_judge(&args.reading),
        &mut scoring,
    );
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            // What was whole before the fault has its line all the same.
            scoring.all()?;
            finish(scoring.out)?;
            return Err(error);
        }
    };
    scoring.finish(&profile, &read, args.judging.fail_on_anomaly)
}

/// Scores streams as they go by: what is kept is one state a stream that is open, and some of its calls.
struct Scoring<'a> {
    judge: &'a Judge<'a>,
    json: bool,
    anomalous_only: bool,
    /// Whether the header of the table has been written.
    headed: bool,
    out: BufWriter<StdoutLock<'static>>,
    pool: Pool<'a, 'a, About>,
    tally: Tally,
    labelled: Vec<Labelled>,
}

struct About {
    shown: Shown,
    label: Option<Label>,
    content: Sha256,
}

/// A stream's own part of its line.
#[derive(Serialize)]
struct Shown {
    stream: String,
    start: idiolect_trace::StartKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    /// The program is none that was executed in training.
    new_program: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<String>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    #[serde(flatten)]
    shown: &'a Shown,
    signal: &'static str,
    #[serde(flatten)]
    score: &'a StreamScore,
}

#[derive(Default)]
struct Tally {
    streams: u64,
    anomalous: u64,
    withheld: u64,
    new_programs: u64,
    calls: u64,
    unknown_calls: u64,
}

struct Labelled {
    attack: bool,
    score: f32,
    mean: f32,
    anomalous: bool,
    content: [u8; 32],
}

impl Handler for Scoring<'_> {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        let profile = self.judge.profile();
        let program = begun.executable.map(str::to_owned);
        let new_program = input::is_new_program(profile, begun);
        let label = begun.label.cloned();
        let mut content = Sha256::new();
        content.update(begun.start.token());
        let about = About {
            shown: Shown {
                stream: begun.name(),
                start: begun.start,
                program,
                new_program,
                part: label.as_ref().map(|label| input::part_name(label.part)),
                family: label.as_ref().and_then(|label| label.family.clone()),
            },
            label,
            content,
        };
        self.pool.begin(key, begun.start, about);
        self.some()
    }

    fn call(&mut self, key: u64, name: &str, _time_ns: Option<u64>) -> Result<()> {
        if let Some(about) = self.pool.next(key, Next::Call(name))
            && about.label.is_some()
        {
            about.content.update(name);
            about.content.update(b"\n");
        }
        self.some()
    }

    fn gap(&mut self, key: u64) -> Result<()> {
        self.pool.next(key, Next::Gap);
        self.some()
    }

    fn end(&mut self, key: u64) -> Result<()> {
        self.pool.end(key);
        Ok(())
    }
}

impl Scoring<'_> {
    /// Scores what has been read if that is enough to be worth it.
    fn some(&mut self) -> Result<()> {
        if self.pool.is_full() {
            self.all()?;
        }
        Ok(())
    }

    /// Scores what has been read.
    fn all(&mut self) -> Result<()> {
        for (about, scores) in self.pool.score() {
            for score in scores {
                self.ended(&about, &score)?;
            }
        }
        Ok(())
    }

    fn ended(&mut self, about: &About, score: &StreamScore) -> Result<()> {
        let anomalous = score.verdict == Verdict::Anomalous;
        self.tally.streams += 1;
        self.tally.anomalous += u64::from(anomalous);
        self.tally.withheld += u64::from(score.verdict == Verdict::Withheld);
        self.tally.new_programs += u64::from(about.shown.new_program);
        self.tally.calls += score.calls;
        self.tally.unknown_calls += score.unknown_calls;
        if let (Some(label), Some(signals), Some(value)) =
            (&about.label, score.signals, score.score)
        {
            self.labelled.push(Labelled {
                attack: label.part == Part::Attack,
                score: value,
                mean: signals.mean,
                anomalous,
                content: about.content.clone().finalize().into(),
            });
        }
        if self.anomalous_only && !anomalous && !about.shown.new_program {
            return Ok(());
        }
        self.line(&about.shown, score)
    }

    fn header(&mut self) -> Result<()> {
        writeln!(
            self.out,
            "{:>9} {:>9}  {:<9} {:>8}  stream",
            self.judge.signal().as_str(),
            "threshold",
            "verdict",
            "calls"
        )?;
        Ok(())
    }

    fn line(&mut self, shown: &Shown, score: &StreamScore) -> Result<()> {
        if self.json {
            let line = JsonLine {
                shown,
                signal: self.judge.signal().as_str(),
                score,
            };
            serde_json::to_writer(&mut self.out, &line)?;
            self.out.write_all(b"\n")?;
            return Ok(());
        }
        if !self.headed {
            self.headed = true;
            self.header()?;
        }
        let number = match score.score {
            Some(score) => format!("{score:.3}"),
            None => "-".to_owned(),
        };
        let verdict = match score.verdict {
            Verdict::Normal => console::style("normal   "),
            Verdict::Anomalous => console::style("ANOMALOUS").red().bold(),
            Verdict::Withheld => console::style("withheld ").yellow(),
        };
        write!(
            self.out,
            "{number:>9} {:>9.3}  {verdict} {:>8}  {}",
            score.threshold,
            ui::count(score.calls),
            escape(shown.stream.as_bytes()),
        )?;
        if let Some(program) = &shown.program {
            write!(self.out, "  {}", escape(program.as_bytes()))?;
        }
        if shown.new_program {
            write!(self.out, "  {}", console::style("NEW PROGRAM").red().bold())?;
        }
        if let Some(family) = &shown.family {
            write!(self.out, "  ({})", escape(family.as_bytes()))?;
        }
        if let Some(blocks) = score.blocks {
            write!(
                self.out,
                "  {} of {} blocks",
                blocks.anomalous, blocks.scored
            )?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn finish(mut self, profile: &Profile, read: &Read, fail_on_anomaly: bool) -> Result<u8> {
        self.all()?;
        finish(self.out)?;
        let tally = &self.tally;
        if tally.streams == 0 {
            bail!("there is no stream to score in what was read");
        }
        input::check_calls(profile, read, tally.calls, tally.unknown_calls)?;
        let mut summary = format!(
            "{} of {} anomalous",
            ui::count(tally.anomalous),
            ui::plural(tally.streams, "stream")
        );
        if tally.withheld > 0 {
            summary += &format!(", {} withheld", ui::count(tally.withheld));
        }
        if tally.new_programs > 0 {
            summary += &format!(
                ", {} by a program that training never executed",
                ui::count(tally.new_programs)
            );
        }
        if tally.unknown_calls > 0 {
            summary += &format!(
                "; {} of {} never seen in training",
                ui::count(tally.unknown_calls),
                ui::plural(tally.calls, "call")
            );
        }
        ui::say(&summary);
        say_detection(&self.labelled, self.judge.signal().as_str());
        let found = tally.anomalous > 0 || tally.new_programs > 0;
        Ok(if found && fail_on_anomaly {
            exit::ANOMALY
        } else {
            exit::OK
        })
    }
}

/// What labels allow to be said, with copies and without.
fn say_detection(labelled: &[Labelled], signal: &str) {
    let mut seen = HashSet::new();
    let unique: Vec<&Labelled> = labelled
        .iter()
        .filter(|stream| seen.insert((stream.attack, stream.content)))
        .collect();
    let all: Vec<&Labelled> = labelled.iter().collect();
    for (what, streams) in [("all", &all), ("without copies", &unique)] {
        let of = |attack: bool, value: fn(&Labelled) -> f32| -> Vec<f32> {
            let chosen = streams.iter().filter(|stream| stream.attack == attack);
            chosen.map(|stream| value(stream)).collect()
        };
        let rate = |attack: bool| {
            let chosen: Vec<_> = streams.iter().filter(|s| s.attack == attack).collect();
            let anomalous = chosen.iter().filter(|s| s.anomalous).count();
            anomalous as f64 / chosen.len().max(1) as f64
        };
        let by_mean = detection(&of(false, |s| s.mean), &of(true, |s| s.mean));
        let by_score = detection(&of(false, |s| s.score), &of(true, |s| s.score));
        let (Some(by_mean), Some(by_score)) = (by_mean, by_score) else {
            return;
        };
        ui::say(&format!(
            "{what}: {} normal, {} attacks; at the threshold {} false alarms, {} detected",
            ui::count(by_mean.normal),
            ui::count(by_mean.attack),
            ui::percent(rate(false)),
            ui::percent(rate(true)),
        ));
        say_curve("mean", &by_mean);
        if signal != "mean" {
            say_curve(signal, &by_score);
        }
    }
}

fn say_curve(signal: &str, detection: &Detection) {
    ui::say(&format!(
        "  {signal:<9} AUC {:.4}; detected at 1 % / 5 % false alarms {:.3} / {:.3}; false alarms at 90 % detected {:.3}",
        detection.auc,
        detection.detected_at_1_percent,
        detection.detected_at_5_percent,
        detection.false_alarms_at_90_percent,
    ));
}
