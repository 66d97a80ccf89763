//! The reader of strace text, from the outside.

#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, and these are their helpers too"
)]

mod captures;
mod forms;
mod golden;
mod property;
mod read;
mod threads;
