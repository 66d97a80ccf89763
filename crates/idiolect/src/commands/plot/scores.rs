//! `idiolect plot scores`.

use std::slice;

use anyhow::Result;
use idiolect_detect::profile::Profile;
use idiolect_detect::{Judge, Unit};
use idiolect_report::{self as report, ScoreKind};
use idiolect_trace::StartKind;

use super::{Scores, output};
use crate::commands::scored::{self, Scored};
use crate::ui;

pub(super) fn run(args: &Scores) -> Result<u8> {
    let profile = Profile::load(&args.profile)?;
    let judge = args.judging.judge(&profile)?;
    let streams = scored::score(slice::from_ref(&judge), &args.paths, &args.reading)?;
    let mut groups = vec![calibration(&judge)];
    groups.extend([
        group(&streams, Some(false), ScoreKind::Normal, "Normal streams"),
        group(&streams, Some(true), ScoreKind::Attack, "Attacks"),
        group(&streams, None, ScoreKind::Unlabelled, "Streams scored"),
    ]);
    groups.retain(|group| !group.values.is_empty());
    let rate = args.judging.rate(&profile);
    let thresholds = thresholds(&judge, &streams, rate);
    let subtitle = format!(
        "{}: {} of {}",
        super::name(&args.profile),
        judge.signal().as_str(),
        ui::plural(streams.len(), "stream"),
    );
    let height = 130 + 150 * groups.len() as u32;
    let sheet = args
        .look
        .sheet("How scores are distributed", subtitle, height);
    let picture = report::score_distributions(
        &sheet,
        judge.signal().as_str(),
        judge.unit(),
        &groups,
        &thresholds,
    );
    let chosen = [
        ("picture", "scores".to_owned()),
        ("signal", judge.signal().as_str().to_owned()),
        ("streams", streams.len().to_string()),
    ];
    output::write(&picture, &args.look, &chosen)
}

/// The scores that the profile's thresholds come from.
fn calibration(judge: &Judge<'_>) -> report::Scores {
    let profile = judge.profile();
    let pooled = profile
        .calibrations
        .iter()
        .find(|c| c.model == 0 && c.signal == judge.signal() && c.start.is_none());
    let name = match profile.unit() {
        Unit::Stream => "Calibration: normal streams that set the threshold".to_owned(),
        Unit::Block(len) => {
            format!(
                "Calibration: normal blocks of {} that set the threshold",
                ui::plural(len, "call")
            )
        }
    };
    report::Scores {
        name,
        kind: ScoreKind::Calibration,
        values: pooled.map_or_else(Vec::new, |pooled| pooled.scores().to_vec()),
        above: None,
    }
}

fn group(streams: &[Scored], attack: Option<bool>, kind: ScoreKind, name: &str) -> report::Scores {
    let scores = streams
        .iter()
        .filter(|stream| stream.attack == attack)
        .flat_map(|stream| &stream.scores);
    let judged: Vec<_> = scores.filter(|score| score.value.is_some()).collect();
    report::Scores {
        name: name.to_owned(),
        kind,
        values: judged.iter().filter_map(|score| score.value).collect(),
        above: Some(judged.iter().filter(|score| score.anomalous).count()),
    }
}

/// The thresholds that held for these streams: one, or one for each way to start.
fn thresholds(judge: &Judge<'_>, streams: &[Scored], rate: f64) -> Vec<report::Threshold> {
    let starts = StartKind::ALL.into_iter();
    let there = starts.filter(|&start| streams.iter().any(|stream| stream.start == start));
    let of_start: Vec<(StartKind, f32)> =
        there.map(|start| (start, judge.threshold(start))).collect();
    let same = of_start
        .iter()
        .all(|(_, value)| Some(*value) == of_start.first().map(|f| f.1));
    let shown = if same { 1 } else { of_start.len() };
    let named = of_start.iter().take(shown).map(|&(start, value)| {
        let of = if same {
            String::new()
        } else {
            format!("{} ", start.token())
        };
        report::Threshold {
            name: format!(
                "{of}threshold {value:.2}, for {} false alarms",
                ui::percent(rate)
            ),
            value,
        }
    });
    named.collect()
}
