//! Reading from paths and bytes: what is read, what is passed over, and what bad input gets.

#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, and these are their helpers too"
)]

mod adfa;
mod archives;
mod auditd;
mod captures;
mod collect;
mod files;
mod jsonl;
mod map;
mod tools;
mod unm;
mod words;
