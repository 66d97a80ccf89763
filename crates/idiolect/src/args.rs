//! The command line as typed.

mod learning;
mod model;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use idiolect_detect::SignalKind;
use idiolect_trace::Abi;
use idiolect_trace::assemble::Grouping;
use idiolect_trace::read::{Alphabet, Format, Map, Numbering, Part, ReadOptions};

use model::MODELS;

pub(crate) use learning::{Learning, SplitName};
pub(crate) use model::{DEFAULT_MODEL, ModelName};

/// Learns a language model of each program's system calls from normal runs, and says when a process
/// stops sounding like itself.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Start here:
  idiolect demo                                 see it work, on recordings that come with it
  idiolect try -- ls /usr --then -R             learn a command, then see what an option changes
  idiolect train normal/*.strace -o web.idio    learn a program from logs of normal runs
  idiolect score web.idio suspect.strace        a line a stream: score, threshold, verdict
  idiolect explain web.idio suspect.strace      which calls are odd, and what was expected
  idiolect record -o normal -- ./server         record a program live (idiolect doctor: what works here)
  idiolect watch web.idio --comm server         score it while it runs

Exit codes:
  0  done                       3  done, and something is anomalous (with --fail-on-anomaly)
  1  failed; the reason is on standard error
  2  the command line is wrong  130  interrupted
";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Train),
    Score(Score),
    Explain(Explain),
    Inspect(Inspect),
    #[cfg(target_os = "linux")]
    Record(crate::commands::record::Record),
    #[cfg(target_os = "linux")]
    Watch(crate::commands::watch::Watch),
    #[cfg(target_os = "linux")]
    Doctor(crate::commands::doctor::Doctor),
    #[cfg(feature = "parquet")]
    Repair(crate::commands::repair::Repair),
    Try(Try),
    Demo(Demo),
    Formats(crate::commands::formats::Formats),
    Convert(crate::commands::convert::Convert),
    Eval(crate::commands::eval::Eval),
    Plot(crate::commands::plot::Plot),
    Sample(crate::commands::sample::Sample),
    Transitions(crate::commands::transitions::Transitions),
    Portability(crate::commands::portability::Portability),
    Export(crate::commands::export::Export),
    Optimize(crate::commands::optimize::Optimize),
}

/// How to read traces.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct Reading {
    /// What the traces are written in, by a name of `idiolect formats` [default: found by content]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,

    /// The ABI of formats that do not name theirs: x86_64, i386, x32, aarch64, arm or riscv64
    /// [default: found by content, else this machine's]
    #[arg(long, value_name = "ABI")]
    pub(crate) abi: Option<Abi>,

    /// What UNM's numbers mean, which its files do not say: sunos0 (SunOS counted from 0), sunos1 (from 1)
    /// or i386
    #[arg(long, value_name = "TABLE")]
    pub(crate) numbering: Option<Numbering>,

    /// Read tables (CSV) or JSON lines of any layout: which column, by title or number, or JSON pointer
    /// holds the name, pid, tid, time, errno, result or abi of a call
    #[arg(long, value_name = "KEY=PLACE,...", value_parser = map)]
    pub(crate) map: Option<Arc<Map>>,

    /// Read text of which each character is a call, by this file: a line a character, with its call
    #[arg(long, value_name = "FILE", value_parser = alphabet, conflicts_with = "map")]
    pub(crate) alphabet: Option<Arc<Alphabet>>,

    /// What makes a stream: thread, process or file
    #[arg(long, value_name = "UNIT", default_value = "thread", value_parser = grouping)]
    pub(crate) streams: Grouping,

    /// Parts of a labelled data set to read (training, validation, attack), separated by commas
    /// [default: training to train, the other two to score]
    #[arg(long, value_name = "PARTS", value_delimiter = ',', value_parser = part)]
    pub(crate) part: Vec<Part>,
}

/// How to judge.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Judging")]
pub(crate) struct Judging {
    /// The signal that is the score: mean, quantile, window, cusum, combined, novelty, lacking, sum or
    /// distinct [default: the profile's]
    #[arg(long, value_name = "SIGNAL", value_parser = signal)]
    pub(crate) signal: Option<SignalKind>,

    /// Share of normal streams that may be called anomalous: 0.01 or 1% [default: the profile's]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) false_alarm_rate: Option<f64>,

    /// Exit with 3 when something is anomalous
    #[arg(long)]
    pub(crate) fail_on_anomaly: bool,
}

impl Reading {
    /// The same for the library.
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            format: self.format,
            abi: self.abi,
            numbering: self.numbering,
            map: self.map.clone(),
            alphabet: self.alphabet.clone(),
            ..ReadOptions::default()
        }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Reading {
            format: None,
            abi: None,
            numbering: None,
            map: None,
            alphabet: None,
            streams: Grouping::PerThread,
            part: Vec::new(),
        }
    }
}

/// Learn a profile from traces of normal runs
#[derive(Debug, Args)]
#[command(after_help = format!("\
{MODELS}

Examples:
  idiolect train ADFA-LD.zip -o adfa.idio
  idiolect train logs/ -o app.idio --model ngram:order=12
  idiolect train logs/ -o app.idio --model lstm
  strace -f -o run1.strace nginx ...; idiolect train run*.strace -o nginx.idio
  idiolect train logs/ -o app.idio --false-alarm-rate 0.5% --cross-fit 5
  idiolect train ADFA-LD/ -o seed.idio --preset seed --limit-windows 20298 --epochs 10

Ctrl-C stops after saving a checkpoint of a network, PROFILE.checkpoint; the same command with --resume goes \
on."))]
pub(crate) struct Train {
    /// Files, folders, .zip, .tar.gz or .gz archives, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Where to save the profile
    #[arg(short, long, value_name = "PROFILE")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) learning: Learning,

    /// Share of normal streams that may be called anomalous: 0.01 or 1% [default: 1%, or the lowest
    /// that the data support]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) false_alarm_rate: Option<f64>,

    /// The signal that is the score: mean, quantile, window, cusum, combined, novelty, lacking, sum or
    /// distinct [default: distinct of language models, mean of others]
    #[arg(long, value_name = "SIGNAL", value_parser = signal)]
    pub(crate) signal: Option<SignalKind>,

    /// Calibrate on all streams by training this many more models, each without the streams it scores
    #[arg(long, value_name = "FOLDS", value_parser = clap::value_parser!(u8).range(2..=20))]
    pub(crate) cross_fit: Option<u8>,

    /// Also write the sequences as numbers into this new folder (vocabulary.txt, train.txt, tune.txt,
    /// calibrate.txt), to compare with other programs on the very same data
    #[arg(long, value_name = "DIR")]
    pub(crate) export: Option<PathBuf>,

    /// Go on from the checkpoint that an interrupted run left
    #[arg(long)]
    pub(crate) resume: bool,

    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Score traces: a line a stream
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect score nginx.idio suspect.strace
  idiolect score nginx.idio today/ --json | jq 'select(.verdict == \"anomalous\")'
  idiolect score adfa.idio ADFA-LD.zip --false-alarm-rate 5%
  idiolect score web.idio audit.log
  idiolect score web.idio calls.csv --map name=syscall,pid=PID,time=ts,unit=ms

Where the traces are labelled, as ADFA-LD's are, how well the scores tell attacks from normal is shown
at the end, with and without copies.")]
pub(crate) struct Score {
    /// The profile
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: PathBuf,

    /// Files, folders, .zip, .tar.gz or .gz archives, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) judging: Judging,

    /// Print a JSON object a stream
    #[arg(long)]
    pub(crate) json: bool,

    /// Show anomalous streams only
    #[arg(long)]
    pub(crate) anomalous: bool,
}

/// Show which calls are odd, and what was expected instead
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect explain nginx.idio suspect.strace
  idiolect explain nginx.idio suspect.strace --streams-shown 1 --calls 20
  idiolect explain nginx.idio suspect.strace --json | jq '.surprising[0]'")]
pub(crate) struct Explain {
    /// The profile
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: PathBuf,

    /// Files, folders, .zip, .tar.gz or .gz archives, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// How many streams to explain, the most anomalous first
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) streams_shown: u16,

    /// How many calls to show of each
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) calls: u16,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) judging: Judging,

    /// Print a JSON object a stream
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what is in a profile: model, vocabulary, calibration, where it comes from
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The profile
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: PathBuf,

    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Learn a command from a few runs, run it once more with a difference, and explain the difference
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect try -- ls /usr --then -R
  idiolect try --runs 40 -- sort /etc/services --then --parallel=2 -S 1K
  idiolect try -- ./server-test.sh              (nothing after --then: is it the same once more?)

What comes after --then is appended to the command for the last run. The command runs for real, under
strace, with your rights.")]
pub(crate) struct Try {
    /// How often to run the command to learn it
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(5..=10_000))]
    pub(crate) runs: u16,

    /// Keep the recordings and the profile in this new folder
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,

    /// Show the command's own output
    #[arg(long)]
    pub(crate) output: bool,

    #[command(flatten)]
    pub(crate) learning: Learning,

    /// The command, and after --then what to append to it for the last run
    #[arg(required = true, last = true, value_name = "CMD [ARGS] [--then ARGS]", num_args = 1..)]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// See it learn, pick out and explain, in under a minute, on recordings that come with it
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Makes everything random repeatable
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Also save the profile and unpack the recordings into this new folder, to try things on
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

fn map(text: &str) -> Result<Arc<Map>, String> {
    let map = text.parse::<Map>().map_err(|error| error.to_string())?;
    Ok(Arc::new(map))
}

/// Largest file that is taken for an alphabet, in bytes.
const MAX_ALPHABET: u64 = 1 << 20;

fn alphabet(path: &str) -> Result<Arc<Alphabet>, String> {
    let size = std::fs::metadata(Path::new(path)).map_err(|error| error.to_string())?;
    if size.len() > MAX_ALPHABET {
        return Err(format!(
            "it is larger than {MAX_ALPHABET} bytes, so no alphabet"
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let alphabet = text
        .parse::<Alphabet>()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(alphabet))
}

fn grouping(text: &str) -> Result<Grouping, String> {
    match text {
        "thread" => Ok(Grouping::PerThread),
        "process" => Ok(Grouping::PerProcess),
        "file" => Ok(Grouping::WholeFile),
        _ => Err("it is thread, process or file".to_owned()),
    }
}

fn part(text: &str) -> Result<Part, String> {
    match text {
        "training" => Ok(Part::Training),
        "validation" => Ok(Part::Validation),
        "attack" => Ok(Part::Attack),
        _ => Err("it is training, validation or attack".to_owned()),
    }
}

pub(crate) fn signal(text: &str) -> Result<SignalKind, String> {
    SignalKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| {
            format!(
                "it is one of {}",
                SignalKind::ALL.map(SignalKind::as_str).join(", ")
            )
        })
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim(), 0.01),
        None => (text, 1.0),
    };
    let rate = number.parse::<f64>().map_err(|error| error.to_string())? * scale;
    if rate > 0.0 && rate < 1.0 {
        Ok(rate)
    } else {
        Err("a rate lies between 0 and 1 (or 0% and 100%)".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn rates() {
        assert_eq!(rate("0.01"), Ok(0.01));
        assert_eq!(rate("1%"), Ok(0.01));
        assert_eq!(rate("0.5 %"), Ok(0.005));
        for bad in ["0", "1", "100%", "x", "-1%", "nan"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
