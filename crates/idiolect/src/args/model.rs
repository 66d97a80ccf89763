//! Which model to learn, as typed: `NAME[:SETTING...]`.

use std::fmt::Display;
use std::str::FromStr;

use idiolect_detect::hmm::{HmmConfig, HmmModel};
use idiolect_detect::tables::{Escape, LookaheadPairs, MAX_ORDER, Smoothing, TableConfig};
use idiolect_detect::{CoderConfig, ModelConfig};
use idiolect_nn::one_hot::{Autoencoder, AutoencoderConfig, Map, MapConfig, WindowCounts};

/// A model that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ModelName {
    /// The network that the preset and its options settle.
    Lstm,
    /// A table.
    Table(TableConfig),
    /// A hidden Markov model; its seed is settled elsewhere.
    Hmm(HmmConfig),
    /// A model that rebuilds windows; its seed too.
    Coder(CoderConfig),
}

/// What is learned where nothing is asked for: the language model that the evaluation supports (RESULTS.md).
pub(crate) const DEFAULT_MODEL: ModelName = ModelName::Table(TableConfig::Ngram {
    order: ORDER,
    smoothing: Smoothing::WittenBell,
});

/// Calls of an n-gram, and of PPM: longer ones tell no more on the data that were tried.
const ORDER: usize = 8;
/// Calls of a window: Hofmeyr's.
const WINDOW: usize = 6;
/// Share of all windows below which one is rare: Warrender's 0.001 %.
const RARE: f64 = 1e-5;
/// Calls of a window of lookahead pairs: Somayaji's.
const LOOKAHEAD: usize = 9;
/// Hidden states: about as many as there are calls that a program makes (Warrender et al. 1999).
const STATES: usize = 40;
const ITERATIONS: usize = 50;
const MOST_ITERATIONS: usize = 100_000;
/// The least that an iteration must bring, in nats a call.
const TOLERANCE: f64 = 1e-4;

const MOST_STEPS: usize = 10_000_000;

/// What the help says of the models.
pub(crate) const MODELS: &str = "\
Models (--model NAME[:SETTING,...], as in ngram:order=12 or stide:6; a bare number is the order, or the states):
  ngram       n-gram language model: order=8, smoothing=witten-bell or kneser-ney (the default)
  lstm        LSTM language model, as --preset and the options of networks say
  markov      first-order Markov chain: the n-gram model of order 2
  ppm         prediction by partial matching with exclusion: order=8, escape=d or c
  hmm         hidden Markov model: states=40, iterations=50, tolerance=0.0001
  stide       windows never seen: order=6
  t-stide     windows rare or never seen: order=6, rare=0.00001 of all windows
  frequency   windows by how rare they are: order=6
  lookahead   pairs of calls never seen so far apart (pH): order=9
  som         windows by their distance to a self-organising map: order=6, side=10, steps=100000
  autoencoder windows by how badly a network rebuilds them: order=6, hidden=64, code=16, steps=3000
The score of the last six is no surprise; what it is measured in is said with it.";

/// Reads `NAME[:SETTING...]`.
pub(crate) fn model(text: &str) -> Result<ModelName, String> {
    let (name, settings) = text.split_once(':').unwrap_or((text, ""));
    let mut settings = Settings::of(settings)?;
    let model = match name {
        "lstm" => ModelName::Lstm,
        "ngram" => ModelName::Table(TableConfig::Ngram {
            order: settings.order(ORDER, 1, MAX_ORDER)?,
            smoothing: settings.take("smoothing", Smoothing::WittenBell)?,
        }),
        "markov" => ModelName::Table(TableConfig::Ngram {
            order: 2,
            smoothing: settings.take("smoothing", Smoothing::WittenBell)?,
        }),
        "ppm" => ModelName::Table(TableConfig::Ppm {
            order: settings.order(ORDER, 1, MAX_ORDER)?,
            escape: settings.take("escape", Escape::D)?,
        }),
        "stide" => ModelName::Table(TableConfig::Stide {
            len: settings.order(WINDOW, 1, MAX_ORDER)?,
        }),
        "t-stide" | "tstide" => ModelName::Table(TableConfig::TStide {
            len: settings.order(WINDOW, 1, MAX_ORDER)?,
            rare: settings.take("rare", RARE)?,
        }),
        "frequency" => ModelName::Table(TableConfig::Frequency {
            len: settings.order(WINDOW, 1, MAX_ORDER)?,
        }),
        "lookahead" => ModelName::Table(TableConfig::Lookahead {
            len: settings.order(LOOKAHEAD, 2, LookaheadPairs::MAX_LEN)?,
        }),
        "hmm" => ModelName::Hmm(HmmConfig {
            states: settings.number("states", STATES, 1, HmmModel::MAX_STATES)?,
            iterations: settings.number("iterations", ITERATIONS, 1, MOST_ITERATIONS)?,
            tolerance: settings.take("tolerance", TOLERANCE)?,
            seed: 0,
        }),
        "som" => ModelName::Coder(CoderConfig::Som {
            len: settings.order(WINDOW, 1, WindowCounts::MAX_LEN)?,
            map: MapConfig {
                side: settings.number_of("side", MapConfig::USUAL.side, 2, Map::MAX_SIDE)?,
                steps: settings.number_of("steps", MapConfig::USUAL.steps, 1, MOST_STEPS)?,
                seed: 0,
            },
        }),
        "autoencoder" => ModelName::Coder(CoderConfig::Autoencoder {
            len: settings.order(WINDOW, 1, WindowCounts::MAX_LEN)?,
            network: AutoencoderConfig {
                hidden: settings.number_of(
                    "hidden",
                    AutoencoderConfig::USUAL.hidden,
                    1,
                    Autoencoder::MAX_WIDTH,
                )?,
                code: settings.number_of(
                    "code",
                    AutoencoderConfig::USUAL.code,
                    1,
                    Autoencoder::MAX_WIDTH,
                )?,
                steps: settings.number_of(
                    "steps",
                    AutoencoderConfig::USUAL.steps,
                    1,
                    MOST_STEPS,
                )?,
                seed: 0,
            },
        }),
        _ => {
            let names = "lstm, ngram, markov, ppm, hmm, stide, t-stide, frequency, lookahead, som or autoencoder";
            return Err(format!("a model is {names}"));
        }
    };
    if let ModelName::Table(TableConfig::TStide { rare, .. }) = model
        && !(0.0..1.0).contains(&rare)
    {
        return Err("rare is a share of all windows, from 0 to below 1".to_owned());
    }
    settings.none_left(name)?;
    Ok(model)
}

