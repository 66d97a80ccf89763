//! The grid on made-up data, whose truth is known.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it compares"
)]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use idiolect_detect::split::Policy;
use idiolect_detect::{
    Augmentation, FitConfig, ModelConfig, Network, NetworkConfig, SignalKind, Stream, Streams,
};
use idiolect_eval::data::{About, DataSet, Role, Variant};
use idiolect_eval::grid::{Grid, GridError, Spec};
use idiolect_eval::methods::{Language, Method, whole_stream};
use idiolect_eval::metrics::Measure;
use idiolect_eval::results::{Results, Row, write_streams};
use idiolect_nn::{Init, Optimiser, Schedule, TrainConfig};
use idiolect_trace::StartKind;

/// A small network that is trained for so many epochs.
fn network(name: &'static str, epochs: usize) -> Arc<dyn Method> {
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
            bptt: 100,
            optimiser: Optimiser::adam(15e-3),
            schedule: Schedule::Cosine { floor: 0.0 },
            patience: None,
            ..TrainConfig::default()
        },
        augmentation: Augmentation::NONE,
    };
    Arc::new(Language::new(name, move |_| FitConfig {
        model: ModelConfig::Network(Box::new(network.clone())),
        policy: Policy::Content,
        signal: SignalKind::Mean,
        rate: None,
        cross_fit: None,
    }))
}

fn grid(detectors: &[&str], seeds: u64, threads: usize, cache: Option<&Path>) -> Grid {
    // The second is for tests that it need learn nothing in.
    let networks = [network("small", 100), network("brief", 6)];
    let methods: Vec<Arc<dyn Method>> = whole_stream().into_iter().chain(networks).collect();
    let spec = |name: &&str| Spec::parse(name, &methods).unwrap();
    Grid {
        sets: vec![DataSet::synthetic(1).unwrap()],
        detectors: detectors.iter().map(spec).collect(),
        seeds,
        folds: 5,
        threads,
        cache: cache.map(Path::to_owned),
        methods,
    }
}

fn results(grid: &Grid) -> Results {
    let ran = grid.run(&mut |_| ControlFlow::Continue(())).unwrap();
    Results::of(grid, &ran, 40)
}

/// The figures without those of time.
fn timeless(results: &Results) -> String {
    let mut results = results.clone();
    for row in results.sets.iter_mut().flat_map(|set| &mut set.rows) {
        row.cost.fit_calls_per_second = None;
        row.cost.score_calls_per_second = None;
    }
    serde_json::to_string(&results).unwrap()
}

fn auc_of_family(row: &Row, name: &str) -> f64 {
    let family = row
        .families
        .iter()
        .find(|family| family.name == name)
        .unwrap();
    family.auc.unwrap()
}

#[test]
fn each_detector_sees_what_it_can_see_and_no_more() {
    let results = results(&grid(
        &["small", "novelty", "bag-1", "sum:small+novelty"],
        1,
        2,
        None,
    ));
    let [language, novelty, bag, both] = results.sets[0].rows.as_slice() else {
        panic!("{results:?}");
    };
    // An unseen call is new to every set, and improbable to a model.
    assert!(auc_of_family(novelty, "unseen") > 0.9);
    assert!(auc_of_family(language, "unseen") > 0.8);
    // The model alone knows the order; exchanging calls changes no set and no count.
    assert!(auc_of_family(language, "order") > 0.95);
    // And what began a session ten calls ago and more.
    assert!(auc_of_family(language, "long-range") > 0.9);
    for row in [novelty, bag] {
        for blind in ["order", "long-range"] {
            let auc = auc_of_family(row, blind);
            assert!((auc - 0.5).abs() < 0.15, "{} {blind}: {auc}", row.detector);
        }
    }
    // Counts tell the mix, and the model knows how likely calls are.
    assert!(auc_of_family(bag, "mix") > 0.95 && auc_of_family(language, "mix") > 0.95);
    // Both together have some of either.
    assert!(auc_of_family(both, "unseen") > 0.9 && auc_of_family(both, "order") > 0.8);
    // What is rare but legal is not found.
    let rare = language
        .families
        .iter()
        .find(|family| family.name == "rare")
        .unwrap();
    assert!(!rare.attack && rare.above_at_5.unwrap() < 0.35, "{rare:?}");
    assert_eq!(language.variants.len(), 3);
    assert!(language.streaming.as_ref().unwrap().detected.unwrap() > 0.2);
    assert!(language.cost.bytes > 10_000 && language.cost.fit_calls_per_second.is_some());
}

