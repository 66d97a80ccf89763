//! The receiver operating characteristic and what is read off it.

use serde::{Deserialize, Serialize};

/// A measure over all thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Area under the curve of detection against false alarms: the probability that an attack scores
    /// higher than a normal stream, ties counting half (Hanley and McNeil 1982).
    Auc,
    /// The area up to 1 % false alarms, standardised by McClish (1989): 0.5 for chance, 1 for perfect.
    PartialAuc1,
    /// The same up to 5 %.
    PartialAuc5,
    /// Equal error rate: the false alarm rate at which as large a share of attacks is missed, on straight
    /// lines between the points of the curve.
    EqualErrorRate,
    /// Largest share of attacks that a threshold with at most 0.1 % false alarms detects.
    DetectedAt01,
    /// The same at 1 %.
    DetectedAt1,
    /// The same at 5 %.
    DetectedAt5,
    /// Smallest false alarm rate of a threshold that detects at least 90 % of the attacks.
    FalseAlarmsAt90,
    /// Average precision: precision at each threshold, weighted by the detections that it adds.
    AveragePrecision,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 9] = [
        Measure::Auc,
        Measure::PartialAuc1,
        Measure::PartialAuc5,
        Measure::EqualErrorRate,
        Measure::DetectedAt01,
        Measure::DetectedAt1,
        Measure::DetectedAt5,
        Measure::FalseAlarmsAt90,
        Measure::AveragePrecision,
    ];

    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Auc => "auc",
            Measure::PartialAuc1 => "partial_auc_1",
            Measure::PartialAuc5 => "partial_auc_5",
            Measure::EqualErrorRate => "equal_error_rate",
            Measure::DetectedAt01 => "detected_at_0_1",
            Measure::DetectedAt1 => "detected_at_1",
            Measure::DetectedAt5 => "detected_at_5",
            Measure::FalseAlarmsAt90 => "false_alarms_at_90",
            Measure::AveragePrecision => "average_precision",
        }
    }
}

/// A score is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the score of stream {0} is not a number")]
pub struct NotANumber(pub usize);

/// Labelled scores, sorted once for any number of curves.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Streams by falling score, with the place after the last of each tie.
    order: Vec<u32>,
    tie_ends: Vec<u32>,
    attack: Vec<bool>,
}

impl Ranked {
    /// Of these scores, each of an attack or of a normal stream; both slices are of one length.
    ///
    /// # Errors
    /// [`NotANumber`].
    pub fn new(scores: &[f64], attack: &[bool]) -> Result<Self, NotANumber> {
        if let Some(bad) = scores.iter().position(|score| score.is_nan()) {
            return Err(NotANumber(bad));
        }
        let mut order: Vec<u32> = (0..scores.len().min(attack.len()) as u32).collect();
        let score = |place: u32| scores[place as usize];
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        let mut end = 0;
        let ties = order.chunk_by(|&a, &b| score(a) == score(b));
        let tie_ends = ties.map(|tie| {
            end += tie.len() as u32;
            end
        });
        Ok(Ranked {
            tie_ends: tie_ends.collect(),
            attack: attack[..order.len()].to_vec(),
            order,
        })
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The curve of all streams, each counting once; none where normal streams or attacks are lacking.
    pub fn curve(&self) -> Option<Curve> {
        self.curve_of(|_| 1)
    }

    /// The curve with each stream, by its place, counting so many times.
    pub fn curve_of(&self, times: impl Fn(usize) -> u32) -> Option<Curve> {
        let mut points = Vec::with_capacity(self.tie_ends.len() + 1);
        let (mut normal, mut attack) = (0, 0);
        points.push((0, 0));
        let mut from = 0;
        for &end in &self.tie_ends {
            for &stream in &self.order[from..end as usize] {
                let times = u64::from(times(stream as usize));
                if self.attack[stream as usize] {
                    attack += times;
                } else {
                    normal += times;
                }
            }
            from = end as usize;
            // A tie in which nobody counts adds no point.
            if points.last() != Some(&(normal, attack)) {
                points.push((normal, attack));
            }
        }
        (normal > 0 && attack > 0).then_some(Curve {
            points,
            normal,
            attack,
        })
    }
}

/// The receiver operating characteristic: false alarms and detections at each threshold, from none to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// How many normal streams and attacks lie above the threshold, from (0, 0) on.
    points: Vec<(u64, u64)>,
    normal: u64,
    attack: u64,
}

