//! Fitting a profile, as the person sees it.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use idiolect_detect::profile::{Model, Profile, ProfileError};
use idiolect_detect::{
    Checkpoint, FitConfig, FitError, FitEvent, Interval, SignalKind, Streams, Unit, Vocabulary,
    Windows, fit as fit_profile,
};
use idiolect_nn::{EpochReport, Phase};
use indicatif::ProgressBar;
use serde_json::json;

use crate::args::{DEFAULT_MODEL, Learning, ModelName, SplitName};
use crate::interrupt::Interrupt;
use crate::preset::fit_config;
use crate::ui;

/// A profile, and how it came about.
#[derive(Debug)]
pub(crate) struct Learned {
    pub(crate) profile: Profile,
    pub(crate) epochs: Vec<EpochReport>,
    /// The false alarm rate, where it had to be higher than the usual one.
    pub(crate) raised_rate: Option<f64>,
    pub(crate) seconds: f64,
}

/// Windows that are read side by side where the preset's batch is one of streams: the original's.
const WINDOW_BATCH: usize = 50;
/// How often a long training saves a checkpoint, lest a fault lose it all.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(120);
/// Steps of a bar: it shows shares of the whole training, not items.
const BAR_STEPS: u64 = 1_000;

/// How to fit, from what was asked for; `split` where the command settles it.
pub(crate) fn config(
    learning: &Learning,
    streams: &Streams,
    split: Option<SplitName>,
) -> Result<FitConfig> {
    let config = config_of_model(learning, streams, split)?;
    // What the evaluation supports for language models (RESULTS.md); what others count is their own measure.
    let signal = match config.model.is_language_model() {
        true => SignalKind::Distinct,
        false => SignalKind::Mean,
    };
    Ok(FitConfig { signal, ..config })
}

fn config_of_model(
    learning: &Learning,
    streams: &Streams,
    split: Option<SplitName>,
) -> Result<FitConfig> {
    let model = match learning.model {
        None if learning.of_network().is_none() => DEFAULT_MODEL,
        None => ModelName::Lstm,
        Some(model) => model,
    };
    if let Some(model) = model.config(learning.seed) {
        if let Some(option) = learning.of_network() {
            bail!(
                "{option} is of networks, and --model asks for another model: leave one of them out"
            );
        }
        let split = split.or(learning.split).unwrap_or(SplitName::Content);
        return Ok(fit_config(model, split.policy(None)));
    }
    let preset = learning.preset.unwrap_or_default();
    let mut recipe = preset.recipe(streams.calls());
    let train = &mut recipe.train;
    train.seed = learning.seed;
    if let Some(epochs) = learning.epochs {
        train.epochs = epochs as usize;
    }
    if let Some(share) = learning.dropout {
        train.dropout.between = share;
        train.dropout.output = share;
        if recipe.network.embedding.is_some() {
            train.dropout.embedding = share;
        }
    }
    if let Some(loss) = learning.loss {
        train.objective = loss.into();
    }
    match (learning.optimiser, learning.learning_rate) {
        (Some(optimiser), rate) => train.optimiser = optimiser.at(rate),
        (None, Some(rate)) => train.optimiser.learning_rate = rate,
        (None, None) => {}
    }
    if let Some(batch) = learning.batch {
        train.batch = usize::from(batch);
    }
    if let Some(patience) = learning.patience {
        train.patience = Some(usize::from(patience));
    }
    let windows_asked = learning.limit_windows.is_some() || learning.lead_in || learning.drop_in;
    if let Some(inputs) = learning.window {
        recipe.windows = Some(Windows {
            inputs: usize::from(inputs),
            lead_in: false,
            drop_in: false,
        });
        train.bptt = usize::from(inputs);
        train.batch = learning
            .batch
            .map_or(train.batch.max(WINDOW_BATCH), usize::from);
    }
    match &mut recipe.windows {
        Some(windows) => {
            windows.lead_in = learning.lead_in;
            windows.drop_in = learning.drop_in;
        }
        None if windows_asked => bail!(
            "--limit-windows, --lead-in and --drop-in are for models of windows: add --window 19 or --preset seed"
        ),
        None => {}
    }
    let split = split.or(learning.split).unwrap_or(recipe.split);
    let split = match (learning.limit_windows, split) {
        (None, _) | (_, SplitName::Order) => split,
        (Some(_), _) if learning.split.is_none() => SplitName::Order,
        _ => bail!("--limit-windows takes windows in the order of the files: add --split order"),
    };
    Ok(recipe.fit_config(split.policy(learning.limit_windows)))
}

