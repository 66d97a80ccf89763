//! Surprise along a stream, and what was predicted against what came.

mod calls;

use crate::axis::{Axis, Numbers};
use crate::color::{BLUE, Color, GREY, INK, SERIES, WARNING};
use crate::labels::{Box4, Taken};
use crate::legend::{self, Entry, Sample};
use crate::panel::{Panel, Words};
use crate::picture::{Anchor, Path, Picture, Point, Step, Stroke, Text};
use crate::sheet::{MARGIN, SMALL_SIZE, Sheet};
use crate::text::{count, decimal, percent};
use crate::thin::thinned;

/// The calls of one stream, as a model heard them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surprise {
    /// The names that calls refer to by their place.
    pub names: Vec<String>,
    /// The calls in order.
    pub calls: Vec<Heard>,
    /// Calls that a windowed mean is over.
    pub window: usize,
    /// The windowed mean above which a stream is anomalous, in nats a call.
    pub threshold: Option<f32>,
    /// The false alarm rate for which that threshold was set.
    pub rate: f64,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// What came.
    pub call: u32,
    /// What was the likeliest to come.
    pub likeliest: u32,
    /// -ln of the probability of what came, in nats.
    pub surprise: f32,
    /// Mean surprise of the window that ends here, in nats a call; none before the first whole window.
    pub windowed: Option<f32>,
    /// Calls are missing before this one.
    pub after_gap: bool,
}

/// The colour of the surprise of single calls.
const SINGLE: Color = SERIES[5];
/// Most calls that are named at their surprise.
const NAMED: usize = 8;
/// Most gaps that are marked.
const MOST_GAPS: usize = 200;

/// Draws the surprise of each call with the windowed mean and its threshold, and below it which call came
/// and which was the likeliest: a dot where they are one, a cross (came) and a ring (expected) where not.
/// The most surprising calls are named. A stream of more calls than there are pixels is drawn by the
/// largest surprise in each column.
pub fn surprise(sheet: &Sheet, stream: &Surprise) -> Picture {
    let (mut picture, top) = sheet.begin();
    let top = legend::draw(&mut picture, top, &entries(stream));
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let bottom = height - 0.5 * MARGIN;
    let middle = top + 0.44 * (bottom - top);
    let right = width - MARGIN + 8.0;
    let bounds = |top: f32, bottom: f32| Box4 {
        left: MARGIN,
        top,
        right,
        bottom,
    };
    let x = || {
        Axis::exact(
            0.5,
            stream.calls.len().max(1) as f64 + 0.5,
            10,
            Numbers::Count,
        )
    };
    let highest = stream
        .calls
        .iter()
        .map(|call| call.surprise)
        .fold(0.0, f32::max);
    let highest = highest.max(stream.threshold.unwrap_or(0.0)).max(1.0);
    let y = Axis::round(0.0, 1.12 * f64::from(highest), 5, Numbers::Decimal);
    let rows = calls::Rows::of(stream, bottom - middle - 64.0);
    let left = rows.names_width().max(Panel::numbers_width(&y));

    let panel = Panel::with_left(bounds(top, middle + 18.0), left, x(), y);
    let words = Words {
        title: "Surprise",
        unit: "nats",
        below: "",
    };
    panel.draw(&mut picture, words);
    draw_gaps(&mut picture, &panel, stream);
    draw_surprise(&mut picture, &panel, stream);

    let came = stream
        .calls
        .iter()
        .filter(|c| c.call == c.likeliest)
        .count();
    let share = came as f64 / stream.calls.len().max(1) as f64;
    let unit = format!(
        "the likeliest in {} of {} calls",
        percent(share),
        count(stream.calls.len() as u64)
    );
    let words = Words {
        title: "Which call came",
        unit: &unit,
        below: "call",
    };
    let panel = Panel::with_left(bounds(middle + 4.0, bottom), left, x(), rows.axis());
    rows.draw_frame(&mut picture, &panel, words);
    draw_gaps(&mut picture, &panel, stream);
    rows.draw(&mut picture, &panel, stream);
    picture
}

fn entries(stream: &Surprise) -> Vec<Entry> {
    let mut entries = vec![
        Entry::new(Sample::Area(SINGLE.opacity(0.6)), "surprise of a call"),
        Entry::new(
            Sample::Line(Stroke::solid(BLUE, 1.8)),
            format!("mean over {} calls", count(stream.window as u64)),
        ),
    ];
    if let Some(threshold) = stream.threshold {
        entries.push(Entry::new(
            Sample::Line(Stroke::dashed(WARNING, 1.5)),
            format!(
                "threshold of that mean: {}, for {} false alarms",
                decimal(f64::from(threshold), 2),
                percent(stream.rate)
            ),
        ));
    }
    entries.extend([
        Entry::new(Sample::Dot(BLUE), "came, as the likeliest"),
        Entry::new(Sample::Cross(WARNING), "came, though not the likeliest"),
        Entry::new(Sample::Ring(GREY), "the likeliest, did not come"),
    ]);
    entries
}

