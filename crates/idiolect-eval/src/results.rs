//! From a grid's scores to figures.

mod recordings;
mod streams;
mod table;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::Serialize;

pub use recordings::ByRecording;
pub use streams::write_streams;

use crate::combine::{Member, Scored, combine};
use crate::data::{DataSet, Role, Variant};
use crate::grid::{Grid, Outcome, Ran, RoundOf, Spec, calibration};
use crate::methods::on_threads;
use crate::metrics::{Measure, Ranked, Watched, false_alarms_per_hour};
use crate::resample::{Difference, Estimate, Scores, Strata, compare, deviation, estimate};

/// The false alarm rates that are asked for.
pub const RATES: [f64; 3] = [0.001, 0.01, 0.05];
/// Seed of the resampling.
const SEED: u64 = 1;

/// All figures of a grid.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// What measured.
    pub version: &'static str,
    /// Seeds, from 1.
    pub seeds: u64,
    /// Folds where a set has no split.
    pub folds: usize,
    /// Replicates of each bootstrap.
    pub replicates: usize,
    /// The data sets.
    pub sets: Vec<SetResults>,
}

/// The figures of a data set.
#[derive(Clone, Debug, Serialize)]
pub struct SetResults {
    /// Its name.
    pub name: String,
    /// Whether it has a split of its own.
    pub has_split: bool,
    /// Streams to learn from, in the first round.
    pub train: usize,
    /// Normal streams and attacks that are tested, over all rounds, each once.
    pub tested: [usize; 2],
    /// What a person should know of how it was read.
    pub notes: Vec<String>,
    /// Each detector.
    pub rows: Vec<Row>,
}

/// The figures of a detector on a data set.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The detector.
    pub detector: String,
    /// Rounds that it was measured in: seeds times folds.
    pub runs: usize,
    /// Why it has no figures in other rounds, if any.
    pub failed: Option<String>,
    /// Its figures with copies and without.
    pub variants: Vec<VariantResults>,
    /// What came of each false alarm rate that was asked for.
    pub asked: Vec<Asked>,
    /// Each kind of attack, and each kind of normal stream that the set tells apart.
    pub families: Vec<Family>,
    /// Its figures by recording, where recordings have several streams.
    pub by_recording: Option<ByRecording>,
    /// Alarms while streams go on.
    pub streaming: Option<Streaming>,
    /// What it costs.
    pub cost: Cost,
}

/// A variant's figures.
#[derive(Clone, Debug, Serialize)]
pub struct VariantResults {
    /// Which streams count.
    pub variant: Variant,
    /// Normal streams that count, over all rounds, each once.
    pub normal: usize,
    /// Attacks.
    pub attack: usize,
    /// Every measure.
    pub estimates: Vec<Estimate>,
    /// How it differs from the first detector on the same streams; none for the first.
    pub differences: Vec<Difference>,
}

/// A false alarm rate asked for, and what came of it on the tested streams.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// The rate.
    pub rate: f64,
    /// Runs whose held-out streams supported it; the figures are means over them.
    pub supported: usize,
    /// The share of normal streams above the threshold.
    pub achieved: Option<f64>,
    /// The same with copies left out: where a set is folded, all copies of a stream are in the fold that did
    /// not learn it.
    pub achieved_without_copies: Option<f64>,
    /// Its standard deviation over runs.
    pub deviation: Option<f64>,
    /// Where calibration said that the rate would lie, with a probability of 90 %.
    pub expected: Option<[f64; 2]>,
    /// The share of attacks above the threshold.
    pub detected: Option<f64>,
}

/// The figures of a kind of stream, over all copies.
#[derive(Clone, Debug, Serialize)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Whether it is an attack.
    pub attack: bool,
    /// Streams, over all rounds, each once.
    pub streams: usize,
    /// Area under the curve against the other normal streams.
    pub auc: Option<f64>,
    /// Its share above a threshold with at most 5 % false alarms.
    pub above_at_5: Option<f64>,
}

/// Alarms while streams go on, means over runs.
#[derive(Clone, Debug, Serialize)]
pub struct Streaming {
    /// The share of normal streams that were to raise one.
    pub asked: f64,
    /// The share of normal streams that ever did.
    pub normal_ever: f64,
    /// The share of attacked recordings in which one was raised after the attack began.
    pub detected: Option<f64>,
    /// Calls from the attack's beginning to the alarm: the median over detected recordings.
    pub calls_to_detection: Option<f64>,
    /// The same in seconds, where there is time.
    pub seconds_to_detection: Option<f64>,
    /// Calls with a false alarm, over all recordings.
    pub false_alarms: f64,
    /// The same with those in a row counted once.
    pub consecutive_false_alarms: f64,
    /// False alarms in a row an hour of a host's normal operation, where there is time.
    pub false_alarms_per_hour: Option<f64>,
}

