//! Detected attacks against false alarms, over all thresholds.

use crate::axis::{Axis, Numbers};
use crate::color::{AXIS, Color, GREY, SERIES, WHITE};
use crate::labels::Box4;
use crate::legend::{self, Entry, Sample};
use crate::panel::{Panel, Words};
use crate::picture::{Picture, Point, Stroke};
use crate::sheet::{MARGIN, Sheet};
use crate::text::{count, decimal};

/// One detector on labelled data.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// Its name.
    pub name: String,
    /// Scores of all normal units and of all attacks.
    pub all: Labelled,
    /// The same with units of the same content counted once, where there are copies.
    pub unique: Option<Labelled>,
}

/// Scores by label, in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// Of normal units.
    pub normal: Vec<f32>,
    /// Of attacks.
    pub attack: Vec<f32>,
    /// How many normal units and how many attacks are called anomalous, where that was decided.
    pub anomalous: Option<(usize, usize)>,
}

/// The false alarm rate up to which the second panel goes: what people can live with.
const LIVABLE: f64 = 0.05;

impl Labelled {
    /// The curve from (0, 0) to (1, 1): share of normal units and of attacks above each threshold, from
    /// the highest. Units of one score come together.
    fn curve(&self) -> Vec<(f64, f64)> {
        let normal = self.normal.iter().map(|&score| (score, false));
        let attack = self.attack.iter().map(|&score| (score, true));
        let mut scores: Vec<(f32, bool)> = normal.chain(attack).collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (normals, attacks) = (self.normal.len().max(1), self.attack.len().max(1));
        let (mut false_alarms, mut detected) = (0_usize, 0_usize);
        let mut curve = vec![(0.0, 0.0)];
        for tied in scores.chunk_by(|a, b| a.0 == b.0) {
            let attacks_here = tied.iter().filter(|(_, attack)| *attack).count();
            detected += attacks_here;
            false_alarms += tied.len() - attacks_here;
            curve.push((
                false_alarms as f64 / normals as f64,
                detected as f64 / attacks as f64,
            ));
        }
        curve
    }

    /// Area under the curve: the probability that an attack scores higher than a normal unit, ties
    /// counting half (Hanley and McNeil 1982); none where one of the two is missing.
    pub fn auc(&self) -> Option<f64> {
        if self.normal.is_empty() || self.attack.is_empty() {
            return None;
        }
        let curve = self.curve();
        let steps = curve.windows(2).map(|pair| {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            (x1 - x0) * 0.5 * (y0 + y1)
        });
        Some(steps.sum())
    }

    /// The false alarm rate and the share of attacks detected by the verdicts.
    fn reached(&self) -> Option<(f64, f64)> {
        let (normal, attack) = self.anomalous?;
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        Some((
            share(normal, self.normal.len()),
            share(attack, self.attack.len()),
        ))
    }
}

/// Draws the curves whole and, beside them, up to 5 % false alarms. Without copies they are dashed. The
/// legend has the areas; a ring shows
/// what the verdicts reach.
pub fn roc(sheet: &Sheet, curves: &[Roc]) -> Picture {
    let (mut picture, top) = sheet.begin();
    let top = legend::draw(&mut picture, top, &entries(curves));
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let middle = 0.5 * width;
    let bounds = |left: f32, right: f32| Box4 {
        left,
        top,
        right,
        bottom: height - 0.5 * MARGIN,
    };
    let panels = [
        (bounds(MARGIN, middle - 4.0), 1.0, "All thresholds"),
        (
            bounds(middle + 12.0, width - MARGIN + 8.0),
            LIVABLE,
            "Up to 5 % false alarms",
        ),
    ];
    for (bounds, up_to, title) in panels {
        let x = Axis::exact(0.0, up_to, 5, Numbers::Percent);
        let highest = curves
            .iter()
            .flat_map(Roc::parts)
            .map(|part| detected_at(part, up_to));
        let highest = highest.fold(0.1, f64::max);
        let y = Axis::round(0.0, highest, 5, Numbers::Percent);
        let panel = Panel::within(bounds, x, y);
        let words = Words {
            title,
            unit: "attacks detected",
            below: "false alarms: share of normal streams called anomalous",
        };
        panel.draw(&mut picture, words);
        if up_to == 1.0 {
            let by_chance = [panel.at(0.0, 0.0), panel.at(1.0, 1.0)];
            picture.polyline(&by_chance, Stroke::dashed(AXIS, 1.0));
        }
        for (roc, &color) in curves.iter().zip(SERIES.iter().cycle()) {
            draw(&mut picture, &panel, roc, color, up_to);
        }
    }
    picture
}

