//! Alarms that may be raised at any call, while streams go on.

use serde::{Deserialize, Serialize};

/// One call of a recording, in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// The score after this call.
    pub score: f32,
    /// When it was made, in nanoseconds; none where nothing is known of time.
    pub time_ns: Option<u64>,
    /// Whether an attack has begun. An alarm before is false, an alarm from here on is right.
    pub under_attack: bool,
}

/// What became of one recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Calls with a false alarm.
    pub false_alarms: u64,
    /// Consecutive false alarms as LID-DS counts them (Grimmer et al. 2021): false alarms at calls that
    /// follow each other are one.
    pub consecutive_false_alarms: u64,
    /// Whether there was an attack.
    pub attacked: bool,
    /// Calls from the attack's beginning to the first alarm after it, that one included; none where it
    /// was missed.
    pub calls_to_detection: Option<u64>,
    /// The same in seconds, where there is time.
    pub seconds_to_detection: Option<f64>,
    /// Seconds from the first call to the last that was not under attack, where there is time.
    pub normal_seconds: Option<f64>,
}

/// Watches one recording: a score above the threshold is an alarm.
pub fn watch(calls: impl IntoIterator<Item = Heard>, threshold: f32) -> Watched {
    const NS_A_SECOND: f64 = 1e9;
    let mut watched = Watched::default();
    let (mut in_a_row, mut since) = (false, 0);
    let (mut first, mut attack_began) = (None, None);
    for call in calls {
        let alarm = call.score > threshold;
        let false_alarm = alarm && !call.under_attack;
        if false_alarm {
            watched.false_alarms += 1;
            watched.consecutive_false_alarms += u64::from(!in_a_row);
        }
        in_a_row = false_alarm;
        let span = |from: Option<u64>| {
            let ns = call.time_ns?.saturating_sub(from?);
            Some(ns as f64 / NS_A_SECOND)
        };
        if call.under_attack {
            if !watched.attacked {
                watched.attacked = true;
                attack_began = call.time_ns;
            }
            since += 1;
            if alarm && watched.calls_to_detection.is_none() {
                watched.calls_to_detection = Some(since);
                watched.seconds_to_detection = span(attack_began);
            }
        } else {
            first = first.or(call.time_ns);
            watched.normal_seconds = span(first);
        }
    }
    watched
}

/// False alarms an hour of one host's normal operation, consecutive ones counting once; none where nothing
/// is known of time. Recordings of several hosts add up their hours.
pub fn false_alarms_per_hour<'a>(watched: impl IntoIterator<Item = &'a Watched>) -> Option<f64> {
    const SECONDS_AN_HOUR: f64 = 3_600.0;
    let (mut alarms, mut seconds) = (0, 0.0);
    for one in watched {
        if let Some(normal) = one.normal_seconds {
            alarms += one.consecutive_false_alarms;
            seconds += normal;
        }
    }
    (seconds > 0.0).then(|| alarms as f64 * SECONDS_AN_HOUR / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(scores: &[f32], attack_from: usize) -> Vec<Heard> {
        let of = |(place, &score): (usize, &f32)| Heard {
            score,
            time_ns: Some(place as u64 * 500_000_000),
            under_attack: place >= attack_from,
        };
        scores.iter().enumerate().map(of).collect()
    }

    #[test]
    fn alarms_in_a_row_count_once_and_an_attack_ends_a_row() {
        let calls = recording(&[0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0], 5);
        let watched = watch(calls, 1.0);
        assert_eq!(
            (watched.false_alarms, watched.consecutive_false_alarms),
            (3, 2)
        );
        assert_eq!(watched.calls_to_detection, Some(1));
        assert_eq!(watched.seconds_to_detection, Some(0.0));
        assert_eq!(watched.normal_seconds, Some(2.0));
        // Two rows of alarms in two seconds.
        assert_eq!(false_alarms_per_hour([&watched]), Some(3_600.0));
    }

    #[test]
    fn what_comes_late_or_never() {
        let late = watch(recording(&[0.0, 0.0, 1.0, 1.1], 1), 1.0);
        assert_eq!(
            (late.calls_to_detection, late.seconds_to_detection),
            (Some(3), Some(1.0))
        );
        let missed = watch(recording(&[0.0, 0.0, 1.0], 0), 1.0);
        assert!(missed.attacked && missed.calls_to_detection.is_none());
        assert_eq!(missed.normal_seconds, None);
        let timeless = [Heard {
            score: 5.0,
            time_ns: None,
            under_attack: false,
        }; 3];
        let watched = watch(timeless, 1.0);
        assert_eq!(
            (watched.false_alarms, watched.consecutive_false_alarms),
            (3, 1)
        );
        assert!(!watched.attacked);
        assert_eq!(false_alarms_per_hour([&watched]), None);
    }
}
