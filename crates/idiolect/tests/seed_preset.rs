//! The original script's network on the original's data, by the command that its user would type.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it measured"
)]

mod common;

use std::path::Path;

use common::{public_data, succeed};
use idiolect_eval::read_numbers;
use idiolect_eval::seed::{WINDOWS, Windows};
use idiolect_trace::read::ReadOptions;

/// Held-out loss in nats that one epoch has to reach, and what the original shows for accuracy after one.
const ONE_EPOCH: f64 = 2.1657;
const ORIGINAL_ACCURACY: f64 = 0.3626;

#[test]
fn one_epoch_learns_what_the_original_learned_and_ten_more_than_a_table() {
    let Some(archive) = public_data("adfa-ld/ADFA-LD.zip") else {
        return;
    };
    let traces = read_numbers(&archive, &ReadOptions::default()).unwrap();
    let table = Windows::new(&traces, WINDOWS).unwrap().table_accuracy(2);
    // Ten epochs on one processor, and one each on another.
    std::thread::scope(|scope| {
        scope.spawn(|| trained(&archive, "1", 10, table));
        for seed in ["2", "3"] {
            trained(&archive, seed, 1, table);
        }
    });
}

/// Trains and holds the first epoch to the original's, and the last of ten to the table's accuracy.
fn trained(archive: &Path, seed: &str, epochs: usize, table: f64) {
    let place = tempfile::tempdir().unwrap();
    let profile = place.path().join("seed.idio");
    let ran = succeed(&[
        "train",
        archive.to_str().unwrap(),
        "--preset",
        "seed",
        "--limit-windows",
        &WINDOWS.to_string(),
        "--epochs",
        &epochs.to_string(),
        "--seed",
        seed,
        "--json",
        "-o",
        profile.to_str().unwrap(),
    ]);
    let trained: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let of = |epoch: &serde_json::Value, what: &str| epoch[what].as_f64().unwrap();
    let by_epoch = trained["epochs"].as_array().unwrap();
    assert_eq!(by_epoch.len(), epochs);
    let first = &by_epoch[0];
    let (loss, accuracy) = (
        of(first, "held_out_surprise"),
        of(first, "held_out_accuracy"),
    );
    eprintln!(
        "seed {seed}: after one epoch val_loss {loss:.4}, val_acc {accuracy:.4} (the original: \
         {ORIGINAL_ACCURACY})"
    );
    assert!(loss <= ONE_EPOCH, "seed {seed}: {loss}");
    if epochs > 1 {
        let accuracy = of(&by_epoch[epochs - 1], "held_out_accuracy");
        eprintln!("after {epochs} val_acc {accuracy:.4}, a second-order table {table:.4}");
        assert!(accuracy > table, "{accuracy} and {table}");
    }
}
