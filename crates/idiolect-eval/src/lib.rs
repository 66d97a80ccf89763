//! Data sets, protocols and result tables: what a figure stands on.
//!
//! [`data`] reads labelled sets, [`methods`] are the detectors, [`combine`] makes one of several. A
//! [`grid`] runs every detector on every set; [`results`] are its figures, by the definitions of [`metrics`]
//! and as sure as [`resample`] says. [`seed`] is the protocol of the research script that this project grew
//! from.

#![forbid(unsafe_code)]

pub mod combine;
pub mod data;
pub mod grid;
pub mod methods;
pub mod metrics;
mod numbers;
pub mod resample;
pub mod results;
pub mod seed;

pub use numbers::{ReadNumbersError, Trace, read_numbers};
