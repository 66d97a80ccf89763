//! `idiolect demo`: the main job, on recordings that come with the program.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use idiolect_detect::{FitError, Verdict};

use super::explain::{self, Explained};
use crate::args::{Demo, Learning, Reading};
use crate::collect;
use crate::exit;
use crate::input::Input;
use crate::learn;
use crate::output::{finish, out};
use crate::ui;

/// Sessions of a small network service, recorded with strace by `demo/record.sh`.
const RECORDINGS: &[u8] = include_bytes!("../../../../demo/recordings.tar.gz");
const ARCHIVE: &str = "recordings.tar.gz";

/// The misuses, by the beginning of their files' names, and what they are.
const MISUSES: [(&str, &str); 3] = [
    (
        "misused/shell",
        "a command injected through a parameter, which starts a shell",
    ),
    ("misused/file", "a file read that the service never reads"),
    ("misused/connect", "a connection to elsewhere"),
];

pub(crate) fn run(args: &Demo) -> Result<u8> {
    let reading = Reading::default();
    let mut out = out();
    if let Some(folder) = &args.keep {
        unpack(folder)?;
    }
    writeln!(
        out,
        "A small notes service was recorded under strace: many normal sessions, and some in which\n\
         somebody misuses it. First, learn what its normal sessions say.\n"
    )?;
    out.flush()?;

    let is_learned = |origin: &str| is_normal(origin) && !is_held_back(origin);
    let normal = collect::from(embedded(&is_learned), &reading, &[])?;
    let learning = Learning {
        seed: args.seed,
        ..Learning::default()
    };
    let config = learn::config(&learning, &normal.streams, None)?;
    let mut learned = match learn::fit(
        &normal.streams,
        &config,
        learning.threads(),
        None,
        &learn::keep_nothing,
    ) {
        Ok(learned) => learned,
        Err(FitError::Interrupted { .. }) => return Ok(exit::INTERRUPTED),
        Err(error) => return Err(error.into()),
    };
    learned.sign(vec![format!("{ARCHIVE}:normal/")]);
    write!(out, "{}", learn::summary(&learned))?;
    let profile = &learned.profile;
    if let Some(folder) = &args.keep {
        profile.save(&folder.join("notes.idio"))?;
    }

    let judge = explain::own_judge(profile)?;
    let is_test = |origin: &str| is_normal(origin) && is_held_back(origin);
    let quiet = explain::explain(&judge, embedded(&is_test), &reading, 0, 1)?;
    writeln!(
        out,
        "\nThen score what it has not heard. Normal sessions held back: {} of {} called anomalous \
         ({} asked for).\n",
        quiet.anomalous,
        ui::plural(quiet.streams, "stream"),
        ui::percent(profile.decision.rate),
    )?;
    out.flush()?;

    let mut shown = Vec::new();
    writeln!(out, "Misused sessions:")?;
    for (prefix, what) in MISUSES {
        let mut found = 0;
        let names = files(prefix)?;
        for name in &names {
            let only_it = |origin: &str| inside(origin) == name;
            let explaining = explain::explain(&judge, embedded(&only_it), &reading, 1, 3)?;
            found += usize::from(explaining.anomalous > 0);
            if name == &names[0] {
                shown.push((what, explaining));
            }
        }
        writeln!(out, "  {found} of {} found  {what}", names.len())?;
    }
    writeln!(out, "\nAnd say why. The first session of each kind:\n")?;
    for (what, explaining) in &shown {
        writeln!(out, "--- {what}")?;
        write!(out, "{}", explaining.as_text(&judge))?;
    }
    let explained = shown.iter().flat_map(|(_, explaining)| &explaining.worst);
    write!(out, "{}", closing(explained, args.keep.as_deref()))?;
    finish(out)?;
    Ok(exit::OK)
}

/// What the person just saw.
fn closing<'a>(explained: impl Iterator<Item = &'a Explained>, kept: Option<&Path>) -> String {
    let anomalous = explained
        .filter(|e| e.explanation.score.verdict == Verdict::Anomalous || e.new_program)
        .count();
    let mut text = format!(
        "What you saw: a language model learned which system call follows which in normal sessions, a\n\
         threshold was set on sessions that it had not learned from, and {anomalous} of the three misuses above \n\
         stood out, down to the call. Nobody told it what an attack is.\n\n"
    );
    match kept {
        Some(folder) => {
            let folder = folder.display();
            text += &format!(
                "The profile and the recordings are in {folder}. Go on with\n  \
                 idiolect inspect {folder}/notes.idio\n  \
                 idiolect score {folder}/notes.idio {folder}/misused\n"
            );
        }
        None => {
            text += "Now on something of yours: idiolect try -- ls /usr --then -R\n";
        }
    }
    text
}

fn embedded<'a>(wanted: &'a dyn Fn(&str) -> bool) -> Input<'a> {
    Input::Embedded {
        name: ARCHIVE,
        bytes: RECORDINGS,
        wanted,
    }
}

/// The entry's name without the archive's.
fn inside(origin: &str) -> &str {
    origin.split_once(':').map_or(origin, |(_, entry)| entry)
}

fn is_normal(origin: &str) -> bool {
    inside(origin).starts_with("normal/")
}

/// Every sixth file of normal sessions teaches nothing and tests what was learned.
fn is_held_back(origin: &str) -> bool {
    let digits: String = inside(origin)
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse::<u32>().is_ok_and(|number| number % 6 == 0)
}

/// The files of the archive whose names begin like this, sorted.
fn files(prefix: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in archive().entries()? {
        let name = entry?.path()?.display().to_string();
        if name.starts_with(prefix) {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("the recordings hold no {prefix}");
    }
    Ok(names)
}

fn archive() -> tar::Archive<flate2::read::GzDecoder<&'static [u8]>> {
    tar::Archive::new(flate2::read::GzDecoder::new(RECORDINGS))
}

fn unpack(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder)
        .with_context(|| format!("{}: cannot make this folder", folder.display()))?;
    archive()
        .unpack(folder)
        .with_context(|| format!("{}: cannot unpack the recordings", folder.display()))
}
