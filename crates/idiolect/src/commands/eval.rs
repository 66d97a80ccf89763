//! `idiolect eval`.

mod grid;
mod seed;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::args::Reading;

/// Measure how well detectors tell attacks from normal, on data sets or on your own two folders
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect eval --data mine=FOLDER                     normal/ and attack/ are in the folder
  idiolect eval --data mine=list.csv                   path,label,family,exploit_time
  idiolect eval --data adfa-ld=ADFA-LD.zip --detectors lstm,novelty,sum:lstm+novelty -o results/
  idiolect eval --data unm=unm/ --data lid-ds=SCENARIO/ --seeds 5 -o results/
  idiolect eval --data unm/xlock=unm/ --learn-from adfa-ld=ADFA-LD.zip
  idiolect eval --data synthetic/limits --detectors ngram,ngram-12,stide,lstm,novelty,bag-1
  idiolect eval --suite quick                          made-up data: anyone can run it
  idiolect eval --suite paper --data adfa-ld=ADFA-LD.zip -o results/
  idiolect eval --suite seed ADFA-LD/Training_Data_Master

Every detector is fitted on normal streams alone, its thresholds come from normal streams that it did not
learn from, and what is tested on is scored once. Data sets: adfa-ld, unm (every valid pairing, of the
unpacked archive), unm/xlock (one), lid-ds (a scenario), synthetic and synthetic/limits (made up, with known
truth; =SEED for others); any other name is your own data. A set without a split is folded.

Detectors:
  lstm (--model lstm of train), lstm-200, lstm-2x400, kim-200, kim-400, kim-2x400, seed
  bilstm (two LSTMs, one of them backwards: whole streams only), hmm
  markov, ngram-3, ngram-5, ngram, ngram-12, kneser-ney, ppm, stide-3, stide, stide-10, t-stide, frequency,
  lookahead, som, autoencoder
  novelty, novelty/kth, bag-1, bag-3, svm-1, svm-3, k-means, isolation-forest (whole streams)
What goes call by call has lstm/distinct3 (mean over distinct 3-grams) and lstm/window (largest mean over 20
calls) besides its mean, lstm.
Combined: RULE:ONE+ANOTHER, where the rule is sum, max, relu, mean, vote, tippett or
ranks.

With -o, results.json, results.csv and table.md are written into the folder, and fits and scores are kept in
it: after Ctrl-C the same command goes on.")]
pub(crate) struct Eval {
    /// A protocol with its own data sets or detectors
    #[arg(long, value_enum)]
    suite: Option<Suite>,

    /// A data set: NAME=PATH; may be given several times
    #[arg(long, value_name = "NAME=PATH")]
    data: Vec<String>,

    /// Learn from the normal streams of this data set instead, through the names of calls; every other
    /// is only tested
    #[arg(long, value_name = "NAME=PATH")]
    learn_from: Option<String>,

    /// Detectors, separated by commas; the others are compared with the first
    /// [default: ngram/distinct3,ngram,lstm,stide,novelty,sum:lstm+novelty,sum:ngram+novelty,bag-3,k-means,isolation-forest]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    detectors: Vec<String>,

    /// Folder for results, and for what an interrupted run goes on from
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Also write streams.csv into the folder: the score of every tested stream by every detector, those
    /// on the wrong side first
    #[arg(long, requires = "output")]
    score_lists: bool,

    /// Folds of a data set that has no split of its own
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..=20))]
    folds: u8,

    /// Replicates of each bootstrap
    #[arg(long, value_name = "N", default_value_t = idiolect_eval::resample::REPLICATES as u32, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    replicates: u32,

    #[command(flatten)]
    reading: Reading,

    /// For --suite seed: the data set, a file, folder or archive
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    /// Seeds to run with, 1, 2 ...
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    seeds: u8,

    /// For --suite seed: times to go through the data
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    epochs: u16,

    /// For --suite seed: windows to take
    #[arg(long, value_name = "N", default_value_t = idiolect_eval::seed::WINDOWS as u32, value_parser = clap::value_parser!(u32).range(100..))]
    limit_windows: u32,

    /// Processors to use [default: all]; the result is the same whatever their number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Made-up data with known truth, every kind of detector, in a few minutes
    Quick,
    /// The detectors of Kim et al. 2016 on ADFA-LD: hours
    Paper,
    /// The original research script's five results on ADFA-LD
    Seed,
}

pub(crate) fn run(args: &Eval) -> Result<u8> {
    match (args.suite, &args.path) {
        (Some(Suite::Seed), Some(path)) if args.data.is_empty() => seed::run(args, path),
        (Some(Suite::Seed), _) => {
            bail!("--suite seed wants the data set alone: idiolect eval --suite seed ADFA-LD.zip")
        }
        (_, Some(path)) => bail!(
            "{}: a data set has a name: --data mine={}",
            path.display(),
            path.display()
        ),
        (suite, None) => grid::run(args, suite),
    }
}
