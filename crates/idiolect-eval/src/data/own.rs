//! One's own data: two folders, or a table.
//!
//! A folder holds `normal` and `attack`; folders below `attack` name families. Where there is a `train`
//! besides, it is what is learned from, and `normal` is only tested on.
//!
//! A table is a CSV file with a first line that names its columns: `path` (from the table's own folder),
//! `label` (`normal`, `attack` or `train`), and where wanted `family` and `exploit_time`: seconds on the
//! trace's own clock (`strace -ttt`), or `+12.5`, seconds after the trace's first call.

use std::path::Path;

use idiolect_trace::read::{Source, escape};
use serde::Deserialize;

use super::reader::{Exploit, Gatherer, Label, Reading};
use super::{DataError, DataSet, Role};

const NS_A_SECOND: f64 = 1e9;

/// Reads a folder or a table.
pub(super) fn read(name: &str, path: &Path, reading: &Reading) -> Result<DataSet, DataError> {
    if path.is_dir() {
        folder(name, path, reading)
    } else {
        table(name, path, reading)
    }
}

fn folder(name: &str, path: &Path, reading: &Reading) -> Result<DataSet, DataError> {
    for needed in ["normal", "attack"] {
        if !path.join(needed).is_dir() {
            return Err(DataError::Form {
                path: path.to_owned(),
                reason: format!(
                    "there is no folder {needed:?} in it. Put traces of normal runs into normal/ and traces of \
                     attacks into attack/ (folders below name their families), or give a CSV of path, label, \
                     family, exploit_time"
                ),
            });
        }
    }
    let mut gatherer = Gatherer::default();
    let train = path.join("train");
    if train.is_dir() {
        gatherer.read(&train, reading, &|_| Some(Label::of(Role::Train)))?;
    }
    gatherer.read(&path.join("normal"), reading, &|_| {
        Some(Label::of(Role::Normal))
    })?;
    let attacks = path.join("attack");
    let below = escape(attacks.as_os_str().as_encoded_bytes());
    let label = |source: &Source| {
        let inside = source.origin.strip_prefix(&below).unwrap_or("");
        let first = inside.trim_start_matches('/').split('/').next();
        Some(Label {
            role: Role::Attack,
            // A file or an archive that lies beside the folders is of no family.
            family: first
                .filter(|name| !name.is_empty() && attacks.join(name).is_dir())
                .map(str::to_owned),
        })
    };
    gatherer.read(&attacks, reading, &label)?;
    gatherer.finish(name.to_owned())
}

/// A line of a table.
#[derive(Deserialize)]
struct Row {
    path: String,
    label: String,
    #[serde(default)]
    family: Option<String>,
    #[serde(default)]
    exploit_time: Option<String>,
}

fn table(name: &str, path: &Path, reading: &Reading) -> Result<DataSet, DataError> {
    let form = |reason: String| DataError::Form {
        path: path.to_owned(),
        reason,
    };
    let mut lines = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| form(error.to_string()))?;
    let mut gatherer = Gatherer::default();
    let base = path.parent().unwrap_or(Path::new("."));
    for (place, row) in lines.deserialize::<Row>().enumerate() {
        let at = |reason: &str| form(format!("row {}: {reason}", place + 1));
        let row = row.map_err(|error| at(&error.to_string()))?;
        let role = match row.label.as_str() {
            "train" => Role::Train,
            "normal" => Role::Normal,
            "attack" => Role::Attack,
            other => {
                return Err(at(&format!(
                    "the label {other:?} is none of normal, attack, train"
                )));
            }
        };
        let label = |_: &_| {
            Some(Label {
                role,
                family: row.family.clone().filter(|family| !family.is_empty()),
            })
        };
        let first = gatherer.len();
        gatherer.read(&base.join(&row.path), reading, &label)?;
        if let Some(text) = row.exploit_time.as_deref().filter(|text| !text.is_empty()) {
            if role != Role::Attack {
                return Err(at("an exploit_time belongs to an attack"));
            }
            let exploit = exploit(text).ok_or_else(|| {
                at("an exploit_time is seconds: 1700000000.5, or +12.5 after the first call")
            })?;
            gatherer
                .exploit(first, exploit)
                .map_err(|reason| at(&reason))?;
        }
    }
    gatherer.finish(name.to_owned())
}

/// Seconds as typed.
fn exploit(text: &str) -> Option<Exploit> {
    let seconds: f64 = text.parse().ok()?;
    if !(0.0..=9e9).contains(&seconds) {
        return None;
    }
    let ns = (seconds * NS_A_SECOND) as u64;
    Some(if text.starts_with('+') {
        Exploit::After(ns)
    } else {
        Exploit::At(ns)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exploit_times() {
        assert_eq!(exploit("+1.5"), Some(Exploit::After(1_500_000_000)));
        assert_eq!(exploit("12"), Some(Exploit::At(12_000_000_000)));
        for bad in ["-1", "x", "1e300", "nan", ""] {
            assert_eq!(exploit(bad), None, "{bad}");
        }
    }
}
