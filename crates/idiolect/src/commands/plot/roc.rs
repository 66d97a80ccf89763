//! `idiolect plot roc`.

use anyhow::{Result, bail};
use idiolect_detect::profile::Profile;
use idiolect_report as report;

use super::{Roc, curves, output};
use crate::commands::scored::{self, Scored};
use crate::ui;

pub(super) fn run(args: &Roc) -> Result<u8> {
    let Some((path, profiles)) = args.profiles_and_path.split_last() else {
        bail!("give a profile and labelled traces");
    };
    curves::refuse_too_many(profiles.len())?;
    let loaded = profiles
        .iter()
        .map(|path| Profile::load(path))
        .collect::<Result<Vec<_>, _>>()?;
    let judges = loaded
        .iter()
        .map(|profile| args.judging.judge(profile))
        .collect::<Result<Vec<_>>>()?;
    let streams = scored::score(&judges, std::slice::from_ref(path), &args.reading)?;
    let of = |attack: bool| streams.iter().filter(|s| s.attack == Some(attack)).count();
    let (normal, attacks) = (of(false), of(true));
    if normal == 0 || attacks == 0 {
        bail!(
            "{}: a ROC curve needs normal streams and attacks that are labelled so, and there are {} and {}; \
             labels come with data sets such as ADFA-LD, read as distributed",
            path.display(),
            ui::count(normal),
            ui::count(attacks)
        );
    }
    let unique = scored::without_copies(&streams);
    let all: Vec<&Scored> = streams.iter().collect();
    let mut rocs = Vec::new();
    for (place, name) in super::names(profiles).into_iter().enumerate() {
        rocs.push(report::Roc {
            name: format!("{name}, {}", judges[place].signal().as_str()),
            all: labelled(&all, place),
            unique: (unique.len() < all.len()).then(|| labelled(&unique, place)),
        });
    }
    let subtitle = format!(
        "{}: {} normal streams and {} attacks",
        super::name(path),
        ui::count(normal),
        ui::count(attacks)
    );
    let sheet = args
        .look
        .sheet("Attacks detected against false alarms", subtitle, 560);
    let picture = report::roc(&sheet, &rocs);
    let mut chosen = vec![("picture", "roc".to_owned())];
    for roc in &rocs {
        let auc = |scores: &report::Labelled| format!("{:.4}", scores.auc().unwrap_or(f64::NAN));
        chosen.push(("auc", auc(&roc.all)));
        chosen.extend(
            roc.unique
                .as_ref()
                .map(|unique| ("auc_without_copies", auc(unique))),
        );
    }
    output::write(&picture, &args.look, &chosen)
}

/// The scores by one profile.
fn labelled(streams: &[&Scored], place: usize) -> report::Labelled {
    let mut labelled = report::Labelled::default();
    let (mut false_alarms, mut detected) = (0, 0);
    for stream in streams {
        let score = stream.scores[place];
        let (Some(attack), Some(value)) = (stream.attack, score.value) else {
            continue;
        };
        if attack {
            labelled.attack.push(value);
            detected += usize::from(score.anomalous);
        } else {
            labelled.normal.push(value);
            false_alarms += usize::from(score.anomalous);
        }
    }
    labelled.anomalous = Some((false_alarms, detected));
    labelled
}
