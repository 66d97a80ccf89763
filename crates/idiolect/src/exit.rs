//! What the process ends with. The table is in the help, after the examples.

/// Done.
pub(crate) const OK: u8 = 0;
/// Failed; the reason is on standard error. (2 is clap's, for a wrong command line.)
pub(crate) const FAILED: u8 = 1;
/// Done, and something is anomalous, with `--fail-on-anomaly`.
pub(crate) const ANOMALY: u8 = 3;
/// Interrupted, as shells say it: 128 and the signal's number.
pub(crate) const INTERRUPTED: u8 = 130;
