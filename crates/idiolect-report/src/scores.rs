//! How scores are distributed.

use crate::axis::{Axis, Numbers};
use crate::color::{BLUE, Color, GREY, INK, SERIES, WARNING};
use crate::font::Weight;
use crate::labels::{Box4, Taken};
use crate::panel::{Panel, Words};
use crate::picture::{Anchor, Path, Picture, Point, Step, Stroke, Text};
use crate::sheet::{MARGIN, SMALL_SIZE, Sheet};
use crate::text::{count, decimal, percent, shortened};

/// Scores that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// What they are of.
    pub name: String,
    /// What kind they are, which gives them their colour.
    pub kind: ScoreKind,
    /// The scores, in any order.
    pub values: Vec<f32>,
    /// How many of them are above their thresholds, where that was decided.
    pub above: Option<usize>,
}

/// What scores are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreKind {
    /// Normal, and what thresholds are made of.
    Calibration,
    /// Known to be normal.
    Normal,
    /// Known to be attacks.
    Attack,
    /// Nothing is known of them.
    Unlabelled,
}

/// A score above which something is anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// What it holds for.
    pub name: String,
    /// The score.
    pub value: f32,
}

/// Bars across a panel.
const BARS: usize = 80;
/// Of so few scores each is shown by a line of its own below the bars.
const FEW: usize = 250;
/// Scores beyond this quantile may fall into the last bar.
const QUANTILE: f64 = 0.995;

/// Draws one panel for each group of scores, all over one axis, and the thresholds through all of them.
/// `unit` is what scores are measured in. The highest few are gathered in the last bar where they would
/// press all others together, which is then said.
pub fn score_distributions(
    sheet: &Sheet,
    score_name: &str,
    unit: &str,
    groups: &[Scores],
    thresholds: &[Threshold],
) -> Picture {
    let (mut picture, top) = sheet.begin();
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let top = top + 18.0;
    let range = Range::of(groups, thresholds);
    let each = (height - top - 0.5 * MARGIN - 18.0) / groups.len().max(1) as f32;
    let heights = groups.iter().map(|group| range.shares(&group.values));
    let heights: Vec<Vec<f64>> = heights.collect();
    let left = 48.0;
    let mut first_and_last: Option<(Panel, Panel)> = None;
    for (place, (group, shares)) in groups.iter().zip(&heights).enumerate() {
        let is_last = place + 1 == groups.len();
        let bounds = Box4 {
            left: MARGIN,
            top: top + place as f32 * each,
            right: width - MARGIN + 8.0,
            bottom: top + (place + 1) as f32 * each + 18.0,
        };
        let highest = shares.iter().copied().fold(0.0, f64::max).max(1e-3);
        let y = Axis::round(0.0, highest, 3, Numbers::Percent);
        let x = Axis::exact(range.low, range.high, 12, Numbers::Decimal);
        let panel = Panel::with_left(bounds, left, x, y);
        let below = if is_last {
            range.words(score_name, unit)
        } else {
            String::new()
        };
        let facts = facts(group);
        let words = Words {
            title: &group.name,
            unit: &facts,
            below: &below,
        };
        panel.draw(&mut picture, words);
        draw_bars(&mut picture, &panel, shares, color(group.kind));
        if group.values.len() <= FEW {
            draw_each(&mut picture, &panel, &group.values, color(group.kind));
        }
        first_and_last = match first_and_last {
            None => Some((panel.clone(), panel)),
            Some((first, _)) => Some((first, panel)),
        };
    }
    if let Some((first, last)) = first_and_last {
        draw_thresholds(&mut picture, &first, &last, thresholds);
    }
    picture
}

fn facts(group: &Scores) -> String {
    let n = group.values.len();
    let mut facts = format!("share of {}", count(n as u64));
    if let (Some(above), true) = (group.above, n > 0) {
        let share = percent(above as f64 / n as f64);
        facts += &match group.kind {
            ScoreKind::Attack => format!("; {share} above the threshold (detected)"),
            ScoreKind::Normal => format!("; {share} above the threshold (false alarms)"),
            _ => format!("; {share} above the threshold"),
        };
    }
    facts
}

fn color(kind: ScoreKind) -> Color {
    match kind {
        ScoreKind::Calibration => GREY,
        ScoreKind::Normal => BLUE,
        ScoreKind::Attack => WARNING,
        ScoreKind::Unlabelled => SERIES[2],
    }
}