/// Fits a profile and shows how far it is. A checkpoint is saved now and then, through `save`.
pub(crate) fn fit(
    streams: &Streams,
    config: &FitConfig,
    threads: usize,
    resume: Option<Checkpoint>,
    save: &dyn Fn(&Checkpoint) -> Result<(), ProfileError>,
) -> Result<Learned, FitError> {
    let interrupt = Interrupt::listen();
    let began = Instant::now();
    let mut saved = Instant::now();
    let mut show = Show::default();
    let outcome = fit_profile(streams, config, threads, resume, &mut |event| {
        if let FitEvent::Epoch {
            checkpoint: Some(unsaved),
            ..
        } = &event
            && saved.elapsed() > CHECKPOINT_EVERY
        {
            saved = Instant::now();
            if let Err(error) = save(&unsaved.checkpoint()) {
                ui::say(&format!("{error}"));
            }
        }
        show.event(&event);
        if interrupt.asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    show.end();
    let outcome = outcome?;
    Ok(Learned {
        profile: outcome.profile,
        epochs: outcome.epochs,
        raised_rate: outcome.raised_rate,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The bar of a training.
#[derive(Default)]
struct Show {
    bar: Option<ProgressBar>,
    held_out: Option<f64>,
    fold: Option<(usize, usize)>,
}

impl Show {
    fn event(&mut self, event: &FitEvent<'_>) {
        match event {
            FitEvent::Iteration {
                fold,
                iteration,
                of,
            } => {
                let bar = self.bar_of(*fold);
                bar.set_position((iteration.number * BAR_STEPS as usize / of) as u64);
                bar.set_message(format!(
                    "iteration {} of {of} at most: {:.3} nats a call",
                    iteration.number, iteration.surprise
                ));
            }
            FitEvent::Share { fold, share } => {
                let bar = self.bar_of(*fold);
                bar.set_position((share * BAR_STEPS as f64) as u64);
            }
            FitEvent::Progress { fold, progress } => {
                let held_out = self.held_out;
                let bar = self.bar_of(*fold);
                bar.set_position((progress.fraction * BAR_STEPS as f64) as u64);
                if progress.phase == Phase::Train {
                    let calls = progress.epoch as f64 * progress.targets_total as f64
                        + progress.targets_done as f64;
                    let rate = calls / bar.elapsed().as_secs_f64().max(1e-3);
                    let held_out =
                        held_out.map_or(String::new(), |loss| format!(", held out {loss:.3}"));
                    bar.set_message(format!(
                        "epoch {}/{}: loss {:.3}, accuracy {:.0} %{held_out}; {} calls/s",
                        progress.epoch + 1,
                        progress.epochs,
                        progress.loss,
                        progress.accuracy * 100.0,
                        ui::count(rate as u64),
                    ));
                }
            }
            FitEvent::Epoch { report, .. } => {
                self.held_out = report.tune.map(|tune| tune.mean_loss);
            }
            _ => {}
        }
    }

    /// The bar of this fold's training, a new one where the last was another's.
    fn bar_of(&mut self, fold: Option<(usize, usize)>) -> &ProgressBar {
        if fold != self.fold {
            self.end();
            self.fold = fold;
            self.held_out = None;
        }
        self.bar.get_or_insert_with(|| {
            let what = fold.map_or("training".to_owned(), |(n, of)| {
                format!("calibrating, model {n} of {of}")
            });
            ui::bar_of_shares(BAR_STEPS, &what)
        })
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Learned {
    /// Writes into the profile what made it, when, and from what.
    pub(crate) fn sign(&mut self, sources: Vec<String>) {
        let provenance = &mut self.profile.provenance;
        provenance.tool = format!("idiolect {}", env!("CARGO_PKG_VERSION"));
        provenance.created = humantime::format_rfc3339_seconds(now()).to_string();
        provenance.sources = sources;
    }
}

/// Now, or the moment that SOURCE_DATE_EPOCH names, for results that repeat to the last byte.
fn now() -> SystemTime {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
        .unwrap_or_else(SystemTime::now)
}

/// What came of a training, in a few lines.
pub(crate) fn summary(learned: &Learned) -> String {
    let profile = &learned.profile;
    let from = &profile.provenance;
    let [train, tune, calibrate] = from.split.map(ui::count);
    let units = match profile.unit() {
        Unit::Stream => "streams".to_owned(),
        Unit::Block(len) => {
            format!("blocks of {len} calls (too few streams to hold whole ones out)")
        }
    };
    let mut text = format!(
        "learned {} in {}: {train} {units} to learn from, {tune} to {} by, {calibrate} to set the threshold by\n\
         held out: {}; {}{} in the vocabulary\n",
        ui::plural(from.calls, "call"),
        ui::span(Duration::from_secs_f64(learned.seconds)),
        match from.epochs {
            [0, _] => "measure",
            _ => "stop",
        },
        held_out(profile),
        match from.epochs {
            [0, _] => String::new(),
            [epochs, kept] => format!("kept epoch {kept} of {epochs}; "),
        },
        ui::plural(
            profile.vocabulary.len() - Vocabulary::FIRST_CALL as usize,
            "call"
        ),
    );
    if let Some(Model::Window(_)) = profile.models.first() {
        text += &history(&learned.epochs);
    }
    let rate = profile.decision.rate;
    if let Some(raised) = learned.raised_rate {
        text += &format!(
            "the data support no false alarm rate below {}: that is taken, not the usual {}. More \
             normal runs lower it\n",
            ui::percent(raised),
            ui::percent(idiolect_detect::DEFAULT_RATE),
        );
    }
    if let (Some(threshold), Some(interval)) = (threshold(profile), interval(profile)) {
        text += &format!(
            "threshold: {} above {threshold:.3}, for {} false alarms; the rate reached will lie between \
             {} and {} (90 % sure)\n",
            profile.decision.signal.as_str(),
            ui::percent(rate),
            ui::percent(interval.low),
            ui::percent(interval.high),
        );
    }
    text
}

/// How odd calls of the tune part were.
pub(crate) fn held_out(profile: &Profile) -> String {
    let mean = profile.provenance.tune_surprise;
    let measure = profile.detector().measure();
    if measure.is_surprise() {
        return format!("{mean:.4} nats a call (perplexity {:.2})", mean.exp());
    }
    format!("{mean:.5} {}", measure.unit_of_mean())
}

/// How each epoch went, under the names that Keras gives it.
fn history(epochs: &[EpochReport]) -> String {
    let mut text = " epoch      loss    acc   val_loss  val_acc\n".to_owned();
    for report in epochs {
        let _ = write!(
            text,
            "{:>6} {:>9.4} {:>6.4}",
            report.epoch + 1,
            report.train.mean_loss,
            report.train.accuracy
        );
        if let Some(tune) = report.tune {
            let _ = write!(text, "  {:>9.4}   {:>6.4}", tune.mean_loss, tune.accuracy);
        }
        text.push('\n');
    }
    text
}

/// The threshold for streams of all start kinds together.
pub(crate) fn threshold(profile: &Profile) -> Option<f32> {
    let decision = profile.decision;
    let threshold = profile.threshold(decision.signal, None, decision.rate);
    threshold.ok().map(|threshold| threshold.value)
}

/// Where the false alarm rate of that threshold lies.
pub(crate) fn interval(profile: &Profile) -> Option<Interval> {
    let decision = profile.decision;
    let threshold = profile
        .threshold(decision.signal, None, decision.rate)
        .ok()?;
    threshold.calibration.interval(decision.rate).ok()
}

/// An epoch for those who draw curves.
pub(crate) fn epoch_json(report: &EpochReport) -> serde_json::Value {
    json!({
        "epoch": report.epoch + 1,
        "loss": report.train.mean_loss,
        "accuracy": report.train.accuracy,
        "held_out_surprise": report.tune.map(|tune| tune.mean_loss),
        "held_out_accuracy": report.tune.map(|tune| tune.accuracy),
        "learning_rate": report.learning_rate,
        "kept": report.best,
    })
}

/// Saves nothing, for trainings that are over before a checkpoint would matter.
pub(crate) fn keep_nothing(_: &Checkpoint) -> Result<(), ProfileError> {
    Ok(())
}

/// Where the checkpoint of a profile lies.
pub(crate) fn checkpoint_path(profile: &Path) -> std::path::PathBuf {
    let mut name = profile.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}
