//! From scores of normal streams to a threshold that holds a false alarm rate.

use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};

use crate::SignalKind;

/// What is scored as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A whole stream.
    Stream,
    /// So many consecutive calls of a stream.
    Block(usize),
}

/// The scores of normal units that trained nothing, for one way of scoring.
///
/// The threshold for a rate is the order statistic of split conformal prediction (Vovk, Gammerman and
/// Shafer 2005): with n calibration scores, the ceil((n + 1)(1 - rate))-th smallest. A later normal unit,
/// exchangeable with them, exceeds it with a probability of at most the rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Which model's surprises, by its place in the profile.
    pub model: usize,
    /// Which signal.
    pub signal: SignalKind,
    /// Which streams: those of one start kind, or all together.
    pub start: Option<StartKind>,
    /// What was scored.
    pub unit: Unit,
    /// How many of the units have different contents: copies support no lower rate.
    pub distinct: usize,
    /// The scores, ascending.
    scores: Vec<f32>,
}

/// The range in which the rate that is reached lies with a probability of 90 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// It is lower with a probability of 5 %.
    pub low: f64,
    /// It is higher with a probability of 5 %.
    pub high: f64,
}

/// A rate that these data cannot support.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RateError {
    /// Not a rate at all.
    #[error("a false alarm rate lies between 0 and 1, and {0} does not")]
    NotARate(f64),
    /// The profile has no such signal.
    #[error(
        "the profile was made before there was the signal {0:?}: train it again, or choose another signal"
    )]
    NoSuchSignal(&'static str),
    /// Too few units.
    #[error(
        "{distinct} calibration {units} cannot support a false alarm rate of {asked}; the lowest is {lowest}",
        asked = percent(*asked),
        lowest = percent(*lowest),
    )]
    TooLow {
        /// Distinct units there are.
        distinct: usize,
        /// What the units are, in words.
        units: &'static str,
        /// The rate asked for.
        asked: f64,
        /// The lowest rate that they support.
        lowest: f64,
    },
}

impl Calibration {
    /// Of these scores, in any order.
    pub fn new(
        model: usize,
        signal: SignalKind,
        start: Option<StartKind>,
        unit: Unit,
        distinct: usize,
        mut scores: Vec<f32>,
    ) -> Self {
        scores.sort_by(f32::total_cmp);
        Calibration {
            model,
            signal,
            start,
            unit,
            distinct: distinct.min(scores.len()),
            scores,
        }
    }

    /// Adds to every score, and so to every threshold.
    pub(crate) fn raise(&mut self, by: f32) {
        for score in &mut self.scores {
            *score += by;
        }
    }

    /// The scores, ascending.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// The lowest rate that the data support, 1 / (n + 1) of the distinct units.
    pub fn lowest_rate(&self) -> f64 {
        1.0 / (self.distinct as f64 + 1.0)
    }

    /// The score above which a unit is anomalous at this false alarm rate.
    ///
    /// # Errors
    /// [`RateError`] where the rate is none, or lower than the data support.
    pub fn threshold(&self, rate: f64) -> Result<f32, RateError> {
        Ok(self.scores[self.rank(rate)? - 1])
    }

    /// Where the rate that this threshold reaches on later normal units lies: of n exchangeable scores,
    /// the share above the k-th smallest is distributed as Beta(n + 1 - k, k). Copies count once, so the
    /// interval is not narrowed by them.
    ///
    /// # Errors
    /// As [`Self::threshold`].
    pub fn interval(&self, rate: f64) -> Result<Interval, RateError> {
        let rank = self.rank(rate)? as f64;
        let share = rank / self.scores.len() as f64;
        let n = self.distinct as f64;
        let k = (share * n).clamp(1.0, n);
        let reached = |probability| beta_quantile(n + 1.0 - k, k, probability);
        Ok(Interval {
            low: reached(0.05),
            high: reached(0.95),
        })
    }

    /// The share of normal units with a score of at least this one, counting the unit itself: the
    /// conformal p-value, between 1 / (n + 1) and 1.
    pub fn p_value(&self, score: f32) -> f64 {
        let below = self.scores.partition_point(|&normal| normal < score);
        (self.scores.len() - below + 1) as f64 / (self.scores.len() + 1) as f64
    }

