//! `idiolect transitions`.

mod heard;
mod picture;
mod render;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use idiolect_detect::profile::{Profile, looks_like_profile};
use idiolect_detect::sample::{EXITS, Sampler, Sampling, calibrated_starts};
use idiolect_detect::transitions::{Column, Context, Pruning, Transitions as Table};
use idiolect_trace::read::Part;

use self::heard::{Counting, Marking, Marks};
use crate::args::{Reading, rate};
use crate::commands::plot::output::write_aside;
use crate::exit;
use crate::input::{self, Input};
use crate::output::{finish, out};
use crate::ui;

/// Show which call follows which, and how probably: as counted in traces, as a profile has it, or both
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect transitions normal/                            counted
  idiolect transitions nginx.idio                         as the model has it
  idiolect transitions nginx.idio normal/ --order 2       both, given the last two calls
  idiolect transitions normal/ --svg graph.svg            a picture of the commonest
  idiolect transitions normal/ --mark suspect.strace      the unlikely steps of a suspect
  idiolect transitions normal/ --dot | dot -Tpng -o graph.png

counted   share of the times that the context stood (maximum likelihood), which stand beside it
modelled  mean of the model's predictions over the places of the traces at which the context stood,
          or with a profile alone over streams that are drawn from the model

A step from a context that never stood is said to be unseen; that is no probability of 0. Memory
does not grow with the length of traces: at most 1,048,576 different transitions are counted (some
100 MB), and what is beyond is counted as left out.

Of labelled data sets the training part is counted and the other two are marked, unless --part
chooses.")]
pub(crate) struct Transitions {
    /// A profile, and files, folders or archives of traces, in any order; one of the two is enough
    #[arg(required = true, value_name = "PROFILE|PATH")]
    paths: Vec<PathBuf>,

    /// Calls in a context: how many of the last ones are given
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4))]
    order: u8,

    /// Leave out steps less probable than this: 0.01 or 1%, 0 for none [default: 5% in the table and in
    /// pictures, else 1% where there is a model, which gives everything some probability]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_probability: Option<f64>,

    /// Leave out contexts that stood fewer times
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_count: u64,

    /// Keep only so many contexts, those that stood most often [default: 20 in the table and in pictures,
    /// else all]
    #[arg(long, value_name = "N")]
    top: Option<usize>,

    /// Which probability orders, and marks [default: counted where there are traces]
    #[arg(long, value_enum, value_name = "COLUMN")]
    by: Option<By>,

    /// Mark the unlikely steps of these streams
    #[arg(long, value_name = "PATH", num_args = 1..)]
    mark: Vec<PathBuf>,

    /// A step is unlikely below this probability: 0.01 or 1%
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = rate)]
    unlikely: f64,

    /// Most marked steps to list
    #[arg(long, value_name = "N", default_value_t = 100)]
    marks: usize,

    /// Calls drawn from a profile that is given alone
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    samples: u32,

    /// Makes what is drawn repeatable
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Print it as CSV
    #[arg(long, group = "as")]
    csv: bool,

    /// Print it as a graph in the DOT language of Graphviz
    #[arg(long, group = "as")]
    dot: bool,

    /// Print it as JSON
    #[arg(long, group = "as")]
    json: bool,

    /// Also draw it into this file, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Counted,
    Modelled,
}

/// What was found, for those who show it.
struct Found<'a> {
    /// Where it comes from, in words.
    source: String,
    transitions: &'a Table<'a>,
    /// Whether the times were counted in traces, not in drawn streams.
    counted: bool,
    modelled: bool,
    by: Column,
    /// Pruned for print.
    table: Vec<Context>,
    unlikely: f64,
    marks: Option<Marks>,
}

/// Most calls of a stream that is drawn.
const DRAWN_STREAM: usize = 1_000;
/// Contexts shown where a person looks.
const SHOWN: usize = 20;
/// The same in pictures of longer contexts, which have longer names.
const DRAWN_LONG: usize = 12;
/// The least probability shown where a person looks.
const LEAST_SHOWN: f64 = 0.05;
/// The least probability written where there is a model.
const LEAST_WRITTEN: f64 = 0.01;

pub(crate) fn run(args: &Transitions) -> Result<u8> {
    let (profiles, traces): (Vec<&PathBuf>, Vec<&PathBuf>) =
        args.paths.iter().partition(|path| looks_like_profile(path));
    let profile = match profiles.as_slice() {
        [] => None,
        [path] => Some(super::load_language_model(path)?),
        [first, second, ..] => bail!(
            "{} and {} are both profiles: give one",
            first.display(),
            second.display()
        ),
    };
    let counted = !traces.is_empty();
    let by = match (args.by, counted, profile.is_some()) {
        (None, true, _) | (Some(By::Counted), true, _) => Column::Counted,
        (None, false, _) | (Some(By::Modelled), _, true) => Column::Modelled,
        (Some(By::Counted), false, _) => bail!("--by counted: give traces to count in"),
        (Some(By::Modelled), ..) => bail!("--by modelled: give a profile too"),
    };
    let model = profile
        .as_ref()
        .map(|profile| (profile.detector(), &profile.vocabulary));
    let mut transitions = Table::new(usize::from(args.order), model);
    let source = match &profile {
        Some(profile) if !counted => draw(profile, &mut transitions, args)?,
        _ => count(&traces, &mut transitions, args)?,
    };
    ui::say(&source);
    say_left_out(&transitions);

    let marks = match args.mark.as_slice() {
        [] => None,
        paths => {
            let mut marking = Marking::new(&transitions, by, args.unlikely, args.marks);
            let parts = input::parts_to_judge(&args.reading);
            input::read(Input::Paths(paths), &args.reading, parts, &mut marking)?;
            if marking.marks.streams == 0 {
                bail!("there is no stream to mark in what was read");
            }
            Some(marking.marks)
        }
    };
    let for_people = !args.csv && !args.json && !args.dot;
    let found = Found {
        table: transitions.table(&pruning(args, by, for_people || args.dot, args.dot)),
        source,
        transitions: &transitions,
        counted,
        modelled: profile.is_some(),
        by,
        unlikely: args.unlikely,
        marks,
    };
    if let Some(path) = &args.svg {
        draw_svg(path, &found, args)?;
    }
    let text = if args.csv {
        render::csv(&found)
    } else if args.dot {
        render::dot(&found)
    } else if args.json {
        render::json(&found)
    } else {
        render::text(&found)
    };
    let mut out = out();
    out.write_all(text.as_bytes())?;
    finish(out)?;
    Ok(exit::OK)
}

