//! What each kind of detector cannot see, on streams whose truth is known: `synthetic/limits`.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it compares"
)]

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use idiolect_detect::split::Policy;
use idiolect_detect::{Augmentation, FitConfig, ModelConfig, Network, NetworkConfig, SignalKind};
use idiolect_detect::{Stream, Streams};
use idiolect_eval::data::DataSet;
use idiolect_eval::grid::{Grid, Spec};
use idiolect_eval::methods::{BothWays, Job, Language, Method, coded, counted, whole_stream};
use idiolect_eval::results::{Family, Results, Row};
use idiolect_nn::{Init, Optimiser, Rng, Schedule, TrainConfig};
use idiolect_trace::StartKind;

fn language(epochs: usize) -> Language {
    let network = NetworkConfig {
        network: Network {
            embedding: Some(32),
            hidden: vec![32],
            init: Init::Usual,
        },
        windows: None,
        train: TrainConfig {
            epochs,
            batch: 4,
            bptt: 60,
            optimiser: Optimiser::adam(15e-3),
            schedule: Schedule::Cosine { floor: 0.0 },
            patience: None,
            ..TrainConfig::default()
        },
        augmentation: Augmentation::NONE,
    };
    Language::new("lstm", move |_| FitConfig {
        model: ModelConfig::Network(Box::new(network.clone())),
        policy: Policy::Content,
        signal: SignalKind::Mean,
        rate: None,
        cross_fit: None,
    })
}

/// Every claim is about one run.
static RESULTS: LazyLock<Results> = LazyLock::new(|| {
    let mut methods: Vec<Arc<dyn Method>> = vec![Arc::new(language(60))];
    methods.extend(counted());
    methods.extend(coded());
    methods.extend(whole_stream());
    let names = [
        "lstm",
        "lstm/window",
        "ngram",
        "ngram/window",
        "ngram-12",
        "kneser-ney",
        "stide",
        "stide/window",
        "stide-10",
        "frequency",
        "som",
        "novelty",
        "bag-1",
        "svm-1",
    ];
    let grid = Grid {
        sets: vec![DataSet::limits(1).unwrap()],
        detectors: names
            .map(|name| Spec::parse(name, &methods).unwrap())
            .to_vec(),
        methods,
        seeds: 1,
        folds: 5,
        threads: 2,
        cache: None,
    };
    let ran = grid.run(&mut |_| ControlFlow::Continue(())).unwrap();
    Results::of(&grid, &ran, 0)
});

/// A family by a detector, against all other normal streams.
fn of(detector: &str, family: &str) -> &'static Family {
    let row = |row: &&Row| row.detector == detector;
    let row = RESULTS.sets[0].rows.iter().find(row).unwrap();
    row.families.iter().find(|of| of.name == family).unwrap()
}

fn auc(detector: &str, family: &str) -> f64 {
    of(detector, family).auc.unwrap()
}

fn at_chance(family: &str, detectors: &[&str]) {
    for detector in detectors {
        let auc = auc(detector, family);
        assert!((0.35..0.65).contains(&auc), "{detector} of {family}: {auc}");
    }
}

fn seen(family: &str, detectors: &[&str]) {
    for detector in detectors {
        let auc = auc(detector, family);
        assert!(auc > 0.9, "{detector} of {family}: {auc}");
    }
}

#[test]
fn what_only_a_long_memory_sees() {
    at_chance(
        "memory",
        &[
            "stide",
            "stide-10",
            "ngram",
            "kneser-ney",
            "som",
            "novelty",
            "bag-1",
            "svm-1",
        ],
    );
    seen("memory", &["lstm", "ngram-12"]);
}

#[test]
fn frequencies_take_a_rare_legal_call_for_an_attack_and_novelty_does_not() {
    seen("rare", &["frequency"]);
    at_chance("rare", &["stide", "novelty"]);
}

#[test]
fn a_new_mix_of_calls_in_known_order_is_seen_by_sets_and_bags() {
    seen("mix", &["novelty", "bag-1"]);
    at_chance("mix", &["stide", "ngram", "kneser-ney"]);
}

#[test]
fn other_shares_of_the_same_calls_are_seen_by_bags_and_not_by_sets() {
    seen("share", &["bag-1", "svm-1"]);
    for detector in ["novelty", "stide", "ngram", "lstm"] {
        assert!(auc(detector, "share") < 0.65, "{detector}");
    }
}

#[test]
fn padding_dilutes_the_mean_and_not_the_largest_window() {
    seen("burst", &["ngram", "stide", "lstm"]);
    at_chance("burst", &["novelty"]);
    let found = |detector, family| of(detector, family).above_at_5.unwrap();
    for (mean, window) in [
        ("ngram", "ngram/window"),
        ("stide", "stide/window"),
        ("lstm", "lstm/window"),
    ] {
        assert!(
            found(mean, "padded") < 0.5,
            "{mean}: {}",
            found(mean, "padded")
        );
        assert!(
            found(window, "padded") > 0.95,
            "{window}: {}",
            found(window, "padded")
        );
        // What it costs: the largest of many windows is large in long normal streams too.
        assert!(found(window, "long") > found(mean, "long") + 0.1);
    }
}

#[test]
fn a_call_that_the_future_explains_surprises_only_who_does_not_wait_for_it() {
    // x or y is a coin's fall, and the call after it tells which it was.
    let streams = |count: usize, seed: u64| {
        let (mut streams, mut rng) = (Streams::default(), Rng::new(seed));
        for number in 0..count {
            let calls = (0..8).flat_map(|_| match rng.below(2) {
                0 => ["a", "x", "b"],
                _ => ["a", "y", "c"],
            });
            let symbols = calls.map(|call| streams.symbol(call)).collect();
            streams.push(Stream {
                name: number.to_string(),
                start: StartKind::Exec,
                symbols,
                executable: None,
            });
        }
        streams
    };
    let (train, mut test) = (streams(120, 1), streams(30, 2));
    // Not made in training: x and then c.
    let odd = ["a", "x", "c"]
        .repeat(8)
        .iter()
        .map(|call| test.symbol(call))
        .collect();
    test.push(Stream {
        name: "odd".to_owned(),
        start: StartKind::Exec,
        symbols: odd,
        executable: None,
    });
    let job = Job {
        streams: &train,
        seed: 1,
        threads: 2,
        scratch: None,
    };
    let score = |method: &dyn Method| -> Vec<f32> {
        let fitted = method
            .fit(&job, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let places: Vec<usize> = (0..test.len()).collect();
        let scores = fitted.model.score(&test, &places, 2);
        assert_eq!(scores, fitted.model.score(&test, &places, 1));
        scores.iter().map(|score| score.whole[0]).collect()
    };
    let forward = score(&language(30));
    let both = score(&BothWays::new("bilstm", language(30)));
    let mean = |scores: &[f32]| scores[..30].iter().sum::<f32>() / 30.0;
    // A third of the calls are a coin's fall: ln 2 / 3 = 0.231 nats a call, whatever is learned.
    assert!(mean(&forward) > 0.22, "{}", mean(&forward));
    assert!(mean(&both) < 0.05, "{}", mean(&both));
    assert!(
        forward[30] > 1.0 && both[30] > 1.0,
        "{} {}",
        forward[30],
        both[30]
    );
}
