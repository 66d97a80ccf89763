//! Vocabulary, detectors, signals, calibration and the profile file.
//!
//! The road through this crate: streams of call names ([`Streams`]) are split in three ([`split`]), a
//! vocabulary and a model are fitted on the first part ([`fit()`]), the scores of the last part become
//! the [`Calibration`], and all of it is written as one [`Profile`]. Scoring runs the other way: a
//! [`Judge`] takes one call at a time and keeps the stream's [`Signals`], which the profile's
//! calibration turns into a [`Verdict`].
//!
//! Nothing here knows where records come from or where findings go.

#![forbid(unsafe_code)]

mod calibrate;
mod calibration;
mod checkpoint;
mod coder;
mod corpus;
mod detector;
mod distinct;
mod explain;
mod fit;
pub mod hmm;
mod known;
mod lstm;
pub mod novelty;
mod pool;
pub mod portability;
pub mod profile;
pub mod sample;
mod score;
mod signal;
pub mod split;
mod streams;
pub mod tables;
pub mod transitions;
mod vocabulary;
mod watch;
mod window;
mod window_model;

pub use calibration::{Calibration, Interval, RateError, Unit};
pub use checkpoint::Checkpoint;
pub use coder::{Coder, CoderConfig, CoderModel};
pub use corpus::{Augmentation, Export, export};
pub use detector::{Detector, DetectorState, Measure, Run};
pub use explain::{Explainer, Explanation, Surprising, Track};
pub use fit::{
    DEFAULT_RATE, FitConfig, FitError, FitEvent, FitOutcome, ModelConfig, Network, NetworkConfig,
    Unsaved, fit,
};
pub use lstm::LstmModel;
pub use pool::{Next, Pool};
pub use profile::Profile;
pub use score::WITHHELD_AFTER_GAP;
pub use score::{Blocks, Judge, StreamScore, StreamState, Verdict};
pub use signal::{SignalKind, SignalSettings, Signals, Tracker};
pub use streams::{Stream, Streams, Symbol};
pub use vocabulary::{Token, Vocabulary};
pub use watch::{Crossing, Watched, Watcher};
pub use window::{WindowCorpus, Windows};
pub use window_model::WindowModel;
