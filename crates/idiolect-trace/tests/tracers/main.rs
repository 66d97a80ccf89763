//! The readers of what tracers of the kernel print, from the outside.

#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, and these are their helpers too"
)]

mod aliases;
mod captures;
#[path = "../reading/collect.rs"]
#[expect(dead_code, reason = "the tests of other readers use more of it")]
mod collect;
mod forms;
mod golden;
mod hostile;
mod record;
mod story;
