//! How well scores tell normal from attack: every figure of a result table, with its definition.
//!
//! A stream's *score* is higher the odder it is; at a *threshold* those above it are called anomalous. The
//! *false alarm rate* is the share of normal streams that are, the *detection rate* the share of attacks.
//! Streams of one score cannot be told apart by a threshold, so all measures step over ties at once, and
//! their order never matters. A stream may count several times ([`Ranked::curve`]), which is what
//! resampling needs.
//!
//! [`Curve`] has the measures over all thresholds; [`streaming`](watch) those of an alarm that may be raised
//! at any call.

mod curve;
mod detection;
mod watch;

pub use curve::{Curve, Measure, NotANumber, Ranked};
pub use detection::{Detection, detection};
pub use watch::{Heard, Watched, false_alarms_per_hour, watch};
