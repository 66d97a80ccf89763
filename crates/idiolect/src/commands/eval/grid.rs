//! `idiolect eval` of detectors on data sets.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use idiolect_detect::ModelConfig;
use idiolect_detect::hmm::HmmConfig;
use idiolect_detect::split::Policy;
use idiolect_eval::data::{DataSet, Reading};
use idiolect_eval::grid::{Grid, GridError, Spec};
use idiolect_eval::methods::{BothWays, Language, Method, coded, counted, whole_stream};
use idiolect_eval::results::{Results, write_streams};
use idiolect_trace::read::escape;

use super::{Eval, Suite};
use crate::exit;
use crate::interrupt::Interrupt;
use crate::output::{WholeFile, cannot_write, finish, out};
use crate::preset::{Preset, fit_config};
use crate::ui;

/// Detectors where none are named: what train learns by default, language models, novelty of the set of calls,
/// both, and what the literature compares with.
const DETECTORS: &[&str] = &[
    "ngram/distinct3",
    "ngram",
    "lstm",
    "stide",
    "novelty",
    "sum:lstm+novelty",
    "sum:ngram+novelty",
    "bag-3",
    "svm-3",
    "k-means",
    "isolation-forest",
];
/// Those of the suite `quick`: every kind.
const QUICK: &[&str] = &[
    "lstm",
    "lstm/distinct3",
    "bilstm",
    "ngram",
    "markov",
    "ppm",
    "stide",
    "t-stide",
    "frequency",
    "lookahead",
    "hmm",
    "novelty",
    "novelty/kth",
    "sum:lstm+novelty",
    "sum:ngram+novelty",
    "ranks:lstm+novelty",
    "bag-1",
    "bag-3",
    "svm-1",
    "svm-3",
    "k-means",
    "isolation-forest",
    "som",
    "autoencoder",
];
/// Those of the suite `paper`: what the literature has, Kim et al. 2016 and our own.
const PAPER: &[&str] = &[
    "stide-3",
    "stide",
    "stide-10",
    "t-stide",
    "frequency",
    "lookahead",
    "markov",
    "ngram-3",
    "ngram-5",
    "ngram",
    "ngram-12",
    "kneser-ney",
    "ppm",
    "hmm",
    "lstm",
    "lstm/distinct3",
    "bilstm",
    "novelty",
    "novelty/kth",
    "sum:ngram+novelty",
    "sum:ngram/distinct3+novelty/kth",
    "sum:lstm+novelty",
    "sum:lstm/distinct3+novelty/kth",
    "ranks:lstm+novelty",
    "kim-200",
    "kim-400",
    "kim-2x400",
    "relu:kim-200+kim-400+kim-2x400",
    "mean:kim-200+kim-400+kim-2x400",
    "vote:kim-200+kim-400+kim-2x400",
    "bag-1",
    "bag-3",
    "svm-1",
    "svm-3",
    "k-means",
    "isolation-forest",
    "som",
    "autoencoder",
];
/// Seeds of the made-up sets of the suite `quick`.
const QUICK_SETS: [u64; 2] = [1, 2];
/// Steps of the bar: it shows shares of the whole grid.
const BAR_STEPS: u64 = 10_000;

/// Every method there is.
fn methods() -> Vec<Arc<dyn Method>> {
    let presets = [
        ("lstm", Preset::Small),
        ("lstm-200", Preset::Medium),
        ("lstm-2x400", Preset::Large),
        ("kim-200", Preset::Kim200),
        ("kim-400", Preset::Kim400),
        ("kim-2x400", Preset::Kim2x400),
        ("seed", Preset::Seed),
    ];
    let language_of = |name: &str, preset: Preset| {
        Language::new(name, move |streams| {
            let recipe = preset.recipe(streams.calls());
            let policy = recipe.split.policy(None);
            recipe.fit_config(policy)
        })
    };
    let language = presets
        .into_iter()
        .map(|(name, preset)| Arc::new(language_of(name, preset)) as Arc<dyn Method>);
    let hmm = Language::new("hmm", |_| {
        let config = HmmConfig {
            states: 40,
            iterations: 50,
            tolerance: 1e-4,
            seed: 0,
        };
        fit_config(ModelConfig::Hmm(config), Policy::Content)
    });
    let mut methods: Vec<Arc<dyn Method>> = language.collect();
    methods.push(Arc::new(BothWays::new(
        "bilstm",
        language_of("bilstm", Preset::Small),
    )));
    methods.extend(counted());
    methods.extend(coded());
    methods.push(Arc::new(hmm));
    methods.extend(whole_stream());
    methods
}