fn draw_svg(path: &Path, found: &Found<'_>, args: &Transitions) -> Result<()> {
    let table = found
        .transitions
        .table(&pruning(args, found.by, true, true));
    let svg = picture::draw(found, &table).svg();
    write_aside(path, svg.as_bytes())
        .with_context(|| format!("{}: cannot write the picture", path.display()))?;
    ui::say(&format!("drew {}", path.display()));
    Ok(())
}

/// What is left out, for the eye or for programs.
fn pruning(args: &Transitions, by: Column, for_the_eye: bool, in_picture: bool) -> Pruning {
    let least = match (for_the_eye, by, args.paths.len()) {
        (true, ..) => LEAST_SHOWN,
        (false, Column::Counted, 1) => 0.0,
        _ => LEAST_WRITTEN,
    };
    let shown = if in_picture && args.order > 1 {
        DRAWN_LONG
    } else {
        SHOWN
    };
    Pruning {
        by,
        min_probability: args.min_probability.unwrap_or(least),
        min_times: args.min_count,
        top: args.top.or(for_the_eye.then_some(shown)),
    }
}

/// Counts in traces; says what was counted.
fn count(traces: &[&PathBuf], transitions: &mut Table<'_>, args: &Transitions) -> Result<String> {
    let parts: &[Part] = match args.reading.part.as_slice() {
        [] => &[Part::Training],
        parts => parts,
    };
    let paths: Vec<PathBuf> = traces.iter().map(|&path| path.clone()).collect();
    let mut counting = Counting::new(transitions);
    input::read(Input::Paths(&paths), &args.reading, parts, &mut counting)?;
    let streams = counting.streams;
    if transitions.calls() == 0 {
        bail!("there is no call in what was read");
    }
    Ok(format!("counted in {}", size(transitions, streams)))
}

/// Draws streams from a profile; says what was drawn.
fn draw(profile: &Profile, transitions: &mut Table<'_>, args: &Transitions) -> Result<String> {
    let sampling = Sampling {
        calls: DRAWN_STREAM,
        temperature: 1.0,
        prefix: Vec::new(),
        ends: EXITS.map(str::to_owned).to_vec(),
        seed: args.seed,
    };
    let sampler = Sampler::new(profile.detector(), &profile.vocabulary, sampling)?;
    let starts = calibrated_starts(profile);
    let enough = args.samples as usize;
    let bar = ui::bar(enough as u64, "drawing calls");
    let mut streams = 0;
    sampler.until(&starts, enough, &mut |sample| {
        let mut walk = transitions.begin(sample.start);
        for &token in &sample.tokens {
            transitions.count(&mut walk, profile.vocabulary.name(token));
        }
        streams += 1;
        bar.set_position(transitions.calls());
        true
    })?;
    bar.finish_and_clear();
    Ok(format!(
        "modelled over {}; drawn with seed {}, at most {} calls a stream",
        size(transitions, streams),
        args.seed,
        ui::count(DRAWN_STREAM)
    ))
}

fn size(transitions: &Table<'_>, streams: u64) -> String {
    let order = transitions.order();
    format!(
        "{} of {}; {} of {}",
        ui::plural(streams, "stream"),
        ui::plural(transitions.calls(), "call"),
        ui::plural(transitions.contexts(), "context"),
        ui::plural(order, "call"),
    )
}

fn say_left_out(transitions: &Table<'_>) {
    let left_out = transitions.left_out();
    let said = [
        (
            left_out.transitions,
            "were left out of the count, since more different transitions than there is room for came \
             before: use a lower --order",
        ),
        (
            left_out.predictions,
            "came after contexts at which the model was not asked, for lack of room: use a lower --order",
        ),
        (
            left_out.names,
            "have names beyond the most that are told apart, and are counted as <unk>",
        ),
    ];
    for (calls, what) in said {
        if calls > 0 {
            ui::say(&format!("{} {what}", ui::plural(calls, "call")));
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(0.0) => Ok(0.0),
        _ => rate(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        assert_eq!(share("0"), Ok(0.0));
        assert_eq!(share("0 %"), Ok(0.0));
        assert_eq!(share("5%"), Ok(0.05));
        for bad in ["", "-1", "x", "2", "nan"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
