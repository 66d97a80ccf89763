//! Who knows whose calls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod common;

use std::fs;

use common::{Workplace, fail, masked, normal_calls, strace_text, succeed};

/// Logs of another program in `other/`, which shares two calls with the first.
fn with_another(logs: u64) -> Workplace {
    let place = Workplace::new(logs);
    fs::create_dir(place.at("other")).unwrap();
    for seed in 0..logs {
        let other: Vec<&str> = normal_calls(seed)
            .into_iter()
            .map(|call| match call {
                "openat" => "accept4",
                "newfstatat" | "fstat" => "futex",
                "mmap" | "brk" | "access" => "epoll_wait",
                "socket" | "connect" | "sendto" | "recvfrom" => "getdents64",
                call => call,
            })
            .collect();
        place.write(&format!("other/{seed:04}.strace"), strace_text(&other));
    }
    place
}

#[test]
fn each_set_is_scored_by_each_profile() {
    let place = with_another(120);
    let (normal, other) = (place.path("normal"), place.path("other"));
    let profile = place.train("app.idio", &[]);
    let args = ["portability", &normal, &other, &profile, "--epochs", "8"];
    let ran = succeed(&args);
    insta::assert_snapshot!(masked(&ran.out), @r#"
    trained on  scored              streams      calls  names known calls known   nats/call  anomalous
    normal      normal (held out) # # # of # # % # # %   (# of # streams)
    normal      other # # # of # # % # # % (# of # streams)
    other       normal # # # of # # % # # % (# of # streams)
    other       other (held out) # # # of # # % # # %   (# of # streams)
    app.idio    normal (held out) # # # of # # % # # %   (# of # streams)
    app.idio    other # # # of # # % # # % (# of # streams)

    normal: seed #, # call names, threshold at # % false alarms
    other: seed #, # call names, threshold at # % false alarms
    app.idio: seed #, # call names, threshold at # % false alarms
    "#);
    assert_eq!(
        succeed(&[&args[..], &["--threads", "1"]].concat()).out,
        ran.out
    );

    let json = succeed(&[&args[..], &["--json", "--seed", "5"]].concat());
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(found["sets"][0]["seed"], 5);
    // The profile was trained before, with its own seed, and has no streams of its own.
    assert_eq!(found["sets"][2]["seed"], 1);
    assert_eq!(found["sets"][2]["trained_here"], false);
    let pairs = found["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 6);
    for pair in pairs {
        let of = |key: &str| pair[key].as_f64().unwrap();
        let by = pair["trained_on"].as_str().unwrap();
        let own = pair["scored"] == by || (by == "app.idio" && pair["scored"] == "normal");
        assert_eq!(pair["held_out"], own, "{pair}");
        assert_eq!(of("share_of_names_known") == 1.0, own, "{pair}");
        assert_eq!(of("share_of_calls_known") == 1.0, own, "{pair}");
        if own {
            assert!(
                of("mean_surprise") < 1.5 && of("share_anomalous") < 0.1,
                "{pair}"
            );
        } else {
            assert!(
                of("mean_surprise") > 1.5 && of("share_anomalous") == 1.0,
                "{pair}"
            );
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = with_another(60);
    let (normal, other) = (place.path("normal"), place.path("other"));
    fs::create_dir(place.at("few")).unwrap();
    place.write("few/1.strace", strace_text(&normal_calls(1)));
    let profile = place.train("app.idio", &[]);
    fail(
        &[
            "portability",
            &normal,
            &format!("few={}", place.path("few")),
        ],
        "few: too little data",
    );
    fail(
        &["portability", &format!("a={normal}"), &format!("a={other}")],
        "two sets are called a: tell them apart as NAME=PATH",
    );
    fail(
        &["portability", &profile, &format!("b={profile}")],
        "all of these are profiles",
    );
    fail(
        &["portability", &normal, &place.path("nothing")],
        "cannot open",
    );
}