pub(super) fn run(args: &Eval, suite: Option<Suite>) -> Result<u8> {
    if !args.reading.part.is_empty() {
        bail!("--part chooses parts of one set to read; here a set's parts have their roles");
    }
    let methods = methods();
    let names: Vec<&str> = match suite {
        _ if !args.detectors.is_empty() => args.detectors.iter().map(String::as_str).collect(),
        Some(Suite::Quick) => QUICK.to_vec(),
        Some(Suite::Paper) => PAPER.to_vec(),
        _ => DETECTORS.to_vec(),
    };
    let mut detectors: Vec<Spec> = Vec::new();
    for name in names {
        let spec = Spec::parse(name.trim(), &methods)?;
        if !detectors.contains(&spec) {
            detectors.push(spec);
        }
    }
    let mut sets = Vec::new();
    if suite == Some(Suite::Quick) {
        for seed in QUICK_SETS {
            sets.push(DataSet::synthetic(seed)?);
        }
    }
    for named in &args.data {
        sets.extend(read(args, named)?);
    }
    if let Some(named) = &args.learn_from {
        let teachers = read(args, named)?;
        let [teacher] = teachers.as_slice() else {
            bail!(
                "--learn-from {named}: it is {} data sets; name one, such as unm/xlock=FOLDER",
                teachers.len()
            );
        };
        let taught = sets.iter().map(|set| set.learned_from(teacher));
        sets = taught.collect::<Result<_, _>>()?;
    }
    if sets.is_empty() {
        bail!("no data set: --data mine=FOLDER (with normal/ and attack/ in it), or --suite quick");
    }
    if suite == Some(Suite::Paper) && !sets.iter().any(|set| set.name.starts_with("adfa-ld")) {
        bail!("--suite paper is about ADFA-LD: --data adfa-ld=ADFA-LD.zip");
    }
    for (place, set) in sets.iter().enumerate() {
        if sets[..place].iter().any(|other| other.name == set.name) {
            bail!("two data sets are called {}", escape(set.name.as_bytes()));
        }
    }
    let grid = Grid {
        sets,
        detectors,
        methods,
        seeds: u64::from(args.seeds),
        folds: usize::from(args.folds),
        threads: args.threads.map_or(0, usize::from),
        cache: args.output.as_ref().map(|folder| folder.join("cache")),
    };
    let bar = ui::bar_of_shares(BAR_STEPS, "evaluating");
    let interrupt = Interrupt::listen();
    let ran = grid.run(&mut |at| {
        bar.set_position((at.share * BAR_STEPS as f64) as u64);
        bar.set_message(format!(
            "{}: {}, seed {}",
            escape(at.set.as_bytes()),
            at.method,
            at.seed
        ));
        match interrupt.asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish_and_clear();
    let ran = match ran {
        Ok(ran) => ran,
        Err(GridError::Interrupted) => {
            ui::say(match args.output {
                Some(_) => {
                    "interrupted: what was done is kept, and the same command goes on from it"
                }
                None => "interrupted: nothing was kept; with -o DIR the same command would go on",
            });
            return Ok(exit::INTERRUPTED);
        }
        Err(error) => return Err(error.into()),
    };
    let results = Results::of(&grid, &ran, args.replicates as usize);
    if let Some(folder) = &args.output {
        save(&results, folder)?;
        if args.score_lists {
            let path = folder.join("streams.csv");
            let mut file = WholeFile::create(&path)?;
            write_streams(&grid, &ran, &mut file).with_context(|| cannot_write(&path))?;
            file.finish()?;
        }
    }
    let mut out = out();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &results)?;
        out.write_all(b"\n")?;
    } else {
        out.write_all(escape_lines(&results.as_text()).as_bytes())?;
    }
    finish(out)?;
    Ok(exit::OK)
}

/// Reads a data set as it is named: `NAME=PATH`, or `synthetic` or `synthetic/limits`, each perhaps with `=SEED`.
fn read(args: &Eval, named: &str) -> Result<Vec<DataSet>> {
    let (name, path) = match named.split_once('=') {
        Some((name, path)) => (name, Some(path)),
        None => (named, None),
    };
    let made_up = match name {
        "synthetic" => Some(DataSet::synthetic as fn(u64) -> _),
        "synthetic/limits" => Some(DataSet::limits as fn(u64) -> _),
        _ => None,
    };
    if let Some(made_up) = made_up {
        let seed = path.unwrap_or("1");
        let seed = seed
            .parse()
            .with_context(|| format!("--data {name}={seed}: it is a seed"))?;
        return Ok(vec![made_up(seed)?]);
    }
    let Some(path) = path.filter(|path| !path.is_empty() && !name.is_empty()) else {
        bail!("--data {named}: a data set is NAME=PATH, such as mine=FOLDER");
    };
    let reading = Reading {
        options: args.reading.options(),
        grouping: args.reading.streams,
    };
    let bar = ui::counter("reading");
    bar.set_message(named.to_owned());
    let sets = DataSet::read(name, Path::new(path), &reading);
    bar.finish_and_clear();
    Ok(sets?)
}

/// Writes the results in three forms, each whole or not at all.
fn save(results: &Results, folder: &Path) -> Result<()> {
    let json = folder.join("results.json");
    let mut file = WholeFile::create(&json)?;
    serde_json::to_writer_pretty(&mut file, results).with_context(|| cannot_write(&json))?;
    file.finish()?;
    let csv = folder.join("results.csv");
    let mut file = WholeFile::create(&csv)?;
    results
        .write_csv(&mut file)
        .with_context(|| cannot_write(&csv))?;
    file.finish()?;
    let table = folder.join("table.md");
    let mut file = WholeFile::create(&table)?;
    let markdown = results.as_markdown();
    file.write_all(markdown.as_bytes())
        .with_context(|| cannot_write(&table))?;
    file.finish()
}

/// Names of folders stand in tables; what a terminal would obey does not.
fn escape_lines(text: &str) -> String {
    let lines = text.lines().map(|line| escape(line.as_bytes()) + "\n");
    lines.collect()
}
