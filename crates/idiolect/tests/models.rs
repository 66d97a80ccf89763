//! Every model on the command line: learned, scored by, explained, inspected, and refused where it does not fit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Workplace, fail, normal_calls, odd_calls, run, strace_text, succeed};

#[test]
fn each_model_tells_odd_from_normal_and_says_what_it_measures() {
    let place = Workplace::new(150);
    let odd = place.write("odd.strace", strace_text(&odd_calls(5_000)));
    std::fs::create_dir(place.at("later")).unwrap();
    for seed in 1_000..1_040 {
        let name = format!("later/{seed}.strace");
        place.write(&name, strace_text(&normal_calls(seed)));
    }
    let later = place.path("later");
    let models = [
        (
            "ngram:order=5,smoothing=kneser-ney",
            "n-gram model of order 5, kneser-ney",
            "nats a call",
        ),
        (
            "markov",
            "first-order Markov chain, witten-bell",
            "nats a call",
        ),
        (
            "ppm:4",
            "PPM of order 4 (contexts of up to 3 calls), escapes by method D",
            "nats a call",
        ),
        (
            "hmm:states=5,iterations=8",
            "hidden Markov model, 5 states",
            "nats a call",
        ),
        ("stide:4", "windows of 4 calls", "share of windows unseen"),
        (
            "t-stide:4",
            "rare below 0.001 % of all",
            "share of windows rare or unseen",
        ),
        (
            "frequency:4",
            "windows of 4 calls",
            "nats of rarity a window",
        ),
        (
            "lookahead:5",
            "lookahead pairs in windows of 5 calls",
            "share of pairs unseen",
        ),
        (
            "som:4",
            "self-organising map of 100 units, windows of 4 calls",
            "distance of a window",
        ),
        (
            "autoencoder:4,hidden=32,code=8,steps=1500",
            "autoencoder, layers 32 + 8 + 32, windows of 4 calls",
            "distance of a window",
        ),
    ];
    for (model, described, unit) in models {
        let profile = place.path("model.idio");
        let args = [
            "train",
            &place.path("normal"),
            "-o",
            &profile,
            "--model",
            model,
        ];
        let trained = succeed(&args);
        assert!(!trained.out.contains("epoch"), "{}", trained.out);
        let inspected = succeed(&["inspect", &profile]).out;
        assert!(inspected.contains(described), "{model}: {inspected}");
        assert!(inspected.contains(unit), "{model}: {inspected}");
        assert!(!inspected.contains("epoch"), "{model}: {inspected}");
        succeed(&["inspect", &profile, "--json"]);

        let ran = run(&["score", &profile, &odd, "--fail-on-anomaly"]);
        assert_eq!(ran.code, 3, "{model}: {ran:?}");
        let scored = succeed(&["score", &profile, &later, "--json"]).out;
        let alarms = scored.matches("\"anomalous\"").count();
        assert!(alarms <= 10, "{model}: {alarms} of 40");
        let is_language_model = unit == "nats a call";
        let explained = succeed(&["explain", &profile, &odd]).out;
        assert!(explained.contains(unit), "{model}: {explained}");
        assert!(explained.contains("setuid"), "{model}: {explained}");
        assert_eq!(
            explained.contains(" nats)"),
            is_language_model,
            "{model}: {explained}"
        );

        fail(
            &["export", &profile, "-o", &place.path("x.onnx")],
            "is no network",
        );
        let small = place.path("small.idio");
        fail(
            &["optimize", &profile, &later, "-o", &small],
            "is no network",
        );
        let sampled = run(&["sample", &profile, "-n", "2", "--calls", "20"]);
        assert_eq!(sampled.code == 0, is_language_model, "{model}: {sampled:?}");
        if !is_language_model {
            assert!(
                sampled.err.contains("gives calls no probability"),
                "{}",
                sampled.err
            );
        }
    }
}

#[test]
fn options_of_networks_and_unknown_settings_are_refused() {
    let place = Workplace::new(70);
    let train = |more: &[&str]| {
        let (normal, profile) = (place.path("normal"), place.path("a.idio"));
        let mut args = vec!["train", &normal, "-o", &profile];
        args.extend(more);
        run(&args)
    };
    let refused = train(&["--model", "stide", "--epochs", "3"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("--epochs is of networks"),
        "{}",
        refused.err
    );
    let refused = train(&["--model", "stide:0"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("it is 1 to 64"), "{}", refused.err);
    let network = train(&["--model", "lstm", "--epochs", "1"]);
    assert_eq!(network.code, 0, "{network:?}");
}
