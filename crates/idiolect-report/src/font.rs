//! The embedded font: how wide text is, and the outlines of its letters.

use std::sync::OnceLock;

use ttf_parser::{Face, OutlineBuilder};

use crate::picture::Step;

/// How thick letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Medium,
}

/// Width of text in pixels at a size in pixels, without kerning.
pub(crate) fn width(text: &str, size: f32, weight: Weight) -> f32 {
    let face = face(weight);
    let units: u32 = text.chars().map(|c| advance(face, c)).sum();
    units as f32 * size / f32::from(face.units_per_em())
}

/// The outline of text that begins at (x, y), y being its baseline.
pub(crate) fn outline(text: &str, x: f32, y: f32, size: f32, weight: Weight) -> Vec<Step> {
    let face = face(weight);
    let scale = size / f32::from(face.units_per_em());
    let mut pen = Pen {
        x,
        y,
        scale,
        steps: Vec::new(),
    };
    for c in text.chars() {
        face.outline_glyph(glyph(face, c), &mut pen);
        pen.x += advance(face, c) as f32 * scale;
    }
    pen.steps
}

fn face(weight: Weight) -> &'static Face<'static> {
    static REGULAR: OnceLock<Face<'static>> = OnceLock::new();
    static MEDIUM: OnceLock<Face<'static>> = OnceLock::new();
    let (face, bytes): (_, &'static [u8]) = match weight {
        Weight::Regular => (&REGULAR, include_bytes!("../font/Roboto-Regular.ttf")),
        Weight::Medium => (&MEDIUM, include_bytes!("../font/Roboto-Medium.ttf")),
    };
    face.get_or_init(|| Face::parse(bytes, 0).expect("the embedded bytes are a font"))
}

/// The glyph of a character: the box that stands for a missing one where the font has none.
fn glyph(face: &Face<'_>, c: char) -> ttf_parser::GlyphId {
    face.glyph_index(c).unwrap_or(ttf_parser::GlyphId(0))
}

fn advance(face: &Face<'_>, c: char) -> u32 {
    u32::from(face.glyph_hor_advance(glyph(face, c)).unwrap_or(0))
}

struct Pen {
    x: f32,
    y: f32,
    scale: f32,
    steps: Vec<Step>,
}

impl Pen {
    /// From the font's units, up, to pixels, down.
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.steps.push(Step::Move(self.at(x, y)));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.steps.push(Step::Line(self.at(x, y)));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.steps.push(Step::Quad(self.at(x1, y1), self.at(x, y)));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (first, second) = (self.at(x1, y1), self.at(x2, y2));
        self.steps.push(Step::Cubic(first, second, self.at(x, y)));
    }

    fn close(&mut self) {
        self.steps.push(Step::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_faces_have_what_pictures_say() {
        let said = (' '..='~').chain("–…·×≤≥−".chars());
        for weight in [Weight::Regular, Weight::Medium] {
            for c in said.clone() {
                assert!(face(weight).glyph_index(c).is_some(), "{weight:?} {c:?}");
            }
        }
        assert!(width("WWW", 10.0, Weight::Regular) > width("iii", 10.0, Weight::Regular));
        let steps = outline("é\u{4e2d}", 0.0, 0.0, 10.0, Weight::Medium);
        assert!(steps.len() > 20, "also a box for what the font has not");
    }
}
