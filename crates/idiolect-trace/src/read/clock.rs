//! Times that grow, from times as tools write them.

const NS_PER_SECOND: u64 = 1_000_000_000;
const NS_PER_DAY: u64 = 24 * 3600 * NS_PER_SECOND;

/// A time as it is written, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// Since the epoch.
    Epoch(u64),
    /// Since midnight.
    Day(u64),
    /// Since the line before.
    Step(u64),
}

/// A file's clock.
///
/// Times of day count on beyond midnight: one that lies more than half a day before the one before it is
/// of the next day, and one that lies more than half a day after it, where a day was added, is of the day
/// before. Relative times add up. Times since the epoch are taken as they stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// Days since the first time, in nanoseconds.
    days: u64,
    last_of_day: Option<u64>,
    /// Sum of the relative times.
    sum: u64,
}

impl Clock {
    /// What a stamp means, in nanoseconds.
    pub(crate) fn read(&mut self, stamp: Stamp) -> u64 {
        match stamp {
            Stamp::Epoch(ns) => ns,
            Stamp::Step(ns) => {
                self.sum = self.sum.saturating_add(ns);
                self.sum
            }
            Stamp::Day(ns) => {
                if let Some(last) = self.last_of_day {
                    if ns.saturating_add(NS_PER_DAY / 2) < last {
                        self.days = self.days.saturating_add(NS_PER_DAY);
                    } else if ns > last.saturating_add(NS_PER_DAY / 2) {
                        self.days = self.days.saturating_sub(NS_PER_DAY);
                    }
                }
                self.last_of_day = Some(ns);
                self.days.saturating_add(ns)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(hours: u64, seconds: u64) -> Stamp {
        Stamp::Day((hours * 3600 + seconds) * NS_PER_SECOND)
    }

    #[test]
    fn midnight_is_passed_and_looked_back_over() {
        let mut clock = Clock::default();
        let read: Vec<u64> = [
            day(23, 0),
            day(0, 5),
            day(23, 3599),
            day(0, 6),
            day(9, 0),
            day(18, 0),
            day(2, 0),
        ]
        .map(|stamp| clock.read(stamp) / NS_PER_SECOND)
        .to_vec();
        let midnight = 24 * 3600;
        assert_eq!(
            read,
            [
                23 * 3600,
                midnight + 5,
                midnight - 1,
                midnight + 6,
                midnight + 9 * 3600,
                midnight + 18 * 3600,
                2 * midnight + 2 * 3600
            ]
        );
    }

    #[test]
    fn steps_add_up_and_nothing_overflows() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(Stamp::Step(5)), 5);
        assert_eq!(clock.read(Stamp::Step(7)), 12);
        assert_eq!(clock.read(Stamp::Step(u64::MAX)), u64::MAX);
        assert_eq!(clock.read(Stamp::Epoch(3)), 3);
    }
}
