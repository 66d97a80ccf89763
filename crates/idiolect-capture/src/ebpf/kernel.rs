//! The kernel side, behind a trait: what loads it can be exchanged, and tests can stand in for it.

use std::os::fd::OwnedFd;

use crate::CaptureError;

/// What to follow.
#[derive(Debug)]
pub(crate) enum Follow {
    /// A process, by its number in our pid namespace, and what it starts.
    Tree(u32),
    /// What is in or below this folder of the unified control group hierarchy.
    Cgroup(OwnedFd),
    /// Processes of this name, filled up with zeros.
    Comm([u8; 16]),
    /// Everything but ourselves.
    All,
}

/// How the kernel side is to be loaded.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What to follow.
    pub(crate) follow: Follow,
    /// Whether calls are sent at their end, with their result.
    pub(crate) outcomes: bool,
    /// Size of the ring buffer: a power of two, at least a page.
    pub(crate) ring_bytes: u32,
    /// Threads that can be followed at a time.
    pub(crate) threads: u32,
    /// Read kernel memory by helper, as kernels before 5.11 need it, for tests on later ones.
    pub(crate) untyped: bool,
}

/// What the kernel side has counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Threads that are followed now.
    pub(crate) followed: u64,
    /// Events that were lost.
    pub(crate) lost: Lost,
}

/// Events that were lost so far, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// No room in the ring buffer.
    pub(crate) ring_full: u64,
    /// No room in the table of threads.
    pub(crate) table_full: u64,
}

/// The kernel side.
pub(crate) trait Kernel: Send {
    /// Begins: attaches to the kernel, then follows what is there already.
    ///
    /// # Errors
    /// [`CaptureError`] where the kernel does not allow it.
    fn attach(&mut self) -> Result<(), CaptureError>;

    /// Hands out at most so many records of the ring buffer, in order, and says how many it was. Fewer than asked
    /// for: the ring buffer was empty then.
    fn drain(&mut self, most: usize, each: &mut dyn FnMut(&[u8])) -> usize;

    /// What was counted.
    ///
    /// # Errors
    /// [`CaptureError`] where the kernel does not say.
    fn counters(&self) -> Result<Counters, CaptureError>;

    /// Ends: nothing more is sent. What is in the ring buffer can still be read.
    ///
    /// # Errors
    /// [`CaptureError`] where the kernel does not allow it.
    fn detach(&mut self) -> Result<(), CaptureError>;
}