/// What a detector costs: means over runs, combined ones the sum of their parts.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    /// Calls a second in fitting, each training call counted once; none where nothing was measured.
    pub fit_calls_per_second: Option<f64>,
    /// Calls a second in scoring whole streams.
    pub score_calls_per_second: Option<f64>,
    /// Bytes of the model.
    pub bytes: u64,
}

/// A detector's scores in one round.
struct Run {
    round: usize,
    scored: Scored,
    outcomes: Vec<Arc<Outcome>>,
}

impl Results {
    /// Measures what came of a grid, with so many replicates in each bootstrap.
    pub fn of(grid: &Grid, ran: &[Ran], replicates: usize) -> Self {
        on_threads(grid.threads, || Self::measure(grid, ran, replicates))
    }

    fn measure(grid: &Grid, ran: &[Ran], replicates: usize) -> Self {
        let sets = grid.sets.iter().zip(ran);
        Results {
            version: env!("CARGO_PKG_VERSION"),
            seeds: grid.seeds,
            folds: grid.folds,
            replicates,
            sets: sets
                .map(|(set, ran)| of_set(grid, set, ran, replicates))
                .collect(),
        }
    }
}

fn of_set(grid: &Grid, set: &DataSet, ran: &Ran, replicates: usize) -> SetResults {
    let tested: BTreeSet<usize> = ran
        .rounds
        .iter()
        .flat_map(|of| of.round.test.clone())
        .collect();
    let attacks = tested.iter().filter(|&&place| set.is_attack(place)).count();
    let mut rows = Vec::new();
    let mut baseline = None;
    for spec in &grid.detectors {
        let (runs, failed) = runs_of(grid, set, ran, spec);
        let by_variant = Variant::ALL.map(|variant| scores(set, ran, &runs, variant));
        let variants = Variant::ALL.into_iter().zip(&by_variant);
        let variants = variants.filter_map(|(variant, scores)| {
            let strata = Strata::of(scores, |place| set.is_attack(place), set.streams.len());
            let estimates = estimate(scores, &strata, SEED, replicates)?;
            let of_first: Option<&[Vec<Scores>; 3]> = baseline.as_ref();
            let differences = of_first.and_then(|first| {
                let first = &first[variant as usize];
                compare(scores, first, &strata, SEED, replicates)
            });
            let [normal, attack] = strata.counts();
            Some(VariantResults {
                variant,
                normal,
                attack,
                estimates,
                differences: differences.unwrap_or_default(),
            })
        });
        rows.push(Row {
            detector: spec.to_string(),
            runs: runs.len(),
            failed,
            variants: variants.collect(),
            asked: RATES.map(|rate| asked(set, ran, &runs, rate)).to_vec(),
            families: families(set, ran, &runs),
            by_recording: recordings::by_recording(set, ran, &runs),
            streaming: streaming(set, ran, &runs),
            cost: cost(&runs),
        });
        baseline = baseline.or(Some(by_variant));
    }
    SetResults {
        name: set.name.clone(),
        has_split: set.has_split(),
        train: ran.rounds.first().map_or(0, |of| of.round.train.len()),
        tested: [tested.len() - attacks, attacks],
        notes: set.notes.clone(),
        rows,
    }
}

/// A detector's scores in every round that it has some in, and why it has none in another.
fn runs_of(grid: &Grid, set: &DataSet, ran: &Ran, spec: &Spec) -> (Vec<Run>, Option<String>) {
    let (mut runs, mut failed) = (Vec::new(), None);
    let seedless = set.has_split()
        && spec.parts().iter().all(|part| {
            grid.method(&part.method)
                .is_some_and(|method| !method.is_seeded())
        });
    for (round, of) in ran.rounds.iter().enumerate() {
        // One and the same result is no second run.
        if seedless && of.seed > 1 {
            continue;
        }
        match run_of(grid, set, ran, spec, round) {
            Ok(run) => runs.push(run),
            Err(reason) => failed = Some(reason),
        }
    }
    (runs, failed)
}

