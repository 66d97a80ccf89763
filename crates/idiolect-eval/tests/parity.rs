//! The measures against scikit-learn's (`parity/make_metric_vectors.py`).

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it compares"
)]

use std::collections::BTreeMap;

use idiolect_eval::metrics::{Curve, Measure, Ranked};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    labels: Vec<u8>,
    scores: Vec<f64>,
    weights: Vec<u32>,
    plain: BTreeMap<String, f64>,
    weighted: BTreeMap<String, f64>,
}

#[test]
fn every_measure_agrees_to_twelve_places() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../parity/metric_vectors.json")).unwrap();
    let check = |curve: &Curve, expected: &BTreeMap<String, f64>, what: &str| {
        assert_eq!(expected.len(), Measure::ALL.len());
        for measure in Measure::ALL {
            let (ours, theirs) = (curve.get(measure), expected[measure.as_str()]);
            assert!(
                (ours - theirs).abs() < 1e-12,
                "{what} {measure:?}: {ours} {theirs}"
            );
        }
    };
    for (place, case) in vectors.cases.iter().enumerate() {
        let labels: Vec<bool> = case.labels.iter().map(|&label| label == 1).collect();
        let ranked = Ranked::new(&case.scores, &labels).unwrap();
        check(
            &ranked.curve().unwrap(),
            &case.plain,
            &format!("case {place}"),
        );
        let weighted = ranked.curve_of(|stream| case.weights[stream]).unwrap();
        check(
            &weighted,
            &case.weighted,
            &format!("case {place} with weights"),
        );
    }
}
