//! `idiolect explain`.

use std::collections::HashMap;
use std::io::Write as _;

use anyhow::{Result, bail};
use idiolect_detect::profile::Profile;
use idiolect_detect::{Explainer, Explanation, Judge, Measure, Track, Verdict};
use idiolect_trace::read::escape;
use serde::Serialize;

use crate::args::Explain;
use crate::chart;
use crate::exit;
use crate::input::{self, Begun, Handler, Input};
use crate::output::{finish, out};
use crate::ui;

pub(crate) fn run(args: &Explain) -> Result<u8> {
    let profile = Profile::load(&args.profile)?;
    let judge = Judge::new(&profile, args.judging.signal, args.judging.false_alarm_rate)?
        .with_every_signal();
    let mut explaining = Explaining::new(
        &judge,
        usize::from(args.streams_shown),
        usize::from(args.calls),
    );
    let read = input::read(
        Input::Paths(&args.paths),
        &args.reading,
        input::parts_to_judge(&args.reading),
        &mut explaining,
    )?;
    if explaining.streams == 0 {
        bail!("there is no stream to explain in what was read");
    }
    input::check_calls(&profile, &read, explaining.calls, explaining.unknown_calls)?;
    let found = explaining.anomalous > 0;
    let mut out = out();
    if args.json {
        for explained in &explaining.worst {
            serde_json::to_writer(&mut out, explained)?;
            out.write_all(b"\n")?;
        }
    } else {
        out.write_all(explaining.as_text(&judge).as_bytes())?;
    }
    finish(out)?;
    Ok(if found && args.judging.fail_on_anomaly {
        exit::ANOMALY
    } else {
        exit::OK
    })
}

/// A stream and what there is to say of it.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    pub(crate) stream: String,
    start: idiolect_trace::StartKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) program: Option<String>,
    /// The program is none that was executed in training.
    pub(crate) new_program: bool,
    #[serde(flatten)]
    pub(crate) explanation: Explanation,
}

/// Explains streams as they go by, and keeps the most anomalous ones.
pub(crate) struct Explaining<'a> {
    explainer: Explainer<'a, 'a>,
    show: usize,
    open: HashMap<u64, (Explained0, Track)>,
    pub(crate) worst: Vec<Explained>,
    pub(crate) streams: u64,
    pub(crate) anomalous: u64,
    calls: u64,
    unknown_calls: u64,
}

/// What is known of a stream when it begins.
struct Explained0 {
    stream: String,
    start: idiolect_trace::StartKind,
    program: Option<String>,
    new_program: bool,
}

impl<'a> Explaining<'a> {
    pub(crate) fn new(judge: &'a Judge<'a>, show: usize, calls: usize) -> Self {
        Explaining {
            explainer: Explainer::new(judge, calls),
            show,
            open: HashMap::new(),
            worst: Vec::new(),
            streams: 0,
            anomalous: 0,
            calls: 0,
            unknown_calls: 0,
        }
    }

    /// The streams that are shown, the most anomalous first, as text.
    pub(crate) fn as_text(&self, judge: &Judge<'_>) -> String {
        let mut text = String::new();
        for explained in &self.worst {
            text += &one_as_text(explained, judge);
            text.push('\n');
        }
        let left = self.streams - self.worst.len() as u64;
        if left > 0 {
            text += &format!(
                "{} of {} anomalous; {} not shown (--streams-shown)\n",
                ui::count(self.anomalous),
                ui::plural(self.streams, "stream"),
                ui::count(left)
            );
        }
        text
    }
}

