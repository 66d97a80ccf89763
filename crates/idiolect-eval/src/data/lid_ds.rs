//! LID-DS 2019 (Grimmer et al. 2019) and 2021 (Grimmer et al. 2021): a scenario's folder.
//!
//! In 2021 a recording is a `.sc` file, alone or in a `.zip` or a folder of its name, with a `.json` that
//! says when an exploit began; folders say what it is for: `training`, `validation`, `test/normal`,
//! `test/normal_and_attack`. In 2019 recordings are `.txt` files beside a `runs.csv`, without a split.
//! Both are text of sysdig, and `idiolect-trace` reads them. A stream is a thread; calls that were entered
//! before the recording began have no time and are left out.
//!
//! What is validated on in LID-DS is normal and not tested on, so it is learned from here: thresholds come
//! from streams that are held out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use idiolect_detect::{Stream, Streams};
use idiolect_trace::read::{Format, ReadOptions, Sink, SkipKind, read_path};
use idiolect_trace::{Record, StartKind};
use serde::Deserialize;

use super::reader::{Exploit, Gatherer, Label};
use super::{DataError, DataSet, Role};

const NS_A_SECOND: f64 = 1e9;
/// Longest description that is read.
const JSON_BYTES: u64 = 1 << 20;

/// Reads a scenario.
pub(super) fn read(path: &Path) -> Result<DataSet, DataError> {
    let mut gatherer = Gatherer::default();
    if path.join("runs.csv").is_file() {
        of_2019(path, &mut gatherer)?;
    } else {
        of_2021(path, &mut gatherer)?;
    }
    let name = path
        .file_name()
        .map_or("lid-ds".into(), |name| name.to_string_lossy());
    gatherer.finish(format!("lid-ds/{name}"))
}

/// A line of `runs.csv`.
#[derive(Deserialize)]
struct Run {
    scenario_name: String,
    is_executing_exploit: String,
    /// Seconds after the recording's beginning; -1 without an exploit.
    exploit_start_time: f64,
}

fn of_2019(path: &Path, gatherer: &mut Gatherer) -> Result<(), DataError> {
    let runs = path.join("runs.csv");
    let form = |reason: String| DataError::Form {
        path: runs.clone(),
        reason,
    };
    let mut lines = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(&runs)
        .map_err(|error| form(error.to_string()))?;
    for run in lines.deserialize::<Run>() {
        let run = run.map_err(|error| form(error.to_string()))?;
        if run.scenario_name.contains(['/', '\\']) {
            return Err(form(format!(
                "{:?} is no recording's name",
                run.scenario_name
            )));
        }
        let file = path.join(format!("{}.txt", run.scenario_name));
        if !file.is_file() {
            gatherer.pass_over(
                "a recording of runs.csv whose file is not there".to_owned(),
                1,
            );
            continue;
        }
        let attacked = run.is_executing_exploit.eq_ignore_ascii_case("true");
        let exploit = match attacked {
            true if (0.0..1e9).contains(&run.exploit_start_time) => Some(Exploit::After(
                (run.exploit_start_time * NS_A_SECOND) as u64,
            )),
            true => {
                return Err(form(format!(
                    "{}: no time of its exploit",
                    run.scenario_name
                )));
            }
            false => None,
        };
        let role = if attacked { Role::Attack } else { Role::Normal };
        recording(&file, role, exploit, gatherer)?;
    }
    Ok(())
}

fn of_2021(path: &Path, gatherer: &mut Gatherer) -> Result<(), DataError> {
    let parts = [
        ("training", Role::Train),
        ("validation", Role::Train),
        ("test/normal", Role::Normal),
        ("test/normal_and_attack", Role::Attack),
    ];
    for (part, role) in parts {
        let folder = path.join(part);
        if !folder.is_dir() {
            continue;
        }
        let mut files = Vec::new();
        recordings_in(&folder, 1, &mut files)?;
        files.sort();
        for file in files {
            let exploit = exploit_of(&file)?;
            if role == Role::Attack && exploit.is_none() {
                gatherer.pass_over(
                    "a recording of an attack that does not say when it began".to_owned(),
                    1,
                );
                continue;
            }
            recording(&file, role, exploit, gatherer)?;
        }
    }
    if gatherer.len() == 0 {
        return Err(DataError::Form {
            path: path.to_owned(),
            reason: "no recording of LID-DS is in it: a scenario's folder holds training/, validation/ and \
                     test/ with .sc or .zip files, or .txt files and a runs.csv"
                .to_owned(),
        });
    }
    Ok(())
}

