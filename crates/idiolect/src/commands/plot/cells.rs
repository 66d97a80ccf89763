//! `idiolect plot cells`.

use anyhow::{Result, bail};
use idiolect_detect::DetectorState;
use idiolect_detect::profile::{Model, Profile};
use idiolect_report as report;

use super::replay::replay;
use super::{Cells, output, recorder};

pub(super) fn run(args: &Cells) -> Result<u8> {
    let which = &args.which;
    let profile = Profile::load(&which.profile)?;
    let widths = widths(&profile)?;
    let asked = asked(args, &widths)?;
    let judge = which.judging.judge(&profile)?;
    let (recording, names) = recorder::record(which, &judge)?;
    let unit = match asked {
        Asked::Unit(unit) => unit,
        Asked::Telling(layers) => {
            let mut habits: Vec<(Unit, Habits)> = Vec::new();
            for layer in layers {
                let units = (0..widths[layer]).map(|place| Unit { layer, place });
                habits.extend(units.map(|unit| (unit, Habits::default())));
            }
            replay(&profile, &recording, &names, false, &mut |step| {
                for (unit, habits) in &mut habits {
                    habits.take(unit.activation(step.state));
                }
            });
            telling(&habits)
        }
    };
    let mut calls = Vec::with_capacity(recording.symbols.len());
    replay(&profile, &recording, &names, false, &mut |step| {
        calls.push(report::CellCall {
            call: step.symbol,
            value: unit.activation(step.state),
        });
    });
    let from = args.from as usize - 1;
    if from >= calls.len() {
        bail!("--from {}: the stream has {} calls", args.from, calls.len());
    }
    let strip = report::CellStrip {
        names: names.into_vec(),
        calls,
        from,
    };
    let title = format!(
        "What cell {} of layer {} holds",
        unit.place + 1,
        unit.layer + 1
    );
    let heading = recording.heading(&super::name(&which.profile), &judge);
    let sheet = args.look.sheet(&title, heading, 720);
    let picture = report::cell_strip(&sheet, &strip);
    let mut chosen = vec![("picture", "cells".to_owned())];
    chosen.extend(recording.chosen());
    chosen.extend([
        ("layer", (unit.layer + 1).to_string()),
        ("unit", (unit.place + 1).to_string()),
    ]);
    output::write(&picture, &args.look, &chosen)
}

/// One cell of a network, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    layer: usize,
    place: usize,
}

enum Asked {
    Unit(Unit),
    /// The most telling one of these layers.
    Telling(std::ops::Range<usize>),
}

impl Unit {
    /// tanh of what it holds.
    fn activation(self, state: &DetectorState) -> f32 {
        match state {
            DetectorState::Lstm(state) => state.cell(self.layer)[self.place].tanh(),
            // Refused before, with the model.
            _ => 0.0,
        }
    }
}

/// The width of each layer of the profile's network.
fn widths(profile: &Profile) -> Result<Vec<usize>> {
    match profile.models.first() {
        Some(Model::Lstm(model)) => Ok(model.weights().architecture().hidden.clone()),
        _ => bail!(
            "the profile's model keeps no cells from call to call; this picture is of LSTM language models"
        ),
    }
}

fn asked(args: &Cells, widths: &[usize]) -> Result<Asked> {
    let layers = widths.len();
    let layer = args.layer.map(|layer| usize::from(layer) - 1);
    if let Some(layer) = layer.filter(|&layer| layer >= layers) {
        bail!("--layer {}: the network has {layers} layers", layer + 1);
    }
    let Some(unit) = args.unit else {
        return Ok(Asked::Telling(match layer {
            Some(layer) => layer..layer + 1,
            None => 0..layers,
        }));
    };
    let layer = layer.unwrap_or(layers - 1);
    let place = usize::from(unit) - 1;
    if place >= widths[layer] {
        bail!(
            "--unit {unit}: layer {} has {} units",
            layer + 1,
            widths[layer]
        );
    }
    Ok(Asked::Unit(Unit { layer, place }))
}

