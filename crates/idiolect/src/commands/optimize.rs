//! `idiolect optimize`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use idiolect_detect::profile::{Model, Profile};
use idiolect_detect::{Judge, SignalKind};
use idiolect_eval::metrics::{Detection, detection};
use idiolect_nn::Form;
use serde::Serialize;

use crate::args::Reading;
use crate::commands::scored::{self, Scored};
use crate::exit;
use crate::output::{finish, out};
use crate::ui;

/// Make a profile that scores faster, and measure what that changes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect optimize nginx.idio normal/ -o nginx-fast.idio
  idiolect optimize adfa.idio ADFA-LD.zip -o adfa-fast.idio

The weights are reduced to 16-bit integers when the new profile is loaded: half the memory, and up to
twice as fast. The traces, best normal ones that it was not trained on, are scored in both forms.
Thresholds are raised by the largest difference that a stream's score shows, so that none of these
streams becomes anomalous by rounding. What labels allow to be said of detection is said of both.")]
pub(crate) struct Optimize {
    /// The profile
    profile: PathBuf,

    /// Traces to measure the change on
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Where to save the new profile
    #[arg(short, long, value_name = "PROFILE")]
    output: PathBuf,

    /// Print the change as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: Reading,
}

/// What the other form changes.
#[derive(Debug, Serialize)]
struct Change {
    streams: usize,
    calls: u64,
    /// Mean surprise over all calls, before and after, in nats a call.
    mean_surprise: [f64; 2],
    /// The largest difference of a stream's mean surprise, in nats a call.
    largest_difference: f32,
    /// Streams whose verdict changes, after thresholds are raised.
    verdicts_changed: usize,
    /// Before and after, where labels allow to say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    detection: Option<[Detection; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection_without_copies: Option<[Detection; 2]>,
}

pub(crate) fn run(args: &Optimize) -> Result<u8> {
    let full = Profile::load(&args.profile)?;
    let mut reduced = Profile::load(&args.profile)?;
    if let Some(model) = full.models.iter().find(|model| model.network().is_none()) {
        bail!(
            "{}: its model ({}) is no network, and has no weights to reduce (train --model lstm makes one)",
            args.profile.display(),
            model.detector().kind()
        );
    }
    let mut networks = full.models.iter().filter_map(Model::network);
    if networks.any(|network| network.form() == Form::Reduced) {
        bail!("{}: it is reduced already", args.profile.display());
    }
    reduced.hold_in(Form::Reduced);
    let judges = [
        Judge::new(&full, None, None)?.with_every_signal(),
        Judge::new(&reduced, None, None)?.with_every_signal(),
    ];
    let streams = scored::score(&judges, &args.paths, &args.reading)?;
    let threshold_of = |start| judges[0].threshold(start);
    let (decides, raised) = (full.decision.signal, differences(&streams));
    let by = raised[SignalKind::ALL
        .iter()
        .position(|&kind| kind == decides)
        .unwrap_or(0)];
    let changed = streams.iter().filter(|stream| {
        let after = stream.scores[1].value;
        let anomalous = after.is_some_and(|score| score > threshold_of(stream.start) + by);
        anomalous != stream.scores[0].anomalous
    });
    let change = Change {
        streams: streams.len(),
        calls: streams.iter().map(|stream| stream.calls).sum(),
        mean_surprise: [0, 1].map(|form| mean_surprise(&streams, form)),
        largest_difference: raised[0],
        verdicts_changed: changed.count(),
        detection: in_both(&streams.iter().collect::<Vec<_>>()),
        detection_without_copies: in_both(&scored::without_copies(&streams)),
    };
    for (signal, by) in SignalKind::ALL.into_iter().zip(raised) {
        reduced.raise_thresholds(signal, by);
    }
    reduced.save(&args.output)?;

    let mut out = out();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &change)?;
        out.write_all(b"\n")?;
    } else {
        out.write_all(change.as_text().as_bytes())?;
    }
    finish(out)?;
    ui::say(&format!("saved to {}", args.output.display()));
    Ok(exit::OK)
}

/// For each signal the largest difference of a stream's.
fn differences(streams: &[Scored]) -> [f32; SignalKind::ALL.len()] {
    SignalKind::ALL.map(|kind| {
        let of = |stream: &Scored| {
            let both = stream.scores[0].signals.zip(stream.scores[1].signals);
            both.map_or(0.0, |(a, b)| (a.get(kind) - b.get(kind)).abs())
        };
        streams.iter().map(of).fold(0.0, f32::max)
    })
}

fn mean_surprise(streams: &[Scored], form: usize) -> f64 {
    let (mut sum, mut calls) = (0.0, 0);
    for stream in streams {
        if let Some(signals) = stream.scores[form].signals {
            sum += f64::from(signals.mean) * stream.calls as f64;
            calls += stream.calls;
        }
    }
    sum / calls.max(1) as f64
}

fn in_both(streams: &[&Scored]) -> Option<[Detection; 2]> {
    let of = |form: usize| {
        let scores = |attack: bool| -> Vec<f32> {
            let labelled = streams
                .iter()
                .filter(|stream| stream.attack == Some(attack));
            labelled
                .filter_map(|stream| stream.scores[form].value)
                .collect()
        };
        detection(&scores(false), &scores(true))
    };
    Some([of(0)?, of(1)?])
}

impl Change {
    fn as_text(&self) -> String {
        let [before, after] = self.mean_surprise;
        let mut text = format!(
            "{} of {}: mean surprise {before:.5} nats a call, reduced {after:.5}; a stream's differs by {:.5} at \
             most\nverdicts that differ, with thresholds raised by as much: {}\n",
            ui::plural(self.calls, "call"),
            ui::plural(self.streams, "stream"),
            self.largest_difference,
            ui::count(self.verdicts_changed),
        );
        let of_copies = [
            ("all", &self.detection),
            ("without copies", &self.detection_without_copies),
        ];
        for (what, both) in of_copies {
            if let Some([before, after]) = both {
                text += &format!(
                    "{what}: AUC {:.5}, reduced {:.5}; detected at 1 % false alarms {:.3}, reduced {:.3}\n",
                    before.auc,
                    after.auc,
                    before.detected_at_1_percent,
                    after.detected_at_1_percent
                );
            }
        }
        text
    }
}