#[test]
fn threads_change_nothing_and_what_is_kept_is_what_was_made() {
    let detectors = [
        "bag-1",
        "novelty/kth",
        "k-means",
        "isolation-forest",
        "ranks:bag-1+novelty",
    ];
    let folder = tempfile::tempdir().unwrap();
    let first = results(&grid(&detectors, 2, 1, Some(folder.path())));
    let kept = results(&grid(&detectors, 2, 2, Some(folder.path())));
    let anew = results(&grid(&detectors, 2, 2, None));
    assert_eq!(timeless(&first), timeless(&kept));
    assert_eq!(timeless(&first), timeless(&anew));
    // With times, too, since nothing was measured again.
    assert_eq!(first.as_text(), kept.as_text());

    let set = &first.sets[0];
    assert_eq!(
        (set.train, set.tested, set.has_split),
        (300, [300, 200], true)
    );
    // No seed changes the first, and each changes the third.
    assert_eq!((set.rows[0].runs, set.rows[2].runs), (1, 2));
    let estimate = &set.rows[2].variants[0].estimates[0];
    assert_eq!(estimate.measure, Measure::Auc);
    let between = estimate.between.unwrap();
    assert!(between.low <= estimate.value && estimate.value <= between.high);
    assert!(estimate.deviation.is_some());
    assert!(set.rows[0].variants[0].differences.is_empty());
    assert_eq!(
        set.rows[1].variants[0].differences.len(),
        Measure::ALL.len()
    );
    assert_eq!(set.rows[0].variants[1].variant, Variant::WithoutCopies);

    let text = first.as_text();
    assert!(text.contains("300 normal and 200 attacks"), "{text}");
    let markdown = first.as_markdown();
    assert!(markdown.contains("| novelty/kth | "), "{markdown}");
    let mut csv = Vec::new();
    first.write_csv(&mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.contains("synthetic/1,k-means,all,auc,0."), "{csv}");
}

#[test]
fn a_grid_that_was_broken_off_goes_on_and_comes_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let detectors = ["novelty", "brief"];
    let whole = timeless(&results(&grid(&detectors, 1, 1, None)));
    let grid = grid(&detectors, 1, 1, Some(folder.path()));
    // Broken off in the middle of the network's training, twice.
    for stop_at in [0.55, 0.56] {
        let stopped = grid.run(&mut |at| match at.share > stop_at {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        assert!(matches!(stopped, Err(GridError::Interrupted)));
    }
    let left = |ending: &str| {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(ending)).count()
    };
    assert_eq!((left(".checkpoint"), left(".json")), (1, 1));
    assert_eq!(timeless(&results(&grid)), whole);
    assert_eq!(
        (left(".checkpoint"), left(".idio"), left(".json")),
        (0, 1, 2)
    );
}

/// Recordings of three streams each, of which in an attacked one only the last is odd.
fn recordings() -> DataSet {
    let mut streams = Streams::default();
    let mut about = Vec::new();
    for recording in 0..12u32 {
        for stream in 0..3 {
            let attacked = recording >= 8;
            let odd = attacked && stream == 2;
            let calls = ["open", "read", if odd { "ptrace" } else { "close" }];
            let symbols = calls.map(|call| streams.symbol(call)).into();
            streams.push(Stream {
                name: format!("{recording}.{stream}"),
                start: StartKind::Exec,
                symbols,
                executable: None,
            });
            about.push(About {
                role: if attacked { Role::Attack } else { Role::Normal },
                family: None,
                recording,
                times: None,
                exploit_ns: None,
            });
        }
    }
    DataSet::new("threads".to_owned(), streams, about, Vec::new()).unwrap()
}

#[test]
fn a_recording_is_as_odd_as_its_oddest_stream() {
    let mut grid = grid(&["novelty"], 1, 1, None);
    grid.sets = vec![recordings()];
    grid.folds = 4;
    let results = results(&grid);
    let row = &results.sets[0].rows[0];
    let of_streams = &row.variants[0].estimates;
    let auc = of_streams.iter().find(|e| e.measure == Measure::Auc);
    // A third of the streams of attacked recordings is odd, the others tie with the normal ones.
    assert!((auc.unwrap().value - 2.0 / 3.0).abs() < 1e-9);
    let by_recording = row.by_recording.as_ref().unwrap();
    assert_eq!((by_recording.normal, by_recording.attack), (4.0, 4.0));
    assert_eq!((by_recording.auc, by_recording.detected_at_1), (1.0, 1.0));
    let mut csv = Vec::new();
    results.write_csv(&mut csv).unwrap();
    let line = "threads,novelty,by recording,auc,1";
    assert!(String::from_utf8(csv).unwrap().contains(line));
    assert!(results.as_markdown().contains("By recording"));

    // Of the attacks' streams two thirds tie with all normal ones, and the odd ones have none beside them.
    let ran = grid.run(&mut |_| ControlFlow::Continue(())).unwrap();
    let mut list = Vec::new();
    write_streams(&grid, &ran, &mut list).unwrap();
    let list = String::from_utf8(list).unwrap();
    assert_eq!(list.lines().count(), 1 + 36);
    assert!(list.contains("threads,novelty,11.0,attack,,0.000000,1.0000"));
    assert!(list.contains("threads,novelty,11.2,attack,,0.500000,0.0000"));
    assert!(list.contains("threads,novelty,0.1,normal,,0.000000,0.6667"));
}
