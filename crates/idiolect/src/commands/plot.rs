//! `idiolect plot`: pictures of profiles and of what they say of traces.

mod cells;
mod curves;
pub(super) mod output;
mod recorder;
mod replay;
mod roc;
mod scores;
mod surprise;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use idiolect_detect::profile::Profile;
use idiolect_detect::{Judge, SignalKind};

use crate::args::{Reading, rate, signal};

/// Draw pictures, as SVG or PNG: training, surprise, scores, detection, cells
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect plot curves small.idio large.idio -o curves.svg
  idiolect plot surprise nginx.idio suspect.strace -o surprise.png
  idiolect plot scores adfa.idio ADFA-LD.zip -o scores.svg
  idiolect plot roc small.idio large.idio ADFA-LD.zip -o roc.svg
  idiolect plot cells nginx.idio suspect.strace -o cells.png

Each prints one line that says what was written and what was chosen, as key=value.")]
pub(crate) struct Plot {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Curves(Curves),
    Surprise(Surprise),
    Scores(Scores),
    Roc(Roc),
    Cells(Cells),
}

/// Where the picture goes, and its look.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Picture")]
struct Look {
    /// Where to write it: its name ends in .svg or .png
    #[arg(short, long, value_name = "FILE", value_parser = output::target)]
    output: output::Target,

    /// Width in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 1_000, value_parser = side())]
    width: u32,

    /// Height in pixels [default: what suits the picture]
    #[arg(long, value_name = "PIXELS", value_parser = side())]
    height: Option<u32>,

    /// Pixels of a PNG for each pixel of the picture, for screens with fine ones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4))]
    scale: u32,

    /// The heading [default: what is shown]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

/// How to judge.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Judging")]
struct Judging {
    /// The signal that is the score: mean, quantile, window, cusum or combined
    /// [default: the profile's]
    #[arg(long, value_name = "SIGNAL", value_parser = signal)]
    signal: Option<SignalKind>,

    /// Share of normal streams that may be called anomalous: 0.01 or 1% [default: the profile's]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    false_alarm_rate: Option<f64>,
}

/// Which stream of the traces.
#[derive(Clone, Debug, Args)]
struct Which {
    /// The profile
    #[arg(value_name = "PROFILE")]
    profile: PathBuf,

    /// Files, folders, .zip, .tar.gz or .gz archives, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The stream to draw: its name or the end of its name as score prints it, or its place from 1 among
    /// the lines that score prints [default: the most anomalous one]
    #[arg(long, value_name = "NAME|NUMBER")]
    stream: Option<String>,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    judging: Judging,
}

/// Loss and accuracy by epoch, of one or more profiles
#[derive(Debug, Args)]
struct Curves {
    /// The profiles
    #[arg(required = true, value_name = "PROFILE", num_args = 1..)]
    profiles: Vec<PathBuf>,

    #[command(flatten)]
    look: Look,
}

/// Surprise along a stream with the threshold, and predicted against actual calls
#[derive(Debug, Args)]
struct Surprise {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    look: Look,
}

/// How scores are distributed: those that set the threshold, and those of traces
#[derive(Debug, Args)]
struct Scores {
    /// The profile
    #[arg(value_name = "PROFILE")]
    profile: PathBuf,

    /// Files, folders, .zip, .tar.gz or .gz archives, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    judging: Judging,

    #[command(flatten)]
    look: Look,
}

/// Detected attacks against false alarms on labelled traces, of one or more profiles
#[derive(Debug, Args)]
struct Roc {
    /// The profiles, and last the labelled traces: a folder, an archive, or - for standard input
    #[arg(required = true, value_names = ["PROFILE", "PATH"], num_args = 2..)]
    profiles_and_path: Vec<PathBuf>,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    judging: Judging,

    #[command(flatten)]
    look: Look,
}

/// What one cell of the network holds along a stream: the calls, coloured
#[derive(Debug, Args)]
#[command(after_help = "\
Without --unit, the unit is drawn that changes least from call to call for the range it covers: the
largest ratio of its range (5th to 95th percentile of tanh c) to its mean step, among the units whose
range is at least half of the widest one and which cross the middle of it at least twice.")]
struct Cells {
    #[command(flatten)]
    which: Which,

    /// Layer of the unit, from 1, the one that reads the calls [default: any, without --unit; else the
    /// last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    layer: Option<u16>,

    /// The unit, from 1 [default: a telling one; see below]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    unit: Option<u16>,

    /// The first call that is shown by its name
    #[arg(long, value_name = "CALL", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,

    #[command(flatten)]
    look: Look,
}

pub(crate) fn run(args: &Plot) -> Result<u8> {
    match &args.what {
        What::Curves(args) => curves::run(args),
        What::Surprise(args) => surprise::run(args),
        What::Scores(args) => scores::run(args),
        What::Roc(args) => roc::run(args),
        What::Cells(args) => cells::run(args),
    }
}

impl Look {
    /// The sheet, with what is used where nothing is asked for.
    fn sheet(&self, title: &str, subtitle: String, height: u32) -> idiolect_report::Sheet {
        idiolect_report::Sheet {
            width: self.width,
            height: self.height.unwrap_or(height),
            title: self.title.clone().unwrap_or_else(|| title.to_owned()),
            subtitle,
        }
    }
}

impl Judging {
    fn judge<'p>(&self, profile: &'p Profile) -> Result<Judge<'p>> {
        Ok(Judge::new(profile, self.signal, self.false_alarm_rate)?)
    }

    fn rate(&self, profile: &Profile) -> f64 {
        self.false_alarm_rate.unwrap_or(profile.decision.rate)
    }
}

/// What profiles are called in pictures: their files' names, or where those are not different their
/// paths.
fn names(profiles: &[PathBuf]) -> Vec<String> {
    let short = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let mut distinct: Vec<String> = profiles.iter().map(|path| short(path)).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let are_distinct = distinct.len() == profiles.len();
    let named = profiles.iter().map(|path| match are_distinct {
        true => short(path),
        false => path.display().to_string(),
    });
    named.collect()
}

/// The name of one profile.
fn name(profile: &Path) -> String {
    names(&[profile.to_owned()]).concat()
}

/// Sides that can be asked for, in pixels.
fn side() -> clap::builder::RangedI64ValueParser<u32> {
    /// At the largest scale no more than can be painted.
    const MOST: i64 = 4_096;
    clap::value_parser!(u32).range(i64::from(idiolect_report::Sheet::LEAST)..=MOST)
}
