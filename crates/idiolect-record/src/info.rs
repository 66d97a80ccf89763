//! What a recording says of itself: `recording.json`, and the same in each Parquet file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{RecordError, shown};
use crate::schema::FORMAT;

/// The file that makes a folder a recording.
pub(crate) const FILE_NAME: &str = "recording.json";

/// Longest `recording.json` that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What was recorded, where, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingInfo {
    /// Version of the format, [`FORMAT`].
    pub format: u32,
    /// The program that wrote it, with its version.
    pub writer: String,
    /// The capture's name: a record whose stream has this origin (or none) does not repeat it, and takes
    /// the name of the file or folder when it is read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Host name or machine id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The boot's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// What the records came from: `ebpf`, `perf`, `ptrace`, `convert`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The command that was recorded or that wrote the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Choices that whoever reads it should know (`outcomes`: `yes`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// When it began, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ns: Option<u64>,
    /// How far it is. Of a recording only; a single file has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// What was counted, once it is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being written, or left by a crash.
    Open,
    /// Finished in order.
    Finished,
    /// Closed by [`repair`](crate::repair).
    Repaired,
}

/// What a recorder counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// When it ended, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ns: Option<u64>,
    /// Records in the segments.
    #[serde(default)]
    pub records: u64,
    /// Calls among them.
    #[serde(default)]
    pub calls: u64,
    /// Events that the source lost, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, u64>,
    /// Bytes of the journal that were no whole record, where it was repaired.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub damaged_bytes: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Default for RecordingInfo {
    fn default() -> Self {
        RecordingInfo {
            format: FORMAT,
            writer: concat!("idiolect ", env!("CARGO_PKG_VERSION")).to_owned(),
            origin: String::new(),
            host: None,
            boot: None,
            source: String::new(),
            command: Vec::new(),
            options: BTreeMap::new(),
            started_ns: None,
            state: None,
            summary: None,
        }
    }
}

impl RecordingInfo {
    /// Reads a recording's `recording.json`.
    ///
    /// # Errors
    /// The file cannot be read, is no such file, or is of a later format.
    pub fn load(folder: &Path) -> Result<Self, RecordError> {
        let path = folder.join(FILE_NAME);
        let mut text = Vec::new();
        let file = File::open(&path).map_err(RecordError::io(&path, "cannot open"))?;
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(RecordError::io(&path, "cannot read"))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(RecordError::OverBound {
                what: shown(&path),
                reason: "it has too many bytes",
                bound: MAX_BYTES,
            });
        }
        RecordingInfo::from_json(&shown(&path), &text)
    }

    /// Reads it from JSON; `what` is the file that it is in.
    pub(crate) fn from_json(what: &str, text: &[u8]) -> Result<Self, RecordError> {
        let info: RecordingInfo = serde_json::from_slice(text).map_err(|error| {
            RecordError::damaged(what, format!("it describes no recording: {error}"))
        })?;
        if info.format == 0 || info.format > FORMAT {
            return Err(RecordError::Unsupported {
                what: what.to_owned(),
                reason: format!(
                    "it is of format {}, and this version reads up to {FORMAT}: take a later version of \
                     idiolect",
                    info.format
                ),
            });
        }
        Ok(info)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("text, numbers and maps of text become JSON")
    }

    /// Writes `recording.json` aside and renames it.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), RecordError> {
        let path = folder.join(FILE_NAME);
        let aside = folder.join(format!(".{FILE_NAME}.part"));
        let write = || {
            let mut file = File::create(&aside)?;
            file.write_all(&self.to_json())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            sync_folder(folder)
        };
        write().map_err(RecordError::io(&path, "cannot write"))
    }
}

/// Makes renames in a folder last.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
