//! A profile that scores faster.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Workplace, fail, normal_calls, odd_calls, strace_text, succeed};

#[test]
fn the_reduced_form_says_the_same_and_what_it_changes() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    std::fs::create_dir(place.at("later")).unwrap();
    for seed in 500..540 {
        let calls = if seed < 530 {
            normal_calls(seed)
        } else {
            odd_calls(seed)
        };
        place.write(&format!("later/{seed}.strace"), strace_text(&calls));
    }
    let (later, fast) = (place.path("later"), place.path("fast.idio"));
    let ran = succeed(&["optimize", &profile, &later, "-o", &fast, "--json"]);
    let change: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let [before, after] = [0, 1].map(|form| change["mean_surprise"][form].as_f64().unwrap());
    assert!(before != after && (before - after).abs() < 1e-3, "{change}");
    assert_eq!(change["verdicts_changed"], 0);
    assert!(change["largest_difference"].as_f64().unwrap() < 1e-2);
    let text = succeed(&["optimize", &profile, &later, "-o", &fast]).out;
    assert!(text.contains("raised by as much: 0\n"), "{text}");

    let inspected = succeed(&["inspect", &fast]).out;
    assert!(inspected.contains("reduced to 16 bits"), "{inspected}");
    let verdicts = |profile: &str| -> Vec<String> {
        let out = succeed(&["score", profile, &later, "--json"]).out;
        out.lines()
            .map(|line| {
                let score: serde_json::Value = serde_json::from_str(line).unwrap();
                format!("{} {}", score["stream"], score["verdict"])
            })
            .collect()
    };
    assert_eq!(verdicts(&profile), verdicts(&fast));
    fail(
        &["optimize", &fast, &later, "-o", &fast],
        "it is reduced already",
    );
}
