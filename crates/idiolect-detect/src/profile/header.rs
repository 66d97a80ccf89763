//! The JSON header of a profile file.

use std::collections::{BTreeMap, BTreeSet};

use idiolect_nn::{EpochReport, Form};
use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};

use super::error::Problem;
use crate::tables::TableConfig;
use crate::{SignalKind, SignalSettings, Unit, Vocabulary};

/// The format that this version writes. 2 added models of windows, one-hot input and the history; 3
/// tables and hidden Markov models; 4 the sets of calls of training streams, and models that rebuild windows.
pub(super) const FORMAT: u32 = 4;
/// The newest format that this version reads.
pub(super) const READER: u32 = 4;
/// The oldest reader that reads LSTM models of whole streams with an embedding.
pub(super) const FIRST_READER: u32 = 1;
/// The oldest that reads every network.
const NETWORK_READER: u32 = 2;
/// The oldest that reads tables and hidden Markov models.
const TABLE_READER: u32 = 3;
/// The oldest that reads sets of calls.
pub(super) const SETS_READER: u32 = 4;
/// The key in safetensors' metadata under which the header lies.
pub(super) const METADATA_KEY: &str = "idiolect";

/// The header: everything of a profile but its tensors.
///
/// A later version may add fields, which this one ignores, unless it lists them under `critical`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) min_reader: u32,
    #[serde(default)]
    pub(super) critical: Vec<String>,
    pub(super) token_scheme: TokenScheme,
    pub(super) vocabulary: Vocabulary,
    pub(super) models: Vec<ModelHeader>,
    pub(super) signals: SignalSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sets: Option<SetsHeader>,
    pub(super) decision: Decision,
    pub(super) calibrations: Vec<CalibrationHeader>,
    pub(super) programs: BTreeSet<String>,
    pub(super) provenance: Provenance,
}

/// Names of the header's fields, to tell which critical ones are known.
const FIELDS: [&str; 12] = [
    "format",
    "min_reader",
    "critical",
    "token_scheme",
    "vocabulary",
    "models",
    "signals",
    "sets",
    "decision",
    "calibrations",
    "programs",
    "provenance",
];

/// What a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenScheme {
    /// The call's canonical name, with its ABI before it where that is not the stream's own.
    Name,
}

/// A model, but for its tensors `model.N.*`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum ModelHeader {
    Lstm(NetworkHeader),
    Window {
        inputs: usize,
        #[serde(flatten)]
        network: NetworkHeader,
    },
    Table {
        table: TableConfig,
    },
    Hmm(HmmHeader),
    Som {
        /// Calls in a window.
        window: usize,
        units: usize,
    },
    Autoencoder {
        window: usize,
        hidden: usize,
        code: usize,
    },
}

/// A hidden Markov model and its probability of an unknown call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HmmHeader {
    pub(super) states: usize,
    pub(super) unknown: f64,
}

/// An LSTM network and its probability of an unknown call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NetworkHeader {
    /// Width of the embedding; none for one-hot input.
    pub(super) embedding: Option<usize>,
    pub(super) hidden: Vec<usize>,
    pub(super) unknown: f64,
    /// How scoring holds the weights.
    #[serde(default, skip_serializing_if = "is_full")]
    pub(super) form: Form,
}

fn is_full(form: &Form) -> bool {
    *form == Form::Full
}

impl ModelHeader {
    /// The oldest reader that knows this model.
    pub(super) fn min_reader(&self) -> u32 {
        match self {
            ModelHeader::Lstm(network) if network.embedding.is_some() => FIRST_READER,
            ModelHeader::Lstm(_) | ModelHeader::Window { .. } => NETWORK_READER,
            ModelHeader::Table { .. } | ModelHeader::Hmm(_) => TABLE_READER,
            ModelHeader::Som { .. } | ModelHeader::Autoencoder { .. } => FORMAT,
        }
    }
}

/// How a verdict is reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The signal that is the score.
    pub signal: SignalKind,
    /// The false alarm rate that was asked for.
    pub rate: f64,
}

/// The sets of calls of training streams, but for their tensors `sets.*`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct SetsHeader {
    /// Which nearest stream novelty is the distance to.
    pub(super) neighbours: u32,
}

/// A calibration, but for its scores, the tensor `calibration.N`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CalibrationHeader {
    pub(super) model: usize,
    pub(super) signal: SignalKind,
    pub(super) start: Option<StartKind>,
    pub(super) unit: Unit,
    pub(super) distinct: usize,
}

/// Where a profile comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The program and version that made it.
    pub tool: String,
    /// When, in RFC 3339, UTC.
    pub created: String,
    /// The paths it was trained from, as they were given.
    pub sources: Vec<String>,
    /// SHA-256 over the sorted content hashes of all streams, in hexadecimal.
    pub data_hash: String,
    /// Streams read.
    pub streams: usize,
    /// Different ones among them.
    pub distinct_streams: usize,
    /// Calls read.
    pub calls: usize,
    /// The ABIs of those calls, by name; empty where they are not known.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub abis: BTreeSet<String>,
    /// Whether some of the traces hold only calls that were chosen, as by the rules of auditd.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub selected: bool,
    /// Units that trained, tuned and calibrated.
    pub split: [usize; 3],
    /// How the calibration scores were made, in words.
    pub calibrated_by: String,
    /// The seed of everything random.
    pub seed: u64,
    /// Epochs trained, and the one whose weights were kept, from 1; both 0 of a model that has none.
    pub epochs: [usize; 2],
    /// Mean surprise on the tune part by the weights that were kept, calls never seen in training left
    /// out, in nats a call; where the model's measure is another, the mean of that.
    pub tune_surprise: f64,
    /// Streams each call was seen in, of the part that trained.
    pub seen_in_streams: BTreeMap<String, usize>,
    /// How each epoch went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<EpochReport>,
}

impl Header {
    /// Reads a header, in the order in which a wrong one is best explained: is it ours, is it too new,
    /// does it need what we lack, is it well formed.
    pub(super) fn parse(json: &str) -> Result<Self, Problem> {
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|error| Problem::Header(error.to_string()))?;
        let integer = |name: &str| -> Result<u32, Problem> {
            value[name]
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| Problem::Header(format!("{name:?} is not an integer")))
        };
        let (format, min_reader) = (integer("format")?, integer("min_reader")?);
        if min_reader > READER {
            return Err(Problem::TooNew {
                format,
                min_reader,
                reader: READER,
            });
        }
        let critical = value["critical"].as_array().into_iter().flatten();
        for field in critical {
            let name = field.as_str().unwrap_or_default();
            if !FIELDS.contains(&name) {
                return Err(Problem::UnknownCritical(name.to_owned()));
            }
        }
        serde_json::from_value(value).map_err(|error| Problem::Header(error.to_string()))
    }
}
