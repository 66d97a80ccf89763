//! `idiolect portability`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use idiolect_detect::portability::{self, Acquaintance, Kinship};
use idiolect_detect::profile::{Profile, looks_like_profile};
use idiolect_detect::split::{self, Piece};
use idiolect_detect::{FitConfig, FitError, Judge, Streams, Unit};
use idiolect_trace::read::{Part, escape};
use serde::Serialize;
use serde_json::json;

use crate::args::{Learning, Reading};
use crate::collect;
use crate::exit;
use crate::learn;
use crate::output::{finish, out};
use crate::ui;

/// Train on each set, score every other, and see who knows whose calls
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect portability sendmail/ lpr/ named/
  idiolect portability nginx=logs/nginx apache=logs/httpd.tar.gz --epochs 20
  idiolect portability web.idio mail.idio new=logs/new --json

Sets meet through the names of their calls, so that they may be of different ABIs. A profile knows
and scores, but has no streams to be scored. A set under its own profile is scored on the part that
was held out to set the threshold: its share of anomalous streams is then no larger than the rate,
by construction. A profile recognises what it was trained from if that is given whole, and not if
only a part is, or more. After the portability test of Kim et al. 2016.")]
pub(crate) struct Portability {
    /// A file, folder or archive of normal runs, or a profile; as NAME=PATH to call it something
    #[arg(required = true, value_name = "SET", num_args = 2..)]
    sets: Vec<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    learning: Learning,
}

