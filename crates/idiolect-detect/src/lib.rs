//! Detectors.
#![forbid(unsafe_code)]