fn run_of(grid: &Grid, set: &DataSet, ran: &Ran, spec: &Spec, round: usize) -> Result<Run, String> {
    let outcomes: Vec<Arc<Outcome>> = spec
        .parts()
        .iter()
        .map(|part| {
            let mut done = ran.done.iter();
            let done = done.find(|done| done.round == round && done.method == part.method);
            done.map_or_else(
                || Err("it was not run".to_owned()),
                |done| done.outcome.clone(),
            )
        })
        .collect::<Result<_, _>>()?;
    let scored = match spec {
        Spec::One(part) => outcomes[0].readouts[part.readout].clone(),
        Spec::Combined { rule, members } => {
            let members: Vec<Member<'_>> = members
                .iter()
                .zip(&outcomes)
                .map(|(part, outcome)| Member {
                    scored: &outcome.readouts[part.readout],
                    floor: grid
                        .method(&part.method)
                        .map_or(0.0, |method| method.readouts()[part.readout].floor),
                })
                .collect();
            let copies = copies(set, &ran.rounds[round].round.train);
            combine(*rule, &members, &|place| copies.contains(&place))
                .map_err(|error| error.to_string())?
        }
    };
    if scored.test.iter().any(|score| score.is_nan()) {
        return Err("a score is not a number".to_owned());
    }
    Ok(Run {
        round,
        scored,
        outcomes,
    })
}

/// Places of training streams that copy one before them.
fn copies(set: &DataSet, train: &[usize]) -> HashSet<u32> {
    let mut seen = HashSet::new();
    (0..)
        .zip(train)
        .filter(|&(_, &place)| !seen.insert(set.content(place)))
        .map(|(place, _)| place)
        .collect()
}

/// The scores of a variant's streams in each run that can be measured.
fn scores(set: &DataSet, ran: &Ran, runs: &[Run], variant: Variant) -> Vec<Scores> {
    let of = |run: &Run| {
        let RoundOf { seed, round, .. } = &ran.rounds[run.round];
        let counted: HashSet<usize> = set.counted(round, variant).into_iter().collect();
        let tested = round.test.iter().zip(&run.scored.test);
        let counted = tested.filter(|(place, _)| counted.contains(place));
        let scores =
            counted.map(|(&place, &score)| (place, f64::from(score), set.is_attack(place)));
        Scores::new(*seed, scores).ok()
    };
    runs.iter().filter_map(of).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}

/// The tested streams of a run with their scores and what they are.
fn tested<'a>(
    set: &'a DataSet,
    ran: &'a Ran,
    run: &'a Run,
) -> impl Iterator<Item = (usize, f32, Role)> + 'a {
    let round = &ran.rounds[run.round].round;
    let tested = round.test.iter().zip(&run.scored.test);
    tested.map(|(&place, &score)| (place, score, set.about[place].role))
}