impl ModelName {
    /// The model, with this seed; none where options of networks settle it.
    pub(crate) fn config(self, seed: u64) -> Option<ModelConfig> {
        match self {
            ModelName::Lstm => None,
            ModelName::Table(config) => Some(ModelConfig::Table(config)),
            ModelName::Hmm(config) => Some(ModelConfig::Hmm(HmmConfig { seed, ..config })),
            ModelName::Coder(config) => Some(ModelConfig::Coder(config.with_seed(seed))),
        }
    }
}

/// Settings that have not been taken yet.
struct Settings<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Settings<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        let words = text.split([',', ':']).filter(|word| !word.is_empty());
        let settings: Vec<_> = words
            .map(|word| word.split_once('=').unwrap_or(("", word)))
            .collect();
        for (place, (name, value)) in settings.iter().enumerate() {
            if settings[..place].iter().any(|(other, _)| other == name) {
                return Err(format!("{value:?}: this is said twice"));
            }
        }
        Ok(Settings(settings))
    }

    fn take<T: FromStr<Err: Display>>(&mut self, name: &str, usual: T) -> Result<T, String> {
        let Some(place) = self.0.iter().position(|(other, _)| *other == name) else {
            return Ok(usual);
        };
        let (_, value) = self.0.remove(place);
        value
            .parse()
            .map_err(|why| format!("{name}={value}: {why}"))
    }

    /// A number in this range, by its name or bare.
    fn number(
        &mut self,
        name: &str,
        usual: usize,
        least: usize,
        most: usize,
    ) -> Result<usize, String> {
        let bare = self.take("", usual)?;
        self.number_of(name, bare, least, most)
    }

    /// A number in this range, by its name.
    fn number_of(
        &mut self,
        name: &str,
        usual: usize,
        least: usize,
        most: usize,
    ) -> Result<usize, String> {
        let number = self.take(name, usual)?;
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(format!("{name}={number}: it is {least} to {most} here"))
        }
    }

    fn order(&mut self, usual: usize, least: usize, most: usize) -> Result<usize, String> {
        self.number("order", usual, least, most)
    }

    fn none_left(&self, model: &str) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((name, value)) => {
                let said = if name.is_empty() { value } else { name };
                Err(format!("{model} has no setting {said:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_settings() {
        let ngram =
            |order, smoothing| Ok(ModelName::Table(TableConfig::Ngram { order, smoothing }));
        assert_eq!(model("ngram"), ngram(8, Smoothing::WittenBell));
        assert_eq!(model("ngram:12"), ngram(12, Smoothing::WittenBell));
        assert_eq!(
            model("ngram:order=5,smoothing=kn"),
            ngram(5, Smoothing::KneserNey)
        );
        assert_eq!(
            model("ngram:smoothing=kneser-ney:5"),
            ngram(5, Smoothing::KneserNey)
        );
        assert_eq!(model("markov"), ngram(2, Smoothing::WittenBell));
        assert_eq!(model("lstm"), Ok(ModelName::Lstm));
        let stide = ModelName::Table(TableConfig::Stide { len: 3 });
        assert_eq!(model("stide:3"), Ok(stide));
        let rare = ModelName::Table(TableConfig::TStide {
            len: 6,
            rare: 0.001,
        });
        assert_eq!(model("t-stide:rare=0.001"), Ok(rare));
        for (bad, why) in [
            ("lstn", "a model is lstm"),
            ("ngram:0", "order=0: it is 1 to 64"),
            ("ngram:order=65", "it is 1 to 64"),
            ("ngram:order=x", "order=x"),
            ("ngram:states=3", "has no setting \"states\""),
            ("markov:3", "has no setting \"3\""),
            ("stide:6,6", "twice"),
            ("lookahead:1", "2 to 65"),
            ("t-stide:rare=1", "rare"),
            ("t-stide:rare=nan", "rare"),
            ("ppm:escape=e", "escape=e"),
            ("hmm:0", "states=0"),
            ("som:side=1", "side=1: it is 2 to 64"),
            ("autoencoder:code=0", "code=0"),
            ("autoencoder:side=3", "has no setting"),
        ] {
            let error = model(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
