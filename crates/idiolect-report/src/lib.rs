//! Pictures: numbers and names in, SVG or PNG out.
//!
//! Every picture is a pure function from plain data and a [`Sheet`] (size and heading) to a [`Picture`],
//! which is a list of shapes. The same shapes are written as SVG text or painted as PNG, so the two
//! agree, and the same data give the same bytes. Nothing here knows what a model is.
//!
//! Names come from traces, which may be hostile: whatever text is put on a picture has its control
//! characters escaped, and is escaped for XML. A picture's size does not grow with the data: what is
//! longer than there are pixels is drawn by its least and greatest values.

#![forbid(unsafe_code)]

mod axis;
mod cells;
mod color;
mod curves;
mod font;
mod graph;
mod labels;
mod legend;
mod panel;
mod picture;
mod png;
mod roc;
mod scores;
mod sheet;
mod surprise;
mod svg;
mod text;
mod thin;

pub use cells::{CellCall, CellStrip, cell_strip};
pub use curves::{Curve, Epoch, Fitness, training_curves};
pub use graph::{Edge, Node, transition_graph};
pub use picture::Picture;
pub use png::PngError;
pub use roc::{Labelled, Roc, roc};
pub use scores::{ScoreKind, Scores, Threshold, score_distributions};
pub use sheet::Sheet;
pub use surprise::{Heard, Surprise, surprise};
