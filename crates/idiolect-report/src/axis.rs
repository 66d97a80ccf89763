//! Axes: a range of values, and the round numbers that are written beside it.

use crate::text::{count, decimal};

/// One axis of a panel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) ticks: Vec<Tick>,
}

/// A number beside an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) text: String,
}

/// How the numbers of an axis are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// With as many digits as tell ticks apart.
    Decimal,
    /// Whole ones.
    Count,
    /// Shares as per cent.
    Percent,
}

impl Axis {
    /// Over these values, begun and ended at round numbers.
    pub(crate) fn round(low: f64, high: f64, most_ticks: usize, numbers: Numbers) -> Self {
        let (low, high) = proper(low, high);
        let step = step(high - low, most_ticks, numbers);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        Axis::of(first * step, last * step, step, numbers)
    }

    /// Over exactly these values, with round numbers in between.
    pub(crate) fn exact(low: f64, high: f64, most_ticks: usize, numbers: Numbers) -> Self {
        let (low, high) = proper(low, high);
        Axis::of(low, high, step(high - low, most_ticks, numbers), numbers)
    }

    fn of(min: f64, max: f64, step: f64, numbers: Numbers) -> Self {
        // A little slack for ends that were computed.
        let first = (min / step - 1e-6).ceil() as i64;
        let last = (max / step + 1e-6).floor() as i64;
        let ticks = (first..=last).map(|place| {
            let value = place as f64 * step;
            Tick {
                value,
                text: written(value, step, numbers),
            }
        });
        Axis {
            min,
            max,
            ticks: ticks.collect(),
        }
    }

    /// Where a value lies: 0 at the beginning, 1 at the end, never outside.
    pub(crate) fn share(&self, value: f64) -> f32 {
        ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0) as f32
    }
}

/// A range that is one, whatever the data were.
fn proper(low: f64, high: f64) -> (f64, f64) {
    /// Beyond it f64 has no steps between round numbers.
    const LIMIT: f64 = 1e12;
    let finite = |value: f64| {
        if value.is_nan() {
            0.0
        } else {
            value.clamp(-LIMIT, LIMIT)
        }
    };
    let (low, high) = (finite(low), finite(high));
    let room = 1e-6 * low.abs().max(1.0);
    if high - low > room {
        (low, high)
    } else {
        (low - 0.5, low + 0.5)
    }
}

/// The least of 1, 2, 5, 10, ... times a power of ten that makes no more ticks than wanted.
fn step(range: f64, most_ticks: usize, numbers: Numbers) -> f64 {
    let rough = range / most_ticks.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let rounded = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|&step| step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * power);
    match numbers {
        Numbers::Count => rounded.max(1.0),
        Numbers::Decimal | Numbers::Percent => rounded,
    }
}

fn written(value: f64, step: f64, numbers: Numbers) -> String {
    let digits = |step: f64| (-(step * (1.0 + 1e-9)).log10().floor()).clamp(0.0, 9.0) as usize;
    match numbers {
        Numbers::Decimal => decimal(value, digits(step)),
        Numbers::Count if value >= 0.0 => count(value.round() as u64),
        Numbers::Count => decimal(value, 0),
        Numbers::Percent => format!("{} %", decimal(100.0 * value, digits(100.0 * step))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let axis = Axis::round(0.13, 2.2, 5, Numbers::Decimal);
        assert_eq!(texts(&axis), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        let axis = Axis::exact(1.0, 12_345.0, 6, Numbers::Count);
        assert_eq!(texts(&axis), ["5,000", "10,000"]);
        assert_eq!((axis.share(1.0), axis.share(12_345.0)), (0.0, 1.0));
        let axis = Axis::exact(1.0, 3.0, 9, Numbers::Count);
        assert_eq!(texts(&axis), ["1", "2", "3"]);
        let axis = Axis::exact(0.0, 0.05, 5, Numbers::Percent);
        assert_eq!(texts(&axis), ["0 %", "1 %", "2 %", "3 %", "4 %", "5 %"]);
    }

    proptest! {
        #[test]
        fn any_numbers_make_an_axis(low in any::<f64>(), high in any::<f64>(), most in 1usize..20) {
            for numbers in [Numbers::Decimal, Numbers::Count, Numbers::Percent] {
                for axis in [Axis::round(low, high, most, numbers), Axis::exact(low, high, most, numbers)] {
                    prop_assert!(axis.min < axis.max && axis.max.is_finite());
                    prop_assert!(axis.ticks.len() <= most + 3, "{}", axis.ticks.len());
                    prop_assert!((0.0..=1.0).contains(&axis.share(0.0)));
                }
            }
        }
    }
}