impl Curve {
    /// Normal streams.
    pub fn normal(&self) -> u64 {
        self.normal
    }

    /// Attacks.
    pub fn attack(&self) -> u64 {
        self.attack
    }

    /// Its points as (false alarm rate, detection rate), from (0, 0) to (1, 1).
    pub fn points(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        self.points.iter().map(|&point| self.rates(point))
    }

    /// The value of a measure.
    pub fn get(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Auc => self.auc(),
            Measure::PartialAuc1 => self.partial_auc(0.01),
            Measure::PartialAuc5 => self.partial_auc(0.05),
            Measure::EqualErrorRate => self.equal_error_rate(),
            Measure::DetectedAt01 => self.detected_at(0.001),
            Measure::DetectedAt1 => self.detected_at(0.01),
            Measure::DetectedAt5 => self.detected_at(0.05),
            Measure::FalseAlarmsAt90 => self.false_alarms_at(0.9),
            Measure::AveragePrecision => self.average_precision(),
        }
    }

    /// See [`Measure::Auc`].
    pub fn auc(&self) -> f64 {
        // Twice the area in counts, without rounding.
        let twice: u128 = self
            .steps()
            .map(|(from, to)| u128::from(to.0 - from.0) * u128::from(from.1 + to.1))
            .sum();
        twice as f64 / (2.0 * self.normal as f64 * self.attack as f64)
    }

    /// The area up to a false alarm rate (above 0, at most 1), standardised to 0.5 for chance and 1 for
    /// perfect: (1 + (A - r²/2) / (r - r²/2)) / 2 for the area A up to the rate r (McClish 1989).
    pub fn partial_auc(&self, most: f64) -> f64 {
        let mut area = 0.0;
        for (from, to) in self.steps() {
            let ((x, y), (to_x, to_y)) = (self.rates(from), self.rates(to));
            if to_x <= most {
                area += (to_x - x) * 0.5 * (y + to_y);
            } else {
                let share = (most - x) / (to_x - x);
                area += (most - x) * 0.5 * (y + y + (to_y - y) * share);
                break;
            }
        }
        let chance = 0.5 * most * most;
        0.5 * (1.0 + (area - chance) / (most - chance))
    }

    /// See [`Measure::EqualErrorRate`].
    pub fn equal_error_rate(&self) -> f64 {
        for (from, to) in self.steps() {
            let ((x, y), (to_x, to_y)) = (self.rates(from), self.rates(to));
            // False alarms less misses: rises from -1 to 1.
            let (before, after) = (x + y - 1.0, to_x + to_y - 1.0);
            if after >= 0.0 {
                return x + (to_x - x) * (-before / (after - before));
            }
        }
        1.0
    }

    /// Largest share of attacks that a threshold with at most this false alarm rate detects.
    pub fn detected_at(&self, rate: f64) -> f64 {
        let within = self
            .points()
            .take_while(|&(false_alarms, _)| false_alarms <= rate);
        within.last().map_or(0.0, |(_, detected)| detected)
    }

    /// Smallest false alarm rate of a threshold that detects at least this share of the attacks.
    pub fn false_alarms_at(&self, share: f64) -> f64 {
        let reached = self.points().find(|&(_, detected)| detected >= share);
        reached.map_or(1.0, |(false_alarms, _)| false_alarms)
    }

    /// See [`Measure::AveragePrecision`].
    pub fn average_precision(&self) -> f64 {
        let of_step = |(from, to): ((u64, u64), (u64, u64))| {
            let precision = to.1 as f64 / (to.0 + to.1) as f64;
            (to.1 - from.1) as f64 / self.attack as f64 * precision
        };
        self.steps().map(of_step).sum()
    }

    fn steps(&self) -> impl Iterator<Item = ((u64, u64), (u64, u64))> + '_ {
        self.points.windows(2).map(|pair| (pair[0], pair[1]))
    }

    fn rates(&self, (normal, attack): (u64, u64)) -> (f64, f64) {
        (
            normal as f64 / self.normal as f64,
            attack as f64 / self.attack as f64,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(normal: &[f64], attack: &[f64]) -> Curve {
        let scores: Vec<f64> = normal.iter().chain(attack).copied().collect();
        let labels: Vec<bool> = (0..scores.len()).map(|i| i >= normal.len()).collect();
        Ranked::new(&scores, &labels).unwrap().curve().unwrap()
    }

    #[test]
    fn perfect_and_chance() {
        let perfect = curve(&[0.0, 1.0], &[2.0, 3.0]);
        for measure in Measure::ALL {
            let bad_is_high = matches!(measure, Measure::EqualErrorRate | Measure::FalseAlarmsAt90);
            let expected = if bad_is_high { 0.0 } else { 1.0 };
            assert_eq!(perfect.get(measure), expected, "{measure:?}");
        }
        let tied = curve(&[1.0; 8], &[1.0; 2]);
        assert_eq!((tied.auc(), tied.equal_error_rate()), (0.5, 0.5));
        assert!((tied.partial_auc(0.05) - 0.5).abs() < 1e-15);
        assert_eq!(
            (tied.detected_at(0.05), tied.false_alarms_at(0.9)),
            (0.0, 1.0)
        );
        assert_eq!(tied.average_precision(), 0.2);
        let reversed = curve(&[2.0, 3.0], &[0.0, 1.0]);
        assert_eq!((reversed.auc(), reversed.equal_error_rate()), (0.0, 1.0));
    }

    #[test]
    fn what_cannot_be_measured() {
        assert_eq!(
            Ranked::new(&[0.0, f64::NAN], &[true, false]).unwrap_err(),
            NotANumber(1)
        );
        assert!(
            Ranked::new(&[0.0, 1.0], &[true, true])
                .unwrap()
                .curve()
                .is_none()
        );
        let ranked = Ranked::new(&[0.0, f64::INFINITY], &[false, true]).unwrap();
        assert_eq!(ranked.curve().unwrap().auc(), 1.0);
        assert!(ranked.curve_of(|stream| u32::from(stream == 0)).is_none());
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_ordered_pairs(
            normal in prop::collection::vec(0u8..20, 1..60),
            attack in prop::collection::vec(0u8..20, 1..60),
        ) {
            let floats = |values: &[u8]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let measured = curve(&floats(&normal), &floats(&attack)).auc();
            let mut ordered = 0.0;
            for n in &normal {
                for a in &attack {
                    ordered += if a > n { 1.0 } else if a == n { 0.5 } else { 0.0 };
                }
            }
            let pairs = (normal.len() * attack.len()) as f64;
            prop_assert!((measured - ordered / pairs).abs() < 1e-12);
        }

        #[test]
        fn counting_twice_is_being_there_twice(
            streams in prop::collection::vec((0u8..9, any::<bool>(), 0u32..4), 2..50),
        ) {
            let plain: Vec<_> = streams.iter().map(|s| (f64::from(s.0), s.1)).collect();
            let repeated: Vec<_> = streams
                .iter()
                .flat_map(|s| std::iter::repeat_n((f64::from(s.0), s.1), s.2 as usize))
                .collect();
            let ranked = |streams: &[(f64, bool)]| {
                let (scores, labels): (Vec<f64>, Vec<bool>) = streams.iter().copied().unzip();
                Ranked::new(&scores, &labels).unwrap()
            };
            let weighted = ranked(&plain).curve_of(|stream| streams[stream].2);
            prop_assert_eq!(weighted, ranked(&repeated).curve());
        }
    }
}
