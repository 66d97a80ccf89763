//! `idiolect eval --suite seed`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use idiolect_eval::read_numbers;
use idiolect_eval::seed::{self, CLIPPED_LOSS, INPUTS, Run, SeedError, Setting, Windows};
use idiolect_nn::{Evaluation, Progress};
use idiolect_trace::read::{ReadOptions, escape};
use serde_json::json;

use super::Eval;
use crate::exit;
use crate::interrupt::Interrupt;
use crate::output::{finish, out};
use crate::ui;

/// Steps of the bar for each epoch of each run.
const BAR_STEPS: u64 = 100;

pub(super) fn run(args: &Eval, path: &Path) -> Result<u8> {
    let traces = read_numbers(path, &ReadOptions::default())?;
    let limit = args.limit_windows as usize;
    let sorted = Windows::new(&traces, limit)?;

    let interrupt = Interrupt::listen();
    let seeds = 1..=u64::from(args.seeds);
    let total = Setting::ALL.len() as u64 * u64::from(args.seeds) * BAR_STEPS;
    let bar = ui::bar_of_shares(total, "training");
    let mut runs = Vec::new();
    for setting in Setting::ALL {
        for seed in seeds.clone() {
            let shuffled;
            let windows = if setting == Setting::SoftmaxShuffled {
                shuffled = Windows::shuffled(&traces, limit, seed)?;
                &shuffled
            } else {
                &sorted
            };
            let done = runs.len() as u64 * BAR_STEPS;
            bar.set_message(format!("{}, seed {seed}", setting.describe()));
            let mut observer = |progress: &Progress| {
                bar.set_position(done + (progress.fraction * BAR_STEPS as f64) as u64);
                match interrupt.asked() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            let threads = args.threads.map_or(0, usize::from);
            let epochs = usize::from(args.epochs);
            match seed::run(windows, setting, seed, epochs, threads, &mut observer) {
                Ok(run) => runs.push(run),
                Err(SeedError::Interrupted) => {
                    bar.finish_and_clear();
                    ui::say("interrupted: nothing was written");
                    return Ok(exit::INTERRUPTED);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    bar.finish_and_clear();

    let mut out = out();
    if args.json {
        let orders = [1, 2, 3].map(|order| sorted.table_accuracy(order));
        let report = json!({
            "suite": "seed",
            "path": path.display().to_string(),
            "windows": { "train": sorted.counts()[0], "validate": sorted.counts()[1] },
            "files": { "all": sorted.files()[0], "validate": sorted.files()[1] },
            "table_accuracy_by_order": orders,
            "runs": runs,
        });
        writeln!(out, "{report:#}")?;
    } else {
        writeln!(out, "{}", escape(path.display().to_string().as_bytes()))?;
        out.write_all(as_text(&sorted, &runs).as_bytes())?;
    }
    finish(out)?;
    Ok(exit::OK)
}

fn as_text(windows: &Windows, runs: &[Run]) -> String {
    let [train, validate] = windows.counts();
    let [files, last_files] = windows.files();
    let mut text = format!(
        "{} windows of {INPUTS} calls and the next one, from the first {files} files: {} train, the last {} \
         (from {}) validate\n\n\
         {:<48} {:>4} {:>9} {:>9} {:>7} {:>7} {:>7}\n",
        ui::count(train + validate),
        ui::count(train),
        ui::count(validate),
        ui::plural(last_files, "file"),
        "setting",
        "seed",
        "loss",
        "val_loss",
        "acc",
        "val_acc",
        "time",
    );
    for setting in Setting::ALL {
        let mut name = setting.describe();
        for figures in setting.original() {
            let [acc, val_acc] = match figures.accuracies {
                Some(shares) => shares.map(|share| format!("{share:.4}")),
                None => ["", ""].map(str::to_owned),
            };
            let (loss, val_loss) = (figures.loss, figures.val_loss);
            let _ = writeln!(
                text,
                "{name:<48} {:>4} {loss:>9.4} {val_loss:>9.4} {acc:>7} {val_acc:>7}",
                "its"
            );
            name = "";
        }
        for run in runs.iter().filter(|run| run.setting == setting) {
            let _ = write!(text, "{name:<48} {:>4}", run.seed);
            name = "";
            if let Some(last) = run.epochs.last() {
                let tune = last.tune.unwrap_or(Evaluation {
                    mean_loss: f64::NAN,
                    accuracy: f64::NAN,
                    targets: 0,
                });
                let _ = write!(
                    text,
                    " {:>9.4} {:>9.4} {:>7.4} {:>7.4} {:>5.1} s",
                    last.train.mean_loss,
                    tune.mean_loss,
                    last.train.accuracy,
                    tune.accuracy,
                    run.seconds
                );
            }
            if let Some(failed) = &run.failed {
                let _ = write!(text, " {failed}");
            }
            text.push('\n');
        }
    }
    text.push('\n');
    text += &explain(windows, runs);
    text
}

/// What the figures stand on, in words; every number is of these runs.
fn explain(windows: &Windows, runs: &[Run]) -> String {
    let calls = seed::CALLS as f64;
    let of = |setting: Setting, value: fn(&Evaluation) -> f64| {
        let last = runs
            .iter()
            .filter(|run| run.setting == setting)
            .filter_map(|run| run.epochs.last()?.tune);
        mean(last.map(|tune| value(&tune)))
    };
    let loss = |setting| of(setting, |tune| tune.mean_loss);
    let accuracy = |setting| of(setting, |tune| tune.accuracy);
    // Of probabilities that are all 1/341, one is to be 1.
    let even = (1.0 - 1.0 / calls) / calls;
    let clipped = |setting| (loss(setting) / CLIPPED_LOSS).min(1.0);
    let shuffled = mean(
        runs.iter()
            .filter(|run| run.setting == Setting::SoftmaxShuffled)
            .map(|run| run.second_order),
    );
    let [first, second, third] = [1, 2, 3].map(|order| windows.table_accuracy(order));
    format!(
        "Mean squared error is a mean over {calls} outputs. A network that answers the same for all of them \
         is off by {even:.4}, and one that answers nothing by 1/{calls} = {:.4}: {:.4} here is hardly less, \
         though it looks small.\n\
         With a linear activation last, the outputs are no probabilities. Keras divides them by their sum, \
         clips the result at 0.0000001 and takes -ln, which is at most {CLIPPED_LOSS:.3}; a clipped output has \
         no gradient. A loss of {:.2} with RMSprop and {:.2} with SGD are {:.0} % and {:.0} % of \
         that most: about so many targets are clipped and teach nothing. It measures where training got \
         stuck, not a surprise.\n\
         SGD goes nowhere also with the softmax: val_loss {:.2} after as many steps, where answering evenly \
         gives ln {calls} = {:.2} and RMSprop gets {:.2}. Its steps of 0.01 times a small gradient are too short \
         for one epoch; RMSprop divides by the gradient's size.\n\
         The files are in the order of their names and are cut off at {} windows, so the last 5 % come from \
         {}, which trained little or nothing: val_acc says how well these few files are known. A table of \
         what follows one, two or three calls, counted on the windows that train, gets {first:.3}, {second:.3} and \
         {third:.3} right there; the network {:.3}. With the files shuffled, the table of two calls gets \
         {shuffled:.3} and the network {:.3}: the tail, not the network, moves these figures.\n",
        1.0 / calls,
        loss(Setting::MeanSquared),
        loss(Setting::LinearRmsProp),
        loss(Setting::LinearSgd),
        100.0 * clipped(Setting::LinearRmsProp),
        100.0 * clipped(Setting::LinearSgd),
        loss(Setting::SoftmaxSgd),
        calls.ln(),
        loss(Setting::Softmax),
        ui::count(windows.counts().iter().sum::<usize>()),
        ui::plural(windows.files()[1], "file"),
        accuracy(Setting::Softmax),
        accuracy(Setting::SoftmaxShuffled),
    )
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}
