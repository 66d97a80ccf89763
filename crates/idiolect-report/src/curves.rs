//! How training went: loss and accuracy by epoch.

use crate::axis::{Axis, Numbers};
use crate::color::{GREY, SERIES, WHITE};
use crate::labels::Box4;
use crate::legend::{self, Entry, Sample};
use crate::panel::{Panel, Words};
use crate::picture::{Picture, Stroke};
use crate::sheet::{MARGIN, Sheet};
use crate::thin::thinned;

/// One training.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Its epochs in order.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights were kept, from 1.
    pub kept: Option<usize>,
}

/// One pass over the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// While learning.
    pub training: Fitness,
    /// Afterwards, on data that were held out.
    pub held_out: Option<Fitness>,
}

/// How well calls were predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fitness {
    /// Mean loss of a call, in nats (or what the loss is measured in).
    pub loss: f64,
    /// Share of the calls that were the likeliest, 0 to 1.
    pub accuracy: f64,
}

/// Least width at which accuracy stands beside the loss, in pixels.
const TWO_PANELS: u32 = 640;

/// Draws the loss by epoch, and where there is room the accuracy beside it: dashed while learning, whole
/// on held-out data, a ring at the epoch that was kept. `loss_unit` is what the loss is measured in.
pub fn training_curves(sheet: &Sheet, curves: &[Curve], loss_unit: &str) -> Picture {
    let (mut picture, top) = sheet.begin();
    let top = legend::draw(&mut picture, top, &entries(curves));
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let whole = Box4 {
        left: MARGIN,
        top,
        right: width - MARGIN + 8.0,
        bottom: height - 0.5 * MARGIN,
    };
    let loss = Measure {
        words: Words {
            title: "Loss",
            unit: loss_unit,
            below: "epoch",
        },
        numbers: Numbers::Decimal,
        of: |fitness| fitness.loss,
    };
    let accuracy = Measure {
        words: Words {
            title: "Accuracy",
            unit: "share of calls that were the likeliest",
            below: "epoch",
        },
        numbers: Numbers::Percent,
        of: |fitness| fitness.accuracy,
    };
    if picture.width() < TWO_PANELS {
        loss.draw(&mut picture, whole, curves);
    } else {
        let middle = 0.5 * (whole.left + whole.right);
        let left = Box4 {
            right: middle - 8.0,
            ..whole
        };
        let right = Box4 {
            left: middle + 8.0,
            ..whole
        };
        loss.draw(&mut picture, left, curves);
        accuracy.draw(&mut picture, right, curves);
    }
    picture
}

fn entries(curves: &[Curve]) -> Vec<Entry> {
    let named = curves.iter().zip(SERIES.iter().cycle());
    let mut entries: Vec<Entry> = named
        .map(|(curve, &color)| {
            Entry::new(Sample::Line(Stroke::solid(color, 2.0)), curve.name.clone())
        })
        .collect();
    let whole = Sample::Line(Stroke::solid(GREY, 2.0));
    let dashed = Sample::Line(Stroke::dashed(GREY, 1.3));
    entries.push(Entry::new(whole, "held out"));
    entries.push(Entry::new(dashed, "while learning"));
    entries.push(Entry::new(Sample::Ring(GREY), "kept epoch"));
    entries
}

/// What a panel shows of each epoch.
struct Measure<'a> {
    words: Words<'a>,
    numbers: Numbers,
    of: fn(&Fitness) -> f64,
}

impl Measure<'_> {
    fn draw(&self, picture: &mut Picture, bounds: Box4, curves: &[Curve]) {
        let all = curves.iter().flat_map(|curve| &curve.epochs);
        let values = all.flat_map(|epoch| [Some(&epoch.training), epoch.held_out.as_ref()]);
        let (low, high) = values
            .flatten()
            .map(self.of)
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        let epochs = curves.iter().map(|curve| curve.epochs.len()).max();
        let x = Axis::exact(1.0, epochs.unwrap_or(1) as f64, 10, Numbers::Count);
        let panel = Panel::within(bounds, x, Axis::round(low, high, 6, self.numbers));
        panel.draw(picture, self.words);
        let line = |fitness: &dyn Fn(&Epoch) -> Option<Fitness>, curve: &Curve| {
            let points = curve
                .epochs
                .iter()
                .enumerate()
                .filter_map(|(place, epoch)| {
                    let value = (self.of)(&fitness(epoch)?);
                    value
                        .is_finite()
                        .then(|| panel.at(place as f64 + 1.0, value))
                });
            thinned(points)
        };
        for (curve, &color) in curves.iter().zip(SERIES.iter().cycle()) {
            let learning = line(&|epoch| Some(epoch.training), curve);
            picture.polyline(&learning, Stroke::dashed(color, 1.3));
            let held_out = line(&|epoch| epoch.held_out, curve);
            picture.polyline(&held_out, Stroke::solid(color, 2.0));
            if curve.epochs.len() == 1 {
                picture.dots(learning, 2.5, color);
                picture.dots(held_out, 3.5, color);
            }
        }
        for (curve, &color) in curves.iter().zip(SERIES.iter().cycle()) {
            let Some(kept) = curve.kept.and_then(|kept| kept.checked_sub(1)) else {
                continue;
            };
            if let Some(epoch) = curve.epochs.get(kept) {
                let value = (self.of)(&epoch.held_out.unwrap_or(epoch.training));
                let at = panel.at(kept as f64 + 1.0, value);
                picture.ring(at, 4.5, WHITE, Stroke::solid(color, 2.0));
            }
        }
    }
}
