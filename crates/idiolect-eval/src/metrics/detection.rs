//! The measures that a table has room for.

use serde::Serialize;

use super::{Measure, Ranked};

/// How well a detector's scores tell attacks from normal, over all thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Normal units.
    pub normal: usize,
    /// Attack units.
    pub attack: usize,
    /// See [`Measure::Auc`].
    pub auc: f64,
    /// See [`Measure::DetectedAt1`].
    pub detected_at_1_percent: f64,
    /// See [`Measure::DetectedAt5`].
    pub detected_at_5_percent: f64,
    /// See [`Measure::FalseAlarmsAt90`].
    pub false_alarms_at_90_percent: f64,
}

/// Measures scores of normal units against scores of attacks; `None` where one of the two is empty, or a
/// score is not a number.
pub fn detection(normal: &[f32], attack: &[f32]) -> Option<Detection> {
    let scores: Vec<f64> = normal.iter().chain(attack).map(|&s| f64::from(s)).collect();
    let labels: Vec<bool> = (0..scores.len()).map(|i| i >= normal.len()).collect();
    let curve = Ranked::new(&scores, &labels).ok()?.curve()?;
    Some(Detection {
        normal: normal.len(),
        attack: attack.len(),
        auc: curve.get(Measure::Auc),
        detected_at_1_percent: curve.get(Measure::DetectedAt1),
        detected_at_5_percent: curve.get(Measure::DetectedAt5),
        false_alarms_at_90_percent: curve.get(Measure::FalseAlarmsAt90),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes() {
        let apart = detection(&[0.0, 1.0], &[2.0, 3.0]).unwrap();
        assert_eq!((apart.auc, apart.detected_at_1_percent), (1.0, 1.0));
        assert_eq!(apart.false_alarms_at_90_percent, 0.0);
        let reversed = detection(&[2.0, 3.0], &[0.0, 1.0]).unwrap();
        assert_eq!(
            (reversed.auc, reversed.false_alarms_at_90_percent),
            (0.0, 1.0)
        );
        let same = detection(&[1.0; 7], &[1.0; 3]).unwrap();
        assert_eq!((same.auc, same.detected_at_5_percent), (0.5, 0.0));
        assert_eq!(detection(&[], &[1.0]), None);
        assert_eq!(detection(&[f32::NAN], &[1.0]), None);
    }
}
