//! Data sets, protocols and result tables: what a figure stands on.
//!
//! [`data`] reads labelled sets; [`metrics`] has the figures and their definitions, [`resample`] how sure they
//! are. [`seed`] is the protocol of the research script that this project grew from.

#![forbid(unsafe_code)]

pub mod data;
pub mod metrics;
mod numbers;
pub mod resample;
pub mod seed;

pub use numbers::{ReadNumbersError, Trace, read_numbers};
