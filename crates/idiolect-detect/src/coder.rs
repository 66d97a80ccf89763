//! Models that rebuild windows of calls.

use idiolect_nn::one_hot::{
    Autoencoder, AutoencoderConfig, Map, MapConfig, OneHotError, TrainObserver, WindowCounts,
};
use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};

use crate::detector::FOREIGN_STATE;
use crate::tables::in_turn;
use crate::{Detector, DetectorState, Measure, Run, Token, Vocabulary};

/// A model of windows before it is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CoderConfig {
    /// A self-organising map, see [`Map`].
    Som {
        /// Calls in a window: 1 to [`WindowCounts::MAX_LEN`].
        len: usize,
        /// The map.
        map: MapConfig,
    },
    /// An autoencoder, see [`Autoencoder`].
    Autoencoder {
        /// Calls in a window.
        len: usize,
        /// The network.
        network: AutoencoderConfig,
    },
}

impl CoderConfig {
    /// Fits it on sequences of tokens of a vocabulary of this size. Windows reach neither over a start nor over
    /// a gap.
    ///
    /// # Errors
    /// [`OneHotError`].
    pub fn fit<S: IntoIterator<Item = Token>>(
        &self,
        vocab: usize,
        sequences: impl IntoIterator<Item = S>,
        observer: &mut TrainObserver<'_>,
    ) -> Result<CoderModel, OneHotError> {
        let mut stretches: Vec<Vec<Token>> = Vec::new();
        for sequence in sequences {
            stretches.push(Vec::new());
            for token in sequence {
                match stretches.last_mut() {
                    Some(stretch) if is_call(token) => stretch.push(token),
                    _ => stretches.push(Vec::new()),
                }
            }
        }
        let counted = |len| WindowCounts::of(len, vocab, &stretches);
        let coder = match self {
            CoderConfig::Som { len, map } => {
                Coder::Map(Map::train(map, &counted(*len)?, observer)?)
            }
            CoderConfig::Autoencoder { len, network } => {
                Coder::Autoencoder(Autoencoder::train(network, &counted(*len)?, observer)?)
            }
        };
        Ok(CoderModel { vocab, coder })
    }

    /// The seed of everything random.
    pub fn seed(&self) -> u64 {
        match self {
            CoderConfig::Som { map, .. } => map.seed,
            CoderConfig::Autoencoder { network, .. } => network.seed,
        }
    }

    /// The same with this seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        match &mut self {
            CoderConfig::Som { map, .. } => map.seed = seed,
            CoderConfig::Autoencoder { network, .. } => network.seed = seed,
        }
        self
    }

    /// Numbers that are trained, for a vocabulary of this size.
    pub(crate) fn weight_count(&self, vocab: usize) -> usize {
        match self {
            CoderConfig::Som { len, map } => len * vocab * map.side * map.side,
            CoderConfig::Autoencoder { len, network } => {
                let (rows, hidden, code) = (len * vocab, network.hidden, network.code);
                (2 * rows + 2 * code + 2) * hidden + code + rows
            }
        }
    }
}

/// Calls, and those that are not known; what else there is ends a window.
fn is_call(token: Token) -> bool {
    token == Vocabulary::UNKNOWN || token >= Vocabulary::FIRST_CALL
}

/// What windows are rebuilt by.
#[derive(Clone, Debug, PartialEq)]
pub enum Coder {
    /// A self-organising map: the unit nearest to a window.
    Map(Map),
    /// An autoencoder.
    Autoencoder(Autoencoder),
}

/// A model that rebuilds windows of calls. A call is given the distance between the window that ends with
/// it and what that is rebuilt as, as a share of the distance between windows that have nothing in common.
#[derive(Clone, Debug, PartialEq)]
pub struct CoderModel {
    vocab: usize,
    coder: Coder,
}

impl CoderModel {
    /// By this, of windows over a vocabulary of this size.
    pub(crate) fn new(vocab: usize, coder: Coder) -> Self {
        CoderModel { vocab, coder }
    }

    /// What windows are rebuilt by.
    pub fn coder(&self) -> &Coder {
        &self.coder
    }

    /// Calls of a window.
    pub fn window(&self) -> usize {
        match &self.coder {
            Coder::Map(map) => map.window(),
            Coder::Autoencoder(network) => network.window(),
        }
    }

    /// Bytes of its weights.
    pub fn bytes(&self) -> usize {
        let numbers = match &self.coder {
            Coder::Map(map) => map.weights().len(),
            Coder::Autoencoder(network) => {
                let tensors = network.tensors().into_iter();
                tensors.map(|(.., values)| values.len()).sum()
            }
        };
        numbers * size_of::<f32>()
    }

    fn distance(&self, window: &[Token], room: &mut Vec<f32>) -> f32 {
        match &self.coder {
            Coder::Map(map) => map.distance(window, room),
            Coder::Autoencoder(network) => network.distance(window, room),
        }
    }

    /// Takes the next token; windows that are not whole have a distance of 0.
    fn next(&self, last: &mut Vec<Token>, token: Token, room: &mut Vec<f32>) -> f32 {
        if !is_call(token) {
            last.clear();
            return 0.0;
        }
        if last.len() == self.window() {
            last.remove(0);
        }
        last.push(token);
        if last.len() < self.window() {
            return 0.0;
        }
        self.distance(last, room)
    }
}

impl Detector for CoderModel {
    fn kind(&self) -> &'static str {
        match self.coder {
            Coder::Map(_) => "som",
            Coder::Autoencoder(_) => "autoencoder",
        }
    }

    fn measure(&self) -> Measure {
        Measure::Distance
    }

    fn silent(&self) -> usize {
        self.window() - 1
    }

    fn begin(&self, _: StartKind) -> DetectorState {
        DetectorState::Window(Vec::with_capacity(self.window()))
    }

    fn observe(&self, state: &mut DetectorState, token: Token) -> f32 {
        self.next(last_of(state), token, &mut Vec::new())
    }

    fn observe_runs(&self, runs: &mut [Run<'_>], threads: usize) {
        in_turn(runs, threads, |run| {
            let (last, mut room) = (last_of(run.state), Vec::new());
            let tokens = run.tokens.iter();
            let said = tokens.map(|&token| self.next(last, token, &mut room));
            run.surprises.extend(said);
        });
    }

    fn gap(&self, state: &mut DetectorState) {
        last_of(state).clear();
    }

    /// What each call's distance leaves to 1; 0 where no window would be whole.
    fn predict(&self, state: &DetectorState, probabilities: &mut Vec<f32>) {
        let DetectorState::Window(last) = state else {
            panic!("{FOREIGN_STATE}");
        };
        probabilities.clear();
        probabilities.resize(self.vocab, 0.0);
        let Some(from) = (last.len() + 1).checked_sub(self.window()) else {
            return;
        };
        let (mut window, mut room) = (last[from..].to_vec(), Vec::new());
        for token in Vocabulary::FIRST_CALL..self.vocab as Token {
            window.push(token);
            probabilities[token as usize] = (1.0 - self.distance(&window, &mut room)).max(0.0);
            window.pop();
        }
    }
}

/// The last calls of a stream.
fn last_of(state: &mut DetectorState) -> &mut Vec<Token> {
    match state {
        DetectorState::Window(last) => last,
        _ => panic!("{FOREIGN_STATE}"),
    }
}
