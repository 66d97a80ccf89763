//! The score of every tested stream, for whoever wants to know which ones a detector gets wrong.

use std::collections::BTreeMap;
use std::io;

use super::{runs_of, tested};
use crate::data::{DataSet, Role};
use crate::grid::{Grid, Ran};

/// What a detector made of a stream, over all runs that tested it.
#[derive(Clone, Copy, Debug, Default)]
struct Judged {
    score: f64,
    /// Shares of the streams of the other label that are on the wrong side of it.
    wrong: f64,
    runs: u32,
}

/// Writes a line for each tested stream and detector: set, detector, stream, label, family, the mean of its
/// scores over the runs that tested it, and the mean share of the streams of the other label that are on the wrong
/// side of it: of a normal stream the attacks that score no higher, of an attack the normal streams that score no
/// lower. The worst come first.
///
/// # Errors
/// Those of the writer.
pub fn write_streams(grid: &Grid, ran: &[Ran], out: impl io::Write) -> Result<(), csv::Error> {
    let mut out = csv::Writer::from_writer(out);
    out.write_record([
        "set", "detector", "stream", "label", "family", "score", "wrong",
    ])?;
    for (set, ran) in grid.sets.iter().zip(ran) {
        for spec in &grid.detectors {
            let detector = spec.to_string();
            for (place, judged) in judged(grid, set, ran, spec) {
                let about = &set.about[place];
                let runs = f64::from(judged.runs);
                out.write_record([
                    set.name.as_str(),
                    &detector,
                    &set.streams.get(place).name,
                    if about.role == Role::Attack {
                        "attack"
                    } else {
                        "normal"
                    },
                    about.family.as_deref().unwrap_or_default(),
                    &format!("{:.6}", judged.score / runs),
                    &format!("{:.4}", judged.wrong / runs),
                ])?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// Each tested stream of a set, the worst judged first.
fn judged(grid: &Grid, set: &DataSet, ran: &Ran, spec: &crate::grid::Spec) -> Vec<(usize, Judged)> {
    let mut all: BTreeMap<usize, Judged> = BTreeMap::new();
    let (runs, _) = runs_of(grid, set, ran, spec);
    for run in &runs {
        let of = |attack: bool| {
            let scores = tested(set, ran, run);
            let scores = scores.filter(move |(.., role)| (*role == Role::Attack) == attack);
            let mut scores: Vec<f32> = scores.map(|(_, score, _)| score).collect();
            scores.sort_by(f32::total_cmp);
            scores
        };
        let (normal, attacks) = (of(false), of(true));
        let share = |n: usize, of: &[f32]| n as f64 / of.len().max(1) as f64;
        for (place, score, role) in tested(set, ran, run) {
            let wrong = match role {
                Role::Attack => {
                    let lower = normal.partition_point(|&other| other < score);
                    share(normal.len() - lower, &normal)
                }
                _ => share(attacks.partition_point(|&other| other <= score), &attacks),
            };
            let judged = all.entry(place).or_default();
            judged.score += f64::from(score);
            judged.wrong += wrong;
            judged.runs += 1;
        }
    }
    let mut all: Vec<(usize, Judged)> = all.into_iter().collect();
    all.sort_by(|(_, a), (_, b)| {
        let of = |judged: &Judged| judged.wrong / f64::from(judged.runs);
        of(b).total_cmp(&of(a))
    });
    all
}