impl Handler for Explaining<'_> {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        let explained = Explained0 {
            stream: begun.name(),
            start: begun.start,
            program: begun.executable.map(str::to_owned),
            new_program: input::is_new_program(self.explainer.judge().profile(), begun),
        };
        let track = self.explainer.begin(begun.start);
        self.open.insert(key, (explained, track));
        Ok(())
    }

    fn call(&mut self, key: u64, name: &str, time_ns: Option<u64>) -> Result<()> {
        if let Some((_, track)) = self.open.get_mut(&key) {
            self.explainer.call(track, name, time_ns);
        }
        Ok(())
    }

    fn gap(&mut self, key: u64) -> Result<()> {
        if let Some((_, track)) = self.open.get_mut(&key) {
            self.explainer.gap(track);
        }
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        let Some((begun, track)) = self.open.remove(&key) else {
            return Ok(());
        };
        let explanation = self.explainer.explain(&track);
        self.streams += 1;
        self.calls += explanation.score.calls;
        self.unknown_calls += explanation.score.unknown_calls;
        let anomalous = explanation.score.verdict == Verdict::Anomalous || begun.new_program;
        self.anomalous += u64::from(anomalous);
        let badness = badness(begun.new_program, &explanation);
        let place = self
            .worst
            .partition_point(|kept| self::badness(kept.new_program, &kept.explanation) >= badness);
        if place < self.show {
            self.worst.insert(
                place,
                Explained {
                    stream: begun.stream,
                    start: begun.start,
                    program: begun.program,
                    new_program: begun.new_program,
                    explanation,
                },
            );
            self.worst.truncate(self.show);
        }
        Ok(())
    }
}

/// Anomalous streams first, those of new programs before others, then by how far each is above its own
/// threshold.
fn badness(new_program: bool, explanation: &Explanation) -> (bool, bool, f32) {
    let score = &explanation.score;
    let above = score
        .score
        .map_or(f32::NEG_INFINITY, |s| s - score.threshold);
    (new_program || above > 0.0, new_program, above)
}

fn one_as_text(explained: &Explained, judge: &Judge<'_>) -> String {
    let explanation = &explained.explanation;
    let measure = judge.measure();
    let score = &explanation.score;
    let verdict = match score.verdict {
        Verdict::Normal => console::style("normal").bold(),
        Verdict::Anomalous => console::style("ANOMALOUS").red().bold(),
        Verdict::Withheld => console::style("withheld").yellow(),
    };
    let mut text = format!(
        "{}",
        console::style(escape(explained.stream.as_bytes())).bold()
    );
    if let Some(program) = &explained.program {
        text += &format!("  {}", escape(program.as_bytes()));
    }
    if explained.new_program {
        let new = console::style("NEW PROGRAM").red().bold();
        text += &format!("  {new}: training never executed it");
    }
    let number = score
        .score
        .map_or("-".to_owned(), |score| format!("{score:.2}"));
    text += &format!(
        "\n  {verdict}: {} {number} against a threshold of {:.2} ({})",
        judge.signal().as_str(),
        score.threshold,
        judge.unit(),
    );
    if let Some(p) = score.p_value {
        text += &format!("; {} of normal streams score as high", ui::percent(p));
    }
    if let Some(signals) = score.signals {
        text += &format!(
            "\n  {}: mean {:.2}, worst window {:.2} {}, cumulative {:.1} {}; {} never seen in training",
            ui::plural(score.calls, "call"),
            signals.mean,
            signals.window,
            measure.unit_of_mean(),
            signals.cusum,
            measure.unit(),
            ui::count(score.unknown_calls),
        );
    }
    if score.gaps > 0 {
        text += &format!("; calls are missing in {}", ui::plural(score.gaps, "place"));
    }
    text.push('\n');
    text += &parts_as_text(explanation);

    if explanation.curve.len() > 1 {
        text += &format!(
            "\n  {} along the stream, in {} (largest of {})\n",
            measure.name(),
            measure.unit(),
            ui::plural(explanation.calls_per_stretch, "call")
        );
        text += &chart::draw(&explanation.curve, ui::width().min(100), 5);
    }
    text.push('\n');
    for surprising in &explanation.surprising {
        let call = escape(surprising.call.as_bytes());
        text += &format!("  call {:>6}", ui::count(surprising.position));
        if let Some(ns) = surprising.time_ns {
            text += &format!("  {}", ui::time(ns));
        }
        let what = match surprising.probability {
            _ if surprising.unknown => "never seen in training ".to_owned(),
            Some(probability) => format!("{} ", ui::percent(probability)),
            None => String::new(),
        };
        let said = match measure {
            Measure::UnseenWindows => "the calls up to here: never seen in this order".to_owned(),
            Measure::RareWindows => {
                "the calls up to here: rare or never seen in this order".to_owned()
            }
            Measure::UnseenPairs => format!(
                "{} of its pairs with the calls before never seen",
                ui::percent(f64::from(surprising.surprise))
            ),
            Measure::Distance => {
                format!(
                    "the calls up to here: {:.2} from what is usual",
                    surprising.surprise
                )
            }
            Measure::Surprise | Measure::Rarity => {
                format!("{:.1} {}", surprising.surprise, measure.unit())
            }
        };
        text += &format!("  {}  {what}({said})\n", console::style(call).bold());
        let before: Vec<String> = surprising
            .before
            .iter()
            .map(|call| escape(call.as_bytes()))
            .collect();
        let before = if before.is_empty() {
            "(the first call)".to_owned()
        } else {
            before.join(" ")
        };
        text += &format!("       after     {before}\n");
        let expected: Vec<String> = surprising
            .expected
            .iter()
            .map(|(call, probability)| {
                format!("{} {}", escape(call.as_bytes()), ui::percent(*probability))
            })
            .collect();
        let expected = if expected.is_empty() {
            "(no call: what came before was never seen in this order)".to_owned()
        } else {
            expected.join(", ")
        };
        // Some say what would fit, not how likely it is.
        let label = match measure {
            Measure::UnseenPairs | Measure::Distance => "would fit",
            _ => "expected ",
        };
        text += &format!("       {label} {expected}\n");
    }
    text
}

