//! Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes: the first asks to stop in good order, the second stops at
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether somebody asked to stop.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let hangup = (!ignores_hangup()).then_some(SIGHUP);
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            // Where a handler cannot be had, the signal stops us at once, as without one.
            let _ = flag::register_conditional_shutdown(
                signal,
                i32::from(crate::exit::INTERRUPTED),
                Arc::clone(&asked),
            );
            let _ = flag::register(signal, Arc::clone(&asked));
        }
        Interrupt(asked)
    }

    /// Whether somebody asked to stop since.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether we were started to outlive our terminal (nohup).
fn ignores_hangup() -> bool {
    // The lowest bit of the mask is the first signal, SIGHUP.
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 1 == 1)
    })
}
