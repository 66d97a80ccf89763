//! Labels that do not cover each other.

use crate::picture::{Anchor, Point, Text};

/// A rectangle: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Box4 {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) right: f32,
    pub(crate) bottom: f32,
}

/// Rooms that are taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    boxes: Vec<Box4>,
}

impl Box4 {
    /// The square around a place.
    pub(crate) fn around(at: Point, radius: f32) -> Self {
        Box4 {
            left: at.0 - radius,
            top: at.1 - radius,
            right: at.0 + radius,
            bottom: at.1 + radius,
        }
    }

    /// The room that a line of text takes.
    pub(crate) fn of(text: &Text) -> Self {
        let width = text.width();
        let left = match text.anchor {
            Anchor::Start => text.at.0,
            Anchor::Middle => text.at.0 - 0.5 * width,
            Anchor::End => text.at.0 - width,
        };
        Box4 {
            left,
            top: text.at.1 - 0.8 * text.size,
            right: left + width,
            bottom: text.at.1 + 0.25 * text.size,
        }
    }

    /// It with so many pixels more on each side.
    pub(crate) fn wider(self, by: f32) -> Self {
        Box4 {
            left: self.left - by,
            top: self.top - by,
            right: self.right + by,
            bottom: self.bottom + by,
        }
    }

    pub(crate) fn meets(&self, other: &Box4) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    pub(crate) fn within(&self, other: &Box4) -> bool {
        self.left >= other.left
            && self.right <= other.right
            && self.top >= other.top
            && self.bottom <= other.bottom
    }
}

impl Taken {
    pub(crate) fn take(&mut self, room: Box4) {
        self.boxes.push(room);
    }

    pub(crate) fn is_free(&self, room: &Box4) -> bool {
        !self.boxes.iter().any(|taken| taken.meets(room))
    }

    /// Takes the room if nothing else has it.
    pub(crate) fn claim(&mut self, room: Box4) -> bool {
        let free = self.is_free(&room);
        if free {
            self.take(room);
        }
        free
    }
}
