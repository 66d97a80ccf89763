//! The original's protocol on the original's data.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::ops::ControlFlow;
use std::path::PathBuf;

use idiolect_eval::read_numbers;
use idiolect_eval::seed::{Setting, WINDOWS, Windows, run};
use idiolect_trace::read::ReadOptions;

#[test]
fn one_epoch_is_within_the_original_s_own_two_results_or_better() {
    let Some(data) = std::env::var_os("IDIOLECT_DATA").map(PathBuf::from) else {
        eprintln!("skipped: IDIOLECT_DATA is not set");
        return;
    };
    let archive = data.join("adfa-ld/ADFA-LD.zip");
    let traces = read_numbers(&archive, &ReadOptions::default()).unwrap();
    assert_eq!(traces.len(), 833);
    let windows = Windows::new(&traces, WINDOWS).unwrap();
    assert_eq!(windows.counts(), [19_283, 1_015]);
    // What an independent count of the same windows gives.
    assert!((windows.table_accuracy(2) - 0.631_53).abs() < 1e-4);

    // The original shows two runs of this setting, 0.116 nats apart: the worse of them bounds ours.
    let original = Setting::Softmax.original()[0];
    for seed in 1..=3 {
        let go_on = &mut |_: &idiolect_nn::Progress| ControlFlow::Continue(());
        let run = run(&windows, Setting::Softmax, seed, 1, 0, go_on).unwrap();
        let tune = run.epochs[0].tune.unwrap();
        eprintln!(
            "seed {seed}: val_loss {:.4} (the original: {}), val_acc {:.4} (0.3626)",
            tune.mean_loss, original.val_loss, tune.accuracy
        );
        assert!(tune.mean_loss <= original.val_loss, "seed {seed}");
        assert_eq!(tune.targets, 1_015);
    }
}