fn asked(set: &DataSet, ran: &Ran, runs: &[Run], rate: f64) -> Asked {
    let (mut achieved, mut detected, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let mut without_copies = Vec::new();
    for run in runs {
        let round = &ran.rounds[run.round].round;
        let first: HashSet<usize> = set
            .counted(round, Variant::WithoutCopies)
            .into_iter()
            .collect();
        let train = &ran.rounds[run.round].round.train;
        let held_out = &run.scored.held_out;
        let contents = held_out
            .iter()
            .map(|&(place, _)| set.content(train[place as usize]));
        let distinct = contents.collect::<HashSet<_>>().len();
        let calibration = calibration(distinct, held_out.iter().map(|&(_, s)| s).collect());
        let (Ok(threshold), Ok(interval)) =
            (calibration.threshold(rate), calibration.interval(rate))
        else {
            continue;
        };
        let above = |role: Role, counts: &dyn Fn(usize) -> bool| {
            let wanted = |&(place, _, of): &(usize, f32, Role)| of == role && counts(place);
            let streams = tested(set, ran, run).filter(wanted);
            mean(streams.map(|(_, score, _)| f64::from(u8::from(score > threshold))))
        };
        achieved.extend(above(Role::Normal, &|_| true));
        without_copies.extend(above(Role::Normal, &|place| first.contains(&place)));
        detected.extend(above(Role::Attack, &|_| true));
        expected.push([interval.low, interval.high]);
    }
    Asked {
        rate,
        supported: achieved.len(),
        achieved: mean(achieved.iter().copied()),
        achieved_without_copies: mean(without_copies.into_iter()),
        deviation: deviation(achieved.iter().copied()),
        expected: mean(expected.iter().map(|e| e[0]))
            .zip(mean(expected.iter().map(|e| e[1])))
            .map(Into::into),
        detected: mean(detected.into_iter()),
    }
}

fn families(set: &DataSet, ran: &Ran, runs: &[Run]) -> Vec<Family> {
    let mut members: BTreeMap<(bool, &str), BTreeSet<usize>> = BTreeMap::new();
    for place in ran.rounds.iter().flat_map(|of| &of.round.test) {
        if let Some(family) = &set.about[*place].family {
            let key = (set.is_attack(*place), family.as_str());
            members.entry(key).or_default().insert(*place);
        }
    }
    let of = |((attack, name), members): ((bool, &str), BTreeSet<usize>)| {
        // The family against normal streams, which a kind of normal streams is not among.
        let curve = |run: &Run| {
            let counted = tested(set, ran, run)
                .filter(|(place, _, role)| members.contains(place) || *role == Role::Normal);
            let (scores, is_member): (Vec<f64>, Vec<bool>) = counted
                .map(|(place, score, _)| (f64::from(score), members.contains(&place)))
                .unzip();
            Ranked::new(&scores, &is_member).ok()?.curve()
        };
        let curves: Vec<_> = runs.iter().filter_map(curve).collect();
        let of = |measure: Measure| mean(curves.iter().map(|curve| curve.get(measure)));
        Family {
            name: name.to_owned(),
            attack,
            streams: members.len(),
            auc: of(Measure::Auc),
            above_at_5: of(Measure::DetectedAt5),
        }
    };
    members.into_iter().map(of).collect()
}

/// Only of detectors of one part: combinations judge whole streams.
fn streaming(set: &DataSet, ran: &Ran, runs: &[Run]) -> Option<Streaming> {
    let of = |run: &Run| {
        let [outcome] = run.outcomes.as_slice() else {
            return None;
        };
        let alarms = outcome.alarms.as_ref()?;
        let ever = tested(set, ran, run).zip(&alarms.ever);
        let normal = ever.filter(|((_, _, role), _)| *role == Role::Normal);
        let normal_ever = mean(normal.map(|(_, &ever)| f64::from(u8::from(ever))))?;
        let attacked: Vec<&Watched> = alarms
            .recordings
            .iter()
            .filter(|watched| watched.attacked)
            .collect();
        let median = |value: &dyn Fn(&Watched) -> Option<f64>| {
            let mut values: Vec<f64> = attacked
                .iter()
                .filter_map(|watched| value(watched))
                .collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let sum = |value: &dyn Fn(&Watched) -> u64| {
            alarms.recordings.iter().map(value).sum::<u64>() as f64
        };
        let found = attacked
            .iter()
            .map(|watched| watched.calls_to_detection.is_some());
        Some(Streaming {
            asked: alarms.asked,
            normal_ever,
            detected: mean(found.map(|found| f64::from(u8::from(found)))),
            calls_to_detection: median(&|watched| Some(watched.calls_to_detection? as f64)),
            seconds_to_detection: median(&|watched| watched.seconds_to_detection),
            false_alarms: sum(&|watched| watched.false_alarms),
            consecutive_false_alarms: sum(&|watched| watched.consecutive_false_alarms),
            false_alarms_per_hour: false_alarms_per_hour(&alarms.recordings),
        })
    };
    let all: Vec<Streaming> = runs.iter().filter_map(of).collect();
    let mean_of = |value: &dyn Fn(&Streaming) -> Option<f64>| mean(all.iter().filter_map(value));
    Some(Streaming {
        asked: mean_of(&|s| Some(s.asked))?,
        normal_ever: mean_of(&|s| Some(s.normal_ever))?,
        detected: mean_of(&|s| s.detected),
        calls_to_detection: mean_of(&|s| s.calls_to_detection),
        seconds_to_detection: mean_of(&|s| s.seconds_to_detection),
        false_alarms: mean_of(&|s| Some(s.false_alarms))?,
        consecutive_false_alarms: mean_of(&|s| Some(s.consecutive_false_alarms))?,
        false_alarms_per_hour: mean_of(&|s| s.false_alarms_per_hour),
    })
}

fn cost(runs: &[Run]) -> Cost {
    let per_second = |calls: fn(&Outcome) -> u64, seconds: fn(&Outcome) -> Option<f64>| {
        mean(runs.iter().filter_map(|run| {
            let seconds: f64 = run
                .outcomes
                .iter()
                .map(|o| seconds(o))
                .sum::<Option<f64>>()?;
            let calls = run.outcomes.first().map(|outcome| calls(outcome))?;
            (seconds > 0.0).then(|| calls as f64 / seconds)
        }))
    };
    let bytes = runs
        .iter()
        .map(|run| run.outcomes.iter().map(|o| o.bytes).sum::<u64>());
    Cost {
        fit_calls_per_second: per_second(|o| o.train_calls, |o| o.fit_seconds),
        score_calls_per_second: per_second(|o| o.test_calls, |o| Some(o.score_seconds)),
        bytes: mean(bytes.map(|bytes| bytes as f64)).unwrap_or(0.0) as u64,
    }
}