/// The recordings of a part, also in folders of their own.
fn recordings_in(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let io = |source| DataError::Io {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_dir() {
            if depth > 0 {
                recordings_in(&path, depth - 1, files)?;
            }
        } else if path
            .extension()
            .is_some_and(|ending| ending == "sc" || ending == "zip")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// What a recording says of itself.
#[derive(Deserialize)]
struct Description {
    exploit: bool,
    time: Times,
}

#[derive(Deserialize)]
struct Times {
    #[serde(default)]
    exploit: Vec<Moment>,
}

#[derive(Deserialize)]
struct Moment {
    /// Seconds since 1970.
    absolute: f64,
}

/// When the exploit of a recording began, if it had one.
fn exploit_of(path: &Path) -> Result<Option<Exploit>, DataError> {
    let form = |reason: String| DataError::Form {
        path: path.to_owned(),
        reason,
    };
    let mut text = String::new();
    let read = if path.extension().is_some_and(|ending| ending == "zip") {
        entry_of(path, "json").and_then(|(mut zip, place)| {
            let entry = zip.by_index(place).map_err(io::Error::other)?;
            entry.take(JSON_BYTES).read_to_string(&mut text)
        })
    } else {
        let beside = File::open(path.with_extension("json"));
        beside.and_then(|file| file.take(JSON_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| form(format!("its description (.json): {error}")))?;
    let described: Description = serde_json::from_str(&text)
        .map_err(|error| form(format!("its description (.json): {error}")))?;
    if !described.exploit {
        return Ok(None);
    }
    let moments = described.time.exploit.iter().map(|moment| moment.absolute);
    let first = moments.fold(f64::INFINITY, f64::min);
    let is_time = (0.0..=9e9).contains(&first);
    Ok(is_time.then_some(Exploit::At((first * NS_A_SECOND) as u64)))
}

/// The entry of a zip archive with this ending.
fn entry_of(path: &Path, ending: &str) -> io::Result<(zip::ZipArchive<File>, usize)> {
    let mut zip = zip::ZipArchive::new(File::open(path)?).map_err(io::Error::other)?;
    let mut found = None;
    for place in 0..zip.len() {
        let entry = zip.by_index(place).map_err(io::Error::other)?;
        if entry
            .name()
            .rsplit_once('.')
            .is_some_and(|(_, of)| of == ending)
        {
            found = Some(place);
        }
    }
    match found {
        Some(place) => Ok((zip, place)),
        None => Err(io::Error::other(format!("no .{ending} file is in it"))),
    }
}

/// The calls of one thread.
#[derive(Default)]
struct Thread {
    symbols: Vec<u32>,
    times: Vec<u64>,
}

/// Sorts the calls of a recording by thread.
struct Threads<'a> {
    streams: &'a mut Streams,
    threads: BTreeMap<u32, Thread>,
    /// Nothing is kept from this time on.
    until: u64,
}

impl Sink for Threads<'_> {
    fn record(&mut self, record: Record) -> ControlFlow<()> {
        if let Record::Call(call) = record
            && let (Some(tid), Some(time_ns)) = (call.stream.tid, call.time_ns)
            && time_ns < self.until
        {
            let thread = self.threads.entry(tid).or_default();
            thread.symbols.push(self.streams.symbol(call.name.as_str()));
            thread.times.push(time_ns);
        }
        ControlFlow::Continue(())
    }
}

/// Reads one recording.
fn recording(
    path: &Path,
    role: Role,
    exploit: Option<Exploit>,
    gatherer: &mut Gatherer,
) -> Result<(), DataError> {
    // An archive holds other files too, which are told by their content.
    let is_archive = path.extension().is_some_and(|ending| ending == "zip");
    let options = ReadOptions {
        format: (!is_archive).then_some(Format::Sysdig),
        ..ReadOptions::default()
    };
    gatherer.begin_recording();
    let mut sink = Threads {
        streams: &mut gatherer.streams,
        threads: BTreeMap::new(),
        // Nothing is learned from what comes after an exploit.
        until: match (role, exploit) {
            (Role::Train, Some(Exploit::At(began))) => began,
            _ => u64::MAX,
        },
    };
    let totals = read_path(path, &options, &mut sink)?;
    let threads = sink.threads;
    let unread = [SkipKind::Unparsed, SkipKind::TooLong].map(|kind| totals.skipped(kind));
    gatherer.pass_over(
        "a line that is no event of sysdig".to_owned(),
        unread.iter().sum(),
    );
    let name = path
        .file_stem()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let first = gatherer.len();
    for (tid, thread) in threads {
        let stream = Stream {
            name: format!("{name}[{tid}]"),
            start: StartKind::Attach,
            symbols: thread.symbols,
            executable: None,
        };
        gatherer.push(stream, Label::of(role), Some(thread.times));
    }
    match exploit {
        Some(exploit) if role == Role::Attack && gatherer.len() > first => gatherer
            .exploit(first, exploit)
            .map_err(|reason| DataError::Form {
                path: path.to_owned(),
                reason,
            }),
        _ => Ok(()),
    }
}
