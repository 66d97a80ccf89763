//! Reading and writing the profile file.

use std::collections::BTreeMap;
use std::path::Path;

use super::container::{self, Tensor};
use super::error::{Problem, ProfileError};
use super::header::{
    CalibrationHeader, FIRST_READER, FORMAT, Header, METADATA_KEY, ModelHeader, SETS_READER,
    SetsHeader,
};
use super::{Profile, models, sets};
use crate::{Calibration, SignalKind, Unit};

/// The largest file that is read. The paper's largest model takes 12 MB.
const MAX_BYTES: u64 = 1 << 30;
/// Most models in one profile.
const MAX_MODELS: usize = 64;

impl Profile {
    /// Loads a profile, checking all of it.
    ///
    /// # Errors
    /// [`ProfileError`]; as root also where others than root could have written the file.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        container::read(path, MAX_BYTES)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .map_err(|problem| problem.of(path))
    }

    /// Reads a profile from the bytes of its file, checking all of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Problem> {
        let (json, tensors) = container::unpack(bytes, METADATA_KEY)?;
        assemble(Header::parse(&json)?, tensors)
    }

    /// The bytes of the profile's file.
    ///
    /// # Errors
    /// [`Problem::Header`] where safetensors refuses it, which no profile that was fitted is.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Problem> {
        let mut tensors: Vec<(String, Tensor<'_>)> = Vec::new();
        let mut models = Vec::new();
        for (place, model) in self.models.iter().enumerate() {
            let (header, own) = models::parts(model);
            models.push(header);
            let own = own.into_iter();
            tensors.extend(own.map(|(name, tensor)| (format!("model.{place}.{name}"), tensor)));
        }
        if let Some(sets) = &self.sets {
            tensors.extend(sets::tensors_of(sets));
        }
        let mut calibrations = Vec::new();
        for (place, calibration) in self.calibrations.iter().enumerate() {
            calibrations.push(CalibrationHeader {
                model: calibration.model,
                signal: calibration.signal,
                start: calibration.start,
                unit: calibration.unit,
                distinct: calibration.distinct,
            });
            let scores = calibration.scores();
            let name = format!("calibration.{place}");
            tensors.push((name, Tensor::floats(&[scores.len()], scores)));
        }
        let header = Header {
            format: FORMAT,
            min_reader: models
                .iter()
                .map(ModelHeader::min_reader)
                .chain(self.sets.is_some().then_some(SETS_READER))
                .max()
                .unwrap_or(FIRST_READER),
            critical: Vec::new(),
            token_scheme: self.token_scheme,
            vocabulary: self.vocabulary.clone(),
            models,
            signals: self.signals.clone(),
            sets: self.sets.as_ref().map(|sets| SetsHeader {
                neighbours: sets.neighbours(),
            }),
            decision: self.decision,
            calibrations,
            programs: self.programs.clone(),
            provenance: self.provenance.clone(),
        };
        let json = serde_json::to_string(&header).map_err(|e| Problem::Header(e.to_string()))?;
        container::pack(METADATA_KEY, json, tensors.into_iter())
    }

    /// Saves the profile: written aside, then renamed, so that a fault leaves the old file whole. Nobody
    /// but the owner may write it.
    ///
    /// # Errors
    /// [`Problem::Save`], as on a full disk.
    pub fn save(&self, path: &Path) -> Result<(), ProfileError> {
        self.to_bytes()
            .and_then(|bytes| container::write(path, &bytes))
            .map_err(|problem| problem.of(path))
    }
}

fn assemble(
    header: Header,
    mut tensors: BTreeMap<String, Tensor<'static>>,
) -> Result<Profile, Problem> {
    if header.models.is_empty() || header.models.len() > MAX_MODELS {
        return Err(Problem::Header(format!(
            "{} models, and there are 1 to {MAX_MODELS}",
            header.models.len()
        )));
    }
    check_settings(&header)?;
    let vocab = header.vocabulary.len();
    let mut models = Vec::new();
    for (place, model) in header.models.iter().enumerate() {
        models.push(models::of_parts(place, model, vocab, &mut tensors)?);
    }
    let sets = match header.sets {
        Some(sets) => Some(sets::of_tensors(sets.neighbours, vocab, &mut tensors)?),
        None => None,
    };
    let mut calibrations = Vec::new();
    for (place, calibration) in header.calibrations.iter().enumerate() {
        let name = format!("calibration.{place}");
        let (shape, scores) = tensors
            .remove(name.as_str())
            .ok_or_else(|| Problem::Shape(format!("{name:?} is missing")))?
            .into_floats(&name)?;
        if shape.len() != 1 || scores.is_empty() || !scores.is_sorted() {
            return Err(Problem::Shape(format!(
                "{name:?} is not a list of ascending scores"
            )));
        }
        let wrong_block = matches!(calibration.unit, Unit::Block(0));
        if calibration.model >= models.len() || calibration.distinct == 0 || wrong_block {
            return Err(Problem::Header(format!(
                "calibration {place} makes no sense"
            )));
        }
        calibrations.push(Calibration::new(
            calibration.model,
            calibration.signal,
            calibration.start,
            calibration.unit,
            calibration.distinct,
            scores,
        ));
    }
    let there = SignalKind::ALL
        .into_iter()
        .filter(|signal| sets.is_some() || !signal.is_of_format_4());
    for signal in there {
        let pooled = |c: &&Calibration| c.model == 0 && c.signal == signal && c.start.is_none();
        if calibrations.iter().find(pooled).is_none() {
            return Err(Problem::Header(format!(
                "there is no calibration of the signal {:?}",
                signal.as_str()
            )));
        }
    }
    if let Some(name) = tensors.keys().next() {
        return Err(Problem::Shape(format!("{name:?} belongs to nothing")));
    }
    Ok(Profile {
        token_scheme: header.token_scheme,
        vocabulary: header.vocabulary,
        models,
        signals: header.signals,
        sets,
        decision: header.decision,
        calibrations,
        programs: header.programs,
        provenance: header.provenance,
    })
}

fn check_settings(header: &Header) -> Result<(), Problem> {
    let signals = &header.signals;
    let spreads_make_sense = signals
        .spread
        .iter()
        .all(|(median, spread)| median.is_finite() && spread.is_finite() && *spread > 0.0);
    let wrong = if !(1..=65_536).contains(&signals.window) {
        "the window"
    } else if !(0.0..=1.0).contains(&signals.quantile) {
        "the quantile"
    } else if !signals.cusum_reference.is_finite() {
        "the reference of the cumulative sum"
    } else if !spreads_make_sense {
        "the spread of a signal"
    } else if signals
        .usual
        .iter()
        .any(|usual| !(0.0..1e6).contains(usual))
    {
        "the usual value of a signal"
    } else if header.decision.signal.is_of_format_4() && header.sets.is_none() {
        "a signal of sets of calls without them"
    } else if !(header.decision.rate > 0.0 && header.decision.rate < 1.0) {
        "the false alarm rate"
    } else {
        return Ok(());
    };
    Err(Problem::Header(format!("{wrong} makes no sense")))
}
