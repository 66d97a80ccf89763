//! Shapes as pixels.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke as Pen, StrokeDash, Transform,
};

use crate::color::{Color, WHITE};
use crate::font;
use crate::picture::{Anchor, Path, Picture, Shape, Step, Stroke, Text, circle};

/// A picture that cannot be painted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PngError {
    /// It has too many pixels, or none.
    #[error(
        "a picture of {width} by {height} pixels cannot be painted; at most {limit} a side can"
    )]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The most pixels a side.
        limit: u32,
    },
    /// The encoder's own words.
    #[error("cannot encode the picture: {0}")]
    Encode(String),
}

/// Most pixels a side: 256 MiB of them.
const MAX_SIDE: u32 = 8_192;
/// Width of the white around letters, in pixels on both sides together.
const HALO: f32 = 3.0;

/// The picture as the bytes of a PNG file.
pub(crate) fn paint(picture: &Picture, scale: u32) -> Result<Vec<u8>, PngError> {
    let (width, height) = (
        picture.width().saturating_mul(scale),
        picture.height().saturating_mul(scale),
    );
    let too_large = PngError::Size {
        width,
        height,
        limit: MAX_SIDE,
    };
    if width.max(height) > MAX_SIDE {
        return Err(too_large);
    }
    let mut canvas = Canvas {
        pixels: Pixmap::new(width, height).ok_or(too_large)?,
        scale: Transform::from_scale(scale as f32, scale as f32),
    };
    canvas.pixels.fill(opaque(WHITE));
    for shape in picture.shapes() {
        canvas.shape(shape);
    }
    canvas
        .pixels
        .encode_png()
        .map_err(|error| PngError::Encode(error.to_string()))
}

struct Canvas {
    pixels: Pixmap,
    scale: Transform,
}

impl Canvas {
    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Path(path) => self.path(path),
            Shape::Dots {
                points,
                radius,
                color,
            } => {
                let steps = points.iter().flat_map(|&point| circle(point, *radius));
                self.fill(&steps.collect::<Vec<_>>(), *color);
            }
            Shape::Text(text) => self.text(text),
        }
    }

    fn path(&mut self, path: &Path) {
        if let Some(color) = path.fill {
            self.fill(&path.steps, color);
        }
        if let Some(stroke) = path.stroke {
            self.stroke(&path.steps, stroke);
        }
    }

    fn text(&mut self, text: &Text) {
        let shift = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -0.5 * text.width(),
            Anchor::End => -text.width(),
        };
        let (x, y) = text.at;
        let steps = font::outline(&text.content, x + shift, y, text.size, text.weight);
        if text.halo {
            self.stroke(&steps, Stroke::solid(WHITE, HALO));
        }
        self.fill(&steps, text.color);
    }

    fn fill(&mut self, steps: &[Step], color: Color) {
        if let Some(path) = built(steps) {
            let paint = ink(color);
            self.pixels
                .fill_path(&path, &paint, FillRule::Winding, self.scale, None);
        }
    }

    fn stroke(&mut self, steps: &[Step], stroke: Stroke) {
        if let Some(path) = built(steps) {
            let pen = Pen {
                width: stroke.width,
                line_join: match stroke.dash {
                    Some(_) => LineJoin::Miter,
                    None => LineJoin::Round,
                },
                line_cap: LineCap::Butt,
                dash: stroke
                    .dash
                    .and_then(|dash| StrokeDash::new(dash.to_vec(), 0.0)),
                ..Pen::default()
            };
            self.pixels
                .stroke_path(&path, &ink(stroke.color), &pen, self.scale, None);
        }
    }
}

/// The path, unless it is empty or has a place that is no number.
fn built(steps: &[Step]) -> Option<tiny_skia::Path> {
    let mut path = PathBuilder::new();
    for step in steps {
        match *step {
            Step::Move((x, y)) => path.move_to(x, y),
            Step::Line((x, y)) => path.line_to(x, y),
            Step::Quad((a, b), (x, y)) => path.quad_to(a, b, x, y),
            Step::Cubic((a, b), (c, d), (x, y)) => path.cubic_to(a, b, c, d, x, y),
            Step::Close => path.close(),
        }
    }
    path.finish()
}

fn ink(color: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(opaque(color));
    paint.anti_alias = true;
    paint
}

fn opaque(color: Color) -> tiny_skia::Color {
    tiny_skia::Color::from_rgba8(color.red, color.green, color.blue, color.alpha)
}
