//! `idiolect sample`.

mod against;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use idiolect_detect::profile::Profile;
use idiolect_detect::sample::{self, Ended, Sampler, Sampling};
use idiolect_detect::{Token, Vocabulary};
use idiolect_trace::read::escape;
use idiolect_trace::{StartKind, table};
use serde::Serialize;

use crate::args::Reading;
use crate::exit;
use crate::output::{finish, out};
use crate::ui;

/// Draw streams of calls from a profile's model, and see how well they resemble real ones
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect sample nginx.idio                                  ten streams, one a line
  idiolect sample nginx.idio --prefix \"openat read\" --temperature 0.7
  idiolect sample nginx.idio -n 200 --output drawn/           a file a stream, in the plain format
  idiolect sample nginx.idio --against later/                 how well it speaks like the program

A model has no token for the end of a stream: a drawn one ends at exit or exit_group, which end a
thread or a process, or is cut at --calls. A stream also ends where its process executes another
program, but a model cannot tell an execve that succeeds: where many do, as in forked children, use
--end exit,exit_group,execve. <unk>, <gap> and the start tokens are never drawn. A model of windows
that was trained without --lead-in has never seen a stream begin: give it a --prefix.

What --output writes reads back as the plain format (with <attach> as its start, since that format
has no start), but for calls of another ABI than the stream's own, such as i386:execve.

With --against, the n-grams of the drawn streams are held against one half of the real streams that
start alike. Beside them stand the other half (no sample can be expected to do better) and calls
drawn independently from the real frequencies (what knowing nothing of order gives), all cut to the
same number of calls. Give real streams that the profile was not trained on; of a labelled data set
the validation part is taken, unless --part chooses.")]
pub(crate) struct Sample {
    /// The profile
    #[arg(value_name = "PROFILE")]
    profile: PathBuf,

    /// How many streams [default: 10; with --against, until there are as many calls as half the real
    /// streams have, or 100,000]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    number: Option<u32>,

    /// Most calls of a stream, the prefix included
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    calls: u32,

    /// 1 draws as the model expects, less keeps to likely calls, more strays; 0 takes the likeliest call
    /// each time
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = temperature)]
    temperature: f64,

    /// How streams start: exec, thread or attach [default: the commonest in what the profile was
    /// calibrated on]
    #[arg(long, value_name = "KIND", value_parser = start)]
    start: Option<StartKind>,

    /// Calls that every stream begins with, separated by blanks
    #[arg(
        long,
        value_name = "CALLS",
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,

    /// Calls that end a stream
    #[arg(
        long,
        value_name = "CALLS",
        value_delimiter = ',',
        default_value = "exit,exit_group"
    )]
    end: Vec<String>,

    /// Makes the draws repeatable
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Write each stream into a file of its own in this new folder
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Compare with these real streams, instead of printing the drawn ones
    #[arg(long, value_name = "PATH", num_args = 1..)]
    against: Vec<PathBuf>,

    /// Print a JSON object a stream; with --against, one with the comparison
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: Reading,
}

/// Streams drawn where neither their number nor what to compare with is given.
const STREAMS: u32 = 10;

pub(crate) fn run(args: &Sample) -> Result<u8> {
    let profile = super::load_language_model(&args.profile)?;
    let sampling = Sampling {
        calls: args.calls as usize,
        temperature: args.temperature,
        ends: args.end.clone(),
        prefix: prefix(&profile.vocabulary, &args.prefix)?,
        seed: args.seed,
    };
    let start = args.start.unwrap_or_else(|| commonest_start(&profile));
    if let Some(folder) = &args.output {
        fs::create_dir(folder)
            .with_context(|| format!("{}: cannot make this folder", folder.display()))?;
    }
    let real = match args.against.as_slice() {
        [] => None,
        paths => Some(against::Real::read(paths, &args.reading, start)?),
    };
    let sampler = Sampler::new(profile.detector(), &profile.vocabulary, sampling)?;
    let mut drawing = Drawing {
        args,
        vocabulary: &profile.vocabulary,
        prints: real.is_none() && args.output.is_none(),
        drawn: Drawn::default(),
        out: out(),
    };
    let (streams, calls) = match (&real, args.number) {
        (_, Some(streams)) => (streams, usize::MAX),
        (Some(real), None) => (u32::MAX, real.calls_to_draw()),
        (None, None) => (STREAMS, usize::MAX),
    };
    let bar = match calls {
        usize::MAX => ui::bar(u64::from(streams), "drawing streams"),
        calls => ui::bar(calls as u64, "drawing calls"),
    };
    let mut failed = None;
    sampler.until(&[(start, 1)], calls, &mut |sample| {
        if let Err(error) = drawing.take(sample) {
            failed = Some(error);
        }
        let drawn = &drawing.drawn;
        bar.set_position(match calls {
            usize::MAX => drawn.streams.len() as u64,
            _ => drawn.calls,
        });
        failed.is_none() && drawn.streams.len() < streams as usize
    })?;
    bar.finish_and_clear();
    if let Some(error) = failed {
        return Err(error);
    }
    let Drawing { drawn, mut out, .. } = drawing;
    if let Some(real) = &real {
        let compared = against::compare(&drawn, real, &profile, args, start);
        out.write_all(compared.as_bytes())?;
    }
    finish(out)?;
    ui::say(&drawn.summary(&profile, start, args));
    Ok(exit::OK)
}

