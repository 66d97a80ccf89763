//! Shapes as SVG text.

use std::fmt::Write as _;

use crate::color::{Color, WHITE};
use crate::font::Weight;
use crate::picture::{Anchor, Path, Picture, Point, Shape, Step, Stroke, Text};

/// The picture as an SVG document.
pub(crate) fn write(picture: &Picture) -> String {
    let (width, height) = (picture.width(), picture.height());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"Roboto, Helvetica, Arial, sans-serif\" \
         role=\"img\">\n<title>{}</title>\n<rect width=\"{width}\" height=\"{height}\"{}/>\n",
        escaped(picture.title()),
        paint("fill", WHITE),
    );
    for shape in picture.shapes() {
        match shape {
            Shape::Path(path) => write_path(&mut out, path),
            Shape::Dots {
                points,
                radius,
                color,
            } => write_dots(&mut out, points, *radius, *color),
            Shape::Text(text) => write_text(&mut out, text),
        }
    }
    out.push_str("</svg>\n");
    out
}

fn write_path(out: &mut String, path: &Path) {
    out.push_str("<path d=\"");
    for step in &path.steps {
        match *step {
            Step::Move(to) => points(out, 'M', &[to]),
            Step::Line(to) => points(out, 'L', &[to]),
            Step::Quad(by, to) => points(out, 'Q', &[by, to]),
            Step::Cubic(by, then, to) => points(out, 'C', &[by, then, to]),
            Step::Close => out.push('Z'),
        }
    }
    out.push('"');
    match path.fill {
        Some(color) => out.push_str(&paint("fill", color)),
        None => out.push_str(" fill=\"none\""),
    }
    if let Some(stroke) = path.stroke {
        write_stroke(out, stroke);
    }
    out.push_str("/>\n");
}

/// Lines of no length with round ends: a disc in ten bytes.
fn write_dots(out: &mut String, dots: &[Point], radius: f32, color: Color) {
    out.push_str("<path d=\"");
    for &dot in dots {
        points(out, 'M', &[dot]);
        out.push_str("h0");
    }
    out.push_str("\" fill=\"none\" stroke-linecap=\"round\"");
    out.push_str(&paint("stroke", color));
    let _ = writeln!(out, " stroke-width=\"{}\"/>", number(2.0 * radius));
}

fn write_stroke(out: &mut String, stroke: Stroke) {
    out.push_str(&paint("stroke", stroke.color));
    let _ = write!(out, " stroke-width=\"{}\"", number(stroke.width));
    match stroke.dash {
        Some([on, off]) => {
            let _ = write!(out, " stroke-dasharray=\"{} {}\"", number(on), number(off));
        }
        None => out.push_str(" stroke-linejoin=\"round\""),
    }
}

/// A halo is the text once more, below: not every program that shows SVG can paint the stroke first.
fn write_text(out: &mut String, text: &Text) {
    if text.halo {
        let mut stroke =
            String::from(" aria-hidden=\"true\" stroke-linejoin=\"round\" stroke-width=\"3\"");
        stroke.push_str(&paint("stroke", WHITE));
        write_glyphs(out, text, WHITE, &stroke);
    }
    write_glyphs(out, text, text.color, "");
}

fn write_glyphs(out: &mut String, text: &Text, fill: Color, stroke: &str) {
    let (x, y) = (number(text.at.0), number(text.at.1));
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"",
        number(text.size)
    );
    out.push_str(&paint("fill", fill));
    out.push_str(stroke);
    if text.weight == Weight::Medium {
        out.push_str(" font-weight=\"500\"");
    }
    match text.anchor {
        Anchor::Start => {}
        Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
        Anchor::End => out.push_str(" text-anchor=\"end\""),
    }
    // Several blanks in a row stay several.
    let _ = writeln!(
        out,
        " xml:space=\"preserve\">{}</text>",
        escaped(&text.content)
    );
}

fn points(out: &mut String, letter: char, points: &[Point]) {
    out.push(letter);
    for (place, (x, y)) in points.iter().enumerate() {
        let blank = if place == 0 { "" } else { " " };
        let _ = write!(out, "{blank}{} {}", number(*x), number(*y));
    }
}

fn paint(what: &str, color: Color) -> String {
    let mut text = format!(
        " {what}=\"#{:02x}{:02x}{:02x}\"",
        color.red, color.green, color.blue
    );
    if color.alpha < 255 {
        let share = f32::from(color.alpha) / 255.0;
        let _ = write!(text, " {what}-opacity=\"{}\"", number(share));
    }
    text
}

/// A number with at most two digits after the point, and none that say nothing.
fn number(value: f32) -> String {
    // A value that is no number would make the whole document invalid.
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Text with the characters that XML gives a meaning replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (0.126, "0.13"),
            (-0.001, "0"),
            (100.0, "100"),
            (f32::NAN, "0"),
            (f32::INFINITY, "0"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