/// Which of order and mix is odd, and how the mix differs from the nearest one of training.
fn parts_as_text(explanation: &Explanation) -> String {
    /// Names shown of each list.
    const MOST: usize = 8;
    let mut text = String::new();
    let said = |odd: Option<bool>, yes: &str, no: &str| match odd {
        Some(true) => console::style(yes.to_owned()).red().to_string(),
        Some(false) => no.to_owned(),
        None => "too few normal streams to say".to_owned(),
    };
    let list = |names: &[String]| {
        let mut shown: Vec<String> = names
            .iter()
            .take(MOST)
            .map(|name| escape(name.as_bytes()))
            .collect();
        if names.len() > MOST {
            shown.push(format!("{} more", names.len() - MOST));
        }
        shown.join(", ")
    };
    if let Some(mix) = &explanation.mix {
        text += &format!(
            "  order of calls: {}\n  mix of calls:   {}, {:.2} from the nearest in training ({} of {})",
            said(explanation.odd_order, "unusual", "as usual"),
            said(explanation.odd_mix, "new", "as usual"),
            mix.distance,
            ui::count(mix.nearest_streams),
            ui::plural(mix.of_streams, "stream"),
        );
        if !mix.new.is_empty() {
            text += &format!("; new: {}", list(&mix.new));
        }
        if !mix.missing.is_empty() {
            text += &format!("; missing: {}", list(&mix.missing));
        }
        text.push('\n');
    }
    text
}

/// Explains the streams of an input by a profile's own judgement.
pub(crate) fn explain<'a>(
    judge: &'a Judge<'a>,
    input: Input<'_>,
    reading: &crate::args::Reading,
    show: usize,
    calls: usize,
) -> Result<Explaining<'a>> {
    let mut explaining = Explaining::new(judge, show, calls);
    input::read(
        input,
        reading,
        input::parts_to_judge(reading),
        &mut explaining,
    )?;
    Ok(explaining)
}

/// The profile's judge at its own rate, which a profile that was just fitted supports.
pub(crate) fn own_judge(profile: &Profile) -> Result<Judge<'_>> {
    Ok(Judge::new(profile, None, None)?.with_every_signal())
}