    /// Place from 1 of the threshold among the ascending scores.
    fn rank(&self, rate: f64) -> Result<usize, RateError> {
        if !(rate > 0.0 && rate < 1.0) {
            return Err(RateError::NotARate(rate));
        }
        let lowest = self.lowest_rate();
        // A rate that was printed as the lowest and given back may have lost its last digits.
        if rate < lowest * (1.0 - 1e-3) || self.scores.is_empty() {
            return Err(RateError::TooLow {
                distinct: self.distinct,
                units: match self.unit {
                    Unit::Stream => "streams",
                    Unit::Block(_) => "blocks",
                },
                asked: rate,
                lowest,
            });
        }
        let n = self.scores.len();
        let rank = ((n as f64 + 1.0) * (1.0 - rate) - 1e-9).ceil() as usize;
        Ok(rank.clamp(1, n))
    }
}

/// A share in per cent, with the digits that tell it from its neighbours.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 1.0 {
        let text = format!("{percent:.1}");
        format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
    } else {
        format!("{percent:.2} %")
    }
}

/// The value below which a Beta(a, b) variable lies with this probability, by bisection of its
/// distribution function, which is monotonic.
fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if puruspe::betai(a, b, middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: usize) -> Calibration {
        let scores = (0..n).rev().map(|i| i as f32).collect();
        Calibration::new(0, SignalKind::Mean, None, Unit::Stream, n, scores)
    }

    #[test]
    fn the_threshold_is_the_conformal_order_statistic() {
        // ceil(100 * 0.99) = 99th smallest of 99 scores: the largest.
        assert_eq!(of(99).threshold(0.01), Ok(98.0));
        // ceil(200 * 0.95) = 190th smallest.
        assert_eq!(of(199).threshold(0.05), Ok(189.0));
    }

    #[test]
    fn a_rate_below_what_the_data_support_is_refused() {
        let error = of(83).threshold(0.01).unwrap_err();
        assert_eq!(
            error.to_string(),
            "83 calibration streams cannot support a false alarm rate of 1 %; the lowest is 1.2 %"
        );
        assert!(of(83).threshold(of(83).lowest_rate()).is_ok());
        assert!(of(0).threshold(0.5).is_err());
        for bad in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(matches!(of(83).threshold(bad), Err(RateError::NotARate(_))));
        }
    }

    #[test]
    fn copies_support_no_lower_rate() {
        let copies = Calibration::new(0, SignalKind::Mean, None, Unit::Stream, 10, vec![1.0; 500]);
        assert!(copies.threshold(0.01).is_err());
        assert!(copies.threshold(0.1).is_ok());
    }

    #[test]
    fn the_interval_agrees_with_known_beta_quantiles() {
        // scipy.stats.beta.ppf([0.05, 0.95], 10, 190) = 0.027513, 0.077592 (n = 199, k = 190).
        let interval = of(199).interval(0.05).unwrap();
        assert!((interval.low - 0.027_513).abs() < 1e-6, "{interval:?}");
        assert!((interval.high - 0.077_592).abs() < 1e-6, "{interval:?}");
    }

    #[test]
    fn p_values_count_the_unit_itself() {
        let calibration = of(9);
        assert_eq!(calibration.p_value(100.0), 0.1);
        assert_eq!(calibration.p_value(-1.0), 1.0);
        assert_eq!(calibration.p_value(8.0), 0.2);
    }

    #[test]
    fn normal_scores_exceed_the_threshold_as_often_as_asked() {
        // Repeated draws from one distribution: the mean rate reached must be the rate asked for.
        let mut seed = 1u64;
        let mut draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as f32 / (1u64 << 24) as f32
        };
        let (mut above, trials) = (0, 4_000);
        for _ in 0..trials {
            let scores: Vec<f32> = (0..99).map(|_| draw()).collect();
            let calibration = Calibration::new(0, SignalKind::Mean, None, Unit::Stream, 99, scores);
            above += usize::from(draw() > calibration.threshold(0.05).unwrap());
        }
        let rate = f64::from(above as u32) / f64::from(trials);
        assert!((rate - 0.05).abs() < 0.012, "{rate}");
    }
}
