//! What one cell of a network holds, along the calls of a stream.

use crate::color::{Color, GREY, INK, WHITE};
use crate::font::{self, Weight};
use crate::picture::{Anchor, Picture, Stroke, Text};
use crate::sheet::{LABEL_SIZE, MARGIN, SMALL_SIZE, Sheet};
use crate::text::{count, shortened};

/// What one cell holds after each call of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellStrip {
    /// The names that calls refer to by their place.
    pub names: Vec<String>,
    /// The calls of the whole stream, in order.
    pub calls: Vec<CellCall>,
    /// The first call that is shown by its name, from 0.
    pub from: usize,
}

/// A call and what the cell holds after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellCall {
    /// The call.
    pub call: u32,
    /// tanh of the cell, -1 to 1.
    pub value: f32,
}

/// Colours of -1, 0 and 1: blue and orange, which people of every colour vision tell apart.
const LOW: Color = Color::rgb(0x21_66_ac);
const NONE: Color = Color::rgb(0xf7_f7_f7);
const HIGH: Color = Color::rgb(0xe0_6c_00);

/// Height of a row of calls and of a box in it, in pixels.
const ROW: f32 = 25.0;
const BOX: f32 = 21.0;
/// Room for a name, in pixels.
const NAME_ROOM: f32 = 180.0;

/// Draws each call's name in a box coloured by what a cell holds after it, in lines (the picture of
/// Karpathy, Johnson and Fei-Fei 2015), under a strip of the whole stream. The picture is as high as the
/// calls need, at most the sheet's height; what then is not shown by name is said.
pub fn cell_strip(sheet: &Sheet, strip: &CellStrip) -> Picture {
    let width = sheet.width.max(Sheet::LEAST) as f32;
    let (_, top) = sheet.begin();
    let first_row = top + 84.0;
    let from = strip.from.min(strip.calls.len());
    let lines = ((sheet.height.max(Sheet::LEAST) as f32 - first_row - MARGIN - 8.0) / ROW) as usize;
    let boxes = placed(strip, from, width, lines.max(1));
    let rows = boxes.iter().map(|placed| placed.row + 1).max().unwrap_or(1);
    let needed = (first_row + rows as f32 * ROW + MARGIN + 8.0).ceil() as u32;
    let fitted = Sheet {
        height: needed.min(sheet.height),
        ..sheet.clone()
    };
    let (mut picture, top) = fitted.begin();
    draw_whole(&mut picture, top + 20.0, strip, from, boxes.len());
    draw_scale(&mut picture, top + 62.0, strip, from, boxes.len());
    for placed in &boxes {
        let y = first_row + placed.row as f32 * ROW;
        let fill = shade(placed.value);
        picture.rectangle((placed.x, y), (placed.width, BOX), fill);
        let at = (
            placed.x + 0.5 * placed.width,
            y + 0.5 * BOX + 0.35 * LABEL_SIZE,
        );
        let text = Text::new(at, placed.name.clone(), LABEL_SIZE, ink(fill));
        picture.text(text.anchored(Anchor::Middle));
    }
    picture
}

/// A call's box.
struct Placed {
    row: usize,
    x: f32,
    width: f32,
    name: String,
    value: f32,
}

/// The boxes of the calls from one on, as many as there are lines for.
fn placed(strip: &CellStrip, from: usize, width: f32, lines: usize) -> Vec<Placed> {
    const PADDING: f32 = 6.0;
    let names = strip.names.iter();
    let names: Vec<(String, f32)> = names
        .map(|name| {
            let name = shortened(name, NAME_ROOM, LABEL_SIZE, Weight::Regular);
            let width = font::width(&name, LABEL_SIZE, Weight::Regular) + 2.0 * PADDING;
            (name, width)
        })
        .collect();
    let mut boxes = Vec::new();
    let (mut row, mut x) = (0, MARGIN);
    for call in &strip.calls[from..] {
        let Some((name, wide)) = names.get(call.call as usize) else {
            continue;
        };
        if x > MARGIN && x + wide > width - MARGIN {
            x = MARGIN;
            row += 1;
        }
        if row == lines {
            break;
        }
        boxes.push(Placed {
            row,
            x,
            width: *wide,
            name: name.clone(),
            value: call.value,
        });
        x += wide + 2.0;
    }
    boxes
}

/// The whole stream as a strip of columns, each the mean of its calls, the calls below marked.
fn draw_whole(picture: &mut Picture, y: f32, strip: &CellStrip, from: usize, shown: usize) {
    const HIGH: f32 = 16.0;
    let n = strip.calls.len();
    let room = picture.width() as f32 - 2.0 * MARGIN;
    let words = format!("the whole stream, {} calls", count(n as u64));
    picture.text(Text::new((MARGIN, y - 6.0), words, SMALL_SIZE, GREY));
    let columns = n.min(room as usize);
    let wide = room / columns.max(1) as f32;
    for column in 0..columns {
        let (begin, end) = (column * n / columns, (column + 1) * n / columns);
        let values = strip.calls[begin..end]
            .iter()
            .map(|call| f64::from(call.value));
        let mean = values.sum::<f64>() / (end - begin).max(1) as f64;
        // A little wider than its place, so that no white shows between columns.
        let overlap = if column + 1 == columns { 0.0 } else { 0.5 };
        let at = (MARGIN + column as f32 * wide, y);
        picture.rectangle(at, (wide + overlap, HIGH), shade(mean as f32));
    }
    if shown < n {
        let (left, right) = (from as f32, (from + shown) as f32);
        let scale = room / n.max(1) as f32;
        let below = y + HIGH + 3.0;
        picture.line(
            (MARGIN + left * scale, below),
            (MARGIN + (right * scale).max(left * scale + 2.0), below),
            Stroke::solid(INK, 2.0),
        );
    }
}

/// What the colours mean, and which calls are below.
fn draw_scale(picture: &mut Picture, y: f32, strip: &CellStrip, from: usize, shown: usize) {
    let n = strip.calls.len();
    let words = match shown {
        0 => "no call".to_owned(),
        _ if shown == n => "each call, after it".to_owned(),
        _ => format!(
            "calls {} to {}, after each",
            count(from as u64 + 1),
            count((from + shown) as u64)
        ),
    };
    let text = Text::new((MARGIN, y), words, SMALL_SIZE, GREY);
    let mut x = MARGIN + text.width() + 24.0;
    picture.text(text);
    const STEPS: usize = 41;
    const WIDE: f32 = 4.0;
    let say = |picture: &mut Picture, x: &mut f32, words: &str| {
        let text = Text::new((*x, y), words, SMALL_SIZE, GREY);
        *x += text.width() + 6.0;
        picture.text(text);
    };
    say(picture, &mut x, "tanh c  −1");
    for step in 0..STEPS {
        let value = step as f32 / (STEPS - 1) as f32 * 2.0 - 1.0;
        picture.rectangle((x, y - 10.0), (WIDE + 0.3, 12.0), shade(value));
        x += WIDE;
    }
    x += 6.0;
    say(picture, &mut x, "1");
}

fn shade(value: f32) -> Color {
    let value = if value.is_finite() {
        value.clamp(-1.0, 1.0)
    } else {
        0.0
    };
    if value < 0.0 {
        NONE.towards(LOW, -value)
    } else {
        NONE.towards(HIGH, value)
    }
}

/// Dark letters on light, and light ones on dark.
fn ink(fill: Color) -> Color {
    let light =
        0.299 * f32::from(fill.red) + 0.587 * f32::from(fill.green) + 0.114 * f32::from(fill.blue);
    if light < 120.0 { WHITE } else { INK }
}
