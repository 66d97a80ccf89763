//! Data sets, protocols and result tables: what a figure stands on.
//!
//! [`metrics`] has the figures and their definitions. [`seed`] is the protocol of the research script that this
//! project grew from.

#![forbid(unsafe_code)]

pub mod metrics;
mod numbers;
pub mod seed;

pub use numbers::{ReadNumbersError, Trace, read_numbers};
