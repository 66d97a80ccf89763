//! What the colours and lines of a picture mean, above its data, never on them.

use crate::color::{Color, GREY, WHITE};
use crate::font::Weight;
use crate::picture::{Picture, Point, Stroke, Text};
use crate::sheet::{MARGIN, SMALL_SIZE};
use crate::text::shortened;

/// An entry of a legend.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) sample: Sample,
    pub(crate) label: String,
}

/// A piece of what is explained.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample {
    Line(Stroke),
    Area(Color),
    Dot(Color),
    Ring(Color),
    Cross(Color),
}

/// Height of a row, in pixels.
const ROW: f32 = 20.0;
/// Width of a sample, in pixels.
const SAMPLE: f32 = 22.0;

impl Entry {
    pub(crate) fn new(sample: Sample, label: impl Into<String>) -> Self {
        Entry {
            sample,
            label: label.into(),
        }
    }
}

/// Draws a legend in rows that begin at `top`; returns where it ends.
pub(crate) fn draw(picture: &mut Picture, top: f32, entries: &[Entry]) -> f32 {
    let right = picture.width() as f32 - MARGIN;
    let (mut x, mut y) = (MARGIN, top + 0.5 * ROW);
    for entry in entries {
        let room = right - MARGIN - SAMPLE - 8.0;
        let label = shortened(&entry.label, room, SMALL_SIZE, Weight::Regular);
        let text = Text::new((0.0, 0.0), label, SMALL_SIZE, GREY);
        let width = SAMPLE + 7.0 + text.width();
        if x > MARGIN && x + width > right {
            x = MARGIN;
            y += ROW;
        }
        draw_sample(picture, (x, y), entry.sample);
        let at = (x + SAMPLE + 7.0, y + 0.35 * SMALL_SIZE);
        picture.text(Text { at, ..text });
        x += width + 20.0;
    }
    y + 0.5 * ROW + 2.0
}

fn draw_sample(picture: &mut Picture, (x, y): Point, sample: Sample) {
    let middle = (x + 0.5 * SAMPLE, y);
    match sample {
        Sample::Line(stroke) => picture.line((x, y), (x + SAMPLE, y), stroke),
        Sample::Area(color) => picture.rectangle((x, y - 5.0), (SAMPLE, 10.0), color),
        Sample::Dot(color) => picture.dots(vec![middle], 3.0, color),
        Sample::Ring(color) => picture.ring(middle, 3.5, WHITE, Stroke::solid(color, 1.5)),
        Sample::Cross(color) => crosses(picture, &[middle], 3.5, color),
    }
}

/// Crosses of this half width, as one path.
pub(crate) fn crosses(picture: &mut Picture, at: &[Point], half: f32, color: Color) {
    use crate::picture::{Path, Step};
    let steps = at.iter().flat_map(|&(x, y)| {
        [
            Step::Move((x - half, y - half)),
            Step::Line((x + half, y + half)),
            Step::Move((x - half, y + half)),
            Step::Line((x + half, y - half)),
        ]
    });
    let steps: Vec<Step> = steps.collect();
    if !steps.is_empty() {
        picture.path(Path {
            steps,
            fill: None,
            stroke: Some(Stroke::solid(color, 1.5)),
        });
    }
}
