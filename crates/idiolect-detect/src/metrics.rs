//! How well scores tell normal from attack.

use serde::Serialize;

/// How well a detector's scores tell attacks from normal, over all thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Normal units.
    pub normal: usize,
    /// Attack units.
    pub attack: usize,
    /// Area under the ROC curve: the probability that an attack scores higher than a normal unit, ties
    /// counting half (Hanley and McNeil 1982).
    pub auc: f64,
    /// Share of attacks detected at a false alarm rate of at most 1 %.
    pub detected_at_1_percent: f64,
    /// Share of attacks detected at a false alarm rate of at most 5 %.
    pub detected_at_5_percent: f64,
    /// False alarm rate at which at least 90 % of the attacks are detected.
    pub false_alarms_at_90_percent: f64,
}

/// Measures scores of normal units against scores of attacks; `None` where one of the two is empty.
pub fn detection(normal: &[f32], attack: &[f32]) -> Option<Detection> {
    if normal.is_empty() || attack.is_empty() {
        return None;
    }
    let mut scores: Vec<(f32, bool)> = normal
        .iter()
        .map(|&score| (score, false))
        .chain(attack.iter().map(|&score| (score, true)))
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));

    let (normals, attacks) = (normal.len() as f64, attack.len() as f64);
    let mut detection = Detection {
        normal: normal.len(),
        attack: attack.len(),
        auc: 0.0,
        detected_at_1_percent: 0.0,
        detected_at_5_percent: 0.0,
        false_alarms_at_90_percent: 1.0,
    };
    let (mut false_alarms, mut detected) = (0.0, 0.0);
    // One step of the curve for each distinct score, so that ties count half.
    for tied in scores.chunk_by(|a, b| a.0 == b.0) {
        let attacks_here = tied.iter().filter(|(_, is_attack)| *is_attack).count() as f64;
        let (from_false, from_detected) = (false_alarms, detected);
        false_alarms += (tied.len() as f64 - attacks_here) / normals;
        detected += attacks_here / attacks;
        detection.auc += (false_alarms - from_false) * 0.5 * (from_detected + detected);
        if false_alarms <= 0.01 {
            detection.detected_at_1_percent = detected;
        }
        if false_alarms <= 0.05 {
            detection.detected_at_5_percent = detected;
        }
        if detected >= 0.9 {
            detection.false_alarms_at_90_percent =
                detection.false_alarms_at_90_percent.min(false_alarms);
        }
    }
    Some(detection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_ordered_pairs(
            normal in prop::collection::vec(0u8..20, 1..60),
            attack in prop::collection::vec(0u8..20, 1..60),
        ) {
            let floats = |values: &[u8]| values.iter().map(|&v| f32::from(v)).collect::<Vec<_>>();
            let measured = detection(&floats(&normal), &floats(&attack)).unwrap();
            let mut ordered = 0.0;
            for n in &normal {
                for a in &attack {
                    ordered += if a > n { 1.0 } else if a == n { 0.5 } else { 0.0 };
                }
            }
            let pairs = (normal.len() * attack.len()) as f64;
            prop_assert!((measured.auc - ordered / pairs).abs() < 1e-9);
        }
    }
}
