//! A picture: shapes on white paper.

use crate::PngError;
use crate::color::Color;
use crate::font::{self, Weight};
use crate::text::clean;
use crate::{png, svg};

/// A place in pixels, from the left and from the top.
pub(crate) type Point = (f32, f32);

/// A finished picture.
#[derive(Clone, Debug)]
pub struct Picture {
    width: u32,
    height: u32,
    /// What it shows, in a line.
    title: String,
    shapes: Vec<Shape>,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Path(Path),
    /// Discs of one radius and colour, as many as there are points.
    Dots {
        points: Vec<Point>,
        radius: f32,
        color: Color,
    },
    Text(Text),
}

/// A line or an area.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    pub(crate) fill: Option<Color>,
    pub(crate) stroke: Option<Stroke>,
}

/// A step of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Move(Point),
    Line(Point),
    Quad(Point, Point),
    Cubic(Point, Point, Point),
    Close,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub(crate) color: Color,
    pub(crate) width: f32,
    /// Lengths drawn and left out.
    pub(crate) dash: Option<[f32; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text on its baseline.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) at: Point,
    pub(crate) content: String,
    pub(crate) size: f32,
    pub(crate) weight: Weight,
    pub(crate) color: Color,
    pub(crate) anchor: Anchor,
    /// White around the letters, for text over lines.
    pub(crate) halo: bool,
}

impl Picture {
    pub(crate) fn new(width: u32, height: u32, title: &str) -> Self {
        Picture {
            width,
            height,
            title: clean(title),
            shapes: Vec::new(),
        }
    }

    /// Its width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Its height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// It as SVG text: the same bytes for the same data.
    pub fn svg(&self) -> String {
        svg::write(self)
    }

    /// It as a PNG file's bytes: the same bytes for the same data. A picture of width w becomes
    /// w times `scale` pixels wide, for screens with fine pixels.
    ///
    /// # Errors
    /// [`PngError`] where that is more pixels than can be painted.
    pub fn png(&self, scale: u32) -> Result<Vec<u8>, PngError> {
        png::paint(self, scale)
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    pub(crate) fn line(&mut self, from: Point, to: Point, stroke: Stroke) {
        self.polyline(&[from, to], stroke);
    }

    pub(crate) fn polyline(&mut self, points: &[Point], stroke: Stroke) {
        if points.len() > 1 {
            self.path(Path {
                steps: along(points),
                stroke: Some(stroke),
                fill: None,
            });
        }
    }

    pub(crate) fn area(&mut self, points: &[Point], fill: Color) {
        let mut steps = along(points);
        steps.push(Step::Close);
        self.path(Path {
            steps,
            fill: Some(fill),
            stroke: None,
        });
    }

    /// A rectangle from its corner at the top left.
    pub(crate) fn rectangle(&mut self, at: Point, size: (f32, f32), fill: Color) {
        let (x, y) = at;
        let (right, bottom) = (x + size.0, y + size.1);
        self.area(&[(x, y), (right, y), (right, bottom), (x, bottom)], fill);
    }

    pub(crate) fn path(&mut self, path: Path) {
        self.shapes.push(Shape::Path(path));
    }

    pub(crate) fn dots(&mut self, points: Vec<Point>, radius: f32, color: Color) {
        if !points.is_empty() {
            self.shapes.push(Shape::Dots {
                points,
                radius,
                color,
            });
        }
    }

    pub(crate) fn ring(&mut self, center: Point, radius: f32, fill: Color, stroke: Stroke) {
        self.path(Path {
            steps: circle(center, radius),
            fill: Some(fill),
            stroke: Some(stroke),
        });
    }

    /// Puts text on the picture. The only way to do so: here its control characters are escaped.
    pub(crate) fn text(&mut self, mut text: Text) {
        text.content = clean(&text.content);
        self.shapes.push(Shape::Text(text));
    }
}

impl Stroke {
    pub(crate) fn solid(color: Color, width: f32) -> Self {
        Stroke {
            color,
            width,
            dash: None,
        }
    }

    pub(crate) fn dashed(color: Color, width: f32) -> Self {
        Stroke {
            color,
            width,
            dash: Some([5.0, 4.0]),
        }
    }
}

impl Text {
    pub(crate) fn new(at: Point, content: impl Into<String>, size: f32, color: Color) -> Self {
        Text {
            at,
            content: content.into(),
            size,
            weight: Weight::Regular,
            color,
            anchor: Anchor::Start,
            halo: false,
        }
    }

    pub(crate) fn anchored(self, anchor: Anchor) -> Self {
        Text { anchor, ..self }
    }

    pub(crate) fn medium(self) -> Self {
        Text {
            weight: Weight::Medium,
            ..self
        }
    }

    pub(crate) fn with_halo(self) -> Self {
        Text { halo: true, ..self }
    }

    /// Its width in pixels.
    pub(crate) fn width(&self) -> f32 {
        font::width(&self.content, self.size, self.weight)
    }
}

/// A circle of four curves.
pub(crate) fn circle(center: Point, radius: f32) -> Vec<Step> {
    /// Distance of the control points that makes a cubic curve a quarter of a circle, in radii.
    const QUARTER: f32 = 0.552_284_8;
    let (x, y) = center;
    let (r, k) = (radius, radius * QUARTER);
    vec![
        Step::Move((x + r, y)),
        Step::Cubic((x + r, y + k), (x + k, y + r), (x, y + r)),
        Step::Cubic((x - k, y + r), (x - r, y + k), (x - r, y)),
        Step::Cubic((x - r, y - k), (x - k, y - r), (x, y - r)),
        Step::Cubic((x + k, y - r), (x + r, y - k), (x + r, y)),
        Step::Close,
    ]
}

fn along(points: &[Point]) -> Vec<Step> {
    let steps = points.iter().enumerate().map(|(place, &point)| {
        if place == 0 {
            Step::Move(point)
        } else {
            Step::Line(point)
        }
    });
    steps.collect()
}
