//! Figures by recording instead of by stream.
//!
//! Where many processes or threads make one recording, most streams of an attacked one are ordinary; what an
//! operator asks is whether something in it was found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Run, mean, tested};
use crate::data::{DataSet, Role};
use crate::grid::Ran;
use crate::metrics::{Detection, detection};

/// How well the highest score of a recording's streams tells attacked recordings from normal ones; means over
/// runs.
#[derive(Clone, Debug, Serialize)]
pub struct ByRecording {
    /// Normal recordings tested in a run, the mean over runs.
    pub normal: f64,
    /// Attacked ones.
    pub attack: f64,
    /// Area under the curve.
    pub auc: f64,
    /// Detected at 1 % of false alarms at most.
    pub detected_at_1: f64,
    /// At 5 %.
    pub detected_at_5: f64,
    /// The lowest false alarm rate at which 90 % are detected.
    pub false_alarms_at_90: f64,
}

/// Of these runs; none where every recording is one stream, or where one is learned from and tested.
pub(super) fn by_recording(set: &DataSet, ran: &Ran, runs: &[Run]) -> Option<ByRecording> {
    let of: Vec<Detection> = runs
        .iter()
        .filter_map(|run| of_run(set, ran, run))
        .collect();
    let mean_of = |value: &dyn Fn(&Detection) -> f64| mean(of.iter().map(value));
    Some(ByRecording {
        normal: mean_of(&|d| d.normal as f64)?,
        attack: mean_of(&|d| d.attack as f64)?,
        auc: mean_of(&|d| d.auc)?,
        detected_at_1: mean_of(&|d| d.detected_at_1_percent)?,
        detected_at_5: mean_of(&|d| d.detected_at_5_percent)?,
        false_alarms_at_90: mean_of(&|d| d.false_alarms_at_90_percent)?,
    })
}

fn of_run(set: &DataSet, ran: &Ran, run: &Run) -> Option<Detection> {
    let mut highest: BTreeMap<u32, (f32, bool)> = BTreeMap::new();
    let mut streams = 0;
    for (place, score, role) in tested(set, ran, run) {
        let recording = set.about[place].recording;
        let entry = highest.entry(recording).or_insert((score, false));
        *entry = (entry.0.max(score), entry.1 || role == Role::Attack);
        streams += 1;
    }
    let mut learned = ran.rounds[run.round].round.train.iter();
    if highest.len() == streams
        || learned.any(|&place| highest.contains_key(&set.about[place].recording))
    {
        return None;
    }
    let of = |attacked: bool| {
        let wanted = highest.values().filter(move |(_, of)| *of == attacked);
        wanted.map(|&(score, _)| score).collect::<Vec<f32>>()
    };
    detection(&of(false), &of(true))
}
