//! System calls of running programs.
//!
//! A [`Source`] yields compact [`Event`]s, in order for each thread; [`Records`] turns them into the
//! [`Record`](idiolect_trace::Record)s that every other source yields. Which backend does the work is chosen by
//! [`open`], by what the machine allows, unless the caller says which.
//!
//! Linux only: elsewhere the crate is empty.

#![cfg(target_os = "linux")]

mod bytes;
mod cgroup;
mod child;
mod choice;
pub mod doctor;
#[cfg(feature = "ebpf")]
mod ebpf;
mod error;
mod event;
mod introduce;
mod launch;
mod lockdown;
mod perf;
mod proc;
mod ptrace;
mod record;
mod seccomp;
mod source;

pub use cgroup::Cgroup;
pub use choice::{Choice, Opened, open};
pub use error::CaptureError;
pub use event::{Event, LossScope, Thread};
pub use record::Records;
pub use source::{BATCH, Backend, Losses, Options, Source, State, Target};
