//! The rows of calls: which came, and which was the likeliest.

use std::collections::BTreeSet;

use super::Surprise;
use crate::axis::{Axis, Tick};
use crate::color::{BLUE, GREY, GRID, INK, WARNING, WHITE};
use crate::font::{self, Weight};
use crate::legend::crosses;
use crate::panel::{Panel, Words, crisp};
use crate::picture::{Anchor, Path, Picture, Point, Stroke, Text, circle};
use crate::sheet::SMALL_SIZE;
use crate::text::{count, shortened};

/// Least height of a row, in pixels.
const ROW: f32 = 15.0;
/// Room for a name, in pixels.
const NAME_ROOM: f32 = 140.0;
/// Calls closer than this are drawn as one mark, in pixels.
const GRAIN: f32 = 3.0;

/// Calls by name, the commonest first; those for which there is no row share the last.
pub(super) struct Rows {
    /// What is written beside each row.
    names: Vec<String>,
    /// The row of each name.
    row: Vec<usize>,
}

impl Rows {
    /// As many as there is room for in this height.
    pub(super) fn of(stream: &Surprise, height: f32) -> Self {
        let mut came = vec![0_u64; stream.names.len()];
        let mut there = vec![false; stream.names.len()];
        for call in &stream.calls {
            if let Some(came) = came.get_mut(call.call as usize) {
                *came += 1;
            }
            for place in [call.call, call.likeliest] {
                if let Some(there) = there.get_mut(place as usize) {
                    *there = true;
                }
            }
        }
        let mut order: Vec<usize> = (0..stream.names.len()).filter(|&n| there[n]).collect();
        order.sort_by(|&a, &b| {
            let by_name = || stream.names[a].cmp(&stream.names[b]);
            came[b].cmp(&came[a]).then_with(by_name)
        });
        let room = ((height / ROW) as usize).max(2);
        let own = if order.len() <= room {
            order.len()
        } else {
            room - 1
        };
        let mut row = vec![own; stream.names.len()];
        for (place, &name) in order[..own].iter().enumerate() {
            row[name] = place;
        }
        let own_names = order[..own]
            .iter()
            .map(|&name| shortened(&stream.names[name], NAME_ROOM, SMALL_SIZE, Weight::Regular));
        let mut names: Vec<String> = own_names.collect();
        if own < order.len() {
            names.push(format!("{} others", count((order.len() - own) as u64)));
        }
        Rows { names, row }
    }

    /// Room that the names take, in pixels.
    pub(super) fn names_width(&self) -> f32 {
        let widths = self
            .names
            .iter()
            .map(|name| font::width(name, SMALL_SIZE, Weight::Regular));
        widths.fold(0.0, f32::max) + 12.0
    }

    /// The y axis whose value is minus the row.
    pub(super) fn axis(&self) -> Axis {
        let rows = self.names.len().max(1) as f64;
        Axis {
            min: 0.5 - rows,
            max: 0.5,
            ticks: Vec::<Tick>::new(),
        }
    }

    pub(super) fn draw_frame(&self, picture: &mut Picture, panel: &Panel, words: Words<'_>) {
        for (row, name) in self.names.iter().enumerate() {
            let y = crisp(panel.at_y(-(row as f64)));
            let (from, to) = ((panel.area.left, y), (panel.area.right, y));
            picture.line(from, to, Stroke::solid(GRID, 1.0));
            let at = (panel.area.left - 8.0, y + 0.35 * SMALL_SIZE);
            let text = Text::new(at, name.clone(), SMALL_SIZE, INK);
            picture.text(text.anchored(Anchor::End));
        }
        panel.draw(picture, words);
    }

    pub(super) fn draw(&self, picture: &mut Picture, panel: &Panel, stream: &Surprise) {
        let spacing = panel.width() / stream.calls.len().max(1) as f32;
        let mut marks = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
        let [came, missed, expected] = &mut marks;
        for (place, call) in stream.calls.iter().enumerate() {
            let column = if spacing >= GRAIN {
                place
            } else {
                ((place as f32 * spacing) / GRAIN) as usize
            };
            let row = |name: u32| self.row.get(name as usize).copied().unwrap_or(0);
            if call.call == call.likeliest {
                came.insert((column, row(call.call)));
            } else {
                missed.insert((column, row(call.call)));
                expected.insert((column, row(call.likeliest)));
            }
        }
        let at = |&(column, row): &(usize, usize)| -> Point {
            let x = if spacing >= GRAIN {
                panel.at_x(column as f64 + 1.0)
            } else {
                panel.area.left + (column as f32 + 0.5) * GRAIN
            };
            (x, panel.at_y(-(row as f64)))
        };
        let places =
            |marks: &BTreeSet<(usize, usize)>| marks.iter().map(at).collect::<Vec<Point>>();
        // The more room, the larger.
        let size = (0.3 * spacing).clamp(1.5, 3.0);
        let rings = places(expected).into_iter().flat_map(|at| circle(at, size));
        picture.path(Path {
            steps: rings.collect(),
            fill: Some(WHITE),
            stroke: Some(Stroke::solid(GREY.opacity(0.6), 0.9)),
        });
        picture.dots(places(came), size, BLUE);
        crosses(picture, &places(missed), size + 0.3, WARNING);
    }
}