/// The streams as they are drawn.
struct Drawing<'a> {
    args: &'a Sample,
    vocabulary: &'a Vocabulary,
    prints: bool,
    drawn: Drawn,
    out: std::io::BufWriter<std::io::StdoutLock<'static>>,
}

/// What was drawn.
#[derive(Default)]
struct Drawn {
    /// Tokens of each stream; none are kept where nothing is compared.
    streams: Vec<Vec<Token>>,
    /// Calls and whether it was cut, of each stream.
    lengths: Vec<(usize, bool)>,
    calls: u64,
    /// Calls that are not of the prefix.
    drawn: u64,
    surprise: f64,
}

#[derive(Serialize)]
struct JsonStream<'a> {
    stream: usize,
    start: StartKind,
    calls: &'a [&'a str],
    ended: Ended,
    /// In nats a call, of the calls after the prefix.
    mean_surprise: f64,
}

impl Drawing<'_> {
    fn take(&mut self, sample: sample::Sample) -> Result<()> {
        let names: Vec<&str> = sample
            .tokens
            .iter()
            .map(|&token| self.vocabulary.name(token))
            .collect();
        let number = self.drawn.streams.len() + 1;
        if let Some(folder) = &self.args.output {
            write_stream(folder, number, &names)?;
        }
        if self.prints && self.args.json {
            let line = JsonStream {
                stream: number,
                start: sample.start,
                calls: &names,
                ended: sample.ended,
                mean_surprise: sample.surprise / sample.drawn as f64,
            };
            serde_json::to_writer(&mut self.out, &line)?;
            self.out.write_all(b"\n")?;
        } else if self.prints {
            writeln!(self.out, "{}", joined(&names, " "))?;
        }
        self.drawn.calls += names.len() as u64;
        self.drawn.drawn += sample.drawn as u64;
        self.drawn.surprise += sample.surprise;
        let cut = sample.ended == Ended::Cut;
        self.drawn.lengths.push((names.len(), cut));
        let kept = match self.args.against.is_empty() {
            true => Vec::new(),
            false => sample.tokens,
        };
        self.drawn.streams.push(kept);
        Ok(())
    }
}

impl Drawn {
    fn cut(&self) -> usize {
        self.lengths.iter().filter(|(_, cut)| *cut).count()
    }

    fn mean_surprise(&self) -> f64 {
        self.surprise / self.drawn as f64
    }

    fn summary(&self, profile: &Profile, start: StartKind, args: &Sample) -> String {
        let cut = self.cut();
        format!(
            "drew {} of {} after {} with seed {}: {} ended with {}, {} cut at {}; mean surprise {:.3} \
             nats a call at temperature {} (held out in training: {:.3})",
            ui::plural(self.streams.len(), "stream"),
            ui::plural(self.calls, "call"),
            start.token(),
            args.seed,
            ui::count(self.streams.len() - cut),
            args.end.join(" or "),
            ui::count(cut),
            ui::count(args.calls),
            self.mean_surprise(),
            args.temperature,
            profile.provenance.tune_surprise,
        )
    }
}

/// The start kind that most of the calibration has.
fn commonest_start(profile: &Profile) -> StartKind {
    sample::calibrated_starts(profile)
        .first()
        .map_or(StartKind::Attach, |&(start, _)| start)
}

/// The tokens of the calls of a prefix.
fn prefix(vocabulary: &Vocabulary, calls: &str) -> Result<Vec<Token>> {
    let token = |word: &str| {
        let canonical = table::canonical(word);
        let name = canonical.as_ref().map_or(word, |name| name.as_str());
        match vocabulary.token(name) {
            Vocabulary::UNKNOWN => Err(unknown_call(vocabulary, word)),
            token if token < Vocabulary::FIRST_CALL => Err(unknown_call(vocabulary, word)),
            token => Ok(token),
        }
    };
    calls.split_whitespace().map(token).collect()
}

fn unknown_call(vocabulary: &Vocabulary, word: &str) -> anyhow::Error {
    let alike: Vec<String> = vocabulary
        .calls()
        .filter(|call| call.contains(word) || word.contains(call))
        .take(3)
        .map(|call| escape(call.as_bytes()))
        .collect();
    let hint = match alike.as_slice() {
        [] => "idiolect inspect lists the calls that it knows".to_owned(),
        alike => format!("it knows {}", alike.join(", ")),
    };
    let word = escape(word.as_bytes());
    anyhow!("--prefix: the profile never saw the call {word}; {hint}")
}

fn write_stream(folder: &Path, number: usize, names: &[&str]) -> Result<()> {
    let path = folder.join(format!("{number:06}.txt"));
    fs::write(&path, joined(names, "\n") + "\n")
        .with_context(|| format!("{}: cannot write", path.display()))
}

/// Names out of a profile, which may be hostile.
fn joined(names: &[&str], by: &str) -> String {
    let escaped: Vec<String> = names.iter().map(|name| escape(name.as_bytes())).collect();
    escaped.join(by)
}

fn start(text: &str) -> Result<StartKind, String> {
    match text {
        "exec" => Ok(StartKind::Exec),
        "thread" => Ok(StartKind::Thread),
        "attach" => Ok(StartKind::Attach),
        _ => Err("it is exec, thread or attach".to_owned()),
    }
}

fn temperature(text: &str) -> Result<f64> {
    match text.parse() {
        Ok(temperature) if (0.0..=1e6).contains(&temperature) => Ok(temperature),
        Ok(_) => bail!("a temperature is 0 or more"),
        Err(error) => Err(anyhow!("{error}")),
    }
}
