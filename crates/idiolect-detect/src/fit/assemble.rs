//! What was fitted, as a profile.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use idiolect_trace::StartKind;

use super::{DEFAULT_RATE, FitError, FitOutcome, Fitted, Fitter};
use crate::calibrate::{self, UnitScore};
use crate::profile::{Decision, Profile, Provenance, TokenScheme};
use crate::split::{Piece, Policy, Split, TooLittle};
use crate::{Calibration, SignalKind, Unit};

impl Fitter<'_> {
    pub(super) fn assemble(
        &self,
        split: &Split,
        folds: usize,
        fitted: Fitted,
        scores: &[UnitScore],
    ) -> Result<FitOutcome, FitError> {
        let starts = StartKind::ALL.into_iter().map(Some).chain([None]);
        let mut calibrations = Vec::new();
        for start in starts {
            let units: Vec<&UnitScore> = scores
                .iter()
                .filter(|unit| start.is_none_or(|start| unit.start == start))
                .collect();
            if units.is_empty() {
                continue;
            }
            let hashes: Vec<[u8; 32]> = units.iter().map(|unit| unit.hash).collect();
            let distinct = self.distinct(&hashes);
            for signal in SignalKind::ALL {
                let scores = units.iter().map(|unit| unit.signals.get(signal)).collect();
                calibrations.push(Calibration::new(
                    0, signal, start, split.unit, distinct, scores,
                ));
            }
        }
        let Some(lowest) = calibrations.last().map(Calibration::lowest_rate) else {
            return Err(FitError::TooLittle(TooLittle {
                streams: self.streams.len(),
                distinct: self.streams.len(),
                calls: self.streams.calls(),
            }));
        };
        let aimed = self.config.rate.unwrap_or(DEFAULT_RATE);
        let rate = if self.config.rate.is_none() {
            aimed.max(lowest)
        } else {
            aimed
        };
        let raised_rate = (rate > aimed).then_some(rate);
        let kept = fitted.best_epoch();
        let calibrate_units = if folds > 0 {
            scores.len()
        } else {
            calibrate::units(&split.calibrate, split.unit)
        };
        let provenance = Provenance {
            data_hash: self.data_hash.clone(),
            streams: self.streams.len(),
            distinct_streams: self
                .streams
                .content_hashes()
                .iter()
                .collect::<HashSet<_>>()
                .len(),
            calls: self.streams.calls(),
            abis: self.streams.abis.clone(),
            selected: self.streams.selected,
            split: [
                calibrate::units(&split.train, split.unit),
                calibrate::units(&split.tune, split.unit),
                calibrate_units,
            ],
            calibrated_by: match (folds, split.unit, self.config.policy) {
                (0, Unit::Stream, Policy::Content | Policy::Time) => {
                    "streams held out by a hash of their content".to_owned()
                }
                (0, Unit::Stream, Policy::InTurn) => {
                    "runs of one command held out in turn, copies included".to_owned()
                }
                (0, Unit::Stream, Policy::InOrder { .. }) => {
                    "streams after those that trained and tuned, in the order read".to_owned()
                }
                (0, Unit::Block(len), _) => format!(
                    "blocks of {len} calls from the end of each stream, since there are too few streams; \
                     neighbouring blocks are not independent"
                ),
                (folds, ..) => format!(
                    "cross-fitting in {folds} folds: each stream scored by a model that was trained without it"
                ),
            },
            seed: self.config.model.seed(),
            epochs: [
                fitted.epochs.len(),
                kept.map_or(0, |report| report.epoch + 1),
            ],
            tune_surprise: fitted.held_out,
            seen_in_streams: self.seen_in_streams(&split.train),
            history: fitted.epochs.clone(),
            ..Provenance::default()
        };
        Ok(FitOutcome {
            profile: Profile {
                token_scheme: TokenScheme::Name,
                vocabulary: fitted.vocabulary,
                models: vec![fitted.model],
                signals: fitted.signals,
                sets: fitted.sets,
                decision: Decision {
                    signal: self.config.signal,
                    rate,
                },
                calibrations,
                programs: self.programs(),
                provenance,
            },
            epochs: fitted.epochs,
            raised_rate,
        })
    }

    fn programs(&self) -> BTreeSet<String> {
        let programs = self
            .streams
            .iter()
            .filter_map(|stream| stream.executable.clone());
        programs.collect()
    }

    fn seen_in_streams(&self, train: &[Piece]) -> BTreeMap<String, usize> {
        let mut seen = vec![0; self.streams.names().len()];
        for piece in train {
            let symbols = &self.streams.get(piece.stream).symbols[piece.range.clone()];
            for symbol in symbols.iter().collect::<HashSet<_>>() {
                seen[*symbol as usize] += 1;
            }
        }
        (1..seen.len())
            .filter(|&symbol| seen[symbol] > 0)
            .map(|symbol| (self.streams.name(symbol as u32).to_owned(), seen[symbol]))
            .collect()
    }
}