pub(crate) fn run(args: &Portability) -> Result<u8> {
    let mut sets = Vec::new();
    for text in &args.sets {
        let (name, path) = named(text);
        if sets.iter().any(|set: &Set| set.name == name) {
            let name = escape(name.as_bytes());
            bail!("two sets are called {name}: tell them apart as NAME=PATH");
        }
        sets.push(Set::read(name, &path, args)?);
    }
    if sets.iter().all(|set| set.own.is_none()) {
        bail!("all of these are profiles: give at least one set of streams to be scored");
    }
    let threads = match args.learning.threads() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    for set in &mut sets {
        if !set.train(threads)? {
            return Ok(exit::INTERRUPTED);
        }
    }

    let mut pairs = Vec::new();
    let bar = ui::bar((sets.len() * sets.len()) as u64, "scoring");
    for trained in &sets {
        for scored in &sets {
            pairs.extend(pair(trained, scored, threads)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();

    let mut out = out();
    if args.json {
        let about = |set: &Set| {
            json!({
                "set": set.name,
                "seed": set.profile().map(|profile| profile.provenance.seed),
                "trained_here": set.own.is_some(),
                "streams": set.own.as_ref().map(|own| own.streams.len()),
                "calls": set.own.as_ref().map(|own| own.streams.calls()),
                "false_alarm_rate": set.profile().map(|profile| profile.decision.rate),
            })
        };
        let sets: Vec<_> = sets.iter().map(about).collect();
        serde_json::to_writer(&mut out, &json!({"sets": sets, "pairs": pairs}))?;
        out.write_all(b"\n")?;
    } else {
        out.write_all(as_text(&sets, &pairs).as_bytes())?;
    }
    finish(out)?;
    Ok(exit::OK)
}

/// A set of streams with a profile of them, or a profile alone.
struct Set {
    name: String,
    own: Option<Own>,
    profile: Option<Profile>,
}

/// What is known of a set that is trained on here.
struct Own {
    streams: Streams,
    config: FitConfig,
    /// What sets the threshold.
    held_out: Vec<Piece>,
}

/// A profile and the set that it scored.
#[derive(Serialize)]
struct Pair<'a> {
    trained_on: &'a str,
    scored: &'a str,
    /// What of the set was scored: all of it, or what its own profile held out.
    held_out: bool,
    share_of_names_known: f64,
    share_of_calls_known: f64,
    share_anomalous: f64,
    judged_by: &'static str,
    #[serde(flatten)]
    acquaintance: Acquaintance,
}

impl Set {
    fn read(name: String, path: &Path, args: &Portability) -> Result<Self> {
        if looks_like_profile(path) {
            let profile = Some(super::load_language_model(path)?);
            return Ok(Set {
                name,
                own: None,
                profile,
            });
        }
        let parts: &[Part] = match args.reading.part.as_slice() {
            [] => &[Part::Training],
            parts => parts,
        };
        let streams = collect::read(&[path.to_owned()], &args.reading, parts)?.streams;
        if streams.is_empty() {
            bail!("{}: there is no stream to learn from in it", path.display());
        }
        let config = learn::config(&args.learning, &streams, None)?;
        if !config.model.is_language_model() {
            bail!(
                "--model: this one gives calls no probability, and their mean surprise is what is compared"
            );
        }
        // Better before the other sets are trained on than after.
        let split = split::split(&streams, config.policy, config.model.windows())
            .with_context(|| escape(name.as_bytes()))?;
        Ok(Set {
            name,
            own: Some(Own {
                streams,
                config,
                held_out: split.calibrate,
            }),
            profile: None,
        })
    }

    /// Trains where there is no profile; false where somebody asked to stop.
    fn train(&mut self, threads: usize) -> Result<bool> {
        let (Some(own), None) = (&self.own, &self.profile) else {
            return Ok(true);
        };
        let name = escape(self.name.as_bytes());
        ui::say(&format!(
            "training on {name}: {} of {}",
            ui::plural(own.streams.len(), "stream"),
            ui::plural(own.streams.calls(), "call")
        ));
        match learn::fit(
            &own.streams,
            &own.config,
            threads,
            None,
            &learn::keep_nothing,
        ) {
            Ok(learned) => self.profile = Some(learned.profile),
            Err(FitError::Interrupted { .. }) => return Ok(false),
            Err(error) => return Err(error).context(name),
        }
        Ok(true)
    }

    fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }
}

/// The name and the path of a set as it was given: a path that exists is taken as it is.
fn named(text: &str) -> (String, PathBuf) {
    if let Some((name, path)) = text.split_once('=')
        && !name.is_empty()
        && !Path::new(text).exists()
    {
        return (name.to_owned(), path.into());
    }
    let path = PathBuf::from(text);
    let name = path.file_name().unwrap_or(path.as_os_str());
    (name.to_string_lossy().into_owned(), path)
}

/// What the profile of one set makes of another; `None` where there is nothing to score that it did not
/// learn from.
fn pair<'a>(trained: &'a Set, scored: &'a Set, threads: usize) -> Result<Option<Pair<'a>>> {
    let (
        Some(profile),
        Some(Own {
            streams, held_out, ..
        }),
    ) = (&trained.profile, &scored.own)
    else {
        return Ok(None);
    };
    let kinship = match std::ptr::eq(trained, scored) {
        true => Kinship::Own(held_out.clone()),
        false => portability::kinship(profile, streams, threads),
    };
    let (pieces, held_out) = match kinship {
        Kinship::Other => (portability::whole(streams), false),
        Kinship::Own(pieces) => (pieces, true),
        Kinship::OwnWhole => {
            ui::say(&format!(
                "{} is not scored on {}: it learned from that, and what it did not learn of it is not known",
                escape(trained.name.as_bytes()),
                escape(scored.name.as_bytes())
            ));
            return Ok(None);
        }
    };
    let judge = Judge::new(profile, None, None)?;
    let acquaintance = portability::acquaintance(&judge, streams, &pieces, threads);
    Ok(acquaintance.map(|acquaintance| Pair {
        trained_on: &trained.name,
        scored: &scored.name,
        held_out,
        share_of_names_known: acquaintance.share_of_names(),
        share_of_calls_known: acquaintance.share_of_calls(),
        share_anomalous: acquaintance.share_anomalous(),
        judged_by: match profile.unit() {
            Unit::Stream => "stream",
            Unit::Block(_) => "block",
        },
        acquaintance,
    }))
}

fn as_text(sets: &[Set], pairs: &[Pair<'_>]) -> String {
    let width = |name: fn(&Pair<'_>) -> String, head: &str| {
        let widest = pairs.iter().map(|pair| name(pair).chars().count()).max();
        widest.unwrap_or(0).max(head.len())
    };
    let (trained, scored) = (
        width(trained_on, "trained on"),
        width(scored_name, "scored"),
    );
    let mut text = format!(
        "{:<trained$}  {:<scored$}  {:>8} {:>10}  {:>11} {:>11}  {:>10}  anomalous\n",
        "trained on", "scored", "streams", "calls", "names known", "calls known", "nats/call"
    );
    for pair in pairs {
        let of = &pair.acquaintance;
        let names = format!("{} of {}", of.known_names, of.names);
        let anomalous = format!(
            "{} of {}",
            ui::count(of.anomalous),
            ui::plural(of.judged, pair.judged_by)
        );
        text += &format!(
            "{:<trained$}  {:<scored$}  {:>8} {:>10}  {names:>11} {:>11}  {:>10.3}  {:<5} ({anomalous})\n",
            trained_on(pair),
            scored_name(pair),
            ui::count(of.streams),
            ui::count(of.calls),
            ui::percent(pair.share_of_calls_known),
            of.mean_surprise,
            ui::percent(pair.share_anomalous),
        );
    }
    text.push('\n');
    for set in sets {
        let Some(profile) = set.profile() else {
            continue;
        };
        text += &format!(
            "{}: seed {}, {}, threshold at {} false alarms\n",
            escape(set.name.as_bytes()),
            profile.provenance.seed,
            ui::plural(profile.vocabulary.calls().count(), "call name"),
            ui::percent(profile.decision.rate),
        );
    }
    text
}

fn trained_on(pair: &Pair<'_>) -> String {
    escape(pair.trained_on.as_bytes())
}

fn scored_name(pair: &Pair<'_>) -> String {
    let name = escape(pair.scored.as_bytes());
    match pair.held_out {
        true => format!("{name} (held out)"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_names() {
        let cases = [
            ("a/b.zip", ("b.zip", "a/b.zip")),
            ("web=logs/x", ("web", "logs/x")),
            ("=logs", ("=logs", "=logs")),
            ("a=b=c", ("a", "b=c")),
        ];
        for (text, (name, path)) in cases {
            assert_eq!(named(text), (name.to_owned(), path.into()), "{text}");
        }
    }
}
