//! How to train.

use serde::{Deserialize, Serialize};

use crate::Architecture;

/// How to train. Everything that the result depends on, besides the first weights and the data.
///
/// It is kept in checkpoints. A JSON number of up to 15 significant digits is read back exactly; one with
/// more may lose its last bit, and with it the promise that a resumed training is exactly the
/// uninterrupted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training sequences.
    pub epochs: usize,
    /// Sequences that are read side by side.
    pub batch: usize,
    /// Steps of a chunk: how far gradients flow back. The state is carried from chunk to chunk.
    pub bptt: usize,
    /// What is to be made small; cross-entropy where it is not said, as in old checkpoints.
    #[serde(default)]
    pub objective: Objective,
    /// How weights follow gradients.
    pub optimiser: Optimiser,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Longest gradient, as the Euclidean norm over all weights; longer ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// Which shares of the signals are dropped at random.
    pub dropout: Dropout,
    /// Epochs without a better tune loss after which to stop.
    pub patience: Option<usize>,
    /// Determines the order of the sequences, dropout and what a [`Corpus`](crate::Corpus) draws.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            epochs: 20,
            batch: 16,
            bptt: 100,
            objective: Objective::CrossEntropy,
            optimiser: Optimiser::adam(4e-3),
            schedule: Schedule::Cosine { floor: 0.0 },
            clip_norm: Some(5.0),
            dropout: Dropout::default(),
            patience: None,
            seed: 1,
        }
    }
}

/// What a training makes small: the mean over the targets of one of these. It is also what the losses
/// that a training reports are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// -ln of the softmax's probability of the target, in nats.
    #[default]
    CrossEntropy,
    /// The mean, over the V tokens, of the square of the softmax's probability less 1 for the target and
    /// less 0 for the others: Keras' `mean_squared_error` on a one-hot target.
    MeanSquared,
    /// What Keras' `categorical_crossentropy` makes of outputs without a softmax: they are divided by
    /// their sum as if they were probabilities, the target's share is kept within 1e-7 and 1 - 1e-7, and
    /// the loss is -ln of that, in nats, without a gradient where it was clipped. Outputs below 0 make it
    /// all but useless; it is here to show what that mistake comes to. Weights learned by it are those of
    /// no softmax, so probabilities by a [`Scorer`](crate::Scorer) mean nothing.
    UnnormalisedCrossEntropy,
}

/// How weights follow gradients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// Which one.
    pub kind: OptimiserKind,
    /// Step size before the schedule.
    pub learning_rate: f64,
    /// Decay of the running mean of the gradient: Adam and AdamW.
    pub beta1: f64,
    /// Decay of the running mean of its square: Adam, AdamW, and RMSprop, where it is called rho.
    pub beta2: f64,
    /// Added to the root of that, or (RMSprop) to that under the root.
    pub epsilon: f64,
    /// Weight decay, on all weights alike; AdamW's shrinks the weights, the others' is added to the
    /// gradient.
    pub weight_decay: f64,
}

impl Optimiser {
    /// Adam with PyTorch's defaults.
    pub fn adam(learning_rate: f64) -> Self {
        Optimiser {
            kind: OptimiserKind::Adam,
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }

    /// AdamW with PyTorch's defaults.
    pub fn adam_w(learning_rate: f64) -> Self {
        Optimiser {
            kind: OptimiserKind::AdamW,
            weight_decay: 1e-2,
            ..Optimiser::adam(learning_rate)
        }
    }

    /// RMSprop with Keras' defaults, but for the learning rate (Keras' is 0.001).
    pub fn rms_prop(learning_rate: f64) -> Self {
        Optimiser {
            kind: OptimiserKind::RmsProp,
            beta1: 0.0,
            beta2: 0.9,
            epsilon: 1e-7,
            ..Optimiser::adam(learning_rate)
        }
    }

    /// RMSprop with Keras 2's defaults, which were those of 2017.
    pub fn rms_prop_outer(learning_rate: f64) -> Self {
        Optimiser {
            kind: OptimiserKind::RmsPropOuter,
            ..Optimiser::rms_prop(learning_rate)
        }
    }

    /// Stochastic gradient descent without momentum. (Keras' learning rate is 0.01 by default.)
    pub fn sgd(learning_rate: f64) -> Self {
        Optimiser {
            kind: OptimiserKind::Sgd,
            beta1: 0.0,
            beta2: 0.0,
            ..Optimiser::adam(learning_rate)
        }
    }
}

/// The optimisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Kingma and Ba 2015; weight decay is added to the gradient.
    Adam,
    /// Loshchilov and Hutter 2019; weight decay shrinks the weights directly.
    AdamW,
    /// Tieleman and Hinton 2012, as Keras 3 writes it: the gradient over sqrt(v + epsilon), v the running
    /// mean of its square. PyTorch and Keras 2 divide by sqrt(v) + epsilon: there a gradient far below
    /// 3e-4, the root of Keras' epsilon, still makes a whole step; here it makes a small one.
    RmsProp,
    /// The same as Keras 2 and PyTorch write it: the gradient over sqrt(v) + epsilon.
    #[serde(rename = "rmsprop_outer")]
    RmsPropOuter,
    /// Stochastic gradient descent: the gradient times the learning rate.
    Sgd,
}