fn draw_gaps(picture: &mut Picture, panel: &Panel, stream: &Surprise) {
    let gaps = stream
        .calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.after_gap);
    for (place, _) in gaps.take(MOST_GAPS) {
        let x = panel.at_x(place as f64 + 0.5);
        let stroke = Stroke::dashed(GREY.opacity(0.6), 1.0);
        picture.line((x, panel.area.top), (x, panel.area.bottom), stroke);
    }
}

fn draw_surprise(picture: &mut Picture, panel: &Panel, stream: &Surprise) {
    draw_bars(picture, panel, stream);
    for (begin, run) in windowed_runs(stream) {
        let points = run.iter().enumerate().map(|(place, &value)| {
            let x = (begin + place) as f64 + 1.0;
            panel.at(x, f64::from(value))
        });
        let line = thinned(points);
        if let [only] = line[..] {
            picture.dots(vec![only], 2.5, BLUE);
        }
        picture.polyline(&line, Stroke::solid(BLUE, 1.8));
    }
    if let Some(threshold) = stream.threshold {
        let y = panel.at_y(f64::from(threshold));
        let (from, to) = ((panel.area.left, y), (panel.area.right, y));
        picture.line(from, to, Stroke::dashed(WARNING, 1.5));
    }
    name_most_surprising(picture, panel, stream);
}

/// The windowed means between places where there is none, each run with the place where it begins. Of
/// more runs than can be told apart only so many.
fn windowed_runs(stream: &Surprise) -> Vec<(usize, Vec<f32>)> {
    let mut runs: Vec<(usize, Vec<f32>)> = Vec::new();
    let mut open = false;
    for (place, call) in stream.calls.iter().enumerate() {
        if let Some(value) = call.windowed {
            let many = runs.len() == MOST_GAPS;
            match runs.last_mut() {
                Some((_, run)) if open => run.push(value),
                _ if many => break,
                _ => runs.push((place, vec![value])),
            }
        }
        open = call.windowed.is_some();
    }
    runs
}

/// A bar a call, or where calls are closer than pixels a bar a pixel, as high as its highest.
fn draw_bars(picture: &mut Picture, panel: &Panel, stream: &Surprise) {
    let spacing = panel.width() / stream.calls.len().max(1) as f32;
    let columns = (panel.width() as usize).max(1);
    let mut highest: Vec<(f32, f32)> = Vec::with_capacity(columns.min(stream.calls.len()) + 1);
    for (place, call) in stream.calls.iter().enumerate() {
        let x = panel.at_x(place as f64 + 1.0);
        match highest.last_mut() {
            Some(last) if spacing < 1.0 && last.0 == x.floor() + 0.5 => {
                last.1 = last.1.max(call.surprise);
            }
            _ if spacing < 1.0 => highest.push((x.floor() + 0.5, call.surprise)),
            _ => highest.push((x, call.surprise)),
        }
    }
    let base = panel.area.bottom;
    let bars = highest.iter().flat_map(|&(x, surprise)| {
        let top = panel.at_y(f64::from(surprise));
        [Step::Move((x, base)), Step::Line((x, top))]
    });
    let steps: Vec<Step> = bars.collect();
    if !steps.is_empty() {
        let width = (0.7 * spacing).clamp(1.0, 14.0);
        picture.path(Path {
            steps,
            fill: None,
            stroke: Some(Stroke::solid(SINGLE.opacity(0.6), width)),
        });
    }
}

fn name_most_surprising(picture: &mut Picture, panel: &Panel, stream: &Surprise) {
    let mut order: Vec<usize> = (0..stream.calls.len()).collect();
    let surprise = |place: usize| stream.calls[place].surprise;
    let most_first = |a: &usize, b: &usize| surprise(*b).total_cmp(&surprise(*a)).then(a.cmp(b));
    if order.len() > 4 * NAMED {
        order.select_nth_unstable_by(4 * NAMED, most_first);
        order.truncate(4 * NAMED);
    }
    order.sort_unstable_by(most_first);
    let page = Box4 {
        top: panel.area.top - 4.0,
        right: panel.area.right + 8.0,
        ..panel.area
    };
    let mut taken = Taken::default();
    let mut named: Vec<(Point, Text)> = Vec::new();
    for place in order {
        if named.len() == NAMED {
            break;
        }
        let call = &stream.calls[place];
        let Some(name) = stream.names.get(call.call as usize) else {
            continue;
        };
        let name = crate::text::shortened(name, 130.0, SMALL_SIZE, crate::font::Weight::Regular);
        let (x, y) = panel.at(place as f64 + 1.0, f64::from(call.surprise));
        let tries = [
            ((x, y - 6.0), Anchor::Middle),
            ((x + 6.0, y + 4.0), Anchor::Start),
            ((x - 6.0, y + 4.0), Anchor::End),
        ];
        let label = tries.into_iter().find_map(|(at, anchor)| {
            let text = Text::new(at, name.clone(), SMALL_SIZE, INK)
                .anchored(anchor)
                .with_halo();
            let room = Box4::of(&text);
            (room.within(&page) && taken.claim(room.wider(2.0))).then_some(text)
        });
        named.extend(label.map(|label| ((x, y), label)));
    }
    picture.dots(named.iter().map(|(at, _)| *at).collect(), 2.6, WARNING);
    for (_, label) in named {
        picture.text(label);
    }
}