/// How a unit behaves along a stream, in constant memory.
#[derive(Clone, Debug)]
struct Habits {
    /// How often its activation was in each of equal parts of -1 to 1.
    parts: [u64; PARTS],
    count: u64,
    /// Sum of the changes from call to call.
    way: f64,
    last: Option<f32>,
    /// Least and greatest, and how often it went from the lower to the upper third between them, or back.
    low: f32,
    high: f32,
    side: i8,
    crossings: u64,
}

const PARTS: usize = 64;
/// Units that cover less than this share of what the widest one covers are not telling.
const LEAST_RANGE: f64 = 0.5;
/// Nor those that go up or down fewer times: they only say how long the stream is.
const LEAST_CROSSINGS: u64 = 2;

impl Default for Habits {
    fn default() -> Self {
        Habits {
            parts: [0; PARTS],
            count: 0,
            way: 0.0,
            last: None,
            low: f32::MAX,
            high: f32::MIN,
            side: 0,
            crossings: 0,
        }
    }
}

impl Habits {
    fn take(&mut self, value: f32) {
        let part = ((value + 1.0) * 0.5 * PARTS as f32) as usize;
        self.parts[part.min(PARTS - 1)] += 1;
        self.count += 1;
        if let Some(last) = self.last.replace(value) {
            self.way += f64::from((value - last).abs());
        }
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        let place = (value - self.low) / (self.high - self.low).max(f32::MIN_POSITIVE);
        let side = match place {
            place if place > 2.0 / 3.0 => 1,
            place if place < 1.0 / 3.0 => -1,
            _ => return,
        };
        self.crossings += u64::from(self.side != 0 && self.side != side);
        self.side = side;
    }

    /// From the 5th to the 95th percentile.
    fn range(&self) -> f64 {
        let part = |share: f64| {
            let wanted = (self.count as f64 * share) as u64;
            let mut below = 0;
            let found = self.parts.iter().position(|&count| {
                below += count;
                below > wanted
            });
            found.unwrap_or(PARTS - 1) as f64
        };
        (part(0.95) - part(0.05)) * 2.0 / PARTS as f64
    }

    /// Range by the mean step.
    fn calm(&self) -> f64 {
        let steps = self.count.saturating_sub(1).max(1) as f64;
        self.range() / (self.way / steps).max(1e-6)
    }
}

/// The unit that changes least from call to call for the range it covers. Where none goes up and down,
/// as in a very short stream, all are taken.
fn telling(habits: &[(Unit, Habits)]) -> Unit {
    let widest = habits
        .iter()
        .map(|(_, habits)| habits.range())
        .fold(0.0, f64::max);
    let candidates = |least_crossings: u64| {
        let candidates = habits.iter().filter(move |(_, habits)| {
            habits.range() >= LEAST_RANGE * widest && habits.crossings >= least_crossings
        });
        candidates.max_by(|a, b| a.1.calm().total_cmp(&b.1.calm()))
    };
    let found = candidates(LEAST_CROSSINGS).or_else(|| candidates(0));
    found.map_or(Unit { layer: 0, place: 0 }, |(unit, _)| *unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_wide_unit_is_more_telling_than_a_fast_or_a_narrow_one() {
        let unit = |place| Unit { layer: 0, place };
        let of = |f: &dyn Fn(u32) -> f32| {
            let mut habits = Habits::default();
            (0..400).for_each(|step| habits.take(f(step)));
            habits
        };
        let fast = of(&|step| if step % 2 == 0 { 0.9 } else { -0.9 });
        let slow = of(&|step| if step / 50 % 2 == 0 { 0.9 } else { -0.9 });
        let narrow = of(&|step| if step / 100 % 2 == 0 { 0.1 } else { 0.0 });
        let counter = of(&|step| step as f32 / 200.0 - 1.0);
        let habits = [
            (unit(0), fast.clone()),
            (unit(1), narrow),
            (unit(2), slow),
            (unit(3), counter.clone()),
        ];
        assert_eq!(telling(&habits), unit(2));
        assert_eq!(telling(&[(unit(3), counter)]), unit(3));
        assert_eq!(telling(&[(unit(0), fast)]), unit(0));
    }
}
