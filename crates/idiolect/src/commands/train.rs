//! `idiolect train`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use idiolect_detect::profile::ProfileError;
use idiolect_detect::split::Policy;
use idiolect_detect::{Checkpoint, FitConfig, FitError, Streams, Token};
use idiolect_trace::read::Part;
use serde_json::json;

use crate::args::Train;
use crate::collect::{self, Collected};
use crate::exit;
use crate::learn::{self, Learned};
use crate::output::{finish, out};
use crate::ui;

pub(crate) fn run(args: &Train) -> Result<u8> {
    check_writable(&args.output)?;
    let parts: &[Part] = if args.reading.part.is_empty() {
        &[Part::Training]
    } else {
        &args.reading.part
    };
    let collected = collect::read(&args.paths, &args.reading, parts)?;
    say_what_was_read(&collected);

    let checkpoint_path = learn::checkpoint_path(&args.output);
    let resume = if args.resume {
        let checkpoint = Checkpoint::load(&checkpoint_path)?;
        Some(checkpoint)
    } else {
        None
    };
    let usual = learn::config(&args.learning, &collected.streams, None)?;
    let config = FitConfig {
        signal: args.signal.unwrap_or(usual.signal),
        rate: args.false_alarm_rate,
        cross_fit: args.cross_fit.map(usize::from),
        ..usual
    };
    if let Some(folder) = &args.export {
        export(&collected.streams, config.policy, folder)?;
    }
    let result = fit(
        &collected.streams,
        &config,
        args.learning.threads(),
        resume,
        &checkpoint_path,
    );
    let mut learned = match result {
        Ok(learned) => learned,
        Err(Stopped::Interrupted) => return Ok(exit::INTERRUPTED),
        Err(Stopped::Failed(error)) => return Err(error),
    };
    let sources = args.paths.iter().map(|path| path.display().to_string());
    learned.sign(sources.collect());
    learned.profile.save(&args.output)?;
    // What is in the profile needs no checkpoint any more.
    match std::fs::remove_file(&checkpoint_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => ui::say(&format!(
            "{}: cannot remove the checkpoint: {error}",
            checkpoint_path.display()
        )),
        _ => {}
    }

    let mut out = out();
    if args.json {
        writeln!(out, "{}", summary_json(&learned, &args.output))?;
    } else {
        write!(out, "{}", learn::summary(&learned))?;
        writeln!(out, "saved to {}", args.output.display())?;
    }
    finish(out)?;
    Ok(exit::OK)
}

enum Stopped {
    Interrupted,
    Failed(anyhow::Error),
}

fn fit(
    streams: &Streams,
    config: &FitConfig,
    threads: usize,
    resume: Option<Checkpoint>,
    checkpoint_path: &Path,
) -> Result<Learned, Stopped> {
    let save =
        |checkpoint: &Checkpoint| -> Result<(), ProfileError> { checkpoint.save(checkpoint_path) };
    let kept = |checkpoint: Option<Box<Checkpoint>>| match checkpoint {
        None => "nothing to keep yet: no epoch was complete".to_owned(),
        Some(checkpoint) => match save(&checkpoint) {
            Ok(()) => format!(
                "kept the state after epoch {} in {}; the same command with --resume goes on from there",
                checkpoint.epochs(),
                checkpoint_path.display()
            ),
            Err(error) => format!("{error}"),
        },
    };
    match learn::fit(streams, config, threads, resume, &save) {
        Ok(learned) => Ok(learned),
        Err(FitError::Interrupted { checkpoint }) => {
            ui::say(&format!("interrupted: {}", kept(checkpoint)));
            Err(Stopped::Interrupted)
        }
        Err(FitError::Train { source, checkpoint }) => {
            ui::say(&kept(checkpoint));
            let error = FitError::Train {
                source,
                checkpoint: None,
            };
            Err(Stopped::Failed(error.into()))
        }
        Err(error) => Err(Stopped::Failed(error.into())),
    }
}

/// Writes the sequences as numbers, one a line.
fn export(streams: &Streams, policy: Policy, folder: &Path) -> Result<()> {
    let data = idiolect_detect::export(streams, policy)?;
    fs::create_dir(folder)
        .with_context(|| format!("{}: cannot make this folder", folder.display()))?;
    let write = |name: &str, lines: &mut dyn Iterator<Item = String>| -> Result<()> {
        let path = folder.join(name);
        let mut text = String::new();
        for line in lines {
            text += &line;
            text.push('\n');
        }
        fs::write(&path, text).with_context(|| format!("{}: cannot write", path.display()))
    };
    let tokens = 0..data.vocabulary.len() as Token;
    let mut names = tokens.map(|token| data.vocabulary.name(token).to_owned());
    write("vocabulary.txt", &mut names)?;
    for (name, sequences) in [
        ("train.txt", &data.train),
        ("tune.txt", &data.tune),
        ("calibrate.txt", &data.calibrate),
    ] {
        let mut lines = sequences.iter().map(|sequence| {
            let words: Vec<String> = sequence.iter().map(Token::to_string).collect();
            words.join(" ")
        });
        write(name, &mut lines)?;
    }
    Ok(())
}

/// A folder that is not there or may not be written is better known before training than after.
fn check_writable(profile: &Path) -> Result<()> {
    if profile.is_dir() {
        bail!(
            "{}: it is a folder; give the profile a file name, as in -o {}/app.idio",
            profile.display(),
            profile.display()
        );
    }
    let folder = match profile.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::tempfile_in(folder)
        .map(drop)
        .with_context(|| format!("{}: cannot write there", folder.display()))
}

fn say_what_was_read(collected: &Collected) {
    let streams = &collected.streams;
    ui::say(&format!(
        "read {} in {} from {}",
        ui::plural(streams.calls(), "call"),
        ui::plural(streams.len(), "stream"),
        ui::plural(collected.sources, "file"),
    ));
}

fn summary_json(learned: &Learned, path: &Path) -> serde_json::Value {
    let profile = &learned.profile;
    json!({
        "profile": path.display().to_string(),
        "seconds": learned.seconds,
        "provenance": profile.provenance,
        "decision": profile.decision,
        "rate_raised_to": learned.raised_rate,
        "threshold": learn::threshold(profile),
        "interval": learn::interval(profile),
        "epochs": learned.epochs.iter().map(learn::epoch_json).collect::<Vec<_>>(),
    })
}
