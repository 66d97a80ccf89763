//! The paper: how large a picture is, and what stands above it.

use crate::color::{GREY, INK};
use crate::font::Weight;
use crate::picture::{Picture, Text};
use crate::text::shortened;

/// Size of a picture, and its heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Width in pixels, at least [`Sheet::LEAST`].
    pub width: u32,
    /// Height in pixels, at least [`Sheet::LEAST`].
    pub height: u32,
    /// What is shown.
    pub title: String,
    /// Of what it is shown, in a second line; may be empty.
    pub subtitle: String,
}

/// Room around everything, in pixels.
pub(crate) const MARGIN: f32 = 20.0;
/// Sizes of letters, in pixels.
pub(crate) const TITLE_SIZE: f32 = 18.0;
pub(crate) const LABEL_SIZE: f32 = 13.0;
pub(crate) const SMALL_SIZE: f32 = 12.0;

impl Sheet {
    /// The least width and height, in pixels: a smaller sheet is made this large.
    pub const LEAST: u32 = 320;

    /// A picture with the heading on it, and where the room below the heading begins.
    pub(crate) fn begin(&self) -> (Picture, f32) {
        let (width, height) = (self.width.max(Self::LEAST), self.height.max(Self::LEAST));
        let heading = match self.subtitle.as_str() {
            "" => self.title.clone(),
            subtitle => format!("{}: {subtitle}", self.title),
        };
        let mut picture = Picture::new(width, height, &heading);
        let room = width as f32 - 2.0 * MARGIN;
        let mut y = MARGIN + 0.75 * TITLE_SIZE;
        let title = shortened(&self.title, room, TITLE_SIZE, Weight::Medium);
        picture.text(Text::new((MARGIN, y), title, TITLE_SIZE, INK).medium());
        if !self.subtitle.is_empty() {
            y += 21.0;
            let subtitle = shortened(&self.subtitle, room, LABEL_SIZE, Weight::Regular);
            picture.text(Text::new((MARGIN, y), subtitle, LABEL_SIZE, GREY));
        }
        (picture, y + 12.0)
    }
}
