//! `idiolect plot curves`.

use anyhow::{Result, bail};
use idiolect_detect::profile::Profile;
use idiolect_nn::Evaluation;
use idiolect_report as report;

use super::{Curves, output};
use crate::ui;

/// Most profiles in one picture: as many as there are colours.
pub(super) const MOST_PROFILES: usize = 7;

pub(super) fn run(args: &Curves) -> Result<u8> {
    refuse_too_many(args.profiles.len())?;
    let mut curves = Vec::new();
    for (path, name) in args.profiles.iter().zip(super::names(&args.profiles)) {
        let profile = Profile::load(path)?;
        let history = &profile.provenance.history;
        if history.is_empty() {
            bail!(
                "{}: this profile does not say how its training went: its model has no epochs, or an older \
                 version made it",
                path.display()
            );
        }
        let epochs = history.iter().map(|epoch| report::Epoch {
            training: fitness(&epoch.train),
            held_out: epoch.tune.as_ref().map(fitness),
        });
        curves.push(report::Curve {
            name,
            epochs: epochs.collect(),
            kept: Some(profile.provenance.epochs[1]),
        });
    }
    let subtitle = match &curves[..] {
        [only] => format!(
            "{}: {}; epoch {} was kept",
            only.name,
            ui::plural(only.epochs.len(), "epoch"),
            only.kept.unwrap_or(0)
        ),
        several => format!("{} profiles", several.len()),
    };
    let sheet = args.look.sheet("How training went", subtitle, 460);
    let picture = report::training_curves(&sheet, &curves, "nats a call");
    let chosen = [
        ("picture", "curves".to_owned()),
        ("profiles", curves.len().to_string()),
    ];
    output::write(&picture, &args.look, &chosen)
}

pub(super) fn refuse_too_many(profiles: usize) -> Result<()> {
    if profiles > MOST_PROFILES {
        bail!(
            "{profiles} profiles are too many for one picture: {MOST_PROFILES} can be told apart"
        );
    }
    Ok(())
}

fn fitness(evaluation: &Evaluation) -> report::Fitness {
    report::Fitness {
        loss: evaluation.mean_loss,
        accuracy: evaluation.accuracy,
    }
}