/// How the learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Half a cosine from the learning rate down to `floor` times it, by the share of the whole training
    /// that is done: `floor + (1 - floor) * (1 + cos(pi * done)) / 2`.
    Cosine {
        /// Share of the learning rate at the end, 0 to 1.
        floor: f64,
    },
    /// Multiplied by `factor` whenever the tune loss (the training loss, without a tune part) has not
    /// fallen by one part in 10,000 for more than `patience` epochs; never below `floor` times the
    /// learning rate. PyTorch's `ReduceLROnPlateau`.
    Plateau {
        /// What it is multiplied by, 0 to 1.
        factor: f64,
        /// Epochs to wait for.
        patience: usize,
        /// Smallest share of the learning rate, 0 to 1.
        floor: f64,
    },
}

/// Shares of the signals that are dropped at random in training, each 0 to 1 (1 excluded). What remains is
/// scaled up so that the mean stays (inverted dropout). A share is rounded to 1/65,536.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// After the embedding; 0 with one-hot input, which has none.
    pub embedding: f64,
    /// Between layers.
    pub between: f64,
    /// Before the output.
    pub output: f64,
}

impl TrainConfig {
    /// Most sequences side by side.
    pub const MAX_BATCH: usize = 4_096;
    /// Most steps of a chunk.
    pub const MAX_BPTT: usize = 65_536;

    /// Checks that every number is one that can be trained with.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |field, value: f64, ok: bool, range| {
            if ok {
                Ok(())
            } else {
                Err(ConfigError {
                    field,
                    value,
                    range,
                })
            }
        };
        let counted = |field, value: usize, max: usize, range| {
            within(field, value as f64, (1..=max).contains(&value), range)
        };
        let positive =
            |field, x: f64| within(field, x, x > 0.0 && x.is_finite(), "above 0 and finite");
        let decay = |field, x: f64| within(field, x, (0.0..1.0).contains(&x), "0 to 1, 1 excluded");
        let share = |field, x: f64| within(field, x, (0.0..=1.0).contains(&x), "0 to 1");

        counted("epochs", self.epochs, 1_000_000, "1 to 1,000,000")?;
        counted("batch", self.batch, Self::MAX_BATCH, "1 to 4,096")?;
        counted("bptt", self.bptt, Self::MAX_BPTT, "1 to 65,536")?;
        let rows = self.batch.saturating_mul(self.bptt);
        counted("batch times bptt", rows, 1 << 22, "1 to 4,194,304")?;
        let optimiser = &self.optimiser;
        positive("learning_rate", optimiser.learning_rate)?;
        decay("beta1", optimiser.beta1)?;
        decay("beta2", optimiser.beta2)?;
        positive("epsilon", optimiser.epsilon)?;
        share("weight_decay", optimiser.weight_decay)?;
        match self.schedule {
            Schedule::Constant => {}
            Schedule::Cosine { floor } => share("schedule floor", floor)?,
            Schedule::Plateau { factor, floor, .. } => {
                share("schedule factor", factor)?;
                share("schedule floor", floor)?;
            }
        }
        if let Some(norm) = self.clip_norm {
            positive("clip_norm", norm)?;
        }
        decay("dropout after the embedding", self.dropout.embedding)?;
        decay("dropout between layers", self.dropout.between)?;
        decay("dropout before the output", self.dropout.output)
    }

    /// Checks that the settings go with the network, too.
    pub(crate) fn validate_for(&self, architecture: &Architecture) -> Result<(), ConfigError> {
        self.validate()?;
        let dropped = self.dropout.embedding;
        if architecture.embedding.is_none() && dropped != 0.0 {
            return Err(ConfigError {
                field: "dropout after the embedding",
                value: dropped,
                range: "0 with one-hot input, which has no embedding to drop from",
            });
        }
        Ok(())
    }

    /// The learning rate when `done` (0 to 1) of the whole training is done; `plateau` is what the plateau
    /// schedule has come to.
    pub(crate) fn learning_rate(&self, done: f64, plateau: f64) -> f64 {
        self.optimiser.learning_rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Cosine { floor } => {
                    let done = done.clamp(0.0, 1.0);
                    floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
                }
                Schedule::Plateau { floor, .. } => plateau.max(floor),
            }
    }
}