/// The range of scores that is drawn.
struct Range {
    low: f64,
    high: f64,
    /// Scores above it, which are in the last bar.
    beyond: usize,
}

impl Range {
    fn of(groups: &[Scores], thresholds: &[Threshold]) -> Self {
        let mut values: Vec<f64> = groups
            .iter()
            .flat_map(|group| &group.values)
            .map(|&value| f64::from(value))
            .filter(|value| value.is_finite())
            .collect();
        values.sort_by(f64::total_cmp);
        let thresholds = || {
            thresholds
                .iter()
                .map(|threshold| f64::from(threshold.value))
        };
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            return Range {
                low: 0.0,
                high: thresholds().fold(1.0, f64::max),
                beyond: 0,
            };
        };
        let low = thresholds().fold(least, f64::min);
        let usual = values[((values.len() - 1) as f64 * QUANTILE) as usize];
        let usual = thresholds().fold(usual, f64::max);
        let cut = usual + 0.15 * (usual - low);
        let high = if most > cut + 0.5 * (cut - low) {
            cut
        } else {
            thresholds().fold(most, f64::max)
        };
        // Round ends: bars then begin at round numbers.
        let axis = Axis::round(low, high, 12, Numbers::Decimal);
        Range {
            low: axis.min,
            high: axis.max,
            beyond: values.iter().filter(|&&value| value > axis.max).count(),
        }
    }

    /// The share of the values in each bar.
    fn shares(&self, values: &[f32]) -> Vec<f64> {
        let mut shares = vec![0.0; BARS];
        for &value in values {
            let place = (f64::from(value) - self.low) / (self.high - self.low) * BARS as f64;
            shares[(place.max(0.0) as usize).min(BARS - 1)] += 1.0 / values.len() as f64;
        }
        shares
    }

    fn words(&self, score_name: &str, unit: &str) -> String {
        let mut words = format!("{score_name}, {unit}");
        if self.beyond > 0 {
            words += &format!(
                "; the last bar holds {} beyond {} as well",
                count(self.beyond as u64),
                decimal(self.high, 1)
            );
        }
        words
    }
}

fn draw_bars(picture: &mut Picture, panel: &Panel, shares: &[f64], color: Color) {
    let wide = panel.width() / BARS as f32;
    let base = panel.area.bottom;
    let mut steps = vec![Step::Move((panel.area.left, base))];
    let mut outline: Vec<Point> = vec![(panel.area.left, base)];
    for (place, &share) in shares.iter().enumerate() {
        let (x, y) = (panel.area.left + place as f32 * wide, panel.at_y(share));
        outline.extend([(x, y), (x + wide, y)]);
    }
    outline.push((panel.area.right, base));
    steps.extend(outline.into_iter().map(Step::Line));
    picture.path(Path {
        steps,
        fill: Some(color.opacity(0.3)),
        stroke: Some(Stroke::solid(color, 1.2)),
    });
}

fn draw_each(picture: &mut Picture, panel: &Panel, values: &[f32], color: Color) {
    let base = panel.area.bottom;
    let ticks = values
        .iter()
        .filter(|value| value.is_finite())
        .flat_map(|&value| {
            let x = panel.at_x(f64::from(value));
            [Step::Move((x, base - 7.0)), Step::Line((x, base))]
        });
    let steps: Vec<Step> = ticks.collect();
    if !steps.is_empty() {
        picture.path(Path {
            steps,
            fill: None,
            stroke: Some(Stroke::solid(color, 1.4)),
        });
    }
}

fn draw_thresholds(picture: &mut Picture, first: &Panel, last: &Panel, thresholds: &[Threshold]) {
    let mut taken = Taken::default();
    for threshold in thresholds {
        let x = first.at_x(f64::from(threshold.value));
        let (from, to) = ((x, first.area.top - 26.0), (x, last.area.bottom));
        picture.line(from, to, Stroke::dashed(WARNING, 1.5));
        let name = shortened(&threshold.name, 360.0, SMALL_SIZE, Weight::Medium);
        let at_right = x < 0.6 * (first.area.left + first.area.right);
        let (x, anchor) = if at_right {
            (x + 6.0, Anchor::Start)
        } else {
            (x - 6.0, Anchor::End)
        };
        let mut text = Text::new((x, first.area.top - 28.0), name, SMALL_SIZE, INK)
            .medium()
            .anchored(anchor);
        text.color = WARNING;
        if taken.claim(Box4::of(&text).wider(2.0)) {
            picture.text(text);
        }
    }
}