impl Roc {
    fn parts(&self) -> impl Iterator<Item = &Labelled> {
        [Some(&self.all), self.unique.as_ref()]
            .into_iter()
            .flatten()
    }
}

fn detected_at(scores: &Labelled, false_alarms: f64) -> f64 {
    let within = scores
        .curve()
        .into_iter()
        .filter(|point| point.0 <= false_alarms);
    within.map(|point| point.1).fold(0.0, f64::max)
}

fn entries(curves: &[Roc]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (roc, &color) in curves.iter().zip(SERIES.iter().cycle()) {
        let auc = |scores: &Labelled| match scores.auc() {
            Some(auc) => format!("AUC {}", decimal(auc, 4)),
            None => "no AUC".to_owned(),
        };
        let of = |scores: &Labelled| {
            format!(
                "{} normal, {} attacks",
                count(scores.normal.len() as u64),
                count(scores.attack.len() as u64)
            )
        };
        let label = format!("{}: {} ({})", roc.name, auc(&roc.all), of(&roc.all));
        entries.push(Entry::new(Sample::Line(Stroke::solid(color, 2.0)), label));
        if let Some(unique) = &roc.unique {
            let label = format!("without copies: {} ({})", auc(unique), of(unique));
            entries.push(Entry::new(Sample::Line(Stroke::dashed(color, 1.5)), label));
        }
    }
    if curves.iter().any(|roc| roc.all.anomalous.is_some()) {
        entries.push(Entry::new(
            Sample::Ring(GREY),
            "what the profile's threshold reaches",
        ));
    }
    entries
}

fn draw(picture: &mut Picture, panel: &Panel, roc: &Roc, color: Color, up_to: f64) {
    let lines = [
        (Some(&roc.all), Stroke::solid(color, 2.0)),
        (roc.unique.as_ref(), Stroke::dashed(color, 1.5)),
    ];
    for (scores, stroke) in lines {
        let Some(scores) = scores else { continue };
        let curve = cut(scores.curve(), up_to);
        let points = curve.into_iter().map(|(x, y)| panel.at(x, y));
        picture.polyline(&apart(points), stroke);
    }
    for (scores, stroke) in lines {
        if let Some((x, y)) = scores.and_then(Labelled::reached)
            && x <= up_to
        {
            let ring = Stroke::solid(color, stroke.width);
            picture.ring(panel.at(x, y), 4.0, WHITE, ring);
        }
    }
}

/// The part of a curve up to a false alarm rate, its last piece cut there.
fn cut(curve: Vec<(f64, f64)>, up_to: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in curve {
        if point.0 > up_to {
            if let Some(&(x, y)) = kept.last() {
                let share = (up_to - x) / (point.0 - x);
                kept.push((up_to, y + share * (point.1 - y)));
            }
            break;
        }
        kept.push(point);
    }
    kept
}

/// The points without those that are hardly apart from the one before.
fn apart(points: impl Iterator<Item = Point>) -> Vec<Point> {
    const APART: f32 = 0.4;
    let mut kept: Vec<Point> = Vec::new();
    let mut left_out = None;
    for point in points {
        let near = |last: &Point| (point.0 - last.0).hypot(point.1 - last.1) < APART;
        if kept.last().is_some_and(near) {
            left_out = Some(point);
        } else {
            left_out = None;
            kept.push(point);
        }
    }
    kept.extend(left_out);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas() {
        let of = |normal: &[f32], attack: &[f32]| Labelled {
            normal: normal.to_vec(),
            attack: attack.to_vec(),
            anomalous: Some((1, 2)),
        };
        assert_eq!(of(&[0.0, 1.0], &[2.0, 3.0]).auc(), Some(1.0));
        assert_eq!(of(&[2.0, 3.0], &[0.0, 1.0]).auc(), Some(0.0));
        assert_eq!(of(&[1.0; 5], &[1.0; 3]).auc(), Some(0.5));
        assert_eq!(of(&[0.0, 2.0], &[1.0, 2.0]).auc(), Some(0.625));
        assert_eq!(of(&[], &[1.0]).auc(), None);
        assert_eq!(of(&[0.0, 2.0], &[1.0, 2.0]).reached(), Some((0.5, 1.0)));
    }

    #[test]
    fn a_curve_is_cut_where_it_leaves() {
        let curve = vec![(0.0, 0.0), (0.02, 0.5), (0.08, 0.8), (1.0, 1.0)];
        let kept = cut(curve, 0.05);
        assert_eq!(kept.len(), 3);
        assert_eq!(kept[2].0, 0.05);
        assert!((kept[2].1 - 0.65).abs() < 1e-12);
    }
}
