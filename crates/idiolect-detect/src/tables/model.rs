//! Which table, before it is counted and after.

use serde::{Deserialize, Serialize};

use super::{
    Escape, Grams, LookaheadPairs, NgramModel, PpmModel, Smoothing, TableError, WindowRule,
    WindowSet,
};
use crate::{Detector, Token};

/// A table before it is counted, for whatever vocabulary the data have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TableConfig {
    /// An n-gram language model, see [`NgramModel`].
    Ngram {
        /// Calls in an n-gram, the predicted one included: 1 to [`MAX_ORDER`](super::MAX_ORDER). Of order 2 it
        /// is a first-order Markov chain.
        order: usize,
        /// How it treats what it has not seen.
        smoothing: Smoothing,
    },
    /// Prediction by partial matching, see [`PpmModel`].
    Ppm {
        /// Calls of the longest context and the predicted one: 1 to [`MAX_ORDER`](super::MAX_ORDER). The
        /// literature counts the context alone.
        order: usize,
        /// How it escapes.
        escape: Escape,
    },
    /// A set of windows, see [`WindowSet`] and [`WindowRule::Stide`].
    Stide {
        /// Calls in a window: 1 to [`MAX_ORDER`](super::MAX_ORDER).
        len: usize,
    },
    /// The same where rare windows count as unseen, see [`WindowRule::TStide`].
    TStide {
        /// Calls in a window.
        len: usize,
        /// The share of all windows below which one is rare, from 0 to below 1.
        rare: f64,
    },
    /// Windows weighted by how rare they are, see [`WindowRule::Frequency`].
    Frequency {
        /// Calls in a window.
        len: usize,
    },
    /// Lookahead pairs, see [`LookaheadPairs`].
    Lookahead {
        /// Calls in a window: 2 to [`LookaheadPairs::MAX_LEN`].
        len: usize,
    },
}

/// What has to be done with n-grams of a table's order to make a table of them.
enum Made {
    Ngram(Smoothing),
    Ppm(Escape),
    Windows(WindowRule),
}

impl TableConfig {
    /// Counts it in sequences of tokens, of which each begins with the token of its start, of a vocabulary
    /// of this size.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn count<S: IntoIterator<Item = Token>>(
        self,
        vocab: usize,
        sequences: impl IntoIterator<Item = S>,
    ) -> Result<TableModel, TableError> {
        match self.made_of_grams() {
            Some(made) => made.of(Grams::count(self.order(), sequences)?, vocab),
            None => {
                let pairs = LookaheadPairs::count(self.order(), vocab, sequences)?;
                Ok(TableModel::Lookahead(pairs))
            }
        }
    }

    /// Calls of a window or an n-gram.
    pub fn order(self) -> usize {
        match self {
            TableConfig::Ngram { order, .. } | TableConfig::Ppm { order, .. } => order,
            TableConfig::Stide { len }
            | TableConfig::TStide { len, .. }
            | TableConfig::Frequency { len }
            | TableConfig::Lookahead { len } => len,
        }
    }

    fn made_of_grams(self) -> Option<Made> {
        Some(match self {
            TableConfig::Ngram { smoothing, .. } => Made::Ngram(smoothing),
            TableConfig::Ppm { escape, .. } => Made::Ppm(escape),
            TableConfig::Stide { .. } => Made::Windows(WindowRule::Stide),
            TableConfig::TStide { rare, .. } => Made::Windows(WindowRule::TStide { rare }),
            TableConfig::Frequency { .. } => Made::Windows(WindowRule::Frequency),
            TableConfig::Lookahead { .. } => return None,
        })
    }

    /// The table of n-grams that were counted before, whose order is the table's.
    ///
    /// # Errors
    /// [`TableError`], also where it is not made of n-grams.
    pub(crate) fn of_grams(self, grams: Grams, vocab: usize) -> Result<TableModel, TableError> {
        let made = self.made_of_grams();
        made.ok_or(TableError::Malformed("pairs are not made of n-grams"))?
            .of(grams, vocab)
    }
}

impl Made {
    fn of(self, grams: Grams, vocab: usize) -> Result<TableModel, TableError> {
        Ok(match self {
            Made::Ngram(smoothing) => TableModel::Ngram(NgramModel::new(grams, vocab, smoothing)?),
            Made::Ppm(escape) => TableModel::Ppm(PpmModel::new(grams, vocab, escape)?),
            Made::Windows(rule) => TableModel::Windows(WindowSet::new(grams, vocab, rule)?),
        })
    }
}

/// A table as a detector.
#[derive(Debug)]
#[non_exhaustive]
pub enum TableModel {
    /// An n-gram language model.
    Ngram(NgramModel),
    /// Prediction by partial matching.
    Ppm(PpmModel),
    /// A set of windows.
    Windows(WindowSet),
    /// Lookahead pairs.
    Lookahead(LookaheadPairs),
}

impl TableModel {
    /// It as a detector.
    pub fn detector(&self) -> &dyn Detector {
        match self {
            TableModel::Ngram(model) => model,
            TableModel::Ppm(model) => model,
            TableModel::Windows(model) => model,
            TableModel::Lookahead(model) => model,
        }
    }

    /// What it is.
    pub fn config(&self) -> TableConfig {
        match self {
            TableModel::Ngram(model) => TableConfig::Ngram {
                order: model.grams().order(),
                smoothing: model.smoothing(),
            },
            TableModel::Ppm(model) => TableConfig::Ppm {
                order: model.grams().order(),
                escape: model.escape(),
            },
            TableModel::Windows(model) => {
                let len = model.grams().order();
                match model.rule() {
                    WindowRule::Stide => TableConfig::Stide { len },
                    WindowRule::TStide { rare } => TableConfig::TStide { len, rare },
                    WindowRule::Frequency => TableConfig::Frequency { len },
                }
            }
            TableModel::Lookahead(model) => TableConfig::Lookahead {
                len: model.window(),
            },
        }
    }

    /// It as nothing but a detector.
    pub fn into_detector(self) -> Box<dyn Detector> {
        match self {
            TableModel::Ngram(model) => Box::new(model),
            TableModel::Ppm(model) => Box::new(model),
            TableModel::Windows(model) => Box::new(model),
            TableModel::Lookahead(model) => Box::new(model),
        }
    }

    /// What it was counted from, where that are n-grams.
    pub fn grams(&self) -> Option<&Grams> {
        match self {
            TableModel::Ngram(model) => Some(model.grams()),
            TableModel::Ppm(model) => Some(model.grams()),
            TableModel::Windows(model) => Some(model.grams()),
            TableModel::Lookahead(_) => None,
        }
    }

    /// Different n-grams of its order, windows, or pairs.
    pub fn entries(&self) -> u64 {
        match self {
            TableModel::Windows(model) => model.len() as u64,
            TableModel::Lookahead(model) => model.pairs(),
            TableModel::Ngram(model) => model.grams().len() as u64,
            TableModel::Ppm(model) => model.grams().len() as u64,
        }
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            TableModel::Ngram(model) => model.bytes(),
            TableModel::Ppm(model) => model.bytes(),
            TableModel::Windows(model) => model.bytes(),
            TableModel::Lookahead(model) => model.bytes(),
        }
    }
}
