//! A panel: an area with two axes, where values become places.

use crate::axis::Axis;
use crate::color::{AXIS, GREY, GRID, INK};
use crate::font::{self, Weight};
use crate::labels::Box4;
use crate::picture::{Anchor, Picture, Point, Stroke, Text};
use crate::sheet::{LABEL_SIZE, SMALL_SIZE};
use crate::text::shortened;

/// An area with axes.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Where data are drawn.
    pub(crate) area: Box4,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

/// What is written around a panel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a> {
    /// Above it: what its y axis shows, and in what unit.
    pub(crate) title: &'a str,
    pub(crate) unit: &'a str,
    /// Below it: what its x axis shows; nothing where the panel below says so.
    pub(crate) below: &'a str,
}

/// Room above an area for its title, and below for numbers, and for words, in pixels.
const ABOVE: f32 = 26.0;
const NUMBERS: f32 = 20.0;
const BELOW: f32 = 18.0;
/// Room at the right for half a number, in pixels.
const RIGHT: f32 = 12.0;

impl Panel {
    /// Within these bounds, words and numbers included.
    pub(crate) fn within(bounds: Box4, x: Axis, y: Axis) -> Self {
        let left = Panel::numbers_width(&y);
        Panel::with_left(bounds, left, x, y)
    }

    /// The same with this much room for the numbers or names at the left, so that panels below each other
    /// begin at one place.
    pub(crate) fn with_left(bounds: Box4, left: f32, x: Axis, y: Axis) -> Self {
        Panel {
            area: Box4 {
                left: bounds.left + left,
                top: bounds.top + ABOVE,
                right: bounds.right - RIGHT,
                bottom: bounds.bottom - NUMBERS - BELOW,
            },
            x,
            y,
        }
    }

    /// Room that the numbers of a y axis take, in pixels.
    pub(crate) fn numbers_width(y: &Axis) -> f32 {
        let widths = y
            .ticks
            .iter()
            .map(|tick| font::width(&tick.text, SMALL_SIZE, Weight::Regular));
        widths.fold(0.0, f32::max) + 10.0
    }

    /// Where a value of x lies.
    pub(crate) fn at_x(&self, x: f64) -> f32 {
        self.area.left + self.x.share(x) * self.width()
    }

    /// Where a value of y lies.
    pub(crate) fn at_y(&self, y: f64) -> f32 {
        self.area.bottom - self.y.share(y) * self.height()
    }

    /// Where both lie.
    pub(crate) fn at(&self, x: f64, y: f64) -> Point {
        (self.at_x(x), self.at_y(y))
    }

    pub(crate) fn width(&self) -> f32 {
        self.area.right - self.area.left
    }

    pub(crate) fn height(&self) -> f32 {
        self.area.bottom - self.area.top
    }

    /// Draws what lies under the data: grid, axis, numbers, words.
    pub(crate) fn draw(&self, picture: &mut Picture, words: Words<'_>) {
        let Box4 {
            left,
            top,
            right,
            bottom,
        } = self.area;
        for tick in &self.y.ticks {
            let y = crisp(self.at_y(tick.value));
            picture.line((left, y), (right, y), Stroke::solid(GRID, 1.0));
            let at = (left - 7.0, y + 0.35 * SMALL_SIZE);
            let text = Text::new(at, tick.text.clone(), SMALL_SIZE, GREY);
            picture.text(text.anchored(Anchor::End));
        }
        let base = crisp(bottom);
        picture.line((left, base), (right, base), Stroke::solid(AXIS, 1.0));
        let mut free_from = f32::NEG_INFINITY;
        for tick in &self.x.ticks {
            let x = crisp(self.at_x(tick.value));
            picture.line((x, base), (x, base + 4.0), Stroke::solid(AXIS, 1.0));
            let at = (x, base + 7.0 + SMALL_SIZE);
            let text = Text::new(at, tick.text.clone(), SMALL_SIZE, GREY).anchored(Anchor::Middle);
            let room = Box4::of(&text);
            if room.left > free_from {
                free_from = room.right + 6.0;
                picture.text(text);
            }
        }
        self.title(picture, words, top - 10.0);
        if !words.below.is_empty() {
            let at = (0.5 * (left + right), base + NUMBERS + 0.95 * BELOW);
            let below = shortened(words.below, self.width(), SMALL_SIZE, Weight::Regular);
            picture.text(Text::new(at, below, SMALL_SIZE, GREY).anchored(Anchor::Middle));
        }
    }

    fn title(&self, picture: &mut Picture, words: Words<'_>, y: f32) {
        let room = self.width();
        let title = shortened(words.title, room, LABEL_SIZE, Weight::Medium);
        let title = Text::new((self.area.left, y), title, LABEL_SIZE, INK).medium();
        let after = title.width() + 8.0;
        picture.text(title);
        let unit = shortened(words.unit, room - after, SMALL_SIZE, Weight::Regular);
        if !words.unit.is_empty() && room > after {
            picture.text(Text::new(
                (self.area.left + after, y),
                unit,
                SMALL_SIZE,
                GREY,
            ));
        }
    }
}

/// The middle of the nearest pixel, on which a line one pixel wide is sharp.
pub(crate) fn crisp(at: f32) -> f32 {
    at.floor() + 0.5
}