/// A number that cannot be trained with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("training setting {field} is {value}: it must be {range}")]
pub struct ConfigError {
    /// Which.
    pub field: &'static str,
    /// What it was.
    pub value: f64,
    /// What it may be.
    pub range: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_trained_with_is_refused() {
        assert_eq!(TrainConfig::default().validate(), Ok(()));
        let field = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().unwrap_err().field
        };
        assert_eq!(field(|c| c.epochs = 0), "epochs");
        assert_eq!(field(|c| c.batch = 5000), "batch");
        assert_eq!(field(|c| c.bptt = 0), "bptt");
        assert_eq!(
            field(|c| (c.batch, c.bptt) = (4096, 65_536)),
            "batch times bptt"
        );
        assert_eq!(
            field(|c| c.optimiser.learning_rate = f64::NAN),
            "learning_rate"
        );
        assert_eq!(field(|c| c.optimiser.beta2 = 1.0), "beta2");
        assert_eq!(field(|c| c.optimiser.epsilon = 0.0), "epsilon");
        assert_eq!(field(|c| c.optimiser.weight_decay = -1.0), "weight_decay");
        assert_eq!(field(|c| c.clip_norm = Some(0.0)), "clip_norm");
        assert_eq!(
            field(|c| c.dropout.output = 1.0),
            "dropout before the output"
        );
        assert_eq!(
            field(|c| c.schedule = Schedule::Cosine { floor: 2.0 }),
            "schedule floor"
        );
    }

    #[test]
    fn one_hot_input_has_no_embedding_to_drop_from() {
        let mut config = TrainConfig {
            dropout: Dropout {
                embedding: 0.2,
                ..Dropout::default()
            },
            ..TrainConfig::default()
        };
        let mut architecture = Architecture {
            vocab: 9,
            embedding: Some(4),
            hidden: vec![5],
        };
        assert_eq!(config.validate_for(&architecture), Ok(()));
        architecture.embedding = None;
        let error = config.validate_for(&architecture).unwrap_err();
        assert_eq!(
            error.to_string(),
            "training setting dropout after the embedding is 0.2: it must be 0 with one-hot input, which \
             has no embedding to drop from"
        );
        config.dropout.embedding = 0.0;
        assert_eq!(config.validate_for(&architecture), Ok(()));
    }

    #[test]
    fn the_cosine_falls_from_the_rate_to_the_floor() {
        let config = TrainConfig {
            schedule: Schedule::Cosine { floor: 0.1 },
            ..TrainConfig::default()
        };
        let rate = |done| config.learning_rate(done, 1.0) / config.optimiser.learning_rate;
        assert!((rate(0.0) - 1.0).abs() < 1e-12);
        assert!((rate(0.5) - 0.55).abs() < 1e-12);
        assert!((rate(1.0) - 0.1).abs() < 1e-12);
        assert_eq!(rate(1.5), rate(1.0));
    }

    #[test]
    fn a_config_reads_back_from_json() {
        let base = TrainConfig::default();
        for (objective, optimiser) in [
            (
                Objective::UnnormalisedCrossEntropy,
                Optimiser::rms_prop(1e-3),
            ),
            (Objective::MeanSquared, Optimiser::sgd(0.01)),
        ] {
            let config = TrainConfig {
                objective,
                optimiser,
                ..base.clone()
            };
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<TrainConfig>(&json).unwrap(), config);
        }
        // A checkpoint from before there was a choice.
        let mut old = serde_json::to_value(&base).unwrap();
        old.as_object_mut().unwrap().remove("objective");
        assert_eq!(serde_json::from_value::<TrainConfig>(old).unwrap(), base);

        let config = TrainConfig {
            schedule: Schedule::Plateau {
                factor: 0.3,
                patience: 2,
                floor: 0.01,
            },
            optimiser: Optimiser::adam_w(1e-3),
            ..TrainConfig::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<TrainConfig>(&json).unwrap(), config);
    }
}
