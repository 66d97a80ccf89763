//! Events in the order of their numbers, whatever the order of their lines.

use std::collections::BTreeMap;

use super::event::Event;
use super::text::Line;

/// Events that are held back before the first of them is passed on.
const HELD: usize = 128;

/// A number so far below the highest is no straggler: counting began anew.
const RESTART: u64 = 8_192;

/// Numbers wrap at 32 bits.
const WRAP: u64 = 1 << 32;

/// Of so many steps from one number to the next...
const STEPS: u64 = 64;

/// ...one in this many may leave numbers out; beyond it the log was chosen from another.
const LOSS_SHARE: u64 = 8;

/// Sorts the events of one host.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: BTreeMap<u64, Event>,
    /// The highest number so far, counted on beyond 32 bits.
    high: Option<u64>,
    /// The number that was passed on last.
    passed: Option<u64>,
    /// The first number after counting began anew.
    restart: Option<u64>,
    steps: u64,
    steps_with_loss: u64,
}

/// An event whose turn has come.
pub(super) struct Next {
    pub(super) event: Event,
    /// Numbers between it and the one before that are nowhere in the log.
    pub(super) missing: u64,
    /// Whether counting began anew with it, as after a boot.
    pub(super) restarted: bool,
}

impl Order {
    /// The event that a line belongs to; none for the messages of auditd itself, whose numbers are its own.
    pub(super) fn event(&mut self, line: &Line<'_>, time_ns: Option<u64>) -> Option<&mut Event> {
        let by_number = line.kind.len() == 4 && line.kind.starts_with("12");
        if by_number || line.kind.starts_with("DAEMON_") {
            return None;
        }
        let number = self.count_on(line.serial);
        self.high = self.high.max(Some(number));
        let event = self.held.entry(number).or_insert_with(|| Event {
            time_ns,
            ..Event::default()
        });
        Some(event)
    }

    /// A number of 32 bits as one that does not wrap.
    fn count_on(&mut self, serial: u32) -> u64 {
        let serial = u64::from(serial);
        let Some(high) = self.high else {
            // Room below it for stragglers.
            return WRAP + serial;
        };
        let base = high - high % WRAP;
        let near = [base.saturating_sub(WRAP), base, base.saturating_add(WRAP)]
            .map(|base| base.saturating_add(serial))
            .into_iter()
            .min_by_key(|number| number.abs_diff(high))
            .unwrap_or(high);
        if near.saturating_add(RESTART) >= high {
            return near;
        }
        let anew = base.saturating_add(2 * WRAP + serial);
        self.restart = Some(anew);
        anew
    }

    /// The next event in order, if it can be passed on.
    pub(super) fn next(&mut self, all: bool) -> Option<Next> {
        let restarted = self.restart;
        let before_restart = |number: &u64| restarted.is_some_and(|first| *number < first);
        let (first, _) = self.held.first_key_value()?;
        if !all && self.held.len() <= HELD && !before_restart(first) {
            return None;
        }
        let (number, event) = self.held.pop_first()?;
        let restarted = restarted == Some(number);
        if restarted {
            self.restart = None;
        }
        let missing = match self.passed {
            Some(passed) if !restarted => number.saturating_sub(passed.saturating_add(1)),
            _ => 0,
        };
        self.passed = self.passed.max(Some(number));
        self.steps += 1;
        self.steps_with_loss += u64::from(missing > 0);
        Some(Next {
            event,
            missing: if self.is_selection() { 0 } else { missing },
            restarted,
        })
    }

    /// Whether numbers are missing throughout, so that what is there was chosen.
    pub(super) fn is_selection(&self) -> bool {
        self.steps >= STEPS && self.steps_with_loss * LOSS_SHARE > self.steps
    }
}
